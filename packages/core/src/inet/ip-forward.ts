/**
 * ip-forward.ts — a router passes a packet on.
 * Read first: RFC 1812 §5.2, §5.3; fwd/forward.ts; FreeBSD's netinet/ip_fastfwd.c and ip_forward.
 *
 * Theory of operation. The short path (`ipTryForward`) takes what fwd's `verdict4` decides from the compiled tables: an ordinary
 * datagram, another interface, a size that fits. Everything else comes to `ipForward`, which decides again in full and
 * is the only place that answers: TTL exceeded, no route, too large, redirect. Whoever came by either path leaves through
 * `pass`: the TTL is lowered with the checksum updated in place, link flags and the hop count of virtual links are cleared
 * (the TTL guards against loops from here on), and the packet is sent.
 *
 * ICMP errors quote the packet as it came: they are sent before anything in it is changed.
 * Invariants: nothing here runs while net.inet.ip.forwarding is 0. Broadcasts, multicasts and link-local addresses are never
 * passed on; directed broadcasts neither.
 *
 * @rfc 1812 5.2 yes
 * @rfc 1812 5.3 yes
 */
import type { Nexthop } from '../net/route/nexthop.js';
import { RTF_BLACKHOLE, RTF_BROADCAST, RTF_DYNAMIC, RTF_GATEWAY, RTF_MODIFIED, RTF_REJECT } from '../net/route/nexthop.js';
import { isIfAddr4 } from '../net/route/ifa-lookup.js';
import { fwdTag, fwdWord } from '../net/fwd-tag.js';
import { PFIL_DROPPED, PFIL_FWD, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import type { Ifnet } from '../net/ifnet.js';
import { fwdIsDrop, verdict4 } from '../fwd/forward.js';
import { CSUM_IP_VALID, M_BCAST, M_BRIDGE_INPUT, M_FASTFWD_OURS, M_LOOP, M_MCAST, M_NEXTHOP, M_PROMISC, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ICMP_REDIRECT, ICMP_REDIRECT_HOST, ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS, ICMP_UNREACH, ICMP_UNREACH_HOST, ICMP_UNREACH_NEEDFRAG } from '../wire/icmp4.js';
import { IP_DF, ip4DecTtl, ip4Dst, ip4Off, ip4Src, ip4Ttl } from '../wire/ip4.js';
import { flowOf, gsoFits, ipSend, ipSendSized } from './ip-output.js';
import type { Ip } from './ip.js';

/** What a packet must not carry from the link it came by to the next. */
const LINK_FLAGS = M_BCAST | M_MCAST | M_VLANTAG | M_PROMISC | M_BRIDGE_INPUT | M_LOOP | M_NEXTHOP | M_FASTFWD_OURS;

/** The short path. True: the packet is gone. False: nothing has been changed, the full path decides. */
export function ipTryForward(ip: Ip, ifp: Ifnet, m: PacketBuffer): boolean {
  const { routes } = ip;
  if (routes.hashOutbound !== 0 && m.flowid === 0) m.flowid = flowOf(ip, m) | 0;
  const verdict = verdict4(routes.fwd4(m.fib), m.view, m.off, ifp.index, m.flowid);
  if (verdict < 0) {
    if (!fwdIsDrop(verdict)) return false;
    ip.stats.cantforward++;
    m.free();
    return true;
  }
  const nh = routes.nexthop(verdict);
  if (nh === null) return false;
  nh.pksent++;
  const hop = nh.hop4(ip4Dst(m.view, m.off)) | 0;
  ipForwardPrepare(m);
  const error = ipSend(ip, nh.ifp, m, hop, (nh.flags & RTF_GATEWAY) !== 0);
  if (error !== 0) {
    ip.stats.odropped++;
  } else {
    ip.stats.forward++;
    ip.stats.fastforward++;
  }
  return true;
}

/** The full path. `sourceRouted`: the packet names its own way, so no redirect. Owns `m`. */
export function ipForward(ip: Ip, ifp: Ifnet, m: PacketBuffer, sourceRouted: boolean): void {
  const v = m.view;
  const dst = ip4Dst(v, m.off);
  if ((m.flags & (M_BCAST | M_MCAST)) !== 0 || !ip.inNet.canForward(dst) || !ip.inNet.canForward(ip4Src(v, m.off))) return cannot(ip, m);
  if (ip4Ttl(v, m.off) <= 1) {
    ip.icmpError(ifp, m, ICMP_TIMXCEED, ICMP_TIMXCEED_INTRANS, 0);
    return;
  }
  if (ip.routes.hashOutbound !== 0 && m.flowid === 0) m.flowid = flowOf(ip, m) | 0;
  const hop = hopOf(m, dst);
  const nh = ip.routes.lookup4(m.fib, hop, m.flowid);
  if (nh === null) {
    ip.stats.noroute++;
    ip.stats.cantforward++;
    ip.icmpError(ifp, m, ICMP_UNREACH, ICMP_UNREACH_HOST, 0);
    return;
  }
  if ((nh.flags & (RTF_BLACKHOLE | RTF_BROADCAST | RTF_REJECT)) !== 0 || isDirectedBroadcast(nh, hop)) {
    if ((nh.flags & RTF_REJECT) === 0) return cannot(ip, m);
    ip.stats.cantforward++;
    ip.icmpError(ifp, m, ICMP_UNREACH, ICMP_UNREACH_HOST, 0);
    return;
  }
  if (ip.pfil.hooked) {
    const src = ip4Src(v, m.off);
    const verdict = ip.pfil.run(m, nh.ifp, PFIL_OUT | PFIL_FWD);
    if (verdict === PFIL_DROPPED) m.free();
    if (verdict !== PFIL_PASS) return;
    if (ip4Dst(v, m.off) !== dst || hopOf(m, dst) !== hop) return passElsewhere(ip, ifp, m);
    if (ip4Src(v, m.off) !== src) return pass(ip, ifp, m, nh, hop);
  }
  if (!sourceRouted && nh.ifp === ifp && ip.tun.redirect !== 0) maybeRedirect(ip, ifp, m, nh, dst);
  pass(ip, ifp, m, nh, hop);
}

/** What is looked up: the next hop that a filter named, else the destination. */
function hopOf(m: PacketBuffer, dst: number): number {
  const fwd = m.tags === null ? null : fwdTag(m);
  return fwd === null ? dst : fwdWord(fwd, 0) >>> 0;
}

/** An output hook changed the destination, or named a next hop: us, or another route. Owns `m`. */
function passElsewhere(ip: Ip, ifp: Ifnet, m: PacketBuffer): void {
  const now = hopOf(m, ip4Dst(m.view, m.off));
  if (ip.inNet.isLocal(now)) {
    ip.loop.enqueue(ip.net.loif ?? ifp, m);
    return;
  }
  const other = ip.routes.lookup4(m.fib, now, m.flowid);
  if (other === null || (other.flags & (RTF_BLACKHOLE | RTF_BROADCAST | RTF_REJECT)) !== 0) cannot(ip, m);
  else pass(ip, ifp, m, other, now);
}

function cannot(ip: Ip, m: PacketBuffer): void {
  ip.stats.cantforward++;
  m.free();
}

function isDirectedBroadcast(nh: Nexthop, dst: number): boolean {
  return nh.ifa !== null && isIfAddr4(nh.ifa) && nh.ifa.broadcast === dst && (nh.flags & RTF_GATEWAY) === 0;
}

/** Sizes, TTL, out. A packet too large that must not be cut is answered with the MTU that would fit. */
function pass(ip: Ip, ifp: Ifnet, m: PacketBuffer, nh: Nexthop, dst: number): void {
  const mtu = nh.pathMtu;
  if (m.len > mtu && (ip4Off(m.view, m.off) & IP_DF) !== 0 && (m.gsoSize === 0 || !gsoFits(m, mtu))) {
    ip.stats.cantfrag++;
    ip.stats.cantforward++;
    ip.icmpError(ifp, m, ICMP_UNREACH, ICMP_UNREACH_NEEDFRAG, mtu);
    return;
  }
  nh.pksent++;
  ipForwardPrepare(m);
  const error = ipSendSized(ip, nh.ifp, m, nh.hop4(dst) | 0, (nh.flags & RTF_GATEWAY) !== 0, mtu);
  if (error === 0) ip.stats.forward++;
  else ip.stats.odropped++;
}

/** One hop less; what belonged to the link it came by is forgotten. */
export function ipForwardPrepare(m: PacketBuffer): void {
  ip4DecTtl(m.view, m.off);
  m.flags &= ~LINK_FLAGS;
  m.csumFlags &= ~CSUM_IP_VALID;
  m.hops = 0;
  m.pcp = -1;
}

/**
 * The sender is on the network the packet goes back to: tell it of the shorter way (RFC 1812 §5.2.7.2). Not for the default
 * route, nor for one a redirect made.
 */
function maybeRedirect(ip: Ip, ifp: Ifnet, m: PacketBuffer, nh: Nexthop, dst: number): void {
  if ((nh.flags & (RTF_DYNAMIC | RTF_MODIFIED)) !== 0 || nh.ifa === null || !isIfAddr4(nh.ifa)) return;
  if (((ip4Src(m.view, m.off) ^ nh.ifa.addr) & nh.ifa.mask) !== 0) return;
  const gateway = nh.hop4(dst);
  if (gateway === 0 || ip.routes.get4(m.fib, dst)?.plen === 0) return;
  if (ip.icmp?.sendError(ifp, m, ICMP_REDIRECT, ICMP_REDIRECT_HOST, gateway) === true) ip.stats.redirectsent++;
}
