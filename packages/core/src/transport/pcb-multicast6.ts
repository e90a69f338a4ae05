/**
 * pcb-multicast6.ts — the IPv6 groups sockets have joined, and what a pcb knows of interfaces.
 * Read first: RFC 3493 §5.2; ip6(4) "Multicast Options"; mcast-membership.ts for the rules; pcb-multicast.ts, which does the same for IPv4.
 *
 * Groups and sources are given in plain form; a membership knows its group, and its filter's sources, as words too, which packet paths compare.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EINVAL } from '../base/errno.js';
import { in6ChangeFilter, in6JoinGroup, in6LeaveGroup } from '../inet6/in6-mcast.js';
import type { In6Net } from '../inet6/in6-net.js';
import { IFF_MULTICAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { MCAST_INCLUDE } from '../net/mcast/source-filter.js';
import type { FilterMode, SourceFilter } from '../net/mcast/source-filter.js';
import { ip6BigOf, ip6IsMulticast, ip6IsUnspecified, ip6OfBig, ip6Plain, ip6Word, ip6Zoned } from '../wire/addr6.js';
import type { In6Pcb } from './in6-pcb.js';
import { blockSource, getFilter, joinGroup, leaveAll, leaveGroup, setFilter } from './mcast-membership.js';
import type { GroupDoor, Membership } from './mcast-membership.js';
import { MCAST_NOTGMEMBER, MCAST_NOTSMEMBER, MCAST_PASS } from './pcb-multicast.js';

/** A group joined through a pcb. */
export class Membership6 implements Membership<bigint> {
  readonly group: bigint;
  readonly ifp: Ifnet;
  /** The group in zoned form. */
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  private wanted: SourceFilter<bigint>;
  private sources: Int32Array = NO_WORDS;

  constructor(ifp: Ifnet, group: bigint, filter: SourceFilter<bigint>) {
    const zoned = ip6Zoned(ip6OfBig(group), ifp.index);
    this.group = group;
    this.ifp = ifp;
    this.w0 = ip6Word(zoned, 0);
    this.w1 = ip6Word(zoned, 1);
    this.w2 = ip6Word(zoned, 2);
    this.w3 = ip6Word(zoned, 3);
    this.wanted = filter;
    this.filter = filter;
  }

  get filter(): SourceFilter<bigint> {
    return this.wanted;
  }

  set filter(filter: SourceFilter<bigint>) {
    this.wanted = filter;
    this.sources = filter.sources.size === 0 ? NO_WORDS : Int32Array.from([...filter.sources].flatMap((s) => [0, 1, 2, 3].map((i) => ip6Word(ip6OfBig(s), i))));
  }

  /** Does the filter let a packet from the source with these words (plain form) through? Packet path. */
  passes(s0: number, s1: number, s2: number, s3: number): boolean {
    const { sources } = this;
    const include = this.wanted.mode === MCAST_INCLUDE;
    for (let i = 0; i < sources.length; i += 4) {
      if (sources[i + 3] === s3 && sources[i] === s0 && sources[i + 1] === s1 && sources[i + 2] === s2) return include;
    }
    return !include;
  }
}

const NO_WORDS = new Int32Array(0);

function doorOf(in6Net: In6Net): GroupDoor<bigint> {
  return {
    member: (ifp, group, filter) => new Membership6(ifp, group, filter),
    join: (ifp, group, filter) => in6JoinGroup(in6Net, ifp, ip6OfBig(group), filter),
    leave: (ifp, group, filter) => in6LeaveGroup(in6Net, ifp, ip6OfBig(group), filter),
    change: (ifp, group, was, is) => in6ChangeFilter(in6Net, ifp, ip6OfBig(group), was, is),
    sourcesMax: () => in6Net.tun.mcastSourcesPerSocket,
  };
}

const isGroup = (group: Uint8Array): boolean => group.length === 16 && ip6IsMulticast(group);
const isSource = (addr: Uint8Array): boolean => addr.length === 16 && !ip6IsMulticast(addr) && !ip6IsUnspecified(addr);
const big = (addr: Uint8Array): bigint => ip6BigOf(ip6Plain(addr));

/**
 * IPV6_JOIN_GROUP of a group in plain form, MCAST_JOIN_SOURCE_GROUP with `source`; without `ifp` on the interface the route to the group names. EINVAL: not a
 * group, not a source, or joined in the other mode; EADDRNOTAVAIL: no such interface, or not one for multicasts, or that source already; EADDRINUSE: joined
 * already; ENOBUFS, ENOSPC: too many.
 */
export function pcbJoin6(in6Net: In6Net, inp: In6Pcb, group: Uint8Array, ifp: Ifnet | null, source: Uint8Array | null = null): Errno {
  if (!isGroup(group) || (source !== null && !isSource(source))) return EINVAL;
  const plain = ip6Plain(group);
  const on = ifp ?? in6Net.routes.lookup6(inp.fib, ip6Word(plain, 0), ip6Word(plain, 1), ip6Word(plain, 2), ip6Word(plain, 3), 0)?.ifp ?? null;
  if (on === null || on.net !== in6Net.net || (on.flags & IFF_MULTICAST) === 0) return EADDRNOTAVAIL;
  return joinGroup(doorOf(in6Net), (inp.groups6 ??= []), big(plain), on, source === null ? null : big(source));
}

/** IPV6_LEAVE_GROUP, MCAST_LEAVE_SOURCE_GROUP; without `ifp` the first with that group. EINVAL: not a group; EADDRNOTAVAIL: not joined, or not so. */
export function pcbLeave6(in6Net: In6Net, inp: In6Pcb, group: Uint8Array, ifp: Ifnet | null, source: Uint8Array | null = null): Errno {
  if (!isGroup(group)) return EINVAL;
  return leaveGroup(doorOf(in6Net), inp.groups6 ?? [], big(group), ifp, source === null ? null : big(source));
}

/** MCAST_BLOCK_SOURCE, MCAST_UNBLOCK_SOURCE. EINVAL: not a group or source, or a membership of named sources; EADDRNOTAVAIL: not joined, or it is so already. */
export function pcbBlock6(in6Net: In6Net, inp: In6Pcb, group: Uint8Array, ifp: Ifnet | null, source: Uint8Array, block: boolean): Errno {
  if (!isGroup(group) || !isSource(source)) return EINVAL;
  return blockSource(doorOf(in6Net), inp.groups6 ?? [], big(group), ifp, big(source), block);
}

/** setsourcefilter(3). EINVAL, EADDRNOTAVAIL, ENOBUFS. */
export function pcbSetFilter6(in6Net: In6Net, inp: In6Pcb, group: Uint8Array, ifp: Ifnet | null, mode: FilterMode, sources: readonly Uint8Array[]): Errno {
  if (!isGroup(group) || !sources.every(isSource)) return EINVAL;
  return setFilter(doorOf(in6Net), inp.groups6 ?? [], big(group), ifp, mode, sources.map(big));
}

/** getsourcefilter(3); null: not joined. */
export function pcbGetFilter6(inp: In6Pcb, group: Uint8Array, ifp: Ifnet | null): SourceFilter<bigint> | null {
  return getFilter(inp.groups6 ?? [], big(group), ifp);
}

/** The pcb ends: so do its memberships. */
export function pcbLeaveAll6(in6Net: In6Net, inp: In6Pcb): void {
  if (inp.groups6 !== null) leaveAll(doorOf(in6Net), inp.groups6);
}

/** Groups all of them have joined. */
export function pcbMemberships6(pcbs: readonly In6Pcb[]): number {
  return pcbs.reduce((n, inp) => n + (inp.groups6?.length ?? 0), 0);
}

/**
 * May the pcb have a packet for the group with words w0..w3 (zoned form) from the source whose bytes are at `src`, which came in on the interface with index
 * `rcvif`? MCAST_*. Packet path.
 */
export function pcbMulticast6(inp: In6Pcb, w0: number, w1: number, w2: number, w3: number, v: DataView, src: number, rcvif: number): number {
  const { groups6 } = inp;
  if (groups6 === null) return MCAST_NOTGMEMBER;
  for (let i = 0; i < groups6.length; i++) {
    const g = groups6[i] as Membership6;
    if (g.ifp.index !== rcvif || g.w3 !== w3 || g.w0 !== w0 || g.w1 !== w1 || g.w2 !== w2) continue;
    return g.passes(v.getInt32(src), v.getInt32(src + 4), v.getInt32(src + 8), v.getInt32(src + 12)) ? MCAST_PASS : MCAST_NOTSMEMBER;
  }
  return MCAST_NOTGMEMBER;
}

/** `ifp` leaves the vnet: `inp` forgets it. The host's memberships on it go by themselves. */
export function pcbPurgeIf6(inp: In6Pcb, ifp: Ifnet): void {
  if (inp.groups6 !== null) inp.groups6 = inp.groups6.filter((g) => g.ifp !== ifp);
  const { out6 } = inp;
  if (out6 === null) return;
  if (out6.mcastIfp === ifp) out6.mcastIfp = null;
  if (out6.ifp === ifp) out6.ifp = null;
}
