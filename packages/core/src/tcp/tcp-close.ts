/**
 * tcp-close.ts — how a connection ends: finished, given up, or waiting for stray segments.
 * Read first: RFC 9293 §3.6, §3.10.7.4; freebsd `tcp_subr.c` (tcp_close, tcp_drop, tcp_discardcb), `tcp_timewait.c`.
 *
 * Theory of operation. `tcpClose` gives back everything a connection has (packets, ranges, timers, its places in the tables) and tells the program.
 * `tcpDrop` says RST first. TIME_WAIT keeps only what answering needs: the ends and the sequence numbers; how many there are is bounded, and the
 * oldest goes when one is too many.
 */
import type { Errno } from '../base/errno.js';
import { US_PER_MS } from '../base/time.js';
import { TH_ACK, TH_RST } from '../wire/tcp.js';
import { tcpMetricsSave } from './tcp-metrics.js';
import { tcpRespondTo } from './tcp-respond.js';
import { tcpFastopenSettled } from './tcp-syn-data.js';
import { TCPS_CLOSED, TCPS_LISTEN, TCPS_SYN_RECEIVED, TCPS_TIME_WAIT, tcpHaveRcvdSyn } from './tcp-state.js';
import { tcpSet2msl, tcpStopTimers } from './tcp-timer.js';
import type { TcpCb } from './tcpcb.js';

/** Ends the connection now, without a word to the peer. `error`: what the program is told. */
export function tcpClose(tp: TcpCb, error: Errno): void {
  if (tp.state === TCPS_CLOSED && tp.inp.detached) return;
  const { tcp } = tp;
  if (tp.state !== TCPS_LISTEN && tp.state !== TCPS_CLOSED) tcp.stats.closed++;
  tcp.timeWaits.remove(tp);
  tcpMetricsSave(tp);
  tcpFastopenSettled(tp);
  tcpSetState(tp, TCPS_CLOSED);
  tcpStopTimers(tp);
  tp.map.clear();
  tp.snd.flush();
  tp.reass?.flush();
  tcp.detachPcb(tp);
  const { user } = tp;
  tp.user = null;
  if (user === null) tp.rcv.flush();
  else user.tcpEnded(error);
}

/** Gives the connection up: RST to a peer that knows of it, and `error` to the program. */
export function tcpDrop(tp: TcpCb, error: Errno): void {
  if (tcpHaveRcvdSyn(tp.state)) tp.tcp.stats.drops++;
  else tp.tcp.stats.conndrops++;
  if (tp.state >= TCPS_SYN_RECEIVED && tp.state !== TCPS_TIME_WAIT) tcpRespondTo(tp, tp.sndNxt, tp.rcvNxt, TH_RST | TH_ACK);
  tcpClose(tp, error);
}

/** Both FINs are acknowledged: waits for what may still be under way. */
export function tcpTwstart(tp: TcpCb): void {
  const { tcp } = tp;
  tcpMetricsSave(tp);
  tcpSetState(tp, TCPS_TIME_WAIT);
  tcpStopTimers(tp);
  tp.map.clear();
  tp.snd.flush();
  tp.reass?.flush();
  tp.reass = null;
  // What is to be said is said first, at the end of input.
  tcpSet2msl(tp, tcp.tun.nolocaltimewait !== 0 && isLocal(tp) ? 0 : 2 * tcp.tun.mslMs * US_PER_MS);
  tcp.timeWaits.add(tp);
}

/** Is the peer in this vnet, where nothing strays? */
function isLocal(tp: TcpCb): boolean {
  const { inp, in6p, tcp } = tp;
  if (in6p === null || !in6p.v6) return tcp.ip.inNet.addrOf(inp.faddr | 0) !== null;
  return tcp.ip6.in6Net.addrOf(in6p.f0, in6p.f1, in6p.f2, in6p.f3) !== null;
}

/** The only place where a state changes: counts how many connections are in each. */
export function tcpSetState(tp: TcpCb, state: number): void {
  const { states } = tp.tcp;
  if (tp.state !== TCPS_CLOSED) states[tp.state]!--;
  if (state !== TCPS_CLOSED) states[state]!++;
  tp.state = state;
}
