/**
 * tcp-accept.ts — from what is known of a half-open connection to a TcpCb.
 * Read first: tcp-syncache.ts, which knows it; freebsd `sys/netinet/tcp_syncache.c` (syncache_socket).
 *
 * Theory of operation. What a SYN said is in a HalfOpen, wherever it was kept meanwhile: in the table of half-open connections, in a cookie, or nowhere (Fast
 * Open). The TcpCb made of it is in SYN-RECEIVED with its SYN in flight, and has what its listener's options say; the segment that
 * completes the handshake then goes through the machine like any other.
 */
import { ip6OfWords } from '../wire/addr6.js';
import { In6Pcb } from '../transport/in6-pcb.js';
import type { HalfOpen } from './half-open.js';
import { SR_SYN } from './sendmap.js';
import { tcpClose, tcpSetState } from './tcp-close.js';
import { ecnAgree } from './tcp-ecn.js';
import { tcpSetMaxseg } from './tcp-mss.js';
import { TCPS_SYN_RECEIVED } from './tcp-state.js';
import { tcpKeepinitUs, tcpSetKeep } from './tcp-timer.js';
import { TF_NODELAY, TF_NOOPT, TF_NOPUSH, TF_SACK, TF_SIGNATURE, TF_SYNACKED, TF_SYNREXMT, TF_TS, TF_UTO, TF_WSCALE, TcpCb } from './tcpcb.js';
import type { Tcp } from './tcp.js';

/** A connection in SYN-RECEIVED for listener `l`, whose SYN|ACK was `sent` or is still to be; null: its ends are taken, or nobody can have it (counted). */
export function tcpMakePassive(tcp: Tcp, l: TcpCb, sc: HalfOpen, sent: boolean): TcpCb | null {
  const tp = new TcpCb(tcp, null);
  if (!attach(tcp, l, sc, tp)) {
    tcp.stats.listendrop++;
    return null;
  }
  inherit(l, tp);
  tp.iss = sc.iss;
  tp.irs = sc.irs;
  tp.rcvNxt = tp.rcvUp = tp.lastAckSent = (sc.irs + 1) | 0;
  tp.rcvAdv = (tp.rcvNxt + sc.wnd) | 0;
  tp.sndWl1 = sc.irs;
  options(tcp, sc, tp);
  tcpSetMaxseg(tp, sc.peerMss);
  tcp.begin(tp);
  tp.sndUna = tp.sndNxt = sc.iss;
  tp.sndUp = (sc.iss + 1) | 0;
  tp.recover = sc.iss;
  if (sent) {
    tp.sndNxt = (sc.iss + 1) | 0;
    tp.map.append(sc.iss, tp.sndNxt, SR_SYN, tp.nowUs - sc.ageUs);
    // Which of several it is that is acknowledged, or when the only one was sent, is not known: no measurement (RFC 6298 §3).
    if (sc.tries !== 1 && tp.map.head !== null) tp.map.resent(tp.map.head, tp.nowUs - sc.ageUs);
  }
  tcpSetState(tp, TCPS_SYN_RECEIVED);
  tp.inInput = true;
  const user = l.user?.tcpAccept(tp) ?? null;
  if (user === null) {
    tcp.stats.listendrop++;
    tcpClose(tp, 0);
    return null;
  }
  tp.user = user;
  tcp.stats.accepts++;
  tcpSetKeep(tp, tcpKeepinitUs(tp));
  return tp;
}

/** What a connection has of its listener. */
function inherit(l: TcpCb, tp: TcpCb): void {
  tp.flags = (tp.flags & ~TF_SYNACKED) | (l.flags & (TF_NODELAY | TF_NOPUSH | TF_NOOPT | TF_UTO));
  tp.snd.hiwat = l.snd.hiwat;
  tp.snd.lowat = l.snd.lowat;
  tp.snd.autosize = l.snd.autosize;
  tp.rcv.hiwat = l.rcv.hiwat;
  tp.rcv.lowat = l.rcv.lowat;
  tp.rcv.autosize = l.rcv.autosize;
  tp.soKeepalive = l.soKeepalive;
  tp.keepidleUs = l.keepidleUs;
  tp.keepintvlUs = l.keepintvlUs;
  tp.keepcnt = l.keepcnt;
  tp.keepinitUs = l.keepinitUs;
  tp.userTimeoutUs = l.userTimeoutUs;
  tp.userTimeoutSet = l.userTimeoutSet;
  tp.ccAlgorithm = l.ccAlgorithm;
}

/** What both ends agreed upon. */
function options(tcp: Tcp, sc: HalfOpen, tp: TcpCb): void {
  if (sc.sndScale >= 0) {
    tp.flags |= TF_WSCALE;
    tp.sndScale = sc.sndScale;
    tp.rcvScale = sc.rcvScale;
  }
  if (sc.sack) tp.flags |= TF_SACK;
  if (sc.ts) {
    tp.flags |= TF_TS;
    tp.tsRecent = sc.tsRecent;
    tp.tsRecentAgeUs = tp.nowUs;
    tp.tsOffset = tcp.newTsOffset(sc);
  }
  if (sc.ecn) ecnAgree(tp);
  if (sc.signature) tp.flags |= TF_SIGNATURE;
  if (sc.tries > 1) tp.flags |= TF_SYNREXMT;
}

/** Gives `tp` its ends; false when they are taken. */
function attach(tcp: Tcp, listener: TcpCb, sc: HalfOpen, tp: TcpCb): boolean {
  const l = listener.inp;
  const inp = l instanceof In6Pcb ? tcp.attachPcb6(tp, l.fib) : tcp.attachPcb4(tp, l.fib);
  inp.ttl = l.ttl;
  inp.tos = l.tos;
  inp.pcp = l.pcp;
  inp.dontRoute = l.dontRoute;
  inp.reuseAddr = l.reuseAddr;
  inp.reusePort = l.reusePort;
  inp.lport = sc.lport;
  if (inp instanceof In6Pcb && l instanceof In6Pcb) {
    inp.v6only = l.v6only;
    inp.hops = l.hops;
    inp.tclass = l.tclass;
  }
  const error = !(inp instanceof In6Pcb)
    ? tcp.pcbs.connect(inp, sc.laddr, sc.faddr, sc.fport)
    : sc.isV6
      ? tcp.pcbs6.connect(inp, ip6OfWords(sc.l0, sc.l1, sc.l2, sc.l3), ip6OfWords(sc.f0, sc.f1, sc.f2, sc.f3), sc.fport)
      : tcp.pcbs6.connectMapped(inp, sc.laddr, sc.faddr, sc.fport);
  if (error === 0) return true;
  inp.lport = 0;
  tcp.detachPcb(tp);
  return false;
}
