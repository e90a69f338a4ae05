/**
 * ip-input.ts — an IPv4 packet came in: is it valid, whose is it?
 * Read first: RFC 791, RFC 1122 §3.2.1, RFC 1812 §4.2, §5.3.7; FreeBSD's netinet/ip_input.c.
 *
 * Theory of operation. In this order: header checks (every reason has its counter), addresses that must not be on a wire, link
 * padding cut off, the router's short path, input filters, options, "is it ours?", reassembly, the protocol switch. Ours are:
 * an own unicast address, whichever interface it is on (with `rfc1122_strong_es` only the one it came by); a broadcast address of
 * a network of the receiving interface; a joined group; everything unicast while the vnet has no address at all (DHCP), or that a gateway's
 * interface brings (net/gw.ts).
 * A filter may name another next hop (net/fwd-tag.ts): then the packet is forwarded whatever its destination is, or delivered when that is this host.
 * A source that claims to be one of ours is refused unless it comes over loopback (`source_address_validation`).
 *
 * Where an address crosses a function on the way of every packet it does so as a signed number (`| 0`): V8 keeps those in a
 * register, while an unsigned one above 2^31 would cost a heap number each time.
 *
 * Invariants: a protocol gets `m.off` at a valid header, `m.len` equal to its total length, no fragments.
 *
 * @rfc 791 3.1 yes
 * @rfc 1122 3.2.1 yes
 * @rfc 1812 4.2 yes
 * @rfc 1812 5.3.7 yes
 */
import { CSUM_IP, CSUM_IP_VALID, M_BCAST, M_FASTFWD_OURS, M_LOOP, M_MCAST, M_NEXTHOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_BROADCAST, IFF_LOOPBACK } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { PFIL_DROPPED, PFIL_IN, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import { INADDR_BROADCAST, ip4IsMulticast } from '../wire/addr.js';
import { ICMP_UNREACH, ICMP_UNREACH_PROTOCOL } from '../wire/icmp4.js';
import { IP4_DST, IP4_HDR_LEN, IP4_LEN, IP4_OFF, IP4_P, IP4_SRC, IPVERSION, IP_MF, IP_OFFMASK, ip4Cksum, ip4Dst, ip4Hl, ip4Src } from '../wire/ip4.js';
import { ipForward, ipTryForward } from './ip-forward.js';
import { IPOPTS_CONSUMED, IPOPTS_FORWARD, ipDoOptions } from './ip-options.js';
import { IPPROTO_IGMP } from '../wire/ipproto.js';
import type { Ip } from './ip.js';

/** 224.0.0.0: from here on an address is no unicast address. */
const FIRST_GROUP = 0xe000_0000;
const LOOPBACK_NET = 127;

/** A packet arrived on `ifp`; `m.off` is at the IP header. Owns `m`. */
export function ipInput(ip: Ip, ifp: Ifnet, m: PacketBuffer): void {
  if ((m.flags & M_FASTFWD_OURS) !== 0) return deliver(ip, ifp, m);
  ip.stats.total++;
  if (!validate(ip, ifp, m)) {
    m.free();
    return;
  }
  if (m.tags === null) m.fib = ifp.fib; // a packet that a filter gives back keeps the table it had
  if (ip.tun.forwarding !== 0 && !ip.pfil.hooked && (m.flags & (M_BCAST | M_MCAST | M_LOOP)) === 0 && (ifp.flags & IFF_LOOPBACK) === 0) {
    if (ipTryForward(ip, ifp, m)) return;
  }
  let redirected = false;
  if (ip.pfil.hooked) {
    const was = ip4Dst(m.view, m.off);
    const verdict = ip.pfil.run(m, ifp, PFIL_IN);
    if (verdict === PFIL_DROPPED) m.free();
    if (verdict !== PFIL_PASS) return;
    redirected = ip4Dst(m.view, m.off) !== was;
    if ((m.flags & M_NEXTHOP) !== 0) {
      if ((m.flags & M_FASTFWD_OURS) !== 0) deliver(ip, ifp, m);
      else ipForward(ip, ifp, m, true);
      return;
    }
  }
  if (ip4Hl(m.view, m.off) > IP4_HDR_LEN) {
    const verdict = ipDoOptions(ip, ifp, m);
    if (verdict === IPOPTS_CONSUMED) return;
    if (verdict === IPOPTS_FORWARD) {
      ipForward(ip, ifp, m, true);
      return;
    }
  }
  route(ip, ifp, m, redirected);
}

/** Header checks, in the order of their counters' meaning; cuts link padding off. False: counted, to be dropped. */
function validate(ip: Ip, ifp: Ifnet, m: PacketBuffer): boolean {
  const { stats } = ip;
  const v = m.view;
  const off = m.off;
  if (m.len < IP4_HDR_LEN) {
    stats.tooshort++;
    return false;
  }
  const vhl = v.getUint8(off);
  if (vhl >>> 4 !== IPVERSION) {
    stats.badvers++;
    return false;
  }
  const hlen = (vhl & 15) << 2;
  if (hlen < IP4_HDR_LEN || hlen > m.len) {
    stats.badhlen++;
    return false;
  }
  if (!addressesAllowed(ip, ifp, m)) {
    stats.badaddr++;
    return false;
  }
  if ((m.csumFlags & (CSUM_IP_VALID | CSUM_IP)) === 0 && ip4Cksum(v, off, hlen) !== 0) {
    stats.badsum++;
    return false;
  }
  const len = v.getUint16(off + IP4_LEN);
  if (len < hlen) {
    stats.badlen++;
    return false;
  }
  if (len > m.len) {
    stats.tooshort++;
    return false;
  }
  m.len = len;
  return true;
}

/** RFC 1122 §3.2.1.3: loopback addresses never on a wire, 0.0.0.0 never a destination, a source is always one host. */
function addressesAllowed(ip: Ip, ifp: Ifnet, m: PacketBuffer): boolean {
  const src = m.view.getUint32(m.off + IP4_SRC);
  const dst = m.view.getUint32(m.off + IP4_DST);
  if (src >= FIRST_GROUP && (src === INADDR_BROADCAST || !ip.inNet.canForward(src))) return false;
  if (dst === 0) return false;
  if (dst >>> 24 !== LOOPBACK_NET && src >>> 24 !== LOOPBACK_NET) return true;
  return (ifp.flags & IFF_LOOPBACK) !== 0;
}

/** Ours, somebody else's, or nobody's. */
function route(ip: Ip, ifp: Ifnet, m: PacketBuffer, redirected: boolean): void {
  const v = m.view;
  const dst = ip4Dst(v, m.off);
  const { inNet, stats } = ip;
  const ia = inNet.addrOf(dst | 0);
  if (ia !== null) {
    const refused = (ip.tun.strongEs !== 0 && ia.ifp !== ifp && !redirected && isStrong(ip, ifp, dst)) || isSpoofed(ip, ifp, m) || ip.isTentative(dst | 0);
    if (!refused) return deliver(ip, ifp, m);
    stats.badaddr++;
    m.free();
    return;
  }
  if (ifp.takesAny) return deliverAny(ip, ifp, m);
  if (inNet.addrs.length === 0 && (m.flags & (M_MCAST | M_BCAST)) === 0) return deliver(ip, ifp, m);
  if (ip4IsMulticast(dst)) {
    if (ip.mrouter !== null) ip.mrouter.forward(ifp, m);
    if (inNet.isMember(ifp, dst) || (v.getUint8(m.off + IP4_P) === IPPROTO_IGMP && ip.mrouter !== null && ip.mrouter.hears(ifp))) return deliver(ip, ifp, m);
    stats.notmember++;
    m.free();
    return;
  }
  if (dst === INADDR_BROADCAST || ((ifp.flags & IFF_BROADCAST) !== 0 && inNet.isBroadcast(dst, ifp))) return deliver(ip, ifp, m);
  if (ip.tun.forwarding === 0) {
    stats.cantforward++;
    m.free();
    return;
  }
  ipForward(ip, ifp, m, false);
}

/** Through a gateway's interface every single host is reached, and no group. */
function deliverAny(ip: Ip, ifp: Ifnet, m: PacketBuffer): void {
  if (ip4Dst(m.view, m.off) < FIRST_GROUP) return deliver(ip, ifp, m);
  ip.stats.notmember++;
  m.free();
}

/** Strong host model: a host (not a router) takes its addresses only on their own interface. */
function isStrong(ip: Ip, ifp: Ifnet, dst: number): boolean {
  return ip.tun.forwarding === 0 && (ifp.flags & IFF_LOOPBACK) === 0 && ifp.carp === null && ip.inNet.addrOnIf(dst, ifp) === null;
}

/** From outside, with a source that is ours; a directed broadcast of the network it came by is nobody's source either. */
function isSpoofed(ip: Ip, ifp: Ifnet, m: PacketBuffer): boolean {
  if ((ifp.flags & IFF_LOOPBACK) !== 0 || (m.flags & M_LOOP) !== 0) return false;
  const src = ip4Src(m.view, m.off) | 0;
  if (ip.tun.sourceAddressValidation !== 0 && ip.inNet.isLocal(src)) return true;
  return src !== 0 && ip.routes.own.has(src) && (ifp.flags & IFF_BROADCAST) !== 0 && ip.inNet.isBroadcast(src >>> 0, ifp);
}

/** To the protocol: whole, and past the last filter. */
function deliver(ip: Ip, ifp: Ifnet, m: PacketBuffer): void {
  m.flags &= ~M_FASTFWD_OURS;
  if (ip.localPfil.hooked) {
    const verdict = ip.localPfil.run(m, ip.net.loif ?? ifp, PFIL_OUT);
    if (verdict === PFIL_DROPPED) m.free();
    if (verdict !== PFIL_PASS) return;
  }
  let whole: PacketBuffer | null = m;
  if ((m.view.getUint16(m.off + IP4_OFF) & (IP_MF | IP_OFFMASK)) !== 0) {
    whole = ip.reass.input(ifp, m);
    if (whole === null) return;
  }
  ip.stats.delivered++;
  const proto = ip.protos.get(whole.view.getUint8(whole.off + IP4_P));
  if (proto === null) unknownProtocol(ip, ifp, whole);
  else proto.input(ifp, whole, ip4Hl(whole.view, whole.off));
}

/** Raw sockets, or a protocol unreachable. */
function unknownProtocol(ip: Ip, ifp: Ifnet, m: PacketBuffer): void {
  if (ip.raw !== null && ip.raw.deliver(m)) return;
  ip.stats.noproto++;
  ip.stats.delivered--;
  ip.icmpError(ifp, m, ICMP_UNREACH, ICMP_UNREACH_PROTOCOL, 0);
}
