/**
 * vxlan-ftable.ts — the addresses a vxlan knows: inner MAC address to the tunnel end it is behind.
 * Read first: mac-table.ts; RFC 7348 §4.1; freebsd `sys/net/if_vxlan.c` (vxlan_ftable_*).
 *
 * Theory of operation. A mac-table.ts whose words are
 *
 *     word 0          1               2                 3
 *     MAC octets 2-5  MAC octets 0-1  port << 2 | type  address of the end, host order
 *
 * A DYNAMIC entry was learned: it follows its address to another end, and expires. A STATIC one was configured and does neither; that its
 * address was seen is noted, as FreeBSD does, and changes nothing.
 *
 * Invariants: `dynamic` = entries of type VXLAN_FE_DYNAMIC. Lowering `max` removes nothing.
 * Not here: what is learned from which frame (vxlan.ts).
 */
import type { Micros } from '../base/time.js';
import { MacTable } from './mac-table.js';

/** Entries a table may be told to hold, and holds unless told otherwise. */
export const VXLAN_FTABLE_MAX = 2_000;

/** Types of entries, FreeBSD's values. */
export const VXLAN_FE_DYNAMIC = 0x01;
export const VXLAN_FE_STATIC = 0x02;

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

export class VxlanFtable extends MacTable {
  /** Entries that can expire. */
  dynamic = 0;

  /** @param key any 32-bit number, unknown to the network. */
  constructor(key: number) {
    super(key, VXLAN_FTABLE_MAX, VXLAN_FE_DYNAMIC);
  }

  /** The slot of an address (octets 0-1, octets 2-5 as any 32-bit number), -1 when it is not known. */
  find(hi: number, lo: number): number {
    return this.slotOf(lo | 0, hi);
  }

  /** The tunnel end in `slot`, as a signed number. */
  addrAt(slot: number): number {
    return this.word(slot, 3);
  }

  portAt(slot: number): number {
    return this.numberAt(slot);
  }

  /** An address was seen behind `addr`. False: it was new, and there is no room. */
  learn(hi: number, lo: number, addr: number, port: number, expire: Micros): boolean {
    const slot = this.find(hi, lo);
    if (slot < 0) return this.insert(hi, lo, addr, port, VXLAN_FE_DYNAMIC, expire);
    this.refresh(slot, expire);
    if (this.isDynamic(slot)) this.setWord3(slot, addr | 0);
    return true;
  }

  /** Adds an address that is not in the table. False when it is full. */
  insert(hi: number, lo: number, addr: number, port: number, type: number, expire: Micros): boolean {
    if (!this.add(lo | 0, hi, port, type, addr | 0, expire)) return false;
    if (type === VXLAN_FE_DYNAMIC) this.dynamic++;
    return true;
  }

  override removeAt(slot: number): void {
    if (this.isDynamic(slot)) this.dynamic--;
    super.removeAt(slot);
  }

  /** Removes dynamic entries, or all. */
  flush(all: boolean): void {
    this.removeWhere((slot) => all || this.isDynamic(slot));
  }

  /** Every entry, in the order of the table. */
  list(): FtableEntry[] {
    return this.slots().map((i) => ({
      hi: this.word(i, 1), lo: this.word(i, 0) >>> 0, addr: this.addrAt(i) >>> 0, port: this.portAt(i), type: this.typeAt(i), expire: this.expireAt(i),
    }));
  }
}
