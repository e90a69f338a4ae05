/**
 * pcblist.ts — the ends of conversations in a vnet, as the tools that list them see them: `net.inet.tcp.pcblist` and its like.
 * Read first: netstat(1), sockstat(1); freebsd `sys/netinet/in_pcb.h` (struct xinpcb, xtcpcb).
 *
 * A TCP connection can be there without a socket: its program has closed it; and without a control block: it is half-open (the SYN cache has it). Those come
 * first, then the youngest. Everything else is a socket's. An end of both families (`v4` and `v6`) is shown as IPv4's.
 */
import type { AnySocket, In6Pcb, InPcb, SockAddr, Vnet } from '@netloom/core';
import { SOCK_RAW, Socket, StreamSocket, TCPS_LISTEN, TCPS_SYN_RECEIVED, TcpCb, ccDefault, in6Recover } from '@netloom/core';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_IGMP, ip6IsLoopback, ip6IsUnspecified, ip6OfWords } from '@netloom/core/wire';

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
  /** Which one of its protocol it is, in the order they were made; 0 for a half-open connection, and where nobody counts. */
  readonly gencnt: number;
  readonly fib: number;
  /** The families it is an end of. */
  readonly v4: boolean;
  readonly v6: boolean;
  readonly local: PcbEnd;
  readonly foreign: PcbEnd;
  /** The socket; null: no program has it. */
  readonly so: AnySocket | null;
  /** TCPS_* of a TCP connection or listener; null for other protocols. */
  readonly state: number | null;
  /** Of a connection or listener that is not half-open. */
  readonly tp: TcpCb | null;
}

/** The ends of one protocol, the youngest first. */
export function pcbList(vnet: Vnet, protocol: PcbProtocol): Xinpcb[] {
  const found = protocol === 'tcp' ? tcpList(vnet) : datagramList(vnet, protocol);
  found.sort((a, b) => b.gencnt - a.gencnt);
  return protocol === 'tcp' ? [...halfOpen(vnet), ...found] : found;
}

function tcpList(vnet: Vnet): Xinpcb[] {
  const { tcp } = vnet;
  const tps = [...tcp.pcbs.list(), ...tcp.pcbs6.list()].map((inp) => inp.user).filter((user) => user instanceof TcpCb);
  return tps.map((tp) => xinpcb('tcp', tp.inp, tp.in6p, tp.user instanceof StreamSocket ? tp.user : null, tp));
}

function halfOpen(vnet: Vnet): Xinpcb[] {
  const found: Xinpcb[] = [];
  vnet.tcp.syncache.each((inc) => {
    const local: SockAddr = inc.isV6 ? in6Recover(ip6OfWords(inc.l0, inc.l1, inc.l2, inc.l3)) : inc.laddr;
    const foreign: SockAddr = inc.isV6 ? in6Recover(ip6OfWords(inc.f0, inc.f1, inc.f2, inc.f3)) : inc.faddr;
    const ends = { local: { addr: local, port: inc.lport }, foreign: { addr: foreign, port: inc.fport } };
    found.push({ protocol: 'tcp', gencnt: 0, fib: inc.fib, v4: !inc.isV6, v6: inc.isV6, ...ends, so: null, state: TCPS_SYN_RECEIVED, tp: null });
  });
  return found;
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
  return { protocol, gencnt: inp.gencnt, fib: inp.fib, v4, v6, ...ends, so, state: tp?.state ?? null, tp };
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
