/**
 * tcp-input.ts — a segment has arrived for a connection.
 * Read first: RFC 9293 §3.10.7, whose steps are the functions here, in its order; RFC 5961; RFC 7323 §5; freebsd `tcp_input.c` (tcp_do_segment).
 *
 *     SYN-SENT      tcp-input-synsent.ts
 *     otherwise     checkPaws → checkSequence → checkReset → checkSyn → tcpAckStep → tcpUrgentStep → tcpTextStep → tcpFinStep
 *                                                                      (tcp-input-ack.ts)         (tcp-input-text.ts)
 *
 * Theory of operation. Each step answers whether the segment goes on; who says no has dealt with it. Nothing is sent on the way: steps leave TF_ACKNOW,
 * or call tcpOutput, which waits, and the end of input sends once what is then to be said. The segment is one object for each vnet (tcp-segment.ts).
 *
 * Owns `seg.m`. LISTEN and connections in TIME_WAIT, which a SYN may end, are tcp.ts's.
 *
 * @rfc 9293 3.10.7.4 yes
 * @rfc 5961 3.2 yes
 * @rfc 5961 4.2 yes
 * @rfc 7323 3.2 yes
 * @rfc 7323 5 yes
 */
import { ECONNREFUSED, ECONNRESET } from '../base/errno.js';
import { seqDiff, seqGeq, seqLeq, seqLt } from '../base/seqnum.js';
import type { Micros } from '../base/time.js';
import { US_PER_MS } from '../base/time.js';
import { TH_ACK, TH_FIN, TH_RST, TH_SYN, TOF_TS, TOF_UTO } from '../wire/tcp.js';
import { tcpClose } from './tcp-close.js';
import { ecnInput } from './tcp-ecn.js';
import { tcpAckStep } from './tcp-input-ack.js';
import { synSentInput } from './tcp-input-synsent.js';
import { tcpFinStep, tcpTextStep } from './tcp-input-text.js';
import { tcpOutput } from './tcp-output.js';
import { RST_UNLIMITED, tcpChallengeAck, tcpReset } from './tcp-respond.js';
import { tcpRun } from './tcp-run.js';
import type { Segment } from './tcp-segment.js';
import { TCPS_FIN_WAIT_2, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TCPS_TIME_WAIT } from './tcp-state.js';
import { tcpRecvWindow } from './tcp-window.js';
import { tcpUrgentStep } from './tcp-urgent.js';
import { tcpTakeUto } from './tcp-uto.js';
import { TF_ACKNOW, TF_TS } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** A timestamp older than this is no reason to drop a segment (RFC 7323 §5.5). */
const TCP_PAWS_IDLE_US: Micros = 24 * 86_400 * 1_000_000;

/** Takes `seg` through the machine and sends what is to be said. */
export function tcpInput(tp: TcpCb, seg: Segment): void {
  tp.segsIn++;
  tp.inInput = true;
  const waits = tp.state === TCPS_TIME_WAIT;
  if (tp.state === TCPS_SYN_SENT) synSentInput(tp, seg);
  else steps(tp, seg);
  if (waits && (tp.flags & TF_ACKNOW) !== 0) tp.tcp.stats.tw_responds++;
  tcpRun(tp);
}

function steps(tp: TcpCb, seg: Segment): void {
  const { m } = seg;
  // The window in a SYN is not scaled.
  const shift = seg.has(TH_SYN) ? 0 : tp.sndScale;
  if (!checkPaws(tp, seg) || !checkSequence(tp, seg) || !checkReset(tp, seg) || !checkSyn(tp, seg) || !checkLate(tp, seg)) {
    m.free();
    return;
  }
  heard(tp);
  ecnInput(tp, seg);
  if (!tcpAckStep(tp, seg, shift)) {
    m.free();
    return;
  }
  if ((seg.opts.flags & TOF_UTO) !== 0) tcpTakeUto(tp, seg.opts.uto);
  tcpUrgentStep(tp, seg);
  if (!tcpTextStep(tp, seg)) m.free();
  tcpFinStep(tp, seg);
}

/** The peer is there: keepalive looks at when that was. */
function heard(tp: TcpCb): void {
  tp.rcvTimeUs = tp.nowUs;
}

/** RFC 7323 §5.3 R1: a segment with an old timestamp is an old duplicate; one without is dropped in silence (§3.2). A reset need not have timestamps. */
function checkPaws(tp: TcpCb, seg: Segment): boolean {
  if ((tp.flags & TF_TS) === 0 || seg.has(TH_RST)) return true;
  if ((seg.opts.flags & TOF_TS) === 0) return tp.tcp.tun.tolerateMissingTs !== 0;
  if (((seg.opts.tsval - tp.tsRecent) | 0) >= 0 || tp.tsRecent === 0) return true;
  if (tp.nowUs - tp.tsRecentAgeUs > TCP_PAWS_IDLE_US) {
    tp.tsRecent = 0;
    return true;
  }
  const { stats } = tp.tcp;
  stats.rcvduppack++;
  stats.rcvdupbyte += seg.len;
  stats.pawsdrop++;
  if (seg.len > 0 || seg.has(TH_FIN | TH_SYN)) tp.flags |= TF_ACKNOW;
  return false;
}

/** First: is it in the window? What is outside of it is trimmed off. RST and SYN have rules of their own. */
function checkSequence(tp: TcpCb, seg: Segment): boolean {
  if (seg.has(TH_RST | TH_SYN)) return true;
  const first = seg.seq;
  const dup = seqDiff(tp.rcvNxt, first);
  if (dup > 0) trimDuplicate(tp, seg, dup);
  if (!trimToWindow(tp, seg)) return false;
  if ((seg.opts.flags & TOF_TS) !== 0 && (tp.flags & TF_TS) !== 0 && seqLeq(first, tp.lastAckSent)) {
    tp.tsRecent = seg.opts.tsval | 0;
    tp.tsRecentAgeUs = tp.nowUs;
  }
  return true;
}

/** `dup` sequence numbers at the front are old. The acknowledgement of a segment that is wholly old still counts. */
function trimDuplicate(tp: TcpCb, seg: Segment, dup: number): void {
  const { stats } = tp.tcp;
  const whole = dup > seg.len || (dup === seg.len && !seg.has(TH_FIN));
  if (seg.len > 0) {
    tp.dsackStart = seg.seq;
    tp.dsackEnd = (seg.seq + Math.min(dup, seg.len)) | 0;
  }
  // The peer did not see our acknowledgement; or asks whether we are there.
  tp.flags |= TF_ACKNOW;
  if (!whole) {
    stats.rcvpartduppack++;
    stats.rcvpartdupbyte += dup;
    seg.trimFront(dup);
    return;
  }
  stats.rcvduppack++;
  stats.rcvdupbyte += seg.len;
  if (seg.has(TH_FIN) && tp.state === TCPS_TIME_WAIT) tp.tcp.timeWaits.add(tp, 2 * tp.tcp.tun.mslMs * US_PER_MS);
  // It keeps its number, so that the window it tells is not taken for news.
  const { seq } = seg;
  seg.trimFront(seg.len);
  seg.flags &= ~TH_FIN;
  seg.seq = seq;
}

/** What is beyond the window is cut off. False: all of it is, and it is no probe of a closed window. */
function trimToWindow(tp: TcpCb, seg: Segment): boolean {
  const { stats } = tp.tcp;
  const wnd = tcpRecvWindow(tp);
  const over = seqDiff((seg.seq + seg.len) | 0, (tp.rcvNxt + wnd) | 0);
  if (over <= 0) return true;
  stats.rcvpackafterwin++;
  stats.rcvbyteafterwin += Math.min(over, seg.len);
  tp.flags |= TF_ACKNOW;
  if (over >= seg.len) {
    if (wnd !== 0 || seg.seq !== tp.rcvNxt) return false;
    stats.rcvwinprobe++;
    seg.trimBack(0);
    return true;
  }
  seg.trimBack(seg.len - over);
  return true;
}

/** Second: RST. Only the exact next sequence number ends a connection; another one in the window is asked about (RFC 5961 §3.2). */
function checkReset(tp: TcpCb, seg: Segment): boolean {
  if (!seg.has(TH_RST)) return true;
  if (tp.state === TCPS_TIME_WAIT) return false; // RFC 1337: an old reset must not end it early
  const { stats } = tp.tcp;
  const wnd = tcpRecvWindow(tp);
  const isNext = seg.seq === tp.rcvNxt || seg.seq === tp.lastAckSent;
  if (!isNext && (seqLt(seg.seq, tp.lastAckSent) || seqGeq(seg.seq, (tp.rcvNxt + wnd) | 0))) return false;
  if (!isNext) {
    stats.badrst++;
    tcpChallengeAck(tp);
    return false;
  }
  if (tp.state === TCPS_SYN_RECEIVED) stats.conndrops++;
  stats.drops++;
  tcpClose(tp, tp.state === TCPS_SYN_RECEIVED ? ECONNREFUSED : ECONNRESET);
  return false;
}

/** Fourth: a SYN has no place here. RFC 5961 §4.2: say where we are; a peer that began anew will reset. */
function checkSyn(tp: TcpCb, seg: Segment): boolean {
  if (seg.has(TH_SYN)) {
    if (tp.state === TCPS_SYN_RECEIVED && seg.seq === tp.irs) {
      if (seg.has(TH_ACK)) {
        // Simultaneous open: its SYN|ACK and ours have crossed. The SYN is known, the acknowledgement is not.
        seg.flags &= ~TH_SYN;
        seg.seq = (seg.seq + 1) | 0;
        const dup = seqDiff(tp.rcvNxt, seg.seq);
        if (dup > 0) trimDuplicate(tp, seg, dup);
        return trimToWindow(tp, seg);
      }
      // The peer has not seen our SYN|ACK.
      if (tp.map.head !== null) tp.map.markLost(tp.map.head);
      tcpOutput(tp);
      return false;
    }
    tp.tcp.stats.badsyn++;
    tcpChallengeAck(tp);
    return false;
  }
  return seg.has(TH_ACK);
}

/** Data for a connection whose program has gone cannot be delivered, and the peer should know (RFC 1122 §4.2.2.13). */
function checkLate(tp: TcpCb, seg: Segment): boolean {
  if (tp.user !== null || seg.len === 0 || tp.state === TCPS_SYN_RECEIVED || tp.state > TCPS_FIN_WAIT_2) return true;
  tp.tcp.stats.rcvafterclose++;
  tcpReset(tp.tcp, seg, RST_UNLIMITED);
  tcpClose(tp, 0);
  return false;
}
