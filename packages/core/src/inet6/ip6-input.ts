/**
 * ip6-input.ts — an IPv6 packet came in: is it valid, whose is it?
 * Read first: RFC 8200 §3, §4; RFC 4291 §2.7, §2.8; FreeBSD's netinet6/ip6_input.c.
 *
 * Theory of operation. In this order: header checks (every reason has its counter), addresses that must not be on a wire, input filters, "is it
 * ours?" (an own address, whichever interface it is on; a joined group), link padding cut off, the chain of headers through the protocol
 * switch, in which extension headers are protocols like others.
 * An address in the packet is compared in zoned form (wire/addr6.ts) with the interface's zone; the packet's bytes are never altered for that.
 *
 * Invariants: a protocol gets `m.off` at a valid header and `m.len` equal to its total length.
 *
 * @rfc 8200 3 yes
 */
import { M_LOOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_LOOPBACK } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { PFIL_DROPPED, PFIL_IN, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import { ip6W0Zoned } from '../wire/addr6.js';
import { ICMP6_PARAMPROB_NEXTHEADER, ICMP6_PARAM_PROB } from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_NXT, IP6_PLEN, IP6_SRC, IPV6_VERSION } from '../wire/ip6.js';
import { ip6Forward } from './ip6-forward.js';
import { IPPROTO_HOPOPTS, IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import type { Ip6 } from './ip6.js';
import type { Ip6Mrouter } from './ip6-var.js';

/** A packet arrived on `ifp`; `m.off` is at the IPv6 header. Owns `m`. */
export function ip6Input(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): void {
  const ii = ip6.in6Net.ifinfo(ifp);
  if (ii === null || ii.isDisabled) {
    m.free();
    return;
  }
  ip6.stats.total++;
  if (!validate(ip6, ifp, m)) {
    m.free();
    return;
  }
  m.fib = ifp.fib;
  if (ip6.pfil.hooked) {
    const verdict = ip6.pfil.run(m, ifp, PFIL_IN);
    if (verdict === PFIL_DROPPED) m.free();
    if (verdict !== PFIL_PASS) return;
  }
  route(ip6, ifp, m);
}

/** Header checks, in the order of their counters' meaning; cuts link padding off. False: counted, to be dropped. */
function validate(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): boolean {
  const { stats } = ip6;
  if (m.len < IP6_HDR_LEN) {
    stats.toosmall++;
    return false;
  }
  const v = m.view;
  if (v.getUint8(m.off) >>> 4 !== IPV6_VERSION) {
    stats.badvers++;
    return false;
  }
  if (!addressesAllowed(ifp, m)) {
    stats.badscope++;
    return false;
  }
  const len = IP6_HDR_LEN + v.getUint16(m.off + IP6_PLEN);
  if (len > m.len) {
    stats.tooshort++;
    return false;
  }
  m.len = len;
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
    return scope !== 0 && (scope !== 1 || (m.flags & M_LOOP) !== 0) && !isSpecial(ifp, v, s, true);
  }
  return !isSpecial(ifp, v, s, true) && !isSpecial(ifp, v, d, false);
}

/** Unspecified (unless allowed), v4-mapped, or ::1 on an interface that is no loopback; link-local with bits in the zone's place. */
function isSpecial(ifp: Ifnet, v: DataView, at: number, unspecifiedOk: boolean): boolean {
  const w0 = v.getInt32(at);
  if (w0 !== 0) return w0 >>> 22 === 0x3fa && (w0 & 0xffff) !== 0;
  if (v.getInt32(at + 4) !== 0) return false;
  const w2 = v.getInt32(at + 8);
  if (w2 === 0xffff) return true;
  if (w2 !== 0) return false;
  const w3 = v.getInt32(at + 12);
  if (w3 === 0) return !unspecifiedOk;
  return w3 === 1 && (ifp.flags & IFF_LOOPBACK) === 0;
}

/** Ours, somebody else's, or nobody's. */
function route(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): void {
  const v = m.view;
  const d = m.off + IP6_DST;
  const w0 = ip6W0Zoned(v, d, ifp.index);
  const { in6Net, stats } = ip6;
  if (w0 >>> 24 === 0xff) {
    if (ip6.mrouter !== null) ip6.mrouter.forward(ifp, m);
    if (in6Net.isMember(ifp, w0, v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12)) || (ip6.mrouter !== null && isMldHeard(ip6.mrouter, ifp, m))) {
      return deliver(ip6, ifp, m);
    }
    stats.notmember++;
    m.free();
    return;
  }
  const ia = in6Net.addrOf(w0, v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12));
  if (ia !== null) {
    if (ia.isReady && !isSpoofed(ip6, ifp, m)) return deliver(ip6, ifp, m);
    if (ia.isReady) stats.badscope++;
    m.free();
    return;
  }
  if (ip6.tun.forwarding === 0) {
    stats.cantforward++;
    m.free();
    return;
  }
  ip6Forward(ip6, ifp, m);
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
function deliver(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): void {
  if (ip6.localPfil.hooked) {
    const verdict = ip6.localPfil.run(m, ip6.net.loif ?? ifp, PFIL_OUT);
    if (verdict === PFIL_DROPPED) m.free();
    if (verdict !== PFIL_PASS) return;
  }
  ip6.stats.delivered++;
  ip6ToProto(ip6, ifp, m, m.view.getUint8(m.off + IP6_NXT), IP6_HDR_LEN);
}

/** Hands the packet to protocol (or extension header) `proto`, whose header is `off` bytes behind `m.off`; nobody: ICMPv6 says so. Owns `m`. */
export function ip6ToProto(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, proto: number, off: number): void {
  const handler = ip6.protos.get(proto);
  if (handler !== null) {
    handler.input(ifp, m, off);
    return;
  }
  if (ip6.raw !== null && ip6.raw.deliver(m, off, proto)) return;
  ip6.icmp6Error(ifp, m, ICMP6_PARAM_PROB, ICMP6_PARAMPROB_NEXTHEADER, IP6_NXT);
}
