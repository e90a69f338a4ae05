/**
 * gre.ts — the GRE header: offsets, flags, the strict check, emit.
 * Read first: RFC 2784 §2, RFC 2890 §2 (key and sequence number), RFC 8086 (in UDP).
 *
 *    0            2          4              (each present by its flag, in this order)
 *    | C.KS.. ver | protocol | sum | 0 (C)  | key (K) | sequence (S) | payload
 *
 * The protocol is an ethertype. The checksum covers header and payload, with its own field as zero.
 * Not here: routing (RFC 1701), version 1 (PPTP), acknowledgments.
 */
import { cksumAdd, cksumFinish } from './checksum.js';
import { ETHERTYPE_IP, ETHERTYPE_IPV6 } from './ether.js';
import { IPVERSION } from './ip4.js';

export const GRE_FLAGS = 0;
export const GRE_PROTO = 2;
/** Bytes without options, and with all of them. */
export const GRE_HDR_LEN = 4;
export const GRE_HDR_LEN_MAX = 16;
/** Bytes of each option. */
export const GRE_OPT_LEN = 4;

/** Checksum, key and sequence number are there. Every other bit, the version's included, must be zero. */
export const GRE_FLAGS_CP = 0x8000;
export const GRE_FLAGS_KP = 0x2000;
export const GRE_FLAGS_SP = 0x1000;
export const GRE_FLAGS_MASK = GRE_FLAGS_CP | GRE_FLAGS_KP | GRE_FLAGS_SP;

/** The destination port of GRE in UDP (RFC 8086 §8.1). */
export const GRE_UDPPORT = 4754;
/** What Cisco's WCCP says for IPv4; version 2 has a redirect header of four bytes before it. */
export const ETHERTYPE_WCCP = 0x883e;

/** `greCheck`: fewer bytes than the header has. */
export const GRE_BAD_SHORT = 1;
/** `greCheck`: a reserved bit or another version. */
export const GRE_BAD_FLAGS = 2;
/** `greCheck`: the bits reserved behind the checksum are not zero. */
export const GRE_BAD_RESERVED = 3;
/** `greCheck`: wrong checksum. */
export const GRE_BAD_SUM = 4;

export const greFlags = (view: DataView, off: number): number => view.getUint16(off);
/** Ethertype of the payload. */
export const greProto = (view: DataView, off: number): number => view.getUint16(off + GRE_PROTO);

/** Bytes of a header with these flags. */
export function greHdrLen(flags: number): number {
  let n = GRE_HDR_LEN;
  if ((flags & GRE_FLAGS_CP) !== 0) n += GRE_OPT_LEN;
  if ((flags & GRE_FLAGS_KP) !== 0) n += GRE_OPT_LEN;
  return (flags & GRE_FLAGS_SP) !== 0 ? n + GRE_OPT_LEN : n;
}

/** 0 when the `len` bytes at `off` are a valid header and its payload, else the first reason that applies. */
export function greCheck(view: DataView, off: number, len: number): number {
  if (len < GRE_HDR_LEN) return GRE_BAD_SHORT;
  const flags = view.getUint16(off);
  if ((flags & ~GRE_FLAGS_MASK) !== 0) return GRE_BAD_FLAGS;
  if (len < greHdrLen(flags)) return GRE_BAD_SHORT;
  if ((flags & GRE_FLAGS_CP) === 0) return 0;
  if (view.getUint16(off + GRE_HDR_LEN + 2) !== 0) return GRE_BAD_RESERVED;
  return cksumFinish(cksumAdd(view, off, len, 0)) === 0 ? 0 : GRE_BAD_SUM;
}

/** Where the payload of a valid header begins: behind the options and, in a WCCP packet without options, behind its redirect header. */
export function grePayload(view: DataView, off: number, len: number): number {
  const flags = view.getUint16(off);
  const at = off + greHdrLen(flags);
  const isWccp2 = flags === 0 && greProto(view, off) === ETHERTYPE_WCCP && at < off + len && view.getUint8(at) >>> 4 !== IPVERSION;
  return isWccp2 ? at + GRE_OPT_LEN : at;
}

/** IP version of the payload by the protocol field, 0 for what is no IP. */
export function greIpVersion(view: DataView, off: number): number {
  const proto = greProto(view, off);
  if (proto === ETHERTYPE_IP || proto === ETHERTYPE_WCCP) return 4;
  return proto === ETHERTYPE_IPV6 ? 6 : 0;
}

/**
 * Writes the header of a packet of `len` bytes, header included, and computes the checksum when `flags` ask for it. `key` and
 * `seq` are written when their flags are set.
 */
export function greEmit(view: DataView, off: number, len: number, flags: number, proto: number, key: number, seq: number): void {
  view.setUint16(off, flags);
  view.setUint16(off + GRE_PROTO, proto);
  let at = off + GRE_HDR_LEN;
  if ((flags & GRE_FLAGS_CP) !== 0) {
    view.setUint32(at, 0);
    at += GRE_OPT_LEN;
  }
  if ((flags & GRE_FLAGS_KP) !== 0) {
    view.setUint32(at, key);
    at += GRE_OPT_LEN;
  }
  if ((flags & GRE_FLAGS_SP) !== 0) view.setUint32(at, seq);
  if ((flags & GRE_FLAGS_CP) !== 0) view.setUint16(off + GRE_HDR_LEN, cksumFinish(cksumAdd(view, off, len, 0)));
}
