/**
 * socket-in6.ts — what a PF_INET6 socket does: the verbs of socket.ts over an In6Pcb.
 * Read first: RFC 3493, RFC 3542; ip6(4); transport/in6-pcb.ts.
 *
 * An address is an Ip6Name: 16 bytes in plain form and a scope id, which counts for addresses that need a zone. 0 in its place is "none": any
 * address for bind, the connected end for send. An IPv4 address is refused with EAFNOSUPPORT: a program writes it v4-mapped.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EBADF, EINVAL, ENOPROTOOPT } from '../base/errno.js';
import type { In6Net } from '../inet6/in6-net.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_MULTICAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import type { FilterMode } from '../net/mcast/source-filter.js';
import { IN6ADDR_ANY, in6Recover, mappedOf } from '../transport/in6-pcb.js';
import type { In6Pcb, Ip6Name } from '../transport/in6-pcb.js';
import { pcbBlock6, pcbJoin6, pcbLeave6, pcbSetFilter6 } from '../transport/pcb-multicast6.js';
import { ip6Plain, ip6NeedsZone } from '../wire/addr6.js';
import { ip4Dst, ip4Hl, ip4Src, ip4Tos, ip4Ttl } from '../wire/ip4.js';
import { IP6_DST, IP6_HLIM, IP6_SRC, ip6Class, ip6Upper, ip6UpperOff, ip6Version } from '../wire/ip6.js';
import { IPPROTO_ICMPV6 } from '../wire/ipproto.js';
import { udpSport } from '../wire/udp.js';
import type { SocketLayer } from './socket-layer.js';
import { SOCK_RAW } from './socket-type.js';

/** An address given to a socket: a host-order number for PF_INET, an Ip6Name for PF_INET6; 0 means none for both. */
export type SockAddr = number | Ip6Name;

/** An IPv6 end as sockets tell it. */
export interface SockName6 extends Ip6Name {
  readonly port: number;
}

/** How a datagram came to a PF_INET6 socket; `recv` fills one that it is given. */
export class RecvInfo6 {
  /** Sender: plain form, and its zone for an address that needs one. */
  addr: Uint8Array = new Uint8Array(16);
  scopeId = 0;
  /** Where it was sent to (IPV6_RECVPKTINFO, with `ifIndex` of RecvInfo). */
  dstAddr: Uint8Array = new Uint8Array(16);
  /** IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS */
  hops = 0;
  tclass = 0;
}

/** The socket as these functions see it. */
export interface In6Socket {
  readonly layer: SocketLayer;
  readonly type: number;
  readonly protocol: number;
}

export function in6Bind(so: In6Socket, inp: In6Pcb, addr: SockAddr, port: number): Errno {
  const sa = nameOf(addr, true);
  if (sa === null) return EAFNOSUPPORT;
  if (so.type === SOCK_RAW) return so.layer.raw6?.bind(inp, sa) ?? EBADF;
  return so.layer.udp6?.bind(inp, sa, port) ?? EBADF;
}

export function in6Connect(so: In6Socket, inp: In6Pcb, addr: SockAddr, port: number): Errno {
  const sa = nameOf(addr, true);
  if (sa === null) return EAFNOSUPPORT;
  if (so.type === SOCK_RAW) return so.layer.raw6?.connect(inp, sa) ?? EBADF;
  return so.layer.udp6?.connect(inp, sa, port) ?? EBADF;
}

export function in6Disconnect(so: In6Socket, inp: In6Pcb): void {
  if (so.type === SOCK_RAW) so.layer.raw6?.disconnect(inp);
  else so.layer.udp6?.disconnect(inp);
}

export function in6Detach(so: In6Socket, inp: In6Pcb): void {
  if (so.type === SOCK_RAW) so.layer.raw6?.detach(inp);
  else so.layer.udp6?.detach(inp);
}

/** Owns `m`. */
export function in6Send(so: In6Socket, inp: In6Pcb, m: PacketBuffer, addr: SockAddr, port: number): Errno {
  const sa = nameOf(addr, false);
  const refused = sa === null && addr !== 0 ? EAFNOSUPPORT : so.type === SOCK_RAW ? (so.layer.raw6?.send(inp, m, sa) ?? null) : (so.layer.udp6?.send(inp, m, sa, port) ?? null);
  if (refused === null || (sa === null && addr !== 0)) m.free();
  return refused ?? EBADF;
}

/** `any`: 0 means ::. Null: none, or an IPv4 address. */
function nameOf(addr: SockAddr, any: boolean): Ip6Name | null {
  if (typeof addr !== 'number') return addr;
  return addr === 0 && any ? IN6ADDR_ANY : null;
}

/** getsockname(2), getpeername(2). */
export function in6LocalName(inp: In6Pcb): SockName6 {
  return { ...in6Recover(inp.local), port: inp.lport };
}

export function in6PeerName(inp: In6Pcb): SockName6 {
  return { ...in6Recover(inp.foreign), port: inp.fport };
}

/** Fills `info` from the headers of a received packet; the port of the sender is the answer. */
export function in6Describe(so: In6Socket, m: PacketBuffer, info: RecvInfo6): number {
  const v = m.view;
  const at = m.nhoff;
  if (ip6Version(v, at) === 4) {
    info.addr = mappedOf(ip4Src(v, at));
    info.dstAddr = mappedOf(ip4Dst(v, at));
    info.scopeId = 0;
    info.hops = ip4Ttl(v, at);
    info.tclass = ip4Tos(v, at);
    return udpSport(v, at + ip4Hl(v, at));
  }
  info.addr.set(m.buf.subarray(at + IP6_SRC, at + IP6_SRC + 16));
  info.dstAddr.set(m.buf.subarray(at + IP6_DST, at + IP6_DST + 16));
  info.scopeId = ip6NeedsZone(info.addr) ? m.rcvif : 0;
  info.hops = v.getUint8(at + IP6_HLIM);
  info.tclass = ip6Class(v, at);
  return so.type === SOCK_RAW ? 0 : udpSport(v, ip6UpperOff(ip6Upper(v, at)));
}

/** IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP. */
export function in6Group(so: In6Socket, inp: In6Pcb, join: boolean, group: Uint8Array, ifp: Ifnet | null, source: Uint8Array | null): Errno {
  return in6Groups(so, (in6Net) => (join ? pcbJoin6(in6Net, inp, group, ifp, source) : pcbLeave6(in6Net, inp, group, ifp, source)));
}

/** MCAST_BLOCK_SOURCE, MCAST_UNBLOCK_SOURCE. */
export function in6Block(so: In6Socket, inp: In6Pcb, group: Uint8Array, source: Uint8Array, ifp: Ifnet | null, block: boolean): Errno {
  return in6Groups(so, (in6Net) => pcbBlock6(in6Net, inp, group, ifp, source, block));
}

/** setsourcefilter(3). */
export function in6SetSources(so: In6Socket, inp: In6Pcb, group: Uint8Array, mode: FilterMode, sources: readonly Uint8Array[], ifp: Ifnet | null): Errno {
  return in6Groups(so, (in6Net) => pcbSetFilter6(in6Net, inp, group, ifp, mode, sources));
}

/** IPV6_MULTICAST_IF; null: by route. EADDRNOTAVAIL: not an interface for multicasts here. */
export function in6MulticastIf(so: In6Socket, inp: In6Pcb, ifp: Ifnet | null): Errno {
  return in6Groups(so, (in6Net) => {
    if (ifp !== null && (ifp.net !== in6Net.net || (ifp.flags & IFF_MULTICAST) === 0)) return EADDRNOTAVAIL;
    inp.options().mcastIfp = ifp;
    return 0;
  });
}

function in6Groups(so: In6Socket, call: (in6Net: In6Net) => Errno): Errno {
  const in6Net = in6NetOf(so);
  return in6Net === null ? EAFNOSUPPORT : call(in6Net);
}

function in6NetOf(so: In6Socket): In6Net | null {
  return (so.type === SOCK_RAW ? so.layer.raw6 : so.layer.udp6)?.ip6.in6Net ?? null;
}

/**
 * IPV6_PKTINFO on the socket: the interface packets leave by (null: by route) and their source in plain form (null: chosen), which is looked at
 * when something is sent. EINVAL: an interface of another vnet.
 */
export function in6Pktinfo(so: In6Socket, inp: In6Pcb, ifp: Ifnet | null, source: Uint8Array | null): Errno {
  if (ifp !== null && ifp.net !== in6NetOf(so)?.net) return EINVAL;
  inp.options().ifp = ifp;
  inp.pktSource = source === null ? null : ip6Plain(source);
  return 0;
}

/** ICMP6_FILTER: the types that pass; null: all. ENOPROTOOPT unless it is an ICMPv6 socket. */
export function in6SetFilter(so: In6Socket, inp: In6Pcb, pass: readonly number[] | null): Errno {
  if (so.type !== SOCK_RAW || so.protocol !== IPPROTO_ICMPV6) return ENOPROTOOPT;
  if (pass === null) {
    inp.icmp6Filter = null;
    return 0;
  }
  const filter = new Uint32Array(8);
  for (const type of pass) if (type >= 0 && type < 256) filter[type >>> 5]! |= 1 << (type & 31);
  inp.icmp6Filter = filter;
  return 0;
}
