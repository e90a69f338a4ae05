/**
 * ip6.ts — prints IPv6: the header with -v, extension headers, and the protocol behind them.
 * Read first: RFC 8200 §3 and §4; RFC 2675 (jumbo payload), RFC 2711, RFC 8754.
 * Not here: mobility headers, which print their number.
 */

import * as ip6 from '../ip6.js';
import * as ipproto from '../ipproto.js';
import { ipDemuxPrint } from './ip-demux.js';
import { ipprotoName } from './names.js';
import type { Printer } from './printer.js';
import { hex } from './text.js';

/** What walking the extension headers has found out. */
interface Walk {
  /** Payload length: the header's, or a jumbo option's. */
  plen: number;
  jumbo: boolean;
  hopopts: boolean;
  extension: boolean;
  fragmented: boolean;
}

/** An extension header that ends the line. */
const STOP = -1;

/** Prints the packet at `at`, `length` bytes on the wire. */
export function ip6Print(p: Printer, at: number, length: number): void {
  p.proto = 'ip6';
  if (p.lacks(at, ip6.IP6_HDR_LEN)) return;
  if (length < ip6.IP6_HDR_LEN) {
    p.put(`truncated-ip6 ${length}`);
    return;
  }
  if (!p.flags.ether) p.put('IP6 ');
  const version = ip6.ip6Version(p.view, at);
  if (version !== 6) {
    p.put(`version error: ${version} != 6`);
    return;
  }
  const plen = ip6.ip6Plen(p.view, at);
  // A length of 0 announces a jumbo option; until it is found the packet is as long as what is there.
  const len = plen !== 0 ? plen + ip6.IP6_HDR_LEN : length + ip6.IP6_HDR_LEN;
  if (plen !== 0 && length < len) p.put(`truncated-ip6 - ${len - length} bytes missing!`);
  if (p.flags.verbose > 0) headerPrint(p, at);
  const was = p.cut(at, len);
  chainPrint(p, at, len, length, { plen, jumbo: false, hopopts: false, extension: false, fragmented: false });
  p.snapend = was;
}

function headerPrint(p: Printer, at: number): void {
  const cls = ip6.ip6Class(p.view, at);
  const flow = ip6.ip6Flow(p.view, at);
  const nxt = ip6.ip6Nxt(p.view, at);
  p.put(`(${cls !== 0 ? `class 0x${hex(cls, 2)}, ` : ''}${flow !== 0 ? `flowlabel 0x${hex(flow, 5)}, ` : ''}`);
  p.put(`hlim ${ip6.ip6Hlim(p.view, at)}, next-header ${ipprotoName(nxt)} (${nxt}) payload length: ${ip6.ip6Plen(p.view, at)}) `);
}

/** The chain of headers. `total` is the packet's length as far as known, `wireLen` what the link said. */
function chainPrint(p: Printer, at: number, total: number, wireLen: number, walk: Walk): void {
  let nxt = ip6.ip6Nxt(p.view, at);
  let cur = at;
  let advance = ip6.IP6_HDR_LEN;
  let len = total;
  while (cur < p.snapend && advance > 0) {
    if (len < advance) {
      p.trunc();
      return;
    }
    cur += advance;
    len -= advance;
    if (cur === at + ip6.IP6_HDR_LEN && nxt !== ipproto.IPPROTO_TCP && nxt !== ipproto.IPPROTO_UDP) {
      p.put(`${p.ip6(at + ip6.IP6_SRC)} > ${p.ip6(at + ip6.IP6_DST)}: `);
    }
    if (!isPrintedExt(nxt)) {
      upperPrint(p, at, cur, len, wireLen, nxt, walk);
      return;
    }
    advance = extPrint(p, at, cur, nxt, walk);
    if (advance < 0 || (nxt === ipproto.IPPROTO_FRAGMENT && p.snapend <= cur + advance)) return;
    walk.extension = true;
    nxt = p.u8(cur);
    p.proto = 'ip6';
  }
}

function isPrintedExt(nxt: number): boolean {
  return nxt === ipproto.IPPROTO_HOPOPTS || nxt === ipproto.IPPROTO_DSTOPTS || nxt === ipproto.IPPROTO_FRAGMENT || nxt === ipproto.IPPROTO_ROUTING;
}

/** What is behind the last extension header. */
function upperPrint(p: Printer, at: number, cur: number, left: number, wireLen: number, nxt: number, walk: Walk): void {
  let length = left;
  if (walk.jumbo) {
    const len = walk.plen + ip6.IP6_HDR_LEN;
    if (len < cur - at) {
      p.trunc();
      return;
    }
    if (wireLen < len) p.put(`truncated-ip6 - ${len - wireLen} bytes missing!`);
    length = len - (cur - at);
  } else if (walk.plen === 0) {
    if (walk.extension) {
      p.trunc();
      return;
    }
    p.cut(at, ip6.IP6_HDR_LEN);
    length = 0;
  }
  ipDemuxPrint(p, { proto: nxt, at: cur, length, ip: at, version: 6, fragmented: walk.fragmented });
}

/** One extension header; answers its length, or STOP. */
function extPrint(p: Printer, at: number, cur: number, nxt: number, walk: Walk): number {
  switch (nxt) {
    case ipproto.IPPROTO_HOPOPTS:
      return hopoptsPrint(p, at, cur, walk);
    case ipproto.IPPROTO_DSTOPTS:
      return optionsHeaderPrint(p, cur, 'dstopt', 'DSTOPT ', p.flags.verbose > 0, null);
    case ipproto.IPPROTO_FRAGMENT:
      walk.fragmented = true;
      return fragmentPrint(p, at, cur);
    default:
      return routingPrint(p, cur);
  }
}

function hopoptsPrint(p: Printer, at: number, cur: number, walk: Walk): number {
  if (walk.hopopts) {
    p.put('[The Hop-by-Hop Options header was already found]');
    p.invalid();
    return STOP;
  }
  if (cur !== at + ip6.IP6_HDR_LEN) {
    p.put("[The Hop-by-Hop Options header don't follow the IPv6 header]");
    p.invalid();
    return STOP;
  }
  walk.hopopts = true;
  const n = optionsHeaderPrint(p, cur, 'hbhopt', 'HBH ', true, walk);
  if (walk.plen === 0 && !walk.jumbo) {
    p.put('[No valid Jumbo Payload Hop-by-Hop option found]');
    p.invalid();
    return STOP;
  }
  return n;
}

/** A hop-by-hop or destination options header. `walk` is given where a jumbo option may stand. */
function optionsHeaderPrint(p: Printer, cur: number, proto: string, name: string, look: boolean, walk: Walk | null): number {
  p.proto = proto;
  const n = (p.u8(cur + ip6.IP6EXT_LEN) + 1) << 3;
  if (p.has(cur, n)) {
    p.put(name);
    if (!look || optionsPrint(p, cur + 2, cur + n, walk)) return n;
  }
  p.trunc();
  return STOP;
}

/** The options between `from` and `end`; false when one does not fit. */
function optionsPrint(p: Printer, from: number, end: number, walk: Walk | null): boolean {
  const verbose = p.flags.verbose > 0;
  let seenJumbo = false;
  for (let at = from; at < end; ) {
    const n = ip6.ip6OptLen(p.view, at, end);
    if (n <= 0) return false;
    const type = p.u8(at);
    let text = `(opt_type 0x${hex(type, 2)}: len=${n - 2})`;
    if (type === ip6.IP6OPT_PAD1) {
      text = '(pad1)';
    } else if (type === ip6.IP6OPT_PADN) {
      text = '(padn)';
    } else if (type === ip6.IP6OPT_ROUTER_ALERT) {
      if (!fits(p, 'rtalert', at, n, end, 4)) return false;
      text = `(rtalert: 0x${hex(p.u16(at + 2), 4)}) `;
    } else if (type === ip6.IP6OPT_JUMBO) {
      if (!fits(p, 'jumbo', at, n, end, 6)) return false;
      text = jumboText(p.u32(at + 2), seenJumbo, walk);
      seenJumbo = true;
    } else if (type === ip6.IP6OPT_HOME_ADDRESS) {
      if (end - at < 18) {
        p.put('(homeaddr: trunc)');
        return false;
      }
      if (n < 18) {
        p.put(`(homeaddr: invalid len ${n - 2})`);
        return false;
      }
      text = `(homeaddr: ${p.ip6(at + 2)})`;
    }
    if (verbose) p.put(text);
    at += n;
  }
  if (verbose) p.put(' ');
  return true;
}

/** Says so when an option of fixed length has another. */
function fits(p: Printer, name: string, at: number, n: number, end: number, want: number): boolean {
  if (end - at < want) p.put(`(${name}: trunc)`);
  else if (n !== want) p.put(`(${name}: invalid len ${n - 2})`);
  else return true;
  return false;
}

/** Takes the jumbo length over when it is valid (RFC 2675 §3), and says what it is. */
function jumboText(jumbo: number, seen: boolean, walk: Walk | null): string {
  if (seen) return `(jumbo: ${jumbo} - already seen) `;
  if (walk === null) return `(jumbo: ${jumbo} - not a hop-by-hop option) `;
  if (walk.plen !== 0) return `(jumbo: ${jumbo} - payload len != 0) `;
  if (jumbo < 65536) return `(jumbo: ${jumbo} - < 65536) `;
  walk.jumbo = true;
  walk.plen = jumbo;
  return `(jumbo: ${jumbo}) `;
}

/** A fragment header; STOP behind any but the first fragment. */
function fragmentPrint(p: Printer, at: number, cur: number): number {
  p.proto = 'frag6';
  const offset = p.u16(cur + ip6.IP6F_OFFLG) & ip6.IP6F_OFF_MASK;
  const size = ip6.IP6_HDR_LEN + ip6.ip6Plen(p.view, at) - (cur - at) - ip6.IP6_FRAG_HDR_LEN;
  p.put(p.flags.verbose > 0 ? `frag (0x${hex(p.u32(cur + ip6.IP6F_IDENT), 8)}:${offset}|${size})` : `frag (${offset}|${size})`);
  if (offset !== 0) return STOP;
  p.put(' ');
  return ip6.IP6_FRAG_HDR_LEN;
}

/** A routing header: types 0 and 2, and segment routing. */
function routingPrint(p: Printer, cur: number): number {
  if (p.lacks(cur, 1)) return STOP;
  p.proto = 'rt6';
  p.put('RT6');
  const units = p.u8(cur + ip6.IP6EXT_LEN);
  p.put(` (len=${units}`);
  const type = p.u8(cur + ip6.IP6R_TYPE);
  p.put(`, type=${type}${type === ip6.IPV6_RTHDR_TYPE_0 ? ' [Deprecated]' : ''}`);
  p.put(`, segleft=${p.u8(cur + ip6.IP6R_SEGLEFT)}`);
  const verbose = p.flags.verbose > 0;
  if (type === ip6.IPV6_RTHDR_TYPE_0 || type === ip6.IPV6_RTHDR_TYPE_2) {
    const reserved = p.u32(cur + 4);
    if (reserved !== 0 || verbose) p.put(`, rsv=0x${hex(reserved)}`);
  } else if (type === ip6.IPV6_RTHDR_TYPE_4) {
    p.put(`, last-entry=${p.u8(cur + 4)}`);
    if (p.u8(cur + 5) !== 0 || verbose) p.put(`, flags=0x${hex(p.u8(cur + 5))}`);
    p.put(`, tag=${hex(p.u16(cur + 6))}`);
  } else {
    p.put(' (unknown type)');
    p.invalid();
    return STOP;
  }
  if (units % 2 === 1) {
    p.put(` (invalid length ${units})`);
    p.invalid();
    return STOP;
  }
  for (let i = 0; i < units / 2; i++) p.put(`, [${i}]${p.ip6(cur + 8 + 16 * i)}`);
  p.put(') ');
  return (units + 1) << 3;
}
