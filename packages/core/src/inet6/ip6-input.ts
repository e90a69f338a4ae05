/**
 * ip6-input.ts — an IPv6 packet came in: is it valid, whose is it?
 * Read first: RFC 8200 §3, §4; RFC 4291 §2.7, §2.8; FreeBSD's netinet6/ip6_input.c.
 *
 * Theory of operation. In this order: header checks (every reason has its counter), addresses that must not be on a wire, link padding cut
 * off, the router's short path, input filters, "is it ours?" (an own address, whichever interface it is on; a joined group; any address on a
 * gateway's interface), hop-by-hop options,
 * which every node reads, then forwarding or the chain of headers. What almost every packet has behind its IPv6 header, a protocol of the switch, is
 * looked for first; extension headers are steps of one loop (ip6ToProto), which stops at a protocol, at an end, or at `hdrnestlimit`.
 *
 * A filter may name another next hop (net/fwd-tag.ts): then the packet is forwarded whatever its destination is, or delivered when that is this host.
 *
 * An address in the packet is compared in zoned form (wire/addr6.ts) with the interface's zone; the packet's bytes are never altered for that.
 *
 * Invariants: a protocol gets `m.off` at a valid header, `m.len` equal to its total length, no fragments.
 * Not here: what is in an extension header (ip6-exthdr.ts), reassembly (frag6.ts).
 *
 * @rfc 8200 3 yes
 * @rfc 8200 4 yes
 * @rfc 8200 4.1 yes
 * @rfc 8200 4.7 yes
 * @rfc 4291 2.5.2 yes
 * @rfc 4291 2.5.3 yes
 * @rfc 4291 2.7 yes
 */
import { M_BCAST, M_FASTFWD_OURS, M_LOOP, M_MCAST, M_NEXTHOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_LOOPBACK } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { PFIL_DROPPED, PFIL_IN, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import { ip6W0Zoned, ip6W0IsLinkLocal } from '../wire/addr6.js';
import { ICMP6_PARAMPROB_NEXTHEADER, ICMP6_PARAM_PROB } from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_NXT, IP6_PLEN, IP6_SRC, IPV6_VERSION } from '../wire/ip6.js';
import { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ICMPV6, IPPROTO_NONE, IPPROTO_ROUTING } from '../wire/ipproto.js';
import type { In6Ifinfo } from './in6-ifinfo.js';
import { CONSUMED, IP6OPT_RTALERT_MLD, ip6DestInput, ip6ExtNext, ip6HopoptsInput, ip6PrevHdr, ip6RouteInput } from './ip6-exthdr.js';
import { ip6Forward, ip6TryForward } from './ip6-forward.js';
import { ip6CountNxt } from './ip6-var.js';
import type { Ip6 } from './ip6.js';
import type { Ip6Mrouter } from './ip6-var.js';

/** A packet arrived on `ifp`; `m.off` is at the IPv6 header. Owns `m`. */
export function ip6Input(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): void {
  const ii = ip6.in6Net.ifinfo(ifp);
  if (ii === null) {
    m.free();
    return;
  }
  if (ii.isDisabled) return discard(ii, m);
  if ((m.flags & M_FASTFWD_OURS) !== 0) return route(ip6, ii, m);
  ii.stats.ip6.receive++;
  ip6.stats.total++;
  if (!validate(ip6, ii, m)) return discard(ii, m);
  if (m.tags === null) m.fib = ifp.fib; // a packet that a filter gives back keeps the table it had
  if (ip6.tun.forwarding !== 0 && !ip6.pfil.hooked && (m.flags & (M_BCAST | M_MCAST | M_LOOP)) === 0 && (ifp.flags & IFF_LOOPBACK) === 0) {
    if (ip6TryForward(ip6, ifp, m)) return;
  }
  if (ip6.pfil.hooked) {
    const verdict = ip6.pfil.run(m, ifp, PFIL_IN);
    if (verdict === PFIL_DROPPED) m.free();
    if (verdict !== PFIL_PASS) return;
    if ((m.flags & (M_NEXTHOP | M_FASTFWD_OURS)) === M_NEXTHOP) return ip6Forward(ip6, ifp, m);
  }
  route(ip6, ii, m);
}

function discard(ii: In6Ifinfo, m: PacketBuffer): void {
  ii.stats.ip6.discard++;
  m.free();
}

/** Header checks, in the order of their counters' meaning; cuts link padding off. False: counted, to be dropped. */
function validate(ip6: Ip6, ii: In6Ifinfo, m: PacketBuffer): boolean {
  const { stats } = ip6;
  if (m.len < IP6_HDR_LEN) {
    stats.toosmall++;
    ii.stats.ip6.hdrerr++;
    return false;
  }
  const v = m.view;
  if (v.getUint8(m.off) >>> 4 !== IPV6_VERSION) {
    stats.badvers++;
    ii.stats.ip6.hdrerr++;
    return false;
  }
  ip6CountNxt(stats, v.getUint8(m.off + IP6_NXT));
  if (!addressesAllowed(ii.ifp, m)) {
    stats.badscope++;
    ii.stats.ip6.addrerr++;
    return false;
  }
  const len = IP6_HDR_LEN + v.getUint16(m.off + IP6_PLEN);
  if (len > m.len) {
    stats.tooshort++;
    ii.stats.ip6.truncated++;
    return false;
  }
  // A payload length of 0 before hop-by-hop options announces a jumbogram, whose length is elsewhere.
  if (len > IP6_HDR_LEN || v.getUint8(m.off + IP6_NXT) !== IPPROTO_HOPOPTS) m.len = len;
  return true;
}

/** No group as a source, no unspecified destination, no reserved or interface-local group from a wire, no mapped address, ::1 on loopback only. */
function addressesAllowed(ifp: Ifnet, m: PacketBuffer): boolean {
  const v = m.view;
  const s = m.off + IP6_SRC;
  const d = m.off + IP6_DST;
  if (v.getUint8(s) === 0xff) return false;
  if (v.getUint8(d) === 0xff) {
    const scope = v.getUint8(d + 1) & 15;
    return scope !== 0 && (scope > 2 || v.getUint16(d + 2) === 0) && (scope !== 1 || (m.flags & M_LOOP) !== 0) && !isSpecial(ifp, v, s, true);
  }
  return !isSpecial(ifp, v, s, true) && !isSpecial(ifp, v, d, false);
}

/** Unspecified (unless allowed), v4-mapped, or ::1 on an interface that is no loopback; link-local with bits in the zone's place. */
function isSpecial(ifp: Ifnet, v: DataView, at: number, unspecifiedOk: boolean): boolean {
  const w0 = v.getInt32(at);
  if (w0 !== 0) return ip6W0IsLinkLocal(w0) && (w0 & 0xffff) !== 0;
  if (v.getInt32(at + 4) !== 0) return false;
  const w2 = v.getInt32(at + 8);
  if (w2 === 0xffff) return true;
  if (w2 !== 0) return false;
  const w3 = v.getInt32(at + 12);
  if (w3 === 0) return !unspecifiedOk;
  return w3 === 1 && (ifp.flags & IFF_LOOPBACK) === 0;
}

/** Ours, somebody else's, or nobody's; past the options that every node reads. */
function route(ip6: Ip6, ii: In6Ifinfo, m: PacketBuffer): void {
  const v = m.view;
  const whose = (m.flags & M_FASTFWD_OURS) !== 0 ? OURS : v.getUint8(m.off + IP6_DST) === 0xff ? groupOf(ip6, ii, m) : hostOf(ip6, ii, m);
  m.flags &= ~M_FASTFWD_OURS;
  if (whose === NOBODYS) return discard(ii, m);
  let nxt = v.getUint8(m.off + IP6_NXT);
  let off = IP6_HDR_LEN;
  let ours = whose === OURS;
  if (nxt === IPPROTO_HOPOPTS) {
    off = ip6HopoptsInput(ip6, ii.ifp, m);
    if (off === CONSUMED) return;
    nxt = ip6ExtNext(m, IP6_HDR_LEN);
    ours ||= ip6.rtalert === IP6OPT_RTALERT_MLD;
  }
  if (ours) deliver(ip6, ii, m, nxt, off);
  else ip6Forward(ip6, ii.ifp, m);
}

const NOBODYS = 0;
const OURS = 1;
const ANOTHERS = 2;

/** A packet for a group: passed on where it is wanted, and ours when we are a member. NOBODYS has been counted. */
function groupOf(ip6: Ip6, ii: In6Ifinfo, m: PacketBuffer): number {
  const v = m.view;
  const d = m.off + IP6_DST;
  const { ifp } = ii;
  const { mrouter } = ip6;
  ii.stats.ip6.mcast++;
  if (mrouter !== null) mrouter.forward(ifp, m);
  const member = ip6.in6Net.isMember(ifp, ip6W0Zoned(v, d, ifp.index), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12));
  if (member || (mrouter !== null && isMldHeard(mrouter, ifp, m))) return OURS;
  ip6.stats.notmember++;
  return NOBODYS;
}

/** A packet for one node. NOBODYS has been counted. */
function hostOf(ip6: Ip6, ii: In6Ifinfo, m: PacketBuffer): number {
  const v = m.view;
  const d = m.off + IP6_DST;
  const { stats } = ip6;
  const ia = ip6.in6Net.addrOf(ip6W0Zoned(v, d, ii.ifp.index), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12));
  if (ia === null) {
    if (ii.ifp.takesAny) return OURS;
    if (ip6.tun.forwarding !== 0) return ANOTHERS;
    stats.cantforward++;
    return NOBODYS;
  }
  if (!ia.isReady) return NOBODYS;
  if (!isSpoofed(ip6, ii.ifp, m)) return OURS;
  stats.badscope++;
  return NOBODYS;
}

/** Multicast listener discovery behind a hop-by-hop header, which a querier hears whatever group it is sent to. */
function isMldHeard(mrouter: Ip6Mrouter, ifp: Ifnet, m: PacketBuffer): boolean {
  const v = m.view;
  return v.getUint8(m.off + IP6_NXT) === IPPROTO_HOPOPTS && m.len > IP6_HDR_LEN && v.getUint8(m.off + IP6_HDR_LEN) === IPPROTO_ICMPV6 && mrouter.hears(ifp);
}

/** From outside, with a source that is ours. */
function isSpoofed(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): boolean {
  if (ip6.tun.sourceAddressValidation === 0 || (ifp.flags & IFF_LOOPBACK) !== 0 || (m.flags & M_LOOP) !== 0) return false;
  const v = m.view;
  const s = m.off + IP6_SRC;
  return ip6.in6Net.isLocal(ip6W0Zoned(v, s, ifp.index), v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12));
}

/** To the protocol, past the last filter. */
function deliver(ip6: Ip6, ii: In6Ifinfo, m: PacketBuffer, proto: number, off: number): void {
  const { ifp } = ii;
  if (ip6.localPfil.hooked) {
    const verdict = ip6.localPfil.run(m, ip6.net.loif ?? ifp, PFIL_OUT);
    if (verdict === PFIL_DROPPED) m.free();
    if (verdict !== PFIL_PASS) return;
  }
  ip6.stats.delivered++;
  ii.stats.ip6.deliver++;
  ip6ToProto(ip6, ifp, m, proto, off);
}

/**
 * Hands the packet to protocol `proto`, whose header is `off` bytes behind `m.off`; extension headers are read until there is a protocol.
 * Nobody takes it: ICMPv6 says so. Owns `m`.
 */
export function ip6ToProto(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, proto: number, off: number): void {
  let packet = m;
  let nxt = proto;
  let at = off;
  for (let nest = 1; nest <= ip6.tun.hdrnestlimit; nest++) {
    if (at > packet.len) {
      ip6.stats.tooshort++;
      packet.free();
      return;
    }
    const handler = ip6.protos.get(nxt);
    if (handler !== null) {
      handler.input(ifp, packet, at);
      return;
    }
    const here = at;
    if (nxt === IPPROTO_FRAGMENT) {
      const whole = ip6.frag6.input(ifp, packet, at);
      if (whole === null) return;
      packet = whole;
      nxt = ip6.frag6.nxt;
      at = ip6.frag6.off;
      continue;
    }
    if (nxt === IPPROTO_DSTOPTS) at = ip6DestInput(ip6, ifp, packet, at);
    else if (nxt === IPPROTO_ROUTING) at = ip6RouteInput(ip6, ifp, packet, at);
    else return ip6Unclaimed(ip6, ifp, packet, nxt, at);
    if (at === CONSUMED) return;
    nxt = ip6ExtNext(packet, here);
  }
  ip6.stats.toomanyhdr++;
  packet.free();
}

/** Raw sockets, or an error that points at the byte which names the protocol; "no next header" is the end and no error. */
export function ip6Unclaimed(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, proto: number, off: number): void {
  if (ip6.raw !== null && ip6.raw.deliver(m, off, proto)) return;
  if (proto === IPPROTO_NONE) {
    m.free();
    return;
  }
  ip6.stats.delivered--;
  const ii = ip6.in6Net.ifinfo(ifp);
  if (ii !== null) ii.stats.ip6.protounknown++;
  ip6.icmp6Error(ifp, m, ICMP6_PARAM_PROB, ICMP6_PARAMPROB_NEXTHEADER, ip6PrevHdr(m, off));
}
