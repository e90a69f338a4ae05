/**
 * mld6-input.ts — an MLD message came in.
 * Read first: RFC 9777 §5, §6.2, §7.6, §8; RFC 2710 §4.
 *
 * Theory of operation. As IGMP's (inet/igmp-input.ts): checked whole, then the host's side hears queries and older reports, the querier's side queries of
 * others and all reports, and raw sockets see what was valid. A message must have hop limit 1, the router alert, and a link-local source; a report
 * may come from :: (a host without an address yet), which tells the querier too.
 *
 * @rfc 9777 5.1.14 yes
 * @rfc 9777 5.2.13 yes
 * @rfc 9777 6.2 yes
 * @rfc 2710 4 yes
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_LOOPBACK } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { GROUPS, SOURCES } from '../net/mcast/host.js';
import type { McastVersion } from '../net/mcast/host.js';
import { ip6Big } from '../wire/addr6.js';
import {
  MLDV2_GRPREC_HDRLEN, MLDV2_LISTENER_REPORT, MLDV2_MISC, MLDV2_NUMGRPS, MLDV2_NUMSRC, MLDV2_QQI, MLDV2_QUERY_MINLEN, MLDV2_REPORT_MINLEN, MLD_ADDR, MLD_LISTENER_DONE,
  MLD_LISTENER_QUERY, MLD_LISTENER_REPORT, MLD_MAXDELAY, MLD_MINLEN, icmp6Type, mldCodeValue,
} from '../wire/icmp6.js';
import { igmpCodeValue } from '../wire/igmp.js';
import { IP6EXT_LEN, IP6OPT_ROUTER_ALERT, IP6_DST, IP6_HDR_LEN, IP6_HLIM, IP6_NXT, IP6_SRC, ip6OptLen } from '../wire/ip6.js';
import { IPPROTO_HOPOPTS } from '../wire/ipproto.js';
import { ALL_NODES } from './mld6-output.js';
import type { Mld } from './mld6.js';

const US_PER_MS = 1_000;
const ADDR = 16;
const QRV_MIN = 2;
const RV_INIT = 2;
const S_PER_MS = 0.001;

/** `m.off` is at the IPv6 header, `off` bytes from there to the message; its checksum is right. Owns `m`. */
export function mldInput(mld: Mld, ifp: Ifnet, m: PacketBuffer, off: number): void {
  mld.stats.rcvTotal++;
  if (!valid(mld, m, off)) {
    m.free();
    return;
  }
  const at = m.off + off;
  const len = m.len - off;
  const type = icmp6Type(m.view, at);
  if (type === MLD_LISTENER_QUERY) query(mld, ifp, m, at, len);
  else if (type === MLD_LISTENER_REPORT) report1(mld, ifp, m, at);
  else if (type === MLDV2_LISTENER_REPORT) report2(mld, ifp, m, at, len);
  else if (type === MLD_LISTENER_DONE) mld.querierOf(ifp)?.heardLeave(ip6Big(m.view, at + MLD_ADDR));
  mld.toRaw(m, off);
}

function valid(mld: Mld, m: PacketBuffer, off: number): boolean {
  const { stats } = mld;
  const v = m.view;
  const at = m.off + off;
  const len = m.len - off;
  const type = icmp6Type(v, at);
  const least = type === MLDV2_LISTENER_REPORT ? MLDV2_REPORT_MINLEN : MLD_MINLEN;
  if (len < least || (type === MLD_LISTENER_QUERY && len > MLD_MINLEN && len < MLDV2_QUERY_MINLEN)) stats.rcvTooshort++;
  else if (v.getUint8(m.off + IP6_HLIM) !== 1) stats.rcvBadhlim++;
  else if (!hasAlert(m, off)) stats.rcvNora++;
  else if (!sourceOk(v, m.off + IP6_SRC, type)) stats.rcvBadsource++;
  else return true;
  return false;
}

function hasAlert(m: PacketBuffer, off: number): boolean {
  const v = m.view;
  if (v.getUint8(m.off + IP6_NXT) !== IPPROTO_HOPOPTS || off < IP6_HDR_LEN + 8) return false;
  const hbh = m.off + IP6_HDR_LEN;
  const end = hbh + ((v.getUint8(hbh + IP6EXT_LEN) + 1) << 3);
  if (end > m.off + off) return false;
  for (let at = hbh + 2; ; ) {
    const n = ip6OptLen(v, at, end);
    if (n <= 0) return false;
    if (v.getUint8(at) === IP6OPT_ROUTER_ALERT) return true;
    at += n;
  }
}

/** Link-local; for a report also unspecified. */
function sourceOk(v: DataView, at: number, type: number): boolean {
  if (v.getUint16(at) >>> 6 === 0x3fa) return true;
  return type !== MLD_LISTENER_QUERY && ip6Big(v, at) === 0n;
}

function addresses(view: DataView, at: number, n: number): bigint[] {
  const list: bigint[] = [];
  for (let i = 0; i < n; i++) list.push(ip6Big(view, at + ADDR * i));
  return list;
}

const isGroup = (group: bigint): boolean => group >> 120n === 0xffn;

function query(mld: Mld, ifp: Ifnet, m: PacketBuffer, at: number, len: number): void {
  const v = m.view;
  const { stats, tun } = mld;
  const version: McastVersion = len === MLD_MINLEN ? GROUPS : SOURCES;
  if (version === SOURCES) stats.rcvV2Queries++;
  else stats.rcvV1Queries++;
  if (version === SOURCES ? tun.v2enable === 0 && tun.v1enable === 0 : tun.v1enable === 0) return;
  const group = ip6Big(v, at + MLD_ADDR);
  const general = group === 0n;
  const nsrc = version === SOURCES ? v.getUint16(at + MLDV2_NUMSRC) : 0;
  if (general ? ip6Big(v, m.off + IP6_DST) !== ALL_NODES || nsrc > 0 : !isGroup(group) || MLDV2_QUERY_MINLEN + ADDR * nsrc > Math.max(len, MLDV2_QUERY_MINLEN)) {
    stats.rcvBadqueries++;
    return;
  }
  if ((ifp.flags & IFF_LOOPBACK) !== 0) return;
  const code = v.getUint16(at + MLD_MAXDELAY);
  const ms = version === SOURCES ? mldCodeValue(code) : code;
  const responseUs = ms * US_PER_MS || US_PER_MS;
  const sources = addresses(v, at + MLDV2_QUERY_MINLEN, nsrc);
  const misc = version === SOURCES ? v.getUint8(at + MLDV2_MISC) : 0;
  const qqi = version === SOURCES ? igmpCodeValue(v.getUint8(at + MLDV2_QQI)) : 0;
  const qrv = misc & 0x07;
  mld.querierOf(ifp)?.heardQuery(ip6Big(v, m.off + IP6_SRC), { group: general ? null : group, sources, suppress: (misc & 0x08) !== 0, responseUs }, qrv, qqi);
  const host = mld.hostFor(ifp);
  if (host === null) return;
  if (version === SOURCES && host.version === SOURCES) host.learn(qrv < QRV_MIN ? RV_INIT : qrv, qqi, general ? ms * S_PER_MS : 0);
  if (general) host.generalQuery(version, responseUs);
  else if (!host.groupQuery(version, responseUs, group, sources)) stats.dropGsrQueries++;
}

/** A report of version 1. */
function report1(mld: Mld, ifp: Ifnet, m: PacketBuffer, at: number): void {
  const v = m.view;
  const { stats } = mld;
  const group = ip6Big(v, at + MLD_ADDR);
  stats.rcvReports++;
  if (mld.tun.v1enable === 0 || (ifp.flags & IFF_LOOPBACK) !== 0) return;
  if (!isGroup(group) || group !== ip6Big(v, m.off + IP6_DST)) {
    stats.rcvBadreports++;
    return;
  }
  const src = ip6Big(v, m.off + IP6_SRC);
  mld.querierOf(ifp)?.heardOld(src, group, GROUPS);
  if (src !== mld.address(ifp) && mld.hostOf(ifp)?.otherReported(group, false) === true) stats.rcvOurreports++;
}

/** Version 2: of no interest to a host. */
function report2(mld: Mld, ifp: Ifnet, m: PacketBuffer, at: number, len: number): void {
  const v = m.view;
  const { stats } = mld;
  stats.rcvReports++;
  const end = at + len;
  const src = ip6Big(v, m.off + IP6_SRC);
  const querier = mld.querierOf(ifp);
  if (querier !== null) querier.stats.reports++;
  let record = at + MLDV2_REPORT_MINLEN;
  for (let left = v.getUint16(at + MLDV2_NUMGRPS); left > 0; left--) {
    const n = recordLen(v, record, end);
    if (n < 0) {
      stats.rcvBadreports++;
      return;
    }
    const group = ip6Big(v, record + 4);
    if (isGroup(group)) querier?.heardRecord(src, v.getUint8(record), group, addresses(v, record + MLDV2_GRPREC_HDRLEN, v.getUint16(record + 2)));
    record += n;
  }
}

/** Bytes of the record at `at`, -1 when it does not end by `end`. */
function recordLen(v: DataView, at: number, end: number): number {
  if (at + MLDV2_GRPREC_HDRLEN > end) return -1;
  const n = MLDV2_GRPREC_HDRLEN + 4 * v.getUint8(at + 1) + ADDR * v.getUint16(at + 2);
  return at + n > end ? -1 : n;
}
