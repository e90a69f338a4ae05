/**
 * udp.ts — UDP over IPv4: input, output, errors.
 * Read first: RFC 768; RFC 1122 §4.1; freebsd `sys/netinet/udp_usrreq.c`.
 *
 * Theory of operation. Input checks length and checksum, finds the pcb in one lookup and hands it the packet with `off` at
 * the payload and `nhoff` at the IP header: the packet itself is the record in the socket's buffer, nothing is copied.
 * Broadcasts and multicasts go to every pcb that matches, the last one gets the original. Output writes headers in front of
 * the payload and leaves the checksum to be finished where somebody needs it.
 *
 * @rfc 768 yes
 * @rfc 1122 4.1 partial "source routes given by a peer are not recorded for the reply"
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, ECONNREFUSED, EDESTADDRREQ, EINVAL, EISCONN, EMSGSIZE, ENOBUFS } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { CSUM_L4, CSUM_L4_VALID, GSO_UDP_L4, M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { cksumFold, cksumPseudo4, inCksum4 } from '../wire/checksum.js';
import { ICMP_UNREACH_PORT, ICMP_UNREACH } from '../wire/icmp4.js';
import { IP4_HDR_LEN, ip4Dst, ip4Src } from '../wire/ip4.js';
import { IPPROTO_UDP } from '../wire/ipproto.js';
import { UDP_HDR_LEN, UDP_SUM, udpDport, udpEmit, udpSport, udpSum, udpUlen } from '../wire/udp.js';
import type { Ifnet } from '../net/ifnet.js';
import type { Icmp } from '../inet/icmp.js';
import type { Ip, IpProto } from '../inet/ip.js';
import type { InPcb, PcbUser } from './inpcb.js';
import { INADDR_ANY, InPcbTable, PORTRANGE_SYSCTLS, PortRange } from './inpcb.js';
import { emitIpHeader, pcbOutput } from './pcb-output.js';

/** Largest UDP payload an IPv4 packet can carry. */
export const UDP_PAYLOAD_MAX = 65_535 - IP4_HDR_LEN - UDP_HDR_LEN;

export class UdpStats {
  ipackets = 0;
  hdrops = 0;
  badlen = 0;
  badsum = 0;
  nosum = 0;
  noport = 0;
  noportbcast = 0;
  fullsock = 0;
  delivered = 0;
  opackets = 0;
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
    { key: 'noportmcast', text: '{} not for hashed pcb' },
    { key: 'delivered', text: '{} delivered' },
    { key: 'opackets', text: '{} datagram{s} output' },
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

export class Udp implements IpProto {
  readonly stats = new UdpStats();
  readonly tun = new UdpTunables();
  readonly pcbs: InPcbTable;
  readonly range = new PortRange();
  private readonly ip: Ip;
  private readonly icmp: Icmp;

  constructor(ip: Ip, icmp: Icmp) {
    this.ip = ip;
    this.icmp = icmp;
    const kern = ip.net.kern;
    this.pcbs = new InPcbTable(this.range, kern.engine.rng);
    kern.sysctl.attach(UDP_SYSCTLS, this.tun);
    kern.sysctl.attach(PORTRANGE_SYSCTLS, this.range);
    kern.counters.attach(UDP_COUNTERS, this.stats);
    ip.register(IPPROTO_UDP, this);
  }

  destroy(): void {
    const kern = this.ip.net.kern;
    this.ip.register(IPPROTO_UDP, null);
    kern.counters.detach(this.stats);
    kern.sysctl.detach(this.range);
    kern.sysctl.detach(this.tun);
  }

  attach(user: PcbUser, fib: number): InPcb {
    return this.pcbs.attach(user, fib);
  }

  detach(inp: InPcb): void {
    this.pcbs.detach(inp);
  }

  /** EADDRNOTAVAIL, EADDRINUSE, EINVAL as bind(2). */
  bind(inp: InPcb, laddr: number, lport: number): Errno {
    return this.pcbs.bind(inp, laddr, lport, this.ip.mayBind(laddr));
  }

  /** Fixes the foreign end. EADDRNOTAVAIL for port 0; ENETUNREACH without a route. */
  connect(inp: InPcb, faddr: number, fport: number): Errno {
    if (inp.connected) return EISCONN;
    if (fport === 0) return EADDRNOTAVAIL;
    if (inp.lport === 0) {
      const error = this.bind(inp, inp.laddr, 0);
      if (error !== 0) return error;
    }
    let laddr = inp.laddr;
    if (laddr === INADDR_ANY) {
      const chosen = this.ip.sourceFor(faddr, inp.fib);
      if (chosen.error !== 0) return chosen.error;
      laddr = chosen.addr;
    }
    return this.pcbs.connect(inp, laddr, faddr, fport);
  }

  disconnect(inp: InPcb): void {
    this.pcbs.disconnect(inp);
    inp.laddr = INADDR_ANY;
  }

  /**
   * Sends the payload `m`, to the connected end or to (faddr, fport). Owns `m`. EDESTADDRREQ, EISCONN, EMSGSIZE, and what
   * IP output answers.
   */
  send(inp: InPcb, m: PacketBuffer, faddr: number, fport: number): Errno {
    const error = this.prepare(inp, m, faddr, fport);
    if (error !== 0) {
      m.free();
      return error;
    }
    const dst = inp.connected ? inp.faddr : faddr;
    const dport = inp.connected ? inp.fport : fport;
    let src = inp.laddr;
    if (src === INADDR_ANY) {
      const chosen = this.ip.sourceFor(dst, inp.fib);
      if (chosen.error !== 0) {
        m.free();
        return chosen.error;
      }
      src = chosen.addr;
    }
    if (!m.prepend(UDP_HDR_LEN)) {
      m.free();
      return ENOBUFS;
    }
    const v = m.view;
    udpEmit(v, m.off, inp.lport, dport, m.len, 0);
    if (this.tun.checksum !== 0) {
      v.setUint16(m.off + UDP_SUM, cksumFold(cksumPseudo4(src, dst, IPPROTO_UDP, m.len)));
      m.csumFlags = CSUM_L4;
      m.csumStart = m.off;
      m.csumOffset = UDP_SUM;
    }
    if (!emitIpHeader(inp, m, src, dst, IPPROTO_UDP, this.ip)) return ENOBUFS;
    this.stats.opackets++;
    return pcbOutput(this.ip, inp, m);
  }

  private prepare(inp: InPcb, m: PacketBuffer, faddr: number, fport: number): Errno {
    const max = m.gsoSize > 0 ? UDP_PAYLOAD_MAX : this.tun.maxdgram;
    if (m.len > max) return EMSGSIZE;
    if (m.gsoSize > 0) m.gsoType = GSO_UDP_L4;
    if (inp.connected) {
      if (fport !== 0 && (faddr !== inp.faddr || fport !== inp.fport)) return EISCONN;
      return 0;
    }
    if (fport === 0) return faddr === INADDR_ANY ? EDESTADDRREQ : EADDRNOTAVAIL;
    return inp.lport === 0 ? this.bind(inp, inp.laddr, 0) : 0;
  }

  /** IpProto: a UDP packet for this host; `m.off` at the IP header. Owns `m`. */
  input(ifp: Ifnet, m: PacketBuffer, hlen: number): void {
    this.stats.ipackets++;
    const v = m.view;
    const ipOff = m.off;
    const off = ipOff + hlen;
    const avail = m.len - hlen;
    if (avail < UDP_HDR_LEN) return this.drop(m, 'hdrops');
    const ulen = udpUlen(v, off);
    if (ulen < UDP_HDR_LEN || ulen > avail) return this.drop(m, 'badlen');
    const src = ip4Src(v, ipOff);
    const dst = ip4Dst(v, ipOff);
    if (!this.checksumOk(m, off, ulen, src, dst)) return this.drop(m, 'badsum');
    m.nhoff = ipOff;
    m.trim(hlen + ulen);
    if ((m.flags & (M_BCAST | M_MCAST)) !== 0 || dst >>> 28 === 14 || dst === 0xffffffff) {
      this.inputMany(m, hlen, src, dst, udpSport(v, off), udpDport(v, off));
      return;
    }
    const inp = this.pcbs.lookup(src, udpSport(v, off), dst, udpDport(v, off));
    if (inp === null) {
      this.refuse(ifp, m);
      return;
    }
    m.adj(hlen + UDP_HDR_LEN);
    this.stats.delivered++;
    inp.user.pcbInput(m);
  }

  private checksumOk(m: PacketBuffer, off: number, ulen: number, src: number, dst: number): boolean {
    if ((m.csumFlags & (CSUM_L4_VALID | CSUM_L4)) !== 0) return true;
    if (udpSum(m.view, off) === 0) {
      this.stats.nosum++;
      return true;
    }
    return inCksum4(m.view, off, ulen, src, dst, IPPROTO_UDP) === 0;
  }

  private inputMany(m: PacketBuffer, hlen: number, src: number, dst: number, sport: number, dport: number): void {
    let last: InPcb | null = null;
    for (let p = this.pcbs.portChain(dport); p !== null; p = p.portNext) {
      if (p.lport !== dport || (p.laddr !== INADDR_ANY && p.laddr !== dst)) continue;
      if (p.connected && (p.faddr !== src || p.fport !== sport)) continue;
      if (last !== null) this.deliverCopy(last, m, hlen);
      last = p;
      if (!p.reusePort && !p.reuseAddr) break;
    }
    if (last === null) {
      this.stats.noportbcast++;
      m.free();
      return;
    }
    m.adj(hlen + UDP_HDR_LEN);
    this.stats.delivered++;
    last.user.pcbInput(m);
  }

  private deliverCopy(inp: InPcb, m: PacketBuffer, hlen: number): void {
    const n = m.pool.copy(m);
    if (n === null) {
      this.stats.fullsock++;
      return;
    }
    n.adj(hlen + UDP_HDR_LEN);
    this.stats.delivered++;
    inp.user.pcbInput(n);
  }

  private refuse(ifp: Ifnet, m: PacketBuffer): void {
    this.stats.noport++;
    if (this.tun.blackhole !== 0) {
      m.free();
      return;
    }
    this.icmp.error(ifp, m, ICMP_UNREACH, ICMP_UNREACH_PORT, 0);
  }

  private drop(m: PacketBuffer, why: 'hdrops' | 'badlen' | 'badsum'): void {
    this.stats[why]++;
    m.free();
  }

  /** IpProto: an ICMP error quoted a packet of ours; `off` is at the quoted IP header. */
  ctlinput(error: Errno, m: PacketBuffer, off: number, hlen: number): void {
    const v = m.view;
    const u = off + hlen;
    if (u + UDP_HDR_LEN > m.off + m.len) return;
    const inp = this.pcbs.lookup(ip4Dst(v, off), udpDport(v, u), ip4Src(v, off), udpSport(v, u));
    if (inp === null || !inp.connected) return;
    inp.user.pcbError(error === 0 ? EINVAL : error);
  }

  /** What a port unreachable means to a connected socket. */
  static readonly refusedErrno: Errno = ECONNREFUSED;
}
