/**
 * route-msg.ts — routing messages about routes: RTM_ADD, RTM_DELETE, RTM_CHANGE, RTM_REDIRECT.
 * Read first: route(4); freebsd `sys/net/rtsock.c` rtsock_routemsg.
 *
 * A successful change carries RTF_DONE, one that leaves a route behind RTF_UP as well; a refused one carries the error and
 * neither. A host route has no netmask; a link gateway is the number of the interface it names.
 */
import type { Errno } from '../../base/errno.js';
import { ip4MaskOf } from '../../wire/addr.js';
import type { Net } from '../net.js';
import { RTM_ADD, RTM_CHANGE, RTM_REDIRECT } from '../rtsock.js';
import type { Sockaddr } from '../sockaddr.js';
import type { Nexthop } from './nexthop.js';
import { RTF_DONE, RTF_HOST, RTF_UP } from './nexthop.js';
import type { RouteSpec } from './route-spec.js';
import type { Rtentry } from './rtentry.js';

/** Tells listeners that `rt` got, lost or changed the path `nh`. */
export function rtRoutemsg(net: Net, type: number, rt: Rtentry, nh: Nexthop): void {
  const rtsock = net.rtsock;
  if (rtsock === null || !rtsock.listening) return;
  const up = type === RTM_ADD || type === RTM_CHANGE ? RTF_UP : 0;
  rtsock.post({
    type, ifIndex: nh.ifp.index, ifName: nh.ifp.xname, flags: rt.pathFlags(nh) | RTF_DONE | up, fib: rt.fib,
    dst: inet(rt.dst), netmask: rt.isHost ? null : inet(ip4MaskOf(rt.plen)), gateway: gatewayOf(nh),
  });
}

/** Tells listeners that a request was refused. */
export function rtErrormsg(net: Net, type: number, spec: RouteSpec, error: Errno): void {
  const rtsock = net.rtsock;
  if (rtsock === null || !rtsock.listening) return;
  const host = spec.plen === 32;
  const gateway = spec.gateway ?? null;
  const link = spec.linkIfp ?? spec.ifp;
  rtsock.post({
    type, flags: spec.flags | (host ? RTF_HOST : 0), fib: spec.fib, errno: error, dst: inet(spec.dst),
    netmask: host ? null : inet(ip4MaskOf(spec.plen)),
    gateway: gateway !== null ? inet(gateway) : link === undefined ? null : { family: 'link', index: link.index, name: link.xname, lladdr: new Uint8Array(0) },
  });
}

/** RTM_REDIRECT: a router at `author` showed a better way. */
export function rtRedirectmsg(net: Net, rt: Rtentry, nh: Nexthop): void {
  const rtsock = net.rtsock;
  if (rtsock === null || !rtsock.listening) return;
  rtsock.post({
    type: RTM_REDIRECT, ifIndex: nh.ifp.index, ifName: nh.ifp.xname, flags: rt.pathFlags(nh) | RTF_UP | RTF_DONE, fib: rt.fib,
    dst: inet(rt.dst), gateway: gatewayOf(nh),
  });
}

function inet(addr: number): Sockaddr {
  return { family: 'inet', addr };
}

function gatewayOf(nh: Nexthop): Sockaddr {
  if (nh.gwIfp === null) return inet(nh.gw4);
  return { family: 'link', index: nh.gwIfp.index, name: nh.gwIfp.xname, lladdr: new Uint8Array(0) };
}
