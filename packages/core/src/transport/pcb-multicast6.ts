/**
 * pcb-multicast6.ts — the IPv6 groups sockets have joined, and what a pcb knows of interfaces.
 * Read first: RFC 3493 §5.2; ip6(4) "Multicast Options"; freebsd `sys/netinet6/in6_mcast.c`; pcb-multicast.ts, which does the same for IPv4.
 */
import type { Errno } from '../base/errno.js';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS } from '../base/errno.js';
import { in6JoinGroup, in6LeaveGroup } from '../inet6/in6-control.js';
import type { In6Net } from '../inet6/in6-net.js';
import { in6Lookup } from '../inet6/in6-routes.js';
import { IFF_MULTICAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6Equals, ip6IsMulticast, ip6Plain, ip6Word, ip6Zoned } from '../wire/addr6.js';
import type { In6Pcb } from './in6-pcb.js';
import { MEMBERSHIPS_MAX } from './pcb-multicast.js';

/**
 * IPV6_JOIN_GROUP of a group in plain form; without `ifp` on the interface the route to the group names. EINVAL: not a group; EADDRNOTAVAIL: no such
 * interface, or not one for multicasts; EADDRINUSE: joined already; ENOBUFS: too many.
 */
export function pcbJoin6(in6Net: In6Net, inp: In6Pcb, group: Uint8Array, ifp: Ifnet | null): Errno {
  if (group.length !== 16 || !ip6IsMulticast(group)) return EINVAL;
  const plain = ip6Plain(group);
  const on = ifp ?? in6Lookup(in6Net, inp.fib, ip6Word(plain, 0), ip6Word(plain, 1), ip6Word(plain, 2), ip6Word(plain, 3), 0)?.ifp ?? null;
  if (on === null || on.net !== in6Net.net || (on.flags & IFF_MULTICAST) === 0) return EADDRNOTAVAIL;
  const zoned = ip6Zoned(plain, on.index);
  const groups = (inp.groups6 ??= []);
  if (groups.some((g) => g.ifp === on && ip6Equals(g.group, zoned))) return EADDRINUSE;
  if (groups.length >= MEMBERSHIPS_MAX) return ENOBUFS;
  const error = in6JoinGroup(in6Net, on, plain);
  if (error === 0) groups.push({ group: zoned, ifp: on });
  return error;
}

/** IPV6_LEAVE_GROUP; without `ifp` the first with that group. EINVAL: not a group; EADDRNOTAVAIL: not joined. */
export function pcbLeave6(in6Net: In6Net, inp: In6Pcb, group: Uint8Array, ifp: Ifnet | null): Errno {
  if (group.length !== 16 || !ip6IsMulticast(group)) return EINVAL;
  const at = inp.groups6?.findIndex((g) => (ifp === null || g.ifp === ifp) && ip6Equals(g.group, ip6Zoned(group, g.ifp.index))) ?? -1;
  const [gone] = at < 0 ? [] : (inp.groups6?.splice(at, 1) ?? []);
  return gone === undefined ? EADDRNOTAVAIL : in6LeaveGroup(in6Net, gone.ifp, ip6Plain(gone.group));
}

/** The pcb ends: so do its memberships. */
export function pcbLeaveAll6(in6Net: In6Net, inp: In6Pcb): void {
  for (const g of inp.groups6?.splice(0) ?? []) in6LeaveGroup(in6Net, g.ifp, ip6Plain(g.group));
}

/** Groups all of them have joined. */
export function pcbMemberships6(pcbs: readonly In6Pcb[]): number {
  return pcbs.reduce((n, inp) => n + (inp.groups6?.length ?? 0), 0);
}

/** May the pcb have a packet for the group with these words that came in on the interface with index `rcvif`? Packet path. */
export function pcbIsMember6(inp: In6Pcb, w0: number, w1: number, w2: number, w3: number, rcvif: number): boolean {
  const { groups6 } = inp;
  if (groups6 === null) return false;
  for (let i = 0; i < groups6.length; i++) {
    const g = groups6[i]!;
    if (g.ifp.index !== rcvif) continue;
    const a = g.group;
    if (ip6Word(a, 3) === w3 && ip6Word(a, 0) === w0 && ip6Word(a, 1) === w1 && ip6Word(a, 2) === w2) return true;
  }
  return false;
}

/** `ifp` leaves the vnet: `inp` forgets it. The host's memberships on it go by themselves. */
export function pcbPurgeIf6(inp: In6Pcb, ifp: Ifnet): void {
  if (inp.groups6 !== null) inp.groups6 = inp.groups6.filter((g) => g.ifp !== ifp);
  const { out6 } = inp;
  if (out6 === null) return;
  if (out6.mcastIfp === ifp) out6.mcastIfp = null;
  if (out6.ifp === ifp) out6.ifp = null;
}
