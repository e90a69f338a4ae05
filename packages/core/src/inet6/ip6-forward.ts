/**
 * ip6-forward.ts — a router passes a packet on.
 * Read first: RFC 8200 §3, §4; RFC 4443 §3; RFC 4007 §9; fwd/forward6.ts; FreeBSD's netinet6/ip6_fastfwd.c and ip6_forward.c.
 *
 * Theory of operation. The short path (`ip6TryForward`) takes what fwd's `verdict6` decides from the compiled tables: another interface, a size that
 * fits. Everything else comes to `ip6Forward`, which decides again in full and is the only place that answers: hop limit exceeded, no
 * route, beyond scope, too big, redirect. Whoever came by either path leaves through `prepare`: the hop limit is lowered, link flags and the hop count
 * of virtual links are cleared, and the packet is sent.
 *
 * ICMPv6 errors quote the packet as it came: they are sent before anything in it is changed. A router never fragments.
 * Invariants: nothing here runs while net.inet6.ip6.forwarding is 0. Groups and packets without a source are never passed on; link-local addresses
 * never leave their link.
 *
 * @rfc 8200 3 yes
 * @rfc 4007 9 yes
 * @rfc 4443 3.1 yes
 * @rfc 4443 3.2 yes
 * @rfc 4443 3.3 yes
 */
import { fwdIsDrop } from '../fwd/forward.js';
import { verdict6 } from '../fwd/forward6.js';
import { M_BCAST, M_BRIDGE_INPUT, M_FASTFWD_OURS, M_LOOP, M_MCAST, M_NEXTHOP, M_PROMISC, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_POINTOPOINT } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { fwdTag, fwdWord } from '../net/fwd-tag.js';
import { PFIL_DROPPED, PFIL_FWD, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import type { Nexthop } from '../net/route/nexthop.js';
import { RTF_BLACKHOLE, RTF_DYNAMIC, RTF_GATEWAY, RTF_MODIFIED, RTF_REJECT } from '../net/route/nexthop.js';
import { ip6Format, ip6W0Zoned, ip6W0IsLinkLocal } from '../wire/addr6.js';
import {
  ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR, ICMP6_DST_UNREACH_BEYONDSCOPE, ICMP6_DST_UNREACH_NOROUTE, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT,
} from '../wire/icmp6.js';
import { IP6_DST, IP6_HLIM, IP6_NXT, IP6_SRC } from '../wire/ip6.js';
import { ip6FlowOf, ip6GsoFits, ip6SendSized } from './ip6-output.js';
import type { Ip6 } from './ip6.js';

/** What a packet must not carry from the link it came by to the next. */
const LINK_FLAGS = M_BCAST | M_MCAST | M_VLANTAG | M_PROMISC | M_BRIDGE_INPUT | M_LOOP | M_NEXTHOP | M_FASTFWD_OURS;
/** Reject route to destination (RFC 4443 §3.1). */
const ICMP6_DST_UNREACH_REJECT = 6;

/** The short path. True: the packet is gone. False: nothing has been changed, the full path decides. */
export function ip6TryForward(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): boolean {
  const { routes } = ip6;
  if (routes.hashOutbound !== 0 && m.flowid === 0) m.flowid = ip6FlowOf(ip6, m) | 0;
  const verdict = verdict6(routes.fwd6(m.fib), m.view, m.off, ifp.index, m.flowid);
  if (verdict < 0) {
    if (!fwdIsDrop(verdict)) return false;
    ip6.stats.cantforward++;
    m.free();
    return true;
  }
  const nh = routes.nexthop(verdict);
  if (nh === null) return false;
  const mtu = ip6.linkMtu(nh.ifp);
  if (m.len > mtu) return false; // a router advertised less than the link can
  nh.pksent++;
  if (transmit(ip6, m, nh, m.view.getInt32(m.off + IP6_DST), mtu)) ip6.stats.fastforward++;
  return true;
}

/** The full path. Owns `m`. */
export function ip6Forward(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): void {
  const v = m.view;
  const s = m.off + IP6_SRC;
  const d = m.off + IP6_DST;
  if ((m.flags & (M_BCAST | M_MCAST)) !== 0 || v.getUint8(d) === 0xff || (v.getInt32(s) | v.getInt32(s + 4) | v.getInt32(s + 8) | v.getInt32(s + 12)) === 0) {
    return cannot(ip6, ifp, m);
  }
  if (v.getUint8(m.off + IP6_HLIM) <= 1) {
    ip6.icmp6Error(ifp, m, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT, 0);
    return;
  }
  const w0 = ip6W0Zoned(v, d, ifp.index);
  const w1 = v.getInt32(d + 4);
  const w2 = v.getInt32(d + 8);
  const w3 = v.getInt32(d + 12);
  if (ip6.routes.hashOutbound !== 0 && m.flowid === 0) m.flowid = ip6FlowOf(ip6, m) | 0;
  const fwd = m.tags === null ? null : fwdTag(m);
  const nh = fwd === null ? ip6.routes.lookup6(m.fib, w0, w1, w2, w3, m.flowid)
    : ip6.routes.lookup6(m.fib, fwdWord(fwd, 0), fwdWord(fwd, 1), fwdWord(fwd, 2), fwdWord(fwd, 3), m.flowid);
  if (nh === null) {
    ip6.stats.noroute++;
    const ii = ip6.in6Net.ifinfo(ifp);
    if (ii !== null) ii.stats.ip6.noroute++;
    ip6.icmp6Error(ifp, m, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE, 0);
    return;
  }
  if (!mayPass(ip6, ifp, m, nh)) return;
  if (ip6.pfil.hooked) {
    const verdict = ip6.pfil.run(m, nh.ifp, PFIL_OUT | PFIL_FWD);
    if (verdict === PFIL_DROPPED) m.free();
    if (verdict !== PFIL_PASS) return;
    if (fwd === null && m.tags !== null && fwdTag(m) !== null) return passElsewhere(ip6, ifp, m);
    const now = m.off + IP6_DST;
    if (ip6W0Zoned(v, now, ifp.index) !== w0 || v.getInt32(now + 4) !== w1 || v.getInt32(now + 8) !== w2 || v.getInt32(now + 12) !== w3) return passElsewhere(ip6, ifp, m);
  }
  pass(ip6, ifp, m, nh, w0);
}

function cannot(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): void {
  ip6.stats.cantforward++;
  if (ip6.tun.logCannotForward !== 0) {
    const b = m.bytes();
    ip6.logLimited('debug', `cannot forward from ${ip6Format(b, IP6_SRC)} to ${ip6Format(b, IP6_DST)} nxt ${m.view.getUint8(m.off + IP6_NXT)} received on ${ifp.xname}`);
  }
  m.free();
}

const isLinkLocal = (v: DataView, at: number): boolean => ip6W0IsLinkLocal(v.getInt32(at));

/** Routes that lead nowhere, zones. False: answered, counted, and gone. */
function mayPass(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, nh: Nexthop): boolean {
  const v = m.view;
  if ((nh.flags & (RTF_BLACKHOLE | RTF_REJECT)) !== 0) {
    ip6.stats.cantforward++;
    if ((nh.flags & RTF_REJECT) !== 0) ip6.icmp6Error(ifp, m, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_REJECT, 0);
    else m.free();
    return false;
  }
  if (nh.ifp !== ifp && isLinkLocal(v, m.off + IP6_SRC)) {
    ip6.stats.badscope++;
    ip6.stats.cantforward++;
    const ii = ip6.in6Net.ifinfo(nh.ifp);
    if (ii !== null) ii.stats.ip6.discard++;
    ip6.icmp6Error(ifp, m, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_BEYONDSCOPE, 0);
    return false;
  }
  if (nh.ifp !== ifp && isLinkLocal(v, m.off + IP6_DST)) {
    ip6.stats.badscope++;
    cannot(ip6, ifp, m);
    return false;
  }
  if (nh.ifp !== ifp || (ifp.flags & IFF_POINTOPOINT) === 0 || (nh.flags & RTF_GATEWAY) !== 0) return true;
  // It would go back over the link whose far end has just sent it: RFC 4443 §3.1, code 3.
  ip6.stats.cantforward++;
  ip6.icmp6Error(ifp, m, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR, 0);
  return false;
}

/** An output hook changed the destination, or named a next hop: us, or another route. Owns `m`. */
function passElsewhere(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): void {
  const v = m.view;
  const fwd = m.tags === null ? null : fwdTag(m);
  if (fwd !== null) {
    const to = (m.flags & M_FASTFWD_OURS) !== 0 ? null : ip6.routes.lookup6(m.fib, fwdWord(fwd, 0), fwdWord(fwd, 1), fwdWord(fwd, 2), fwdWord(fwd, 3), m.flowid);
    if ((m.flags & M_FASTFWD_OURS) !== 0) ip6.loop.enqueue(ip6.net.loif ?? ifp, m);
    else if (to === null || (to.flags & (RTF_BLACKHOLE | RTF_REJECT)) !== 0) cannot(ip6, ifp, m);
    else pass(ip6, ifp, m, to, fwdWord(fwd, 0));
    return;
  }
  const d = m.off + IP6_DST;
  const w0 = ip6W0Zoned(v, d, ifp.index);
  if (ip6.in6Net.isLocal(w0, v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12))) {
    ip6.loop.enqueue(ip6.net.loif ?? ifp, m);
    return;
  }
  const other = ip6.routes.lookup6(m.fib, w0, v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), m.flowid);
  if (other === null || (other.flags & (RTF_BLACKHOLE | RTF_REJECT)) !== 0) cannot(ip6, ifp, m);
  else pass(ip6, ifp, m, other, w0);
}

/** Sizes, redirect, hop limit, out. A packet too large is answered with the MTU that would fit. */
function pass(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, nh: Nexthop, w0: number): void {
  const link = ip6.linkMtu(nh.ifp);
  const mtu = nh.mtu !== 0 && nh.mtu < link ? nh.mtu : link;
  if (m.len > mtu && (m.gsoSize === 0 || !ip6GsoFits(m, mtu))) {
    const ii = ip6.in6Net.ifinfo(nh.ifp);
    if (ii !== null) ii.stats.ip6.toobig++;
    ip6.icmp6Error(ifp, m, ICMP6_PACKET_TOO_BIG, 0, mtu);
    return;
  }
  if (nh.ifp === ifp && ip6.tun.redirect !== 0 && (nh.flags & (RTF_DYNAMIC | RTF_MODIFIED)) === 0 && ip6.nd?.redirect?.(ifp, m, nh) === true) ip6.stats.redirectsent++;
  nh.pksent++;
  transmit(ip6, m, nh, w0, mtu);
}

/** One hop less; what belonged to the link it came by is forgotten. */
export function ip6ForwardPrepare(m: PacketBuffer): void {
  m.view.setUint8(m.off + IP6_HLIM, m.view.getUint8(m.off + IP6_HLIM) - 1);
  m.flags &= ~LINK_FLAGS;
  m.hops = 0;
  m.pcp = -1;
}

/** Owns `m`. True: it is on its way. */
function transmit(ip6: Ip6, m: PacketBuffer, nh: Nexthop, w0: number, mtu: number): boolean {
  const fwd = m.tags === null ? null : fwdTag(m);
  const v = fwd === null ? m.view : fwd.view;
  const d = fwd === null ? m.off + IP6_DST : 0;
  ip6ForwardPrepare(m);
  const error = (nh.flags & RTF_GATEWAY) === 0
    ? ip6SendSized(ip6, nh.ifp, m, fwd === null ? w0 : v.getInt32(d), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), fwd !== null, mtu, null)
    : ip6SendSized(ip6, nh.ifp, m, nh.g0, nh.g1, nh.g2, nh.g3, true, mtu, null);
  const ii = ip6.in6Net.ifinfo(nh.ifp);
  if (error === 0) {
    ip6.stats.forward++;
    if (ii !== null) ii.stats.ip6.outForward++;
    return true;
  }
  ip6.stats.odropped++;
  if (ii !== null) ii.stats.ip6.outDiscard++;
  return false;
}
