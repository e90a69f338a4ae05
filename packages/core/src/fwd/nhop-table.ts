/**
 * nhop-table.ts — next hops and multipath groups as flat words: what a leaf of the forwarding table leads to.
 * Read first: freebsd `sys/net/route/nhop.h` (struct nhop_object), `nhgrp_ctl.c` (how weights become slots).
 *
 * Theory of operation. A leaf's value below NHOP_GROUP is the index of a next hop, eight words here: flags, interface index,
 * MTU, and the gateway, one word for IPv4 and four for IPv6. From NHOP_GROUP on it is a group: its number of slots and where they begin in `members`, each slot the index
 * of a next hop; a flow takes slot `flowid % slots`, so that a path's share is its share of the slots. Entry 0 of both is
 * unused. The object behind an index (net/route/nexthop.ts) is the control side's business.
 *
 * Invariants: a word is written before a leaf with its index is. An index that is free has flags 0.
 */
import { tableWords } from './shared-words.js';

/** Leaf values from here on are groups. */
export const NHOP_GROUP = 0x100_0000;
/** Most next hops, and most groups. */
export const NHOP_INDEX_MAX = NHOP_GROUP - 1;

/** Flags of a next hop: what a packet path must look at. 0: the index is free. */
export const NHOP_VALID = 0x1;
/** There is a gateway to resolve instead of the destination. */
export const NHOP_GATEWAY = 0x2;
/** Leads to this host: an own address, anything on the loopback interface. */
export const NHOP_LOCAL = 0x4;
export const NHOP_BLACKHOLE = 0x8;
export const NHOP_REJECT = 0x10;
/** The destination is a broadcast address. */
export const NHOP_BROADCAST = 0x20;
/** Any of these takes a packet off the short path: NHOP_LOCAL, NHOP_BLACKHOLE, NHOP_REJECT, NHOP_BROADCAST. */
export const NHOP_SPECIAL = 0x3c;

/** Where in a next hop's words, of which there are 1 << NHOP_SHIFT. The gateway has up to four. */
export const NHOP_FLAGS = 0;
export const NHOP_IF = 1;
export const NHOP_MTU = 2;
export const NHOP_GW = 4;
export const NHOP_SHIFT = 3;

// Not exported, so that V8 makes literals of them.
const GROUP = NHOP_GROUP;
const W_FLAGS = NHOP_FLAGS;
const W_IF = NHOP_IF;
const W_MTU = NHOP_MTU;
const W_GW = NHOP_GW;
const HOP_SHIFT = NHOP_SHIFT;
const HOPS_INITIAL = 4;
/** Of every table without groups. */
const NO_WORDS = new Int32Array(0);

export class NhopTable {
  readonly shared: boolean;
  /** Eight words for each next hop. */
  hops: Int32Array;
  /** Two words for each group: slots, first slot in `members`. */
  groups: Int32Array;
  members: Int32Array;
  private membersTop = 0;

  constructor(shared = false) {
    this.shared = shared;
    this.hops = tableWords(HOPS_INITIAL << HOP_SHIFT, shared);
    this.groups = shared ? tableWords(0, true) : NO_WORDS;
    this.members = shared ? tableWords(0, true) : NO_WORDS;
  }

  get bytes(): number {
    return this.hops.byteLength + this.groups.byteLength + this.members.byteLength;
  }

  flags(idx: number): number {
    return this.hops[(idx << HOP_SHIFT) + W_FLAGS]!;
  }

  /** Index of the interface packets leave through. */
  ifIndex(idx: number): number {
    return this.hops[(idx << HOP_SHIFT) + W_IF]!;
  }

  /** IPv4 gateway as an unsigned host-order address; 0 without one. */
  gateway(idx: number): number {
    return this.hops[(idx << HOP_SHIFT) + W_GW]! >>> 0;
  }

  /** Word `i` (0..3) of the IPv6 gateway in zoned form; 0 without one. */
  gateway6(idx: number, i: number): number {
    return this.hops[(idx << HOP_SHIFT) + W_GW + i]!;
  }

  /** Largest datagram in bytes. */
  mtu(idx: number): number {
    return this.hops[(idx << HOP_SHIFT) + W_MTU]!;
  }

  /** The next hop a leaf's value means for a flow. Packet path. */
  select(value: number, flowid: number): number {
    return value < GROUP ? value : this.member(value - GROUP, flowid);
  }

  private member(group: number, flowid: number): number {
    const g = group << 1;
    const slots = this.groups[g]!;
    return this.members[this.groups[g + 1]! + ((flowid >>> 0) % slots)]!;
  }

  /** `g0`..`g3`: the gateway in words; IPv4 has one. */
  setHop(idx: number, flags: number, ifIndex: number, mtu: number, g0: number, g1 = 0, g2 = 0, g3 = 0): void {
    const at = idx << HOP_SHIFT;
    if (at >= this.hops.length) this.hops = grown(this.hops, at + (1 << HOP_SHIFT), this.shared);
    const w = this.hops;
    w[at + W_IF] = ifIndex;
    w[at + W_MTU] = mtu;
    w[at + W_GW] = g0;
    w[at + W_GW + 1] = g1;
    w[at + W_GW + 2] = g2;
    w[at + W_GW + 3] = g3;
    this.finish(w, at + W_FLAGS, flags);
  }

  /** The last word of a record. Other threads see the record before anything that is written after it, such as a leaf that leads to it: an exchange orders both ways. */
  private finish(words: Int32Array, at: number, value: number): void {
    if (this.shared) Atomics.exchange(words, at, value);
    else words[at] = value;
  }

  clearHop(idx: number): void {
    this.setHop(idx, 0, 0, 0, 0);
  }

  /** Writes group number `g` (from 0) with its slots. */
  setGroup(g: number, slots: readonly number[]): void {
    if (g << 1 >= this.groups.length) this.groups = grown(this.groups, (g + 1) << 1, this.shared);
    if (this.membersTop + slots.length > this.members.length) this.compact(g, slots.length);
    const first = this.membersTop;
    this.members.set(slots, first);
    this.membersTop = first + slots.length;
    this.groups[(g << 1) + 1] = first;
    this.finish(this.groups, g << 1, slots.length);
  }

  clearGroup(g: number): void {
    this.groups[g << 1] = 0;
  }

  /** Moves the slots of all groups but `g` into a new array with room for `more`; groups point there afterwards. */
  private compact(g: number, more: number): void {
    let live = 0;
    for (let i = 0; i < this.groups.length; i += 2) if (i !== g << 1) live += this.groups[i]!;
    const members = tableWords((live + more) * 2, this.shared);
    const groups = tableWords(this.groups.length, this.shared);
    let top = 0;
    for (let i = 0; i < this.groups.length; i += 2) {
      const n = this.groups[i]!;
      if (n === 0 || i === g << 1) continue;
      const from = this.groups[i + 1]!;
      members.set(this.members.subarray(from, from + n), top);
      groups[i] = n;
      groups[i + 1] = top;
      top += n;
    }
    this.members = members;
    this.groups = groups;
    this.membersTop = top;
  }
}

function grown(words: Int32Array, least: number, shared: boolean): Int32Array {
  const larger = tableWords(Math.max(least, words.length * 2), shared);
  larger.set(words);
  return larger;
}
