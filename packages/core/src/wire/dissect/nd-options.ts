/**
 * nd-options.ts — prints the options of neighbour discovery messages, with -v.
 * Read first: RFC 4861 §4.6, RFC 4191 §2.3 (routes), RFC 8106 §5 (name servers), RFC 6275 §7 (intervals, home agents).
 */

import { ip6Format } from '../addr6.js';
import * as icmp6 from '../icmp6.js';
import { hexPrint } from './hexdump.js';
import type { Printer } from './printer.js';
import { bitNames, visibleChar } from './text.js';

const OPTION_NAMES: ReadonlyMap<number, string> = new Map([
  [icmp6.ND_OPT_SOURCE_LINKADDR, 'source link-address'],
  [icmp6.ND_OPT_TARGET_LINKADDR, 'destination link-address'],
  [icmp6.ND_OPT_PREFIX_INFORMATION, 'prefix info'],
  [icmp6.ND_OPT_REDIRECTED_HEADER, 'redirected header'],
  [icmp6.ND_OPT_MTU, 'mtu'],
  [icmp6.ND_OPT_RDNSS, 'rdnss'],
  [icmp6.ND_OPT_DNSSL, 'dnssl'],
  [icmp6.ND_OPT_ADVINTERVAL, 'advertisement interval'],
  [icmp6.ND_OPT_HOMEAGENT_INFO, 'homeagent information'],
  [icmp6.ND_OPT_ROUTE_INFO, 'route info'],
]);

const PREFIX_FLAG_NAMES: readonly (readonly [number, string])[] = [
  [icmp6.ND_OPT_PI_FLAG_ONLINK, 'onlink'],
  [icmp6.ND_OPT_PI_FLAG_AUTO, 'auto'],
  [icmp6.ND_OPT_PI_FLAG_ROUTER, 'router'],
];

const PREFERENCES: readonly string[] = ['medium', 'high', 'rsv', 'low'];

/** The two preference bits of a router advertisement or route option (RFC 4191 §2.1). */
export function routerPreference(flags: number): string {
  return PREFERENCES[(flags & icmp6.ND_RA_FLAG_RTPREF_MASK) >>> 3]!;
}

function lifetime(secs: number): string {
  return secs === 0xffffffff ? 'infinity' : `${secs}s`;
}

/** The options in `length` bytes at `from`; false when one is cut off or malformed. */
export function ndOptionsPrint(p: Printer, from: number, length: number): boolean {
  const base = from;
  let left = length;
  for (let at = from; at < p.snapend; ) {
    if (!p.has(at, 2)) return false;
    if (left <= 0) return true;
    const type = p.u8(at);
    const units = p.u8(at + 1);
    const n = units << 3;
    if (n === 0 || !p.has(at, n)) return false;
    const name = OPTION_NAMES.get(type);
    p.put(`\n\t  ${name ?? 'unknown'} option (${type}), length ${n} (${units}): `);
    if (name === undefined && p.flags.verbose <= 1) {
      p.put(hexPrint(p.bytes, at + 2, n - 2, '\n\t  '));
      return true;
    }
    if (!optionPrint(p, type, at, n, base)) return false;
    if (p.flags.verbose > 1) p.put(hexPrint(p.bytes, at + 2, n - 2, '\n\t    '));
    at += n;
    left -= n;
  }
  return true;
}

/** One option of `n` bytes, all captured; `base` is where the options begin. False when its value is cut off. */
function optionPrint(p: Printer, type: number, at: number, n: number, base: number): boolean {
  switch (type) {
    case icmp6.ND_OPT_SOURCE_LINKADDR:
    case icmp6.ND_OPT_TARGET_LINKADDR:
      p.put(p.hexBytes(at + 2, n - 2, ':'));
      return true;
    case icmp6.ND_OPT_PREFIX_INFORMATION:
      p.put(`${p.ip6(at + 16)}/${p.u8(at + 2)}${n !== 32 ? 'badlen' : ''}`);
      p.put(`, Flags [${bitNames(PREFIX_FLAG_NAMES, p.u8(at + 3), 'none')}], valid time ${lifetime(p.u32(at + 4))}`);
      p.put(`, pref. time ${lifetime(p.u32(at + 8))}`);
      return true;
    case icmp6.ND_OPT_REDIRECTED_HEADER:
      p.put(hexPrint(p.bytes, base, Math.min(n, p.left(base)), '\n\t    '));
      return true;
    case icmp6.ND_OPT_MTU:
      p.put(` ${p.u32(at + 4)}${n !== 8 ? 'bad option length' : ''}`);
      return true;
    case icmp6.ND_OPT_RDNSS:
      p.put(` lifetime ${p.u32(at + 4)}s,`);
      for (let i = 8; i + 16 <= n; i += 16) p.put(` addr: ${p.ip6(at + i)}`);
      return true;
    case icmp6.ND_OPT_DNSSL:
      p.put(` lifetime ${p.u32(at + 4)}s, domain(s):`);
      return domainsPrint(p, at + 8, at + n);
    case icmp6.ND_OPT_ADVINTERVAL:
      p.put(` ${p.u32(at + 4)}ms`);
      return true;
    case icmp6.ND_OPT_HOMEAGENT_INFO:
      p.put(` preference ${p.u16(at + 4)}, lifetime ${p.u16(at + 6)}`);
      return true;
    case icmp6.ND_OPT_ROUTE_INFO:
      return routePrint(p, at, n);
    default:
      return true;
  }
}

/** A route whose prefix has 0, 8 or 16 bytes. */
function routePrint(p: Printer, at: number, n: number): boolean {
  if (n > 24) return false;
  const prefix = new Uint8Array(16);
  prefix.set(p.bytes.subarray(at + 8, at + n));
  p.put(` ${ip6Format(prefix)}/${p.u8(at + 2)}, pref=${routerPreference(p.u8(at + 3))}, lifetime=${lifetime(p.u32(at + 4))}`);
  return true;
}

/** Names as labels with their lengths, uncompressed (RFC 8106 §5.2), until the padding. */
function domainsPrint(p: Printer, from: number, end: number): boolean {
  let at = from;
  while (at < end && p.u8(at) !== 0) {
    p.put(' ');
    for (let n = p.u8(at); n !== 0; n = p.u8(at)) {
      if (n > 63) p.put(n >= 0xc0 ? '<BAD PTR>' : '<BAD LABEL TYPE>');
      if (n > 63 || at + 1 + n >= end) return false;
      for (let i = 1; i <= n; i++) p.put(visibleChar(p.u8(at + i)));
      p.put('.');
      at += 1 + n;
    }
    at++;
  }
  return true;
}
