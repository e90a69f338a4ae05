/**
 * tcp-input-text.ts — the seventh and eighth steps of §3.10.7.4: the payload, and the FIN behind it.
 * Read first: RFC 9293 §3.10.7.4 "seventh", "eighth"; RFC 5681 §4.2 (when to acknowledge); RFC 1122 §4.2.3.2.
 *
 * Theory of operation. Payload that is next goes to the receive buffer as the packet it came in, other payload waits (tcp-reass.ts). What is in order is
 * acknowledged with every second full segment, at once when the segment is a super-segment; a gap, and what fills one, at once.
 * A FIN takes effect when everything before it is there; until then its place is remembered.
 *
 * @rfc 9293 3.10.7.4 yes
 * @rfc 5681 4.2 yes
 */
import { US_PER_MS } from '../base/time.js';
import { TH_FIN, TOF_TS } from '../wire/tcp.js';
import { tcpSetState, tcpTwstart } from './tcp-close.js';
import { TcpReass } from './tcp-reass.js';
import type { Segment } from './tcp-segment.js';
import {
  TCPS_CLOSED, TCPS_CLOSE_WAIT, TCPS_CLOSING, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2, TCPS_SYN_RECEIVED, TCPS_TIME_WAIT, tcpHaveRcvdFin,
} from './tcp-state.js';
import { tcpSet2msl, tcpSetDelack } from './tcp-timer.js';
import { tcpRcvRttSample } from './tcp-rtt.js';
import { TF_ACKNOW, TF_CANTRCVMORE, TF_DELACK, TF_RCVDFIN, TF_TS, TN_READ } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** True: the packet has been kept, or freed. */
export function tcpTextStep(tp: TcpCb, seg: Segment): boolean {
  const { len, m } = seg;
  if (len === 0 || tp.state === TCPS_CLOSED || tcpHaveRcvdFin(tp.state)) return false;
  const isNext = seg.seq === tp.rcvNxt;
  if (!mayKeep(tp, m, isNext)) return false;
  if (isNext && (tp.reass === null || tp.reass.count === 0)) {
    tp.tcp.stats.rcvpack++;
    tp.tcp.stats.rcvbyte += len;
    if ((seg.opts.flags & TOF_TS) !== 0 && (tp.flags & TF_TS) !== 0) tcpRcvRttSample(tp, seg.opts.tsecr);
    deliver(tp, m, len);
    ackPolicy(tp, len);
    return true;
  }
  return outOfOrder(tp, seg);
}

/** Memory for it: a connection that holds nothing may always keep what is next, so that every one gets on. */
function mayKeep(tp: TcpCb, m: Segment['m'], isNext: boolean): boolean {
  const { rcv } = tp;
  if (rcv.mem.admits(m.buf.length) || (isNext && rcv.count === 0)) return true;
  tp.tcp.stats.rcvmemdrop++;
  tp.flags |= TF_ACKNOW;
  return false;
}

/** What is next goes to the reader. */
function deliver(tp: TcpCb, m: Segment['m'], len: number): void {
  tp.rcvNxt = (tp.rcvNxt + len) | 0;
  tp.bytesReceived += len;
  if ((tp.flags & TF_CANTRCVMORE) !== 0 || tp.user === null) {
    m.free();
    return;
  }
  tp.rcv.append(m);
  tp.notify |= TN_READ;
}

function ackPolicy(tp: TcpCb, len: number): void {
  tp.unackedBytes += len;
  if (tp.tcp.tun.delayedAck === 0 || tp.unackedBytes >= 2 * tp.maxseg) {
    tp.flags |= TF_ACKNOW;
  } else if ((tp.flags & (TF_DELACK | TF_ACKNOW)) === 0) {
    tp.flags |= TF_DELACK;
    tcpSetDelack(tp);
  }
}

/** It waits for what precedes it; or it is what others waited for. */
function outOfOrder(tp: TcpCb, seg: Segment): boolean {
  const { stats, tun } = tp.tcp;
  const { m } = seg;
  const reass = (tp.reass ??= new TcpReass(tp.rcv.mem));
  tp.flags |= TF_ACKNOW;
  if (seg.seq !== tp.rcvNxt && reass.isFull(tun.reassMaxqueuelen)) {
    stats.rcvreassfull++;
    return false;
  }
  if (seg.seq === tp.rcvNxt) {
    stats.rcvpack++;
    stats.rcvbyte += seg.len;
  } else {
    stats.rcvoopack++;
    tp.rcvOoPack++;
    stats.rcvoobyte += seg.len;
  }
  reass.insert(m, seg.seq);
  if (reass.dupStart !== reass.dupEnd && tp.dsackStart === tp.dsackEnd) {
    tp.dsackStart = reass.dupStart;
    tp.dsackEnd = reass.dupEnd;
  }
  const moved = reass.drain(tp.rcvNxt, tp.rcv);
  if (moved > 0) {
    tp.rcvNxt = (tp.rcvNxt + moved) | 0;
    tp.bytesReceived += moved;
    if ((tp.flags & TF_CANTRCVMORE) !== 0 || tp.user === null) tp.rcv.flush();
    else tp.notify |= TN_READ;
  }
  return true;
}

/** Eighth: the FIN. */
export function tcpFinStep(tp: TcpCb, seg: Segment): void {
  if (tp.state === TCPS_CLOSED || tp.state < TCPS_SYN_RECEIVED) return;
  const { reass } = tp;
  if (seg.has(TH_FIN)) {
    const at = (seg.seq + seg.len) | 0;
    if (at !== tp.rcvNxt) {
      tp.flags |= TF_ACKNOW;
      const waiting = (tp.reass ??= new TcpReass(tp.rcv.mem));
      waiting.hasFin = true;
      waiting.finSeq = at;
      return;
    }
  } else if (reass === null || !reass.hasFin || reass.finSeq !== tp.rcvNxt) {
    return;
  }
  finReceived(tp);
}

function finReceived(tp: TcpCb): void {
  tp.flags |= TF_ACKNOW;
  if ((tp.flags & TF_RCVDFIN) === 0) {
    tp.flags |= TF_RCVDFIN;
    tp.rcvNxt = (tp.rcvNxt + 1) | 0;
    tp.notify |= TN_READ;
    // Nothing can come behind a FIN; who sent it all the same does not get it kept.
    tp.reass?.flush();
  }
  switch (tp.state) {
    case TCPS_SYN_RECEIVED:
    case TCPS_ESTABLISHED:
      tcpSetState(tp, TCPS_CLOSE_WAIT);
      break;
    case TCPS_FIN_WAIT_1:
      tcpSetState(tp, TCPS_CLOSING);
      break;
    case TCPS_FIN_WAIT_2:
      tcpTwstart(tp);
      break;
    case TCPS_TIME_WAIT:
      tcpSet2msl(tp, 2 * tp.tcp.tun.mslMs * US_PER_MS);
      break;
    default:
  }
}
