/**
 * mcast-membership.ts — the groups one socket listens to, and which of their sources: the rules of the API, for both families.
 * Read first: RFC 3678 (the API); ip(4) "Multicast Options"; freebsd `sys/netinet/in_mcast.c` for the errors.
 *
 * Theory of operation. A membership is (group, interface, filter). It begins in EXCLUDE mode (everything, but for sources blocked) or in INCLUDE mode
 * (sources asked for one by one), and the calls of one mode are refused in the other; setting the whole filter may change the mode. The host's
 * membership is the sum of its sockets' (net/mcast/source-filter.ts), which the family's door keeps.
 * Leaving the last source of an INCLUDE membership leaves the membership, which then hears nothing, as FreeBSD does it.
 *
 * Not here: what is a group, which interface is meant when none is named (pcb-multicast.ts, pcb-multicast6.ts).
 *
 * @rfc 3678 4.1.1 yes
 * @rfc 3678 4.1.2 yes
 * @rfc 3678 5.1 yes
 */
import type { Errno } from '../base/errno.js';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENOSPC } from '../base/errno.js';
import type { Ifnet } from '../net/ifnet.js';
import { ANY_SOURCE, MCAST_EXCLUDE, MCAST_INCLUDE } from '../net/mcast/source-filter.js';
import type { FilterMode, McastAddr, SourceFilter } from '../net/mcast/source-filter.js';

/** Groups one socket may join (IP_MAX_MEMBERSHIPS). */
export const MEMBERSHIPS_MAX = 4_095;

/** A group joined through a socket. */
export interface Membership<A extends McastAddr> {
  readonly group: A;
  readonly ifp: Ifnet;
  filter: SourceFilter<A>;
}

/** What a family does for the memberships of its sockets. */
export interface GroupDoor<A extends McastAddr> {
  /** A membership as the family keeps it; absent: as it is. */
  member?(ifp: Ifnet, group: A, filter: SourceFilter<A>): Membership<A>;
  join(ifp: Ifnet, group: A, filter: SourceFilter<A>): Errno;
  leave(ifp: Ifnet, group: A, filter: SourceFilter<A>): Errno;
  change(ifp: Ifnet, group: A, was: SourceFilter<A>, is: SourceFilter<A>): Errno;
  /** Sources one socket may name for a group. */
  sourcesMax(): number;
}

type List<A extends McastAddr> = Membership<A>[];

function find<A extends McastAddr>(list: List<A>, group: A, ifp: Ifnet | null): Membership<A> | undefined {
  return list.find((g) => g.group === group && (ifp === null || g.ifp === ifp));
}

/**
 * Joins `group` on `ifp`, from `source` only when there is one. EADDRINUSE: joined already; EINVAL: joined in the other mode; EADDRNOTAVAIL: that
 * source already; ENOBUFS: too many groups; ENOSPC: too many sources.
 */
export function joinGroup<A extends McastAddr>(door: GroupDoor<A>, list: List<A>, group: A, ifp: Ifnet, source: A | null): Errno {
  const there = find(list, group, ifp);
  if (there !== undefined) {
    if (source === null) return there.filter.mode === MCAST_EXCLUDE ? EADDRINUSE : EINVAL;
    if (there.filter.mode === MCAST_EXCLUDE) return EINVAL;
    return there.filter.sources.has(source) ? EADDRNOTAVAIL : put(door, there, source, true);
  }
  if (list.length >= MEMBERSHIPS_MAX) return ENOBUFS;
  if (source !== null && door.sourcesMax() < 1) return ENOSPC;
  const filter: SourceFilter<A> = source === null ? ANY_SOURCE : { mode: MCAST_INCLUDE, sources: new Set<A>([source]) };
  const error = door.join(ifp, group, filter);
  if (error === 0) list.push(door.member?.(ifp, group, filter) ?? { group, ifp, filter });
  return error;
}

/** Leaves `group`, or one source of it. Without `ifp` the first membership of that group. EADDRNOTAVAIL: not joined, or not in that mode, or not that source. */
export function leaveGroup<A extends McastAddr>(door: GroupDoor<A>, list: List<A>, group: A, ifp: Ifnet | null, source: A | null): Errno {
  const there = find(list, group, ifp);
  if (there === undefined) return EADDRNOTAVAIL;
  if (source !== null) {
    if (there.filter.mode === MCAST_EXCLUDE || !there.filter.sources.has(source)) return EADDRNOTAVAIL;
    return put(door, there, source, false);
  }
  list.splice(list.indexOf(there), 1);
  return door.leave(there.ifp, group, there.filter);
}

/** Blocks, or lets through again, one source. EINVAL: the membership names its sources; EADDRNOTAVAIL: not joined, or it is so already. */
export function blockSource<A extends McastAddr>(door: GroupDoor<A>, list: List<A>, group: A, ifp: Ifnet | null, source: A, block: boolean): Errno {
  const there = find(list, group, ifp);
  if (there === undefined) return EADDRNOTAVAIL;
  if (there.filter.mode !== MCAST_EXCLUDE) return EINVAL;
  return there.filter.sources.has(source) === block ? EADDRNOTAVAIL : put(door, there, source, block);
}

/** Sets the whole filter. EADDRNOTAVAIL: not joined; ENOBUFS: too many sources. */
export function setFilter<A extends McastAddr>(door: GroupDoor<A>, list: List<A>, group: A, ifp: Ifnet | null, mode: FilterMode, sources: readonly A[]): Errno {
  const there = find(list, group, ifp);
  if (there === undefined) return EADDRNOTAVAIL;
  if (mode !== MCAST_INCLUDE && mode !== MCAST_EXCLUDE) return EINVAL;
  if (sources.length > door.sourcesMax()) return ENOBUFS;
  return replace(door, there, { mode, sources: new Set<A>(sources) });
}

/** The filter of a membership; null: not joined. */
export function getFilter<A extends McastAddr>(list: readonly Membership<A>[], group: A, ifp: Ifnet | null): SourceFilter<A> | null {
  return list.find((g) => g.group === group && (ifp === null || g.ifp === ifp))?.filter ?? null;
}

/** The socket ends: so do its memberships. */
export function leaveAll<A extends McastAddr>(door: GroupDoor<A>, list: List<A>): void {
  for (const g of list.splice(0)) door.leave(g.ifp, g.group, g.filter);
}

function put<A extends McastAddr>(door: GroupDoor<A>, there: Membership<A>, source: A, add: boolean): Errno {
  const { mode } = there.filter;
  const sources = new Set<A>(there.filter.sources);
  if (add && sources.size >= door.sourcesMax()) return ENOSPC;
  if (add) sources.add(source);
  else sources.delete(source);
  return replace(door, there, { mode, sources });
}

function replace<A extends McastAddr>(door: GroupDoor<A>, there: Membership<A>, filter: SourceFilter<A>): Errno {
  const error = door.change(there.ifp, there.group, there.filter, filter);
  if (error === 0) there.filter = filter;
  return error;
}
