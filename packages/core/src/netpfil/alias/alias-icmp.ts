/**
 * alias-icmp.ts — ICMP is aliased: questions by their identifier, errors by the packet they quote.
 * Read first: RFC 5508; libalias's IcmpAliasIn1 and its likes.
 *
 * Echo and timestamp messages have an identifier, which is treated as a port. An error message is for whoever sent the packet it quotes: the quotation is
 * looked up like that packet's answer would be, the address outside it is replaced, and the quotation is made what the receiver has
 * sent, its addresses, port or identifier and checksums included, so that the receiver recognises it.
 * Other messages are ignored.
 *
 * Differences from libalias: a quotation must be whole (an IP header and 8 bytes of the first fragment) in both directions, and the checksums inside it
 * are kept right.
 */
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { cksumUpdate16, cksumUpdate32 } from '../../wire/checksum.js';
import {
  ICMP4_CKSUM, ICMP4_DATA, ICMP4_ID, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_MINLEN, ICMP_PARAMPROB, ICMP_SOURCEQUENCH, ICMP_TIMXCEED, ICMP_TSTAMP, ICMP_TSTAMPREPLY, ICMP_UNREACH,
  icmp4Code, icmp4Id, icmp4Type,
} from '../../wire/icmp4.js';
import { IP4_DST, IP4_HDR_LEN, IP4_SRC, IP4_SUM, IP_OFFMASK, ip4Hl, ip4Len, ip4Off, ip4P, ip4Version } from '../../wire/ip4.js';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import { UDP_SUM } from '../../wire/udp.js';
import type { AliasDb } from './alias-db.js';
import type { AliasLink } from './alias-link.js';
import { isSumPending, put16, put32, putAddr } from './alias-rewrite.js';
import { PKT_ALIAS_ERROR, PKT_ALIAS_IGNORED, PKT_ALIAS_OK, PKT_ALIAS_PROXY_ONLY } from './alias-var.js';
import type { AliasResult } from './alias-var.js';

/** Bytes of a quotation behind its IP header. */
const QUOTE_MIN = 8;

export function icmpAliasOut(db: AliasDb, m: PacketBuffer, create: boolean): AliasResult {
  const icmp = message(m);
  if (icmp === 0) return PKT_ALIAS_IGNORED;
  if ((db.mode & PKT_ALIAS_PROXY_ONLY) !== 0) return PKT_ALIAS_OK;
  const v = m.view;
  switch (icmp4Type(v, icmp)) {
    case ICMP_ECHO:
    case ICMP_TSTAMP:
      return icmp4Code(v, icmp) === 0 ? queryOut(db, m, icmp, create) : PKT_ALIAS_IGNORED;
    case ICMP_ECHOREPLY:
    case ICMP_TSTAMPREPLY:
      return queryOut(db, m, icmp, create);
    case ICMP_UNREACH:
    case ICMP_SOURCEQUENCH:
    case ICMP_TIMXCEED:
    case ICMP_PARAMPROB:
      return errorOut(db, m, icmp);
    default:
      return PKT_ALIAS_IGNORED;
  }
}

export function icmpAliasIn(db: AliasDb, m: PacketBuffer): AliasResult {
  const icmp = message(m);
  if (icmp === 0) return PKT_ALIAS_IGNORED;
  if ((db.mode & PKT_ALIAS_PROXY_ONLY) !== 0) return PKT_ALIAS_OK;
  const v = m.view;
  switch (icmp4Type(v, icmp)) {
    case ICMP_ECHO:
    case ICMP_TSTAMP:
      return queryIn(db, m, icmp);
    case ICMP_ECHOREPLY:
    case ICMP_TSTAMPREPLY:
      return icmp4Code(v, icmp) === 0 ? queryIn(db, m, icmp) : PKT_ALIAS_IGNORED;
    case ICMP_UNREACH:
    case ICMP_SOURCEQUENCH:
    case ICMP_TIMXCEED:
    case ICMP_PARAMPROB:
      return errorIn(db, m, icmp);
    default:
      return PKT_ALIAS_IGNORED;
  }
}

/** Offset in the slot of a whole ICMP header, 0 when there is none. */
function message(m: PacketBuffer): number {
  const hl = ip4Hl(m.view, m.off);
  return ip4Len(m.view, m.off) - hl < ICMP_MINLEN ? 0 : m.off + hl;
}

function queryOut(db: AliasDb, m: PacketBuffer, icmp: number, create: boolean): AliasResult {
  const v = m.view;
  const lnk = db.icmpOut(v.getInt32(m.off + IP4_SRC), icmp4Id(v, icmp), v.getInt32(m.off + IP4_DST), create);
  if (lnk === null) return create ? PKT_ALIAS_ERROR : PKT_ALIAS_IGNORED;
  putId(m, icmp, lnk.aliasPort);
  putAddr(v, m.off, IP4_SRC, db.aliasOf(lnk));
  return PKT_ALIAS_OK;
}

function queryIn(db: AliasDb, m: PacketBuffer, icmp: number): AliasResult {
  const v = m.view;
  const lnk = db.icmpIn(v.getInt32(m.off + IP4_DST), icmp4Id(v, icmp), v.getInt32(m.off + IP4_SRC), true);
  if (lnk === null) return db.denies() ? PKT_ALIAS_IGNORED : PKT_ALIAS_ERROR;
  putId(m, icmp, lnk.srcPort);
  putAddr(v, m.off, IP4_DST, db.originalOf(lnk));
  return PKT_ALIAS_OK;
}

function putId(m: PacketBuffer, icmp: number, id: number): void {
  if (isSumPending(m, icmp)) m.view.setUint16(icmp + ICMP4_ID, id);
  else put16(m.view, icmp + ICMP4_ID, id, icmp + ICMP4_CKSUM);
}

/** Offset in the slot of the quoted packet, 0 when it is not whole enough to be looked up. */
function quotation(m: PacketBuffer, icmp: number): number {
  const v = m.view;
  const quoted = icmp + ICMP4_DATA;
  const end = m.off + ip4Len(v, m.off);
  if (quoted + IP4_HDR_LEN > end || ip4Version(v, quoted) !== 4) return 0;
  const hl = ip4Hl(v, quoted);
  if (hl < IP4_HDR_LEN || quoted + hl + QUOTE_MIN > end || (ip4Off(v, quoted) & IP_OFFMASK) !== 0) return 0;
  return quoted;
}

/** An error from outside about a packet that went out aliased: for the host that sent it. */
function errorIn(db: AliasDb, m: PacketBuffer, icmp: number): AliasResult {
  const q = quotation(m, icmp);
  if (q === 0) return PKT_ALIAS_IGNORED;
  const v = m.view;
  const l4 = q + ip4Hl(v, q);
  const proto = ip4P(v, q);
  const alias = v.getInt32(q + IP4_SRC);
  const dst = v.getInt32(q + IP4_DST);
  let lnk: AliasLink | null = null;
  if (proto === IPPROTO_TCP || proto === IPPROTO_UDP) lnk = db.portIn(proto, alias, v.getUint16(l4), dst, v.getUint16(l4 + 2), false);
  else if (proto === IPPROTO_ICMP && isQuestion(v, l4)) lnk = db.icmpIn(alias, icmp4Id(v, l4), dst, false);
  if (lnk === null) return PKT_ALIAS_IGNORED;
  const original = db.originalOf(lnk);
  putQuoted(m, icmp, q, IP4_SRC, original, proto === IPPROTO_ICMP ? ICMP4_ID : 0, lnk.srcPort);
  putAddr(v, m.off, IP4_DST, original);
  return PKT_ALIAS_OK;
}

/** An error from inside about a packet that came in aliased: to whoever sent it there. */
function errorOut(db: AliasDb, m: PacketBuffer, icmp: number): AliasResult {
  const q = quotation(m, icmp);
  if (q === 0) return PKT_ALIAS_IGNORED;
  const v = m.view;
  const l4 = q + ip4Hl(v, q);
  const proto = ip4P(v, q);
  const host = v.getInt32(q + IP4_DST);
  const peer = v.getInt32(q + IP4_SRC);
  let lnk: AliasLink | null = null;
  if (proto === IPPROTO_TCP || proto === IPPROTO_UDP) lnk = db.portOut(proto, host, v.getUint16(l4 + 2), peer, v.getUint16(l4), false);
  else if (proto === IPPROTO_ICMP && isQuestion(v, l4)) lnk = db.icmpOut(host, icmp4Id(v, l4), peer, false);
  if (lnk === null) return PKT_ALIAS_IGNORED;
  const alias = db.aliasOf(lnk);
  putQuoted(m, icmp, q, IP4_DST, alias, proto === IPPROTO_ICMP ? ICMP4_ID : 2, lnk.aliasPort);
  // A router inside that reports the error keeps its own address, as libalias does it.
  if (v.getInt32(m.off + IP4_SRC) === host) putAddr(v, m.off, IP4_SRC, alias);
  return PKT_ALIAS_OK;
}

function isQuestion(v: DataView, at: number): boolean {
  const type = icmp4Type(v, at);
  return type === ICMP_ECHO || type === ICMP_TSTAMP;
}

/**
 * In the packet quoted at `q`, the address at `addrAt` becomes `addr` and the port (or identifier) `portAt` bytes behind its IP header becomes `port`; its own
 * checksums follow as far as they are quoted, and the message's for all of it.
 */
function putQuoted(m: PacketBuffer, icmp: number, q: number, addrAt: number, addr: number, portAt: number, port: number): void {
  const v = m.view;
  const l4 = q + ip4Hl(v, q);
  const sum = icmp + ICMP4_CKSUM;
  const pending = isSumPending(m, icmp);
  const kept = v.getUint16(sum);
  const wasAddr = v.getInt32(q + addrAt);
  const wasPort = v.getUint16(l4 + portAt);
  put32(v, q + addrAt, addr, sum);
  follow(v, q + IP4_SUM, wasAddr, addr, 0, 0, sum);
  put16(v, l4 + portAt, port, sum);
  const proto = ip4P(v, q);
  if (proto === IPPROTO_ICMP) follow(v, l4 + ICMP4_CKSUM, 0, 0, wasPort, port, sum);
  else if (proto === IPPROTO_UDP && v.getUint16(l4 + UDP_SUM) !== 0) follow(v, l4 + UDP_SUM, wasAddr, addr, wasPort, port, sum);
  if (pending) v.setUint16(sum, kept);
}

/** The checksum at `at` follows a changed address and port; the one at `sumAt`, which covers it, follows that. */
function follow(v: DataView, at: number, wasAddr: number, addr: number, wasPort: number, port: number, sumAt: number): void {
  const was = v.getUint16(at);
  const is = cksumUpdate16(cksumUpdate32(was, wasAddr, addr), wasPort, port);
  put16(v, at, is, sumAt);
}
