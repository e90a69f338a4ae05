/**
 * ip6-output.ts — an IPv6 packet of this host leaves: route, source address, size, link.
 * Read first: RFC 8200 §5, RFC 6724; FreeBSD's netinet6/ip6_output.c.
 *
 * Theory of operation. The caller has built the header but for its length. Output finds out where the packet goes (`findRoute`: an
 * interface, a next hop on it, an MTU, a source), deals with multicast, shows the packet to the filters and sends it.
 * `ip6Send` is the last step, shared with forwarding: it asks ND on interfaces with link addresses and hands the packet to the driver on
 * others. A destination that needs a zone gets it from `opts.ifp` or, for a sender on one of our addresses, from there.
 *
 * The result of the route look-up is in `ip6.route`, one object per Ip6, valid until the packet is sent.
 * Invariants: `m` is gone when these functions return, whatever they return.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EHOSTUNREACH, EMSGSIZE, ENETDOWN, ENETUNREACH } from '../base/errno.js';
import { M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { etherOutput } from '../net/ether.js';
import { ifTransmit } from '../net/if-transmit.js';
import { IFF_LOOPBACK, IFF_MULTICAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { PFIL_DROPPED, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import { RTF_BLACKHOLE, RTF_GATEWAY, RTF_REJECT } from '../net/route/nexthop.js';
import { MAC_HI_IP6_GROUP, ip6W0Zoned } from '../wire/addr6.js';
import { ETHERTYPE_IPV6 } from '../wire/ether.js';
import { IP6_DST, IP6_HDR_LEN, IP6_HLIM, IP6_PLEN, IP6_SRC, IPV6_MAXPACKET } from '../wire/ip6.js';
import { In6Ifaddr } from './in6-ifaddr.js';
import { in6Lookup } from './in6-routes.js';
import type { Ip6 } from './ip6.js';

/** Flags of `ip6Output`, FreeBSD's values. The source may be unspecified: duplicate address detection, router solicitations. */
export const IPV6_UNSPECSRC = 0x01;
/** The packet is being forwarded: its header is complete. */
export const IPV6_FORWARDING = 0x02;
/** Cut into packets of IPV6_MMTU bytes whatever the path allows. */
export const IPV6_MINMTU = 0x04;

/** Hop limit of multicasts from a socket that said nothing. */
export const IPV6_DEFAULT_MULTICAST_HOPS = 1;

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
}

/** Where a packet goes. */
export class OutRoute6 {
  ifp: Ifnet | null = null;
  ifa: In6Ifaddr | null = null;
  /** Next hop on the link, zoned form, and whether that is a router. */
  h0 = 0;
  h1 = 0;
  h2 = 0;
  h3 = 0;
  gateway = false;
  mtu = 0;
}

/** See the file header. Errors: EMSGSIZE, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, ENOBUFS. Owns `m`. */
export function ip6Output(ip6: Ip6, m: PacketBuffer, flags: number, opts: Ip6OutputOpts | null): Errno {
  if (m.len - IP6_HDR_LEN > IPV6_MAXPACKET) return discard(m, EMSGSIZE);
  const v = m.view;
  v.setUint16(m.off + IP6_PLEN, m.len - IP6_HDR_LEN);
  ip6.stats.localout++;
  const error = findRoute(ip6, m, opts);
  if (error !== 0) return discard(m, error);
  const r = ip6.route;
  const ifp = r.ifp as Ifnet;
  if ((flags & IPV6_UNSPECSRC) === 0 && isUnspecified(v, m.off + IP6_SRC)) {
    if (r.ifa === null) return discard(m, EADDRNOTAVAIL);
    putAddr(v, m.off + IP6_SRC, r.ifa);
  }
  m.flags &= ~(M_BCAST | M_MCAST);
  if (v.getUint8(m.off + IP6_DST) === 0xff) return outputMulticast(ip6, ifp, m, opts);
  return filterAndSend(ip6, m);
}

function discard(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}

function isUnspecified(v: DataView, at: number): boolean {
  return v.getInt32(at) === 0 && v.getInt32(at + 4) === 0 && v.getInt32(at + 8) === 0 && v.getInt32(at + 12) === 0;
}

/** Writes an own address, in the form of packets. */
function putAddr(v: DataView, at: number, ia: In6Ifaddr): void {
  v.setInt32(at, ia.k0 >>> 22 === 0x3fa ? ia.k0 & ~0xffff : ia.k0);
  v.setInt32(at + 4, ia.k1);
  v.setInt32(at + 8, ia.k2);
  v.setInt32(at + 12, ia.k3);
}

/** Fills `ip6.route`. */
function findRoute(ip6: Ip6, m: PacketBuffer, opts: Ip6OutputOpts | null): Errno {
  const v = m.view;
  const d = m.off + IP6_DST;
  const isGroup = v.getUint8(d) === 0xff;
  const on = opts === null ? null : isGroup ? (opts.mcastIfp ?? opts.ifp) : opts.ifp;
  const r = ip6.route;
  r.h0 = ip6W0Zoned(v, d, on === null ? 0 : on.index);
  r.h1 = v.getInt32(d + 4);
  r.h2 = v.getInt32(d + 8);
  r.h3 = v.getInt32(d + 12);
  r.gateway = false;
  if (on !== null && isGroup) {
    r.ifp = on;
    r.ifa = sourceOn(ip6, on, r.h0);
    r.mtu = mtuOf(ip6, on);
    return 0;
  }
  const nh = in6Lookup(ip6.in6Net, m.fib, r.h0, r.h1, r.h2, r.h3, m.flowid);
  if (nh === null) {
    ip6.stats.noroute++;
    return EHOSTUNREACH;
  }
  nh.pksent++;
  if ((nh.flags & (RTF_REJECT | RTF_BLACKHOLE)) !== 0) return EHOSTUNREACH;
  r.ifp = nh.ifp;
  r.ifa = nh.ifa instanceof In6Ifaddr ? nh.ifa : sourceOn(ip6, nh.ifp, r.h0);
  r.mtu = mtuOf(ip6, nh.ifp);
  const gw = nh.gw6;
  if ((nh.flags & RTF_GATEWAY) === 0 || gw === null) return 0;
  r.gateway = true;
  const g = new DataView(gw.buffer, gw.byteOffset);
  r.h0 = g.getInt32(0);
  r.h1 = g.getInt32(4);
  r.h2 = g.getInt32(8);
  r.h3 = g.getInt32(12);
  return 0;
}

function mtuOf(ip6: Ip6, ifp: Ifnet): number {
  return ip6.in6Net.ifinfo(ifp)?.mtu ?? ifp.mtu;
}

/** An address of `ifp` of the right scope. */
function sourceOn(ip6: Ip6, ifp: Ifnet, w0: number): In6Ifaddr | null {
  const linkLocal = w0 >>> 22 === 0x3fa || w0 >>> 24 === 0xff;
  const ll = ip6.in6Net.linkLocalOf(ifp, 0x06);
  if (linkLocal) return ll;
  for (const ifa of ifp.addrs) if (ifa instanceof In6Ifaddr && ifa.isReady && ifa.k0 >>> 22 !== 0x3fa) return ifa;
  return ll;
}

/** To a group: hop limit from the socket, a copy for ourselves when we are a member, nothing on the wire with a hop limit of 0. */
function outputMulticast(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, opts: Ip6OutputOpts | null): Errno {
  const v = m.view;
  const r = ip6.route;
  m.flags |= M_MCAST;
  if (opts !== null && opts.mcastHops >= 0) v.setUint8(m.off + IP6_HLIM, opts.mcastHops);
  if ((ifp.flags & IFF_MULTICAST) === 0) {
    ip6.stats.noroute++;
    return discard(m, ENETUNREACH);
  }
  const loop = opts === null ? ip6.tun.mcastLoop !== 0 : opts.mcastLoop;
  if (loop && ip6.in6Net.isMember(ifp, ip6W0Zoned(v, m.off + IP6_DST, ifp.index), r.h1, r.h2, r.h3)) loopCopy(ip6, ifp, m);
  const scope = v.getUint8(m.off + IP6_DST + 1) & 15;
  if (v.getUint8(m.off + IP6_HLIM) === 0 || scope === 1 || (ifp.flags & IFF_LOOPBACK) !== 0) return discard(m, 0);
  return filterAndSend(ip6, m);
}

/** A copy of `m` comes back in through `ifp`. */
function loopCopy(ip6: Ip6, ifp: Ifnet, m: PacketBuffer): void {
  const n = m.pool.copy(m);
  if (n === null || !ip6.loop.enqueue(ifp, n)) ifp.data.iqdrops++;
}

/** Filters, the last checks, and out. */
function filterAndSend(ip6: Ip6, m: PacketBuffer): Errno {
  const r = ip6.route;
  const ifp = r.ifp as Ifnet;
  if (ip6.pfil.hooked) {
    const verdict = ip6.pfil.run(m, ifp, PFIL_OUT);
    if (verdict === PFIL_DROPPED) m.free();
    if (verdict !== PFIL_PASS) return verdict === PFIL_DROPPED ? EHOSTUNREACH : 0;
  }
  if (m.len > r.mtu && m.gsoSize === 0) {
    ip6.stats.cantfrag++;
    return discard(m, EMSGSIZE);
  }
  return ip6Send(ip6, ifp, m, r.h0, r.h1, r.h2, r.h3, r.gateway);
}

/** To the link: resolved by ND where the interface has link addresses. The next hop is in zoned form. Owns `m`. */
export function ip6Send(ip6: Ip6, ifp: Ifnet, m: PacketBuffer, h0: number, h1: number, h2: number, h3: number, gateway: boolean): Errno {
  if (ifp.lladdr.length === 0) return ifp.isRunning || (ifp.flags & IFF_LOOPBACK) !== 0 ? ifTransmit(ifp, m) : discard(m, ENETDOWN);
  if (h0 >>> 24 === 0xff) return etherOutput(ifp, m, MAC_HI_IP6_GROUP, h3 >>> 0, ETHERTYPE_IPV6);
  const { nd } = ip6;
  if (nd === null) return discard(m, ENETDOWN);
  return nd.output(ifp, m, h0, h1, h2, h3, gateway);
}
