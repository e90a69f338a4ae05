/**
 * ip6-output.ts — an IPv6 packet of this host leaves: headers, route, source address, zones, size, link.
 * Read first: RFC 8200 §4.5, §5; RFC 6724; RFC 4007 §6; RFC 3542 §11; FreeBSD's netinet6/ip6_output.c.
 *
 * Theory of operation. The caller has built the header but for its length. Output puts the extension headers of `opts` in, finds out where the packet
 * goes (`findRoute`: an interface, a next hop on it, an MTU), chooses a source when there is none, sees that no address leaves its zone, deals with
 * multicast, shows the packet to the filters and sends it: whole, as a super-segment (the link or its driver cuts it), or in fragments.
 * `ip6Send` is the last step, shared with forwarding: it asks ND on interfaces with link addresses and hands the packet to the driver on others.
 *
 * Zones. A destination that needs one gets it from `opts.ifp`, for groups from `opts.mcastIfp`; else from the link-local source address, when only one
 * interface has that; else, with `use_defaultzone`, from `ndp -I`. Without a zone there is no way: EHOSTUNREACH. A packet to an own link-local
 * address comes back in by the interface that has it, so that it is in the right zone (`ip6Send` with `origin`).
 *
 * The result of the route look-up is in `ip6.route`, one object per Ip6, valid until the packet is sent: sending may come back here. So may a filter,
 * which has an object of its own (`runFilters`).
 * Invariants: `m` is gone when these functions return, whatever they return.
 *
 * @rfc 8200 5 yes
 * @rfc 4007 6 yes
 * @rfc 6437 3 yes
 * @rfc 8201 4 yes
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EHOSTUNREACH, EMSGSIZE, ENETDOWN, ENETUNREACH, ENOBUFS } from '../base/errno.js';
import { flowOf6 } from '../fwd/flow-of.js';
import { CSUM_L4, CSUM_L4_VALID, GSO_TCPV6, M_BCAST, M_FASTFWD_OURS, M_MCAST, M_NEXTHOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { BPF_D_OUT } from '../net/bpf.js';
import { etherOutput } from '../net/ether.js';
import { fwdClear, fwdTag, fwdWord } from '../net/fwd-tag.js';
import { ifTransmit } from '../net/if-transmit.js';
import { IFCAP_TSO6, IFCAP_TXCSUM_IPV6, IFF_LOOPBACK, IFF_MULTICAST, IFT_STF } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { finishChecksums, segment } from '../net/offload.js';
import { PFIL_DROPPED, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import { RTF_BLACKHOLE, RTF_GATEWAY, RTF_REJECT } from '../net/route/nexthop.js';
import { stfOutput } from '../net/stf.js';
import { MAC_HI_IP6_GROUP, ip6W0Zoned, ip6Word, ip6W0IsLinkLocal } from '../wire/addr6.js';
import { ETHERTYPE_IPV6 } from '../wire/ether.js';
import { IP6_DST, IP6_FLOW, IP6_HDR_LEN, IP6_HLIM, IP6_NXT, IP6_PLEN, IP6_SRC, IPV6_MAXPACKET, IPV6_MMTU } from '../wire/ip6.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';
import { in6PutPlain, in6SelectSrc } from './in6-src.js';
import { ip6InsertHeaders } from './ip6-pktopts.js';
import { ip6Fragment } from './ip6-fragment.js';
import type { Ip6 } from './ip6.js';

/** Flags of `ip6Output`, FreeBSD's values. The source may be unspecified: duplicate address detection, router solicitations. */
export const IPV6_UNSPECSRC = 0x01;
/** The packet is being forwarded: its header is complete. */
export const IPV6_FORWARDING = 0x02;
/** Cut into packets of IPV6_MMTU bytes whatever the path allows. */
export const IPV6_MINMTU = 0x04;

/** Hop limit of multicasts from a socket that said nothing. */
export const IPV6_DEFAULT_MULTICAST_HOPS = 1;

/** `minMtu`: always cut to 1280 bytes, never, for multicasts only (RFC 3542 §11.1). */
export const MINMTU_ALWAYS = 1;
export const MINMTU_DISABLE = 0;
export const MINMTU_MCASTONLY = -1;

/** What a sender wants beyond the header's fields. Nothing is allocated per packet. */
export class Ip6OutputOpts {
  /** The interface packets leave through; the zone of a destination that needs one (IPV6_PKTINFO, a scope id). */
  ifp: Ifnet | null = null;
  /** IPV6_MULTICAST_IF; null: by route. */
  mcastIfp: Ifnet | null = null;
  /** IPV6_MULTICAST_HOPS, 0..255; -1: IPV6_DEFAULT_MULTICAST_HOPS unless the header has been given one. */
  mcastHops = -1;
  /** IPV6_MULTICAST_LOOP */
  mcastLoop = true;
  /** IPV6_DONTFRAG */
  dontFrag = false;
  /** IPV6_USE_MIN_MTU: MINMTU_* */
  minMtu = MINMTU_MCASTONLY;
  /** IPV6_PREFER_TEMPADDR: 1, 0; -1 as the vnet does. */
  preferTempaddr = -1;
  /** IPV6_AUTOFLOWLABEL */
  autoFlowlabel = true;
  /** IPV6_NEXTHOP: 16 bytes in zoned form; it must be a neighbour. */
  nexthop: Uint8Array | null = null;
  /** IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_RTHDR, IPV6_DSTOPTS: whole headers, whose first byte is filled in here. */
  hopopts: Uint8Array | null = null;
  rthdrDstopts: Uint8Array | null = null;
  rthdr: Uint8Array | null = null;
  dstopts: Uint8Array | null = null;
}

/** An address as bytes, for who wants it so; one object per Ip6. */
export class AddrBytes {
  readonly bytes = new Uint8Array(16);
  private readonly view = new DataView(this.bytes.buffer);

  put(w0: number, w1: number, w2: number, w3: number): Uint8Array {
    this.view.setInt32(0, w0);
    this.view.setInt32(4, w1);
    this.view.setInt32(8, w2);
    this.view.setInt32(12, w3);
    return this.bytes;
  }
}

/** Where a packet goes. */
export class OutRoute6 {
  ifp: Ifnet | null = null;
  /** The interface with the destination, when that is an own address. */
  origin: Ifnet | null = null;
  /** Next hop on the link, zoned form, and whether that is a router. */
  h0 = 0;
  h1 = 0;
  h2 = 0;
  h3 = 0;
  gateway = false;
  /** Word 0 of the destination in zoned form. */
  d0 = 0;
  mtu = 0;
}

/** See the file header. Errors: EMSGSIZE, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, ENOBUFS. Owns `m`. */
export function ip6Output(ip6: Ip6, m: PacketBuffer, flags: number, opts: Ip6OutputOpts | null): Errno {
  ip6.outIfp = null;
  if (opts !== null && !ip6InsertHeaders(m, opts)) return discard(m, ENOBUFS);
  if (m.len - IP6_HDR_LEN > IPV6_MAXPACKET) return discard(m, EMSGSIZE);
  const v = m.view;
  v.setUint16(m.off + IP6_PLEN, m.len - IP6_HDR_LEN);
  ip6.stats.localout++;
  const noRoute = findRoute(ip6, m, opts);
  if (noRoute !== 0) return discard(m, noRoute === BLACKHOLED ? 0 : noRoute);
  const r = ip6.route;
  const ifp = r.ifp as Ifnet;
  const error = addresses(ip6, m, flags, opts);
  if (error !== 0) {
    countDiscard(ip6, ifp);
    return discard(m, error);
  }
  if (ip6.tun.autoFlowlabel !== 0 && (v.getUint32(m.off + IP6_FLOW) & FLOWLABEL_MASK) === 0 && (opts === null || opts.autoFlowlabel)) flowLabel(ip6, m);
  m.flags &= ~(M_BCAST | M_MCAST);
  const ii = ip6.in6Net.ifinfo(ifp);
  if (ii !== null) ii.stats.ip6.outRequest++;
  const sent = v.getUint8(m.off + IP6_DST) === 0xff ? outputMulticast(ip6, ifp, m, flags, opts) : filterAndSend(ip6, m, flags, opts);
  ip6.outIfp = ifp;
  return sent;
}

const FLOWLABEL_MASK = 0x000f_ffff;

function discard(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}

function countDiscard(ip6: Ip6, ifp: Ifnet): void {
  const ii = ip6.in6Net.ifinfo(ifp);
  if (ii !== null) ii.stats.ip6.outDiscard++;
}

function isUnspecified(v: DataView, at: number): boolean {
  return (v.getInt32(at) | v.getInt32(at + 4) | v.getInt32(at + 8) | v.getInt32(at + 12)) === 0;
}

/** `findRoute` found a blackhole: the packet is dropped, the caller is told that it was sent. */
const BLACKHOLED = -1;

/** Fills `ip6.route`. */
function findRoute(ip6: Ip6, m: PacketBuffer, opts: Ip6OutputOpts | null): Errno {
  const v = m.view;
  const d = m.off + IP6_DST;
  const isGroup = v.getUint8(d) === 0xff;
  const on = opts === null ? null : isGroup ? (opts.mcastIfp ?? opts.ifp) : opts.ifp;
  const r = ip6.route;
  r.origin = null;
  r.gateway = false;
  r.h0 = ip6W0Zoned(v, d, 0) === v.getInt32(d) && !needsZone(v, d) ? v.getInt32(d) : ip6W0Zoned(v, d, on === null ? zoneFor(ip6, m) : on.index);
  r.d0 = r.h0;
  r.h1 = v.getInt32(d + 4);
  r.h2 = v.getInt32(d + 8);
  r.h3 = v.getInt32(d + 12);
  if ((r.h0 | r.h1 | r.h2 | r.h3) === 0) return noRoute(ip6); // nobody has ::
  if (needsZone(v, d) && (r.h0 & 0xffff) === 0) return noRoute(ip6);
  const out = on ?? (isGroup && needsZone(v, d) ? ip6.net.ifByIndex(r.h0 & 0xffff) : null);
  if (out !== null && isGroup) {
    r.ifp = out;
    r.mtu = ip6.linkMtu(out);
    return 0;
  }
  const hop = opts === null ? null : opts.nexthop;
  if (hop !== null) {
    r.gateway = true;
    r.h0 = ip6Word(hop, 0);
    r.h1 = ip6Word(hop, 1);
    r.h2 = ip6Word(hop, 2);
    r.h3 = ip6Word(hop, 3);
  }
  return lookup(ip6, m, on);
}

/** Asks the routing table for the next hop in `ip6.route`; `on` has been named by the sender. */
function lookup(ip6: Ip6, m: PacketBuffer, on: Ifnet | null): Errno {
  const r = ip6.route;
  if (ip6.routes.hashOutbound !== 0 && m.flowid === 0) m.flowid = ip6FlowOf(ip6, m) | 0;
  const nh = ip6.routes.lookup6(m.fib, r.h0, r.h1, r.h2, r.h3, m.flowid);
  if (nh === null) return noRoute(ip6);
  nh.pksent++;
  if ((nh.flags & (RTF_REJECT | RTF_BLACKHOLE)) !== 0) return (nh.flags & RTF_BLACKHOLE) !== 0 ? BLACKHOLED : EHOSTUNREACH;
  r.ifp = nh.ifp;
  if (nh.gwIfp !== null && nh.gwIfp !== nh.ifp) r.origin = nh.gwIfp;
  r.mtu = ip6.linkMtu(nh.ifp);
  if (nh.mtu !== 0 && nh.mtu < r.mtu) r.mtu = nh.mtu;
  if (r.gateway && (nh.flags & RTF_GATEWAY) !== 0) return noRoute(ip6); // the next hop that was asked for is no neighbour
  if ((nh.flags & RTF_GATEWAY) !== 0) {
    r.gateway = true;
    r.h0 = nh.g0;
    r.h1 = nh.g1;
    r.h2 = nh.g2;
    r.h3 = nh.g3;
  }
  // Another interface than the route's: the destination is taken for a neighbour there, unless it is our own.
  if (on !== null && on !== nh.ifp && r.origin === null) {
    r.ifp = on;
    r.mtu = ip6.linkMtu(on);
  }
  return 0;
}

function noRoute(ip6: Ip6): Errno {
  ip6.stats.noroute++;
  return EHOSTUNREACH;
}

/** Link-local, or a group of the link or of an interface. */
function needsZone(v: DataView, at: number): boolean {
  return ip6W0Zoned(v, at, 1) !== ip6W0Zoned(v, at, 0);
}

/** Zone of a destination for which nobody has named one; 0: there is none. */
function zoneFor(ip6: Ip6, m: PacketBuffer): number {
  const v = m.view;
  const s = m.off + IP6_SRC;
  if (ip6W0IsLinkLocal(v.getInt32(s))) {
    let zone = 0;
    for (const ia of ip6.in6Net.addrs) {
      if (ia.k3 !== v.getInt32(s + 12) || ia.k2 !== v.getInt32(s + 8) || ia.k1 !== v.getInt32(s + 4) || (ia.k0 & ~0xffff) !== v.getInt32(s)) continue;
      if (zone !== 0) return 0;
      zone = ia.ifp.index;
    }
    if (zone !== 0) return zone;
  }
  return ip6.tun.useDefaultzone === 0 ? 0 : ip6.in6Net.defaultIfindex;
}

/** Source address when there is none; no address may leave its zone (RFC 4007 §6). */
function addresses(ip6: Ip6, m: PacketBuffer, flags: number, opts: Ip6OutputOpts | null): Errno {
  const v = m.view;
  const s = m.off + IP6_SRC;
  const r = ip6.route;
  const ifp = r.ifp as Ifnet;
  if (isUnspecified(v, s)) {
    if ((flags & IPV6_UNSPECSRC) !== 0) return 0;
    const d = m.off + IP6_DST;
    const ia = in6SelectSrc(ip6, r.origin ?? ifp, r.d0, v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), opts === null ? -1 : opts.preferTempaddr);
    if (ia === null) return EADDRNOTAVAIL;
    in6PutPlain(v, s, ia);
    return 0;
  }
  if (isScopeBroken(ip6, v, s, r.origin ?? ifp) || ((v.getInt32(m.off + IP6_DST) | 0) === 0 && isLoopback(v, m.off + IP6_DST) && (ifp.flags & IFF_LOOPBACK) === 0)) {
    ip6.stats.badscope++;
    return EHOSTUNREACH;
  }
  return 0;
}

function isLoopback(v: DataView, at: number): boolean {
  return (v.getInt32(at) | v.getInt32(at + 4) | v.getInt32(at + 8)) === 0 && v.getInt32(at + 12) === 1;
}

/** Is the source at `s` the loopback address on a real link, or a link-local address of ours that another interface has and `ifp` has not? */
function isScopeBroken(ip6: Ip6, v: DataView, s: number, ifp: Ifnet): boolean {
  if (!ip6W0IsLinkLocal(v.getInt32(s))) return (ifp.flags & IFF_LOOPBACK) === 0 && isLoopback(v, s);
  let elsewhere = false;
  for (const ia of ip6.in6Net.addrs) {
    if (ia.k3 !== v.getInt32(s + 12) || ia.k2 !== v.getInt32(s + 8) || ia.k1 !== v.getInt32(s + 4) || (ia.k0 & ~0xffff) !== v.getInt32(s)) continue;
    if (ia.ifp === ifp) return false;
    elsewhere = true;
  }
  return elsewhere;
}

/** RFC 6437 §3: packets of one flow, and as a rule only they, get one label. */
function flowLabel(ip6: Ip6, m: PacketBuffer): void {
  const v = m.view;
  const proto = v.getUint8(m.off + IP6_NXT);
  if ((proto !== IPPROTO_TCP && proto !== IPPROTO_UDP) || m.len < IP6_HDR_LEN + 4) return;
  let h = ip6.flowSalt ^ proto;
  for (let at = m.off + IP6_SRC; at < m.off + IP6_HDR_LEN + 4; at += 4) h = Math.imul((h ^ (h >>> 15)) + v.getInt32(at), 0x85ebca6b);
  h ^= h >>> 13;
  const label = (h & FLOWLABEL_MASK) || 1;
  v.setUint32(m.off + IP6_FLOW, (v.getUint32(m.off + IP6_FLOW) | label) >>> 0);
}

/** To a group: hop limit from the socket, a copy for ourselves when we are a member, nothing on the wire with a hop limit of 0. */
function outputMulticast(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, flags: number, opts: Ip6OutputOpts | null): Errno {
  const v = m.view;
  const r = ip6.route;
  m.flags |= M_MCAST;
  if (opts !== null && opts.mcastHops >= 0) v.setUint8(m.off + IP6_HLIM, opts.mcastHops);
  const ii = ip6.in6Net.ifinfo(ifp);
  if (ii !== null) ii.stats.ip6.outMcast++;
  if ((ifp.flags & IFF_MULTICAST) === 0) {
    ip6.stats.noroute++;
    countDiscard(ip6, ifp);
    return discard(m, ENETUNREACH);
  }
  const loop = opts === null ? ip6.tun.mcastLoop !== 0 : opts.mcastLoop;
  if (loop && ip6.in6Net.isMember(ifp, ip6W0Zoned(v, m.off + IP6_DST, ifp.index), r.h1, r.h2, r.h3)) loopCopy(ip6, ifp, m);
  const scope = v.getUint8(m.off + IP6_DST + 1) & 15;
  if (v.getUint8(m.off + IP6_HLIM) === 0 || scope === 1 || (ifp.flags & IFF_LOOPBACK) !== 0) return discard(m, 0);
  return filterAndSend(ip6, m, flags, opts);
}

/** A copy of `m` comes back in through `ifp`. */
function loopCopy(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): void {
  const n = m.pool.copy(m);
  if (n === null || !ip6.loop.enqueue(ifp, n)) ifp.data.iqdrops++;
}

/** Filters, the last checks, and out. */
function filterAndSend(ip6: Ip6, m: PacketBuffer, flags: number, opts: Ip6OutputOpts | null): Errno {
  if (ip6.pfil.hooked) {
    const verdict = filterOutput(ip6, m);
    if (verdict !== FILTER_GO_ON) return verdict;
  }
  const r = ip6.route;
  const ifp = r.ifp as Ifnet;
  const d = m.off + IP6_DST;
  const isGroup = m.view.getUint8(d) === 0xff;
  const minMtu = opts === null ? MINMTU_MCASTONLY : opts.minMtu;
  const always = (flags & IPV6_MINMTU) !== 0 || minMtu === MINMTU_ALWAYS || (minMtu === MINMTU_MCASTONLY && isGroup && ip6.tun.mcastPmtu === 0);
  const link = r.mtu;
  let mtu = always && link > IPV6_MMTU ? IPV6_MMTU : link;
  if (!always) {
    const path = ip6.pmtu.lookup(r.d0, m.view.getInt32(d + 4), m.view.getInt32(d + 8), m.view.getInt32(d + 12));
    if (path !== 0 && path < mtu) mtu = path;
  }
  if (opts !== null && opts.dontFrag && m.len > mtu && m.gsoSize === 0) {
    // What the link can carry goes out, to find out about the path.
    if (m.len > link) {
      ip6.stats.cantfrag++;
      return discard(m, EMSGSIZE);
    }
    mtu = link;
  }
  return ip6SendSized(ip6, ifp, m, r.h0, r.h1, r.h2, r.h3, r.gateway, mtu, r.origin);
}

const FILTER_GO_ON = -1;

/** A hook may send packets of its own before it says what becomes of this one. */
function runFilters(ip6: Ip6, m: PacketBuffer, ifp: Ifnet): number {
  const { route } = ip6;
  ip6.route = ip6.spareRoute ?? new OutRoute6();
  ip6.spareRoute = null;
  const verdict = ip6.pfil.run(m, ifp, PFIL_OUT);
  ip6.spareRoute = ip6.route;
  ip6.route = route;
  return verdict;
}

/** The output hooks. They may change the destination: to one of ours (then the packet turns round) or to another. */
function filterOutput(ip6: Ip6, m: PacketBuffer): Errno {
  const r = ip6.route;
  const ifp = r.ifp as Ifnet;
  const v = m.view;
  const d = m.off + IP6_DST;
  const w0 = v.getInt32(d);
  const w1 = v.getInt32(d + 4);
  const w2 = v.getInt32(d + 8);
  const w3 = v.getInt32(d + 12);
  const verdict = runFilters(ip6, m, ifp);
  if (verdict !== PFIL_PASS) return verdict === PFIL_DROPPED ? discard(m, EHOSTUNREACH) : 0;
  if ((m.flags & M_NEXTHOP) !== 0) return goNextHop(ip6, m, ifp);
  const now = m.off + IP6_DST;
  if (v.getInt32(now) === w0 && v.getInt32(now + 4) === w1 && v.getInt32(now + 8) === w2 && v.getInt32(now + 12) === w3) return FILTER_GO_ON;
  if (ip6.in6Net.isLocal(ip6W0Zoned(v, now, ifp.index), v.getInt32(now + 4), v.getInt32(now + 8), v.getInt32(now + 12))) {
    return ip6.loop.enqueue(ip6.net.loif ?? ifp, m) ? 0 : ENOBUFS;
  }
  const error = findRoute(ip6, m, null);
  return error === 0 ? FILTER_GO_ON : discard(m, error === BLACKHOLED ? 0 : error);
}

/** A filter named the next hop: this host, or where the route of that address leads. */
function goNextHop(ip6: Ip6, m: PacketBuffer, ifp: Ifnet): Errno {
  const tag = fwdTag(m);
  if (tag === null || (m.flags & M_FASTFWD_OURS) !== 0) return ip6.loop.enqueue(ip6.net.loif ?? ifp, m) ? 0 : ENOBUFS;
  const r = ip6.route;
  r.origin = null;
  r.gateway = false;
  r.h0 = fwdWord(tag, 0);
  r.h1 = fwdWord(tag, 1);
  r.h2 = fwdWord(tag, 2);
  r.h3 = fwdWord(tag, 3);
  fwdClear(m);
  const error = lookup(ip6, m, null);
  r.gateway = true;
  return error === 0 ? FILTER_GO_ON : discard(m, error === BLACKHOLED ? 0 : error);
}

/**
 * Sends a packet with a complete header: whole when it fits or is a super-segment of fitting segments, in fragments otherwise. The next hop is in zoned
 * form; `origin` as in ip6Send. Owns `m`.
 */
export function ip6SendSized(
  ip6: Ip6, ifp: Ifnet, m: PacketBuffer, h0: number, h1: number, h2: number, h3: number, gateway: boolean, mtu: number, origin: Ifnet | null,
): Errno {
  if (m.gsoSize > 0) {
    const off = ifp.capabilities & ~ifp.capenable & (m.gsoType === GSO_TCPV6 ? IFCAP_TSO6 : IFCAP_TXCSUM_IPV6);
    if (ip6GsoFits(m, mtu) && off === 0) return ip6Send(ip6, ifp, m, h0, h1, h2, h3, gateway, origin);
    return sendSegments(ip6, ifp, m, h0, h1, h2, h3, gateway, mtu, origin);
  }
  if ((m.csumFlags & CSUM_L4) !== 0 && (ifp.capabilities & ~ifp.capenable & IFCAP_TXCSUM_IPV6) !== 0) finishChecksums(m, 0);
  if (m.len <= mtu) return ip6Send(ip6, ifp, m, h0, h1, h2, h3, gateway, origin);
  const st = ip6.in6Net.ifinfo(ifp)?.stats.ip6 ?? null;
  const made = ip6.stats.ofragments;
  const error = ip6Fragment(ip6, m, mtu);
  if (error !== 0) {
    if (st !== null) st.outFragfail++;
    return discard(m, error);
  }
  if (st !== null) {
    st.outFragok++;
    st.outFragcreat += ip6.stats.ofragments - made;
  }
  return sendFragments(ip6, ifp, m, h0, h1, h2, h3, gateway, origin);
}

/** Cuts a super-segment here, because the interface may not, or because its segments must be fragmented. */
function sendSegments(
  ip6: Ip6, ifp: Ifnet, whole: PacketBuffer, h0: number, h1: number, h2: number, h3: number, gateway: boolean, mtu: number, origin: Ifnet | null,
): Errno {
  if (segment(whole.pool, whole, ip6.segments.collect, 0) === 0) {
    ip6.stats.odropped++;
    return ENOBUFS;
  }
  let error = 0;
  let m = ip6.segments.take();
  while (m !== null) {
    const next: PacketBuffer | null = m.next;
    m.next = null;
    if (error === 0) error = ip6SendSized(ip6, ifp, m, h0, h1, h2, h3, gateway, mtu, origin);
    else m.free();
    m = next;
  }
  return error;
}

/** The first error ends it: the fragments left are of no use to anybody. */
function sendFragments(ip6: Ip6, ifp: Ifnet, first: PacketBuffer, h0: number, h1: number, h2: number, h3: number, gateway: boolean, origin: Ifnet | null): Errno {
  let error = 0;
  let m: PacketBuffer | null = first;
  while (m !== null) {
    const next: PacketBuffer | null = m.next;
    m.next = null;
    if (error === 0) error = ip6Send(ip6, ifp, m, h0, h1, h2, h3, gateway, origin);
    else m.free();
    m = next;
  }
  if (error === 0) ip6.stats.fragmented++;
  return error;
}

const UDP_HDR = 8;
/** Where a TCP header has its length, in the high nibble, in words. */
const TCP_DATA_OFF = 12;

/** Do the segments of super-segment `m` fit into `mtu` bytes each? */
export function ip6GsoFits(m: PacketBuffer, mtu: number): boolean {
  const l4 = m.csumStart - m.off;
  const hdr = m.gsoType === GSO_TCPV6 ? (m.view.getUint8(m.csumStart + TCP_DATA_OFF) >>> 4) << 2 : UDP_HDR;
  return l4 > 0 && l4 + hdr + m.gsoSize <= mtu;
}

/**
 * To the link: resolved by ND where the interface has link addresses. The next hop is in zoned form. `origin`: the interface with the destination, when
 * that is ours and the packet turns round on the loopback interface. Owns `m`.
 */
export function ip6Send(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, h0: number, h1: number, h2: number, h3: number, gateway: boolean, origin: Ifnet | null = null): Errno {
  if (origin !== null && ip6W0IsLinkLocal(h0)) return turnRound(ip6, ifp, origin, m);
  if (ifp.type === IFT_STF) return stfOutput(ifp, m, gateway ? ip6.stfGateway.put(h0, h1, h2, h3) : null);
  if (ifp.lladdr.length === 0) return ifp.isRunning || (ifp.flags & IFF_LOOPBACK) !== 0 ? ifTransmit(ifp, m) : discard(m, ENETDOWN);
  if (h0 >>> 24 === 0xff) return etherOutput(ifp, m, MAC_HI_IP6_GROUP, h3 >>> 0, ETHERTYPE_IPV6);
  const { nd } = ip6;
  if (nd === null) return discard(m, ENETDOWN);
  return nd.output(ifp, m, h0, h1, h2, h3, gateway);
}

/** Over loopback interface `lo`, which counts and shows it, into `origin`, whose zone the addresses are in. */
function turnRound(ip6: Ip6, lo: Ifnet, origin: Ifnet, m: PacketBuffer): Errno {
  lo.data.opackets++;
  lo.data.obytes += m.len;
  lo.data.ipackets++;
  lo.data.ibytes += m.len;
  if (lo.bpf !== null) lo.bpf.tap(lo, m, BPF_D_OUT);
  m.csumFlags |= CSUM_L4_VALID;
  return ip6.loop.enqueue(origin, m) ? 0 : ENOBUFS;
}

/** Flow hash of a packet, for multipath routes; ports count only where every packet of the flow shows them. */
export function ip6FlowOf(ip6: Ip6, m: PacketBuffer): number {
  return flowOf6(m.view, m.off, m.len, ip6.routes.flowSalt);
}

