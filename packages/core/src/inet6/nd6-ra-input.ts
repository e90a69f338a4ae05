/**
 * nd6-ra-input.ts — a router advertisement came in: is it sound, and what does it say?
 * Read first: RFC 4861 §4.2, §6.1.2, §6.3.4; FreeBSD's netinet6/nd6_rtr.c nd6_ra_input.
 *
 * Checks in this order; the first that fails drops the message and counts: in no fragment (fragmented), accepted on this interface at all (ignored), hop limit 255
 * (badhlim), from a link-local address (badsource), code 0, whole, options sound (badform), link address of Ethernet (badlladdr). Then, in this
 * order: router, its parameters, prefixes, routes, DNS, MTU, link address.
 *
 * The hop limit is only ever raised: a lower one is somebody's attempt to cut this host off, and is logged. NO_RADR and forwarding make a
 * sender no router, but its prefixes count.
 *
 * @rfc 4861 6.1.2 yes
 * @rfc 6980 5 yes
 */
import { US_PER_SEC } from '../base/time.js';
import { M_FRAGMENTED } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6Format, ip6IsLinkLocal, ip6IsMulticast, ip6Plain, ip6W0Zoned, ip6OfWords, ip6Word, ip6W0IsLinkLocal } from '../wire/addr6.js';
import {
  ND_OPT_DNSSL, ND_OPT_MTU, ND_OPT_PI_FLAG_AUTO, ND_OPT_PI_FLAG_ONLINK, ND_OPT_PREFIX_INFORMATION, ND_OPT_RDNSS, ND_OPT_ROUTE_INFO, ND_OPT_SOURCE_LINKADDR, ND_RA_CURHOPLIMIT,
  ND_RA_FLAGS, ND_RA_FLAG_RTPREF_MASK, ND_RA_LEN, ND_RA_REACHABLE, ND_RA_RETRANSMIT, ND_RA_ROUTER_LIFETIME, ND_ROUTER_ADVERT,
} from '../wire/icmp6.js';
import { IP6_DST, IP6_SRC, IPV6_MMTU } from '../wire/ip6.js';
import { ND6_IFF_NO_RADR } from './in6-ifinfo.js';
import type { In6Ifinfo } from './in6-ifinfo.js';
import { ndDnsInput } from './nd6-dns.js';
import { ND_BAD_HLIM, ND_OK, ND_OPT_LLADDR_LEN, ndCheck, ndFindOpt } from './nd6-msg.js';
import { maskedAddr } from './nd6-prefix.js';
import { ndRouterUpdate } from './nd6-router.js';
import type { NdRouter } from './nd6-router.js';
import { ndRtinfoInput } from './nd6-rtinfo.js';
import type { NdRtr } from './nd6-rtr.js';
import { nd6PrelistUpdate } from './nd6-slaac.js';

const MAX_REACHABLE_TIME = 3_600_000;
const PI_LEN = 32;
const MTU_LEN = 8;

/** Takes a message of a router, in thread context. Owns `m`. */
export function nd6RaInput(rtr: NdRtr, ifp: Ifnet, m: PacketBuffer, off: number): void {
  rtr.stats.rareceived++;
  const isWhole = (m.flags & M_FRAGMENTED) === 0;
  if (isWhole) rtr.rtadvd?.heard(ifp, m, off);
  if (!isWhole) rtr.nd.stats.fragmented++;
  else if (!rtr.accepts(ifp)) rtr.stats.ignored++;
  else if (isSound(rtr, ifp, m, off)) take(rtr, ifp, m, off);
  else rtr.stats.badra++;
  m.free();
}

function isSound(rtr: NdRtr, ifp: Ifnet, m: PacketBuffer, off: number): boolean {
  const { stats } = rtr;
  const v = m.view;
  const bad = ndCheck(m, off);
  if (bad === ND_BAD_HLIM) {
    stats.badhlim++;
    rtr.nd.log('err', `nd6_ra_input: invalid hlim from ${ip6Format(senderOf(m))} on ${ifp.xname}`);
    return false;
  }
  if (!ip6W0IsLinkLocal(v.getInt32(m.off + IP6_SRC))) {
    stats.badsource++;
    rtr.nd.log('err', `nd6_ra_input: src ${ip6Format(senderOf(m))} is not link-local`);
    return false;
  }
  if (bad !== ND_OK) {
    stats.badform++;
    return false;
  }
  const opt = ndFindOpt(v, m.off + off + ND_RA_LEN, m.off + m.len, ND_OPT_SOURCE_LINKADDR);
  if (opt === 0 || (v.getUint8(opt + 1) << 3 === ND_OPT_LLADDR_LEN && (v.getUint8(opt + 2) & 1) === 0)) return true;
  stats.badlladdr++;
  rtr.nd.log('info', `nd6_ra_input: lladdrlen mismatch for ${ip6Format(senderOf(m))} (if ${ifp.lladdr.length}, RA packet ${(v.getUint8(opt + 1) << 3) - 2})`);
  return false;
}

/** The sender, plain. */
function senderOf(m: PacketBuffer): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => m.view.getUint8(m.off + IP6_SRC + i));
}

function take(rtr: NdRtr, ifp: Ifnet, m: PacketBuffer, off: number): void {
  const ii = rtr.in6Net.ifinfo(ifp);
  if (ii === null) return;
  const v = m.view;
  const s = m.off + IP6_SRC;
  const sender = ip6OfWords(ip6W0Zoned(v, s, ifp.index), v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12));
  const at = m.off + off;
  const lifetime = v.getUint16(at + ND_RA_ROUTER_LIFETIME);
  if (lifetime > 0) rtr.rtsol.answered(ifp);
  const dr = takeRouter(rtr, ifp, ii, sender, v, at, m.off + m.len);
  takeParameters(rtr, ifp, ii, v, at, sender);
  const delay = v.getUint8(m.off + IP6_DST) === 0xff;
  for (let opt = at + ND_RA_LEN; opt < m.off + m.len; opt += v.getUint8(opt + 1) << 3) takeOption(rtr, ifp, ii, sender, v, opt, dr, delay);
  const sll = ndFindOpt(v, at + ND_RA_LEN, m.off + m.len, ND_OPT_SOURCE_LINKADDR);
  if (sll !== 0) {
    rtr.nd.cacheLladdr(ifp, ip6Word(sender, 0), ip6Word(sender, 1), ip6Word(sender, 2), ip6Word(sender, 3), v.getUint16(sll + 2), v.getUint32(sll + 4), ND_ROUTER_ADVERT, 0);
  }
  rtr.check();
  rtr.rearm();
}

/** The sender as a default router. A route information option for ::/0 has a better word for it (RFC 4191 §3.1). */
function takeRouter(rtr: NdRtr, ifp: Ifnet, ii: In6Ifinfo, sender: Uint8Array, v: DataView, at: number, end: number): NdRouter | null {
  let flags = v.getUint8(at + ND_RA_FLAGS);
  let lifetime = v.getUint16(at + ND_RA_ROUTER_LIFETIME);
  if (rtr.tun.acceptRtinfo !== 0) {
    for (let opt = at + ND_RA_LEN; opt < end; opt += v.getUint8(opt + 1) << 3) {
      if (v.getUint8(opt) !== ND_OPT_ROUTE_INFO || v.getUint8(opt + 2) !== 0) continue;
      flags = (flags & ~ND_RA_FLAG_RTPREF_MASK) | (v.getUint8(opt + 3) & ND_RA_FLAG_RTPREF_MASK);
      lifetime = Math.min(v.getUint32(opt + 4), 0xffff);
    }
  }
  if ((ii.ndFlags & ND6_IFF_NO_RADR) !== 0 || !rtr.usesRouters) lifetime = 0;
  return ndRouterUpdate(rtr, ifp, sender, flags, lifetime, rtr.kern.engine.now + lifetime * US_PER_SEC);
}

function takeParameters(rtr: NdRtr, ifp: Ifnet, ii: In6Ifinfo, v: DataView, at: number, sender: Uint8Array): void {
  const reachable = v.getUint32(at + ND_RA_REACHABLE);
  if (reachable !== 0 && reachable <= MAX_REACHABLE_TIME) ii.basereachable = reachable;
  const retrans = v.getUint32(at + ND_RA_RETRANSMIT);
  if (retrans !== 0) ii.retrans = retrans;
  const chlim = v.getUint8(at + ND_RA_CURHOPLIMIT);
  if (chlim > ii.chlim) {
    ii.chlim = chlim;
  } else if (chlim !== 0 && chlim !== ii.chlim) {
    const from = ip6Format(ip6Plain(sender));
    rtr.nd.ip6.logLimited('err', `RA with a lower CurHopLimit sent from ${from} on ${ifp.xname} (current = ${ii.chlim}, received = ${chlim}). Ignored.`);
  }
}

function takeOption(rtr: NdRtr, ifp: Ifnet, ii: In6Ifinfo, sender: Uint8Array, v: DataView, opt: number, dr: NdRouter | null, delay: boolean): void {
  const type = v.getUint8(opt);
  const len = v.getUint8(opt + 1) << 3;
  if (type === ND_OPT_PREFIX_INFORMATION) takePrefix(rtr, ifp, v, opt, len, dr, delay);
  else if (type === ND_OPT_MTU) takeMtu(rtr, ifp, ii, v, opt, len);
  else if (type === ND_OPT_ROUTE_INFO && rtr.tun.acceptRtinfo !== 0 && rtr.usesRouters) ndRtinfoInput(rtr, ifp, sender, v, opt, len);
  else if (type === ND_OPT_RDNSS || type === ND_OPT_DNSSL) ndDnsInput(rtr, ifp, sender, v, opt, len);
}

function takePrefix(rtr: NdRtr, ifp: Ifnet, v: DataView, opt: number, len: number, dr: NdRouter | null, delay: boolean): void {
  const plen = len === PI_LEN ? v.getUint8(opt + 2) : 129;
  const addr = Uint8Array.from({ length: 16 }, (_, i) => (len === PI_LEN ? v.getUint8(opt + 16 + i) : 0));
  if (plen > 128 || ip6IsMulticast(addr) || ip6IsLinkLocal(addr)) {
    rtr.stats.badprefix++;
    rtr.nd.log('info', `nd6_ra_input: invalid prefix ${ip6Format(addr)}/${plen}, ignored`);
    return;
  }
  const flags = v.getUint8(opt + 3);
  nd6PrelistUpdate(rtr, ifp, {
    prefix: maskedAddr(addr, plen), plen, onlink: (flags & ND_OPT_PI_FLAG_ONLINK) !== 0, auto: (flags & ND_OPT_PI_FLAG_AUTO) !== 0,
    vltime: v.getUint32(opt + 4), pltime: v.getUint32(opt + 8),
  }, dr, delay);
}

function takeMtu(rtr: NdRtr, ifp: Ifnet, ii: In6Ifinfo, v: DataView, opt: number, len: number): void {
  const mtu = len === MTU_LEN ? v.getUint32(opt + 4) : 0;
  if (mtu >= IPV6_MMTU && mtu <= ifp.mtu) {
    ii.linkMtu = mtu;
    return;
  }
  rtr.stats.badmtu++;
  rtr.nd.log('info', `nd6_ra_input: bogus mtu=${mtu} sent on ${ifp.xname}, ignoring`);
}
