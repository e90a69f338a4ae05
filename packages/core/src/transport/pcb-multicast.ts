/**
 * pcb-multicast.ts — the IPv4 groups sockets have joined, and what a pcb knows of interfaces.
 * Read first: ip(4) "Multicast Options"; mcast-membership.ts for the rules.
 *
 * A socket gets the packets of the groups it joined itself, on the interface it joined them on, from the sources it wants. The host's membership
 * (inet/in-mcast.ts) is the sum of its sockets'. An interface that leaves the vnet takes the memberships on it, and the choice of
 * it for output, from every pcb: nobody sends or listens into another vnet through a pcb that is older than a move.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EINVAL } from '../base/errno.js';
import { inChangeFilter, inJoinGroup, inLeaveGroup } from '../inet/in-mcast.js';
import type { InNet } from '../inet/in-net.js';
import { IFF_MULTICAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { MCAST_INCLUDE } from '../net/mcast/source-filter.js';
import type { FilterMode, SourceFilter } from '../net/mcast/source-filter.js';
import { ip4IsMulticast } from '../wire/addr.js';
import type { InPcb } from './inpcb.js';
import { blockSource, getFilter, joinGroup, leaveAll, leaveGroup, setFilter } from './mcast-membership.js';
import type { GroupDoor } from './mcast-membership.js';

export { MEMBERSHIPS_MAX } from './mcast-membership.js';

/** What `pcbMulticast` answers. */
export const MCAST_PASS = 0;
export const MCAST_NOTGMEMBER = 1;
export const MCAST_NOTSMEMBER = 2;

function doorOf(inNet: InNet): GroupDoor<number> {
  return {
    join: (ifp, group, filter) => inJoinGroup(inNet, ifp, group, filter),
    leave: (ifp, group, filter) => inLeaveGroup(inNet, ifp, group, filter),
    change: (ifp, group, was, is) => inChangeFilter(inNet, ifp, group, was, is),
    sourcesMax: () => inNet.tun.mcastSourcesPerSocket,
  };
}

/** A source must be a host's address. */
const isSource = (addr: number): boolean => addr !== 0 && addr >>> 28 < 0xe;

/**
 * IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP; without `ifp` on the interface the route to the group names. EINVAL: not a group, not a source, or joined in the
 * other mode; EADDRNOTAVAIL: no such interface, or not one for multicasts, or that source already; EADDRINUSE: joined already; ENOBUFS, ENOSPC: too many.
 */
export function pcbJoin(inNet: InNet, inp: InPcb, group: number, ifp: Ifnet | null, source: number | null = null): Errno {
  if (!ip4IsMulticast(group) || (source !== null && !isSource(source))) return EINVAL;
  const on = ifp ?? inNet.routes.lookup4(inp.fib, group, 0)?.ifp ?? null;
  if (on === null || on.net !== inNet.net || (on.flags & IFF_MULTICAST) === 0) return EADDRNOTAVAIL;
  return joinGroup(doorOf(inNet), (inp.groups ??= []), group, on, source);
}

/** IP_DROP_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP; without `ifp` the first with that group. EINVAL: not a group; EADDRNOTAVAIL: not joined, or not so. */
export function pcbLeave(inNet: InNet, inp: InPcb, group: number, ifp: Ifnet | null, source: number | null = null): Errno {
  if (!ip4IsMulticast(group)) return EINVAL;
  return leaveGroup(doorOf(inNet), inp.groups ?? [], group, ifp, source);
}

/** IP_BLOCK_SOURCE, IP_UNBLOCK_SOURCE. EINVAL: not a group or source, or a membership of named sources; EADDRNOTAVAIL: not joined, or it is so already. */
export function pcbBlock(inNet: InNet, inp: InPcb, group: number, ifp: Ifnet | null, source: number, block: boolean): Errno {
  if (!ip4IsMulticast(group) || !isSource(source)) return EINVAL;
  return blockSource(doorOf(inNet), inp.groups ?? [], group, ifp, source, block);
}

/** setsourcefilter(3). EINVAL, EADDRNOTAVAIL, ENOBUFS. */
export function pcbSetFilter(inNet: InNet, inp: InPcb, group: number, ifp: Ifnet | null, mode: FilterMode, sources: readonly number[]): Errno {
  if (!ip4IsMulticast(group) || !sources.every(isSource)) return EINVAL;
  return setFilter(doorOf(inNet), inp.groups ?? [], group, ifp, mode, sources);
}

/** getsourcefilter(3); null: not joined. */
export function pcbGetFilter(inp: InPcb, group: number, ifp: Ifnet | null): SourceFilter<number> | null {
  return getFilter(inp.groups ?? [], group, ifp);
}

/** The pcb ends: so do its memberships. */
export function pcbLeaveAll(inNet: InNet, inp: InPcb): void {
  if (inp.groups !== null) leaveAll(doorOf(inNet), inp.groups);
}

/** Groups all of them have joined. */
export function pcbMemberships(pcbs: readonly InPcb[]): number {
  return pcbs.reduce((n, inp) => n + (inp.groups?.length ?? 0), 0);
}

/** May the pcb have a packet from `src` to `group` that came in on the interface with index `rcvif`? Packet path. */
export function pcbMulticast(inp: InPcb, group: number, src: number, rcvif: number): number {
  const { groups } = inp;
  if (groups === null) return MCAST_NOTGMEMBER;
  for (let i = 0; i < groups.length; i++) {
    const g = groups[i]!;
    if (g.group !== group || g.ifp.index !== rcvif) continue;
    const { mode, sources } = g.filter;
    if (sources.size === 0) return mode === MCAST_INCLUDE ? MCAST_NOTSMEMBER : MCAST_PASS;
    return (mode === MCAST_INCLUDE) === sources.has(src) ? MCAST_PASS : MCAST_NOTSMEMBER;
  }
  return MCAST_NOTGMEMBER;
}

/** `ifp` leaves the vnet: `inp` forgets it. The host's memberships on it go by themselves. */
export function pcbPurgeIf(inp: InPcb, ifp: Ifnet): void {
  if (inp.groups !== null) inp.groups = inp.groups.filter((g) => g.ifp !== ifp);
  if (inp.out !== null && inp.out.mcastIfp === ifp) inp.out.mcastIfp = null;
}
