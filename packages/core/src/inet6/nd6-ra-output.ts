/**
 * nd6-ra-output.ts — a router advertisement: what it can say, how it is put together, how another's is compared with it.
 * Read first: RFC 4861 §4.2, §4.6, §6.2.1 (defaults); rtadvd.conf(5) for the names.
 *
 * @rfc 4861 6.2.2 yes
 */
import { US_PER_SEC } from '../base/time.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6Equals, ip6IsLinkLocal, IP6_W0_LINKLOCAL_GROUP, ip6PutWords } from '../wire/addr6.js';
import {
  ND_OPT_DNSSL, ND_OPT_MTU, ND_OPT_PI_FLAG_AUTO, ND_OPT_PI_FLAG_ONLINK, ND_OPT_PREFIX_INFORMATION, ND_OPT_RDNSS, ND_OPT_ROUTE_INFO, ND_OPT_SOURCE_LINKADDR, ND_RA_CURHOPLIMIT,
  ND_RA_FLAGS, ND_RA_FLAG_MANAGED, ND_RA_FLAG_OTHER, ND_RA_LEN, ND_RA_REACHABLE, ND_RA_RETRANSMIT, ND_RA_ROUTER_LIFETIME, ND_ROUTER_ADVERT,
} from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC } from '../wire/ip6.js';
import { IN6_IFF_NOTREADY, ND6_INFINITE_LIFETIME } from './in6-ifaddr.js';
import { ND_OPT_LLADDR_LEN, ndAlloc, ndFindOpt, ndPutLladdr, ndSend } from './nd6-msg.js';
import { maskedAddr } from './nd6-prefix.js';
import type { NdRtr } from './nd6-rtr.js';

const M_AND_O = ND_RA_FLAG_MANAGED | ND_RA_FLAG_OTHER;

export interface RtadvPrefix {
  readonly addr: Uint8Array;
  readonly plen: number;
  /** ND_OPT_PI_FLAG_* */
  readonly flags: number;
  /** Seconds. */
  readonly vltime: number;
  readonly pltime: number;
}

export interface RtadvRoute {
  readonly addr: Uint8Array;
  readonly plen: number;
  /** Preference as in ND_RA_FLAG_RTPREF_MASK. */
  readonly flags: number;
  readonly ltime: number;
}

/** Settings of an interface that advertises, in rtadvd.conf(5)'s words. Times in seconds but where said. */
export interface RtadvConf {
  readonly rltime: number;
  readonly mininterval: number;
  readonly maxinterval: number;
  readonly chlim: number;
  /** ND_RA_FLAG_*, preference included. */
  readonly raflags: number;
  /** Milliseconds; 0: says nothing. */
  readonly rtime: number;
  readonly retrans: number;
  /** Bytes; 0: says nothing. */
  readonly mtu: number;
  /** The link address is not told. */
  readonly nolladdr: boolean;
  /** Prefixes of the interface's addresses are not told. */
  readonly noifprefix: boolean;
  readonly prefixes: readonly RtadvPrefix[];
  readonly routes: readonly RtadvRoute[];
  readonly rdnss: readonly { readonly addrs: readonly Uint8Array[]; readonly ltime: number }[];
  readonly dnssl: readonly { readonly domains: readonly string[]; readonly ltime: number }[];
}

/** RFC 4861 §6.2.1. */
export const RTADV_DEFAULTS: RtadvConf = {
  rltime: 1_800, mininterval: 200, maxinterval: 600, chlim: 64, raflags: 0, rtime: 0, retrans: 0, mtu: 0, nolladdr: false, noifprefix: false, prefixes: [], routes: [], rdnss: [],
  dnssl: [],
};
/** AdvValidLifetime and AdvPreferredLifetime, as the RFC has them. */
export const RTADV_VLTIME = 2_592_000;
export const RTADV_PLTIME = 604_800;

/** Prefixes that are told on `ifp`: those of the settings, else those of its addresses. */
export function rtadvPrefixes(rtr: NdRtr, ifp: Ifnet, conf: RtadvConf): readonly RtadvPrefix[] {
  if (conf.prefixes.length > 0 || conf.noifprefix) return conf.prefixes;
  const out: RtadvPrefix[] = [];
  for (const ia of rtr.in6Net.addrsOf(ifp)) {
    if (ip6IsLinkLocal(ia.addr) || ia.plen >= 128) continue;
    const addr = maskedAddr(ia.addr, ia.plen);
    if (out.some((p) => p.plen === ia.plen && ip6Equals(p.addr, addr))) continue;
    out.push({ addr, plen: ia.plen, flags: ND_OPT_PI_FLAG_ONLINK | ND_OPT_PI_FLAG_AUTO, ...lifetimesOf(rtr, ia) });
  }
  return out;
}

/** Of an address with an end, what is left of it; never more than the defaults. */
function lifetimesOf(rtr: NdRtr, ia: { readonly vltime: number; readonly pltime: number; readonly updatedAt: number }): { vltime: number; pltime: number } {
  const age = Math.floor((rtr.kern.engine.now - ia.updatedAt) / US_PER_SEC);
  const left = (s: number, most: number): number => (s === ND6_INFINITE_LIFETIME ? most : Math.max(0, Math.min(most, s - age)));
  return { vltime: left(ia.vltime, RTADV_VLTIME), pltime: left(ia.pltime, RTADV_PLTIME) };
}

/** Tells all nodes of the link. `isRouter` false: with a lifetime of 0, and routes too. False: it could not be sent. */
export function raOutput(rtr: NdRtr, ifp: Ifnet, conf: RtadvConf, isRouter: boolean): boolean {
  const src = rtr.in6Net.linkLocalOf(ifp, IN6_IFF_NOTREADY);
  if (src === null) return false;
  const body = raOptions(rtr, ifp, conf, isRouter);
  const lladdrLen = conf.nolladdr ? 0 : ND_OPT_LLADDR_LEN;
  const m = ndAlloc(rtr.nd.ip6, ifp, ND_ROUTER_ADVERT, body.length + lladdrLen);
  if (m === null) {
    rtr.stats.txerrors++;
    return false;
  }
  const v = m.view;
  const at = m.off + IP6_HDR_LEN;
  ip6PutWords(v, m.off + IP6_SRC, src.k0, src.k1, src.k2, src.k3);
  ip6PutWords(v, m.off + IP6_DST, IP6_W0_LINKLOCAL_GROUP, 0, 0, 1);
  v.setUint8(at + ND_RA_CURHOPLIMIT, conf.chlim);
  v.setUint8(at + ND_RA_FLAGS, conf.raflags);
  v.setUint16(at + ND_RA_ROUTER_LIFETIME, isRouter ? conf.rltime : 0);
  v.setUint32(at + ND_RA_REACHABLE, conf.rtime);
  v.setUint32(at + ND_RA_RETRANSMIT, conf.retrans);
  if (lladdrLen > 0) ndPutLladdr(v, at + ND_RA_LEN, ND_OPT_SOURCE_LINKADDR, ifp.macHi, ifp.macLo);
  body.forEach((byte, i) => v.setUint8(at + ND_RA_LEN + lladdrLen + i, byte));
  if (ndSend(rtr.nd.ip6, ifp, m) !== 0) {
    rtr.stats.txerrors++;
    return false;
  }
  rtr.stats.rasent++;
  return true;
}

function u32(n: number): number[] {
  return [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
}

/** Every option but the link address. */
function raOptions(rtr: NdRtr, ifp: Ifnet, conf: RtadvConf, isRouter: boolean): number[] {
  const out: number[] = [];
  if (conf.mtu !== 0) out.push(ND_OPT_MTU, 1, 0, 0, ...u32(conf.mtu));
  for (const p of rtadvPrefixes(rtr, ifp, conf)) out.push(ND_OPT_PREFIX_INFORMATION, 4, p.plen, p.flags, ...u32(p.vltime), ...u32(p.pltime), 0, 0, 0, 0, ...p.addr);
  for (const r of conf.routes) {
    const units = r.plen === 0 ? 1 : r.plen <= 64 ? 2 : 3;
    out.push(ND_OPT_ROUTE_INFO, units, r.plen, r.flags, ...u32(isRouter ? r.ltime : 0), ...maskedAddr(r.addr, r.plen).subarray(0, 8 * (units - 1)));
  }
  for (const d of conf.rdnss) out.push(ND_OPT_RDNSS, 1 + 2 * d.addrs.length, 0, 0, ...u32(isRouter ? d.ltime : 0), ...d.addrs.flatMap((a) => [...a]));
  for (const d of conf.dnssl) {
    const names = d.domains.flatMap((name) => [...name.split('.').flatMap((l) => [l.length, ...[...l].map((c) => c.charCodeAt(0) & 127)]), 0]);
    while (names.length % 8 !== 0) names.push(0);
    out.push(ND_OPT_DNSSL, 1 + names.length / 8, 0, 0, ...u32(isRouter ? d.ltime : 0), ...names);
  }
  return out;
}

/** What a message of another router says differently (RFC 4861 §6.2.7), null when nothing. It is sound. */
export function raContradiction(conf: RtadvConf, m: PacketBuffer, off: number): string | null {
  const v = m.view;
  const at = m.off + off;
  const differs = (theirs: number, ours: number): boolean => theirs !== 0 && ours !== 0 && theirs !== ours;
  if (differs(v.getUint8(at + ND_RA_CURHOPLIMIT), conf.chlim)) return 'CurHopLimit';
  if (((v.getUint8(at + ND_RA_FLAGS) ^ conf.raflags) & M_AND_O) !== 0) return 'M or O flag';
  if (differs(v.getUint32(at + ND_RA_REACHABLE), conf.rtime)) return 'ReachableTime';
  if (differs(v.getUint32(at + ND_RA_RETRANSMIT), conf.retrans)) return 'RetranceTimer';
  const mtu = ndFindOpt(v, at + ND_RA_LEN, m.off + m.len, ND_OPT_MTU);
  return mtu !== 0 && differs(v.getUint32(mtu + 4), conf.mtu) ? 'MTU option value' : null;
}
