/**
 * ip6.ts — the IPv6 header and its extension headers: offsets, accessors, validity, the walk to the upper layer.
 * Read first: RFC 8200 §3 and §4, RFC 3542 for the names, RFC 8754 (segment routing), RFC 2711 (router alert).
 *
 *    0                 4      6     7      8          24         40
 *    | v4 class8 flow20 | plen | nxt | hlim | src (16) | dst (16) | extension headers, upper layer
 *
 * Accessors trust the caller; `ip6Check` answered 0 before. Addresses stay in the packet: pass the view's bytes and
 * `off + IP6_SRC` to the functions of `addr6.ts`.
 * Not here: the meaning of options, reassembly, jumbograms.
 */

import {
  IPPROTO_AH,
  IPPROTO_DSTOPTS,
  IPPROTO_FRAGMENT,
  IPPROTO_HOPOPTS,
  IPPROTO_ROUTING,
} from './ipproto.js';

export const IP6_VFC = 0;
export const IP6_FLOW = 0;
export const IP6_PLEN = 4;
export const IP6_NXT = 6;
export const IP6_HLIM = 7;
export const IP6_SRC = 8;
export const IP6_DST = 24;
export const IP6_HDR_LEN = 40;

export const IPV6_VERSION = 6;
export const IPV6_MMTU = 1280;
export const IPV6_MAXPACKET = 65535;
export const IPV6_DEFHLIM = 64;
export const IPV6_MAXHLIM = 255;

/** Hop-by-hop, destination options and routing headers begin alike; the length counts 8-byte units behind the first. */
export const IP6EXT_NXT = 0;
export const IP6EXT_LEN = 1;
export const IP6R_TYPE = 2;
export const IP6R_SEGLEFT = 3;
export const IP6F_OFFLG = 2;
export const IP6F_IDENT = 4;
export const IP6_FRAG_HDR_LEN = 8;
/** In the u16 at IP6F_OFFLG: offset in bytes (its low three bits are flags), more fragments. */
export const IP6F_OFF_MASK = 0xfff8;
export const IP6F_MORE_FRAG = 0x0001;

export const IP6OPT_PAD1 = 0x00;
export const IP6OPT_PADN = 0x01;
export const IP6OPT_ROUTER_ALERT = 0x05;
export const IP6OPT_JUMBO = 0xc2;
export const IP6OPT_HOME_ADDRESS = 0xc9;

export const IPV6_RTHDR_TYPE_0 = 0;
export const IPV6_RTHDR_TYPE_2 = 2;
export const IPV6_RTHDR_TYPE_4 = 4;

/** `ip6Check`: reasons, in the order in which they are tested. */
export const IP6_BAD_SHORT = 1;
export const IP6_BAD_VERSION = 2;
/** The payload length is beyond the bytes present. */
export const IP6_BAD_TRUNC = 3;

/** 0 when the `len` bytes at `off` begin with an IPv6 header and hold the whole packet, else the first reason. */
export function ip6Check(view: DataView, off: number, len: number): number {
  if (len < IP6_HDR_LEN) return IP6_BAD_SHORT;
  if (view.getUint8(off) >>> 4 !== IPV6_VERSION) return IP6_BAD_VERSION;
  return IP6_HDR_LEN + view.getUint16(off + IP6_PLEN) > len ? IP6_BAD_TRUNC : 0;
}

export const ip6Version = (view: DataView, off: number): number => view.getUint8(off) >>> 4;
/** Traffic class, ECN bits included. */
export const ip6Class = (view: DataView, off: number): number => (view.getUint16(off) >>> 4) & 0xff;
export const ip6Flow = (view: DataView, off: number): number => view.getUint32(off) & 0x000fffff;
/** Bytes behind the 40-byte header. */
export const ip6Plen = (view: DataView, off: number): number => view.getUint16(off + IP6_PLEN);
export const ip6Nxt = (view: DataView, off: number): number => view.getUint8(off + IP6_NXT);
export const ip6Hlim = (view: DataView, off: number): number => view.getUint8(off + IP6_HLIM);

/** Copies a 16-byte address from one view to another. */
export function ip6CopyAddr(to: DataView, toOff: number, from: DataView, fromOff: number): void {
  for (let i = 0; i < 16; i += 4) to.setUint32(toOff + i, from.getUint32(fromOff + i));
}

/** True when two 16-byte addresses in views are equal. */
export function ip6AddrEq(a: DataView, aOff: number, b: DataView, bOff: number): boolean {
  return (
    a.getUint32(aOff) === b.getUint32(bOff) &&
    a.getUint32(aOff + 4) === b.getUint32(bOff + 4) &&
    a.getUint32(aOff + 8) === b.getUint32(bOff + 8) &&
    a.getUint32(aOff + 12) === b.getUint32(bOff + 12)
  );
}

/** Writes a header without its addresses; those are copied with `ip6CopyAddr` or set as bytes. */
export function ip6Emit(view: DataView, off: number, tclass: number, flow: number, plen: number, nxt: number, hlim: number): void {
  view.setUint32(off, ((6 << 28) | (tclass << 20) | flow) >>> 0);
  view.setUint16(off + IP6_PLEN, plen);
  view.setUint16(off + IP6_NXT, (nxt << 8) | hlim);
}

/** True for the headers that `ip6ExtLen` knows how to step over. */
export function ip6IsExt(nxt: number): boolean {
  return nxt === IPPROTO_HOPOPTS || nxt === IPPROTO_DSTOPTS || nxt === IPPROTO_ROUTING || nxt === IPPROTO_FRAGMENT || nxt === IPPROTO_AH;
}

/** Bytes of the extension header of type `nxt` at `at`, or -1 when it does not end by `end`. */
export function ip6ExtLen(view: DataView, at: number, end: number, nxt: number): number {
  if (at + 8 > end) return -1;
  let n = IP6_FRAG_HDR_LEN;
  if (nxt === IPPROTO_AH) n = (view.getUint8(at + IP6EXT_LEN) + 2) << 2;
  else if (nxt !== IPPROTO_FRAGMENT) n = (view.getUint8(at + IP6EXT_LEN) + 1) << 3;
  return at + n > end ? -1 : n;
}

/**
 * Walks the extension headers of a packet that `ip6Check` passed, to the upper layer. Answers `at * 256 + proto`, where `at` is
 * the upper layer's offset in the view, or -1 when a header is truncated. Behind a fragment header with a nonzero offset the
 * walk stops: the answer names IPPROTO_FRAGMENT, because what follows is not a header.
 */
export function ip6Upper(view: DataView, off: number): number {
  const end = off + IP6_HDR_LEN + ip6Plen(view, off);
  let at = off + IP6_HDR_LEN;
  let nxt = ip6Nxt(view, off);
  while (ip6IsExt(nxt)) {
    const n = ip6ExtLen(view, at, end, nxt);
    if (n < 0) return -1;
    if (nxt === IPPROTO_FRAGMENT && (view.getUint16(at + IP6F_OFFLG) & IP6F_OFF_MASK) !== 0) return at * 256 + IPPROTO_FRAGMENT;
    nxt = view.getUint8(at);
    at += n;
  }
  return at * 256 + nxt;
}

/** Offset in an answer of `ip6Upper`. */
export const ip6UpperOff = (upper: number): number => Math.floor(upper / 256);
/** Protocol in an answer of `ip6Upper`. */
export const ip6UpperProto = (upper: number): number => upper & 0xff;

/** Iterates options inside a hop-by-hop or destination header: length of the one at `at`, 0 at the end, -1 malformed. */
export function ip6OptLen(view: DataView, at: number, end: number): number {
  if (at >= end) return 0;
  if (view.getUint8(at) === IP6OPT_PAD1) return 1;
  if (at + 1 >= end) return -1;
  const n = view.getUint8(at + 1) + 2;
  return at + n > end ? -1 : n;
}
