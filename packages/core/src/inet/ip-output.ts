/**
 * ip-output.ts — an IPv4 packet of this host leaves: route, source address, header, size, link.
 * Read first: RFC 1122 §3.3; RFC 1191; FreeBSD's netinet/ip_output.c.
 *
 * Theory of operation. The caller has built the header but for length, identification and checksum. Output finds out where the
 * packet goes (`findRoute`: an interface, a next hop on it, an MTU, a source), deals with multicast and broadcast, shows the
 * packet to the filters and sends it: whole, as a super-segment (the link or its driver cuts it), or in fragments.
 * `ipSend` is the last step, shared with forwarding: it asks ARP on interfaces with link addresses and hands the packet to
 * the driver on others.
 *
 * The result of the route look-up is in `ip.route`, one object per Ip, valid until the packet is sent: sending may come back
 * here (a tunnel sends its outer packet), so nothing is read from it afterwards.
 * Invariants: `m` is gone when these functions return, whatever they return.
 * Not here: the choice of source address for a socket (ip.ts, sourceFor); ICMP (icmp*.ts).
 *
 * @rfc 1122 3.3 yes
 * @rfc 1191 3 partial "the MTU of a path is learned for TCP only, which is not built yet; others are told EMSGSIZE or cut"
 */
import type { Errno } from '../base/errno.js';
import { EACCES, EADDRNOTAVAIL, EHOSTUNREACH, EMSGSIZE, ENETDOWN, ENETUNREACH, ENOBUFS } from '../base/errno.js';
import { flowOf4 } from '../fwd/flow-of.js';
import { CSUM_L4, GSO_TCPV4, M_BCAST, M_FASTFWD_OURS, M_MCAST, M_NEXTHOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { etherOutput } from '../net/ether.js';
import { fwdClear, fwdTag, fwdWord } from '../net/fwd-tag.js';
import { ifTransmit } from '../net/if-transmit.js';
import { IFCAP_TSO4, IFCAP_TXCSUM, IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST, IFF_SIMPLEX } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { finishChecksums, segment } from '../net/offload.js';
import { PFIL_DROPPED, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import type { IfAddr4 } from '../net/route/ifa-lookup.js';
import { ifaIfwithdstaddr, ifaIfwithnet, ifaofIfpforaddr, isIfAddr4 } from '../net/route/ifa-lookup.js';
import { RTF_BLACKHOLE, RTF_BROADCAST, RTF_GATEWAY, RTF_HOST, RTF_REJECT } from '../net/route/nexthop.js';
import { INADDR_BROADCAST, MAC_HI_IP4_GROUP, ip4IsLoopback, ip4IsMulticast, macLoOfIp4Group } from '../wire/addr.js';
import { ETHERTYPE_IP } from '../wire/ether.js';
import {
  IP4_DST, IP4_ID, IP4_LEN, IP4_SRC, IP4_TTL, IP_DF, IP_MAXPACKET, ip4Dst, ip4Hl, ip4Id, ip4Off, ip4PutSum, ip4Src,
} from '../wire/ip4.js';
import { ipFragment } from './ip-fragment.js';
import { ipInsertOptions } from './ip-options.js';
import type { IpOptions } from './ip-options.js';
import type { Ip } from './ip.js';

/** Flags of `ipOutput`, FreeBSD's values. The packet is being forwarded: its header is complete. */
export const IP_FORWARDING = 0x1;
/** The user made the header (IP_HDRINCL). */
export const IP_RAWOUTPUT = 0x2;
/** To 255.255.255.255 on the interface whose broadcast address or far end the destination is (IP_ONESBCAST). */
export const IP_SENDONES = 0x4;
/** No routing: the interface whose network, or far end, the destination is (SO_DONTROUTE). */
export const IP_ROUTETOIF = 0x10;
/** The socket may send broadcasts (SO_BROADCAST). */
export const IP_ALLOWBROADCAST = 0x20;

/** TTL of multicasts from a socket that said nothing. */
const DEFAULT_MULTICAST_TTL = 1;

/** What a socket wants beyond the header's fields. Kept by the socket; nothing is allocated per packet. */
export class IpOutputOpts {
  /** IP_OPTIONS */
  options: IpOptions | null = null;
  /** IP_MULTICAST_IF; null: by route. */
  mcastIfp: Ifnet | null = null;
  /** IP_MULTICAST_TTL, 0..255 */
  mcastTtl = DEFAULT_MULTICAST_TTL;
  /** IP_MULTICAST_LOOP */
  mcastLoop = true;
}

/** Where a packet goes. */
export class OutRoute {
  ifp: Ifnet | null = null;
  /** The address of ours it goes out with; null when the interface has none. */
  ifa: IfAddr4 | null = null;
  /** Next hop on the link, as a signed number (V8 passes those without a heap number), and whether that is a router. */
  hop = 0;
  gateway = false;
  mtu = 0;
  broadcast = false;
}

/** See the file header. Errors: EMSGSIZE, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, EADDRNOTAVAIL, EACCES, ENOBUFS. Owns `m`. */
export function ipOutput(ip: Ip, m: PacketBuffer, flags: number, opts: IpOutputOpts | null): Errno {
  const error = prepare(ip, m, flags, opts);
  if (error !== 0) return discard(m, error);
  const v = m.view;
  const r = ip.route;
  const noRoute = findRoute(ip, m, flags, opts);
  if (noRoute !== 0) return discard(m, noRoute === BLACKHOLED ? 0 : noRoute);
  if (ip4Src(v, m.off) === 0) v.setUint32(m.off + IP4_SRC, sourceOf(ip, r, ip4Dst(v, m.off)));
  if (ip4IsMulticast(ip4Dst(v, m.off))) return outputMulticast(ip, m, flags, opts);
  m.flags &= ~(M_BCAST | M_MCAST);
  if (r.broadcast) {
    const refused = checkBroadcast(r, m, flags);
    if (refused !== 0) return discard(m, refused);
    m.flags |= M_BCAST;
  }
  return filterAndSend(ip, m, flags);
}

/** The address of ours a packet without one goes out with: to ourselves the one it goes to, else the route's. */
function sourceOf(ip: Ip, r: OutRoute, dst: number): number {
  if (((r.ifp as Ifnet).flags & IFF_LOOPBACK) !== 0 && ip.inNet.isLocal(dst)) return dst;
  return r.ifa === null ? 0 : r.ifa.addr;
}

function discard(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}

/** Options, length, identification. */
function prepare(ip: Ip, m: PacketBuffer, flags: number, opts: IpOutputOpts | null): Errno {
  const options = opts === null ? null : opts.options;
  if (options !== null && options.len > 0) {
    if (m.len + options.len > IP_MAXPACKET) return EMSGSIZE;
    if (!ipInsertOptions(m, options)) return ENOBUFS;
  }
  if (m.len > IP_MAXPACKET) return EMSGSIZE;
  const v = m.view;
  if ((flags & (IP_FORWARDING | IP_RAWOUTPUT)) === 0) {
    v.setUint16(m.off + IP4_LEN, m.len);
    v.setUint16(m.off + IP4_ID, ip.id.next(ip4Off(v, m.off)));
  } else if ((flags & IP_RAWOUTPUT) !== 0) {
    ip.stats.rawout++;
    if (ip4Id(v, m.off) === 0) v.setUint16(m.off + IP4_ID, ip.id.next(ip4Off(v, m.off)));
  }
  if ((flags & IP_FORWARDING) === 0) ip.stats.localout++;
  return 0;
}

/** Fills `ip.route`. */
function findRoute(ip: Ip, m: PacketBuffer, flags: number, opts: IpOutputOpts | null): Errno {
  const dst = ip4Dst(m.view, m.off);
  if ((flags & (IP_SENDONES | IP_ROUTETOIF)) !== 0) return routeToInterface(ip, m, dst, flags);
  if (opts !== null && opts.mcastIfp !== null && ip4IsMulticast(dst)) {
    setRoute(ip.route, opts.mcastIfp, ifaofIfpforaddr(opts.mcastIfp, dst), dst);
    return 0;
  }
  if (ip.routes.hashOutbound !== 0 && m.flowid === 0) m.flowid = flowOf(ip, m) | 0;
  const nh = ip.routes.lookup4(m.fib, dst | 0, m.flowid);
  if (nh === null) {
    ip.stats.noroute++;
    return EHOSTUNREACH;
  }
  nh.pksent++;
  if ((nh.flags & (RTF_REJECT | RTF_BLACKHOLE)) !== 0) return (nh.flags & RTF_BLACKHOLE) !== 0 ? BLACKHOLED : EHOSTUNREACH;
  const r = ip.route;
  const { ifp, ifa } = nh;
  r.ifp = ifp;
  r.ifa = ifa !== null && isIfAddr4(ifa) ? ifa : null;
  r.gateway = (nh.flags & RTF_GATEWAY) !== 0;
  r.hop = (r.gateway ? nh.gw4 : dst) | 0;
  r.mtu = nh.pathMtu;
  if (dst === INADDR_BROADCAST) {
    r.hop = dst | 0;
    r.broadcast = true;
  } else if ((nh.flags & RTF_HOST) !== 0) r.broadcast = (nh.flags & RTF_BROADCAST) !== 0;
  else r.broadcast = (ifp.flags & IFF_BROADCAST) !== 0 && r.ifa !== null && r.ifa.broadcast === r.hop >>> 0;
  return 0;
}

/** `findRoute` found a blackhole: the packet is dropped, the caller is told that it was sent. */
const BLACKHOLED = -1;

function setRoute(r: OutRoute, ifp: Ifnet, ifa: IfAddr4 | null, hop: number): void {
  r.ifp = ifp;
  r.ifa = ifa;
  r.hop = hop | 0;
  r.gateway = false;
  r.mtu = ifp.mtu;
  r.broadcast = false;
}

/** SO_DONTROUTE and IP_ONESBCAST: straight to an interface, one hop far. */
function routeToInterface(ip: Ip, m: PacketBuffer, dst: number, flags: number): Errno {
  const ones = (flags & IP_SENDONES) !== 0;
  let ifa = ones ? ifaWithBroadcast(ip, dst, m.fib) : null;
  ifa ??= ifaIfwithdstaddr(ip.net, dst, m.fib);
  if (!ones) ifa ??= ifaIfwithnet(ip.net, dst, m.fib);
  if (ifa === null) {
    ip.stats.noroute++;
    return ENETUNREACH;
  }
  const v = m.view;
  setRoute(ip.route, ifa.ifp, ifa, ones ? INADDR_BROADCAST : dst);
  v.setUint8(m.off + IP4_TTL, 1);
  if (ones) v.setUint32(m.off + IP4_DST, INADDR_BROADCAST);
  ip.route.broadcast = ones || ((ifa.ifp.flags & IFF_BROADCAST) !== 0 && (ifa.broadcast === dst || dst === INADDR_BROADCAST));
  return 0;
}

function ifaWithBroadcast(ip: Ip, dst: number, fib: number): IfAddr4 | null {
  for (const ifp of ip.net.ifnets) {
    if (ifp.fib !== fib || (ifp.flags & IFF_BROADCAST) === 0) continue;
    for (const ifa of ifp.addrs) if (isIfAddr4(ifa) && ifa.broadcast === dst) return ifa;
  }
  return null;
}

function checkBroadcast(r: OutRoute, m: PacketBuffer, flags: number): Errno {
  if (((r.ifp as Ifnet).flags & IFF_BROADCAST) === 0) return EADDRNOTAVAIL;
  if ((flags & IP_ALLOWBROADCAST) === 0) return EACCES;
  return m.len > r.mtu ? EMSGSIZE : 0;
}

/** To a group: TTL from the socket, a copy for ourselves when we are a member, nothing on the wire with a TTL of 0. */
function outputMulticast(ip: Ip, m: PacketBuffer, flags: number, opts: IpOutputOpts | null): Errno {
  const v = m.view;
  const r = ip.route;
  const ifp = r.ifp as Ifnet;
  const group = ip4Dst(v, m.off);
  r.hop = group | 0;
  r.gateway = false;
  m.flags = (m.flags & ~M_BCAST) | M_MCAST;
  if ((flags & (IP_FORWARDING | IP_RAWOUTPUT)) === 0) v.setUint8(m.off + IP4_TTL, opts === null ? DEFAULT_MULTICAST_TTL : opts.mcastTtl);
  if ((ifp.flags & IFF_MULTICAST) === 0) {
    ip.stats.noroute++;
    return discard(m, ENETUNREACH);
  }
  const loop = opts === null ? ip.tun.mcastLoop !== 0 : opts.mcastLoop;
  if (loop && ip.inNet.isMember(ifp, group)) loopCopy(ip, ifp, m);
  if (v.getUint8(m.off + IP4_TTL) === 0 || (ifp.flags & IFF_LOOPBACK) !== 0) return discard(m, 0);
  return filterAndSend(ip, m, flags);
}

/** A copy of `m` comes back in through `ifp`. */
function loopCopy(ip: Ip, ifp: Ifnet, m: PacketBuffer): void {
  const n = m.pool.copy(m);
  if (n === null) {
    ifp.data.iqdrops++;
    return;
  }
  ip4PutSum(n.view, n.off, ip4Hl(n.view, n.off));
  ip.loop.enqueue(ifp, n);
}

/** Filters, the last checks, and out. */
function filterAndSend(ip: Ip, m: PacketBuffer, flags: number): Errno {
  const v = m.view;
  const r = ip.route;
  if (ip.pfil.hooked) {
    const verdict = filterOutput(ip, m, flags);
    if (verdict !== FILTER_GO_ON) return verdict;
  }
  const ifp = r.ifp as Ifnet;
  if ((ip4IsLoopback(ip4Dst(v, m.off)) || ip4IsLoopback(ip4Src(v, m.off))) && (ifp.flags & IFF_LOOPBACK) === 0) {
    ip.stats.badaddr++;
    return discard(m, EADDRNOTAVAIL);
  }
  ip4PutSum(v, m.off, ip4Hl(v, m.off));
  if ((m.flags & M_BCAST) !== 0 && (ifp.flags & (IFF_SIMPLEX | IFF_LOOPBACK)) === IFF_SIMPLEX) loopCopy(ip, ifp, m);
  return ipSendSized(ip, ifp, m, r.hop, r.gateway, r.mtu);
}

const FILTER_GO_ON = -1;

/** A hook may send packets of its own before it says what becomes of this one. */
function runFilters(ip: Ip, m: PacketBuffer, ifp: Ifnet): number {
  const { route } = ip;
  ip.route = ip.spareRoute ?? new OutRoute();
  ip.spareRoute = null;
  const verdict = ip.pfil.run(m, ifp, PFIL_OUT);
  ip.spareRoute = ip.route;
  ip.route = route;
  return verdict;
}

/** The output hooks. They may change the destination: to one of ours (then the packet turns round) or to another. */
function filterOutput(ip: Ip, m: PacketBuffer, flags: number): Errno {
  const ifp = ip.route.ifp as Ifnet;
  const before = ip4Dst(m.view, m.off);
  const verdict = runFilters(ip, m, ifp);
  if (verdict !== PFIL_PASS) return verdict === PFIL_DROPPED ? discard(m, EACCES) : 0;
  if ((m.flags & M_NEXTHOP) !== 0) return goNextHop(ip, m, ifp);
  const dst = ip4Dst(m.view, m.off);
  if (dst === before) return FILTER_GO_ON;
  if (ip.inNet.isLocal(dst)) {
    ip4PutSum(m.view, m.off, ip4Hl(m.view, m.off));
    return ip.loop.enqueue(ip.net.loif ?? ifp, m) ? 0 : ENOBUFS;
  }
  const error = findRoute(ip, m, flags, null);
  return error === 0 ? FILTER_GO_ON : discard(m, error === BLACKHOLED ? 0 : error);
}

/** A filter named the next hop: this host, or where the route of that address leads. */
function goNextHop(ip: Ip, m: PacketBuffer, ifp: Ifnet): Errno {
  const tag = fwdTag(m);
  if (tag === null || (m.flags & M_FASTFWD_OURS) !== 0) {
    ip4PutSum(m.view, m.off, ip4Hl(m.view, m.off));
    return ip.loop.enqueue(ip.net.loif ?? ifp, m) ? 0 : ENOBUFS;
  }
  const hop = fwdWord(tag, 0);
  fwdClear(m);
  const nh = ip.routes.lookup4(m.fib, hop, m.flowid);
  if (nh === null || (nh.flags & (RTF_REJECT | RTF_BLACKHOLE)) !== 0) {
    ip.stats.noroute++;
    return discard(m, EHOSTUNREACH);
  }
  nh.pksent++;
  const r = ip.route;
  r.ifp = nh.ifp;
  r.gateway = (nh.flags & RTF_GATEWAY) !== 0;
  r.hop = nh.hop4(hop >>> 0) | 0;
  r.mtu = nh.pathMtu;
  return FILTER_GO_ON;
}

/**
 * Sends a packet with a complete header: whole when it fits or is a super-segment of fitting segments, in fragments otherwise.
 * EMSGSIZE when it must not be cut. `hop` is a signed number, see OutRoute. Owns `m`.
 */
export function ipSendSized(ip: Ip, ifp: Ifnet, m: PacketBuffer, hop: number, gateway: boolean, mtu: number): Errno {
  if (m.gsoSize > 0) {
    const off = ifp.capabilities & ~ifp.capenable & (m.gsoType === GSO_TCPV4 ? IFCAP_TSO4 : IFCAP_TXCSUM);
    const fits = gsoFits(m, mtu);
    if (fits && off === 0) return ipSend(ip, ifp, m, hop, gateway);
    if (fits || (ip4Off(m.view, m.off) & IP_DF) === 0) return sendSegments(ip, ifp, m, hop, gateway, mtu);
    ip.stats.cantfrag++;
    return discard(m, EMSGSIZE);
  }
  if ((m.csumFlags & CSUM_L4) !== 0 && (ifp.capabilities & ~ifp.capenable & IFCAP_TXCSUM) !== 0) finishChecksums(m, 0);
  if (m.len <= mtu) return ipSend(ip, ifp, m, hop, gateway);
  const error = ipFragment(ip, m, mtu);
  if (error !== 0) return discard(m, error);
  return sendFragments(ip, ifp, m, hop, gateway);
}

/** Collects what `segment` emits. */
export class SegmentChain {
  head: PacketBuffer | null = null;
  private tail: PacketBuffer | null = null;
  readonly collect: (piece: PacketBuffer) => void;

  constructor() {
    this.collect = (piece) => {
      piece.next = null;
      if (this.tail === null) this.head = piece;
      else this.tail.next = piece;
      this.tail = piece;
    };
  }

  take(): PacketBuffer | null {
    const head = this.head;
    this.head = null;
    this.tail = null;
    return head;
  }
}

/** Cuts a super-segment here, because the interface may not, or because its segments must be fragmented. */
function sendSegments(ip: Ip, ifp: Ifnet, whole: PacketBuffer, hop: number, gateway: boolean, mtu: number): Errno {
  if (segment(whole.pool, whole, ip.segments.collect, 0) === 0) {
    ip.stats.odropped++;
    return ENOBUFS;
  }
  let error = 0;
  let m = ip.segments.take();
  while (m !== null) {
    const next: PacketBuffer | null = m.next;
    m.next = null;
    if (error === 0) error = ipSendSized(ip, ifp, m, hop, gateway, mtu);
    else m.free();
    m = next;
  }
  return error;
}

/** The first error ends it: the fragments left are of no use to anybody. */
function sendFragments(ip: Ip, ifp: Ifnet, first: PacketBuffer, hop: number, gateway: boolean): Errno {
  let error = 0;
  let m: PacketBuffer | null = first;
  while (m !== null) {
    const next: PacketBuffer | null = m.next;
    m.next = null;
    if (error === 0) error = ipSend(ip, ifp, m, hop, gateway);
    else m.free();
    m = next;
  }
  if (error === 0) ip.stats.fragmented++;
  return error;
}

const UDP_HDR = 8;
/** Where a TCP header has its length, in the high nibble, in words. */
const TCP_DATA_OFF = 12;

/** Do the segments of super-segment `m` fit into `mtu` bytes each? */
export function gsoFits(m: PacketBuffer, mtu: number): boolean {
  const l4 = m.csumStart - m.off;
  const hdr = m.gsoType === GSO_TCPV4 ? (m.view.getUint8(m.csumStart + TCP_DATA_OFF) >>> 4) << 2 : UDP_HDR;
  return l4 > 0 && l4 + hdr + m.gsoSize <= mtu;
}

/** To the link: resolved by ARP where the interface has link addresses. `hop` is a signed number, see OutRoute. Owns `m`. */
export function ipSend(ip: Ip, ifp: Ifnet, m: PacketBuffer, hop: number, gateway: boolean): Errno {
  if (ifp.lladdr.length === 0) return ifp.isRunning || (ifp.flags & IFF_LOOPBACK) !== 0 ? ifTransmit(ifp, m) : discard(m, ENETDOWN);
  if ((m.flags & (M_BCAST | M_MCAST)) !== 0) {
    if ((m.flags & M_BCAST) !== 0) return etherOutput(ifp, m, 0xffff, 0xffff_ffff, ETHERTYPE_IP);
    return etherOutput(ifp, m, MAC_HI_IP4_GROUP, macLoOfIp4Group(hop), ETHERTYPE_IP);
  }
  const { arp } = ip;
  if (arp === null) return discard(m, ENETDOWN);
  return arp.output(ifp, m, hop, gateway);
}

/** Flow hash of a packet, for multipath routes; ports count only where every packet of the flow shows them. */
export function flowOf(ip: Ip, m: PacketBuffer): number {
  return flowOf4(m.view, m.off, m.len, ip.routes.flowSalt);
}
