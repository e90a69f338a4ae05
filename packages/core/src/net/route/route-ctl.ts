/**
 * route-ctl.ts — adding, deleting and changing routes.
 * Read first: freebsd `sys/net/route/route_ctl.c`; route(8).
 *
 * Theory of operation. A change is worked out completely, next hop and paths, before the table is touched, and each ends in
 * one call of the Rib: an error leaves no trace. Priority has two levels: the kernel's connected routes (RTF_PINNED) and
 * the others. A pinned route takes the place of another one, is itself replaced by none, and is deleted by pinned calls only.
 *
 * Multipath (`net.route.multipath`): adding a gateway to a prefix that has gateways appends a path; the same path again is
 * EEXIST. Deleting and changing name the path by its gateway; when a prefix has one path only, deleting without a gateway
 * is enough.
 *
 * Messages are posted here, after the change. Not here: what makes a gateway reachable (route-resolve.ts).
 */
import type { Errno } from '../../base/errno.js';
import { E2BIG, EADDRINUSE, EAFNOSUPPORT, EEXIST, EINVAL, ENOBUFS, ESRCH } from '../../base/errno.js';
import type { Micros } from '../../base/time.js';
import { ip6Equals } from '../../wire/addr6.js';
import type { IfAddr, IfAddr6 } from '../ifaddr.js';
import { AF_INET } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { RTM_ADD, RTM_CHANGE, RTM_DELETE } from '../rtsock.js';
import { ifa6ofIfpforaddr } from './ifa-lookup6.js';
import type { Nexthop, NexthopKey } from './nexthop.js';
import { RTF_DYNAMIC, RTF_GATEWAY, RTF_PINNED, RTF_STATIC } from './nexthop.js';
import type { Rib } from './rib.js';
import { rtRoutemsg } from './route-msg.js';
import { resolveChange, resolveNexthop } from './route-resolve.js';
import type { RouteSpec } from './route-spec.js';
import type { RouteState } from './route-state.js';
import type { Rtentry, RtPath } from './rtentry.js';
import { RIB_MAX_MPATH_WIDTH, RT_DEFAULT_WEIGHT, RT_MAX_WEIGHT } from './rtentry.js';

/** Is a path meant? Used by deletions that walk the tables. */
export type PathFilter = (rt: Rtentry, path: RtPath) => boolean;

/** The checks every call begins with: EAFNOSUPPORT, EINVAL. */
export function checkSpec(state: RouteState, spec: RouteSpec): Errno {
  if (spec.family !== 'inet' && (spec as RouteSpec).family !== 'inet6') return EAFNOSUPPORT;
  if (!Number.isInteger(spec.fib) || spec.fib < 0 || spec.fib >= state.fibs) return EINVAL;
  if (!Number.isInteger(spec.plen) || spec.plen < 0 || spec.plen > (spec.family === 'inet' ? 32 : 128)) return EINVAL;
  return 0;
}

/** Adds a route or a path. EEXIST, EINVAL, ENETUNREACH, E2BIG (too many paths), ENOBUFS (too many next hops), EOPNOTSUPP. */
export function routeAdd(state: RouteState, spec: RouteSpec): Errno {
  const resolved = resolveNexthop(state, spec);
  if (resolved.key === null) return resolved.error;
  const nh = state.store.hop(resolved.key);
  if (nh === null) return ENOBUFS;
  const path: RtPath = { nh, weight: weightOf(spec, RT_DEFAULT_WEIGHT), expireUs: spec.expireUs ?? 0 };
  const error = addPath(state, spec, path);
  if (error !== 0) {
    state.store.drop(nh);
    return error;
  }
  if (path.expireUs > 0) state.expiresAt(path.expireUs);
  return 0;
}

function addPath(state: RouteState, spec: RouteSpec, path: RtPath): Errno {
  const rib = state.ribForWrite(spec.family, spec.fib);
  const have = rib.findSpec(spec);
  if (have === null) {
    const rt = rib.entryFor(spec, [path]);
    if (rt === null) return EAFNOSUPPORT;
    rt.value = path.nh.idx;
    rib.insert(rt);
    report(state, spec, RTM_ADD, rt, path.nh);
    return 0;
  }
  if (spec.pinned === true) {
    if (isPinned(have)) return EEXIST;
    rib.update(have, [path], path.nh.idx);
    report(state, spec, RTM_ADD, have, path.nh);
    return 0;
  }
  if (state.multipath === 0 || !canMultipath(path.nh) || !have.nexthops.every((p) => canMultipath(p.nh))) return EEXIST;
  const error = setPaths(state, rib, have, [...have.nexthops, path]);
  if (error === 0) report(state, spec, RTM_ADD, have, path.nh);
  return error;
}

/** Deletes a route, or one path of it. ESRCH not there or by another gateway, EADDRINUSE pinned. */
export function routeDelete(state: RouteState, spec: RouteSpec): Errno {
  const rib = state.rib(spec.family, spec.fib);
  const rt = rib?.findSpec(spec) ?? null;
  if (rib === null || rt === null) return ESRCH;
  const named = namesPath(spec);
  if (rt.isMultipath && !named) return ESRCH;
  const gone = named ? rt.nexthops.find((p) => matchesPath(spec, p.nh)) : rt.nexthops[0];
  if (gone === undefined) return ESRCH;
  if (isPinned(rt) && spec.pinned !== true) return EADDRINUSE;
  removePath(state, rib, rt, gone);
  report(state, spec, RTM_DELETE, rt, gone.nh);
  return 0;
}

/**
 * Changes gateway, interface, flags, MTU, weight or expiry of a route or of the path its gateway names. ESRCH, EEXIST pinned, errors of adding.
 * A connected route that led elsewhere would outlive its address, for nobody could delete it.
 */
export function routeChange(state: RouteState, spec: RouteSpec): Errno {
  const rib = state.rib(spec.family, spec.fib);
  const rt = rib?.findSpec(spec) ?? null;
  if (rib === null || rt === null) return ESRCH;
  if (isPinned(rt) && spec.pinned !== true) return EEXIST;
  const at = rt.isMultipath && namesPath(spec) ? rt.nexthops.findIndex((p) => matchesPath(spec, p.nh)) : 0;
  const old = rt.nexthops[at];
  if (old === undefined) return ESRCH;
  const resolved = resolveChange(state, spec, old.nh);
  if (resolved.key === null) return resolved.error;
  const nh = state.store.hop(resolved.key);
  if (nh === null) return ENOBUFS;
  const path: RtPath = { nh, weight: weightOf(spec, old.weight), expireUs: spec.expireUs ?? old.expireUs };
  const error = setPaths(state, rib, rt, rt.nexthops.with(at, path));
  if (error !== 0) {
    state.store.drop(nh);
    return error;
  }
  if (path.expireUs > 0) state.expiresAt(path.expireUs);
  report(state, spec, RTM_CHANGE, rt, nh);
  return 0;
}

/** Gives path `at` of `rt`, a route in the table, another next hop, silently. ENOBUFS, EEXIST: it has such a path. */
export function routeReplacePath(state: RouteState, rt: Rtentry, at: number, key: NexthopKey, expireUs: Micros): Errno {
  const rib = state.rib(rt.af === AF_INET ? 'inet' : 'inet6', rt.fib);
  const old = rt.nexthops[at];
  if (rib === null || old === undefined) return ESRCH;
  const nh = state.store.hop(key);
  if (nh === null) return ENOBUFS;
  const error = setPaths(state, rib, rt, rt.nexthops.with(at, { ...old, nh, expireUs }));
  if (error !== 0) state.store.drop(nh);
  else if (expireUs > 0) state.expiresAt(expireUs);
  return error;
}

/**
 * Deletes every path the filter names, in every table; routes left without a path go. `each` is told of each path after its
 * deletion. Pinned routes are spared unless `pinned`.
 */
export function walkDelete(state: RouteState, filter: PathFilter, pinned: boolean, each: ((rt: Rtentry, nh: Nexthop) => void) | null): void {
  for (const rib of state.ribs()) {
    for (const rt of rib.all()) {
      if (!pinned && isPinned(rt)) continue;
      for (const path of rt.nexthops) {
        if (!filter(rt, path)) continue;
        removePath(state, rib, rt, path);
        each?.(rt, path.nh);
      }
    }
  }
}

/**
 * An address goes and the routes that have it as their source stay: they get another one of their interface, or none. IPv6's way;
 * two paths that differ in nothing else become one.
 */
export function walkResource(state: RouteState, ifa: IfAddr6): void {
  for (const rib of state.ribs()) {
    for (const rt of rib.all()) {
      for (const path of rt.nexthops) {
        if (path.nh.ifa !== ifa) continue;
        const nh = state.store.hop(withSource(path.nh, ifa6ofIfpforaddr(ifa.ifp, path.nh.gw6 ?? ifa.addr)));
        const paths = nh === null ? [] : rt.nexthops.map((p) => (p === path ? { ...path, nh } : p));
        if (nh !== null && setPaths(state, rib, rt, paths) === 0) continue;
        if (nh !== null) state.store.drop(nh);
        removePath(state, rib, rt, path);
      }
    }
  }
}

function withSource({ af, ifp, gw4, gw6, gwIfp, flags, mtu }: Nexthop, ifa: IfAddr | null): NexthopKey {
  return { af, ifp, gw4, gw6, gwIfp, flags, ifa, mtu };
}

/** Everything through `ifp`, and own addresses that name it. */
export function throughIf(ifp: Ifnet): PathFilter {
  return (_rt, path) => path.nh.ifp === ifp || path.nh.gwIfp === ifp;
}

/** What uses `ifa` as its source; static routes are spared unless the address itself goes. */
export function usingIfa(ifa: IfAddr, deleted: boolean): PathFilter {
  return (_rt, path) => path.nh.ifa === ifa && (deleted || (path.nh.flags & RTF_STATIC) === 0);
}

function removePath(state: RouteState, rib: Rib, rt: Rtentry, gone: RtPath): void {
  const left = rt.nexthops.filter((p) => p !== gone);
  if (left.length === 0) rib.remove(rt);
  else rib.update(rt, left, state.store.valueOf(left));
}

/** Gives `rt` these paths: EEXIST when two are the same, E2BIG when too many, ENOBUFS without room for a group. */
function setPaths(state: RouteState, rib: Rib, rt: Rtentry, paths: readonly RtPath[]): Errno {
  const sorted = [...paths].sort((a, b) => a.nh.idx - b.nh.idx);
  if (sorted.some((p, i) => p.nh === sorted[i + 1]?.nh)) return EEXIST;
  if (sorted.length > RIB_MAX_MPATH_WIDTH) return E2BIG;
  const value = state.store.valueOf(sorted);
  if (value === 0) return ENOBUFS;
  rib.update(rt, sorted, value);
  if (sorted.length > 1) state.multipathUsed();
  return 0;
}

function isPinned(rt: Rtentry): boolean {
  return ((rt.nexthops[0]?.nh.flags ?? 0) & RTF_PINNED) !== 0;
}

/** Paths through gateways that an administrator or a routing daemon gave. */
function canMultipath(nh: Nexthop): boolean {
  return (nh.flags & (RTF_GATEWAY | RTF_DYNAMIC)) === RTF_GATEWAY;
}

/** Does the caller say which path it means? The kernel's own calls name it by the address. */
function namesPath(spec: RouteSpec): boolean {
  return (spec.gateway ?? null) !== null || spec.ifp !== undefined || spec.linkIfp !== undefined || (spec.pinned === true && spec.ifa !== undefined);
}

function matchesPath(spec: RouteSpec, nh: Nexthop): boolean {
  if (spec.pinned === true && spec.ifa !== undefined) return nh.ifa === spec.ifa;
  const gateway = spec.gateway ?? null;
  if (gateway !== null) return nh.gwIfp === null && (typeof gateway === 'number' ? nh.gw4 === gateway : nh.gw6 !== null && ip6Equals(nh.gw6, gateway));
  const link = spec.linkIfp ?? spec.ifp;
  // A connected route is not the loopback route of an address with the same prefix.
  if (spec.pinned === true && spec.ifp !== undefined && spec.ifp !== nh.ifp) return false;
  return nh.gwIfp !== null && nh.gwIfp === link;
}

function weightOf(spec: RouteSpec, otherwise: number): number {
  const weight = spec.weight ?? 0;
  return weight <= 0 ? otherwise : Math.min(Math.trunc(weight), RT_MAX_WEIGHT);
}

function report(state: RouteState, spec: RouteSpec, type: number, rt: Rtentry, nh: Nexthop): void {
  if (spec.silent !== true) rtRoutemsg(state.net, type, rt, nh);
}
