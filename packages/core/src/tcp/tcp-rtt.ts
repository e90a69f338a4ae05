/**
 * tcp-rtt.ts — the round-trip time and the timeout made of it.
 * Read first: RFC 6298 §2, §3 (Karn); RFC 7323 §4; freebsd `tcp_input.c` (tcp_xmit_timer).
 *
 * Theory of operation. The time of a transmission that is not ambiguous, sent once and acknowledged, is a sample, in microseconds. The timeout is
 * srtt + max(4 · rttvar, `net.inet.tcp.rexmit_min`): the minimum covers what a peer may delay an acknowledgement, so that it is not mistaken for
 * a loss on a link that takes microseconds.
 *
 * @rfc 6298 2 yes
 * @rfc 6298 3 yes
 */
import type { Micros } from '../base/time.js';
import { US_PER_MS } from '../base/time.js';
import { TCPTV_REXMTMAX } from './tcp-timer.js';
import type { TcpCb } from './tcpcb.js';

/** A sample: a round trip took `rttUs`. */
export function tcpRttSample(tp: TcpCb, rttUs: Micros): void {
  // Within one turn no time passes; a round trip is never taken for nothing measured.
  const rtt = Math.max(1, rttUs);
  const { stats } = tp.tcp;
  stats.rttupdated++;
  if (rtt < tp.rttMinUs) tp.rttMinUs = rtt;
  if (tp.srttUs === 0) {
    tp.srttUs = rtt;
    tp.rttvarUs = rtt >> 1;
  } else {
    tp.rttvarUs += Math.round((Math.abs(tp.srttUs - rtt) - tp.rttvarUs) / 4);
    tp.srttUs = Math.max(1, tp.srttUs + Math.round((rtt - tp.srttUs) / 8));
  }
  tp.rtoUs = tcpRto(tp);
  tp.cc.rttSample?.(tp, rtt);
}

/** The timeout without back-off. */
export function tcpRto(tp: TcpCb): Micros {
  const min = tp.tcp.tun.rexmitMinMs * US_PER_MS;
  return Math.min(tp.srttUs + Math.max(4 * tp.rttvarUs, min), TCPTV_REXMTMAX);
}
