/**
 * socket.ts — Socket `so`: the BSD verbs as plain calls that return an Errno, and readiness as callbacks.
 * Read first: socket(2), bind(2), connect(2), send(2), recv(2), ip(4), udp(4); socket-in6.ts for PF_INET6.
 *
 * Theory of operation. Nothing here waits. `recv` takes a datagram or answers EAGAIN; `onReadable` is called when the buffer
 * becomes non-empty, when an error is pending, and when the socket ends. Whoever wants to wait does so above (promises/, a
 * tool's loop). A received datagram can be taken as the packet itself (`recvPacket`: nothing copied, the caller frees it) or
 * copied into the caller's buffer (`recv`). A packet that is several datagrams (a super-segment that no link had to cut) is read
 * by `recv` one datagram at a time.
 * What has arrived is read before an error that came after it.
 *
 * `onReadable` is called where the packet is, on the packet path: it may use sockets, and must leave what needs thread context
 * (making and destroying interfaces, jails, routes) to somebody it wakes.
 *
 * Not here: streams (stream-socket.ts).
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EBADF, EINVAL, EMSGSIZE, ENOBUFS, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { HEADROOM } from '../mbuf/packet-buffer.js';
import { IP4_HDR_LEN, IP4_TTL, ip4Dst, ip4Hl, ip4Src, ip4Tos } from '../wire/ip4.js';
import { udpSport } from '../wire/udp.js';
import { IpOptions, ipParseOptions } from '../inet/ip-options.js';
import { IpOutputOpts } from '../inet/ip-output.js';
import type { InNet } from '../inet/in-net.js';
import { IFF_MULTICAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import type { In6Pcb } from '../transport/in6-pcb.js';
import type { InPcb, PcbUser } from '../transport/inpcb.js';
import type { FilterMode, SourceFilter } from '../net/mcast/source-filter.js';
import { pcbGetFilter6 } from '../transport/pcb-multicast6.js';
import { pcbBlock, pcbGetFilter, pcbJoin, pcbLeave, pcbSetFilter } from '../transport/pcb-multicast.js';
import { DgramSockbuf } from './sockbuf.js';
import { RecvInfo6, in6Bind, in6Connect, in6Describe, in6Detach, in6Disconnect, in6Block, in6Group, in6MulticastIf, in6Pktinfo, in6Send, in6SetFilter, in6SetSources } from './socket-in6.js';
import type { SockAddr } from './socket-in6.js';
import { SocketBase } from './socket-base.js';
import type { SockName } from './socket-base.js';
import type { SocketLayer } from './socket-layer.js';
import { withControl } from './socket-control.js';
import type { SendControl } from './socket-control.js';
import { MSG_OOB, MSG_PEEK, PF_INET6, SOCK_RAW } from './socket-type.js';
import { applyOption, readOption } from './sockopt.js';

/** Who sent a datagram and how it came; filled in by `recv`. */
export interface RecvInfo extends SockName {
  /** Where it was sent to (IP_RECVDSTADDR). */
  dstAddr: number;
  ttl: number;
  /** IP_RECVTOS; of a PF_INET6 socket `in6.tclass` is the same. */
  tos?: number;
  /** Index of the interface it came in on (IP_RECVIF). */
  ifIndex: number;
  /** Length of the datagram (by `recv`; of the whole packet by `describe`); more than was copied when the buffer was too small (MSG_TRUNC). */
  length: number;
  /** The ends as a PF_INET6 socket is told them; made when missing. `addr` and `dstAddr` are 0 then. */
  in6?: RecvInfo6;
}

/** Any payload one packet can carry. */
const PAYLOAD_MAX = 65_535 - IP4_HDR_LEN;

export class Socket extends SocketBase implements PcbUser {
  readonly inp: InPcb;
  readonly in6p: In6Pcb | null;
  readonly rcv: DgramSockbuf;
  /** Largest datagram `send` takes (SO_SNDBUF). */
  sndHiwat: number;

  /** Made by SocketLayer.socket. */
  constructor(layer: SocketLayer, domain: number, type: number, protocol: number, fib: number) {
    super(layer, domain, type, protocol);
    const { udp, raw } = layer;
    const proto6 = domain !== PF_INET6 ? null : type === SOCK_RAW ? layer.raw6 : layer.udp6;
    this.in6p = proto6?.attach(this, fib, protocol) ?? null;
    if (proto6 !== null && this.in6p !== null) {
      this.inp = this.in6p;
      this.rcv = new DgramSockbuf(proto6.tun.recvspace, layer.kern.sockmem);
      this.sndHiwat = proto6.tun.maxdgram;
    } else if (domain === PF_INET6) {
      throw new RangeError('no such protocol in this vnet');
    } else if (type === SOCK_RAW && raw !== null) {
      this.inp = raw.attach(this, fib, protocol);
      this.rcv = new DgramSockbuf(raw.tun.recvspace, layer.kern.sockmem);
      this.sndHiwat = raw.tun.maxdgram;
    } else if (udp !== null) {
      this.inp = udp.attach(this, fib);
      this.rcv = new DgramSockbuf(udp.tun.recvspace, layer.kern.sockmem);
      this.sndHiwat = udp.tun.maxdgram;
    } else {
      throw new RangeError('no such protocol in this vnet');
    }
  }

  /** bind(2); port 0 asks for an anonymous one. A raw socket has no port. */
  bind(addr: SockAddr, port: number): Errno {
    if (this.closed) return this.ended;
    if (this.in6p !== null) return in6Bind(this, this.in6p, addr, port);
    if (typeof addr !== 'number') return EAFNOSUPPORT;
    if (this.type === SOCK_RAW) return this.layer.raw?.bind(this.inp, addr) ?? EBADF;
    return this.layer.udp?.bind(this.inp, addr, port) ?? EBADF;
  }

  /**
   * connect(2): fixes the peer; errors ICMP reports about it come back as socket errors. A connected socket lets go of its peer
   * first, also when the new one is refused: that is how a program disconnects.
   */
  connect(addr: SockAddr, port: number): Errno {
    if (this.closed) return this.ended;
    if (this.inp.connected) this.disconnect();
    this.pendingError = 0;
    if (this.in6p !== null) return in6Connect(this, this.in6p, addr, port);
    if (typeof addr !== 'number') return EAFNOSUPPORT;
    if (this.type === SOCK_RAW) return this.layer.raw?.connect(this.inp, addr) ?? EBADF;
    return this.layer.udp?.connect(this.inp, addr, port) ?? EBADF;
  }

  disconnect(): Errno {
    if (this.closed) return this.ended;
    if (!this.inp.connected) return ENOTCONN;
    if (this.in6p !== null) in6Disconnect(this, this.in6p);
    else if (this.type === SOCK_RAW) this.layer.raw?.disconnect(this.inp);
    else this.layer.udp?.disconnect(this.inp);
    return 0;
  }

  /**
   * sendto(2): copies `data` into a packet and sends it. (addr, port) are 0 for the connected peer. EMSGSIZE above SO_SNDBUF.
   * A pending asynchronous error is answered first, once.
   */
  send(data: Uint8Array, addr: SockAddr = 0, port = 0): Errno {
    if (this.closed) return this.ended;
    if (data.length > PAYLOAD_MAX) return this.takeError() || EMSGSIZE;
    const m = this.layer.kern.engine.pool.from(data);
    if (m === null) return ENOBUFS;
    return this.sendPacket(m, addr, port);
  }

  /** sendmsg(2): `send` with ancillary data that counts for this datagram. EINVAL, EAFNOSUPPORT, EADDRNOTAVAIL as socket-control.ts has them. */
  sendmsg(data: Uint8Array, control: SendControl, addr: SockAddr = 0, port = 0): Errno {
    if (this.closed) return this.ended;
    const isOurs = (source: number): boolean => this.protocolInNet()?.isLocal(source) ?? false;
    return withControl(this.inp, this.in6p, control, isOurs, () => this.send(data, addr, port));
  }

  /** A packet to fill with `len` bytes of payload at `m.off` and hand to `sendPacket`; null when none is to be had. */
  allocPacket(len: number): PacketBuffer | null {
    return this.layer.kern.engine.pool.alloc(len, HEADROOM);
  }

  /**
   * As `send`, but takes over a packet whose payload is in place. With `m.gsoSize` set it is a run of datagrams of that size, of
   * which SO_SNDBUF bounds each. Owns `m`.
   */
  sendPacket(m: PacketBuffer, addr: SockAddr = 0, port = 0): Errno {
    const error = this.closed ? this.ended : this.takeError() || (Math.min(m.len, m.gsoSize || m.len) > this.sndHiwat ? EMSGSIZE : 0);
    if (error !== 0) {
      m.free();
      return error;
    }
    if (this.in6p !== null) return in6Send(this, this.in6p, m, addr, port);
    if (typeof addr !== 'number') {
      m.free();
      return EAFNOSUPPORT;
    }
    if (this.type === SOCK_RAW) return this.layer.raw?.send(this.inp, m, addr) ?? EBADF;
    return this.layer.udp?.send(this.inp, m, addr, port) ?? EBADF;
  }

  /**
   * Takes the oldest packet, payload at `off`; the caller frees it. Null: nothing there. With `gsoSize` below its length the packet
   * is several datagrams of that size, the last one shorter.
   */
  recvPacket(): PacketBuffer | null {
    return this.rcv.shift();
  }

  /** Length of the datagram `recv` would give; -1 when there is none. */
  get nextLength(): number {
    const m = this.rcv.peek();
    return m === null ? -1 : datagramLength(m);
  }

  /**
   * recvfrom(2): one datagram's bytes copied into `into`, what does not fit is lost; or a negative Errno (-EAGAIN: nothing there).
   * Fills `info` when given. With MSG_PEEK the datagram stays, and so does an error. MSG_DONTWAIT and MSG_WAITALL change nothing: nothing waits, and a datagram
   * is whole. EOPNOTSUPP: MSG_OOB.
   */
  recv(into: Uint8Array, info?: RecvInfo, flags = 0): number {
    if (this.closed) return -this.ended;
    if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
    const peek = (flags & MSG_PEEK) !== 0;
    const m = this.rcv.peek();
    if (m === null) {
      const error = peek ? this.pendingError : this.takeError();
      return -(error || EAGAIN);
    }
    const length = datagramLength(m);
    if (info !== undefined) {
      this.describe(m, info);
      info.length = length;
    }
    const n = Math.min(into.length, length);
    into.set(m.buf.subarray(m.off, m.off + n));
    if (peek) return n;
    if (length < m.len) this.rcv.consume(length);
    else this.rcv.shift()?.free();
    return n;
  }

  /** Source, destination and way of a received packet. */
  describe(m: PacketBuffer, info: RecvInfo): void {
    const v = m.view;
    info.ifIndex = m.rcvif;
    info.length = m.len;
    if (this.in6p !== null) {
      const in6 = (info.in6 ??= new RecvInfo6());
      info.port = in6Describe(this, m, in6);
      info.addr = 0;
      info.dstAddr = 0;
      info.ttl = in6.hops;
      info.tos = in6.tclass;
      return;
    }
    info.addr = ip4Src(v, m.nhoff);
    info.dstAddr = ip4Dst(v, m.nhoff);
    info.ttl = v.getUint8(m.nhoff + IP4_TTL);
    info.tos = ip4Tos(v, m.nhoff);
    info.port = this.type === SOCK_RAW ? 0 : udpSport(v, m.nhoff + ip4Hl(v, m.nhoff));
  }

  /** setsockopt(2). ENOPROTOOPT for one we do not know, EINVAL for a value out of range. */
  setsockopt(option: string, value: number): Errno {
    if (this.closed) return this.ended;
    if (!Number.isInteger(value)) return EINVAL;
    return applyOption(this, option, value);
  }

  /** getsockopt(2); null for an option we do not know. */
  getsockopt(option: string): number | null {
    return option === 'SO_ERROR' ? this.takeError() : readOption(this, option);
  }

  /** IP_OPTIONS: option bytes put into every header; empty takes them away. EINVAL when they are not well formed or too long. */
  setIpOptions(bytes: Uint8Array): Errno {
    if (this.closed) return this.ended;
    const options = new IpOptions();
    const error = ipParseOptions(bytes, options);
    if (error !== 0) return error;
    this.inp.out ??= new IpOutputOpts();
    this.inp.out.options = options.len === 0 ? null : options;
    return 0;
  }

  /**
   * IP_ADD_MEMBERSHIP on `ifp`, or on the interface the route to `group` names; with `source` IP_ADD_SOURCE_MEMBERSHIP. EINVAL, EADDRNOTAVAIL,
   * EADDRINUSE, ENOBUFS, ENOSPC as transport/pcb-multicast.ts has them.
   */
  joinGroup(group: number, ifp: Ifnet | null = null, source: number | null = null): Errno {
    return this.onGroups((inNet) => pcbJoin(inNet, this.inp, group, ifp, source));
  }

  /** IP_DROP_MEMBERSHIP; with `source` IP_DROP_SOURCE_MEMBERSHIP. EINVAL, EADDRNOTAVAIL. */
  leaveGroup(group: number, ifp: Ifnet | null = null, source: number | null = null): Errno {
    return this.onGroups((inNet) => pcbLeave(inNet, this.inp, group, ifp, source));
  }

  /** IP_BLOCK_SOURCE. EINVAL, EADDRNOTAVAIL, ENOSPC. */
  blockSource(group: number, source: number, ifp: Ifnet | null = null): Errno {
    return this.onGroups((inNet) => pcbBlock(inNet, this.inp, group, ifp, source, true));
  }

  /** IP_UNBLOCK_SOURCE. EINVAL, EADDRNOTAVAIL. */
  unblockSource(group: number, source: number, ifp: Ifnet | null = null): Errno {
    return this.onGroups((inNet) => pcbBlock(inNet, this.inp, group, ifp, source, false));
  }

  /** setsourcefilter(3): MCAST_INCLUDE or MCAST_EXCLUDE and the sources. EINVAL, EADDRNOTAVAIL, ENOBUFS, ENOSPC. */
  setSourceFilter(group: number, mode: FilterMode, sources: readonly number[], ifp: Ifnet | null = null): Errno {
    return this.onGroups((inNet) => pcbSetFilter(inNet, this.inp, group, ifp, mode, sources));
  }

  /** getsourcefilter(3); null when the group is not joined. */
  getSourceFilter(group: number, ifp: Ifnet | null = null): SourceFilter<number> | null {
    return this.closed ? null : pcbGetFilter(this.inp, group, ifp);
  }

  /** IP_MULTICAST_IF, IPV6_MULTICAST_IF: groups are sent to through `ifp`, with null through the interface the route names. EADDRNOTAVAIL. */
  setMulticastIf(ifp: Ifnet | null): Errno {
    if (this.in6p !== null) return this.closed ? this.ended : in6MulticastIf(this, this.in6p, ifp);
    return this.onGroups((inNet) => {
      if (ifp !== null && (ifp.net !== inNet.net || (ifp.flags & IFF_MULTICAST) === 0)) return EADDRNOTAVAIL;
      this.inp.out ??= new IpOutputOpts();
      this.inp.out.mcastIfp = ifp;
      return 0;
    });
  }

  private onGroups(call: (inNet: InNet) => Errno): Errno {
    const inNet = this.protocolInNet();
    return this.closed ? this.ended : inNet === null ? EAFNOSUPPORT : call(inNet);
  }

  /** IPV6_JOIN_GROUP on `ifp`, or on the interface the route to `group` (plain form) names; with `source` MCAST_JOIN_SOURCE_GROUP. As transport/pcb-multicast6.ts answers; EAFNOSUPPORT. */
  joinGroup6(group: Uint8Array, ifp: Ifnet | null = null, source: Uint8Array | null = null): Errno {
    return this.closed ? this.ended : this.in6p === null ? EAFNOSUPPORT : in6Group(this, this.in6p, true, group, ifp, source);
  }

  /** IPV6_LEAVE_GROUP; with `source` MCAST_LEAVE_SOURCE_GROUP. EINVAL, EADDRNOTAVAIL. */
  leaveGroup6(group: Uint8Array, ifp: Ifnet | null = null, source: Uint8Array | null = null): Errno {
    return this.closed ? this.ended : this.in6p === null ? EAFNOSUPPORT : in6Group(this, this.in6p, false, group, ifp, source);
  }

  /** MCAST_BLOCK_SOURCE, or with `block` off MCAST_UNBLOCK_SOURCE. EINVAL, EADDRNOTAVAIL, ENOSPC. */
  blockSource6(group: Uint8Array, source: Uint8Array, ifp: Ifnet | null = null, block = true): Errno {
    return this.closed ? this.ended : this.in6p === null ? EAFNOSUPPORT : in6Block(this, this.in6p, group, source, ifp, block);
  }

  /** setsourcefilter(3). EINVAL, EADDRNOTAVAIL, ENOBUFS, ENOSPC. */
  setSourceFilter6(group: Uint8Array, mode: FilterMode, sources: readonly Uint8Array[], ifp: Ifnet | null = null): Errno {
    return this.closed ? this.ended : this.in6p === null ? EAFNOSUPPORT : in6SetSources(this, this.in6p, group, mode, sources, ifp);
  }

  /** getsourcefilter(3), sources as numbers of 128 bits; null when the group is not joined. */
  getSourceFilter6(group: Uint8Array, ifp: Ifnet | null = null): SourceFilter<bigint> | null {
    return this.closed || this.in6p === null ? null : pcbGetFilter6(this.in6p, group, ifp);
  }

  /** IPV6_PKTINFO for all packets of the socket: the interface they leave by, and their source; null: by route, chosen. */
  setPktinfo(ifp: Ifnet | null, source: Uint8Array | null = null): Errno {
    return this.closed ? this.ended : this.in6p === null ? ENOPROTOOPT : in6Pktinfo(this, this.in6p, ifp, source);
  }

  /** ICMP6_FILTER: the types of messages this socket wants; null: all. ENOPROTOOPT unless it is a raw ICMPv6 socket. */
  setIcmp6Filter(pass: readonly number[] | null): Errno {
    return this.closed ? this.ended : this.in6p === null ? ENOPROTOOPT : in6SetFilter(this, this.in6p, pass);
  }

  private protocolInNet(): InNet | null {
    return (this.type === SOCK_RAW ? this.layer.raw : this.layer.udp)?.ip.inNet ?? null;
  }

  protected giveBack(): void {
    this.rcv.flush();
    if (this.in6p !== null) in6Detach(this, this.in6p);
    else if (this.type === SOCK_RAW) this.layer.raw?.detach(this.inp);
    else this.layer.udp?.detach(this.inp);
    this.layer.forget(this);
  }

  /** PcbUser: a packet for this socket. */
  pcbInput(m: PacketBuffer): boolean {
    if (this.closed) {
      m.free();
      return false;
    }
    const wasEmpty = this.rcv.count === 0;
    if (!this.rcv.append(m)) return false;
    if (wasEmpty) this.onReadable?.();
    return true;
  }

  /** PcbUser: an asynchronous error. */
  pcbError(error: Errno): void {
    if (this.closed) return;
    this.pendingError = error;
    this.onReadable?.();
  }
}

/** Length of the first datagram in a packet. */
function datagramLength(m: PacketBuffer): number {
  return m.gsoSize > 0 && m.gsoSize < m.len ? m.gsoSize : m.len;
}
