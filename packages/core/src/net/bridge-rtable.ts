/**
 * bridge-rtable.ts — the addresses a bridge knows: (MAC, VLAN) to port.
 * Read first: mac-table.ts; freebsd `sys/net/if_bridge.c` (bridge_rtnode).
 *
 * Theory of operation. A mac-table.ts whose words are
 *
 *     word 0          1                    2                          3
 *     MAC octets 2-5  MAC octets 0-1 <<12  (port + 1) << 2 | flags    insertion number,
 *                     | VLAN id                                       for listing newest first
 *
 * A learned address is DYNAMIC: it moves to whichever port it is seen on and expires. A STICKY one was learned and stays,
 * a STATIC one was configured; neither moves nor expires.
 *
 * Invariants: `count` = occupied slots = sum of `portCount`. Addresses are individual and not zero.
 * Not here: what a port is, and per-port limits (bridge-forward.ts).
 */
import type { Micros } from '../base/time.js';
import { MacTable } from './mac-table.js';

export const IFBAF_TYPEMASK = 0x03;
export const IFBAF_DYNAMIC = 0x00;
export const IFBAF_STATIC = 0x01;
export const IFBAF_STICKY = 0x02;

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

/** Who keeps the entries for short paths, too (datapath/bridge-mirror.ts). */
export interface RtableMirror {
  put(hi: number, lo: number, vlan: number, port: number): void;
  drop(hi: number, lo: number, vlan: number): void;
  /** When a short path saw the address for the last time; 0: never. */
  seenAt(hi: number, lo: number, vlan: number): Micros;
}

export class BridgeRtable extends MacTable {
  mirror: RtableMirror | null = null;
  /** Entries of each port. */
  readonly portCount: number[] = [];
  private inserted = 0;

  /** @param key any 32-bit number, unknown to the network. */
  constructor(key: number, max: number) {
    super(key, max, IFBAF_DYNAMIC);
  }

  /** The slot of an address (octets 0-1, octets 2-5 as any 32-bit number, VLAN id), -1 when it is not known. */
  find(hi: number, lo: number, vlan: number): number {
    return this.slotOf(lo | 0, (hi << VLAN_BITS) | vlan);
  }

  portAt(slot: number): number {
    return this.numberAt(slot) - 1;
  }

  /** The address in `slot` is behind `port` from now on. */
  move(slot: number, port: number): void {
    this.portCount[this.portAt(slot)]!--;
    this.portCount[port] = (this.portCount[port] ?? 0) + 1;
    this.setNumber(slot, port + 1, this.typeAt(slot));
    this.mirror?.put(this.hiAt(slot), this.word(slot, 0), this.vlanAt(slot), port);
  }

  setFlags(slot: number, flags: number): void {
    this.setNumber(slot, this.numberAt(slot), flags & IFBAF_TYPEMASK);
  }

  /** Adds an address that is not in the table. False when the table is full. */
  insert(hi: number, lo: number, vlan: number, port: number, flags: number, expire: Micros): boolean {
    if (!this.add(lo | 0, (hi << VLAN_BITS) | vlan, port + 1, flags, this.inserted++, expire)) return false;
    this.portCount[port] = (this.portCount[port] ?? 0) + 1;
    this.mirror?.put(hi, lo, vlan, port);
    return true;
  }

  override removeAt(slot: number): void {
    this.portCount[this.portAt(slot)]!--;
    this.mirror?.drop(this.hiAt(slot), this.word(slot, 0), this.vlanAt(slot));
    super.removeAt(slot);
  }

  /** Addresses that short paths have seen since are not due: `timeout` after that. */
  refreshSeen(timeout: Micros): void {
    const { mirror } = this;
    if (mirror === null) return;
    for (const slot of this.slots()) {
      if (!this.isDynamic(slot)) continue;
      const seen = mirror.seenAt(this.hiAt(slot), this.word(slot, 0), this.vlanAt(slot));
      if (seen !== 0 && seen + timeout > this.expireAt(slot)) this.refresh(slot, seen + timeout);
    }
  }

  private hiAt(slot: number): number {
    return this.word(slot, 1) >> VLAN_BITS;
  }

  private vlanAt(slot: number): number {
    return this.word(slot, 1) & ((1 << VLAN_BITS) - 1);
  }

  /** Removes an address in every VLAN; how many there were. */
  removeAddress(hi: number, lo: number): number {
    return this.removeWhere((slot) => this.word(slot, 0) === (lo | 0) && this.word(slot, 1) >> VLAN_BITS === hi);
  }

  /** Removes dynamic entries, or all; of one port, or of every port (-1). */
  flush(all: boolean, port = -1): number {
    return this.removeWhere((slot) => (port < 0 || this.portAt(slot) === port) && (all || this.isDynamic(slot)));
  }

  /** Removes the dynamic entries of one port. Makes no object: neighbours can ask for it. */
  flushPort(port: number): void {
    for (let i = 0; i < this.slotCount && (this.portCount[port] ?? 0) > 0; i++) {
      while (this.portAt(i) === port && this.isDynamic(i)) this.removeAt(i);
    }
  }

  /** The dynamic entries of one port are due at `expire`, unless they are sooner. */
  capExpiry(port: number, expire: Micros): void {
    for (let i = 0; i < this.slotCount; i++) {
      if (this.portAt(i) !== port || !this.isDynamic(i) || this.expireAt(i) <= expire) continue;
      this.refresh(i, expire);
      // What short paths saw before does not count any more.
      this.mirror?.put(this.hiAt(i), this.word(i, 0), this.vlanAt(i), port);
    }
  }

  /** Sets another limit; ages, then forgets dynamic entries until the table fits. */
  setMax(max: number, now: Micros): void {
    this.max = max;
    if (this.count > max) this.age(now);
    if (this.count > max) this.removeWhere((slot) => this.count > max && this.isDynamic(slot));
  }

  /** Every entry, newest first. */
  list(): RtableEntry[] {
    const slots = this.slots().sort((a, b) => this.word(b, 3) - this.word(a, 3));
    return slots.map((i) => {
      return { hi: this.hiAt(i), lo: this.word(i, 0) >>> 0, vlan: this.vlanAt(i), port: this.portAt(i), flags: this.typeAt(i), expire: this.expireAt(i) };
    });
  }
}
