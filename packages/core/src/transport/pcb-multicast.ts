/**
 * pcb-multicast.ts — the multicast groups sockets have joined, and what a pcb knows of interfaces.
 * Read first: ip(4) "Multicast Options"; freebsd `sys/netinet/in_mcast.c`.
 *
 * A socket gets the packets of the groups it joined itself, on the interface it joined them on. The host's membership
 * (inet/in-control.ts) is the sum of its sockets'. An interface that leaves the vnet takes the memberships on it, and the choice of
 * it for output, from every pcb: nobody sends or listens into another vnet through a pcb that is older than a move.
 * Not here: source filters.
 */
import type { Errno } from '../base/errno.js';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS } from '../base/errno.js';
import { inJoinGroup, inLeaveGroup } from '../inet/in-control.js';
import type { InNet } from '../inet/in-net.js';
import { IFF_MULTICAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip4IsMulticast } from '../wire/addr.js';
import type { InPcb } from './inpcb.js';

/** Groups one pcb may join (IP_MAX_MEMBERSHIPS). */
export const MEMBERSHIPS_MAX = 4_095;

/**
 * IP_ADD_MEMBERSHIP; without `ifp` on the interface the route to the group names. EINVAL: not a group; EADDRNOTAVAIL: no such
 * interface, or not one for multicasts; EADDRINUSE: joined already; ENOBUFS: too many.
 */
export function pcbJoin(inNet: InNet, inp: InPcb, group: number, ifp: Ifnet | null): Errno {
  if (!ip4IsMulticast(group)) return EINVAL;
  const on = ifp ?? inNet.routes.lookup4(inp.fib, group, 0)?.ifp ?? null;
  if (on === null || on.net !== inNet.net || (on.flags & IFF_MULTICAST) === 0) return EADDRNOTAVAIL;
  const groups = (inp.groups ??= []);
  if (groups.some((g) => g.group === group && g.ifp === on)) return EADDRINUSE;
  if (groups.length >= MEMBERSHIPS_MAX) return ENOBUFS;
  const error = inJoinGroup(inNet, on, group);
  if (error === 0) groups.push({ group, ifp: on });
  return error;
}

/** IP_DROP_MEMBERSHIP; without `ifp` the first with that group. EINVAL: not a group; EADDRNOTAVAIL: not joined. */
export function pcbLeave(inNet: InNet, inp: InPcb, group: number, ifp: Ifnet | null): Errno {
  if (!ip4IsMulticast(group)) return EINVAL;
  const at = inp.groups?.findIndex((g) => g.group === group && (ifp === null || g.ifp === ifp)) ?? -1;
  const [gone] = at < 0 ? [] : (inp.groups?.splice(at, 1) ?? []);
  return gone === undefined ? EADDRNOTAVAIL : inLeaveGroup(inNet, gone.ifp, group);
}

/** The pcb ends: so do its memberships. */
export function pcbLeaveAll(inNet: InNet, inp: InPcb): void {
  for (const g of inp.groups?.splice(0) ?? []) inLeaveGroup(inNet, g.ifp, g.group);
}

/** Groups all of them have joined. */
export function pcbMemberships(pcbs: readonly InPcb[]): number {
  return pcbs.reduce((n, inp) => n + (inp.groups?.length ?? 0), 0);
}

/** May the pcb have a packet for `group` that came in on the interface with index `rcvif`? Packet path. */
export function pcbIsMember(inp: InPcb, group: number, rcvif: number): boolean {
  const { groups } = inp;
  if (groups === null) return false;
  for (let i = 0; i < groups.length; i++) {
    const g = groups[i]!;
    if (g.group === group && g.ifp.index === rcvif) return true;
  }
  return false;
}

/** `ifp` leaves the vnet: `inp` forgets it. The host's memberships on it go by themselves. */
export function pcbPurgeIf(inp: InPcb, ifp: Ifnet): void {
  if (inp.groups !== null) inp.groups = inp.groups.filter((g) => g.ifp !== ifp);
  if (inp.out !== null && inp.out.mcastIfp === ifp) inp.out.mcastIfp = null;
}
