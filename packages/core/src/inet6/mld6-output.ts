/**
 * mld6-output.ts — MLD messages are made and sent.
 * Read first: RFC 9777 §5 (formats, hop limit, router alert, source), RFC 3590 (before there is an address), RFC 2710 §3.
 *
 * Everything goes out of the interface it is about with hop limit 1 behind a hop-by-hop header with the router alert, from the interface's link-local address, or, reports
 * only, from :: while it has none that is verified: that is how the solicited-node group of an address under verification is reported.
 *
 * @rfc 9777 5 yes
 * @rfc 3590 4 yes
 * @rfc 2710 3 yes
 * @rfc 2711 2.1 yes
 */
import { CSUM_L4_VALID, HEADROOM } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { packRecords } from '../net/mcast/group-record.js';
import type { GroupRecord } from '../net/mcast/group-record.js';
import { SOURCES } from '../net/mcast/host.js';
import type { McastQuery, QuerierOptions } from '../net/mcast/querier.js';
import { ip6Big, ip6BigOf, ip6Parse, ip6PutBig, IN6ADDR_LINKLOCAL_ALLNODES, IN6ADDR_LINKLOCAL_ALLROUTERS } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import {
  ICMP6_CKSUM, MLDV2_GRPREC_HDRLEN, MLDV2_LISTENER_REPORT, MLDV2_MISC, MLDV2_NUMGRPS, MLDV2_NUMSRC, MLDV2_QQI, MLDV2_QUERY_MINLEN, MLDV2_REPORT_MINLEN, MLD_ADDR,
  MLD_LISTENER_DONE, MLD_LISTENER_QUERY, MLD_LISTENER_REPORT, MLD_MAXDELAY, MLD_MINLEN, mldCodeOf,
} from '../wire/icmp6.js';
import { igmpCodeOf } from '../wire/igmp.js';
import { IP6OPT_PADN, IP6OPT_ROUTER_ALERT, IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../wire/ip6.js';
import { IPPROTO_HOPOPTS, IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import { IPV6_UNSPECSRC, Ip6OutputOpts } from './ip6-output.js';
import type { Mld } from './mld6.js';

const HBH_LEN = 8;
const ADDR = 16;
const US_PER_MS = 1_000;
const SUPPRESS = 0x08;
const QRV_MAX = 7;

export const ALL_NODES = ip6BigOf(IN6ADDR_LINKLOCAL_ALLNODES);
export const ALL_ROUTERS = ip6BigOf(IN6ADDR_LINKLOCAL_ALLROUTERS);
/** MLDv2-capable routers. */
export const ALL_V2_ROUTERS = ip6BigOf(ip6Parse('ff02::16') as Uint8Array);

/** The records in as many version 2 reports as they take. */
export function mldSendReport(mld: Mld, ifp: Ifnet, records: readonly GroupRecord<bigint>[]): void {
  const mtu = mld.ip6?.in6Net.ifinfo(ifp)?.mtu ?? ifp.mtu;
  for (const packet of packRecords(records, mtu - IP6_HDR_LEN - HBH_LEN - MLDV2_REPORT_MINLEN, MLDV2_GRPREC_HDRLEN, ADDR)) {
    const len = packet.reduce((sum, r) => sum + MLDV2_GRPREC_HDRLEN + ADDR * r.sources.length, MLDV2_REPORT_MINLEN);
    const m = message(mld, MLDV2_LISTENER_REPORT, len);
    if (m === null) return;
    const v = m.view;
    v.setUint32(m.off + 4, 0);
    v.setUint16(m.off + MLDV2_NUMGRPS, packet.length);
    let at = m.off + MLDV2_REPORT_MINLEN;
    for (const r of packet) {
      v.setUint32(at, ((r.type << 24) | r.sources.length) >>> 0);
      ip6PutBig(v, at + 4, r.group);
      at += MLDV2_GRPREC_HDRLEN;
      for (const s of r.sources) {
        ip6PutBig(v, at, s);
        at += ADDR;
      }
    }
    mld.stats.sndReports++;
    send(mld, ifp, m, ALL_V2_ROUTERS, true);
  }
}

/** A report of version 1, to the group itself. */
export function mldSendOld(mld: Mld, ifp: Ifnet, group: bigint): void {
  mld.stats.sndReports++;
  sendShort(mld, ifp, MLD_LISTENER_REPORT, 0, group, group);
}

export function mldSendDone(mld: Mld, ifp: Ifnet, group: bigint): void {
  sendShort(mld, ifp, MLD_LISTENER_DONE, 0, group, ALL_ROUTERS);
}

/** A query of the version the querier is set to; sources only fit into version 2. */
export function mldSendQuery(mld: Mld, ifp: Ifnet, q: McastQuery<bigint>, options: Readonly<QuerierOptions>): void {
  const ms = Math.floor(q.responseUs / US_PER_MS);
  const group = q.group ?? 0n;
  const dst = group === 0n ? ALL_NODES : group;
  if (options.version !== SOURCES) {
    if (q.sources.length === 0) sendShort(mld, ifp, MLD_LISTENER_QUERY, Math.min(65_535, ms), group, dst);
    return;
  }
  const most = Math.max(1, Math.floor((ifp.mtu - IP6_HDR_LEN - HBH_LEN - MLDV2_QUERY_MINLEN) / ADDR));
  for (let from = 0; from === 0 || from < q.sources.length; from += most) {
    const sources = q.sources.slice(from, from + most);
    const m = message(mld, MLD_LISTENER_QUERY, MLDV2_QUERY_MINLEN + ADDR * sources.length);
    if (m === null) return;
    const v = m.view;
    v.setUint32(m.off + MLD_MAXDELAY, mldCodeOf(ms) * 0x1_0000);
    ip6PutBig(v, m.off + MLD_ADDR, group);
    v.setUint8(m.off + MLDV2_MISC, (q.suppress ? SUPPRESS : 0) | (options.robustness > QRV_MAX ? 0 : options.robustness));
    v.setUint8(m.off + MLDV2_QQI, igmpCodeOf(options.queryIntervalS));
    v.setUint16(m.off + MLDV2_NUMSRC, sources.length);
    sources.forEach((s, i) => ip6PutBig(v, m.off + MLDV2_QUERY_MINLEN + ADDR * i, s));
    send(mld, ifp, m, dst, false);
  }
}

/** A message of 24 bytes. */
function sendShort(mld: Mld, ifp: Ifnet, type: number, ms: number, group: bigint, dst: bigint): void {
  const m = message(mld, type, MLD_MINLEN);
  if (m === null) return;
  m.view.setUint32(m.off + MLD_MAXDELAY, ms * 0x1_0000);
  ip6PutBig(m.view, m.off + MLD_ADDR, group);
  send(mld, ifp, m, dst, type === MLD_LISTENER_REPORT);
}

/** A packet of `len` bytes at its ICMPv6 header. */
function message(mld: Mld, type: number, len: number): PacketBuffer | null {
  const m = mld.net.kern.engine.pool.alloc(len, HEADROOM);
  m?.view.setUint32(m.off, (type << 24) >>> 0);
  return m;
}

/** Puts the headers on and sends. `unspecified`: without a link-local address it goes out from ::, otherwise not at all. Owns `m`. */
function send(mld: Mld, ifp: Ifnet, m: PacketBuffer, dst: bigint, unspecified: boolean): void {
  const { ip6 } = mld;
  const src = mld.address(ifp);
  const len = m.len;
  if (ip6 === null || !ifp.isRunning || (src === null && !unspecified) || !m.prepend(IP6_HDR_LEN + HBH_LEN)) {
    m.free();
    return;
  }
  const v = m.view;
  const hbh = m.off + IP6_HDR_LEN;
  const at = hbh + HBH_LEN;
  ip6Emit(v, m.off, 0, 0, m.len - IP6_HDR_LEN, IPPROTO_HOPOPTS, 1);
  ip6PutBig(v, m.off + IP6_SRC, src ?? 0n);
  ip6PutBig(v, m.off + IP6_DST, dst);
  v.setUint32(hbh, (IPPROTO_ICMPV6 << 24) | (IP6OPT_ROUTER_ALERT << 8) | 2);
  v.setUint32(hbh + 4, (IP6OPT_PADN << 8) | 0);
  v.setUint16(at + ICMP6_CKSUM, 0);
  v.setUint16(at + ICMP6_CKSUM, inCksum6(v, at, len, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_ICMPV6));
  m.csumFlags = CSUM_L4_VALID;
  m.fib = ifp.fib;
  const opts = mld.outputOpts;
  opts.ifp = ifp;
  opts.mcastLoop = mld.querierOf(ifp) !== null;
  ip6.output(m, IPV6_UNSPECSRC, opts);
  opts.ifp = null;
}

/** Options of a packet that is sent here. */
export function mldOutputOpts(): Ip6OutputOpts {
  return new Ip6OutputOpts();
}

/** The group or source at `off`, as what is kept. */
export const mldAddr = ip6Big;
