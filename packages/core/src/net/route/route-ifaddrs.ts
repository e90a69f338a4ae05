/**
 * route-ifaddrs.ts — the routes that come with an interface address: its prefix, and itself by way of the loopback interface.
 * Read first: freebsd `sys/net/route/route_ifaddrs.c`; net.add_addr_allfibs in setfib(2).
 *
 * A prefix route goes to the FIB of the interface, or with `net.add_addr_allfibs` to every FIB, and is announced. The
 * loopback route is static and pinned and goes to the interface's FIB only; IPv6 announces that it comes and goes, IPv4 never does.
 */
import type { Errno } from '../../base/errno.js';
import { EHOSTUNREACH, ENETUNREACH } from '../../base/errno.js';
import { isIfAddr6 } from '../ifaddr.js';
import type { IfAddr6 } from '../ifaddr.js';
import type { Ifnet } from '../ifnet.js';
import { RTM_ADD, RTM_CHANGE, RTM_DELETE } from '../rtsock.js';
import type { IfAddr4 } from './ifa-lookup.js';
import { ifaofIfpforaddr } from './ifa-lookup.js';
import { ifa6ofIfpforaddr } from './ifa-lookup6.js';
import { RTF_STATIC } from './nexthop.js';
import { routeAdd, routeChange, routeDelete } from './route-ctl.js';
import { isHostSpec } from './route-spec.js';
import type { RouteSpec } from './route-spec.js';
import type { RouteState } from './route-state.js';

/**
 * Adds or deletes the prefix route `dst`/`plen` of `ifa` through `ifp`. Adding fails when any FIB refused (EEXIST); deleting
 * only when no FIB had it: EHOSTUNREACH for a host route, else ENETUNREACH.
 */
export function rtIfaPrefix(state: RouteState, allFibs: boolean, type: typeof RTM_ADD | typeof RTM_DELETE, ifa: IfAddr4, ifp: Ifnet, dst: number, plen: number): Errno {
  return inFibs(state, allFibs, type, { fib: ifa.ifp.fib, family: 'inet', dst, plen, ifp, linkIfp: ifa.ifp, ifa, flags: 0, pinned: true });
}

/**
 * The same for an IPv6 prefix on the link of `ifp`, in zoned form. Prefixes are the link's, not an address's: any address of
 * the link will do for `ifa`, also when the route is deleted again.
 */
export function rtIfaPrefix6(state: RouteState, allFibs: boolean, type: typeof RTM_ADD | typeof RTM_DELETE, ifa: IfAddr6, ifp: Ifnet, dst: Uint8Array, plen: number): Errno {
  const source = type === RTM_ADD ? ifa : undefined;
  return inFibs(state, allFibs, type, { fib: ifp.fib, family: 'inet6', dst, plen, ifp, ifa: source, flags: 0, pinned: true });
}

function inFibs(state: RouteState, allFibs: boolean, type: typeof RTM_ADD | typeof RTM_DELETE, spec: RouteSpec): Errno {
  let error = 0;
  let done = 0;
  for (let fib = allFibs ? 0 : spec.fib; fib < (allFibs ? state.fibs : spec.fib + 1); fib++) {
    const e = (type === RTM_ADD ? routeAdd : routeDelete)(state, fib === spec.fib ? spec : { ...spec, fib });
    if (e === 0) done++;
    else error = e;
  }
  if (type === RTM_ADD) return error;
  if (done > 0) return 0;
  return isHostSpec(spec) ? EHOSTUNREACH : ENETUNREACH;
}

/** Adds, deletes or, silently, (RTM_CHANGE) hands over to `ifa` the host route of its address. Without a loopback interface there is none. */
export function rtIfaLoopback(state: RouteState, type: typeof RTM_ADD | typeof RTM_DELETE | typeof RTM_CHANGE, ifa: IfAddr4 | IfAddr6): Errno {
  const { loif } = state.net;
  if (type === RTM_DELETE) return routeDelete(state, loopbackSpec(type, ifa, undefined));
  if (loif === null) return 0;
  return (type === RTM_CHANGE ? routeChange : routeAdd)(state, loopbackSpec(type, ifa, loif));
}

function loopbackSpec(type: number, ifa: IfAddr4 | IfAddr6, loif: Ifnet | undefined): RouteSpec {
  const { ifp: linkIfp } = ifa;
  if (isIfAddr6(ifa)) {
    const source = loif && (ifa6ofIfpforaddr(loif, ifa.addr) ?? undefined);
    return { family: 'inet6', fib: linkIfp.fib, dst: ifa.addr, plen: 128, linkIfp, ifp: loif, ifa: source, flags: RTF_STATIC, pinned: true, silent: type === RTM_CHANGE };
  }
  const source = loif && (ifaofIfpforaddr(loif, ifa.addr) ?? undefined);
  return { family: 'inet', fib: linkIfp.fib, dst: ifa.addr, plen: 32, linkIfp, ifp: loif, ifa: source, flags: RTF_STATIC, pinned: true, silent: true };
}
