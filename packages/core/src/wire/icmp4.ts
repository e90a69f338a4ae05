/**
 * icmp4.ts — ICMP for IPv4: offsets, types and codes, validity, emit.
 * Read first: RFC 792, RFC 1122 §3.2.2, RFC 1191 §4 (next-hop MTU), RFC 4884 (extensions), FreeBSD's netinet/ip_icmp.h.
 *
 *    0      1      2       4                8
 *    | type | code | cksum | depends (4)    | data: echoed bytes, or the IP header and first bytes of the packet at fault
 *
 * Not here: rate limits, who may send an error about what.
 */

import { inCksum } from './checksum.js';

export const ICMP4_TYPE = 0;
export const ICMP4_CODE = 1;
export const ICMP4_CKSUM = 2;
/** Echo, timestamp, information and mask messages. */
export const ICMP4_ID = 4;
export const ICMP4_SEQ = 6;
/** Redirect: the better gateway. */
export const ICMP4_GWADDR = 4;
/** Unreachable, code 4. */
export const ICMP4_NEXTMTU = 6;
/** Parameter problem: which octet. */
export const ICMP4_PPTR = 4;
/** RFC 4884: length of the quoted datagram in 32-bit words. */
export const ICMP4_EXT_LEN = 5;
/** What follows the header. */
export const ICMP4_DATA = 8;
/** Timestamp messages. */
export const ICMP4_OTIME = 8;
export const ICMP4_RTIME = 12;
export const ICMP4_TTIME = 16;
export const ICMP4_MASK = 8;

export const ICMP_MINLEN = 8;
export const ICMP_TSLEN = 20;
export const ICMP_MASKLEN = 12;
/** Shortest error: its header, an IP header without options, 64 bits of data. */
export const ICMP_ADVLENMIN = 36;

export const ICMP_ECHOREPLY = 0;
export const ICMP_UNREACH = 3;
export const ICMP_SOURCEQUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_ROUTERADVERT = 9;
export const ICMP_ROUTERSOLICIT = 10;
export const ICMP_TIMXCEED = 11;
export const ICMP_PARAMPROB = 12;
export const ICMP_TSTAMP = 13;
export const ICMP_TSTAMPREPLY = 14;
export const ICMP_IREQ = 15;
export const ICMP_IREQREPLY = 16;
export const ICMP_MASKREQ = 17;
export const ICMP_MASKREPLY = 18;
export const ICMP_MAXTYPE = 40;

export const ICMP_UNREACH_NET = 0;
export const ICMP_UNREACH_HOST = 1;
export const ICMP_UNREACH_PROTOCOL = 2;
export const ICMP_UNREACH_PORT = 3;
export const ICMP_UNREACH_NEEDFRAG = 4;
export const ICMP_UNREACH_SRCFAIL = 5;
export const ICMP_UNREACH_NET_UNKNOWN = 6;
export const ICMP_UNREACH_HOST_UNKNOWN = 7;
export const ICMP_UNREACH_ISOLATED = 8;
export const ICMP_UNREACH_NET_PROHIB = 9;
export const ICMP_UNREACH_HOST_PROHIB = 10;
export const ICMP_UNREACH_TOSNET = 11;
export const ICMP_UNREACH_TOSHOST = 12;
export const ICMP_UNREACH_FILTER_PROHIB = 13;
export const ICMP_UNREACH_HOST_PRECEDENCE = 14;
export const ICMP_UNREACH_PRECEDENCE_CUTOFF = 15;

export const ICMP_REDIRECT_NET = 0;
export const ICMP_REDIRECT_HOST = 1;
export const ICMP_REDIRECT_TOSNET = 2;
export const ICMP_REDIRECT_TOSHOST = 3;

export const ICMP_TIMXCEED_INTRANS = 0;
export const ICMP_TIMXCEED_REASS = 1;

export const ICMP_PARAMPROB_ERRATPTR = 0;
export const ICMP_PARAMPROB_OPTABSENT = 1;
export const ICMP_PARAMPROB_LENGTH = 2;

/** `icmp4Check`: fewer bytes than ICMP_MINLEN. */
export const ICMP4_BAD_SHORT = 1;
/** `icmp4Check`: the checksum is wrong. */
export const ICMP4_BAD_SUM = 2;
/** `icmp4Check`: the type's own data is missing, or the quoted IP header is not one. */
export const ICMP4_BAD_LEN = 3;

/** 0 when the `len` bytes at `off` are a valid message, else the first reason. Unknown types need only header and checksum. */
export function icmp4Check(view: DataView, off: number, len: number, sumOk = false): number {
  if (len < ICMP_MINLEN) return ICMP4_BAD_SHORT;
  if (!sumOk && inCksum(view, off, len) !== 0) return ICMP4_BAD_SUM;
  const type = view.getUint8(off);
  if (icmp4IsError(type)) {
    if (len < ICMP_ADVLENMIN) return ICMP4_BAD_LEN;
    const vhl = view.getUint8(off + ICMP4_DATA);
    const hl = (vhl & 15) << 2;
    return vhl >>> 4 !== 4 || hl < 20 || len < ICMP4_DATA + hl + 8 ? ICMP4_BAD_LEN : 0;
  }
  if (type === ICMP_TSTAMP || type === ICMP_TSTAMPREPLY) return len < ICMP_TSLEN ? ICMP4_BAD_LEN : 0;
  if (type === ICMP_MASKREQ || type === ICMP_MASKREPLY) return len < ICMP_MASKLEN ? ICMP4_BAD_LEN : 0;
  return 0;
}

/** True for the types that report an error about a packet and quote it. Never answer one with an error (RFC 1122 §3.2.2). */
export function icmp4IsError(type: number): boolean {
  return (
    type === ICMP_UNREACH || type === ICMP_SOURCEQUENCH || type === ICMP_REDIRECT || type === ICMP_TIMXCEED || type === ICMP_PARAMPROB
  );
}

export const icmp4Type = (view: DataView, off: number): number => view.getUint8(off);
export const icmp4Code = (view: DataView, off: number): number => view.getUint8(off + ICMP4_CODE);
export const icmp4Cksum = (view: DataView, off: number): number => view.getUint16(off + ICMP4_CKSUM);
export const icmp4Id = (view: DataView, off: number): number => view.getUint16(off + ICMP4_ID);
export const icmp4Seq = (view: DataView, off: number): number => view.getUint16(off + ICMP4_SEQ);
export const icmp4Gwaddr = (view: DataView, off: number): number => view.getUint32(off + ICMP4_GWADDR);
export const icmp4Nextmtu = (view: DataView, off: number): number => view.getUint16(off + ICMP4_NEXTMTU);
export const icmp4Pptr = (view: DataView, off: number): number => view.getUint8(off + ICMP4_PPTR);

/** Writes the checksum of a message of `len` bytes. */
export function icmp4PutSum(view: DataView, off: number, len: number): void {
  view.setUint16(off + ICMP4_CKSUM, 0);
  view.setUint16(off + ICMP4_CKSUM, inCksum(view, off, len));
}

/** Writes an eight-byte header with `rest` as its second word, and the checksum over `len` bytes (data is in place). */
export function icmp4Emit(view: DataView, off: number, len: number, type: number, code: number, rest: number): void {
  view.setUint16(off, (type << 8) | code);
  view.setUint32(off + 4, rest);
  icmp4PutSum(view, off, len);
}
