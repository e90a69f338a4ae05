/**
 * icmp6.ts — ICMPv6, neighbour discovery, multicast listener discovery: offsets, types, validity.
 * Read first: RFC 4443 §2, RFC 4861 §4, RFC 2710 §3, RFC 9777 §5 (MLDv2), RFC 3542 for the names.
 *
 *    0      1      2       4                8
 *    | type | code | cksum | depends (4)    | target, options, or the packet at fault
 *
 * Error types are below 128. The checksum covers the IPv6 pseudo header; `inCksum6` of `checksum.ts` verifies it.
 * Not here: the neighbour cache, the rules about hop limit 255 and source addresses.
 */

export const ICMP6_TYPE = 0;
export const ICMP6_CODE = 1;
export const ICMP6_CKSUM = 2;
export const ICMP6_ID = 4;
export const ICMP6_SEQ = 6;
export const ICMP6_MTU = 4;
export const ICMP6_PPTR = 4;
export const ICMP6_DATA = 8;
export const ICMP6_HDR_LEN = 8;

export const ICMP6_DST_UNREACH = 1;
export const ICMP6_PACKET_TOO_BIG = 2;
export const ICMP6_TIME_EXCEEDED = 3;
export const ICMP6_PARAM_PROB = 4;
export const ICMP6_ECHO_REQUEST = 128;
export const ICMP6_ECHO_REPLY = 129;
export const MLD_LISTENER_QUERY = 130;
export const MLD_LISTENER_REPORT = 131;
export const MLD_LISTENER_DONE = 132;
export const ND_ROUTER_SOLICIT = 133;
export const ND_ROUTER_ADVERT = 134;
export const ND_NEIGHBOR_SOLICIT = 135;
export const ND_NEIGHBOR_ADVERT = 136;
export const ND_REDIRECT = 137;
export const ICMP6_ROUTER_RENUMBERING = 138;
export const ICMP6_NI_QUERY = 139;
export const ICMP6_NI_REPLY = 140;
export const MLDV2_LISTENER_REPORT = 143;

export const ICMP6_DST_UNREACH_NOROUTE = 0;
export const ICMP6_DST_UNREACH_ADMIN = 1;
export const ICMP6_DST_UNREACH_BEYONDSCOPE = 2;
export const ICMP6_DST_UNREACH_ADDR = 3;
export const ICMP6_DST_UNREACH_NOPORT = 4;
export const ICMP6_TIME_EXCEED_TRANSIT = 0;
export const ICMP6_TIME_EXCEED_REASSEMBLY = 1;
export const ICMP6_PARAMPROB_HEADER = 0;
export const ICMP6_PARAMPROB_NEXTHEADER = 1;
export const ICMP6_PARAMPROB_OPTION = 2;
export const ICMP6_PARAMPROB_FRAGHDRCHAIN = 3;

/** Target of neighbour solicitations, advertisements and redirects; destination of a redirect. */
export const ND_TARGET = 8;
export const ND_RD_DST = 24;
/** Router advertisements. */
export const ND_RA_CURHOPLIMIT = 4;
export const ND_RA_FLAGS = 5;
export const ND_RA_ROUTER_LIFETIME = 6;
export const ND_RA_REACHABLE = 8;
export const ND_RA_RETRANSMIT = 12;
/** Where the options begin. */
export const ND_RS_LEN = 8;
export const ND_RA_LEN = 16;
export const ND_NS_LEN = 24;
export const ND_NA_LEN = 24;
export const ND_RD_LEN = 40;

export const ND_RA_FLAG_MANAGED = 0x80;
export const ND_RA_FLAG_OTHER = 0x40;
export const ND_RA_FLAG_HOME_AGENT = 0x20;
export const ND_RA_FLAG_RTPREF_MASK = 0x18;
export const ND_RA_FLAG_IPV6ONLY = 0x02;
/** In the u32 at ICMP6_DATA - 4 of a neighbour advertisement. */
export const ND_NA_FLAG_ROUTER = 0x80000000;
export const ND_NA_FLAG_SOLICITED = 0x40000000;
export const ND_NA_FLAG_OVERRIDE = 0x20000000;

export const ND_OPT_SOURCE_LINKADDR = 1;
export const ND_OPT_TARGET_LINKADDR = 2;
export const ND_OPT_PREFIX_INFORMATION = 3;
export const ND_OPT_REDIRECTED_HEADER = 4;
export const ND_OPT_MTU = 5;
export const ND_OPT_ADVINTERVAL = 7;
export const ND_OPT_HOMEAGENT_INFO = 8;
export const ND_OPT_NONCE = 14;
export const ND_OPT_ROUTE_INFO = 24;
export const ND_OPT_RDNSS = 25;
export const ND_OPT_DNSSL = 31;
export const ND_OPT_PI_FLAG_ONLINK = 0x80;
export const ND_OPT_PI_FLAG_AUTO = 0x40;
export const ND_OPT_PI_FLAG_ROUTER = 0x20;

/** MLDv1 and a version 2 query: maximum response delay, group; a version 2 query: flags, interval code, sources. */
export const MLD_MAXDELAY = 4;
export const MLD_ADDR = 8;
export const MLD_MINLEN = 24;
export const MLDV2_MISC = 24;
export const MLDV2_QQI = 25;
export const MLDV2_NUMSRC = 26;
export const MLDV2_QUERY_MINLEN = 28;
/** A version 2 report: number of records; a record: type, auxlen, nsrcs, group. */
export const MLDV2_NUMGRPS = 6;
export const MLDV2_REPORT_MINLEN = 8;
export const MLDV2_GRPREC_HDRLEN = 20;

/** `icmp6Check`: fewer bytes than the type's fixed part. */
export const ICMP6_BAD_SHORT = 1;
/** `icmp6Check`: an option of neighbour discovery has length 0 or leaves the message. */
export const ICMP6_BAD_OPT = 2;

/** Fixed part of a neighbour discovery message, where its options begin; 0 for other types. */
export function ndFixedLen(type: number): number {
  if (type === ND_ROUTER_SOLICIT) return ND_RS_LEN;
  if (type === ND_ROUTER_ADVERT) return ND_RA_LEN;
  if (type === ND_NEIGHBOR_SOLICIT || type === ND_NEIGHBOR_ADVERT) return ND_NS_LEN;
  return type === ND_REDIRECT ? ND_RD_LEN : 0;
}

/** 0 when the `len` bytes at `off` hold the type's fixed part and well-formed options, else the first reason. */
export function icmp6Check(view: DataView, off: number, len: number): number {
  if (len < ICMP6_HDR_LEN) return ICMP6_BAD_SHORT;
  const type = view.getUint8(off);
  const fixed = ndFixedLen(type);
  if (fixed === 0) return type >= MLD_LISTENER_QUERY && type <= MLD_LISTENER_DONE && len < MLD_MINLEN ? ICMP6_BAD_SHORT : 0;
  if (len < fixed) return ICMP6_BAD_SHORT;
  const end = off + len;
  let at = off + fixed;
  for (;;) {
    const n = ndOptLen(view, at, end);
    if (n <= 0) return n < 0 ? ICMP6_BAD_OPT : 0;
    at += n;
  }
}

/** Iterates options: bytes of the one at `at`, 0 at the end, -1 malformed (RFC 4861 §6.1: the message is then dropped). */
export function ndOptLen(view: DataView, at: number, end: number): number {
  if (at >= end) return 0;
  if (at + 8 > end) return -1;
  const n = view.getUint8(at + 1) << 3;
  return n === 0 || at + n > end ? -1 : n;
}

export const icmp6Type = (view: DataView, off: number): number => view.getUint8(off);
export const icmp6Code = (view: DataView, off: number): number => view.getUint8(off + ICMP6_CODE);
export const icmp6Cksum = (view: DataView, off: number): number => view.getUint16(off + ICMP6_CKSUM);
export const icmp6Id = (view: DataView, off: number): number => view.getUint16(off + ICMP6_ID);
export const icmp6Seq = (view: DataView, off: number): number => view.getUint16(off + ICMP6_SEQ);
export const icmp6Mtu = (view: DataView, off: number): number => view.getUint32(off + ICMP6_MTU);
/** True for messages that report an error: never answer one with an error. */
export const icmp6IsError = (type: number): boolean => type < 128;

/** Milliseconds of an MLDv2 maximum response code (RFC 9777 §5.1.3). */
export function mldCodeValue(code: number): number {
  return code < 32768 ? code : ((code & 0x0fff) | 0x1000) << (((code & 0x7000) >>> 12) + 3);
}

/** The maximum response code for so many milliseconds, rounded down. */
export function mldCodeOf(ms: number): number {
  if (ms < 32768) return ms;
  for (let exp = 0; exp < 8; exp++) {
    const mant = ms >>> (exp + 3);
    if (mant < 0x2000) return 0x8000 | (exp << 12) | (mant & 0x0fff);
  }
  return 65535;
}
