/**
 * route-msg.ts — routing messages about routes: RTM_ADD, RTM_DELETE, RTM_CHANGE, RTM_REDIRECT.
 * Read first: route(4); freebsd `sys/net/rtsock.c` rtsock_routemsg.
 *
 * A successful change carries RTF_DONE, one that leaves a route behind RTF_UP as well; a refused one carries the error and
 * neither. A host route has no netmask; a link gateway is the number of the interface it names. IPv6 addresses are in plain
 * form with their zone beside them.
 */
import type { Errno } from '../../base/errno.js';
import { ip4MaskOf } from '../../wire/addr.js';
import { ip6MaskOf, ip6Plain, ip6ZoneOf } from '../../wire/addr6.js';
import { AF_INET, AF_INET6 } from '../ifnet.js';
import type { Net } from '../net.js';
import { RTM_ADD, RTM_CHANGE, RTM_REDIRECT } from '../rtsock.js';
import type { Sockaddr } from '../sockaddr.js';
import type { Nexthop } from './nexthop.js';
import { RTF_DONE, RTF_GATEWAY, RTF_HOST, RTF_UP } from './nexthop.js';
import type { Redirect } from './rt-redirect.js';
import { isHostSpec } from './route-spec.js';
import type { RouteSpec } from './route-spec.js';
import { Rtentry6 } from './rtentry.js';
import type { Rtentry, Rtentry4 } from './rtentry.js';

/** Tells listeners that `rt` got, lost or changed the path `nh`. */
export function rtRoutemsg(net: Net, type: number, rt: Rtentry, nh: Nexthop): void {
  const rtsock = net.rtsock;
  if (rtsock === null || !rtsock.listening) return;
  const up = type === RTM_ADD || type === RTM_CHANGE ? RTF_UP : 0;
  rtsock.post({
    type, ifIndex: nh.ifp.index, ifName: nh.ifp.xname, flags: rt.pathFlags(nh) | RTF_DONE | up, fib: rt.fib,
    dst: dstOf(rt), netmask: rt.isHost ? null : netmaskOf(rt.af, rt.plen), gateway: gatewayOf(nh),
  });
}

/** Tells listeners that a request was refused. */
export function rtErrormsg(net: Net, type: number, spec: RouteSpec, error: Errno): void {
  const rtsock = net.rtsock;
  if (rtsock === null || !rtsock.listening) return;
  const host = isHostSpec(spec);
  const gateway = spec.gateway ?? null;
  const link = spec.linkIfp ?? spec.ifp;
  rtsock.post({
    type, flags: spec.flags | (host ? RTF_HOST : 0), fib: spec.fib, errno: error,
    dst: spec.family === 'inet' ? inet(spec.dst) : inet6(spec.dst), netmask: host ? null : netmaskOf(spec.family === 'inet' ? AF_INET : AF_INET6, spec.plen),
    gateway: gateway !== null ? (typeof gateway === 'number' ? inet(gateway) : inet6(gateway)) : link === undefined ? null : { family: 'link', index: link.index, name: link.xname, lladdr: new Uint8Array(0) },
  });
}

/**
 * RTM_REDIRECT: a router, the author, showed another way. `flags`: what became of the route, DYNAMIC or MODIFIED; with an error none did. A host has no
 * netmask.
 */
export function rtRedirectmsg(net: Net, { spec, author, ifp }: Redirect, error: Errno, flags: number): void {
  const rtsock = net.rtsock;
  if (rtsock === null || !rtsock.listening) return;
  const { gateway } = spec;
  const address = (a: number | Uint8Array | null | undefined): Sockaddr | null => (typeof a === 'number' ? inet(a) : a instanceof Uint8Array ? inet6(a) : null);
  rtsock.post({
    type: RTM_REDIRECT, ifIndex: ifp.index, ifName: ifp.xname, flags: RTF_GATEWAY | RTF_HOST | RTF_DONE | (error === 0 ? RTF_UP | flags : 0), fib: spec.fib, errno: error,
    dst: address(spec.dst), gateway: address(gateway), author: address(author),
  });
}

/** An IPv6 address as messages have it: plain, with its zone beside it. `addr` is in zoned form. */
export function inet6(addr: Uint8Array): Sockaddr {
  return { family: 'inet6', addr: ip6Plain(addr), scopeId: ip6ZoneOf(addr) };
}

function inet(addr: number): Sockaddr {
  return { family: 'inet', addr };
}

function dstOf(rt: Rtentry): Sockaddr {
  return rt instanceof Rtentry6 ? inet6(rt.dst) : inet((rt as Rtentry4).dst);
}

function netmaskOf(af: number, plen: number): Sockaddr {
  return af === AF_INET6 ? { family: 'inet6', addr: ip6MaskOf(plen), scopeId: 0 } : inet(ip4MaskOf(plen));
}

function gatewayOf(nh: Nexthop): Sockaddr {
  if (nh.gwIfp === null) return nh.gw6 === null ? inet(nh.gw4) : inet6(nh.gw6);
  return { family: 'link', index: nh.gwIfp.index, name: nh.gwIfp.xname, lladdr: new Uint8Array(0) };
}
