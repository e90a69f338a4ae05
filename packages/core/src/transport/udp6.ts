/**
 * udp6.ts — UDP over IPv6: input, output, errors.
 * Read first: RFC 768; RFC 8200 §8.1; transport/udp.ts, whose theory this shares; freebsd `sys/netinet6/udp6_usrreq.c`.
 *
 * Theory of operation. Counters, tunables and the range of ports are UDP's; lookup is by 128-bit ends with zones (in6-pcb-table.ts). A checksum is
 * mandatory: a datagram without one is dropped, unless its port is the one that `net.inet6.udp6.rfc6935_port` lets off (RFC 6935, for tunnels).
 * A socket without IPV6_V6ONLY speaks IPv4 through the same pcb: v4-mapped ends are handed to Udp.
 *
 * @rfc 8200 8.1 yes
 * @rfc 6935 5 partial "one port per vnet is let off, not one per tunnel"
 * @rfc 3493 3.7 yes
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EDESTADDRREQ, EINVAL, EISCONN, EMSGSIZE, ENOBUFS } from '../base/errno.js';
import type { Ip6, Ip6Proto } from '../inet6/ip6.js';
import type { AuditRow } from '../kern/audit.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { CSUM_L4, CSUM_L4_VALID, GSO_NONE, GSO_UDP_L4 } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { fwdPort, fwdTag, fwdWord } from '../net/fwd-tag.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6IsV4Mapped, ip6W0Zoned } from '../wire/addr6.js';
import { cksumFold, cksumPseudo6, inCksum6 } from '../wire/checksum.js';
import { ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT } from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC } from '../wire/ip6.js';
import { IPPROTO_UDP } from '../wire/ipproto.js';
import { UDP_HDR_LEN, UDP_SUM, udpDport, udpEmit, udpSport, udpSum, udpUlen } from '../wire/udp.js';
import { in6Embed, mappedAddr } from './in6-pcb.js';
import type { In6Pcb, Ip6Name } from './in6-pcb.js';
import { In6PcbTable } from './in6-pcb-table.js';
import { In6Choice, in6ChooseSource } from './in6-source.js';
import type { PcbUser } from './inpcb.js';
import { MCAST_NOTSMEMBER, MCAST_PASS } from './pcb-multicast.js';
import { pcbLeaveAll6, pcbMemberships6, pcbMulticast6, pcbPurgeIf6 } from './pcb-multicast6.js';
import { emitIp6Header, pcbOutput6 } from './pcb-output6.js';
import { in6PcbBind, in6PcbChoose, in6PcbConnect, in6PcbPeer } from './pcb-connect.js';
import { isUdpForeign } from './udp-foreign.js';
import { copyWithHeaders, datagramsIn } from './udp.js';
import type { Udp, UdpTunables } from './udp.js';

/** Largest UDP payload an IPv6 packet can carry. */
export const UDP6_PAYLOAD_MAX = 65_535 - UDP_HDR_LEN;

class Udp6Tunables {
  /** RFC 6935: datagrams to this port may come without a checksum; 0 none. */
  zeroChecksumPort = 0;
}

const UDP6_SYSCTLS: SysctlGroup<Udp6Tunables> = {
  prefix: 'net.inet6.udp6',
  oids: [sysctlInt('rfc6935_port', 'zeroChecksumPort', 'port', 0, 65_535, 'Zero UDP checksum allowed for traffic to/from this port.')],
};

const UDP6_AUDIT: readonly AuditRow<Udp6>[] = [
  { name: 'UDP pcbs over IPv6', count: (u) => u.pcbs.count },
  { name: 'multicast memberships of IPv6 sockets', count: (u) => pcbMemberships6(u.pcbs.list()) },
];

export class Udp6 implements Ip6Proto {
  readonly ip6: Ip6;
  readonly udp: Udp;
  readonly pcbs: In6PcbTable;
  readonly own = new Udp6Tunables();
  private chosen: In6Choice | null = null;
  /** Who gets the multicast being delivered. Reused; grows to what was needed most. */
  private readonly receivers: (In6Pcb | null)[] = [];

  constructor(ip6: Ip6, udp: Udp) {
    this.ip6 = ip6;
    this.udp = udp;
    const { kern } = ip6.net;
    this.pcbs = new In6PcbTable(udp.pcbs, kern.engine.rng.split(`udp6/${kern.id}/${kern.name}`).u32());
    kern.audit.attach(UDP6_AUDIT, this);
    kern.sysctl.attach(UDP6_SYSCTLS, this.own);
    ip6.register(IPPROTO_UDP, this);
    ip6.in6Net.purgeUpperEvent.attach(this, Udp6.onPurge);
  }

  private static onPurge(this: void, udp6: Udp6, ifp: Ifnet): void {
    for (const inp of udp6.pcbs.list()) pcbPurgeIf6(inp, ifp);
  }

  destroy(): void {
    this.ip6.in6Net.purgeUpperEvent.detach(this);
    this.ip6.register(IPPROTO_UDP, null);
    this.ip6.net.kern.sysctl.detach(this.own);
  }

  /** Sizes of buffers. */
  get tun(): UdpTunables {
    return this.udp.tun;
  }

  attach(user: PcbUser, fib: number): In6Pcb {
    const inp = this.pcbs.attach(user, fib);
    inp.v6only = this.ip6.tun.v6only !== 0;
    inp.v4 = !inp.v6only;
    return inp;
  }

  detach(inp: In6Pcb): void {
    pcbLeaveAll6(this.ip6.in6Net, inp);
    this.pcbs.detach(inp);
  }

  /** As in6PcbBind. */
  bind(inp: In6Pcb, sa: Ip6Name, lport: number): Errno {
    return in6PcbBind(this.ip6, this.udp.ip, this.pcbs, inp, sa, lport);
  }

  /** As in6PcbConnect. */
  connect(inp: In6Pcb, sa: Ip6Name, fport: number): Errno {
    return in6PcbConnect(this.ip6, this.udp.ip, this.pcbs, inp, sa, fport, this.choice);
  }

  disconnect(inp: In6Pcb): void {
    this.pcbs.disconnect(inp);
  }

  /** Where the packet being sent goes; made with the first. */
  private get choice(): In6Choice {
    return (this.chosen ??= new In6Choice());
  }

  /**
   * Sends the payload `m`, to the connected end (null) or to (sa, fport). Owns `m`. With `m.gsoSize` below its length it is that many datagrams.
   * EDESTADDRREQ, EISCONN, EADDRNOTAVAIL, EMSGSIZE, EINVAL: a v4-mapped end and IPV6_V6ONLY; and what IPv6 answers.
   */
  send(inp: In6Pcb, m: PacketBuffer, sa: Ip6Name | null, fport: number): Errno {
    if (m.len > UDP6_PAYLOAD_MAX) return refused(m, EMSGSIZE);
    const c = this.choice;
    if (sa === null) {
      if (!inp.connected) return refused(m, EDESTADDRREQ);
      if (!inp.v6) return this.udp.send(inp, m, 0, 0);
      c.d0 = inp.f0;
      c.d1 = inp.f1;
      c.d2 = inp.f2;
      c.d3 = inp.f3;
      const error = in6ChooseSource(this.ip6, inp, c);
      return error === 0 ? this.output(inp, m, inp.fport) : refused(m, error);
    }
    const e = in6Embed(this.ip6.net, sa);
    if (e.addr === null) return refused(m, e.error);
    if (ip6IsV4Mapped(e.addr)) return inp.v6only ? refused(m, EINVAL) : this.sendMapped(inp, m, mappedAddr(e.addr), fport);
    if (fport === 0) return refused(m, EADDRNOTAVAIL);
    if (inp.connected) return refused(m, EISCONN);
    if (!inp.v6) return refused(m, EAFNOSUPPORT);
    let error = in6PcbChoose(this.ip6, inp, in6PcbPeer(this.ip6, e.addr), c);
    if (error === 0 && inp.lport === 0) error = this.pcbs.bind(inp, inp.local, 0, true);
    return error === 0 ? this.output(inp, m, fport) : refused(m, error);
  }

  /** To an IPv4 end, from a socket that is one of both families. */
  private sendMapped(inp: In6Pcb, m: PacketBuffer, faddr: number, fport: number): Errno {
    if (!inp.v4) return refused(m, EAFNOSUPPORT);
    if (inp.lport === 0) {
      const error = this.pcbs.bind(inp, inp.local, 0, true);
      if (error !== 0) return refused(m, error);
    }
    return this.udp.send(inp, m, faddr, fport);
  }

  /** Puts the headers on and hands the datagram to IPv6. Owns `m`. */
  private output(inp: In6Pcb, m: PacketBuffer, dport: number): Errno {
    const c = this.choice;
    if (m.gsoSize >= m.len) m.gsoSize = 0;
    m.gsoType = m.gsoSize > 0 ? GSO_UDP_L4 : GSO_NONE;
    const datagrams = datagramsIn(m, m.len);
    if (!m.prepend(UDP_HDR_LEN)) return refused(m, ENOBUFS);
    const { len } = m;
    udpEmit(m.view, m.off, inp.lport, dport, len, 0);
    if (!emitIp6Header(inp, m, c, IPPROTO_UDP)) return ENOBUFS;
    const at = m.off + IP6_HDR_LEN;
    m.view.setUint16(at + UDP_SUM, cksumFold(cksumPseudo6(m.view, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_UDP, len)));
    m.csumFlags = CSUM_L4;
    m.csumStart = at;
    m.csumOffset = UDP_SUM;
    this.udp.stats.opackets += datagrams;
    return pcbOutput6(this.ip6, inp, m, c, c.opts);
  }

  /** Ip6Proto */
  input(ifp: Ifnet, m: PacketBuffer, off: number): void {
    const { stats } = this.udp;
    const v = m.view;
    const ipOff = m.off;
    const u = ipOff + off;
    const avail = m.len - off;
    if (avail < UDP_HDR_LEN) return this.drop(m, 'hdrops');
    const dport = udpDport(v, u);
    const ulen = udpUlen(v, u);
    if (dport === 0) return this.drop(m, 'noport');
    if (ulen < UDP_HDR_LEN || ulen !== avail) return this.drop(m, 'badlen');
    const why = this.checksum(m, u, ulen, dport);
    if (why !== null) return this.drop(m, why);
    const datagrams = datagramsIn(m, ulen - UDP_HDR_LEN);
    stats.ipackets += datagrams;
    m.nhoff = ipOff;
    const s = ipOff + IP6_SRC;
    const d = ipOff + IP6_DST;
    const f0 = ip6W0Zoned(v, s, ifp.index);
    const l0 = ip6W0Zoned(v, d, ifp.index);
    const sport = udpSport(v, u);
    if (l0 >>> 24 === 0xff) {
      this.inputMany(ifp, m, off, f0, l0, sport, dport, datagrams);
      return;
    }
    const fwd = m.tags === null ? null : fwdTag(m);
    const found = fwd === null
      ? this.pcbs.lookup(f0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), sport, l0, v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), dport)
      : this.pcbs.lookup(
        f0, v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), sport, fwdWord(fwd, 0), fwdWord(fwd, 1), fwdWord(fwd, 2), fwdWord(fwd, 3), fwdPort(fwd) || dport,
      );
    const { foreign } = this.udp;
    const inp = foreign !== null && fwd === null && isUdpForeign(ifp, found) ? foreign.pcbFor(ifp, m, true, sport, dport) : found;
    if (inp === null) {
      stats.noport += datagrams;
      if (this.tun.blackhole !== 0) m.free();
      else this.ip6.icmp6Error(ifp, m, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, 0);
      return;
    }
    m.rcvif = ifp.index;
    m.adj(off + UDP_HDR_LEN);
    this.account(inp.user.pcbInput(m), datagrams);
  }

  private account(taken: boolean, datagrams: number): void {
    if (taken) this.udp.stats.delivered += datagrams;
    else this.udp.stats.fullsock += datagrams;
  }

  /** Null: right. Otherwise the counter that says why not. */
  private checksum(m: PacketBuffer, u: number, ulen: number, dport: number): 'nosum' | 'badsum' | null {
    if ((m.csumFlags & CSUM_L4) !== 0) return null;
    if (udpSum(m.view, u) === 0) {
      if (dport !== this.own.zeroChecksumPort) return 'nosum';
      this.udp.stats.nosum++;
      return null;
    }
    if ((m.csumFlags & CSUM_L4_VALID) !== 0) return null;
    return inCksum6(m.view, u, ulen, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_UDP) === 0 ? null : 'badsum';
  }

  /** To a group: who gets it is settled before anybody does. */
  private inputMany(ifp: Ifnet, m: PacketBuffer, off: number, f0: number, l0: number, sport: number, dport: number, datagrams: number): void {
    const { receivers } = this;
    const { stats } = this.udp;
    const v = m.view;
    const s = m.off + IP6_SRC;
    const d = m.off + IP6_DST;
    const f1 = v.getInt32(s + 4);
    const f2 = v.getInt32(s + 8);
    const f3 = v.getInt32(s + 12);
    const l1 = v.getInt32(d + 4);
    const l2 = v.getInt32(d + 8);
    const l3 = v.getInt32(d + 12);
    let n = 0;
    for (let l = this.pcbs.portChain(dport); l !== null; l = l.next) {
      const p = l.item;
      if (p.lport !== dport) continue;
      if (!p.isUnbound6 && (p.l3 !== l3 || p.l0 !== l0 || p.l1 !== l1 || p.l2 !== l2)) continue;
      if (p.connected && (p.fport !== sport || p.f3 !== f3 || p.f0 !== f0 || p.f1 !== f1 || p.f2 !== f2)) continue;
      const verdict = pcbMulticast6(p, l0, l1, l2, l3, v, s, ifp.index);
      if (verdict === MCAST_NOTSMEMBER) stats.filtermcast++;
      if (verdict !== MCAST_PASS) continue;
      receivers[n++] = p;
      if (!p.reusePort && !p.reuseAddr && !p.reusePortLb) break;
    }
    if (n === 0) {
      stats.noport += datagrams;
      stats.noportmcast += datagrams;
      m.free();
      return;
    }
    m.rcvif = ifp.index;
    m.adj(off + UDP_HDR_LEN);
    const before = stats.delivered;
    for (let i = 0; i < n; i++) {
      const { user } = receivers[i] as In6Pcb;
      receivers[i] = null;
      const copy = i === n - 1 ? m : copyWithHeaders(m);
      if (copy === null) stats.fullsock += datagrams;
      else this.account(user.pcbInput(copy), datagrams);
    }
    if (stats.delivered > before) stats.delivered = before + datagrams;
  }

  private drop(m: PacketBuffer, why: 'hdrops' | 'badlen' | 'badsum' | 'nosum' | 'noport'): void {
    this.udp.stats.ipackets++;
    this.udp.stats[why]++;
    m.free();
  }

  /** Ip6Proto: an ICMPv6 error quoted a packet of ours. Connected sockets are told. */
  ctlinput(ifp: Ifnet, error: Errno, m: PacketBuffer, at: number, off: number, mtu: number): void {
    if (error === 0 && mtu === 0) return;
    const v = m.view;
    const u = at + off;
    const s = at + IP6_SRC;
    const d = at + IP6_DST;
    const inp = this.pcbs.lookupConn(
      ip6W0Zoned(v, d, ifp.index), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), udpDport(v, u),
      ip6W0Zoned(v, s, ifp.index), v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), udpSport(v, u),
    );
    if (inp !== null && error !== 0) inp.user.pcbError(error);
  }
}

function refused(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}
