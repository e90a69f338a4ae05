/**
 * route-ifaddrs.ts — the routes that come with an interface address: its prefix, and itself by way of the loopback interface.
 * Read first: freebsd `sys/net/route/route_ifaddrs.c`; net.add_addr_allfibs in setfib(2).
 *
 * A prefix route goes to the FIB of the interface, or with `net.add_addr_allfibs` to every FIB, and is announced. The
 * loopback route is static, pinned and silent; it always goes to the interface's FIB only.
 */
import type { Errno } from '../../base/errno.js';
import { EHOSTUNREACH, ENETUNREACH } from '../../base/errno.js';
import type { Ifnet } from '../ifnet.js';
import { RTM_ADD, RTM_CHANGE, RTM_DELETE } from '../rtsock.js';
import type { IfAddr4 } from './ifa-lookup.js';
import { ifaofIfpforaddr } from './ifa-lookup.js';
import { RTF_STATIC } from './nexthop.js';
import { routeAdd, routeChange, routeDelete } from './route-ctl.js';
import type { RouteSpec } from './route-spec.js';
import type { RouteState } from './route-state.js';

/**
 * Adds or deletes the prefix route `dst`/`plen` of `ifa` through `ifp`. Adding fails when any FIB refused (EEXIST); deleting
 * only when no FIB had it: EHOSTUNREACH for a host route, else ENETUNREACH.
 */
export function rtIfaPrefix(state: RouteState, allFibs: boolean, type: typeof RTM_ADD | typeof RTM_DELETE, ifa: IfAddr4, ifp: Ifnet, dst: number, plen: number): Errno {
  const base = { family: 'inet', dst, plen, ifp, linkIfp: ifa.ifp, ifa, flags: 0, pinned: true } as const;
  const apply = (fib: number): Errno => (type === RTM_ADD ? routeAdd : routeDelete)(state, { ...base, fib });
  let error = 0;
  let done = 0;
  for (let fib = allFibs ? 0 : ifa.ifp.fib; fib < (allFibs ? state.fibs : ifa.ifp.fib + 1); fib++) {
    const e = apply(fib);
    if (e === 0) done++;
    else error = e;
  }
  if (type === RTM_ADD) return error;
  if (done > 0) return 0;
  return plen === 32 ? EHOSTUNREACH : ENETUNREACH;
}

/** Adds, deletes or (RTM_CHANGE) hands over to `ifa` the silent host route of its address. Without a loopback interface there is none. */
export function rtIfaLoopback(state: RouteState, type: typeof RTM_ADD | typeof RTM_DELETE | typeof RTM_CHANGE, ifa: IfAddr4): Errno {
  const loif = state.net.loif;
  const base: RouteSpec = { fib: ifa.ifp.fib, family: 'inet', dst: ifa.addr, plen: 32, linkIfp: ifa.ifp, flags: RTF_STATIC, pinned: true, silent: true };
  if (type === RTM_DELETE) return routeDelete(state, base);
  if (loif === null) return 0;
  const loIfa = ifaofIfpforaddr(loif, ifa.addr);
  const spec: RouteSpec = loIfa === null ? { ...base, ifp: loif } : { ...base, ifp: loif, ifa: loIfa };
  return type === RTM_CHANGE ? routeChange(state, spec) : routeAdd(state, spec);
}
