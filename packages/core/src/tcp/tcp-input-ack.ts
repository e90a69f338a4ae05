/**
 * tcp-input-ack.ts — the fifth step of §3.10.7.4: what the segment acknowledges, and the window it tells.
 * Read first: RFC 9293 §3.10.7.4 "fifth"; RFC 5961 §5; RFC 5681 §2 (what a duplicate is).
 *
 * @rfc 9293 3.10.7.4 yes
 * @rfc 5961 5 yes
 */
import { seqGeq, seqGt, seqLt } from '../base/seqnum.js';
import { NEVER, US_PER_MS } from '../base/time.js';
import { BANDLIM_RST_OPENPORT } from '../inet/icmp-bandlim.js';
import { TH_ECE, TH_FIN } from '../wire/tcp.js';
import { tcpClose, tcpSetState, tcpTwstart } from './tcp-close.js';
import { tcpEstablished } from './tcp-established.js';
import { tcpDeliver } from './tcp-delivery.js';
import type { Delivery } from './tcp-delivery.js';
import { tcpProgress } from './tcp-progress.js';
import { tcpRecoveryAck } from './tcp-recovery.js';
import { tcpChallengeAck, tcpReset } from './tcp-respond.js';
import { tcpRttOfAck } from './tcp-rtt.js';
import type { Segment } from './tcp-segment.js';
import { tcpFastopenSettled } from './tcp-syn-data.js';
import { TCPS_CLOSED, TCPS_CLOSING, TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2, TCPS_LAST_ACK, TCPS_SYN_RECEIVED, TCPS_TIME_WAIT } from './tcp-state.js';
import { tcpSet2msl, tcpSetRexmt } from './tcp-timer.js';
import { tlpArm } from './tcp-tlp.js';
import { tcpSndbufTune } from './tcp-window.js';
import { TF_ACKNOW, TF_NEEDFIN, TF_OUTPUT, TF_SENTFIN, TF_SYNACKED, TF_WANTSPACE, TN_CONNECTED, TN_WRITE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** `shift` scales the window, but for that of a SYN. False: the segment ends here; `seg.m` is the caller's in any case. */
export function tcpAckStep(tp: TcpCb, seg: Segment, shift: number): boolean {
  if (tp.state === TCPS_SYN_RECEIVED && !establish(tp, seg, shift)) return false;
  const { stats } = tp.tcp;
  if (seqGt(seg.ack, tp.sndNxt)) {
    stats.rcvacktoomuch++;
    // Limited, so that two ends that disagree do not answer each other for ever (RFC 5961 §7).
    if ((tp.flags & TF_ACKNOW) === 0) tcpChallengeAck(tp);
    return false;
  }
  if (seqLt(seg.ack, (tp.sndUna - tp.maxSndWnd) | 0)) {
    tcpChallengeAck(tp);
    return false;
  }
  const win = seg.win << shift;
  if (seqGeq(seg.ack, tp.sndUna)) {
    acknowledged(tp, seg, win);
    updateWindow(tp, seg, win);
  }
  return afterAck(tp);
}

/** SYN-RECEIVED: an acceptable acknowledgement completes the handshake. */
function establish(tp: TcpCb, seg: Segment, shift: number): boolean {
  if (!seqGt(seg.ack, tp.sndUna) || seqGt(seg.ack, tp.sndNxt)) {
    tcpReset(tp.tcp, seg, BANDLIM_RST_OPENPORT);
    return false;
  }
  // The program may have said already that it is done.
  tcpSetState(tp, (tp.flags & TF_NEEDFIN) !== 0 ? TCPS_FIN_WAIT_1 : TCPS_ESTABLISHED);
  tp.tcp.stats.connects++;
  tp.sndWnd = tp.maxSndWnd = seg.win << shift;
  tp.sndWl1 = seg.seq;
  tp.sndWl2 = seg.ack;
  tcpEstablished(tp);
  // With Fast Open the program has it since the SYN.
  if (tp.tfoListener === null) tp.notify |= TN_CONNECTED;
  return true;
}

/** RFC 5681 §2: says nothing new, carries nothing, and something is in flight, for which no window is asked: what answers a probe is no news of a loss. */
function isDuplicate(tp: TcpCb, seg: Segment, win: number): boolean {
  return seg.len === 0 && !seg.has(TH_FIN) && seg.ack === tp.sndUna && win === tp.sndWnd && tp.flight > 0 && tp.persistAt === NEVER;
}

/** The scoreboard, the round-trip time, loss recovery, in this order; then the timers. */
function acknowledged(tp: TcpCb, seg: Segment, win: number): void {
  const isDup = isDuplicate(tp, seg, win);
  const d = tp.tcp.delivery;
  tcpDeliver(tp, seg, d);
  if (d.acked === 0 && !isDup && !d.hasSack && !seg.has(TH_ECE)) return;
  const isSyn = (tp.flags & TF_SYNACKED) === 0;
  if (d.acked > 0) {
    tp.rec.timeouts = 0;
    ackNew(tp, seg.ack, d);
  }
  // Karn: the back-off stays until a time is measured that means something.
  if (((d.acked > 0 || d.sacked > 0) && tcpRttOfAck(tp, seg, d)) || isSyn) tp.rxtshift = 0;
  tcpRecoveryAck(tp, seg, d, isDup);
  if (d.acked > 0) afterNew(tp);
  tp.flags |= TF_OUTPUT;
}

/** Everything before `ack` has arrived. */
function ackNew(tp: TcpCb, ack: number, d: Delivery): void {
  const { stats } = tp.tcp;
  let data = d.acked;
  if ((tp.flags & TF_SYNACKED) === 0) {
    tp.flags |= TF_SYNACKED;
    tcpFastopenSettled(tp);
    data--;
  }
  if ((tp.flags & TF_SENTFIN) !== 0 && ack === tp.sndNxt) data--;
  stats.rcvackpack++;
  stats.rcvackbyte += data;
  d.data = data;
  tp.sndUna = ack;
  if (seqLt(tp.sndUp, ack)) tp.sndUp = ack;
  if (tp.persistAt !== NEVER) tp.rxtshift = 0;
  if (data > 0) {
    tp.bytesAcked += data;
    tcpProgress(tp);
    tcpSndbufTune(tp);
    tp.snd.drop(data);
  }
}

/** sndUna has moved: the timers, and the program's wish to write. */
function afterNew(tp: TcpCb): void {
  tp.progressUs = tp.nowUs;
  if (tp.flight === 0) tp.rexmtAt = tp.reorderAt = NEVER;
  else if (tp.persistAt === NEVER) tcpSetRexmt(tp);
  if ((tp.flags & TF_WANTSPACE) !== 0 && tp.snd.isWritable) {
    tp.flags &= ~TF_WANTSPACE;
    tp.notify |= TN_WRITE;
  }
  tlpArm(tp);
}

/** RFC 9293: the window of a segment counts when it is newer than the one that told us the last; of two that are the same otherwise, the larger one, or none. */
function updateWindow(tp: TcpCb, seg: Segment, win: number): void {
  const newer = seqLt(tp.sndWl1, seg.seq) || (tp.sndWl1 === seg.seq && (seqLt(tp.sndWl2, seg.ack) || (tp.sndWl2 === seg.ack && (win > tp.sndWnd || win === 0))));
  if (!newer) return;
  if (seg.len === 0 && tp.sndWl2 === seg.ack && win > tp.sndWnd) tp.tcp.stats.rcvwinupd++;
  tp.sndWnd = win;
  tp.sndWl1 = seg.seq;
  tp.sndWl2 = seg.ack;
  if (win > tp.maxSndWnd) tp.maxSndWnd = win;
  if (tp.persistAt !== NEVER && win > 0) {
    tp.persistAt = NEVER;
    tp.rxtshift = 0;
    tp.progressUs = tp.nowUs;
    // A probe's byte that the closed window did not take.
    tp.map.markAllLost(false);
    tp.rec.dupackBytes = 0;
    if (tp.flight > 0) tcpSetRexmt(tp);
  }
  tp.flags |= TF_OUTPUT;
}

/** Our FIN may have been acknowledged. False: the connection has ended. */
function afterAck(tp: TcpCb): boolean {
  const { tun } = tp.tcp;
  const finAcked = (tp.flags & TF_SENTFIN) !== 0 && tp.sndUna === tp.sndNxt;
  switch (tp.state) {
    case TCPS_FIN_WAIT_1:
      if (!finAcked) return true;
      tcpSetState(tp, TCPS_FIN_WAIT_2);
      // Nobody will read: the peer may not take for ever to finish.
      if (tp.user === null) tcpSet2msl(tp, (tun.fastFinwait2Recycle !== 0 ? Math.min(tun.finwait2TimeoutMs, 2 * tun.mslMs) : tun.finwait2TimeoutMs) * US_PER_MS);
      return true;
    case TCPS_CLOSING:
      if (finAcked) tcpTwstart(tp);
      return !finAcked;
    case TCPS_LAST_ACK:
      if (finAcked) tcpClose(tp, 0);
      return !finAcked;
    case TCPS_TIME_WAIT:
      return true;
    default:
      return tp.state !== TCPS_CLOSED;
  }
}

