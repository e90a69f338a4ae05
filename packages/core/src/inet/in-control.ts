/**
 * in-control.ts — setting and removing IPv4 addresses (SIOCAIFADDR, SIOCDIFADDR), and what an interface's up and down do to
 * them.
 * Read first: freebsd `sys/netinet/in.c` in_aifaddr_ioctl, in_difaddr_ioctl, in_scrubprefix.
 *
 * Theory of operation. An address comes with two routes. The *prefix route* leads to its network over its interface (to the far
 * end on a point-to-point link, to itself on a loopback interface); of several addresses with one prefix in one FIB, one
 * owns it (IFA_ROUTE), and when that one goes another takes over. The *loopback route* leads to the address itself by way
 * of the loopback interface; addresses on several interfaces share it. A /32 on an ordinary interface has one route for
 * both purposes, through the loopback interface.
 *
 * Order of messages, which listeners rely on: adding says RTM_NEWADDR before RTM_ADD; removing says RTM_DELADDR before
 * RTM_DELETE; a hand-over says RTM_DELETE and RTM_ADD only. Loopback routes are silent.
 *
 * Everything here runs in thread context and none of it waits. Not here: ARP's part (announcing an address, forgetting
 * one); ARP listens to `net.ifaddrEvent` and is called through InLlTable.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EDESTADDRREQ, EEXIST, EINVAL, ENXIO, EPROTONOSUPPORT } from '../base/errno.js';
import { devctlNotify } from '../kern/devctl.js';
import { ifIoctlAllowed, ifUp } from '../net/if.js';
import { AF_INET, IFF_BROADCAST, IFF_MULTICAST, IFF_POINTOPOINT, IFF_LOOPBACK } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTM_ADD, RTM_CHANGE, RTM_DELETE } from '../net/rtsock.js';
import {
  INADDR_ALLHOSTS_GROUP, INADDR_BROADCAST, ip4BroadcastOf, ip4ClassMask, ip4Format, ip4IsMulticast, ip4MaskOf, ip4PrefixLen,
} from '../wire/addr.js';
import { IFA_ROUTE, InIfaddr } from './in-ifaddr.js';
import { inJoinGroup, inLeaveGroup } from './in-mcast.js';
import type { InNet } from './in-net.js';

/** What SIOCAIFADDR carries. Addresses are host-order numbers. */
export interface InAliasreq {
  readonly addr: number;
  /** Absent with `mask`: the network of the address's historical class. */
  readonly plen?: number;
  readonly mask?: number;
  /** Absent: derived from address and mask. */
  readonly broadcast?: number;
  /** Required on point-to-point interfaces, ignored elsewhere. */
  readonly dstaddr?: number;
  readonly vhid?: number;
}

/**
 * SIOCAIFADDR: adds an address, or replaces it when `ifp` has it already. The first one brings the interface up.
 * EINVAL address or mask unusable (not contiguous), EDESTADDRREQ point-to-point without far end, EEXIST same prefix with
 * `net.inet.ip.no_same_prefix` or a connected route there already, EPROTONOSUPPORT vhid without CARP, ENOPROTOOPT, ENOENT no such vhid on the
 * interface, EAFNOSUPPORT interface
 * without IPv4, EBUSY while the vnet goes down, ENXIO while the interface leaves.
 */
export function inAifaddr(inNet: InNet, ifp: Ifnet, req: InAliasreq): Errno {
  const net = inNet.net;
  net.kern.engine.assertThread();
  const refused = ifIoctlAllowed(net) || checkReq(inNet, ifp, req);
  if (refused !== 0) return refused;
  const mask = maskOf(req);
  const isFirst = ifp.addrs.every((ifa) => !(ifa instanceof InIfaddr) || ifa.addr === req.addr);
  const ia = new InIfaddr(ifp, req.addr, mask, ip4PrefixLen(mask), broadcastOf(ifp, req, mask), dstaddrOf(ifp, req), req.vhid ?? 0);
  const unfit = ifp.driver.checkAddr?.(ifp, ia) ?? 0;
  if (unfit !== 0) return unfit;
  const was = inNet.addrOnIf(req.addr, ifp);
  if (was !== null) deleteAddr(inNet, was, was.vhid === ia.vhid);
  if (!net.ifnets.includes(ifp)) return ENXIO; // leaving, or taken away by somebody who was told
  const error = ia.vhid === 0 ? linkOrdinary(inNet, ia) : linkVirtual(inNet, ia);
  if (error !== 0) return error;
  if (isFirst && (ifp.flags & IFF_MULTICAST) !== 0) inJoinGroup(inNet, ifp, INADDR_ALLHOSTS_GROUP);
  if (isFirst) ifp.driver.addrAdded?.(ifp);
  if (!ifp.isUp) ifUp(ifp);
  if (inNet.addrOnIf(req.addr, ifp) === ia) net.ifaddrEvent.invoke({ ifa: ia, added: true }); // and not gone again by now
  return 0;
}

/** SIOCDIFADDR: removes `addr`, or the first address when null. EADDRNOTAVAIL when `ifp` has none such. */
export function inDifaddr(inNet: InNet, ifp: Ifnet, addr: number | null): Errno {
  inNet.net.kern.engine.assertThread();
  const ia = addr === null ? inNet.firstAddr(ifp) : inNet.addrOnIf(addr, ifp);
  if (ia === null) return EADDRNOTAVAIL;
  deleteAddr(inNet, ia, false);
  return 0;
}

/** @param keepVhid the address is about to be set again with the same vhid, which must not end with it. */
function deleteAddr(inNet: InNet, ia: InIfaddr, keepVhid: boolean): void {
  const { ifp } = ia;
  if (ia.carp !== null) inNet.carp?.detach(ia, keepVhid); // takes its routes
  const wasUsable = ia.usable;
  inNet.unlink(ia);
  inNet.net.shared.witness.ifaddrs.performNow('in_difaddr');
  if (wasUsable) scrubPrefix(inNet, ia, true);
  inNet.routes.ifaDown(ia, true);
  ia.flags &= ~IFA_ROUTE;
  if (inNet.firstAddr(ifp) === null && inNet.isMember(ifp, INADDR_ALLHOSTS_GROUP)) inLeaveGroup(inNet, ifp, INADDR_ALLHOSTS_GROUP);
  inNet.net.ifaddrEvent.invoke({ ifa: ia, added: false });
}

function linkOrdinary(inNet: InNet, ia: InIfaddr): Errno {
  inNet.link(ia);
  const error = addRoutes(inNet, ia);
  if (error !== 0) inNet.unlink(ia);
  return error;
}

/** An address of CARP has no routes, and is nobody's to use, until this host is the master of its vhid. */
function linkVirtual(inNet: InNet, ia: InIfaddr): Errno {
  const error = inNet.carp?.attach(ia, ia.vhid) ?? EPROTONOSUPPORT;
  if (error === 0) inNet.link(ia);
  return error;
}

/** CARP: this host is the master, `ia` is an address of it from now on. */
export function inCarpUsable(inNet: InNet, ia: InIfaddr): void {
  if (ia.usable) return;
  inNet.makeUsable(ia);
  addRoutes(inNet, ia);
}

/** … and no longer: its routes go, or go over to another address. */
export function inCarpUnusable(inNet: InNet, ia: InIfaddr): void {
  if (!ia.usable) return;
  inNet.makeUnusable(ia);
  inNet.net.shared.witness.ifaddrs.performNow('carp_delroute');
  scrubPrefix(inNet, ia, true);
  ia.flags &= ~IFA_ROUTE;
}

/** Removes every address of `ifp`, as if each were deleted by hand. */
export function inPurge(inNet: InNet, ifp: Ifnet): void {
  while (inDifaddr(inNet, ifp, null) === 0);
}

/** The interface came up: addresses without a connected route get it back. */
export function inIfup(inNet: InNet, ifp: Ifnet): void {
  const { routes } = inNet;
  for (const ia of inNet.addrsOf(ifp)) {
    if (ia.hasRoute || !ia.usable) continue;
    routes.ifaLoopback(RTM_DELETE, ia);
    announce(inNet, ia, true);
    if (prefixRoute(inNet, RTM_ADD, ia) === 0) ia.flags |= IFA_ROUTE;
    if (ia.needsLoopbackRoute) routes.ifaLoopback(RTM_ADD, ia);
  }
}

/** The interface went down: connected routes go, or go over to an address on another interface. Loopback routes stay. */
export function inIfdown(inNet: InNet, ifp: Ifnet): void {
  for (const ia of inNet.addrsOf(ifp)) {
    if (!ia.hasRoute) continue;
    scrubPrefix(inNet, ia, false);
    inNet.routes.ifaDown(ia, false);
    ia.flags &= ~IFA_ROUTE;
  }
}

function checkReq(inNet: InNet, ifp: Ifnet, req: InAliasreq): Errno {
  if (inNet.ifinfo(ifp) === null) return EAFNOSUPPORT;
  const { addr, plen, mask } = req;
  if (ip4IsMulticast(addr) || addr === INADDR_BROADCAST) return EINVAL;
  if (plen !== undefined && (!Number.isInteger(plen) || plen < 0 || plen > 32)) return EINVAL;
  if (mask !== undefined && ip4PrefixLen(mask) < 0) return EINVAL;
  if ((ifp.flags & IFF_POINTOPOINT) !== 0 && (req.dstaddr ?? 0) === 0) return EDESTADDRREQ;
  const vhid = req.vhid ?? 0;
  if (vhid === 0) return 0;
  return inNet.carp?.mayAttach(AF_INET, ifp, vhid) ?? EPROTONOSUPPORT;
}

/** The mask as given, else from the prefix length, else of the historical class (class E counts as C). */
function maskOf(req: InAliasreq): number {
  if (req.mask !== undefined) return req.mask >>> 0;
  if (req.plen !== undefined) return ip4MaskOf(req.plen);
  return ip4ClassMask(req.addr) || 0xffffff00;
}

function broadcastOf(ifp: Ifnet, req: InAliasreq, mask: number): number | null {
  if ((ifp.flags & IFF_BROADCAST) === 0) return null;
  if (req.broadcast !== undefined) return req.broadcast;
  return ip4PrefixLen(mask) === 31 ? INADDR_BROADCAST : ip4BroadcastOf(req.addr, mask);
}

function dstaddrOf(ifp: Ifnet, req: InAliasreq): number | null {
  return (ifp.flags & IFF_POINTOPOINT) !== 0 ? (req.dstaddr ?? null) : null;
}

/** RTM_NEWADDR, prefix route, loopback route; on an error the prefix route is taken back. */
function addRoutes(inNet: InNet, ia: InIfaddr): Errno {
  const shared = prefixOwned(inNet, ia);
  if (shared && inNet.tun.noSamePrefix !== 0) return EEXIST;
  announce(inNet, ia, true);
  if (!shared) {
    const error = prefixRoute(inNet, RTM_ADD, ia);
    if (error !== 0) return error;
    ia.flags |= IFA_ROUTE;
  }
  if (!ia.needsLoopbackRoute || otherWithAddr(inNet, ia) !== null) return 0;
  const error = inNet.routes.ifaLoopback(RTM_ADD, ia);
  if (error !== 0) scrubPrefix(inNet, ia, true);
  return error;
}

/**
 * Takes the prefix route of `target` away or hands it to another address. With `statics` the address itself goes: its
 * loopback route and static neighbours too.
 */
function scrubPrefix(inNet: InNet, target: InIfaddr, statics: boolean): void {
  const { routes } = inNet;
  if (statics && target.needsLoopbackRoute) {
    const other = otherWithAddr(inNet, target);
    // One that leads to this host by a prefix route of its own needs no other, and could not take this one away again.
    if (other?.needsLoopbackRoute === true) routes.ifaLoopback(RTM_CHANGE, other);
    else if (other?.hasRoute !== true) routes.ifaLoopback(RTM_DELETE, target);
  }
  if (!target.hasRoute) {
    announce(inNet, target, false);
    return;
  }
  const heir = heirOf(inNet, target);
  if (heir !== null) {
    if (prefixRoute(inNet, RTM_DELETE, target) === 0) target.flags &= ~IFA_ROUTE;
    if (heir.ifp !== target.ifp) freeNeighbours(inNet, target, statics);
    if (prefixRoute(inNet, RTM_ADD, heir) === 0) heir.flags |= IFA_ROUTE;
    return;
  }
  freeNeighbours(inNet, target, statics);
  announce(inNet, target, false);
  if (prefixRoute(inNet, RTM_DELETE, target) === 0) target.flags &= ~IFA_ROUTE;
}

/** Another address with the prefix of `target`, in its FIB and on an interface that is up, which can take its route over. */
function heirOf(inNet: InNet, target: InIfaddr): InIfaddr | null {
  for (const ia of inNet.addrs) {
    if (ia !== target && ia.usable && samePrefix(ia, target) && ia.ifp.isUp && !ia.hasRoute) return ia;
  }
  return null;
}

/** Has another address in the FIB the prefix route of `ia`'s prefix? */
function prefixOwned(inNet: InNet, ia: InIfaddr): boolean {
  return inNet.addrs.some((other) => other.hasRoute && samePrefix(other, ia));
}

function samePrefix(a: InIfaddr, b: InIfaddr): boolean {
  return a.rtPrefix === b.rtPrefix && a.rtPlen === b.rtPlen && a.ifp.fib === b.ifp.fib;
}

/** The same address on another interface of the same FIB. */
function otherWithAddr(inNet: InNet, ia: InIfaddr): InIfaddr | null {
  for (let other = inNet.addrOf(ia.addr); other !== null; other = other.hashNext) {
    if (other !== ia && (inNet.routes.addAddrAllfibs !== 0 || other.ifp.fib === ia.ifp.fib)) return other;
  }
  return null;
}

/** The route leads through the address's interface, but for a /32 on an ordinary one, which leads back to this host. */
function prefixRoute(inNet: InNet, type: typeof RTM_ADD | typeof RTM_DELETE, ia: InIfaddr): Errno {
  const ordinary = (ia.ifp.flags & (IFF_POINTOPOINT | IFF_LOOPBACK)) === 0;
  const ifp = ordinary && ia.plen === 32 ? (inNet.net.loif ?? ia.ifp) : ia.ifp;
  return inNet.routes.ifaPrefix(type, ia, ifp, ia.rtPrefix, ia.rtPlen);
}

function freeNeighbours(inNet: InNet, ia: InIfaddr, statics: boolean): void {
  inNet.ifinfo(ia.ifp)?.lltable?.prefixFree(ia.addr, ia.mask, statics);
}

/** RTM_NEWADDR or RTM_DELADDR, and the event that goes with it. */
function announce(inNet: InNet, ia: InIfaddr, added: boolean): void {
  devctlNotify(inNet.net.kern, 'IFNET', ia.ifp.xname, added ? 'ADDR_ADD' : 'ADDR_DEL', { address: ip4Format(ia.addr) });
  const far = ia.dstaddr ?? ia.broadcast;
  inNet.net.rtsock?.addr(
    ia, added, { family: 'inet', addr: ia.addr }, { family: 'inet', addr: ia.mask }, far === null ? null : { family: 'inet', addr: far },
  );
}
