/**
 * ip-payload.ts — what IP tells the layer above it, and the checksum that covers both.
 * Read first: RFC 768 and RFC 9293 §3.1 (pseudo header), RFC 8200 §8.1.
 *
 * A source route or routing header changes the destination that the sender put into the pseudo header: the last hop counts.
 */

import { cksumAdd, cksumFinish, cksumPseudo4 } from '../checksum.js';
import * as ip4 from '../ip4.js';
import * as ip6 from '../ip6.js';
import * as ipproto from '../ipproto.js';
import type { Printer } from './printer.js';
import { hex } from './text.js';

/** Where a transport header is, and what is around it. */
export interface IpPayload {
  readonly proto: number;
  readonly at: number;
  /** Bytes of header and data as IP counts them; fewer may have been captured. */
  readonly length: number;
  /** Offset of the IP header. */
  readonly ip: number;
  readonly version: 4 | 6;
  /** More fragments follow, so checksums and lengths do not add up. */
  readonly fragmented: boolean;
}

/** Source address as text. */
export function ipSrc(p: Printer, ip: IpPayload): string {
  return ip.version === 6 ? p.ip6(ip.ip + ip6.IP6_SRC) : p.ip4(ip.ip + ip4.IP4_SRC);
}

export function ipDst(p: Printer, ip: IpPayload): string {
  return ip.version === 6 ? p.ip6(ip.ip + ip6.IP6_DST) : p.ip4(ip.ip + ip4.IP4_DST);
}

/**
 * `a.b.c.d.sport > e.f.g.h.dport: ` of TCP and UDP. Behind an IPv6 extension header the addresses were printed already, and the
 * ports stand alone.
 */
export function endpoints(p: Printer, ip: IpPayload, sport: number, dport: number): string {
  const direct = ip.version === 4 || p.u8(ip.ip + ip6.IP6_NXT) === ip.proto;
  return direct ? `${ipSrc(p, ip)}.${sport} > ${ipDst(p, ip)}.${dport}: ` : `${sport} > ${dport}: `;
}

/** Checksum over pseudo header and the first `len` bytes of the payload, all of which were captured: 0 when correct. */
export function payloadCksum(p: Printer, ip: IpPayload, len: number): number {
  const view = p.view;
  let sum: number;
  if (ip.version === 4) {
    sum = cksumPseudo4(ip4.ip4Src(view, ip.ip), finalDst4(p, ip.ip), ip.proto, len & 0xffff);
  } else {
    sum = cksumAdd(view, ip.ip + ip6.IP6_SRC, 16, ip.proto + (len >>> 16) + (len & 0xffff));
    sum = cksumAdd(view, finalDst6(p, ip.ip), 16, sum);
  }
  return cksumFinish(cksumAdd(view, ip.at, len, sum));
}

/** What the checksum field should hold, from what it holds and the checksum over everything with it. */
export function cksumShouldBe(field: number, sum: number): number {
  let should = field + sum;
  should = (should & 0xffff) + (should >>> 16);
  return (should & 0xffff) + (should >>> 16);
}

/** `[bad udp cksum 0x1234 -> 0x5678!] ` or `[udp sum ok] `. */
export function cksumNote(name: string, field: number, sum: number): string {
  return sum === 0 ? `[${name} sum ok] ` : `[bad ${name} cksum 0x${hex(field, 4)} -> 0x${hex(cksumShouldBe(field, sum), 4)}!] `;
}

/** Destination of an IPv4 header, or the last address of its source route. */
function finalDst4(p: Printer, at: number): number {
  const end = at + ip4.ip4Hl(p.view, at);
  for (let i = at + ip4.IP4_HDR_LEN, n; (n = ip4.ip4OptLen(p.view, i, Math.min(end, p.snapend))) > 0; i += n) {
    const type = p.view.getUint8(i);
    if ((type === ip4.IPOPT_SSRR || type === ip4.IPOPT_LSRR) && n >= 7) return p.u32(i + n - 4);
  }
  return ip4.ip4Dst(p.view, at);
}

/** Offset of the destination address: the header's, or the one a routing header names as last. */
function finalDst6(p: Printer, at: number): number {
  const dst = at + ip6.IP6_DST;
  let i = at + ip6.IP6_HDR_LEN;
  let nxt = p.view.getUint8(at + ip6.IP6_NXT);
  while (nxt === ipproto.IPPROTO_HOPOPTS || nxt === ipproto.IPPROTO_DSTOPTS || nxt === ipproto.IPPROTO_FRAGMENT) {
    const n = ip6.ip6ExtLen(p.view, i, p.snapend, nxt);
    if (n < 0) return dst;
    nxt = p.view.getUint8(i);
    i += n;
  }
  if (nxt !== ipproto.IPPROTO_ROUTING || !p.has(i, 8)) return dst;
  const type = p.view.getUint8(i + ip6.IP6R_TYPE);
  const addrs = p.view.getUint8(i + ip6.IP6EXT_LEN) / 2;
  if (!Number.isInteger(addrs)) return dst;
  // Segment routing lists its addresses backwards.
  if (type === ip6.IPV6_RTHDR_TYPE_4) return p.has(i + 8, 16) ? i + 8 : dst;
  if (type !== ip6.IPV6_RTHDR_TYPE_0 && type !== ip6.IPV6_RTHDR_TYPE_2) return dst;
  let last = dst;
  for (let k = 0; k < addrs && p.has(i + 8 + 16 * k, 16); k++) last = i + 8 + 16 * k;
  return last;
}
