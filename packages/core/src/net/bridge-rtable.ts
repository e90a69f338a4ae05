/**
 * bridge-rtable.ts — the addresses a bridge knows: (MAC, VLAN) to port.
 * Read first: IEEE 802.1D §7.9 (filtering database); freebsd `sys/net/if_bridge.c` (bridge_rtnode).
 *
 * Theory of operation. Open addressing with linear probing over one Int32Array, four words per slot, so that a lookup touches one
 * cache line and makes no object:
 *
 *     word 0          1                    2                          3
 *     MAC octets 2-5  MAC octets 0-1 <<12  (port + 1) << 2 | flags,   insertion number,
 *                     | VLAN id            0 for a free slot          for listing newest first
 *
 * Expiry times are beside it. Deleting shifts the following entries back (no tombstones), so a table that churns stays as
 * fast as a fresh one. It starts small and doubles when it is half full; `max` entries is the bound. The hash is keyed, so that
 * nobody who does not know the key can send frames that all fall into one run.
 *
 * A learned address is DYNAMIC: it moves to whichever port it is seen on and expires. A STICKY one was learned and stays,
 * a STATIC one was configured; neither moves nor expires.
 *
 * Invariants: `count` = occupied slots = sum of `portCount`. Addresses are individual and not zero.
 * Not here: what a port is, and per-port limits (bridge-forward.ts).
 */
import type { Micros } from '../base/time.js';

export const IFBAF_TYPEMASK = 0x03;
export const IFBAF_DYNAMIC = 0x00;
export const IFBAF_STATIC = 0x01;
export const IFBAF_STICKY = 0x02;

const SLOTS_MIN = 32;
const WORDS = 4;
const FLAG_BITS = 2;
const VLAN_BITS = 12;

/** One entry, for listing. */
export interface RtableEntry {
  readonly hi: number;
  readonly lo: number;
  readonly vlan: number;
  readonly port: number;
  readonly flags: number;
  /** Meaningless unless DYNAMIC. */
  readonly expire: Micros;
}

export class BridgeRtable {
  /** Entries it may hold. */
  max: number;
  count = 0;
  /** Entries of each port. */
  readonly portCount: number[] = [];
  private readonly key: number;
  private words = new Int32Array(SLOTS_MIN * WORDS);
  private expires = new Float64Array(SLOTS_MIN);
  private mask = SLOTS_MIN - 1;
  private inserted = 0;

  /** @param key any 32-bit number, unknown to the network. */
  constructor(key: number, max: number) {
    this.key = key | 0;
    this.max = max;
  }

  /** The slot of an address (octets 0-1, octets 2-5 as any 32-bit number, VLAN id), -1 when it is not known. Valid until the next change. */
  find(hi: number, lo: number, vlan: number): number {
    const words = this.words;
    const mask = this.mask;
    const w0 = lo | 0;
    const w1 = (hi << VLAN_BITS) | vlan;
    let i = this.home(w0, w1);
    for (;;) {
      const at = i * WORDS;
      if (words[at] === w0 && words[at + 1] === w1 && words[at + 2] !== 0) return i;
      if (words[at + 2] === 0) return -1;
      i = (i + 1) & mask;
    }
  }

  portAt(slot: number): number {
    return (this.words[slot * WORDS + 2]! >> FLAG_BITS) - 1;
  }

  flagsAt(slot: number): number {
    return this.words[slot * WORDS + 2]! & IFBAF_TYPEMASK;
  }

  /** The address in `slot` was seen. */
  refresh(slot: number, expire: Micros): void {
    this.expires[slot] = expire;
  }

  /** The address in `slot` is behind `port` from now on. */
  move(slot: number, port: number): void {
    const at = slot * WORDS + 2;
    const was = this.words[at]!;
    this.portCount[(was >> FLAG_BITS) - 1]!--;
    this.portCount[port] = (this.portCount[port] ?? 0) + 1;
    this.words[at] = ((port + 1) << FLAG_BITS) | (was & IFBAF_TYPEMASK);
  }

  setFlags(slot: number, flags: number): void {
    const at = slot * WORDS + 2;
    this.words[at] = (this.words[at]! & ~IFBAF_TYPEMASK) | (flags & IFBAF_TYPEMASK);
  }

  /** Adds an address that is not in the table. False when the table is full. */
  insert(hi: number, lo: number, vlan: number, port: number, flags: number, expire: Micros): boolean {
    if (this.count >= this.max) return false;
    if ((this.count + 1) * 2 > this.mask + 1) this.grow();
    this.put(lo | 0, (hi << VLAN_BITS) | vlan, ((port + 1) << FLAG_BITS) | flags, this.inserted++, expire);
    this.count++;
    this.portCount[port] = (this.portCount[port] ?? 0) + 1;
    return true;
  }

  /** Takes an entry out; entries that probed past it move back. */
  removeAt(slot: number): void {
    const { words, mask } = this;
    this.portCount[this.portAt(slot)]!--;
    this.count--;
    let hole = slot;
    for (let i = (slot + 1) & mask; words[i * WORDS + 2] !== 0; i = (i + 1) & mask) {
      const home = this.home(words[i * WORDS]!, words[i * WORDS + 1]!);
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      words.copyWithin(hole * WORDS, i * WORDS, (i + 1) * WORDS);
      this.expires[hole] = this.expires[i]!;
      hole = i;
    }
    words.fill(0, hole * WORDS, (hole + 1) * WORDS);
  }

  /** Removes an address in every VLAN; how many there were. */
  removeAddress(hi: number, lo: number): number {
    return this.removeWhere((at) => this.words[at] === (lo | 0) && this.words[at + 1]! >> VLAN_BITS === hi);
  }

  /** Removes the dynamic entries that are due. */
  age(now: Micros): number {
    return this.removeWhere((at) => (this.words[at + 2]! & IFBAF_TYPEMASK) === IFBAF_DYNAMIC && this.expires[at / WORDS]! <= now);
  }

  /** Removes dynamic entries, or all; of one port, or of every port (-1). */
  flush(all: boolean, port = -1): number {
    return this.removeWhere((at) => {
      const value = this.words[at + 2]!;
      return (port < 0 || (value >> FLAG_BITS) - 1 === port) && (all || (value & IFBAF_TYPEMASK) === IFBAF_DYNAMIC);
    });
  }

  /** Removes the dynamic entries of one port. Makes no object: neighbours can ask for it. */
  flushPort(port: number): void {
    const value = ((port + 1) << FLAG_BITS) | IFBAF_DYNAMIC;
    for (let i = 0; i <= this.mask && (this.portCount[port] ?? 0) > 0; i++) {
      while (this.words[i * WORDS + 2] === value) this.removeAt(i);
    }
  }

  /** The dynamic entries of one port are due at `expire`, unless they are sooner. */
  capExpiry(port: number, expire: Micros): void {
    const value = ((port + 1) << FLAG_BITS) | IFBAF_DYNAMIC;
    for (let i = 0; i <= this.mask; i++) {
      if (this.words[i * WORDS + 2] === value && this.expires[i]! > expire) this.expires[i] = expire;
    }
  }

  /** Sets another limit; ages, then forgets dynamic entries until the table fits. */
  setMax(max: number, now: Micros): void {
    this.max = max;
    if (this.count > max) this.age(now);
    if (this.count > max) this.removeWhere((at) => this.count > max && (this.words[at + 2]! & IFBAF_TYPEMASK) === IFBAF_DYNAMIC);
  }

  /** Every entry, newest first. */
  list(): RtableEntry[] {
    const slots: number[] = [];
    for (let i = 0; i <= this.mask; i++) if (this.words[i * WORDS + 2] !== 0) slots.push(i);
    slots.sort((a, b) => this.words[b * WORDS + 3]! - this.words[a * WORDS + 3]!);
    return slots.map((i) => {
      const w1 = this.words[i * WORDS + 1]!;
      return {
        hi: w1 >> VLAN_BITS, lo: this.words[i * WORDS]! >>> 0, vlan: w1 & ((1 << VLAN_BITS) - 1), port: this.portAt(i), flags: this.flagsAt(i), expire: this.expires[i]!,
      };
    });
  }

  private home(w0: number, w1: number): number {
    let h = Math.imul(w0 ^ this.key, 0x9e3779b1) ^ Math.imul(w1 + this.key, 0x85ebca6b);
    h ^= h >>> 15;
    h = Math.imul(h, 0x2c1b3c6d);
    return (h ^ (h >>> 13)) & this.mask;
  }

  private put(w0: number, w1: number, value: number, number: number, expire: Micros): void {
    const words = this.words;
    let i = this.home(w0, w1);
    while (words[i * WORDS + 2] !== 0) i = (i + 1) & this.mask;
    const at = i * WORDS;
    words[at] = w0;
    words[at + 1] = w1;
    words[at + 2] = value;
    words[at + 3] = number;
    this.expires[i] = expire;
  }

  private grow(): void {
    const old = this.words;
    const oldExpires = this.expires;
    const slots = (this.mask + 1) * 2;
    this.words = new Int32Array(slots * WORDS);
    this.expires = new Float64Array(slots);
    this.mask = slots - 1;
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 2] !== 0) this.put(old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!, oldExpires[at / WORDS]!);
    }
  }

  /** A slot that was emptied may hold a later entry now, so it is looked at again. */
  private removeWhere(test: (at: number) => boolean): number {
    const before = this.count;
    for (let i = 0; i <= this.mask; i++) {
      while (this.words[i * WORDS + 2] !== 0 && test(i * WORDS)) this.removeAt(i);
    }
    return before - this.count;
  }
}
