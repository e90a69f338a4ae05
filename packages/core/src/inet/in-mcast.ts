/**
 * in-mcast.ts — the IPv4 multicast groups of an interface: who joins, who leaves, and what they want to hear.
 * Read first: freebsd `sys/netinet/in_mcast.c` in_joingroup, in_leavegroup; RFC 1112 §7.1.
 *
 * Theory of operation. A member is whoever joined: a socket's membership, or the host for itself (224.0.0.1). Each has a source filter, ANY_SOURCE when it
 * named none; the interface has their sum (net/mcast/source-filter.ts) and hands the sum's changes to IGMP. The first member tells the driver, the
 * last one takes the group away again.
 *
 * Invariant: a group is in `InIfinfo.groups` exactly while it has members. Packet paths ask only whether it is there.
 * Not here: limits per socket and the API (transport/pcb-multicast.ts), messages (igmp.ts).
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENOSPC } from '../base/errno.js';
import { ifAddMulti, ifDelMulti } from '../net/if.js';
import type { Ifnet } from '../net/ifnet.js';
import { ANY_SOURCE, GroupFilter } from '../net/mcast/source-filter.js';
import type { SourceFilter } from '../net/mcast/source-filter.js';
import { MAC_HI_IP4_GROUP, ip4IsMulticast, macLoOfIp4Group, macOf } from '../wire/addr.js';
import type { InNet } from './in-net.js';

/** A member more. EINVAL: not a group; EAFNOSUPPORT: no IPv4 there; ENOSPC: more sources than a group may have. */
export function inJoinGroup(inNet: InNet, ifp: Ifnet, group: number, filter: SourceFilter<number> = ANY_SOURCE): Errno {
  if (!ip4IsMulticast(group)) return EINVAL;
  const groups = inNet.ifinfo(ifp)?.groups;
  if (groups === undefined) return EAFNOSUPPORT;
  const gf = groups.get(group) ?? new GroupFilter<number>();
  const error = change(inNet, ifp, group, gf, null, filter);
  if (error !== 0) return error;
  if (gf.members > 1) return 0;
  groups.set(group, gf);
  return ifAddMulti(ifp, macOf(MAC_HI_IP4_GROUP, macLoOfIp4Group(group)));
}

/** A member, which wanted `filter`, less. EADDRNOTAVAIL when there is none. */
export function inLeaveGroup(inNet: InNet, ifp: Ifnet, group: number, filter: SourceFilter<number> = ANY_SOURCE): Errno {
  const groups = inNet.ifinfo(ifp)?.groups;
  const gf = groups?.get(group);
  if (groups === undefined || gf === undefined) return EADDRNOTAVAIL;
  change(inNet, ifp, group, gf, filter, null);
  if (gf.members > 0) return 0;
  groups.delete(group);
  ifDelMulti(ifp, macOf(MAC_HI_IP4_GROUP, macLoOfIp4Group(group)));
  return 0;
}

/** A member that wanted `was` wants `is`. EADDRNOTAVAIL: no such group there; ENOSPC: too many sources. */
export function inChangeFilter(inNet: InNet, ifp: Ifnet, group: number, was: SourceFilter<number>, is: SourceFilter<number>): Errno {
  const gf = inNet.ifinfo(ifp)?.groups.get(group);
  return gf === undefined ? EADDRNOTAVAIL : change(inNet, ifp, group, gf, was, is);
}

function change(
  inNet: InNet, ifp: Ifnet, group: number, gf: GroupFilter<number>, was: SourceFilter<number> | null, is: SourceFilter<number> | null,
): Errno {
  const before = gf.change(was, is);
  if (is !== null && is.sources.size > 0 && gf.sources > inNet.tun.mcastSourcesPerGroup) {
    gf.change(is, was);
    return ENOSPC;
  }
  inNet.groupReporter?.changed(ifp, group, before, gf.filter);
  return 0;
}
