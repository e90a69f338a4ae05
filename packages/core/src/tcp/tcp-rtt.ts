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
import { tcpTsNow } from './tcp-options.js';
import { TOF_TS } from '../wire/tcp.js';
import type { Delivery } from './tcp-delivery.js';
import { rackMinRtt } from './tcp-rack.js';
import type { Segment } from './tcp-segment.js';
import { TCPTV_REXMTMAX, tcpRto } from './tcp-timer.js';
import { TF_TS } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** A sample: a round trip took `rttUs`. */
export function tcpRttSample(tp: TcpCb, rttUs: Micros): void {
  // Within one turn no time passes; a round trip is never taken for nothing measured.
  const rtt = Math.max(1, rttUs);
  const { stats } = tp.tcp;
  stats.rttupdated++;
  tp.rttSamples++;
  // What was said of the path before is over.
  tp.softError = 0;
  rackMinRtt(tp, rtt);
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

/**
 * The sample that an acknowledgement of something new gives: the time of a transmission that was the only one, or what the timestamp echo says, in
 * milliseconds, when it was not. False: none.
 */
export function tcpRttOfAck(tp: TcpCb, seg: Segment, d: Delivery): boolean {
  tp.tcp.stats.segstimed++;
  if (d.rttUs >= 0 && !d.ambiguous) {
    tcpRttSample(tp, d.rttUs);
    return true;
  }
  if (d.acked === 0 || (tp.flags & TF_TS) === 0 || (seg.opts.flags & TOF_TS) === 0 || seg.opts.tsecr === 0) return false;
  const ms = (tcpTsNow(tp) - seg.opts.tsecr) | 0;
  if (ms < 0 || ms * US_PER_MS > TCPTV_REXMTMAX) return false;
  tcpRttSample(tp, Math.max(ms, 1) * US_PER_MS);
  return true;
}


/**
 * A data segment has echoed a timestamp of ours: so long does a round trip take now, in whole milliseconds. An end that only receives has no other measure
 * once the handshake is over. The least since the receive buffer was looked at last is kept: the rest is time in queues, which a larger buffer would fill.
 */
export function tcpRcvRttSample(tp: TcpCb, tsecr: number): void {
  const us = ((tcpTsNow(tp) - tsecr) | 0) * US_PER_MS;
  if (us >= 0 && us < tp.rcvRttUs) tp.rcvRttUs = us;
}
