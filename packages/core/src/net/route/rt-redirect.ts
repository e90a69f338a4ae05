/**
 * rt-redirect.ts — a router says that another one is nearer: what is believed, and what becomes of it.
 * Read first: RFC 1122 §3.2.2.2; NetBSD's `sys/net/route.c` rtredirect; docs/contexts.md.
 *
 * Theory of operation. Believed is who is the router in use for the destination now, about a gateway on the network of the same address, which is not
 * ourselves. The destination then gets a host route of its own (DYNAMIC), which dies after `net.inet.icmp.redirtimeout`; one that has a host route already gets the
 * new gateway in it (MODIFIED), by the update procedure, because packets may be using it. A route that leads to a link, a blackhole or
 * a rejection is nobody's to redirect.
 * Whatever comes of it is told as RTM_REDIRECT, a refusal with its reason: ENETUNREACH the gateway is not on a network of ours, EINVAL not from the
 * router in use, EHOSTUNREACH the gateway is ourselves or there is no gateway to replace.
 *
 * A host without any route for the destination believes nobody, as FreeBSD does; NetBSD makes a route.
 * The time of death has NetBSD's granularity: a route lives its seconds in full and dies within the second after (rt_timer).
 *
 * Of IPv6 a redirect may also say that the destination itself is on the link: then `spec` has no gateway.
 *
 * Not here: the message (inet/icmp-input.ts, inet6), which checks itself.
 */
import type { Errno } from '../../base/errno.js';
import { EHOSTUNREACH, EINVAL, ENETUNREACH, ENOBUFS } from '../../base/errno.js';
import type { Micros } from '../../base/time.js';
import { US_PER_SEC } from '../../base/time.js';
import { ip6Equals } from '../../wire/addr6.js';
import type { Ifnet } from '../ifnet.js';
import { ifaIfwithaddr, ifaIfwithnet } from './ifa-lookup.js';
import type { Nexthop } from './nexthop.js';
import { RTF_DYNAMIC, RTF_GATEWAY, RTF_HOST, RTF_MODIFIED } from './nexthop.js';
import { routeAdd, routeReplacePath } from './route-ctl.js';
import { rtRedirectmsg } from './route-msg.js';
import type { RouteSpec } from './route-spec.js';
import type { RouteTables } from './route-tables.js';
import type { Rtentry } from './rtentry.js';

/** Routes that redirects may have made, in one vnet (NetBSD bounds those of IPv6 likewise). */
export const RT_DYNAMIC_MAX = 4_096;

/** `spec`: a host route through the new gateway. `author`: who says so; null: the caller has looked at that. */
export interface Redirect {
  readonly spec: RouteSpec;
  readonly author: number | Uint8Array | null;
  readonly ifp: Ifnet;
  /** Seconds the route may live; 0: for ever. Asked when the route is made or changed, which may be later. */
  readonly timeout: number;
}

/** When a route made at `now` dies: after `timeout` whole seconds, at the next tick of a clock of one hertz. */
export function rtTimerDue(now: Micros, timeout: number): Micros {
  return timeout === 0 ? 0 : (Math.floor(now / US_PER_SEC) + timeout + 1) * US_PER_SEC;
}

/** Thread context. `done` is told how it ended, at once or when nobody uses the route any more. */
export function rtRedirect(routes: RouteTables, r: Redirect, done: (error: Errno) => void): void {
  const { spec } = r;
  const error = check(routes, r);
  const have = routes.findSpec(spec);
  const finish = (e: Errno, counter: 'dynamic' | 'newgateway', flags: number): void => {
    routes.stats[e === 0 ? counter : 'badredirect']++;
    rtRedirectmsg(routes.net, r, e, flags);
    done(e);
  };
  if (error !== 0) return finish(error, 'dynamic', 0);
  if (have === null) return finish(create(routes, r), 'dynamic', RTF_DYNAMIC);
  routes.updating(have, (e) => finish(e || modify(routes, r, have), 'newgateway', RTF_MODIFIED));
}

function check(routes: RouteTables, r: Redirect): Errno {
  const { spec, author } = r;
  const { gateway } = spec;
  const path = pathOf(routes, r);
  if (spec.family === 'inet' && typeof gateway === 'number') {
    const ifa = ifaIfwithnet(routes.net, gateway, spec.fib);
    if (ifa === null || ifa.broadcast === gateway) return ENETUNREACH;
    if (ifa.ifp !== r.ifp || path === null || (author !== null && path.ifa !== ifa)) return EINVAL;
    if (ifaIfwithaddr(routes.net, gateway) !== null) return EHOSTUNREACH;
  }
  if (path === null) return author === null ? 0 : EINVAL;
  return (path.flags & RTF_GATEWAY) === 0 ? EHOSTUNREACH : 0;
}

/** The path in use for the destination, by way of the author. */
function pathOf(routes: RouteTables, { spec, author }: Redirect): Nexthop | null {
  const rt = spec.family === 'inet' ? routes.get4(spec.fib, spec.dst) : routes.get6(spec.fib, spec.dst);
  const hops = rt?.nexthops.map((p) => p.nh) ?? [];
  return (author === null ? hops[0] : hops.find((nh) => isGateway(nh, author))) ?? null;
}

function isGateway(nh: Nexthop, author: number | Uint8Array): boolean {
  if ((nh.flags & RTF_GATEWAY) === 0) return false;
  return typeof author === 'number' ? nh.gw4 === author : nh.gw6 !== null && ip6Equals(nh.gw6, author);
}

function create(routes: RouteTables, { spec, timeout }: Redirect): Errno {
  if (routes.dynamicCount >= RT_DYNAMIC_MAX) return ENOBUFS;
  const expireUs = rtTimerDue(routes.net.kern.engine.now, timeout);
  return routeAdd(routes, { ...spec, flags: spec.flags | RTF_DYNAMIC, expireUs, silent: routes.dynamicRtMsg === 0 });
}

/** The route gets the new gateway; one that a redirect made begins its time anew, another one stays for good. */
function modify(routes: RouteTables, r: Redirect, rt: Rtentry): Errno {
  const { spec, author } = r;
  const at = author === null ? 0 : rt.nexthops.findIndex((p) => isGateway(p.nh, author));
  const old = rt.nexthops[at];
  if (old === undefined) return EINVAL;
  const isDynamic = (old.nh.flags & RTF_DYNAMIC) !== 0;
  const expireUs = isDynamic ? rtTimerDue(routes.net.kern.engine.now, r.timeout) : old.expireUs;
  const gw = typeof spec.gateway === 'number' ? { gw4: spec.gateway } : { gw6: spec.gateway ?? null };
  // IPv6 may say that the destination is on the link: no gateway any more.
  const way = (spec.flags & RTF_GATEWAY) === 0 ? { flags: old.nh.flags & ~RTF_GATEWAY, gwIfp: r.ifp } : { flags: old.nh.flags | RTF_GATEWAY };
  return routeReplacePath(routes, rt, at, { ...old.nh, ...gw, ...way, flags: way.flags | RTF_HOST | RTF_MODIFIED }, expireUs);
}
