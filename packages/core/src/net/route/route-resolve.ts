/**
 * route-resolve.ts — from what a caller says about a route to a next hop: interface, source address, gateway, flags.
 * Read first: freebsd `sys/net/route.c` rt_getifa_fib and ifa_ifwithroute; route(8) "-interface".
 *
 * A gateway must be reachable without a gateway of its own: the far end of a point-to-point link, a host on one of our
 * networks in that FIB, or covered by a route other than the default one, whose interface is then used. Anything else is
 * ENETUNREACH. A gateway that is one of our own addresses makes an interface route, whatever RTF_GATEWAY says.
 * A route to a link (`-interface`) needs no address on it. Blackhole and reject routes lead to the loopback interface,
 * which must have an address.
 *
 * The rules are the same for both families; `Resolver` holds what differs: how an address is looked for. A broadcast address
 * is IPv4's affair. IPv6 gateways are in zoned form, so that a link-local one says by itself which link it is on.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, ENETUNREACH, EOPNOTSUPP } from '../../base/errno.js';
import { INADDR_BROADCAST, INADDR_LOOPBACK } from '../../wire/addr.js';
import { ip6OfWords } from '../../wire/addr6.js';
import { isIfAddr6 } from '../ifaddr.js';
import type { IfAddr } from '../ifaddr.js';
import { AF_INET, AF_INET6, IFF_BROADCAST, IFF_LOOPBACK } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import { ifaIfwithaddr, ifaIfwithdstaddr, ifaIfwithnet, ifaofIfpforaddr, isIfAddr4 } from './ifa-lookup.js';
import { ifa6Ifwithaddr, ifa6Ifwithdstaddr, ifa6Ifwithnet, ifa6ofIfpforaddr } from './ifa-lookup6.js';
import type { Nexthop, NexthopKey } from './nexthop.js';
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_DYNAMIC, RTF_FIXEDMTU, RTF_GATEWAY, RTF_HOST, RTF_PINNED, RTF_PROTO1, RTF_PROTO2, RTF_PROTO3, RTF_REJECT,
  RTF_STATIC,
} from './nexthop.js';
import { isHostSpec } from './route-spec.js';
import type { RouteSpec } from './route-spec.js';
import type { RouteState } from './route-state.js';
import type { Rtentry } from './rtentry.js';

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

/** Looking for addresses of one family; `A` is what it calls an address. */
interface Resolver<A> {
  readonly withAddr: (net: Net, addr: A) => IfAddr | null;
  readonly withDstaddr: (net: Net, dst: A, fib: number) => IfAddr | null;
  readonly withNet: (net: Net, addr: A, fib: number) => IfAddr | null;
  readonly ofIfp: (ifp: Ifnet, addr: A) => IfAddr | null;
  readonly match: (state: RouteState, fib: number, addr: A) => Rtentry | null;
}

const INET: Resolver<number> = {
  withAddr: ifaIfwithaddr, withDstaddr: ifaIfwithdstaddr, withNet: ifaIfwithnet, ofIfp: ifaofIfpforaddr,
  match: (state, fib, addr) => state.rib('inet', fib)?.match(addr) ?? null,
};

const INET6: Resolver<Uint8Array> = {
  withAddr: ifa6Ifwithaddr, withDstaddr: ifa6Ifwithdstaddr, withNet: ifa6Ifwithnet, ofIfp: ifa6ofIfpforaddr,
  match: (state, fib, addr) => state.rib('inet6', fib)?.match(addr) ?? null,
};

const failed = (error: Errno): Resolved => ({ error, key: null });
const noSource = (error: Errno): Source => ({ error, ifp: null, ifa: null });

/** Blackhole or reject, 0 when neither; both together mean neither, as the kernel has it. */
function blackholeFlag(flags: number): number {
  const f = flags & (RTF_BLACKHOLE | RTF_REJECT);
  return f === (RTF_BLACKHOLE | RTF_REJECT) ? 0 : f;
}

/** The gateway of `spec` as a next hop has it; `link` when it is none. */
function gatewayOf(spec: RouteSpec, link: Ifnet): { readonly gw4: number; readonly gw6: Uint8Array | null; readonly gwIfp: Ifnet | null } {
  const gateway = spec.gateway ?? null;
  if (gateway === null) return { gw4: 0, gw6: null, gwIfp: spec.linkIfp ?? link };
  return typeof gateway === 'number' ? { gw4: gateway, gw6: null, gwIfp: null } : { gw4: 0, gw6: gateway.slice(), gwIfp: null };
}

/** The next hop of a new route. EINVAL, ENETUNREACH; EOPNOTSUPP for blackhole and reject without a usable loopback interface. */
export function resolveNexthop(state: RouteState, spec: RouteSpec): Resolved {
  const pxflags = isHostSpec(spec) ? RTF_HOST : 0;
  const own = (spec.flags & (RTF_SETTABLE | RTF_DYNAMIC)) | (spec.pinned === true ? RTF_PINNED : 0) | ((spec.mtu ?? 0) > 0 ? RTF_FIXEDMTU : 0) | pxflags;
  const mtu = spec.mtu ?? 0;
  const bad = blackholeFlag(spec.flags);
  if (bad !== 0) return blackhole(state, spec, own | bad, mtu);
  const hasGateway = (spec.gateway ?? null) !== null;
  if (!hasGateway && (spec.ifp === undefined || (spec.flags & RTF_GATEWAY) !== 0)) return failed(EINVAL);
  const isGateway = namesRouter(state, spec);
  const { ifp, ifa, error } = sourceOf(state, spec, isGateway);
  if (ifp === null) return failed(error);
  let flags = own | (isGateway ? RTF_GATEWAY : 0);
  if (spec.family === 'inet' && spec.plen === 32 && isBroadcastOn(ifp, spec.dst)) flags |= RTF_BROADCAST;
  return { error: 0, key: { af: afOf(spec), ifp, ...gatewayOf(spec, ifp), flags, ifa, mtu } };
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
  if (bad !== 0) return blackhole(state, spec, (flags & ~(RTF_BLACKHOLE | RTF_REJECT | RTF_GATEWAY)) | bad, mtu);
  const hasGateway = (spec.gateway ?? null) !== null;
  let { ifp, ifa, gw4, gw6, gwIfp } = old;
  if (hasGateway || spec.ifp !== undefined) {
    const isGateway = namesRouter(state, spec);
    const source = sourceOf(state, spec, isGateway);
    if (source.ifp === null) return failed(source.error);
    ({ ifp, ifa } = { ifp: source.ifp, ifa: source.ifa });
    if (hasGateway || (old.flags & RTF_GATEWAY) === 0 || (spec.flags & RTF_GATEWAY) === 0) {
      ({ gw4, gw6, gwIfp } = gatewayOf(spec, ifp));
      flags = (flags & ~(RTF_GATEWAY | RTF_BLACKHOLE | RTF_REJECT)) | (isGateway ? RTF_GATEWAY : 0);
    }
  } else if (spec.ifa !== undefined) {
    ifa = spec.ifa;
    ifp = spec.ifa.ifp;
  }
  return { error: 0, key: { af: old.af, ifp, gw4, gw6, gwIfp, flags, ifa, mtu } };
}

/** Is the gateway of `spec` a router, rather than a link or one of our own addresses? */
function namesRouter(state: RouteState, spec: RouteSpec): boolean {
  if ((spec.flags & RTF_GATEWAY) === 0) return false;
  const gateway = spec.gateway ?? null;
  if (gateway === null) return false;
  return typeof gateway === 'number' ? !isOwnAddress(state, INET, spec.fib, gateway) : !isOwnAddress(state, INET6, spec.fib, gateway);
}

function sourceOf(state: RouteState, spec: RouteSpec, isGateway: boolean): Source {
  if (spec.family === 'inet') return resolveSource(state, INET, spec, spec.dst, spec.gateway ?? null, isGateway);
  return resolveSource(state, INET6, spec, spec.dst, spec.gateway ?? null, isGateway);
}

/** Interface and source address of a route: rt_getifa_fib. */
function resolveSource<A>(state: RouteState, r: Resolver<A>, spec: RouteSpec, dst: A, gateway: A | null, isGateway: boolean): Source {
  const net = state.net;
  if (spec.ifa !== undefined) return { error: 0, ifp: spec.ifp ?? spec.ifa.ifp, ifa: spec.ifa };
  if (gateway === null) {
    const ifp = spec.ifp ?? null;
    return ifp === null ? noSource(EINVAL) : { error: 0, ifp, ifa: r.ofIfp(ifp, dst) };
  }
  if (spec.ifp !== undefined) {
    const ifa = r.ofIfp(spec.ifp, isGateway ? gateway : dst);
    return ifa === null ? noSource(ENETUNREACH) : { error: 0, ifp: spec.ifp, ifa };
  }
  let ifa: IfAddr | null;
  if (isGateway) ifa = r.withDstaddr(net, gateway, spec.fib);
  else ifa = (isHostSpec(spec) ? r.withDstaddr(net, dst, spec.fib) : null) ?? r.withAddr(net, gateway);
  ifa ??= r.withNet(net, gateway, spec.fib);
  return ifa === null ? viaRoute(state, r, spec.fib, dst, gateway) : { error: 0, ifp: ifa.ifp, ifa };
}

/** The gateway is on no network of ours: another route may say where it is, the default route may not. */
function viaRoute<A>(state: RouteState, r: Resolver<A>, fib: number, dst: A, gateway: A): Source {
  const rt = r.match(state, fib, gateway);
  const nh = rt?.nexthops[0]?.nh;
  if (rt === null || rt.plen === 0 || nh === undefined) return noSource(ENETUNREACH);
  const ifp = nh.ifa?.ifp ?? nh.ifp;
  return { error: 0, ifp, ifa: nh.ifa ?? r.ofIfp(ifp, dst) };
}

function blackhole(state: RouteState, spec: RouteSpec, flags: number, mtu: number): Resolved {
  const loif = state.net.loif;
  const inet = spec.family === 'inet';
  const ifa = loif?.addrs.find(inet ? isIfAddr4 : isIfAddr6);
  if (loif === null || ifa === undefined) return failed(EOPNOTSUPP);
  const gateway = inet ? { gw4: INADDR_LOOPBACK, gw6: null } : { gw4: 0, gw6: ip6OfWords(0, 0, 0, 1) };
  return { error: 0, key: { af: afOf(spec), ifp: loif, ...gateway, gwIfp: null, flags, ifa, mtu } };
}

/** Does `addr` lead to a link gateway on the loopback interface, as only own addresses do? */
function isOwnAddress<A>(state: RouteState, r: Resolver<A>, fib: number, addr: A): boolean {
  const nh = r.match(state, fib, addr)?.nexthops[0]?.nh;
  return nh !== undefined && nh.gwIfp !== null && (nh.ifp.flags & IFF_LOOPBACK) !== 0;
}

function isBroadcastOn(ifp: Ifnet, addr: number): boolean {
  if (addr === INADDR_BROADCAST || addr === 0) return true;
  if ((ifp.flags & IFF_BROADCAST) === 0) return false;
  return ifp.addrs.some((ifa) => isIfAddr4(ifa) && ifa.broadcast === addr && ifa.plen !== 32);
}

function afOf(spec: RouteSpec): number {
  return spec.family === 'inet' ? AF_INET : AF_INET6;
}
