/**
 * in6-control.ts — setting and removing IPv6 addresses (SIOCAIFADDR_IN6, SIOCDIFADDR_IN6), and the groups that come with them.
 * Read first: RFC 4862 §5.4 (a new address), RFC 4291 §2.8; freebsd `sys/netinet6/in6.c` in6_update_ifa, in6_addifaddr, in6_purgeaddr.
 *
 * Theory of operation. An address comes with its groups (solicited-node, and all-nodes of the link and of the interface), with a host route to
 * itself by way of the loopback interface, with one to the far end of a point-to-point link, and with its prefix (nd6-prefix.ts), whose connected
 * route one entry of the prefix list owns. On an interface where addresses are verified it is tentative until ND has done so.
 * Setting an address that is there already changes its lifetimes and flags.
 *
 * Order of messages, which listeners rely on: adding says RTM_NEWADDR, then RTM_ADD of the host route, then of the prefix; removing says
 * RTM_DELETE of the host route, RTM_DELADDR, and RTM_DELETE of the prefix when it was its last address.
 *
 * Everything here runs in thread context and none of it waits. Not here: duplicate address detection, autoconfiguration.
 *
 * @rfc 4291 2.8 yes
 * @rfc 4862 5.4 partial "the first address of a tunnel is not verified, as in FreeBSD"
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENXIO, EPROTONOSUPPORT } from '../base/errno.js';
import { devctlNotify } from '../kern/devctl.js';
import { ifIoctlAllowed, ifUp } from '../net/if.js';
import { AF_INET6, IFF_LOOPBACK, IFF_MULTICAST, IFF_POINTOPOINT } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTM_ADD, RTM_DELETE } from '../net/rtsock.js';
import type { Sockaddr } from '../net/sockaddr.js';
import {
  IN6ADDR_INTFACELOCAL_ALLNODES, IN6ADDR_LINKLOCAL_ALLNODES, ip6Equals, ip6Format, ip6IsMulticast, ip6IsUnspecified, ip6IsV4Mapped, ip6MaskOf, ip6Plain,
  ip6SolicitedNode, ip6ZoneOf, ip6Zoned,
} from '../wire/addr6.js';
import {
  IN6_IFF_DEPRECATED, IN6_IFF_DUPLICATED, IN6_IFF_NODAD, IN6_IFF_TENTATIVE, In6Ifaddr, ND6_INFINITE_LIFETIME,
} from './in6-ifaddr.js';
import { ND6_IFF_IFDISABLED } from './in6-ifinfo.js';
import { in6JoinGroup, in6LeaveGroup } from './in6-mcast.js';
import type { In6Net } from './in6-net.js';
import { nd6PrefixLookup, nd6PrefixNewSource, nd6PrefixRemove, nd6PrelistAdd } from './nd6-prefix.js';

export { in6JoinGroup, in6LeaveGroup } from './in6-mcast.js';

/** What SIOCAIFADDR_IN6 carries. Addresses are 16 bytes, plain or zoned: the zone is the interface's. */
export interface In6Aliasreq {
  readonly addr: Uint8Array;
  /** 0..128; absent: 64, 128 on loopback interfaces and with a far end. */
  readonly plen?: number;
  /** Far end, on point-to-point and loopback interfaces, with plen 128. */
  readonly dstaddr?: Uint8Array;
  /** IN6_IFF_* */
  readonly flags?: number;
  /** Seconds; absent: for ever. */
  readonly vltime?: number;
  readonly pltime?: number;
  readonly vhid?: number;
  /** Verification begins after a random delay: it is not the only node that has just come up. */
  readonly dadDelay?: boolean;
}

/** Flags a caller may give. */
const SETTABLE_FLAGS = ~(IN6_IFF_DUPLICATED | IN6_IFF_TENTATIVE);

/**
 * SIOCAIFADDR_IN6: adds an address, or changes lifetimes and flags of the one that is there. The first one brings the interface up.
 * EINVAL address, prefix length, far end or lifetimes unusable; EPROTONOSUPPORT vhid without CARP; ENOPROTOOPT, ENOENT no such vhid on
 * the interface; EAFNOSUPPORT interface without IPv6; EBUSY while the vnet goes down, ENXIO while the interface leaves; what the driver says.
 */
export function in6Aifaddr(in6Net: In6Net, ifp: Ifnet, req: In6Aliasreq): Errno {
  const net = in6Net.net;
  net.kern.engine.assertThread();
  const refused = ifIoctlAllowed(net) || checkReq(in6Net, ifp, req);
  if (refused !== 0) return refused;
  if (req.vltime === 0) return 0;
  const addr = ip6Zoned(req.addr, ifp.index);
  const have = in6Net.addrOnIf(addr, ifp);
  if (have !== null && have.vhid === (req.vhid ?? 0)) return updateAddr(in6Net, have, req);
  if (have !== null) in6Difaddr(in6Net, ifp, addr);
  const ia = new In6Ifaddr(ifp, addr, req.plen ?? defaultPlen(ifp, req));
  if (req.dstaddr !== undefined) ia.dstaddr = ip6Zoned(req.dstaddr, ifp.index);
  const unfit = ifp.driver.checkAddr?.(ifp, ia) ?? 0;
  if (unfit !== 0) return unfit;
  if (!net.ifnets.includes(ifp)) return ENXIO; // leaving, or taken away by somebody who was told
  const verified = enable(in6Net, ifp);
  const error = addAddr(in6Net, ia, req, verified);
  if (error !== 0) return error;
  if (in6Net.addrsOf(ifp).length === 1) ifp.driver.addrAdded?.(ifp);
  if (!ifp.isUp) ifUp(ifp);
  else in6Net.ifup(ifp); // its link-local address, too
  if (in6Net.addrOnIf(addr, ifp) === ia) net.ifaddrEvent.invoke({ ifa: ia, added: true });
  return 0;
}

/** SIOCDIFADDR_IN6: removes `addr` (plain or zoned), or the first address when null. EADDRNOTAVAIL when `ifp` has none such. */
export function in6Difaddr(in6Net: In6Net, ifp: Ifnet, addr: Uint8Array | null): Errno {
  in6Net.net.kern.engine.assertThread();
  const ia = addr === null ? (in6Net.addrsOf(ifp)[0] ?? null) : in6Net.addrOnIf(ip6Zoned(addr, ifp.index), ifp);
  if (ia === null) return EADDRNOTAVAIL;
  const pr = ia.prefix;
  purgeAddr(in6Net, ia);
  if (pr !== null && pr.addrs === 0) nd6PrefixRemove(in6Net, pr);
  in6Net.net.ifaddrEvent.invoke({ ifa: ia, added: false });
  return 0;
}

/** The valid lifetime of `ia` is over. Its prefix stays: it has a lifetime of its own. */
export function in6ExpireAddr(in6Net: In6Net, ia: In6Ifaddr): void {
  const pr = ia.prefix;
  purgeAddr(in6Net, ia);
  if (pr !== null && pr.addrs === 0 && !pr.raDerived) nd6PrefixRemove(in6Net, pr);
  in6Net.net.ifaddrEvent.invoke({ ifa: ia, added: false });
}

/** Removes every address of `ifp`, as if each were deleted by hand. */
export function in6PurgeAddrs(in6Net: In6Net, ifp: Ifnet): void {
  while (in6Difaddr(in6Net, ifp, null) === 0);
}

function checkReq(in6Net: In6Net, ifp: Ifnet, req: In6Aliasreq): Errno {
  if (in6Net.ifinfo(ifp) === null) return EAFNOSUPPORT;
  const { addr, plen, dstaddr, vltime = ND6_INFINITE_LIFETIME, pltime = vltime } = req;
  if (addr.length !== 16 || ip6IsMulticast(addr) || ip6IsUnspecified(addr) || ip6IsV4Mapped(addr)) return EINVAL;
  if (plen !== undefined && (!Number.isInteger(plen) || plen < 0 || plen > 128)) return EINVAL;
  if (dstaddr !== undefined && (dstaddr.length !== 16 || (ifp.flags & (IFF_POINTOPOINT | IFF_LOOPBACK)) === 0 || (plen ?? 128) !== 128)) return EINVAL;
  if (pltime > vltime || vltime < 0 || pltime < 0 || vltime > ND6_INFINITE_LIFETIME) return EINVAL;
  if (ip6ZoneOf(addr) !== 0 && ip6ZoneOf(addr) !== ifp.index) return EINVAL;
  const vhid = req.vhid ?? 0;
  if (vhid === 0) return 0;
  return in6Net.carp?.mayAttach(AF_INET6, ifp, vhid) ?? EPROTONOSUPPORT;
}

function defaultPlen(ifp: Ifnet, req: In6Aliasreq): number {
  return req.dstaddr !== undefined || (ifp.flags & IFF_LOOPBACK) !== 0 ? 128 : 64;
}

/**
 * An address is set; where IPv6 was off it is on from now. Says whether the address is to be verified: not the first of a tunnel, which only
 * the far end could have, too, and who is usually not there yet (FreeBSD does not verify the first one of any interface).
 */
function enable(in6Net: In6Net, ifp: Ifnet): boolean {
  const ii = in6Net.ifinfo(ifp);
  if (ii === null || !ii.isDisabled) return true;
  ii.ndFlags &= ~ND6_IFF_IFDISABLED;
  return (ifp.flags & IFF_POINTOPOINT) === 0;
}

function setLifetimes(in6Net: In6Net, ia: In6Ifaddr, req: In6Aliasreq): void {
  const flags = (req.flags ?? 0) & SETTABLE_FLAGS;
  ia.updatedAt = in6Net.net.kern.engine.now;
  ia.vltime = req.vltime ?? ND6_INFINITE_LIFETIME;
  ia.pltime = (flags & IN6_IFF_DEPRECATED) !== 0 ? 0 : (req.pltime ?? ia.vltime);
  ia.flags = (ia.flags & ~SETTABLE_FLAGS) | flags;
}

function updateAddr(in6Net: In6Net, ia: In6Ifaddr, req: In6Aliasreq): Errno {
  if (req.plen !== undefined && req.plen !== ia.plen) return EINVAL;
  setLifetimes(in6Net, ia, req);
  if (req.dstaddr !== undefined) {
    const far = ip6Zoned(req.dstaddr, ia.ifp.index);
    if (ia.dstaddr === null || !ip6Equals(far, ia.dstaddr)) {
      dstRoute(in6Net, ia, false);
      ia.dstaddr = far;
      dstRoute(in6Net, ia, true);
    }
  }
  announce(in6Net, ia, true);
  in6Net.net.ifaddrEvent.invoke({ ifa: ia, added: true });
  return 0;
}

function addAddr(in6Net: In6Net, ia: In6Ifaddr, req: In6Aliasreq, verified: boolean): Errno {
  const { ifp } = ia;
  ia.createdAt = in6Net.net.kern.engine.now;
  setLifetimes(in6Net, ia, req);
  ia.vhid = req.vhid ?? 0;
  if (ia.vhid !== 0) {
    const refused = in6Net.carp?.attach(ia, ia.vhid) ?? EPROTONOSUPPORT;
    if (refused !== 0) return refused;
  } else if (verified && in6Net.doesDad(ifp) && (ia.flags & IN6_IFF_NODAD) === 0) ia.flags |= IN6_IFF_TENTATIVE;
  in6Net.link(ia);
  joinGroups(in6Net, ia);
  announce(in6Net, ia, true);
  const error = dstRoute(in6Net, ia, true);
  if (error !== 0) {
    purgeAddr(in6Net, ia);
    return error;
  }
  if (ia.usable && in6Net.routes.ifaLoopback(RTM_ADD, ia) === 0) ia.hasSelfRoute = true;
  if (ia.plen < 128) {
    const pr = nd6PrefixLookup(in6Net, ifp, ia.addr, ia.plen) ?? nd6PrelistAdd(in6Net, ifp, ia.addr, ia.plen, true);
    ia.prefix = pr;
    pr.addrs++;
  }
  if (ia.isTentative) in6Net.nd?.dadStart(ia, req.dadDelay === true);
  return 0;
}

function purgeAddr(in6Net: In6Net, ia: In6Ifaddr): void {
  if (ia.carp !== null) in6Net.carp?.detach(ia, false);
  if (ia.hasSelfRoute) {
    in6Net.routes.ifaLoopback(RTM_DELETE, ia);
    ia.hasSelfRoute = false;
  }
  in6Net.nd?.dadStop(ia);
  if (ia.hasGroups) for (const group of groupsOf(ia)) in6LeaveGroup(in6Net, ia.ifp, group);
  ia.hasGroups = false;
  dstRoute(in6Net, ia, false);
  announce(in6Net, ia, false);
  in6Net.unlink(ia);
  in6Net.net.shared.witness.ifaddrs.performNow('in6_purgeaddr');
  nd6PrefixNewSource(in6Net, ia);
  in6Net.routes.ifaDown(ia, true);
  const other = in6Net.addrOfBytes(ia.addr); // the same address elsewhere had no route of its own
  if (other !== null && !other.hasSelfRoute) other.hasSelfRoute = in6Net.routes.ifaLoopback(RTM_ADD, other) === 0;
  if (ia.prefix === null) return;
  ia.prefix.addrs--;
  ia.prefix = null;
}

/** CARP: this host is the master, `ia` is an address of it from now on. Other hosts had it until now, so it is not verified. */
export function in6CarpUsable(in6Net: In6Net, ia: In6Ifaddr): void {
  if (ia.usable) return;
  in6Net.makeUsable(ia);
  if (in6Net.routes.ifaLoopback(RTM_ADD, ia) === 0) ia.hasSelfRoute = true;
}

/** … and no longer. Its prefix stays on the link. */
export function in6CarpUnusable(in6Net: In6Net, ia: In6Ifaddr): void {
  if (!ia.usable) return;
  if (ia.hasSelfRoute) {
    in6Net.routes.ifaLoopback(RTM_DELETE, ia);
    ia.hasSelfRoute = false;
  }
  in6Net.makeUnusable(ia);
  in6Net.net.shared.witness.ifaddrs.performNow('carp_delroute');
  nd6PrefixNewSource(in6Net, ia);
}

/** The host route to the far end of a point-to-point link comes or goes. */
function dstRoute(in6Net: In6Net, ia: In6Ifaddr, add: boolean): Errno {
  if (ia.dstaddr === null || ia.plen !== 128 || ip6Equals(ia.dstaddr, ia.addr) || ia.hasDstRoute === add) return 0;
  const error = in6Net.routes.ifaPrefix6(add ? RTM_ADD : RTM_DELETE, ia, ia.ifp, ia.dstaddr, 128);
  if (error === 0 || !add) ia.hasDstRoute = add;
  return error;
}

function joinGroups(in6Net: In6Net, ia: In6Ifaddr): void {
  if ((ia.ifp.flags & IFF_MULTICAST) === 0) return;
  for (const group of groupsOf(ia)) in6JoinGroup(in6Net, ia.ifp, group);
  ia.hasGroups = true;
}

/** The groups an address comes with: its solicited-node group, and those of all nodes. */
function groupsOf(ia: In6Ifaddr): Uint8Array[] {
  return [ip6SolicitedNode(ia.addr), IN6ADDR_LINKLOCAL_ALLNODES, IN6ADDR_INTFACELOCAL_ALLNODES];
}

/** RTM_NEWADDR or RTM_DELADDR, and the event that goes with it. */
function announce(in6Net: In6Net, ia: In6Ifaddr, added: boolean): void {
  devctlNotify(in6Net.net.kern, 'IFNET', ia.ifp.xname, added ? 'ADDR_ADD' : 'ADDR_DEL', { address: ip6Format(ip6Plain(ia.addr)) });
  const { rtsock } = in6Net.net;
  if (rtsock === null || !rtsock.listening) return;
  const mask: Sockaddr = { family: 'inet6', addr: ip6MaskOf(ia.plen), scopeId: 0 };
  rtsock.addr(ia, added, sockaddrOf(ia.addr), mask, ia.dstaddr === null ? null : sockaddrOf(ia.dstaddr));
}

/** An address in zoned form as messages carry it. */
export function sockaddrOf(addr: Uint8Array): Sockaddr {
  return { family: 'inet6', addr: ip6Plain(addr), scopeId: ip6ZoneOf(addr) };
}
