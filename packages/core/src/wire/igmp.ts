/**
 * igmp.ts — IGMP versions 1 to 3: offsets, types, validity, codes of time.
 * Read first: RFC 2236 §2, RFC 9776 §4 (version 3), RFC 1112 appendix I.
 *
 *    0      1      2       4         8                               12
 *    | type | code | cksum | group   | s,qrv | qqic | nsrcs | sources        a version 3 query
 *    | 0x22 | 0    | cksum | 0 | ngroups | records                          a version 3 report
 *      record: type, auxlen (words), nsrcs (u16), group, sources, auxiliary data
 *
 * Not here: the group state machines.
 */

import { inCksum } from './checksum.js';

export const IGMP_TYPE = 0;
export const IGMP_CODE = 1;
export const IGMP_CKSUM = 2;
export const IGMP_GROUP = 4;
export const IGMP_V3_MISC = 8;
export const IGMP_V3_QQI = 9;
export const IGMP_V3_NUMSRC = 10;
export const IGMP_V3_NUMGRPS = 6;
export const IGMP_MINLEN = 8;
export const IGMP_V3_QUERY_MINLEN = 12;
export const IGMP_V3_REPORT_MINLEN = 8;
export const IGMP_GRPREC_HDRLEN = 8;

export const IGMP_HOST_MEMBERSHIP_QUERY = 0x11;
export const IGMP_V1_HOST_MEMBERSHIP_REPORT = 0x12;
export const IGMP_DVMRP = 0x13;
export const IGMP_PIM = 0x14;
export const IGMP_V2_HOST_MEMBERSHIP_REPORT = 0x16;
export const IGMP_HOST_LEAVE_MESSAGE = 0x17;
export const IGMP_MTRACE_RESP = 0x1e;
export const IGMP_MTRACE = 0x1f;
export const IGMP_V3_HOST_MEMBERSHIP_REPORT = 0x22;

export const IGMP_MODE_IS_INCLUDE = 1;
export const IGMP_MODE_IS_EXCLUDE = 2;
export const IGMP_CHANGE_TO_INCLUDE_MODE = 3;
export const IGMP_CHANGE_TO_EXCLUDE_MODE = 4;
export const IGMP_ALLOW_NEW_SOURCES = 5;
export const IGMP_BLOCK_OLD_SOURCES = 6;

/** `igmpCheck`: fewer bytes than the type needs. */
export const IGMP_BAD_SHORT = 1;
/** `igmpCheck`: the checksum is wrong. */
export const IGMP_BAD_SUM = 2;
/** `igmpCheck`: the sources or records announced do not fit. */
export const IGMP_BAD_LEN = 3;

/** 0 when the `len` bytes at `off` are a valid message whose lists lie inside, else the first reason. */
export function igmpCheck(view: DataView, off: number, len: number, sumOk = false): number {
  if (len < IGMP_MINLEN) return IGMP_BAD_SHORT;
  if (!sumOk && inCksum(view, off, len) !== 0) return IGMP_BAD_SUM;
  const type = view.getUint8(off);
  if (type === IGMP_HOST_MEMBERSHIP_QUERY && len !== IGMP_MINLEN) {
    // RFC 9776 §7.1: longer than 8 bytes is version 3 and must have at least 12.
    if (len < IGMP_V3_QUERY_MINLEN) return IGMP_BAD_SHORT;
    return IGMP_V3_QUERY_MINLEN + 4 * view.getUint16(off + IGMP_V3_NUMSRC) > len ? IGMP_BAD_LEN : 0;
  }
  if (type !== IGMP_V3_HOST_MEMBERSHIP_REPORT) return 0;
  const ngroups = view.getUint16(off + IGMP_V3_NUMGRPS);
  let at = off + IGMP_V3_REPORT_MINLEN;
  for (let i = 0; i < ngroups; i++) {
    const n = igmpRecordLen(view, at, off + len);
    if (n < 0) return IGMP_BAD_LEN;
    at += n;
  }
  return 0;
}

/** Bytes of the group record at `at`, or -1 when it does not end by `end`. */
export function igmpRecordLen(view: DataView, at: number, end: number): number {
  if (at + IGMP_GRPREC_HDRLEN > end) return -1;
  const n = IGMP_GRPREC_HDRLEN + 4 * (view.getUint8(at + 1) + view.getUint16(at + 2));
  return at + n > end ? -1 : n;
}

/** Value of a code byte of version 3: linear below 128, then mantissa and exponent (RFC 9776 §4.1.1). */
export function igmpCodeValue(code: number): number {
  return code < 128 ? code : ((code & 0x0f) | 0x10) << (((code & 0x70) >>> 4) + 3);
}

/** The code byte whose value is the largest not above `value`; 255 for anything greater than a byte can say. */
export function igmpCodeOf(value: number): number {
  if (value < 128) return value;
  for (let exp = 0; exp < 8; exp++) {
    const mant = value >>> (exp + 3);
    if (mant < 32) return 0x80 | (exp << 4) | (mant & 0x0f);
  }
  return 255;
}

export const igmpType = (view: DataView, off: number): number => view.getUint8(off);
export const igmpCode = (view: DataView, off: number): number => view.getUint8(off + IGMP_CODE);
export const igmpGroup = (view: DataView, off: number): number => view.getUint32(off + IGMP_GROUP);

/** Writes a message of version 1 or 2, IGMP_MINLEN bytes. */
export function igmpEmit(view: DataView, off: number, type: number, code: number, group: number): void {
  view.setUint32(off, ((type << 24) | (code << 16)) >>> 0);
  view.setUint32(off + IGMP_GROUP, group);
  view.setUint16(off + IGMP_CKSUM, inCksum(view, off, IGMP_MINLEN));
}
