/**
 * tcp-metrics.ts — what a connection leaves for the next one to the same peer, and what it finds.
 * Read first: RFC 9040 §4; freebsd `tcp_subr.c` (tcp_discardcb), `tcp_input.c` (cc_conn_init); tcp-hostcache.ts, which keeps it.
 *
 * A connection that measured the round trip four times leaves it, and ssthresh when a loss has made it small. The next one begins with them: with a
 * timeout that fits before its own first measurement, and with slow start that ends where the last one found the limit.
 */
import { HcMetrics } from './tcp-hostcache.js';
import { tcpRto } from './tcp-timer.js';
import type { TcpCb } from './tcpcb.js';

/** Samples after which the smoothed time is worth something. */
const SAMPLES_ENOUGH = 4;

/** The handshake is done: begins where the last connection to this peer was. */
export function tcpMetricsUse(tp: TcpCb): void {
  const { hostcache, stats } = tp.tcp;
  if (hostcache.count === 0) return;
  const known = hostcache.lookup(tp.tcp.endsOf(tp));
  if (known === null) return;
  if (tp.srttUs === 0 && known.rttUs !== 0) {
    tp.srttUs = known.rttUs;
    tp.rttvarUs = known.rttvarUs !== 0 ? known.rttvarUs : known.rttUs;
    tp.rtoUs = tcpRto(tp);
    stats.usedrtt++;
    if (known.rttvarUs !== 0) stats.usedrttvar++;
  }
  if (known.ssthresh === 0) return;
  tp.ssthresh = Math.max(2 * tp.maxseg, known.ssthresh);
  stats.usedssthresh++;
}

/** The connection sends no more: leaves what it knows. */
export function tcpMetricsSave(tp: TcpCb): void {
  if (tp.rttSamples < SAMPLES_ENOUGH) return;
  tp.rttSamples = 0;
  const m = new HcMetrics();
  m.rttUs = tp.srttUs;
  m.rttvarUs = tp.rttvarUs;
  m.cwnd = tp.cwnd;
  if (tp.ssthresh < tp.snd.hiwat >> 1) m.ssthresh = Math.max(2, Math.round(tp.ssthresh / tp.maxseg)) * tp.maxseg;
  tp.tcp.hostcache.update(tp.tcp.endsOf(tp), m);
}
