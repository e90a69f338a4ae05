/**
 * in6-mcast.ts — the IPv6 multicast groups of an interface: who joins, who leaves, and what they want to hear.
 * Read first: freebsd `sys/netinet6/in6_mcast.c` in6_joingroup, in6_leavegroup; inet/in-mcast.ts, which is the same for IPv4.
 *
 * A group is an In6Multi, the sum of its members' source filters; its changes go to MLD with addresses in plain form, because a link is one zone.
 *
 * Invariant: a group is in `In6Ifinfo.groups` exactly while it has members.
 * Not here: limits per socket and the API (transport/), messages (mld6.ts).
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENOSPC } from '../base/errno.js';
import { ifAddMulti, ifDelMulti } from '../net/if.js';
import type { Ifnet } from '../net/ifnet.js';
import { isMcastLink } from '../net/mcast/links.js';
import { ANY_SOURCE } from '../net/mcast/source-filter.js';
import type { SourceFilter } from '../net/mcast/source-filter.js';
import { macOf } from '../wire/addr.js';
import { MAC_HI_IP6_GROUP, ip6BigOf, ip6IsMulticast, ip6Plain } from '../wire/addr6.js';
import { In6Multi } from './in6-ifinfo.js';
import type { In6Net } from './in6-net.js';

/** A member more of `group` (plain or zoned). EINVAL: not a group; EAFNOSUPPORT: no IPv6 there; ENOSPC: more sources than a group may have. */
export function in6JoinGroup(in6Net: In6Net, ifp: Ifnet, group: Uint8Array, filter: SourceFilter<bigint> = ANY_SOURCE): Errno {
  if (!ip6IsMulticast(group)) return EINVAL;
  const ii = in6Net.ifinfo(ifp);
  if (ii === null) return EAFNOSUPPORT;
  const have = ii.groupOf(group);
  const g = have ?? new In6Multi(ifp, group);
  const error = change(in6Net, g, null, filter);
  if (error !== 0 || have !== null) return error;
  ii.groups = ii.groups.concat(g);
  return ifAddMulti(ifp, macOfGroup(g));
}

/** A member, which wanted `filter`, less. EADDRNOTAVAIL when there is none. */
export function in6LeaveGroup(in6Net: In6Net, ifp: Ifnet, group: Uint8Array, filter: SourceFilter<bigint> = ANY_SOURCE): Errno {
  const ii = in6Net.ifinfo(ifp);
  const g = ii?.groupOf(group) ?? null;
  if (ii === null || g === null) return EADDRNOTAVAIL;
  change(in6Net, g, filter, null);
  if (g.members > 0) return 0;
  ii.groups = ii.groups.filter((other) => other !== g);
  ifDelMulti(ifp, macOfGroup(g));
  return 0;
}

/** A member that wanted `was` wants `is`. EADDRNOTAVAIL: no such group there; ENOSPC: too many sources. */
export function in6ChangeFilter(in6Net: In6Net, ifp: Ifnet, group: Uint8Array, was: SourceFilter<bigint>, is: SourceFilter<bigint>): Errno {
  const g = in6Multi(in6Net, ifp, group);
  return g === null ? EADDRNOTAVAIL : change(in6Net, g, was, is);
}

/** The interface leaves: so do all its groups (in6_purgemaddrs). Nobody is told: nothing is sent there any more. */
export function in6PurgeGroups(in6Net: In6Net, ifp: Ifnet): void {
  const ii = in6Net.ifinfo(ifp);
  if (ii === null) return;
  const { groups } = ii;
  ii.groups = [];
  for (const g of groups) ifDelMulti(ifp, macOfGroup(g));
}

function macOfGroup(g: In6Multi): Uint8Array {
  return macOf(MAC_HI_IP6_GROUP, g.k3);
}

function in6Multi(in6Net: In6Net, ifp: Ifnet, group: Uint8Array): In6Multi | null {
  return in6Net.ifinfo(ifp)?.groupOf(group) ?? null;
}

function change(in6Net: In6Net, g: In6Multi, was: SourceFilter<bigint> | null, is: SourceFilter<bigint> | null): Errno {
  const before = g.change(was, is);
  if (is !== null && is.sources.size > 0 && g.sources > in6Net.tun.mcastSourcesPerGroup) {
    g.change(is, was);
    return ENOSPC;
  }
  if (isMcastLink(g.ifp)) in6Net.groupReporter?.changed(g.ifp, ip6BigOf(ip6Plain(g.addr)), before, g.filter);
  return 0;
}
