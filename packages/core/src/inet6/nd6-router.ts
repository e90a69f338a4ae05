/**
 * nd6-router.ts — NdRouter and the default router list: who may be the default router, and who is.
 * Read first: RFC 4861 §6.3.4, §6.3.6; RFC 4191 §2.2, §3.2; FreeBSD's netinet6/nd6_rtr.c defrtrlist_update, defrouter_select_fib.
 *
 * Theory of operation. Routers are kept in the order of their preference, those of equal preference in the order they were heard. The first
 * one that is probably reachable (its neighbour entry has a link address) is the default router of its routing table; the one that
 * is it stays it while it is reachable and none of a higher preference is. When none is reachable the next one after
 * the present is tried, so that all are probed in turn. A default route set by hand is never touched: while it is there no router is installed.
 *
 * Invariant: of the routers of one table at most one is `installed`, and then its route is in the table.
 *
 * @rfc 4861 6.3.6 yes
 * @rfc 4191 2.2 yes
 */
import type { Micros } from '../base/time.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTF_GATEWAY } from '../net/route/nexthop.js';
import type { RouteSpec6 } from '../net/route/route-spec.js';
import { AF_INET6 } from '../net/ifnet.js';
import { ip6Equals, ip6Word } from '../wire/addr6.js';
import { ND_RA_FLAG_RTPREF_MASK } from '../wire/icmp6.js';
import type { NdRtr } from './nd6-rtr.js';

const PREF_HIGH = 0x08;
const PREF_LOW = 0x18;
const ANY = new Uint8Array(16);

export class NdRouter {
  readonly ifp: Ifnet;
  /** Link-local, zoned. */
  readonly addr: Uint8Array;
  /** ND_RA_FLAG_* of its last advertisement. */
  flags = 0;
  lifetimeS = 0;
  expireAt: Micros = 0;
  /** It is the default route of its table. */
  installed = false;

  constructor(ifp: Ifnet, addr: Uint8Array) {
    this.ifp = ifp;
    this.addr = addr;
  }

  /** 1, 0 or -1. */
  get preference(): number {
    return rtpref(this.flags);
  }
}

/** Preference of flags: high, medium (reserved is taken for it), low. */
export function rtpref(flags: number): number {
  const pref = flags & ND_RA_FLAG_RTPREF_MASK;
  return pref === PREF_HIGH ? 1 : pref === PREF_LOW ? -1 : 0;
}

export function ndRouterLookup(rtr: NdRtr, ifp: Ifnet, addr: Uint8Array): NdRouter | null {
  return rtr.routers.find((dr) => dr.ifp === ifp && ip6Equals(dr.addr, addr)) ?? null;
}

/** What an advertisement says of its sender. Null when it is no default router, or there are too many. */
export function ndRouterUpdate(rtr: NdRtr, ifp: Ifnet, addr: Uint8Array, flags: number, lifetimeS: number, expireAt: Micros): NdRouter | null {
  const have = ndRouterLookup(rtr, ifp, addr);
  if (lifetimeS === 0) {
    if (have !== null) ndRouterRemove(rtr, have);
    return null;
  }
  if (have === null && rtr.routers.filter((dr) => dr.ifp === ifp).length >= rtr.tun.maxifdefrouters) {
    rtr.stats.full++;
    return null;
  }
  const dr = have ?? new NdRouter(ifp, addr);
  const before = dr.preference;
  dr.flags = flags;
  dr.lifetimeS = lifetimeS;
  dr.expireAt = expireAt;
  if (have !== null && dr.preference === before) return dr;
  if (have !== null) rtr.routers.splice(rtr.routers.indexOf(have), 1);
  const at = rtr.routers.findIndex((other) => other.preference < dr.preference);
  rtr.routers.splice(at < 0 ? rtr.routers.length : at, 0, dr);
  return dr;
}

/** Forgets a router: its route, and what it has advertised of prefixes' reachability. */
export function ndRouterRemove(rtr: NdRtr, dr: NdRouter): void {
  const at = rtr.routers.indexOf(dr);
  if (at < 0) return;
  rtr.routers.splice(at, 1);
  for (const pr of rtr.in6Net.prefixes) pr.routers.delete(dr);
  if (dr.installed) uninstall(rtr, dr);
}

/** Is there a link address for it, right or not? */
export function ndRouterReachable(rtr: NdRtr, dr: { readonly ifp: Ifnet; readonly addr: Uint8Array }): boolean {
  const lle = rtr.nd.tableOf(dr.ifp)?.lookup(ip6Word(dr.addr, 0), ip6Word(dr.addr, 1), ip6Word(dr.addr, 2), ip6Word(dr.addr, 3)) ?? null;
  return lle !== null && lle.isValid;
}

/** Chooses the default router of each table, and installs it. */
export function ndRouterSelect(rtr: NdRtr): void {
  for (const fib of new Set(rtr.routers.map((dr) => dr.ifp.fib))) selectIn(rtr, fib);
}

function selectIn(rtr: NdRtr, fib: number): void {
  const list = rtr.routers.filter((dr) => dr.ifp.fib === fib);
  const installed = list.find((dr) => dr.installed) ?? null;
  let best = list.find((dr) => ndRouterReachable(rtr, dr)) ?? null;
  if (best === null) best = installed === null ? (list[0] ?? null) : (list[list.indexOf(installed) + 1] ?? list[0] ?? null);
  else if (installed !== null && ndRouterReachable(rtr, installed) && best.preference <= installed.preference) best = installed;
  if (best === installed || best === null) return;
  if (installed !== null) uninstall(rtr, installed);
  install(rtr, best);
}

function specOf(dr: NdRouter): RouteSpec6 {
  return { family: 'inet6', fib: dr.ifp.fib, dst: ANY, plen: 0, gateway: dr.addr, ifp: dr.ifp, flags: RTF_GATEWAY };
}

function install(rtr: NdRtr, dr: NdRouter): void {
  const { routes } = rtr.in6Net;
  if (routes.find(dr.ifp.fib, AF_INET6, ANY, 0) !== null) return;
  dr.installed = routes.add(specOf(dr)) === 0;
}

function uninstall(rtr: NdRtr, dr: NdRouter): void {
  dr.installed = false;
  rtr.in6Net.routes.delete(specOf(dr));
}
