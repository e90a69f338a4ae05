/**
 * tcp-usrreq.ts — what a program asks of a connection.
 * Read first: RFC 9293 §3.9.1 (user calls), §3.10.1–§3.10.6; freebsd `sys/netinet/tcp_usrreq.c`.
 *
 * Nothing here waits. What a call cannot do yet is told by the callbacks of TcpUser.
 *
 * @rfc 9293 3.9.1 yes
 * @rfc 1122 4.2.2.13 yes
 */
import type { Errno } from '../base/errno.js';
import { EACCES, EAFNOSUPPORT, EAGAIN, EALREADY, EINPROGRESS, EINVAL, EISCONN, ENOTCONN, EOPNOTSUPP, EPIPE, ESRCH } from '../base/errno.js';
import type { Chunk } from '../mbuf/chunk-pool.js';
import { mappedAddr } from '../transport/in6-pcb.js';
import type { Ip6Name } from '../transport/in6-pcb.js';
import { in6PcbBind, in6PcbConnect, inPcbConnect } from '../transport/pcb-connect.js';
import { INADDR_BROADCAST, ip4IsMulticast } from '../wire/addr.js';
import { ip6IsMulticast, ip6IsV4Mapped } from '../wire/addr6.js';
import { ccFind } from './cc/cc-registry.js';
import { tcpClose, tcpDrop, tcpSetState } from './tcp-close.js';
import { tcpOutput } from './tcp-output.js';
import {
  TCPS_CLOSED, TCPS_CLOSE_WAIT, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2, TCPS_LAST_ACK, TCPS_LISTEN, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, tcpMaySend,
} from './tcp-state.js';
import { tcpFastopenBegin } from './tcp-syn-data.js';
import { tcpKeepinitUs, tcpSet2msl, tcpSetKeep } from './tcp-timer.js';
import { tcpMarkPassed, tcpMarkUrgent } from './tcp-urgent.js';
import { tcpRcvbufTune, tcpWindowUpdateDue } from './tcp-window.js';
import { TF_CANTRCVMORE, TF_NEEDFIN, TF_OUTPUT, TF_WANTSPACE, TcpCb } from './tcpcb.js';
import type { TcpUser } from './tcpcb.js';
import type { Tcp } from './tcp.js';

/** A TcpCb for a new socket. */
export function tcpUsrAttach(tcp: Tcp, user: TcpUser, fib: number, isV6: boolean): TcpCb {
  const tp = new TcpCb(tcp, user);
  if (isV6) tcp.attachPcb6(tp, fib);
  else tcp.attachPcb4(tp, fib);
  return tp;
}

/** bind(2). EADDRNOTAVAIL, EADDRINUSE, EINVAL; EAFNOSUPPORT: the address is none of the socket's family, or a group. */
export function tcpUsrBind(tp: TcpCb, addr: number | Ip6Name, port: number): Errno {
  const { tcp, in6p } = tp;
  if (tp.state !== TCPS_CLOSED) return EINVAL;
  if (isGroup(addr)) return EAFNOSUPPORT;
  if (in6p !== null) return typeof addr === 'number' ? EAFNOSUPPORT : in6PcbBind(tcp.ip6, tcp.ip, tcp.pcbs6, in6p, addr, port);
  if (typeof addr !== 'number') return EAFNOSUPPORT;
  return tcp.pcbs.bind(tp.inp, addr, port, tcp.ip.mayBind(addr));
}

/** The IPv4 address that `addr` is, or is the mapped form of; -1: none. */
function inet4Of(addr: number | Ip6Name): number {
  if (typeof addr === 'number') return addr;
  return addr.addr.length === 16 && ip6IsV4Mapped(addr.addr) ? mappedAddr(addr.addr) : -1;
}

/** Nobody can have a conversation with a group (RFC 9293 §3.9.2.3). */
const isGroup = (addr: number | Ip6Name): boolean => ip4IsMulticast(inet4Of(addr)) || (typeof addr !== 'number' && ip6IsMulticast(addr.addr));

/** Binds a port nobody asked for. */
function bindAny(tp: TcpCb): Errno {
  if (tp.inp.lport !== 0) return 0;
  const { tcp, in6p } = tp;
  return in6p !== null ? tcp.pcbs6.bind(in6p, in6p.local, 0, true) : tcp.pcbs.bind(tp.inp, tp.inp.laddr, 0, true);
}

/** listen(2). EINVAL: it is connected, or connecting. */
export function tcpUsrListen(tp: TcpCb): Errno {
  if (tp.state === TCPS_LISTEN) return 0;
  if (tp.state !== TCPS_CLOSED || tp.inp.connected) return EINVAL;
  const error = bindAny(tp);
  if (error === 0) tcpSetState(tp, TCPS_LISTEN);
  return error;
}

/**
 * connect(2): sends the SYN. EINPROGRESS when that is done; EALREADY, EISCONN, EOPNOTSUPP (it listens); EAFNOSUPPORT; EACCES for everybody's address; what finding
 * a source and a route answers; and what IP answers to the SYN, which is sent again all the same. `data`: goes first, with Fast Open in the SYN; as much as there is room for.
 */
export function tcpUsrConnect(tp: TcpCb, addr: number | Ip6Name, port: number, data: Uint8Array | null = null): Errno {
  const { tcp, in6p } = tp;
  if (tp.state === TCPS_LISTEN) return EOPNOTSUPP;
  if (tp.state === TCPS_SYN_SENT || tp.state === TCPS_SYN_RECEIVED) return EALREADY;
  if (tp.state !== TCPS_CLOSED) return EISCONN;
  if (isGroup(addr)) return EAFNOSUPPORT;
  if (inet4Of(addr) === INADDR_BROADCAST) return EACCES;
  let error: Errno;
  if (in6p !== null) error = typeof addr === 'number' ? EAFNOSUPPORT : in6PcbConnect(tcp.ip6, tcp.ip, tcp.pcbs6, in6p, addr, port, tcp.choice);
  else if (typeof addr !== 'number') error = EAFNOSUPPORT;
  else error = inPcbConnect(tcp.ip, tcp.pcbs, tp.inp, addr, port);
  if (error !== 0) return error;
  tp.iss = tcp.newIss(tp);
  tp.tsOffset = tcp.newTsOffset(tp);
  tp.sndUna = tp.sndNxt = tp.sndUp = tp.recover = tp.iss;
  tcp.begin(tp);
  tcpSetState(tp, TCPS_SYN_SENT);
  tcp.stats.connattempt++;
  tcpSetKeep(tp, tcpKeepinitUs(tp));
  if (data !== null) tp.snd.append(data, 0, Math.min(data.length, tp.snd.space));
  tcpFastopenBegin(tp);
  tcpOutput(tp);
  return tp.softError || EINPROGRESS;
}

/** May `send` take bytes? 0, or why not: ENOTCONN, EPIPE; EAGAIN: no room. */
export function tcpUsrMaySend(tp: TcpCb): Errno {
  if ((tp.flags & TF_NEEDFIN) !== 0) return EPIPE;
  if (tp.state === TCPS_SYN_SENT || tp.state === TCPS_SYN_RECEIVED) return tp.snd.space > 0 ? 0 : wantSpace(tp);
  if (!tcpMaySend(tp.state)) return tp.state <= TCPS_LISTEN ? ENOTCONN : EPIPE;
  return tp.snd.space > 0 ? 0 : wantSpace(tp);
}

/** After the handshake; a server of Fast Open before that, too. */
const maySendNow = (tp: TcpCb): boolean => tp.isSynchronized || tp.tfoListener !== null;

function wantSpace(tp: TcpCb): Errno {
  tp.flags |= TF_WANTSPACE;
  return EAGAIN;
}

/** Takes a copy of as much of `data` as there is room for; returns the bytes taken. The caller has asked tcpUsrMaySend. */
export function tcpUsrSend(tp: TcpCb, data: Uint8Array, isUrgent = false): number {
  const n = Math.min(data.length, tp.snd.space);
  tp.snd.append(data, 0, n);
  if (isUrgent) tcpMarkUrgent(tp);
  if (n < data.length) tp.flags |= TF_WANTSPACE;
  if (maySendNow(tp)) tcpOutput(tp);
  return n;
}

/** Takes `data` itself, whole, when there is any room. */
export function tcpUsrSendOwned(tp: TcpCb, data: Uint8Array): void {
  tp.snd.appendOwned(data);
  if (maySendNow(tp)) tcpOutput(tp);
}

/** Takes over `c`, a chunk of the pool, whole, when there is any room. */
export function tcpUsrSendChunk(tp: TcpCb, c: Chunk): void {
  tp.snd.appendChunk(c);
  if (maySendNow(tp)) tcpOutput(tp);
}

/** The program has read `n` bytes: the window may open. */
export function tcpUsrRcvd(tp: TcpCb, n: number): void {
  tcpMarkPassed(tp);
  tcpRcvbufTune(tp, n);
  if (!tp.isSynchronized) return;
  if (tp.inInput) tp.flags |= TF_OUTPUT;
  else if (tcpWindowUpdateDue(tp)) tcpOutput(tp);
}

/** SHUT_RD: what comes from now on is acknowledged and thrown away. */
export function tcpUsrShutdownRead(tp: TcpCb): void {
  tp.flags |= TF_CANTRCVMORE;
  tp.rcv.flush();
}

/** SHUT_WR: a FIN goes out behind what is waiting. ENOTCONN. */
export function tcpUsrShutdownWrite(tp: TcpCb): Errno {
  if (tp.state <= TCPS_LISTEN) return ENOTCONN;
  if ((tp.flags & TF_NEEDFIN) !== 0) return 0;
  usrClosed(tp);
  if (tp.state !== TCPS_CLOSED) tcpOutput(tp);
  return 0;
}

/** The program is done sending: the state that follows. */
function usrClosed(tp: TcpCb): void {
  switch (tp.state) {
    case TCPS_CLOSED:
    case TCPS_LISTEN:
      tcpClose(tp, 0);
      return;
    case TCPS_SYN_SENT:
    case TCPS_SYN_RECEIVED:
      // What was written, and the end of it, wait for the handshake, which leads to FIN_WAIT_1 then.
      tp.flags |= TF_NEEDFIN;
      return;
    case TCPS_ESTABLISHED:
      tp.flags |= TF_NEEDFIN;
      tcpSetState(tp, TCPS_FIN_WAIT_1);
      return;
    case TCPS_CLOSE_WAIT:
      tp.flags |= TF_NEEDFIN;
      tcpSetState(tp, TCPS_LAST_ACK);
      return;
    default:
  }
}

/** close(2): the connection finishes on its own, without a program. `reset`: it is given up at once (SO_LINGER with 0). */
export function tcpUsrClose(tp: TcpCb, reset: boolean): void {
  tp.rcv.flush();
  tp.user = null;
  if (reset && tp.state > TCPS_LISTEN) {
    tcpDrop(tp, 0);
    return;
  }
  const was = tp.state;
  if (was === TCPS_SYN_SENT) {
    tcpClose(tp, 0);
    return;
  }
  if ((tp.flags & TF_NEEDFIN) === 0) usrClosed(tp);
  if (tp.state === TCPS_CLOSED) return;
  if (was === TCPS_FIN_WAIT_2) tcpSet2msl(tp, tp.tcp.tun.finwait2TimeoutMs * 1_000);
  tcpOutput(tp);
}

/** TCP_CONGESTION: the algorithm of this connection, or of those a listener gets. What the one before has learned is forgotten. ESRCH: no such one. */
export function tcpUsrSetCongestion(tp: TcpCb, name: string): Errno {
  const algorithm = ccFind(name);
  if (algorithm === null) return ESRCH;
  tp.ccAlgorithm = algorithm;
  if (tp.state > TCPS_LISTEN) tp.cc = algorithm.make(tp);
  return 0;
}
