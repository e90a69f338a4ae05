/**
 * carp.ts — prints what protocol 112 carries: CARP's advertisements, and VRRP's, which have the same first byte.
 * Read first: carp(4); RFC 5798 §5.
 *
 * `CARPv2-advertise 36: vhid=1 advbase=1 advskew=0 authlen=7 counter=17`
 *
 * tcpdump takes all of it for VRRP unless `-T carp` is given. Here the packet decides: CARP's has 36 bytes, of which 28, 7 words, are for
 * authentication and say so; VRRPv2's with seven addresses has 44.
 * Not here: VRRP's checksums, and its authentication, which RFC 3768 took away.
 */
import * as carp from '../carp.js';
import { inCksum } from '../checksum.js';
import { IP4_TTL } from '../ip4.js';
import { IP6_HLIM } from '../ip6.js';
import type { IpPayload } from './ip-payload.js';
import type { Printer } from './printer.js';
import { hex } from './text.js';

const AUTH_WORDS = (carp.CARP_HDR_LEN - carp.CARP_COUNTER) / 4;
/** Offset of the count of those words. */
const CARP_AUTHLEN = 3;
const VRRP_ADVERTISEMENT = 1;
const VRRP_COUNT = 3;
const VRRP_AUTH = 4;
const VRRP_INTERVAL = 5;
const VRRP_ADDRS = 8;
const AUTH_NAMES = ['none', 'simple', 'ah'];

export function carpOrVrrpPrint(p: Printer, ip: IpPayload): void {
  if (p.u8(ip.at + CARP_AUTHLEN) === AUTH_WORDS && ip.length === carp.CARP_HDR_LEN) carpPrint(p, ip);
  else vrrpPrint(p, ip);
}

const hopsOf = (p: Printer, ip: IpPayload): number => p.u8(ip.ip + (ip.version === 4 ? IP4_TTL : IP6_HLIM));

function carpPrint(p: Printer, ip: IpPayload): void {
  const { at, length } = ip;
  const hops = hopsOf(p, ip);
  p.proto = 'carp';
  const version = p.u8(at) >>> 4;
  const type = p.u8(at) & 0xf;
  p.put(`CARPv${version}-${type === carp.CARP_ADVERTISEMENT ? 'advertise' : 'unknown'} ${length}: `);
  if (hops !== carp.CARP_DFLTTL) p.put(`[ttl=${hops}!] `);
  if (version !== carp.CARP_VERSION || type !== carp.CARP_ADVERTISEMENT) return;
  p.put(`vhid=${p.u8(at + carp.CARP_VHID)} advbase=${p.u8(at + carp.CARP_ADVBASE)} advskew=${p.u8(at + carp.CARP_ADVSKEW)} authlen=${AUTH_WORDS} `);
  if (p.flags.verbose > 0 && p.has(at, length) && inCksum(p.view, at, length) !== 0) p.put(` (bad carp cksum ${hex(p.u16(at + carp.CARP_CKSUM))}!)`);
  p.put(`counter=${(BigInt(p.u32(at + carp.CARP_COUNTER)) << 32n) | BigInt(p.u32(at + carp.CARP_COUNTER + 4))}`);
}

function vrrpPrint(p: Printer, ip: IpPayload): void {
  const { at, length } = ip;
  const hops = hopsOf(p, ip);
  p.proto = 'vrrp';
  const version = p.u8(at) >>> 4;
  const type = p.u8(at) & 0xf;
  p.put(`VRRPv${version}, ${type === VRRP_ADVERTISEMENT ? 'Advertisement' : `unknown type (${type})`}`);
  if (hops !== carp.CARP_DFLTTL) p.put(`, (ttl ${hops})`);
  if (version < 2 || version > 3 || type !== VRRP_ADVERTISEMENT) return;
  p.put(`, vrid ${p.u8(at + 1)}, prio ${p.u8(at + 2)}`);
  const auth = p.u8(at + VRRP_AUTH);
  if (version === 2) p.put(`, authtype ${AUTH_NAMES[auth] ?? `#${auth}`}, intvl ${p.u8(at + VRRP_INTERVAL)}s, length ${length}`);
  else p.put(`, intvl ${((auth & 0xf) << 8) | p.u8(at + VRRP_INTERVAL)}cs, length ${length}`);
  if (p.flags.verbose === 0) return;
  const addrs: string[] = [];
  const count = p.u8(at + VRRP_COUNT);
  for (let i = 0; i < count; i++) addrs.push(ip.version === 4 ? p.ip4(at + VRRP_ADDRS + 4 * i) : p.ip6(at + VRRP_ADDRS + 16 * i));
  p.put(`, addrs${addrs.length > 1 ? `(${addrs.length})` : ''}: ${addrs.join(',')}`);
}
