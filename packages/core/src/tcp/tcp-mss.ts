/**
 * tcp-mss.ts — how large segments may be: what we announce, and what we send.
 * Read first: RFC 9293 §3.7; RFC 6691; RFC 8961; freebsd `tcp_input.c` (tcp_mss, tcp_maxmtu).
 *
 * What is announced is what the interface towards the peer can receive; what is sent is bounded by what the peer announced, by the path, and made
 * shorter by the timestamps that every segment carries.
 *
 * @rfc 9293 3.7 yes
 */
import { IP4_HDR_LEN } from '../wire/ip4.js';
import { IP6_HDR_LEN } from '../wire/ip6.js';
import { TCP6_MSS_DEFAULT, TCPOLEN_SIGNATURE, TCPOLEN_TSTAMP_APPA, TCP_HDR_LEN } from '../wire/tcp.js';
import { initialWindow } from './cc/cc.js';
import { TF_SIGNATURE, TF_SYNREXMT, TF_TS } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';
import type { TcpEnds } from './tcp-ends.js';
import type { Tcp } from './tcp.js';

const HDRS4 = IP4_HDR_LEN + TCP_HDR_LEN;
const HDRS6 = IP6_HDR_LEN + TCP_HDR_LEN;

/** However short the path says packets are, a segment carries this much. */
const MAXSEG_MIN = 20;

/** MTU of the path to the foreign end, bytes; 0 without a route. */
export function tcpPathMtu(tp: TcpCb): number {
  const { tcp, inp, in6p } = tp;
  if (in6p === null || !in6p.v6) return tcpPathMtu4(tcp, inp.fib, tcp.endsOf(tp));
  return tcpPathMtu6(tcp, inp.fib, in6p.f0, in6p.f1, in6p.f2, in6p.f3);
}

/** The link's, or what a router on the way has said. */
function tcpPathMtu4(tcp: Tcp, fib: number, e: TcpEnds): number {
  const nh = tcp.ip.routes.lookup4(fib, e.faddr, 0);
  if (nh === null) return 0;
  const known = tcp.hostcache.mtu(e);
  return known === 0 ? nh.pathMtu : Math.min(known, nh.pathMtu);
}

function tcpPathMtu6(tcp: Tcp, fib: number, f0: number, f1: number, f2: number, f3: number): number {
  const nh = tcp.ip6.routes.lookup6(fib, f0, f1, f2, f3, 0);
  return nh === null ? 0 : tcp.ip6.pathMtu(nh.ifp, f0, f1, f2, f3);
}

function mssOf(tcp: Tcp, mtu: number, isV6: boolean): number {
  if (mtu === 0) return isV6 ? tcp.tun.v6mssdflt : tcp.tun.mssdflt;
  return mtu - (isV6 ? HDRS6 : HDRS4);
}

/** The MSS option of our SYN. */
export function tcpOfferedMss(tp: TcpCb): number {
  return mssOf(tp.tcp, tcpPathMtu(tp), tp.isV6);
}

/** The MSS option of a SYN|ACK. */
export function tcpOfferedMssTo(tcp: Tcp, e: TcpEnds): number {
  return mssOf(tcp, e.isV6 ? tcpPathMtu6(tcp, e.fib, e.f0, e.f1, e.f2, e.f3) : tcpPathMtu4(tcp, e.fib, e), e.isV6);
}

/** Sets `maxseg` by what the peer announced (0: nothing) and the path; returns whether it changed. */
export function tcpSetMaxseg(tp: TcpCb, offered: number): boolean {
  const { tun } = tp.tcp;
  const fallback = tp.isV6 ? Math.min(TCP6_MSS_DEFAULT, tun.v6mssdflt) : tun.mssdflt;
  tp.peerMss = offered === 0 ? fallback : Math.max(offered, tun.minmss);
  const changed = tcpFitMaxseg(tp);
  const mss = Math.min(tp.peerMss, tcpOfferedMss(tp));
  tp.snd.hiwat = wholeSegments(tp.snd.hiwat, mss, tun.sendbufMax);
  tp.rcv.hiwat = wholeSegments(tp.rcv.hiwat, mss, tun.recvbufMax);
  return changed;
}

/** Buffers hold whole segments, so that a full window does not end in a small one. */
function wholeSegments(bytes: number, mss: number, max: number): number {
  return bytes <= mss ? bytes : Math.max(bytes, Math.min(Math.ceil(bytes / mss) * mss, max));
}

/** The same for the MSS that is known: the path, or the use of timestamps, has changed. */
export function tcpFitMaxseg(tp: TcpCb): boolean {
  const was = tp.maxseg;
  const mss = Math.min(tp.peerMss, tcpOfferedMss(tp));
  tp.maxseg = Math.max(mss - tcpOlen(tp), MAXSEG_MIN);
  return tp.maxseg !== was;
}

/** Bytes of options in every segment with data. */
export const tcpOlen = (tp: TcpCb): number => ((tp.flags & TF_TS) !== 0 ? TCPOLEN_TSTAMP_APPA : 0) + ((tp.flags & TF_SIGNATURE) !== 0 ? TCPOLEN_SIGNATURE + 2 : 0);

/** A connection is established: the first congestion window. */
export function tcpInitialCwnd(tp: TcpCb): void {
  tp.cwnd = initialWindow(tp.ccVars, tp.maxseg, (tp.flags & TF_SYNREXMT) !== 0);
}
