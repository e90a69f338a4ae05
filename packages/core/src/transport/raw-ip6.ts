/**
 * raw-ip6.ts — raw IPv6: what follows the headers, to whoever asked for its protocol.
 * Read first: RFC 3542 §3; ip6(4), icmp6(4); freebsd `sys/netinet6/raw_ip6.c`; raw-ip.ts, which does the same for IPv4.
 *
 * Theory of operation. IPv6 hands over packets no other protocol takes, ICMPv6 hands over messages. Every pcb that matches protocol and addresses gets
 * one, `m.off` at the protocol's header and `m.nhoff` at the IPv6 header: extension headers are between and not shown; the last gets the
 * original. ICMPv6 sockets say by type what they want (ICMP6_FILTER).
 * Output always builds the header; the user's bytes begin behind it. The checksum of ICMPv6, and of protocols whose socket names its place
 * (IPV6_CHECKSUM), is computed here on output and verified on input.
 * Raw pcbs have no ports, so they are a list; it is replaced, never changed, because a user may close its pcb while it is being walked.
 *
 * @rfc 3542 3 yes
 * @rfc 3542 3.1 yes
 * @rfc 3542 3.2 yes
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EINVAL, EISCONN, EMSGSIZE, ENOBUFS, ENOTCONN } from '../base/errno.js';
import { IN6_IFF_ANYCAST, IN6_IFF_DEPRECATED, IN6_IFF_DETACHED, IN6_IFF_NOTREADY } from '../inet6/in6-ifaddr.js';
import type { Ip6, Ip6RawHook } from '../inet6/ip6.js';
import type { AuditRow } from '../kern/audit.js';
import type { CounterGroup } from '../kern/counters.js';
import { CSUM_L4, CSUM_L4_VALID } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6IsUnspecified, ip6OfWords, ip6W0Zoned, ip6Word } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import { ICMP6_CKSUM } from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, IPV6_MAXPACKET } from '../wire/ip6.js';
import { IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import { In6Pcb, in6Embed } from './in6-pcb.js';
import type { Ip6Name } from './in6-pcb.js';
import { In6Choice, in6ChooseSource } from './in6-source.js';
import type { PcbUser } from './inpcb.js';
import { MCAST_PASS } from './pcb-multicast.js';
import { pcbLeaveAll6, pcbMemberships6, pcbMulticast6, pcbPurgeIf6 } from './pcb-multicast6.js';
import { emitIp6Header, pcbOutput6 } from './pcb-output6.js';
import type { RawTunables } from './raw-ip.js';

/** `struct rip6stat`, without its prefix. */
export class RawIp6Stats {
  ipackets = 0;
  isum = 0;
  badsum = 0;
  nosock = 0;
  nosockmcast = 0;
  fullsock = 0;
  opackets = 0;
}

const RIP6_COUNTERS: CounterGroup<RawIp6Stats> = {
  name: 'rip6',
  rows: [
    { key: 'ipackets', text: '{} message{s} received' },
    { key: 'isum', text: '{} checksum calculation{s} on inbound' },
    { key: 'badsum', text: '{} message{s} with bad checksum' },
    { key: 'nosock', text: '{} message{s} dropped due to no socket' },
    { key: 'nosockmcast', text: '{} multicast message{s} dropped due to no socket' },
    { key: 'fullsock', text: '{} message{s} dropped due to full socket buffers' },
    { key: 'opackets', text: '{} datagram{s} output' },
  ],
};

const RAW6_AUDIT: readonly AuditRow<RawIp6>[] = [
  { name: 'raw IPv6 pcbs', count: (r) => r.list().length },
  { name: 'multicast memberships of IPv6 sockets', count: (r) => pcbMemberships6(r.list()) },
];

export class RawIp6 implements Ip6RawHook {
  readonly ip6: Ip6;
  private counted: RawIp6Stats | null = null;
  readonly tun: RawTunables;
  private pcbs: readonly In6Pcb[] = [];
  private chosen: In6Choice | null = null;

  /** @param tun sizes of buffers, those of raw IP. */
  constructor(ip6: Ip6, tun: RawTunables) {
    this.ip6 = ip6;
    this.tun = tun;
    ip6.net.kern.audit.attach(RAW6_AUDIT, this);
    ip6.net.kern.counters.attach(RIP6_COUNTERS, this);
    ip6.registerRaw(this);
    ip6.in6Net.purgeUpperEvent.attach(this, RawIp6.onPurge);
  }

  /** Made with the first count. */
  get stats(): RawIp6Stats {
    return (this.counted ??= new RawIp6Stats());
  }

  private static onPurge(this: void, raw6: RawIp6, ifp: Ifnet): void {
    for (const inp of raw6.pcbs) pcbPurgeIf6(inp, ifp);
  }

  destroy(): void {
    this.ip6.in6Net.purgeUpperEvent.detach(this);
    this.ip6.registerRaw(null);
    this.ip6.net.kern.counters.detach(this);
  }

  list(): In6Pcb[] {
    return [...this.pcbs];
  }

  attach(user: PcbUser, fib: number, proto: number): In6Pcb {
    const inp = new In6Pcb(user);
    inp.fib = fib;
    inp.proto = proto;
    this.pcbs = [...this.pcbs, inp];
    return inp;
  }

  detach(inp: In6Pcb): void {
    inp.detached = true;
    pcbLeaveAll6(this.ip6.in6Net, inp);
    this.pcbs = this.pcbs.filter((p) => p !== inp);
  }

  /** Where the packet being sent goes; made with the first. */
  private get choice(): In6Choice {
    return (this.chosen ??= new In6Choice());
  }

  /** EADDRNOTAVAIL for an address that is not ours, or not to be used; ENXIO: no such zone. May be repeated. */
  bind(inp: In6Pcb, sa: Ip6Name): Errno {
    const e = in6Embed(this.ip6.net, sa);
    if (e.addr === null) return e.error;
    if (!ip6IsUnspecified(e.addr) && !inp.bindAny && !in6MayBind(this.ip6, e.addr)) return EADDRNOTAVAIL;
    inp.setLocal(e.addr);
    return 0;
  }

  /** Fixes both ends: a source is chosen now. Errors of in6ChooseSource. */
  connect(inp: In6Pcb, sa: Ip6Name): Errno {
    const error = this.chooseFor(inp, sa);
    if (error !== 0) return error;
    const c = this.choice;
    inp.setLocal(ip6OfWords(c.s0, c.s1, c.s2, c.s3));
    inp.setForeign(ip6OfWords(c.d0, c.d1, c.d2, c.d3));
    inp.connected = true;
    return 0;
  }

  disconnect(inp: In6Pcb): void {
    inp.setForeign(new Uint8Array(16));
    inp.connected = false;
  }

  private chooseFor(inp: In6Pcb, sa: Ip6Name): Errno {
    const e = in6Embed(this.ip6.net, sa);
    if (e.addr === null) return e.error;
    const c = this.choice;
    c.d0 = ip6Word(e.addr, 0);
    c.d1 = ip6Word(e.addr, 1);
    c.d2 = ip6Word(e.addr, 2);
    c.d3 = ip6Word(e.addr, 3);
    return in6ChooseSource(this.ip6, inp, c);
  }

  /** Sends the payload `m` to `sa`, null for the connected end. Owns `m`. EISCONN, ENOTCONN, EINVAL: no room for the checksum; and what IPv6 answers. */
  send(inp: In6Pcb, m: PacketBuffer, sa: Ip6Name | null): Errno {
    if (inp.connected && sa !== null) return refuse(m, EISCONN);
    const c = this.choice;
    if (inp.connected) {
      c.d0 = inp.f0;
      c.d1 = inp.f1;
      c.d2 = inp.f2;
      c.d3 = inp.f3;
    }
    const error = inp.connected ? in6ChooseSource(this.ip6, inp, c) : sa === null ? ENOTCONN : this.chooseFor(inp, sa);
    if (error !== 0) return refuse(m, error);
    if (m.len > IPV6_MAXPACKET) return refuse(m, EMSGSIZE);
    const at = inp.proto === IPPROTO_ICMPV6 ? ICMP6_CKSUM : inp.cksum;
    const { len } = m;
    if (at >= 0 && len < at + 2) return refuse(m, EINVAL);
    if (!emitIp6Header(inp, m, c, inp.proto)) return ENOBUFS;
    if (at >= 0) {
      const off = m.off + IP6_HDR_LEN;
      m.view.setUint16(off + at, 0);
      m.view.setUint16(off + at, inCksum6(m.view, off, len, m.off + IP6_SRC, m.off + IP6_DST, inp.proto));
    }
    m.csumFlags = 0;
    if (inp.proto !== IPPROTO_ICMPV6) this.stats.opackets++;
    return pcbOutput6(this.ip6, inp, m, c, c.opts);
  }

  /** Ip6RawHook */
  deliver(m: PacketBuffer, off: number, proto: number): boolean {
    const { pcbs, stats } = this;
    if (proto !== IPPROTO_ICMPV6) stats.ipackets++;
    let last: In6Pcb | null = null;
    let isSumBad = false;
    for (let i = 0; i < pcbs.length; i++) {
      const inp = pcbs[i]!;
      if (!wants(inp, m, off, proto)) continue;
      if (inp.cksum >= 0 && proto !== IPPROTO_ICMPV6 && !this.sumOk(inp, m, off, proto)) {
        isSumBad = true;
        continue;
      }
      if (last !== null) {
        const n = m.pool.copy(m);
        if (n !== null) this.give(last, n, off);
      }
      last = inp;
    }
    if (last === null && isSumBad) {
      m.free();
      return true;
    }
    if (last === null) {
      if (proto !== IPPROTO_ICMPV6) stats.nosock++;
      if (proto !== IPPROTO_ICMPV6 && m.view.getUint8(m.off + IP6_DST) === 0xff) stats.nosockmcast++;
      return false;
    }
    this.give(last, m, off);
    return true;
  }

  /** Ip6RawHook */
  isWanted(m: PacketBuffer, off: number, proto: number): boolean {
    const { pcbs } = this;
    for (let i = 0; i < pcbs.length; i++) if (wants(pcbs[i]!, m, off, proto)) return true;
    return false;
  }

  private sumOk(inp: In6Pcb, m: PacketBuffer, off: number, proto: number): boolean {
    this.stats.isum++;
    const len = m.len - off;
    const ok = len - inp.cksum >= 2
      && ((m.csumFlags & (CSUM_L4 | CSUM_L4_VALID)) !== 0 || inCksum6(m.view, m.off + off, len, m.off + IP6_SRC, m.off + IP6_DST, proto) === 0);
    if (!ok) this.stats.badsum++;
    return ok;
  }

  private give(inp: In6Pcb, m: PacketBuffer, off: number): void {
    m.nhoff = m.off;
    m.adj(off);
    if (!inp.user.pcbInput(m)) this.stats.fullsock++;
  }
}

function refuse(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}

/** May a socket be bound to the address (zoned)? One of ours, ready, not anycast, not deprecated; CARP's while another host has it, too. */
export function in6MayBind(ip6: Ip6, addr: Uint8Array): boolean {
  const ia = ip6.in6Net.addrOfBytes(addr) ?? ip6.in6Net.virtualAddr(addr);
  if (ia === null) return false;
  const bad = IN6_IFF_ANYCAST | IN6_IFF_NOTREADY | IN6_IFF_DETACHED | IN6_IFF_DEPRECATED;
  return (ia.flags & bad) === 0 && !ia.isDeprecated(ip6.net.kern.engine.now);
}

function wants(inp: In6Pcb, m: PacketBuffer, off: number, proto: number): boolean {
  if (inp.proto !== 0 && inp.proto !== proto) return false;
  const v = m.view;
  const s = m.off + IP6_SRC;
  const d = m.off + IP6_DST;
  const d0 = ip6W0Zoned(v, d, m.rcvif);
  const d1 = v.getInt32(d + 4);
  const d2 = v.getInt32(d + 8);
  const d3 = v.getInt32(d + 12);
  if (!inp.isUnbound6 && (inp.l3 !== d3 || inp.l0 !== d0 || inp.l1 !== d1 || inp.l2 !== d2)) return false;
  if (inp.connected) {
    if (inp.f3 !== v.getInt32(s + 12) || inp.f0 !== ip6W0Zoned(v, s, m.rcvif) || inp.f1 !== v.getInt32(s + 4) || inp.f2 !== v.getInt32(s + 8)) return false;
  }
  if (proto === IPPROTO_ICMPV6 && inp.icmp6Filter !== null) {
    const type = v.getUint8(m.off + off);
    if (((inp.icmp6Filter[type >>> 5]! >>> (type & 31)) & 1) === 0) return false;
  }
  return inp.groups6 === null || inp.groups6.length === 0 || d0 >>> 24 !== 0xff || pcbMulticast6(inp, d0, d1, d2, d3, v, m.off + IP6_SRC, m.rcvif) === MCAST_PASS;
}
