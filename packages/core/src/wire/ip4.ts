/**
 * ip4.ts — the IPv4 header: offsets, accessors, the strict check, options, emit.
 * Read first: RFC 791 §3.1, RFC 1122 §3.2.1, RFC 6864 (identification), RFC 3168 §5 (ECN).
 *
 *    0         1     2          4      6               8     9       10    12    16    20
 *    | v4 hl4  | tos | total len | id   | rf df mf off13 | ttl | proto | sum | src | dst | options
 *
 * Accessors take the view and the offset of the header's first byte. None checks anything: `ip4Check` answered 0 before.
 * `ip4Hl` gives bytes, not words, because every caller would multiply. Addresses are u32 in host order.
 * Invariant of `ip4Check` = 0: 20 <= ip4Hl <= ip4Len <= len, so that header, options and payload lie inside the range.
 * Not here: reassembly, the meaning of options.
 */

import { cksumAdd, cksumFinish } from './checksum.js';

export const IP4_VHL = 0;
export const IP4_TOS = 1;
export const IP4_LEN = 2;
export const IP4_ID = 4;
export const IP4_OFF = 6;
export const IP4_TTL = 8;
export const IP4_P = 9;
export const IP4_SUM = 10;
export const IP4_SRC = 12;
export const IP4_DST = 16;
/** Bytes of a header without options, and of the longest. */
export const IP4_HDR_LEN = 20;
export const IP4_HDR_LEN_MAX = 60;

export const IPVERSION = 4;
export const IP_MAXPACKET = 65535;
/** Every link must carry this many bytes without fragmentation (RFC 791 §3.2), and every host reassemble IP_MSS. */
export const IP_MINFRAGSIZE = 68;
export const IP_MSS = 576;
export const IPDEFTTL = 64;
export const MAXTTL = 255;

/** Bits of the field at IP4_OFF. */
export const IP_RF = 0x8000;
export const IP_DF = 0x4000;
export const IP_MF = 0x2000;
export const IP_OFFMASK = 0x1fff;

/** Code points of the two ECN bits of the type of service (RFC 3168). */
export const IPTOS_ECN_NOTECT = 0;
export const IPTOS_ECN_ECT1 = 1;
export const IPTOS_ECN_ECT0 = 2;
export const IPTOS_ECN_CE = 3;
export const IPTOS_ECN_MASK = 3;

/** Options: copied bit, class, number. */
export const IPOPT_EOL = 0;
export const IPOPT_NOP = 1;
export const IPOPT_RR = 7;
export const IPOPT_TS = 68;
export const IPOPT_RFC1393 = 82;
export const IPOPT_SECURITY = 130;
export const IPOPT_LSRR = 131;
export const IPOPT_SATID = 136;
export const IPOPT_SSRR = 137;
export const IPOPT_RA = 148;
/** Offsets inside an option, and the smallest value its pointer may have. */
export const IPOPT_OPTVAL = 0;
export const IPOPT_OLEN = 1;
export const IPOPT_OFFSET = 2;
export const IPOPT_MINOFF = 4;
/** Flag values of a timestamp option. */
export const IPOPT_TS_TSONLY = 0;
export const IPOPT_TS_TSANDADDR = 1;
export const IPOPT_TS_PRESPEC = 3;

// For functions that every packet passes: V8 makes literals of constants that are not exported, and reads the others from memory.
const HDR_LEN = IP4_HDR_LEN;
const TTL = IP4_TTL;

/** `ip4Check`: reasons, each with the counter netstat -s knows it by. In the order in which they are tested. */
export const IP4_BAD_SHORT = 1; // with size smaller than minimum
export const IP4_BAD_VERSION = 2; // with incorrect version number
export const IP4_BAD_HL = 3; // with header length < data size
export const IP4_BAD_SUM = 4; // bad header checksum
export const IP4_BAD_LEN = 5; // with data length < header length
export const IP4_BAD_TRUNC = 6; // with data size < data length

/**
 * 0 when the `len` bytes at `off` begin with a valid header and hold the whole datagram, else the first reason that applies.
 * Link padding behind the datagram is allowed. With `sumOk` the header checksum is taken as verified by somebody else.
 */
export function ip4Check(view: DataView, off: number, len: number, sumOk = false): number {
  if (len < IP4_HDR_LEN) return IP4_BAD_SHORT;
  const vhl = view.getUint8(off);
  if (vhl >>> 4 !== IPVERSION) return IP4_BAD_VERSION;
  const hl = (vhl & 15) << 2;
  if (hl < IP4_HDR_LEN || hl > len) return IP4_BAD_HL;
  if (!sumOk && ip4Cksum(view, off, hl) !== 0) return IP4_BAD_SUM;
  const total = view.getUint16(off + IP4_LEN);
  if (total < hl) return IP4_BAD_LEN;
  return total > len ? IP4_BAD_TRUNC : 0;
}

/**
 * Length of the datagram when the `len` bytes at `off` begin with a valid header without options and hold all of it, else 0: `ip4Check`
 * for a short path, which asks that one about the rest.
 */
export function ip4PlainLen(view: DataView, off: number, len: number): number {
  if (len < HDR_LEN) return 0;
  const word = view.getInt32(off);
  const total = word & 0xffff;
  return word >>> 24 !== 0x45 || total < HDR_LEN || total > len || sumOfTwenty(view, off) !== 0xffff ? 0 : total;
}

/** Checksum over a header of `hl` bytes: 0 when its field is correct, the field's value when the field is zero. */
export function ip4Cksum(view: DataView, off: number, hl: number): number {
  if (hl !== IP4_HDR_LEN) return cksumFinish(cksumAdd(view, off, hl, 0));
  return ~sumOfTwenty(view, off) & 0xffff;
}

/** Sum of the twenty bytes at `off` as ten halves of words, folded. */
function sumOfTwenty(view: DataView, off: number): number {
  return ip4SumOfWords(view.getInt32(off), view.getInt32(off + 4), view.getInt32(off + 8), view.getInt32(off + 12), view.getInt32(off + 16));
}

/** The same of the five words themselves; 0xffff when the checksum in them is correct. */
export function ip4SumOfWords(w0: number, w1: number, w2: number, w3: number, w4: number): number {
  const highs = (w0 >>> 16) + (w1 >>> 16) + (w2 >>> 16) + (w3 >>> 16) + (w4 >>> 16);
  // All words less their upper halves, modulo 2^32: five lower halves have no more than 19 bits.
  const lows = (((w0 + w1 + w2 + w3 + w4) | 0) - (highs << 16)) & 0x7_ffff;
  const halves = highs + lows;
  // Ten times 0xffff at most: once folded, at most 0x10008.
  const sum = (halves >>> 16) + (halves & 0xffff);
  return (sum + (sum >>> 16)) & 0xffff;
}

export const ip4Version = (view: DataView, off: number): number => view.getUint8(off) >>> 4;
/** Header length in bytes. */
export const ip4Hl = (view: DataView, off: number): number => (view.getUint8(off) & 15) << 2;
export const ip4Tos = (view: DataView, off: number): number => view.getUint8(off + IP4_TOS);
/** Length of the datagram with its header, in bytes. */
export const ip4Len = (view: DataView, off: number): number => view.getUint16(off + IP4_LEN);
export const ip4Id = (view: DataView, off: number): number => view.getUint16(off + IP4_ID);
/** Flags and fragment offset as one u16; see IP_RF, IP_DF, IP_MF, IP_OFFMASK. */
export const ip4Off = (view: DataView, off: number): number => view.getUint16(off + IP4_OFF);
/** Fragment offset in bytes. */
export const ip4FragOff = (view: DataView, off: number): number => (view.getUint16(off + IP4_OFF) & IP_OFFMASK) << 3;
/** More fragments follow, or this is not the first. */
export const ip4IsFragment = (view: DataView, off: number): boolean => (view.getUint16(off + IP4_OFF) & (IP_MF | IP_OFFMASK)) !== 0;
export const ip4Ttl = (view: DataView, off: number): number => view.getUint8(off + IP4_TTL);
export const ip4P = (view: DataView, off: number): number => view.getUint8(off + IP4_P);
export const ip4Sum = (view: DataView, off: number): number => view.getUint16(off + IP4_SUM);
export const ip4Src = (view: DataView, off: number): number => view.getUint32(off + IP4_SRC);
export const ip4Dst = (view: DataView, off: number): number => view.getUint32(off + IP4_DST);

/** Writes the checksum of a header of `hl` bytes. */
export function ip4PutSum(view: DataView, off: number, hl: number): void {
  view.setUint16(off + IP4_SUM, 0);
  view.setUint16(off + IP4_SUM, ip4Cksum(view, off, hl));
}

/** One hop less, with the checksum updated in place (RFC 1624). The caller has checked that the TTL is above 0. */
export function ip4DecTtl(view: DataView, off: number): void {
  const word = ip4TtlLess(view.getInt32(off + TTL));
  view.setInt32(off + TTL, word);
}

/** The word of TTL, protocol and checksum with one hop less. */
export function ip4TtlLess(word: number): number {
  // The half (ttl, proto) fell by 0x0100, so the complemented sum rises by it; the carry comes back at the low end.
  const raised = (word & 0xffff) + 0x0100;
  const sum = raised >= 0xffff ? raised - 0xffff : raised;
  return (((word >>> 24) - 1) << 24) | (word & 0x00ff_0000) | sum;
}

/**
 * Writes a header of `hl` bytes (20..60, a multiple of 4) and its checksum. Options behind byte 20 must be in place already.
 * `len` is the total length, `flags` the whole u16 of flags and fragment offset.
 */
export function ip4Emit(
  view: DataView,
  off: number,
  hl: number,
  tos: number,
  len: number,
  id: number,
  flags: number,
  ttl: number,
  proto: number,
  src: number,
  dst: number,
): void {
  view.setUint16(off, ((0x40 | (hl >>> 2)) << 8) | tos);
  view.setUint16(off + IP4_LEN, len);
  view.setUint16(off + IP4_ID, id);
  view.setUint16(off + IP4_OFF, flags);
  view.setUint16(off + IP4_TTL, (ttl << 8) | proto);
  view.setUint32(off + IP4_SRC, src);
  view.setUint32(off + IP4_DST, dst);
  ip4PutSum(view, off, hl);
}

/** Options are copied into every fragment when this bit is set. */
export const ipoptCopied = (type: number): boolean => (type & 0x80) !== 0;

/**
 * Iterates options: the length of the one at `at`, 0 at the end of the list, -1 where it is malformed (a length below 2 or
 * beyond `end`). The header's options are those from `off + 20` to `end = off + ip4Hl`.
 *
 *     for (let at = off + IP4_HDR_LEN, n; (n = ip4OptLen(view, at, end)) > 0; at += n) …
 */
export function ip4OptLen(view: DataView, at: number, end: number): number {
  if (at >= end) return 0;
  const type = view.getUint8(at);
  if (type === IPOPT_EOL) return 0;
  if (type === IPOPT_NOP) return 1;
  if (at + 1 >= end) return -1;
  const n = view.getUint8(at + 1);
  return n < 2 || at + n > end ? -1 : n;
}

/** Offset of the first option of `type`, 0 when the header has none, -1 when the list is malformed before it. */
export function ip4FindOpt(view: DataView, off: number, type: number): number {
  const end = off + ip4Hl(view, off);
  let at = off + IP4_HDR_LEN;
  for (;;) {
    const n = ip4OptLen(view, at, end);
    if (n <= 0) return n;
    if (view.getUint8(at) === type) return at;
    at += n;
  }
}
