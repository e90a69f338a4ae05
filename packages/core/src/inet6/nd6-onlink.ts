/**
 * nd6-onlink.ts — which prefixes are used: those whose routers are there. pfxlist_onlink_check.
 * Read first: FreeBSD's netinet6/nd6_rtr.c pfxlist_onlink_check; RFC 4861 §6.3.4.
 *
 * Theory of operation. A host that has moved to another link still has the old link's prefixes. As soon as one prefix has a router that is
 * probably reachable, those without one are detached: their routes go, and their addresses are not used. When there is no reachable router at
 * all nothing is known, and everything is used. An address that is attached again is verified again: others may have taken it.
 *
 * Only prefixes for autoconfiguration are ever detached, never those of addresses set by hand.
 */
import { IN6_IFF_AUTOCONF, IN6_IFF_DETACHED, IN6_IFF_TENTATIVE } from './in6-ifaddr.js';
import type { In6Ifaddr } from './in6-ifaddr.js';
import { nd6PrefixOfflink, nd6PrefixOnlink } from './nd6-prefix.js';
import type { NdPrefix } from './nd6-prefix.js';
import { ndRouterReachable } from './nd6-router.js';
import type { NdRtr } from './nd6-rtr.js';

/** Goes through all prefixes and autoconfigured addresses. Thread context. */
export function nd6OnlinkCheck(rtr: NdRtr): void {
  const { prefixes, addrs } = rtr.in6Net;
  const reachable = (pr: NdPrefix): boolean => [...pr.routers].some((dr) => ndRouterReachable(rtr, dr));
  const anyPrefix = prefixes.some((pr) => pr.rafOnlink && reachable(pr));
  // A router that advertises no prefix: we are on a link where none of the known ones are.
  const silentRouter = rtr.routers.length > 0 && !rtr.routers.some((dr) => prefixes.some((pr) => pr.routers.has(dr)));
  for (const pr of prefixes) {
    if (!pr.rafAuto || !pr.rafOnlink) continue;
    pr.detached = (anyPrefix || silentRouter) && !reachable(pr);
  }
  for (const pr of prefixes.slice()) if (pr.detached && pr.onlink && !hasManual(rtr, pr)) nd6PrefixOfflink(rtr.in6Net, pr);
  for (const pr of prefixes.slice()) if (!pr.detached && !pr.onlink && pr.rafOnlink && !isOver(rtr, pr)) nd6PrefixOnlink(rtr.in6Net, pr);
  const autoconf = addrs.filter((ia) => (ia.flags & IN6_IFF_AUTOCONF) !== 0 && ia.prefix !== null);
  const anyAddr = autoconf.some((ia) => reachable(ia.prefix as NdPrefix));
  for (const ia of autoconf) setDetached(rtr, ia, anyAddr && !reachable(ia.prefix as NdPrefix));
}

function setDetached(rtr: NdRtr, ia: In6Ifaddr, detached: boolean): void {
  if (((ia.flags & IN6_IFF_DETACHED) !== 0) === detached) return;
  if (detached) {
    ia.flags |= IN6_IFF_DETACHED;
    return;
  }
  ia.flags &= ~IN6_IFF_DETACHED;
  if (!rtr.in6Net.doesDad(ia.ifp)) return;
  ia.flags |= IN6_IFF_TENTATIVE;
  rtr.nd.dadStart(ia, false);
}

/** An address set by hand keeps its prefix on the link whatever routers say. */
export function hasManual(rtr: NdRtr, pr: NdPrefix): boolean {
  return rtr.in6Net.addrs.some((ia) => ia.prefix === pr && (ia.flags & IN6_IFF_AUTOCONF) === 0);
}

/** Its valid lifetime has passed. */
export function isOver(rtr: NdRtr, pr: NdPrefix): boolean {
  return pr.validUntil <= rtr.kern.engine.now && !hasManual(rtr, pr);
}
