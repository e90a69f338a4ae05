/**
 * igmp-output.ts — IGMP messages are made and sent.
 * Read first: RFC 9776 §4 (formats, TTL, router alert), RFC 2236 §2.
 *
 * Everything goes out of the interface it is about with TTL 1, precedence internetwork control and, but for version 1, the router alert option; from the interface's
 * address, or from 0.0.0.0 while it has none (§4.2.13). A report that does not fit is several (net/mcast/group-record.ts).
 * A copy comes back to this host while it is a router of the link itself.
 *
 * @rfc 2236 2 yes
 * @rfc 9776 4 yes
 */
import { CSUM_L4_VALID, HEADROOM } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { packRecords } from '../net/mcast/group-record.js';
import type { GroupRecord } from '../net/mcast/group-record.js';
import { ORIGINAL, SOURCES } from '../net/mcast/host.js';
import type { GROUPS } from '../net/mcast/host.js';
import type { McastQuery, QuerierOptions } from '../net/mcast/querier.js';
import { INADDR_ALLHOSTS_GROUP, INADDR_ALLRPTS_GROUP, INADDR_ALLRTRS_GROUP } from '../wire/addr.js';
import { inCksum } from '../wire/checksum.js';
import {
  IGMP_CKSUM, IGMP_GROUP, IGMP_GRPREC_HDRLEN, IGMP_HOST_LEAVE_MESSAGE, IGMP_HOST_MEMBERSHIP_QUERY, IGMP_MINLEN, IGMP_V1_HOST_MEMBERSHIP_REPORT,
  IGMP_V2_HOST_MEMBERSHIP_REPORT, IGMP_V3_HOST_MEMBERSHIP_REPORT, IGMP_V3_MISC, IGMP_V3_NUMGRPS, IGMP_V3_NUMSRC, IGMP_V3_QQI, IGMP_V3_QUERY_MINLEN,
  IGMP_V3_REPORT_MINLEN, igmpCodeOf, igmpEmit,
} from '../wire/igmp.js';
import { IP4_HDR_LEN, IPOPT_RA, ip4Emit } from '../wire/ip4.js';
import { IPPROTO_IGMP } from '../wire/ipproto.js';
import type { Igmp } from './igmp.js';
import { IpOptions } from './ip-options.js';
import { IpOutputOpts } from './ip-output.js';

/** IPTOS_PREC_INTERNETCONTROL */
const TOS = 0xc0;
const RA_LEN = 4;
const ADDR = 4;
const US_PER_TENTH = 100_000;
/** S flag in the byte at IGMP_V3_MISC. */
const SUPPRESS = 0x08;
const QRV_MAX = 7;

/** Outputs of one Igmp: the options of its packets. */
export class IgmpOutput {
  readonly opts = new IpOutputOpts();
  readonly alert = new IpOptions();

  constructor() {
    this.alert.bytes[0] = IPOPT_RA;
    this.alert.bytes[1] = RA_LEN;
    this.alert.len = RA_LEN;
  }
}

/** The records in as many version 3 reports as they take. */
export function igmpSendReport(igmp: Igmp, ifp: Ifnet, records: readonly GroupRecord<number>[]): void {
  const room = ifp.mtu - IP4_HDR_LEN - RA_LEN - IGMP_V3_REPORT_MINLEN;
  for (const packet of packRecords(records, room, IGMP_GRPREC_HDRLEN, ADDR)) {
    const len = packet.reduce((sum, r) => sum + IGMP_GRPREC_HDRLEN + ADDR * r.sources.length, IGMP_V3_REPORT_MINLEN);
    const m = igmp.net.kern.engine.pool.alloc(len, HEADROOM);
    if (m === null) return;
    const v = m.view;
    v.setUint32(m.off, (IGMP_V3_HOST_MEMBERSHIP_REPORT << 24) >>> 0);
    v.setUint32(m.off + 4, packet.length);
    v.setUint16(m.off + IGMP_V3_NUMGRPS, packet.length);
    let at = m.off + IGMP_V3_REPORT_MINLEN;
    for (const r of packet) {
      v.setUint32(at, ((r.type << 24) | r.sources.length) >>> 0);
      v.setUint32(at + 4, r.group);
      at += IGMP_GRPREC_HDRLEN;
      for (const s of r.sources) {
        v.setUint32(at, s);
        at += ADDR;
      }
    }
    v.setUint16(m.off + IGMP_CKSUM, inCksum(v, m.off, len));
    igmp.stats.sndReports++;
    send(igmp, ifp, m, INADDR_ALLRPTS_GROUP, true);
  }
}

/** A report of version 1 or 2, to the group itself. */
export function igmpSendOld(igmp: Igmp, ifp: Ifnet, version: typeof ORIGINAL | typeof GROUPS, group: number): void {
  igmp.stats.sndReports++;
  sendShort(igmp, ifp, version === ORIGINAL ? IGMP_V1_HOST_MEMBERSHIP_REPORT : IGMP_V2_HOST_MEMBERSHIP_REPORT, 0, group, group, version !== ORIGINAL);
}

export function igmpSendLeave(igmp: Igmp, ifp: Ifnet, group: number): void {
  sendShort(igmp, ifp, IGMP_HOST_LEAVE_MESSAGE, 0, group, INADDR_ALLRTRS_GROUP, true);
}

/** A query of the version the querier is set to; sources only fit into version 3. */
export function igmpSendQuery(igmp: Igmp, ifp: Ifnet, q: McastQuery<number>, options: Readonly<QuerierOptions>): void {
  const code = igmpCodeOf(Math.floor(q.responseUs / US_PER_TENTH));
  const group = q.group ?? 0;
  const dst = group || INADDR_ALLHOSTS_GROUP;
  if (options.version !== SOURCES) {
    const tenths = Math.min(255, Math.floor(q.responseUs / US_PER_TENTH));
    if (q.sources.length === 0) sendShort(igmp, ifp, IGMP_HOST_MEMBERSHIP_QUERY, options.version === ORIGINAL ? 0 : tenths, group, dst, options.version !== ORIGINAL);
    return;
  }
  const most = Math.floor((ifp.mtu - IP4_HDR_LEN - RA_LEN - IGMP_V3_QUERY_MINLEN) / ADDR);
  for (let from = 0; from === 0 || from < q.sources.length; from += most) {
    const sources = q.sources.slice(from, from + most);
    const len = IGMP_V3_QUERY_MINLEN + ADDR * sources.length;
    const m = igmp.net.kern.engine.pool.alloc(len, HEADROOM);
    if (m === null) return;
    const v = m.view;
    v.setUint32(m.off, ((IGMP_HOST_MEMBERSHIP_QUERY << 24) | (code << 16)) >>> 0);
    v.setUint32(m.off + IGMP_GROUP, group);
    v.setUint8(m.off + IGMP_V3_MISC, (q.suppress ? SUPPRESS : 0) | (options.robustness > QRV_MAX ? 0 : options.robustness));
    v.setUint8(m.off + IGMP_V3_QQI, igmpCodeOf(options.queryIntervalS));
    v.setUint16(m.off + IGMP_V3_NUMSRC, sources.length);
    sources.forEach((s, i) => v.setUint32(m.off + IGMP_V3_QUERY_MINLEN + ADDR * i, s));
    v.setUint16(m.off + IGMP_CKSUM, inCksum(v, m.off, len));
    send(igmp, ifp, m, dst, true);
  }
}

/** A message of 8 bytes. */
function sendShort(igmp: Igmp, ifp: Ifnet, type: number, code: number, group: number, dst: number, alert: boolean): void {
  const m = igmp.net.kern.engine.pool.alloc(IGMP_MINLEN, HEADROOM);
  if (m === null) return;
  igmpEmit(m.view, m.off, type, code, group);
  send(igmp, ifp, m, dst, alert);
}

/** Owns `m`, which is at the IGMP header. */
function send(igmp: Igmp, ifp: Ifnet, m: PacketBuffer, dst: number, alert: boolean): void {
  const { ip, output } = igmp;
  if (ip === null || !ifp.isRunning || !m.prepend(IP4_HDR_LEN)) {
    m.free();
    return;
  }
  ip4Emit(m.view, m.off, IP4_HDR_LEN, TOS, m.len, 0, 0, 1, IPPROTO_IGMP, ip.inNet.firstAddr(ifp)?.addr ?? 0, dst);
  m.csumFlags = CSUM_L4_VALID;
  m.fib = ifp.fib;
  const { opts } = output;
  opts.options = alert && igmp.tun.sendra !== 0 ? output.alert : null;
  opts.mcastIfp = ifp;
  opts.mcastLoop = igmp.querierOf(ifp) !== null;
  ip.output(m, 0, opts);
  opts.mcastIfp = null;
}
