/**
 * carp.ts — the CARP advertisement, version 2: 36 bytes behind an IPv4 or IPv6 header with protocol 112.
 * Read first: carp(4); FreeBSD's netinet/ip_carp.h.
 *
 *      0               1               2               3
 *     +-------+-------+---------------+---------------+---------------+
 *     |version| type  | vhid          | advskew       | authlen       |
 *     +-------+-------+---------------+---------------+---------------+
 *     | 0             | advbase       | checksum                      |
 *     +---------------+---------------+-------------------------------+
 *     | counter, 64 bits                                              |
 *     |                                                               |
 *     +---------------------------------------------------------------+
 *     | HMAC-SHA1, 20 bytes                                           |
 *
 * The checksum is the Internet checksum of these 36 bytes, without a pseudo header. Not here: the HMAC (net/carp/carp-hmac.ts).
 */
import { inCksum } from './checksum.js';

export const CARP_HDR_LEN = 36;
export const CARP_VHID = 1;
export const CARP_ADVSKEW = 2;
export const CARP_ADVBASE = 5;
export const CARP_CKSUM = 6;
export const CARP_COUNTER = 8;
export const CARP_MD = 16;

export const CARP_VERSION = 2;
export const CARP_ADVERTISEMENT = 1;
/** Counter and HMAC in 32-bit words. */
const CARP_AUTHLEN = 7;
/** Hop limit of an advertisement: one from further away has a smaller one. */
export const CARP_DFLTTL = 255;

/** 00:00:5e:00:01:VHID, the link address of a virtual host. */
export const CARP_MAC_HI = 0x0000;
export const CARP_MAC_LO = 0x5e00_0100;

export function carpVersion(v: DataView, off: number): number {
  return v.getUint8(off) >>> 4;
}

/** Writes everything but counter, HMAC and checksum; those bytes are made zero. */
export function carpEmit(v: DataView, off: number, vhid: number, advbase: number, advskew: number): void {
  v.setUint8(off, (CARP_VERSION << 4) | CARP_ADVERTISEMENT);
  v.setUint8(off + CARP_VHID, vhid);
  v.setUint8(off + CARP_ADVSKEW, advskew);
  v.setUint8(off + 3, CARP_AUTHLEN);
  v.setUint8(off + 4, 0);
  v.setUint8(off + CARP_ADVBASE, advbase);
  v.setUint16(off + CARP_CKSUM, 0);
  for (let i = CARP_COUNTER; i < CARP_HDR_LEN; i += 4) v.setUint32(off + i, 0);
}

/** Over a header with its checksum in place: 0 when that is right. */
export function carpCksum(v: DataView, off: number): number {
  return inCksum(v, off, CARP_HDR_LEN);
}

/** Puts the checksum in; everything else is in place. */
export function carpPutCksum(v: DataView, off: number): void {
  v.setUint16(off + CARP_CKSUM, 0);
  v.setUint16(off + CARP_CKSUM, inCksum(v, off, CARP_HDR_LEN));
}
