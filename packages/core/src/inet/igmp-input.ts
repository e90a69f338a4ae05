/**
 * igmp-input.ts — an IGMP message came in.
 * Read first: RFC 9776 §4, §7; freebsd `sys/netinet/igmp.c` igmp_input for what is counted as what.
 *
 * Theory of operation. The message is checked whole before anybody looks into it; then the host's side hears queries and older reports, and the querier's
 * side, where there is one, queries of others and all reports. Whatever was valid goes on to raw sockets: routing daemons live there.
 * A report of ours, looped back to us, is for the querier's side only.
 *
 * Invariants: lists in a message are read only after `igmpCheck` has found them inside.
 * Not here: DVMRP, PIM version 1, multicast traceroute: raw sockets get them.
 *
 * @rfc 9776 7 yes
 * @rfc 2236 3 yes
 * @rfc 1112 I yes
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_LOOPBACK } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { GROUPS, ORIGINAL, SOURCES } from '../net/mcast/host.js';
import type { McastVersion } from '../net/mcast/host.js';
import { INADDR_ALLHOSTS_GROUP, ip4IsMulticast } from '../wire/addr.js';
import {
  IGMP_BAD_LEN, IGMP_BAD_SHORT, IGMP_BAD_SUM, IGMP_CODE, IGMP_DVMRP, IGMP_GRPREC_HDRLEN, IGMP_HOST_LEAVE_MESSAGE, IGMP_HOST_MEMBERSHIP_QUERY, IGMP_MINLEN,
  IGMP_V1_HOST_MEMBERSHIP_REPORT, IGMP_V2_HOST_MEMBERSHIP_REPORT, IGMP_V3_HOST_MEMBERSHIP_REPORT, IGMP_V3_MISC, IGMP_V3_NUMGRPS, IGMP_V3_NUMSRC, IGMP_V3_QQI,
  IGMP_V3_QUERY_MINLEN, IGMP_V3_REPORT_MINLEN, igmpCheck, igmpCodeValue, igmpGroup, igmpRecordLen, igmpType,
} from '../wire/igmp.js';
import { IP4_SRC, IPOPT_RA, ip4Dst, ip4FindOpt, ip4Hl, ip4PutSum, ip4Src, ip4Ttl } from '../wire/ip4.js';
import type { Igmp } from './igmp.js';

const US_PER_TENTH = 100_000;
const ADDR = 4;
/** Least robustness a host believes (RFC 9776 §8.1). */
const QRV_MIN = 2;
const RV_INIT = 2;

/** `m.off` is at the IP header. Owns `m`. */
export function igmpInput(igmp: Igmp, ifp: Ifnet, m: PacketBuffer, hlen: number): void {
  igmp.stats.rcvTotal++;
  if (!valid(igmp, m, hlen)) {
    m.free();
    return;
  }
  const at = m.off + hlen;
  const type = igmpType(m.view, at);
  if (type === IGMP_HOST_MEMBERSHIP_QUERY) query(igmp, ifp, m, at, m.len - hlen);
  else if (type === IGMP_V1_HOST_MEMBERSHIP_REPORT) {
    if (igmp.tun.v1enable !== 0 && !oldReport(igmp, ifp, m, at, ORIGINAL)) return m.free();
  } else if (type === IGMP_V2_HOST_MEMBERSHIP_REPORT) {
    if (!hasAlert(m)) igmp.stats.rcvNora++;
    if (igmp.tun.v2enable !== 0 && !oldReport(igmp, ifp, m, at, GROUPS)) return m.free();
  } else if (type === IGMP_V3_HOST_MEMBERSHIP_REPORT) {
    if (!hasAlert(m)) igmp.stats.rcvNora++;
    report(igmp, ifp, m, at);
  } else if (type === IGMP_HOST_LEAVE_MESSAGE) {
    const group = igmpGroup(m.view, at);
    if (ip4IsMulticast(group)) igmp.querierOf(ifp)?.heardLeave(group);
  }
  igmp.toRaw(m);
}

function valid(igmp: Igmp, m: PacketBuffer, hlen: number): boolean {
  const { stats } = igmp;
  const at = m.off + hlen;
  const len = m.len - hlen;
  const bad = igmpCheck(m.view, at, len);
  if (bad === IGMP_BAD_SHORT) stats.rcvTooshort++;
  else if (bad === IGMP_BAD_SUM) stats.rcvBadsum++;
  else if (bad === IGMP_BAD_LEN) {
    if (igmpType(m.view, at) === IGMP_HOST_MEMBERSHIP_QUERY) stats.rcvTooshort++;
    else stats.rcvBadreports++;
  } else if (igmpType(m.view, at) !== IGMP_DVMRP && ip4Ttl(m.view, m.off) !== 1) stats.rcvBadttl++;
  else return true;
  return false;
}

function hasAlert(m: PacketBuffer): boolean {
  return ip4FindOpt(m.view, m.off, IPOPT_RA) > 0;
}

/** Sources in a list at `at`. */
function addresses(view: DataView, at: number, n: number): number[] {
  const list: number[] = [];
  for (let i = 0; i < n; i++) list.push(view.getUint32(at + ADDR * i));
  return list;
}

function query(igmp: Igmp, ifp: Ifnet, m: PacketBuffer, at: number, len: number): void {
  const v = m.view;
  const { stats, tun } = igmp;
  const code = v.getUint8(at + IGMP_CODE);
  const version: McastVersion = len !== IGMP_MINLEN ? SOURCES : code === 0 ? ORIGINAL : GROUPS;
  if (version === SOURCES) stats.rcvV3Queries++;
  else stats.rcvV1v2Queries++;
  if ((version === ORIGINAL && tun.v1enable === 0) || (version === GROUPS && tun.v2enable === 0)) return;
  const group = igmpGroup(v, at);
  const general = group === 0;
  const nsrc = version === SOURCES ? v.getUint16(at + IGMP_V3_NUMSRC) : 0;
  const toAll = ip4Dst(v, m.off) === INADDR_ALLHOSTS_GROUP;
  if (general ? !toAll || nsrc > 0 : version === ORIGINAL || !ip4IsMulticast(group)) {
    stats.rcvBadqueries++;
    return;
  }
  if (general) stats.rcvGenQueries++;
  else if (nsrc === 0) stats.rcvGroupQueries++;
  else stats.rcvGsrQueries++;
  if ((ifp.flags & IFF_LOOPBACK) !== 0) return;
  const responseUs = (version === SOURCES ? igmpCodeValue(code) : code) * US_PER_TENTH || US_PER_TENTH;
  const sources = addresses(v, at + IGMP_V3_QUERY_MINLEN, nsrc);
  const src = ip4Src(v, m.off);
  const misc = version === SOURCES ? v.getUint8(at + IGMP_V3_MISC) : 0;
  const qqi = version === SOURCES ? igmpCodeValue(v.getUint8(at + IGMP_V3_QQI)) : 0;
  const qrv = misc & 0x07;
  if (src !== 0) igmp.querierOf(ifp)?.heardQuery(src, { group: general ? null : group, sources, suppress: (misc & 0x08) !== 0, responseUs }, qrv, qqi);
  const host = igmp.hostFor(ifp);
  if (host === null) return;
  if (version === SOURCES && host.version === SOURCES) host.learn(qrv < QRV_MIN ? RV_INIT : qrv, qqi, general ? responseUs / (10 * US_PER_TENTH) : 0);
  if (general) host.generalQuery(version, responseUs);
  else if (!host.groupQuery(version, responseUs, group, sources)) stats.dropGsrQueries++;
}

/** A report of version 1 or 2. False: not one, and nobody shall see it. */
function oldReport(igmp: Igmp, ifp: Ifnet, m: PacketBuffer, at: number, version: typeof ORIGINAL | typeof GROUPS): boolean {
  const { stats, tun } = igmp;
  const v = m.view;
  const group = igmpGroup(v, at);
  const src = ip4Src(v, m.off);
  if (version === GROUPS && ownAddress(igmp, ifp, src)) {
    igmp.querierOf(ifp)?.heardOld(src, group, version);
    return true;
  }
  stats.rcvReports++;
  if ((ifp.flags & IFF_LOOPBACK) !== 0) return true;
  if (!ip4IsMulticast(group) || group !== ip4Dst(v, m.off)) {
    stats.rcvBadreports++;
    return false;
  }
  igmp.querierOf(ifp)?.heardOld(src, group, version);
  const ia = src === 0 && tun.recvifkludge !== 0 ? igmp.ip?.inNet.firstAddr(ifp) : null;
  if (ia !== null && ia !== undefined) {
    v.setUint32(m.off + IP4_SRC, ia.subnet);
    ip4PutSum(v, m.off, ip4Hl(v, m.off));
  }
  if (igmp.hostOf(ifp)?.otherReported(group, tun.legacysupp !== 0) === true) stats.rcvOurreports++;
  return true;
}

function ownAddress(igmp: Igmp, ifp: Ifnet, src: number): boolean {
  return src !== 0 && igmp.ip !== null && igmp.ip.inNet.addrOnIf(src, ifp) !== null;
}

/** Version 3: of no interest to a host. */
function report(igmp: Igmp, ifp: Ifnet, m: PacketBuffer, at: number): void {
  const querier = igmp.querierOf(ifp);
  if (querier === null) return;
  querier.stats.reports++;
  const v = m.view;
  const src = ip4Src(v, m.off);
  const end = m.off + m.len;
  let record = at + IGMP_V3_REPORT_MINLEN;
  for (let left = v.getUint16(at + IGMP_V3_NUMGRPS); left > 0; left--) {
    const group = v.getUint32(record + 4);
    if (ip4IsMulticast(group)) querier.heardRecord(src, v.getUint8(record), group, addresses(v, record + IGMP_GRPREC_HDRLEN, v.getUint16(record + 2)));
    record += igmpRecordLen(v, record, end);
  }
}
