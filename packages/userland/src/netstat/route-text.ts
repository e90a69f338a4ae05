/**
 * route-text.ts — routes in netstat's and route's words: flag letters, destinations, gateways.
 * Read first: netstat(1) "OUTPUT", route(8).
 */
import type { RtPath, Rtentry } from '@netloom/core';
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_DYNAMIC, RTF_GATEWAY, RTF_HOST, RTF_LLINFO, RTF_LOCAL, RTF_MODIFIED, RTF_PINNED, RTF_PROTO1, RTF_PROTO2,
  RTF_PROTO3, RTF_REJECT, RTF_STATIC, RTF_UP, RTF_DONE, RTF_XRESOLVE, RTF_FIXEDMTU, RTF_STICKY,
} from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';

const LETTERS: readonly (readonly [number, string])[] = [
  [RTF_UP, 'U'], [RTF_GATEWAY, 'G'], [RTF_HOST, 'H'], [RTF_REJECT, 'R'], [RTF_DYNAMIC, 'D'], [RTF_MODIFIED, 'M'], [RTF_XRESOLVE, 'X'],
  [RTF_STATIC, 'S'], [RTF_PROTO1, '1'], [RTF_PROTO2, '2'], [RTF_PROTO3, '3'], [RTF_BLACKHOLE, 'B'], [RTF_BROADCAST, 'b'], [RTF_LLINFO, 'L'],
];

/** Names route(8) prints in `flags: <UP,GATEWAY,…>`, in bit order. */
const NAMES: readonly (readonly [number, string])[] = [
  [RTF_UP, 'UP'], [RTF_GATEWAY, 'GATEWAY'], [RTF_HOST, 'HOST'], [RTF_REJECT, 'REJECT'], [RTF_DYNAMIC, 'DYNAMIC'], [RTF_MODIFIED, 'MODIFIED'],
  [RTF_DONE, 'DONE'], [RTF_XRESOLVE, 'XRESOLVE'], [RTF_LLINFO, 'LLINFO'], [RTF_STATIC, 'STATIC'], [RTF_BLACKHOLE, 'BLACKHOLE'], [RTF_PROTO2, 'PROTO2'],
  [RTF_PROTO1, 'PROTO1'], [RTF_PROTO3, 'PROTO3'], [RTF_FIXEDMTU, 'FIXEDMTU'], [RTF_PINNED, 'PINNED'], [RTF_LOCAL, 'LOCAL'], [RTF_BROADCAST, 'BROADCAST'],
  [RTF_STICKY, 'STICKY'],
];

/** 'UGS' */
export function flagLetters(flags: number): string {
  return LETTERS.filter(([bit]) => (flags & bit) !== 0).map(([, letter]) => letter).join('');
}

/** 'UP,GATEWAY,DONE,STATIC' */
export function flagNames(flags: number): string {
  return NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name).join(',');
}

/** 'default', '192.0.2.0/24' or, for a host route, '192.0.2.1'. */
export function destinationText(rt: Rtentry): string {
  if (rt.plen === 0 && rt.dst === 0) return 'default';
  return rt.isHost ? ip4Format(rt.dst) : `${ip4Format(rt.dst)}/${rt.plen}`;
}

/** The router's address, or 'link#3'. */
export function gatewayText(path: RtPath): string {
  const { nh } = path;
  if ((nh.flags & RTF_GATEWAY) !== 0) return ip4Format(nh.gw4);
  return `link#${(nh.gwIfp ?? nh.ifp).index}`;
}
