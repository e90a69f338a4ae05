/**
 * route-resolve.ts — from what a caller says about a route to a next hop: interface, source address, gateway, flags.
 * Read first: freebsd `sys/net/route.c` rt_getifa_fib and ifa_ifwithroute; route(8) "-interface".
 *
 * A gateway must be reachable without a gateway of its own: the far end of a point-to-point link, a host on one of our
 * networks in that FIB, or covered by a route other than the default one, whose interface is then used. Anything else is
 * ENETUNREACH. A gateway that is one of our own addresses makes an interface route, whatever RTF_GATEWAY says.
 * A route to a link (`-interface`) needs no address on it. Blackhole and reject routes lead to the loopback interface,
 * which must have an address.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENETUNREACH, EOPNOTSUPP } from '../../base/errno.js';
import { INADDR_BROADCAST, INADDR_LOOPBACK, ip4MaskOf } from '../../wire/addr.js';
import type { IfAddr } from '../ifaddr.js';
import { IFF_BROADCAST, IFF_LOOPBACK } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { ifaIfwithaddr, ifaIfwithdstaddr, ifaIfwithnet, ifaofIfpforaddr, isIfAddr4 } from './ifa-lookup.js';
import type { Nexthop, NexthopKey } from './nexthop.js';
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_DYNAMIC, RTF_FIXEDMTU, RTF_GATEWAY, RTF_HOST, RTF_PINNED, RTF_PROTO1, RTF_PROTO2, RTF_PROTO3, RTF_REJECT,
  RTF_STATIC,
} from './nexthop.js';
import type { RouteSpec } from './route-spec.js';
import type { RouteState } from './route-state.js';

/** Flags a caller sets and changes as it likes. */
const RTF_SETTABLE = RTF_PROTO1 | RTF_PROTO2 | RTF_PROTO3 | RTF_STATIC;

/** Outcome of resolving: a key, or the error and a null key. */
export interface Resolved {
  readonly error: Errno;
  readonly key: NexthopKey | null;
}

interface Source {
  readonly error: Errno;
  readonly ifp: Ifnet | null;
  readonly ifa: IfAddr | null;
}

const failed = (error: Errno): Resolved => ({ error, key: null });
const noSource = (error: Errno): Source => ({ error, ifp: null, ifa: null });

/** Blackhole or reject, 0 when neither; both together mean neither, as the kernel has it. */
function blackholeFlag(flags: number): number {
  const f = flags & (RTF_BLACKHOLE | RTF_REJECT);
  return f === (RTF_BLACKHOLE | RTF_REJECT) ? 0 : f;
}

/** The next hop of a new route. EINVAL, ENETUNREACH; EOPNOTSUPP for blackhole and reject without a usable loopback interface. */
export function resolveNexthop(state: RouteState, spec: RouteSpec): Resolved {
  const pxflags = spec.plen === 32 ? RTF_HOST : 0;
  const own = (spec.flags & (RTF_SETTABLE | RTF_DYNAMIC)) | (spec.pinned === true ? RTF_PINNED : 0) | ((spec.mtu ?? 0) > 0 ? RTF_FIXEDMTU : 0) | pxflags;
  const mtu = spec.mtu ?? 0;
  const bad = blackholeFlag(spec.flags);
  if (bad !== 0) return blackhole(state, own | bad, mtu);
  const gateway = spec.gateway ?? null;
  if (gateway === null && (spec.ifp === undefined || (spec.flags & RTF_GATEWAY) !== 0)) return failed(EINVAL);
  const isGateway = gateway !== null && (spec.flags & RTF_GATEWAY) !== 0 && !isOwnAddress(state, spec.fib, gateway);
  const source = resolveSource(state, spec, gateway, isGateway);
  const { ifp, ifa } = source;
  if (ifp === null) return failed(source.error);
  let flags = own | (isGateway ? RTF_GATEWAY : 0);
  if (spec.plen === 32 && isBroadcastOn(ifp, spec.dst)) flags |= RTF_BROADCAST;
  return { error: 0, key: { ifp, gw4: gateway ?? 0, gw6: null, gwIfp: gateway === null ? (spec.linkIfp ?? ifp) : null, flags, ifa, mtu } };
}

/** The next hop `old` becomes when changed as `spec` says. Errors as for a new one. */
export function resolveChange(state: RouteState, spec: RouteSpec, old: Nexthop): Resolved {
  const bad = blackholeFlag(spec.flags);
  let flags = (old.flags & ~RTF_SETTABLE) | (spec.flags & RTF_SETTABLE);
  let mtu = old.mtu;
  if (spec.mtu !== undefined) {
    mtu = spec.mtu;
    flags = mtu === 0 ? flags & ~RTF_FIXEDMTU : flags | RTF_FIXEDMTU;
  }
  if (bad !== 0) return blackhole(state, (flags & ~(RTF_BLACKHOLE | RTF_REJECT | RTF_GATEWAY)) | bad, mtu);
  const gateway = spec.gateway ?? null;
  let { ifp, ifa, gw4, gwIfp } = old;
  if (gateway !== null || spec.ifp !== undefined) {
    const isGateway = gateway !== null && (spec.flags & RTF_GATEWAY) !== 0 && !isOwnAddress(state, spec.fib, gateway);
    const source = resolveSource(state, spec, gateway, isGateway);
    if (source.ifp === null) return failed(source.error);
    ({ ifp, ifa } = { ifp: source.ifp, ifa: source.ifa });
    if (gateway !== null || (old.flags & RTF_GATEWAY) === 0 || (spec.flags & RTF_GATEWAY) === 0) {
      gw4 = gateway ?? 0;
      gwIfp = gateway === null ? (spec.linkIfp ?? ifp) : null;
      flags = (flags & ~(RTF_GATEWAY | RTF_BLACKHOLE | RTF_REJECT)) | (isGateway ? RTF_GATEWAY : 0);
    }
  } else if (spec.ifa !== undefined) {
    ifa = spec.ifa;
    ifp = spec.ifa.ifp;
  }
  return { error: 0, key: { ifp, gw4, gw6: old.gw6, gwIfp, flags, ifa, mtu } };
}

/** Interface and source address of a route: rt_getifa_fib. */
function resolveSource(state: RouteState, spec: RouteSpec, gateway: number | null, isGateway: boolean): Source {
  const net = state.net;
  if (spec.ifa !== undefined) return { error: 0, ifp: spec.ifp ?? spec.ifa.ifp, ifa: spec.ifa };
  if (gateway === null) {
    const ifp = spec.ifp ?? null;
    return ifp === null ? noSource(EINVAL) : { error: 0, ifp, ifa: ifaofIfpforaddr(ifp, spec.dst) };
  }
  if (spec.ifp !== undefined) {
    const ifa = ifaofIfpforaddr(spec.ifp, isGateway ? gateway : spec.dst);
    return ifa === null ? noSource(ENETUNREACH) : { error: 0, ifp: spec.ifp, ifa };
  }
  let ifa: IfAddr | null;
  if (isGateway) ifa = ifaIfwithdstaddr(net, gateway, spec.fib);
  else ifa = (spec.plen === 32 ? ifaIfwithdstaddr(net, spec.dst, spec.fib) : null) ?? ifaIfwithaddr(net, gateway);
  ifa ??= ifaIfwithnet(net, gateway, spec.fib);
  return ifa === null ? viaRoute(state, spec, gateway) : { error: 0, ifp: ifa.ifp, ifa };
}

/** The gateway is on no network of ours: another route may say where it is, the default route may not. */
function viaRoute(state: RouteState, spec: RouteSpec, gateway: number): Source {
  const rt = state.rib(spec.fib)?.match(gateway) ?? null;
  const nh = rt?.nexthops[0]?.nh;
  if (rt === null || rt.plen === 0 || nh === undefined) return noSource(ENETUNREACH);
  const ifp = nh.ifa?.ifp ?? nh.ifp;
  return { error: 0, ifp, ifa: nh.ifa ?? ifaofIfpforaddr(ifp, spec.dst) };
}

function blackhole(state: RouteState, flags: number, mtu: number): Resolved {
  const loif = state.net.loif;
  const ifa = loif?.addrs.find(isIfAddr4);
  if (loif === null || ifa === undefined) return failed(EOPNOTSUPP);
  return { error: 0, key: { ifp: loif, gw4: INADDR_LOOPBACK, gw6: null, gwIfp: null, flags, ifa, mtu } };
}

/** Does `addr` lead to a link gateway on the loopback interface, as only own addresses do? */
function isOwnAddress(state: RouteState, fib: number, addr: number): boolean {
  const nh = state.rib(fib)?.match(addr)?.nexthops[0]?.nh;
  return nh !== undefined && nh.gwIfp !== null && (nh.ifp.flags & IFF_LOOPBACK) !== 0;
}

function isBroadcastOn(ifp: Ifnet, addr: number): boolean {
  if (addr === INADDR_BROADCAST || addr === 0) return true;
  if ((ifp.flags & IFF_BROADCAST) === 0) return false;
  return ifp.addrs.some((ifa) => isIfAddr4(ifa) && ifa.broadcast === addr && ifa.plen !== 32);
}

/** `dst` with the bits beyond `plen` cleared. */
export function maskedDst(spec: RouteSpec): number {
  return (spec.dst & ip4MaskOf(spec.plen)) >>> 0;
}
