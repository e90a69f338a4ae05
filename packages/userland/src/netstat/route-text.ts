/**
 * route-text.ts — routes in netstat's and route's words: flag letters and names, destinations, gateways.
 * Read first: netstat(1) "Routing Table Display", route(8).
 */
import type { Nexthop, RtPath, Rtentry4, Rtentry6, Vnet } from '@netloom/core';
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_DONE, RTF_DYNAMIC, RTF_FIXEDMTU, RTF_GATEWAY, RTF_HOST, RTF_LLINFO, RTF_LOCAL, RTF_MODIFIED, RTF_MULTICAST,
  RTF_PINNED, RTF_PROTO1, RTF_PROTO2, RTF_PROTO3, RTF_REJECT, RTF_STATIC, RTF_STICKY, RTF_UP, RTF_XRESOLVE,
} from '@netloom/core';
import { ip4Format, ip6IsLinkLocal, ip6IsUnspecified, ip6Plain, ip6Zoned } from '@netloom/core/wire';
import { zonedText6 } from '../host-address6.js';

/** Bit, netstat's letter, and its name in machine-readable output. */
const LETTERS: readonly (readonly [number, string, string])[] = [
  [RTF_UP, 'U', 'up'], [RTF_GATEWAY, 'G', 'gateway'], [RTF_HOST, 'H', 'host'], [RTF_REJECT, 'R', 'reject'], [RTF_DYNAMIC, 'D', 'dynamic'],
  [RTF_MODIFIED, 'M', 'modified'], [RTF_DONE, 'd', 'done'], [RTF_XRESOLVE, 'X', 'xresolve'], [RTF_STATIC, 'S', 'static'], [RTF_PROTO1, '1', 'proto1'],
  [RTF_PROTO2, '2', 'proto2'], [RTF_PROTO3, '3', 'proto3'], [RTF_BLACKHOLE, 'B', 'blackhole'], [RTF_BROADCAST, 'b', 'broadcast'],
  [RTF_LLINFO, 'L', 'llinfo'],
];

/** Names route(8) prints in `flags: <UP,GATEWAY,…>`, in bit order. */
const NAMES: readonly (readonly [number, string])[] = [
  [RTF_UP, 'UP'], [RTF_GATEWAY, 'GATEWAY'], [RTF_HOST, 'HOST'], [RTF_REJECT, 'REJECT'], [RTF_DYNAMIC, 'DYNAMIC'], [RTF_MODIFIED, 'MODIFIED'],
  [RTF_DONE, 'DONE'], [RTF_XRESOLVE, 'XRESOLVE'], [RTF_LLINFO, 'LLINFO'], [RTF_STATIC, 'STATIC'], [RTF_BLACKHOLE, 'BLACKHOLE'], [RTF_PROTO2, 'PROTO2'],
  [RTF_PROTO1, 'PROTO1'], [RTF_PROTO3, 'PROTO3'], [RTF_FIXEDMTU, 'FIXEDMTU'], [RTF_PINNED, 'PINNED'], [RTF_LOCAL, 'LOCAL'],
  [RTF_BROADCAST, 'BROADCAST'], [RTF_MULTICAST, 'MULTICAST'], [RTF_STICKY, 'STICKY'],
];

/** 'UGS' */
export function flagLetters(flags: number): string {
  return LETTERS.filter(([bit]) => (flags & bit) !== 0).map(([, letter]) => letter).join('');
}

/** ['up', 'gateway', 'static'] */
export function flagWords(flags: number): string[] {
  return LETTERS.filter(([bit]) => (flags & bit) !== 0).map(([, , word]) => word);
}

/** '<UP,GATEWAY,DONE,STATIC>'; '' for none. */
export function flagNames(flags: number): string {
  return bitNames(flags, NAMES);
}

/** '<A,B>' of the names whose bits are set; '' for none. */
export function bitNames(bits: number, names: readonly (readonly [number, string])[]): string {
  const set = names.filter(([bit]) => (bits & bit) !== 0);
  return set.length === 0 ? '' : `<${set.map(([, name]) => name).join(',')}>`;
}

/** 'default', '192.0.2.0/24' or, for a host route, '192.0.2.1'; 'fe80::%em0/64' for IPv6 with the path `nh`. */
export function destinationText(rt: Rtentry4 | Rtentry6, nh: Nexthop, vnet: Vnet): string {
  const { dst } = rt;
  if (rt.plen === 0 && (typeof dst === 'number' ? dst === 0 : ip6IsUnspecified(dst))) return 'default';
  const text = typeof dst === 'number' ? ip4Format(dst) : zonedText6(vnet, shownZone(dst, nh));
  return rt.isHost ? text : `${text}/${rt.plen}`;
}

/** The gateway's address, or 'link#3'. */
export function gatewayText(path: RtPath, vnet: Vnet): string {
  const { nh } = path;
  if (nh.gwIfp !== null) return `link#${nh.gwIfp.index}`;
  return nh.gw6 === null ? ip4Format(nh.gw4) : zonedText6(vnet, nh.gw6);
}

/**
 * A destination in zoned form with the zone FreeBSD 14 shows: a link-local address has the interface packets leave through, so
 * the route of an own one says %lo0; others have none.
 */
export function shownZone(dst: Uint8Array, nh: Nexthop): Uint8Array {
  return ip6IsLinkLocal(dst) ? ip6Zoned(dst, nh.ifp.index) : ip6Plain(dst);
}
