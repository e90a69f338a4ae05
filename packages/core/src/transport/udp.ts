/**
 * udp.ts — UDP over IPv4: input, output, errors.
 * Read first: RFC 768; RFC 1122 §4.1; freebsd `sys/netinet/udp_usrreq.c`.
 *
 * Theory of operation. Input checks length and checksum, finds the pcb in one lookup and hands it the packet with `off` at
 * the payload and `nhoff` at the IP header: the packet itself is the record in the socket's buffer, nothing is copied.
 * Broadcasts go to every pcb that matches (the newest only, unless it shares its port), multicasts to those that joined the group;
 * the last one gets the original. Output writes headers in front of the payload and leaves the checksum to be finished where
 * somebody needs it.
 * A super-segment (`gsoSize`) is several datagrams in one packet, from the sender to the reader when no link on the way needs
 * them apart; it is counted as what it is.
 *
 * @rfc 768 yes
 * @rfc 1122 4.1 partial "source routes given by a peer are not recorded for the reply"
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EDESTADDRREQ, EISCONN, EMSGSIZE, ENOBUFS } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { CSUM_L4, CSUM_L4_VALID, GSO_NONE, GSO_UDP_L4, M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { AuditRow } from '../kern/audit.js';
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { ip4IsMulticast } from '../wire/addr.js';
import { cksumFold, cksumPseudo4, inCksum4 } from '../wire/checksum.js';
import { ICMP_UNREACH_PORT, ICMP_UNREACH } from '../wire/icmp4.js';
import { IP4_HDR_LEN, ip4Dst, ip4Src } from '../wire/ip4.js';
import { IPPROTO_UDP } from '../wire/ipproto.js';
import { UDP_HDR_LEN, UDP_SUM, udpDport, udpEmit, udpSport, udpSum, udpUlen } from '../wire/udp.js';
import { fwdPort, fwdTag, fwdWord } from '../net/fwd-tag.js';
import type { Ifnet } from '../net/ifnet.js';
import type { Icmp } from '../inet/icmp.js';
import type { Ip, IpProto } from '../inet/ip.js';
import type { InPcb, PcbUser } from './inpcb.js';
import { INADDR_ANY, InPcbTable, PORTRANGE_SYSCTLS, PortRange } from './inpcb.js';
import { MCAST_NOTSMEMBER, MCAST_PASS, pcbLeaveAll, pcbMemberships, pcbMulticast, pcbPurgeIf } from './pcb-multicast.js';
import { inPcbConnect, inPcbPeer } from './pcb-connect.js';
import { emitIpHeader, pcbOutput, pcbSource } from './pcb-output.js';
import { isUdpForeign } from './udp-foreign.js';
import type { UdpForeignDoor } from './udp-foreign.js';

/** Largest UDP payload an IPv4 packet can carry. */
export const UDP_PAYLOAD_MAX = 65_535 - IP4_HDR_LEN - UDP_HDR_LEN;

/** `struct udpstat`, without its prefix; `delivered` counts datagrams at least one socket took. */
export class UdpStats {
  ipackets = 0;
  hdrops = 0;
  badlen = 0;
  badsum = 0;
  nosum = 0;
  noport = 0;
  noportbcast = 0;
  fullsock = 0;
  pcbhashmiss = 0;
  delivered = 0;
  opackets = 0;
  filtermcast = 0;
  noportmcast = 0;
}

const UDP_COUNTERS: CounterGroup<UdpStats> = {
  name: 'udp',
  rows: [
    { key: 'ipackets', text: '{} datagram{s} received' },
    { key: 'hdrops', text: '{} with incomplete header' },
    { key: 'badlen', text: '{} with bad data length field' },
    { key: 'badsum', text: '{} with bad checksum' },
    { key: 'nosum', text: '{} with no checksum' },
    { key: 'noport', text: '{} dropped due to no socket' },
    { key: 'noportbcast', text: '{} broadcast/multicast datagram{s} undelivered' },
    { key: 'fullsock', text: '{} dropped due to full socket buffers' },
    { key: 'pcbhashmiss', text: '{} not for hashed pcb' },
    { key: 'delivered', text: '{} delivered' },
    { key: 'opackets', text: '{} datagram{s} output' },
    { key: 'filtermcast', text: '{} time{s} multicast source filter matched' },
  ],
};

export class UdpTunables {
  /** Compute checksums on output. */
  checksum = 1;
  maxdgram = 9_216;
  recvspace = 42_080;
  /** Do not answer datagrams for closed ports. */
  blackhole = 0;
}

const UDP_SYSCTLS: SysctlGroup<UdpTunables> = {
  prefix: 'net.inet.udp',
  oids: [
    sysctlInt('checksum', 'checksum', 'bool', 0, 1, 'compute udp checksum'),
    sysctlInt('maxdgram', 'maxdgram', 'bytes', 1, UDP_PAYLOAD_MAX, 'Maximum outgoing UDP datagram size'),
    sysctlInt('recvspace', 'recvspace', 'bytes', 1, 16 * 1024 * 1024, 'Maximum space for incoming UDP datagrams'),
    sysctlInt('blackhole', 'blackhole', 'bool', 0, 1, 'Do not send port unreachables for refused connects'),
  ],
};

const UDP_AUDIT: readonly AuditRow<Udp>[] = [
  { name: 'UDP pcbs', count: (u) => u.pcbs.count },
  { name: 'multicast memberships of sockets', count: (u) => pcbMemberships(u.pcbs.list()) },
];

export class Udp implements IpProto {
  readonly ip: Ip;
  private counted: UdpStats | null = null;
  readonly tun = new UdpTunables();
  readonly pcbs: InPcbTable;
  readonly range = new PortRange();
  /** Datagrams to addresses that are not ours, of both families, while there is a gateway. */
  foreign: UdpForeignDoor | null = null;
  private readonly icmp: Icmp;
  /** Who gets the broadcast being delivered. Reused; grows to what was needed most. */
  private readonly receivers: (InPcb | null)[] = [];

  constructor(ip: Ip, icmp: Icmp) {
    this.ip = ip;
    this.icmp = icmp;
    const { kern } = ip.net;
    this.pcbs = new InPcbTable(this.range, kern.engine.rng.split(`udp/${kern.id}/${kern.name}`));
    kern.audit.attach(UDP_AUDIT, this);
    kern.sysctl.attach(UDP_SYSCTLS, this.tun);
    kern.sysctl.attach(PORTRANGE_SYSCTLS, this.range);
    kern.counters.attach(UDP_COUNTERS, this);
    ip.register(IPPROTO_UDP, this);
    ip.inNet.purgeUpperEvent.attach(this, Udp.onPurge);
  }

  private static onPurge(this: void, udp: Udp, ifp: Ifnet): void {
    for (const inp of udp.pcbs.list()) pcbPurgeIf(inp, ifp);
  }

  /** Made with the first count. */
  get stats(): UdpStats {
    return (this.counted ??= new UdpStats());
  }

  destroy(): void {
    const { kern } = this.ip.net;
    this.ip.inNet.purgeUpperEvent.detach(this);
    this.ip.register(IPPROTO_UDP, null);
    kern.counters.detach(this);
    kern.sysctl.detach(this.range);
    kern.sysctl.detach(this.tun);
  }

  attach(user: PcbUser, fib: number): InPcb {
    return this.pcbs.attach(user, fib);
  }

  detach(inp: InPcb): void {
    pcbLeaveAll(this.ip.inNet, inp);
    this.pcbs.detach(inp);
  }

  /** EADDRNOTAVAIL, EADDRINUSE, EINVAL as bind(2). */
  bind(inp: InPcb, laddr: number, lport: number): Errno {
    return this.pcbs.bind(inp, laddr, lport, this.ip.mayBind(laddr));
  }

  /** As inPcbConnect. */
  connect(inp: InPcb, faddr: number, fport: number): Errno {
    return inPcbConnect(this.ip, this.pcbs, inp, faddr, fport);
  }

  disconnect(inp: InPcb): void {
    this.pcbs.disconnect(inp);
  }

  /**
   * Sends the payload `m`, to the connected end (faddr and fport 0) or to (faddr, fport). Owns `m`. With `m.gsoSize` below its
   * length it is that many datagrams. EDESTADDRREQ, EISCONN, EADDRNOTAVAIL, EMSGSIZE, and what IP output answers.
   */
  send(inp: InPcb, m: PacketBuffer, faddr: number, fport: number): Errno {
    if (m.len > UDP_PAYLOAD_MAX) return refused(m, EMSGSIZE);
    if (m.gsoSize >= m.len) m.gsoSize = 0;
    m.gsoType = m.gsoSize > 0 ? GSO_UDP_L4 : GSO_NONE;
    if (inp.connected) return faddr === INADDR_ANY && fport === 0 ? this.output(inp, m, inp.laddr, inp.faddr, inp.fport) : refused(m, EISCONN);
    if (fport === 0) return refused(m, faddr === INADDR_ANY ? EDESTADDRREQ : EADDRNOTAVAIL);
    const dst = inPcbPeer(this.ip, faddr);
    const src = inp.laddr === INADDR_ANY ? pcbSource(this.ip, inp, dst) : inp.laddr;
    if (src < 0) return refused(m, -src);
    const error = inp.lport === 0 ? this.bind(inp, inp.laddr, 0) : 0;
    return error === 0 ? this.output(inp, m, src, dst, fport) : refused(m, error);
  }

  /** Puts the headers on and hands the datagram to IP. Owns `m`. */
  private output(inp: InPcb, m: PacketBuffer, src: number, dst: number, dport: number): Errno {
    const datagrams = datagramsIn(m, m.len);
    if (!m.prepend(UDP_HDR_LEN)) return refused(m, ENOBUFS);
    const v = m.view;
    udpEmit(v, m.off, inp.lport, dport, m.len, 0);
    m.csumFlags = 0;
    if (this.tun.checksum !== 0 || m.gsoSize > 0) {
      v.setUint16(m.off + UDP_SUM, cksumFold(cksumPseudo4(src, dst, IPPROTO_UDP, m.len)));
      m.csumFlags = CSUM_L4;
      m.csumStart = m.off;
      m.csumOffset = UDP_SUM;
    }
    if (!emitIpHeader(inp, m, src, dst, IPPROTO_UDP, this.ip)) return ENOBUFS;
    this.stats.opackets += datagrams;
    return pcbOutput(this.ip, inp, m);
  }

  /** IpProto: a UDP packet for this host; `m.off` at the IP header. Owns `m`. */
  input(ifp: Ifnet, m: PacketBuffer, hlen: number): void {
    const { stats } = this;
    const v = m.view;
    const ipOff = m.off;
    const off = ipOff + hlen;
    const avail = m.len - hlen;
    if (avail < UDP_HDR_LEN) return this.drop(m, 'hdrops');
    const dport = udpDport(v, off);
    const ulen = udpUlen(v, off);
    if (dport === 0) return this.drop(m, 'noport');
    if (ulen < UDP_HDR_LEN || ulen > avail) return this.drop(m, 'badlen');
    const src = ip4Src(v, ipOff);
    const dst = ip4Dst(v, ipOff);
    if (!this.checksumOk(m, off, ulen, src, dst)) return this.drop(m, 'badsum');
    const datagrams = datagramsIn(m, ulen - UDP_HDR_LEN);
    stats.ipackets += datagrams;
    m.nhoff = ipOff;
    m.trim(hlen + ulen);
    const sport = udpSport(v, off);
    if (!this.ip.inNet.isLocal(dst) && (ip4IsMulticast(dst) || this.ip.inNet.isBroadcast(dst, ifp))) {
      this.inputMany(m, hlen, src, dst, sport, dport, datagrams);
      return;
    }
    const fwd = m.tags === null ? null : fwdTag(m);
    const found = fwd === null ? this.pcbs.lookup(src, sport, dst, dport)
      : (this.pcbs.lookupConn(src, sport, dst, dport) ?? this.pcbs.lookup(src, sport, fwdWord(fwd, 0) >>> 0, fwdPort(fwd) || dport));
    const inp = this.foreign !== null && fwd === null && isUdpForeign(ifp, found) ? this.foreign.pcbFor(ifp, m, false, sport, dport) : found;
    if (inp === null) {
      this.noPort(ifp, m, datagrams);
      return;
    }
    m.adj(hlen + UDP_HDR_LEN);
    this.account(inp.user.pcbInput(m), datagrams);
  }

  private account(taken: boolean, datagrams: number): void {
    if (taken) this.stats.delivered += datagrams;
    else this.stats.fullsock += datagrams;
  }

  private checksumOk(m: PacketBuffer, off: number, ulen: number, src: number, dst: number): boolean {
    if ((m.csumFlags & CSUM_L4) !== 0) return true;
    if (udpSum(m.view, off) === 0) {
      this.stats.nosum++;
      return true;
    }
    return (m.csumFlags & CSUM_L4_VALID) !== 0 || inCksum4(m.view, off, ulen, src, dst, IPPROTO_UDP) === 0;
  }

  /** Broadcast and multicast. Who gets it is settled before anybody does: a reader may close its socket, or another's. */
  private inputMany(m: PacketBuffer, hlen: number, src: number, dst: number, sport: number, dport: number, datagrams: number): void {
    const { receivers, stats } = this;
    const multicast = ip4IsMulticast(dst);
    let n = 0;
    for (let l = this.pcbs.portChain(dport); l !== null; l = l.next) {
      const p = l.item;
      if (p.lport !== dport || (p.laddr !== INADDR_ANY && p.laddr !== dst)) continue;
      if (p.connected && (p.faddr !== src || p.fport !== sport)) continue;
      if (multicast) {
        const verdict = pcbMulticast(p, dst, src, m.rcvif);
        if (verdict === MCAST_NOTSMEMBER) stats.filtermcast++;
        if (verdict !== MCAST_PASS) continue;
      }
      receivers[n++] = p;
      if (!p.reusePort && !p.reuseAddr && !p.reusePortLb) break;
    }
    if (n === 0) {
      stats.noport += datagrams;
      if (multicast) stats.noportmcast += datagrams;
      else stats.noportbcast += datagrams;
      m.free();
      return;
    }
    m.adj(hlen + UDP_HDR_LEN);
    const before = stats.delivered;
    for (let i = 0; i < n; i++) {
      const { user } = receivers[i] as InPcb;
      receivers[i] = null;
      const copy = i === n - 1 ? m : copyWithHeaders(m);
      if (copy === null) stats.fullsock += datagrams;
      else this.account(user.pcbInput(copy), datagrams);
    }
    if (stats.delivered > before) stats.delivered = before + datagrams;
  }

  /** Nobody has the port. `m.off` is at the IP header. */
  private noPort(ifp: Ifnet, m: PacketBuffer, datagrams: number): void {
    this.stats.noport += datagrams;
    const many = (m.flags & (M_BCAST | M_MCAST)) !== 0;
    if (many) this.stats.noportbcast += datagrams;
    if (many || this.tun.blackhole !== 0) m.free();
    else this.icmp.error(ifp, m, ICMP_UNREACH, ICMP_UNREACH_PORT, 0);
  }

  private drop(m: PacketBuffer, why: 'hdrops' | 'badlen' | 'badsum' | 'noport'): void {
    this.stats.ipackets++;
    this.stats[why]++;
    m.free();
  }

  /** IpProto: an ICMP error quoted a packet of ours; `off` is at the quoted IP header. Connected sockets are told. */
  ctlinput(error: Errno, m: PacketBuffer, off: number, hlen: number): void {
    const v = m.view;
    const u = off + hlen;
    if (error === 0 || u + UDP_HDR_LEN > m.off + m.len) return;
    this.pcbs.lookupConn(ip4Dst(v, off), udpDport(v, u), ip4Src(v, off), udpSport(v, u))?.user.pcbError(error);
  }
}

function refused(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}

/** How many datagrams a packet with `payload` bytes of payload is. */
export function datagramsIn(m: PacketBuffer, payload: number): number {
  return m.gsoSize > 0 && payload > m.gsoSize ? Math.ceil(payload / m.gsoSize) : 1;
}

/** A copy of a packet whose headers lie before `off`, headers included. */
export function copyWithHeaders(m: PacketBuffer): PacketBuffer | null {
  const headers = m.off - m.nhoff;
  m.prepend(headers);
  const n = m.pool.copy(m);
  m.adj(headers);
  n?.adj(headers);
  return n;
}
