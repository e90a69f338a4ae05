/**
 * vxlan-ftable.ts — the addresses a vxlan knows: inner MAC address to the tunnel end it is behind.
 * Read first: RFC 7348 §4.1; freebsd `sys/net/if_vxlan.c` (vxlan_ftable_*).
 *
 * Theory of operation. Open addressing with linear probing over one Int32Array, four words per slot, so that a look-up touches one
 * cache line and makes no object:
 *
 *     word 0          1               2                      3
 *     MAC octets 2-5  MAC octets 0-1  address of the end,    port << 2 | type, 0 for a free slot
 *                                     host order
 *
 * Expiry times are beside it. Deleting shifts the following entries back (no tombstones). The table starts small and doubles when it
 * is half full; `max` is the bound of what may be added. The hash is keyed, so that nobody who does not know the key can send
 * frames that all fall into one run.
 *
 * A DYNAMIC entry was learned: it follows its address to another end, and expires. A STATIC one was configured and does neither; that its
 * address was seen is noted, as FreeBSD does, and changes nothing.
 *
 * Invariants: `count` = occupied slots; an entry that has expired is good until `expire` removes it.
 * Not here: what is learned from which frame (vxlan.ts).
 */
import type { Micros } from '../base/time.js';

/** Entries a table may be told to hold, and holds unless told otherwise. */
export const VXLAN_FTABLE_MAX = 2_000;

/** Types of entries, FreeBSD's values. */
export const VXLAN_FE_DYNAMIC = 0x01;
export const VXLAN_FE_STATIC = 0x02;

const TYPE_BITS = 2;
const TYPE_MASK = 3;
const SLOTS_MIN = 32;
const WORDS = 4;

/** One entry, for listing. */
export interface FtableEntry {
  readonly hi: number;
  readonly lo: number;
  readonly addr: number;
  readonly port: number;
  /** VXLAN_FE_* */
  readonly type: number;
  readonly expire: Micros;
}

export class VxlanFtable {
  /** Entries it may hold; lowering it removes none. */
  max = VXLAN_FTABLE_MAX;
  count = 0;
  /** Entries that can expire. */
  dynamic = 0;
  private readonly key: number;
  private words = new Int32Array(SLOTS_MIN * WORDS);
  private expires = new Float64Array(SLOTS_MIN);
  private mask = SLOTS_MIN - 1;

  /** @param key any 32-bit number, unknown to the network. */
  constructor(key: number) {
    this.key = key | 0;
  }

  /** The slot of an address (octets 0-1, octets 2-5 as any 32-bit number), -1 when it is not known. Valid until the next change. */
  find(hi: number, lo: number): number {
    const { words, mask } = this;
    const w0 = lo | 0;
    let i = this.home(w0, hi);
    for (;;) {
      const at = i * WORDS;
      if (words[at + 3] === 0) return -1;
      if (words[at] === w0 && words[at + 1] === hi) return i;
      i = (i + 1) & mask;
    }
  }

  /** The tunnel end in `slot`, as a signed number. */
  addrAt(slot: number): number {
    return this.words[slot * WORDS + 2]!;
  }

  portAt(slot: number): number {
    return this.words[slot * WORDS + 3]! >> TYPE_BITS;
  }

  /** An address was seen behind `addr`. False: it was new, and there is no room. */
  learn(hi: number, lo: number, addr: number, port: number, expire: Micros): boolean {
    const slot = this.find(hi, lo);
    if (slot < 0) return this.insert(hi, lo, addr, port, VXLAN_FE_DYNAMIC, expire);
    this.expires[slot] = expire;
    const at = slot * WORDS + 2;
    if ((this.words[at + 1]! & TYPE_MASK) === VXLAN_FE_DYNAMIC) this.words[at] = addr | 0;
    return true;
  }

  /** Adds an address that is not in the table. False when it is full. */
  insert(hi: number, lo: number, addr: number, port: number, type: number, expire: Micros): boolean {
    if (this.count >= this.max) return false;
    if ((this.count + 1) * 2 > this.mask + 1) this.grow();
    this.put(lo | 0, hi, addr | 0, (port << TYPE_BITS) | type, expire);
    this.count++;
    if (type === VXLAN_FE_DYNAMIC) this.dynamic++;
    return true;
  }

  /** Takes an entry out; entries that probed past it move back. */
  removeAt(slot: number): void {
    const { words, mask } = this;
    this.count--;
    if ((words[slot * WORDS + 3]! & TYPE_MASK) === VXLAN_FE_DYNAMIC) this.dynamic--;
    let hole = slot;
    for (let i = (slot + 1) & mask; words[i * WORDS + 3] !== 0; i = (i + 1) & mask) {
      const home = this.home(words[i * WORDS]!, words[i * WORDS + 1]!);
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      words.copyWithin(hole * WORDS, i * WORDS, (i + 1) * WORDS);
      this.expires[hole] = this.expires[i]!;
      hole = i;
    }
    words.fill(0, hole * WORDS, (hole + 1) * WORDS);
  }

  /** Removes the dynamic entries that are due. */
  expire(now: Micros): void {
    this.removeWhere((slot) => this.isDynamic(slot) && this.expires[slot]! <= now);
  }

  /** Removes dynamic entries, or all. */
  flush(all: boolean): void {
    this.removeWhere((slot) => all || this.isDynamic(slot));
  }

  /** Every entry, in the order of the table. */
  list(): FtableEntry[] {
    const entries: FtableEntry[] = [];
    for (let i = 0; i <= this.mask; i++) {
      const at = i * WORDS;
      const last = this.words[at + 3]!;
      if (last === 0) continue;
      entries.push({
        hi: this.words[at + 1]!, lo: this.words[at]! >>> 0, addr: this.words[at + 2]! >>> 0, port: last >> TYPE_BITS, type: last & TYPE_MASK, expire: this.expires[i]!,
      });
    }
    return entries;
  }

  private isDynamic(slot: number): boolean {
    return (this.words[slot * WORDS + 3]! & TYPE_MASK) === VXLAN_FE_DYNAMIC;
  }

  private home(w0: number, w1: number): number {
    let h = Math.imul(w0 ^ this.key, 0x9e3779b1) ^ Math.imul(w1 + this.key, 0x85ebca6b);
    h ^= h >>> 15;
    h = Math.imul(h, 0x2c1b3c6d);
    return (h ^ (h >>> 13)) & this.mask;
  }

  private put(w0: number, w1: number, w2: number, w3: number, expire: Micros): void {
    const { words } = this;
    let i = this.home(w0, w1);
    while (words[i * WORDS + 3] !== 0) i = (i + 1) & this.mask;
    const at = i * WORDS;
    words[at] = w0;
    words[at + 1] = w1;
    words[at + 2] = w2;
    words[at + 3] = w3;
    this.expires[i] = expire;
  }

  private grow(): void {
    const { words, expires } = this;
    const slots = (this.mask + 1) * 2;
    this.words = new Int32Array(slots * WORDS);
    this.expires = new Float64Array(slots);
    this.mask = slots - 1;
    for (let at = 0; at < words.length; at += WORDS) {
      if (words[at + 3] !== 0) this.put(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, expires[at / WORDS]!);
    }
  }

  /** A slot that was emptied may hold a later entry now, so it is looked at again. */
  private removeWhere(test: (slot: number) => boolean): void {
    for (let i = 0; i <= this.mask; i++) {
      while (this.words[i * WORDS + 3] !== 0 && test(i)) this.removeAt(i);
    }
  }
}
