/**
 * pcblist.ts — the ends of conversations in a vnet, as the tools that list them see them: `net.inet.tcp.pcblist` and its like.
 * Read first: netstat(1), sockstat(1); freebsd `sys/netinet/in_pcb.h` (struct xinpcb, xtcpcb).
 *
 * A TCP connection can be there without a socket: its program has closed it, or has not accepted it yet. Everything else is a socket's.
 * The youngest come first. An end of both families (`v4` and `v6`) is shown as IPv4's.
 */
import type { AnySocket, In6Pcb, InPcb, SockAddr, Vnet } from '@netloom/core';
import { SOCK_RAW, Socket, StreamSocket, TCPS_LISTEN, TcpCb, ccDefault, in6Recover } from '@netloom/core';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IGMP, ip6IsLoopback, ip6IsUnspecified } from '@netloom/core/wire';

/** Protocols that have ends, in the order they are listed. */
export const PCB_PROTOCOLS = ['tcp', 'udp', 'ip', 'icmp', 'igmp', 'icmp6'] as const;
export type PcbProtocol = (typeof PCB_PROTOCOLS)[number];

/** An end: an address and a port, 0 for none. */
export interface PcbEnd {
  readonly addr: SockAddr;
  readonly port: number;
}

export interface Xinpcb {
  readonly protocol: PcbProtocol;
  readonly inp: InPcb;
  /** The families it is an end of. */
  readonly v4: boolean;
  readonly v6: boolean;
  readonly local: PcbEnd;
  readonly foreign: PcbEnd;
  /** The socket; null: no program has it. */
  readonly so: AnySocket | null;
  /** Of a TCP connection or listener. */
  readonly tp: TcpCb | null;
}

/** The ends of one protocol, the youngest first. */
export function pcbList(vnet: Vnet, protocol: PcbProtocol): Xinpcb[] {
  const found = protocol === 'tcp' ? tcpList(vnet) : datagramList(vnet, protocol);
  return found.sort((a, b) => b.inp.gencnt - a.inp.gencnt);
}

function tcpList(vnet: Vnet): Xinpcb[] {
  const { tcp } = vnet;
  if (tcp === null) return [];
  const tps = [...tcp.pcbs.list(), ...tcp.pcbs6.list()].map((inp) => inp.user).filter((user) => user instanceof TcpCb);
  return tps.map((tp) => xinpcb('tcp', tp.inp, tp.in6p, tp.user instanceof StreamSocket ? tp.user : null, tp));
}

function datagramList(vnet: Vnet, protocol: PcbProtocol): Xinpcb[] {
  const sockets = (vnet.sockets?.list() ?? []).filter((so) => so instanceof Socket && protocolOf(so) === protocol);
  return sockets.reverse().map((so) => xinpcb(protocol, so.inp, so.in6p, so, null));
}

function protocolOf(so: Socket): PcbProtocol {
  if (so.type !== SOCK_RAW) return 'udp';
  if (so.in6p !== null) return so.protocol === IPPROTO_ICMPV6 ? 'icmp6' : 'ip';
  return so.protocol === IPPROTO_ICMP ? 'icmp' : so.protocol === IPPROTO_IGMP ? 'igmp' : 'ip';
}

function xinpcb(protocol: PcbProtocol, inp: InPcb, in6p: In6Pcb | null, so: AnySocket | null, tp: TcpCb | null): Xinpcb {
  const v4 = in6p === null || in6p.v4;
  const v6 = in6p?.v6 === true;
  const ends =
    v4 || in6p === null
      ? { local: { addr: inp.laddr, port: inp.lport }, foreign: { addr: inp.faddr, port: inp.fport } }
      : { local: { addr: in6Recover(in6p.local), port: inp.lport }, foreign: { addr: in6Recover(in6p.foreign), port: inp.fport } };
  return { protocol, inp, v4, v6, ...ends, so, tp };
}

/** Is it the address of nobody in particular? */
export function isAny(addr: SockAddr): boolean {
  return typeof addr === 'number' ? addr === 0 : ip6IsUnspecified(addr.addr);
}

/** 127.0.0.0/8, ::1 */
export function isLoopback(addr: SockAddr): boolean {
  return typeof addr === 'number' ? addr >>> 24 === 127 : ip6IsLoopback(addr.addr);
}

/** Congestion control of a connection; of one that is not begun and of a listener, what it will be. */
export function ccName({ tp }: Xinpcb): string {
  if (tp === null) return '';
  return tp.state <= TCPS_LISTEN ? ccDefault(tp.tcp.ccVars).name : tp.cc.name;
}
