/**
 * nexthop-store.ts — the next hops and multipath groups of a vnet: shared, counted, numbered.
 * Read first: freebsd `sys/net/route/nhop_ctl.c`, `nhgrp_ctl.c`.
 *
 * Theory of operation. `hop` gives the one Nexthop with these properties, making it when there is none; `group` the one
 * group with these paths. Both hold what they give only through references: a route takes one with `hold` on the value it
 * stores and gives it back with `release`; a group holds its next hops. At zero the object becomes invalid. Datapath workers may be
 * about to read its flat words (`table`), so these are cleared, and the index is free, after a grace period (kern/limbo.ts).
 *
 * When an array of the table is replaced by a larger one, workers go on reading the old one until they are told, and there an index still leads where it led. So what waits for workers at that moment
 * waits until they have the new array. An index that was free is all zeros in both, and its packets are punted.
 *
 * Indices start at 1; a route's `value` is a next hop's index or NHOP_GROUP + a group's number. Indices are reused, the
 * youngest free one first: a cache must look at `Nexthop.valid`, never compare indices over time.
 *
 * Invariants: hops[nh.idx] === nh for every valid nh; refs of a next hop = routes with its index + groups it is in.
 */
import { LazyMap } from '../../base/lazy-map.js';
import { Limbo } from '../../kern/limbo.js';
import { Readers } from '../../kern/readers.js';
import {
  NHOP_BLACKHOLE, NHOP_BROADCAST, NHOP_GATEWAY, NHOP_GROUP, NHOP_INDEX_MAX, NHOP_LOCAL, NHOP_REJECT, NHOP_VALID, NhopTable,
} from '../../fwd/nhop-table.js';
import { AF_INET6, IFF_LOOPBACK } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { mpathCompile } from './mpath.js';
import { Nexthop, RTF_BLACKHOLE, RTF_BROADCAST, RTF_GATEWAY, RTF_REJECT, nexthopHash } from './nexthop.js';
import type { NexthopKey } from './nexthop.js';
import type { RtPath } from './rtentry.js';

/** The compiled form of a multipath route's paths. */
export class NhGroup {
  readonly number: number;
  readonly key: string;
  readonly hops: readonly Nexthop[];
  /** One entry per slot; a flow takes entry `flowid % slots.length`. */
  readonly slots: readonly Nexthop[];
  refs = 0;

  constructor(number: number, key: string, hops: readonly Nexthop[], slots: readonly Nexthop[]) {
    this.number = number;
    this.key = key;
    this.hops = hops;
    this.slots = slots;
  }
}

export class NexthopStore {
  readonly readers: Readers;
  readonly table: NhopTable;
  /** Most bytes an IPv6 packet may have on an interface, which routers may lower (RFC 4861 §6.3.4); IPv6 fills it. */
  linkMtu6: (ifp: Ifnet) => number = (ifp) => ifp.mtu;
  /** By index; 0 is unused. */
  readonly hops: (Nexthop | null)[] = [null];
  /** By number. */
  readonly groups: (NhGroup | null)[] = [];
  /** By `Nexthop.hash`; others along `hashNext`. */
  private readonly byHash = new LazyMap<number, Nexthop>();
  private readonly groupByKey = new LazyMap<string, NhGroup>();
  private readonly freeHops: number[] = [];
  private readonly freeGroups: number[] = [];
  /** The index of the next hop that is none, and how many routes lead there. */
  private nowhere = 0;
  private nowhereRefs = 0;
  private readonly leavingHops: Limbo<number>;
  private readonly leavingGroups: Limbo<number>;

  /**
   * @param readers who must have passed before an index is used again; nobody, when there is but one thread.
   * @param shared other processors read `table`.
   */
  constructor(readers = new Readers((work) => work()), shared = false) {
    this.readers = readers;
    this.table = new NhopTable(shared);
    this.leavingHops = new Limbo(readers, (idx) => {
      this.table.clearHop(idx);
      this.freeHops.push(idx);
    });
    this.leavingGroups = new Limbo(readers, (number) => {
      this.table.clearGroup(number);
      this.freeGroups.push(number);
    });
  }

  /** Next hops in use. */
  get count(): number {
    return this.hops.length - 1 - this.freeHops.length - this.leavingHops.length - (this.nowhere === 0 ? 0 : 1);
  }

  get groupCount(): number {
    return this.groups.length - this.freeGroups.length - this.leavingGroups.length;
  }

  /** Indices and numbers that wait for workers. */
  get leaving(): number {
    return this.leavingHops.length + this.leavingGroups.length;
  }

  /** The next hop with these properties; null when there are too many. Not yet referenced: `hold` it or `drop` it. */
  hop(key: NexthopKey): Nexthop | null {
    const hash = nexthopHash(key);
    const first = this.byHash.get(hash) ?? null;
    for (let nh = first; nh !== null; nh = nh.hashNext) if (nh.is(key)) return nh;
    const idx = this.freeHops.pop() ?? this.hops.length;
    if (idx > NHOP_INDEX_MAX) return null;
    const nh = new Nexthop(key, hash, idx);
    nh.hashNext = first;
    this.byHash.set(hash, nh);
    this.hops[idx] = nh;
    this.publish(nh);
    return nh;
  }

  /** Frees `nh` when nobody came to reference it. */
  drop(nh: Nexthop): void {
    if (nh.refs === 0 && nh.valid) this.free(nh);
  }

  /** The value a route with these paths stores; 0 when there are too many groups. Not yet referenced. */
  valueOf(paths: readonly RtPath[]): number {
    const only = paths[0];
    if (paths.length === 1 && only !== undefined) return only.nh.idx;
    const key = paths.map((p) => `${p.nh.idx}:${p.weight}`).join();
    const same = this.groupByKey.get(key);
    if (same !== undefined) return NHOP_GROUP + same.number;
    const number = this.freeGroups.pop() ?? this.groups.length;
    if (number > NHOP_INDEX_MAX) return 0;
    const hops = paths.map((p) => p.nh);
    const slots = mpathCompile(paths.map((p) => p.weight)).flatMap((i) => hops[i] ?? []);
    const group = new NhGroup(number, key, hops, slots);
    this.groups[number] = group;
    this.groupByKey.set(key, group);
    for (const nh of hops) nh.refs++;
    const { groups } = this.table;
    this.table.setGroup(number, slots.map((nh) => nh.idx));
    if (this.table.groups !== groups) this.leavingGroups.again();
    return NHOP_GROUP + number;
  }

  /** Takes a reference on a value a route is going to store. */
  hold(value: number): void {
    if (value >= NHOP_GROUP) {
      const group = this.groups[value - NHOP_GROUP];
      if (group !== null && group !== undefined) group.refs++;
      return;
    }
    const nh = this.hops[value];
    if (nh !== null && nh !== undefined) nh.refs++;
  }

  /** Gives a reference back. */
  release(value: number): void {
    if (value >= NHOP_GROUP) {
      const group = this.groups[value - NHOP_GROUP];
      if (group !== null && group !== undefined && --group.refs === 0) this.freeGroup(group);
      return;
    }
    const nh = this.hops[value];
    if (nh !== null && nh !== undefined) this.unref(nh);
  }

  /**
   * The index of a next hop that is none, for routes that are being updated: `select` answers null, and who reads the flat words leaves
   * the packet to the complete path. Give it back with `dropNowhere`.
   */
  holdNowhere(): number {
    if (this.nowhereRefs++ === 0) {
      this.nowhere = this.freeHops.pop() ?? this.hops.length;
      this.hops[this.nowhere] = null;
      this.setHop(this.nowhere, NHOP_REJECT, 0, 0, 0, 0, 0, 0);
    }
    return this.nowhere;
  }

  dropNowhere(): void {
    if (--this.nowhereRefs > 0) return;
    this.leavingHops.put(this.nowhere);
    this.nowhere = 0;
  }

  /** The next hop a flow takes. Packet path. */
  select(value: number, flowid: number): Nexthop | null {
    if (value < NHOP_GROUP) return this.hops[value] ?? null;
    const slots = this.groups[value - NHOP_GROUP]?.slots;
    return slots === undefined ? null : (slots[(flowid >>> 0) % slots.length] ?? null);
  }

  /** The interface's MTU, or what IPv6 makes of it, changed: packet paths on flat words must know. */
  republish(ifp: Ifnet): void {
    for (const nh of this.hops) if (nh !== null && nh.ifp === ifp) this.publish(nh);
  }

  /** Every next hop in use, by index. */
  list(): Nexthop[] {
    return this.hops.filter((nh) => nh !== null);
  }

  private publish(nh: Nexthop): void {
    let flags = NHOP_VALID;
    if ((nh.flags & RTF_GATEWAY) !== 0) flags |= NHOP_GATEWAY;
    if ((nh.flags & RTF_BLACKHOLE) !== 0) flags |= NHOP_BLACKHOLE;
    if ((nh.flags & RTF_REJECT) !== 0) flags |= NHOP_REJECT;
    if ((nh.flags & RTF_BROADCAST) !== 0) flags |= NHOP_BROADCAST;
    if ((nh.ifp.flags & IFF_LOOPBACK) !== 0) flags |= NHOP_LOCAL;
    if (nh.af === AF_INET6) {
      this.setHop(nh.idx, flags, nh.ifp.index, Math.min(nh.pathMtu, this.linkMtu6(nh.ifp)), nh.g0, nh.g1, nh.g2, nh.g3);
    } else {
      this.setHop(nh.idx, flags, nh.ifp.index, nh.pathMtu, (nh.flags & RTF_GATEWAY) !== 0 ? nh.gw4 : 0, 0, 0, 0);
    }
  }

  private setHop(idx: number, flags: number, ifIndex: number, mtu: number, g0: number, g1: number, g2: number, g3: number): void {
    const { hops } = this.table;
    this.table.setHop(idx, flags, ifIndex, mtu, g0, g1, g2, g3);
    if (this.table.hops !== hops) this.leavingHops.again();
  }

  private unref(nh: Nexthop): void {
    if (--nh.refs === 0) this.free(nh);
  }

  private free(nh: Nexthop): void {
    nh.valid = false;
    this.unhash(nh);
    this.hops[nh.idx] = null;
    this.leavingHops.put(nh.idx);
  }

  private unhash(nh: Nexthop): void {
    let before = this.byHash.get(nh.hash);
    if (before === nh) {
      if (nh.hashNext === null) this.byHash.delete(nh.hash);
      else this.byHash.set(nh.hash, nh.hashNext);
      return;
    }
    while (before !== undefined && before.hashNext !== nh) before = before.hashNext ?? undefined;
    if (before !== undefined) before.hashNext = nh.hashNext;
  }

  private freeGroup(group: NhGroup): void {
    this.groupByKey.delete(group.key);
    this.groups[group.number] = null;
    this.leavingGroups.put(group.number);
    for (const nh of group.hops) this.unref(nh);
  }
}
