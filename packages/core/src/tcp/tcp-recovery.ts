/**
 * tcp-recovery.ts — loss recovery: when it begins, what an acknowledgement does in it, when it ends.
 * Read first: RFC 5681 §3.2, RFC 6582 (without SACK), RFC 6675 §5, RFC 8985 §6.2, RFC 6298 §5; docs/tcp-recovery.md, which has the picture.
 *
 *                 a range is lost              all of `recover` is acknowledged
 *         open ───────────────────▶ fast recovery ───────────────────▶ open       cwnd by PRR, ends at ssthresh
 *           │                           │
 *           └────────▶ RTO recovery ◀───┘   the timer: all is lost, cwnd one segment, slow start
 *           ◀──────────── undo (tcp-undo.ts) from either
 *
 * Theory of operation. `tcpRecoveryAck` is called with each acceptable acknowledgement when the sendmap knows of it (tcp-delivery.ts) and sndUna is moved.
 * It asks whether the recovery was a mistake or is over, has lost ranges marked (RACK; or by what is SACKED above; or, without SACK, by three duplicate
 * acknowledgements), and then sets cwnd. Output sends what is LOST first, then new data, while pipe < cwnd.
 *
 * Without SACK a duplicate acknowledgement says only that a segment has left the network: `dupackBytes` counts these, in place of sackedBytes, and a
 * partial acknowledgement in recovery says that the next segment is lost (RFC 6582). New data for the first two duplicates (limited transmit, RFC 3042)
 * needs no code: pipe is smaller, and cwnd is not.
 *
 * @rfc 5681 3.2 yes
 * @rfc 6582 3.2 yes
 * @rfc 3042 2 yes
 * @rfc 6298 5 yes
 */
import { seqDiff, seqGeq, seqGt } from '../base/seqnum.js';
import { NEVER } from '../base/time.js';
import { CC_NDUPACK, CC_RTO } from './cc/cc.js';
import { FRTO_HEAD, FRTO_OFF } from './recovery-state.js';
import type { Delivery } from './tcp-delivery.js';
import { ecnAck, ecnInCwr, ecnLoss } from './tcp-ecn.js';
import { prrAck, prrBegin } from './tcp-prr.js';
import { rackDetect, rackDsack, rackRecoveryOver } from './tcp-rack.js';
import { DUP_THRESH, sackDetect, sackHeadLost, sackReneged, sackRescue } from './tcp-sack.js';
import type { Segment } from './tcp-segment.js';
import { tcpFastopenFailed } from './tcp-syn-data.js';
import { TCPS_SYN_RECEIVED, TCPS_SYN_SENT } from './tcp-state.js';
import { tcpSetRexmt } from './tcp-timer.js';
import { tlpAck } from './tcp-tlp.js';
import { undoAck, undoBegin, undoResent } from './tcp-undo.js';
import { TF_FASTRECOVERY, TF_RECOVERY, TF_RTORECOVERY, TF_SACK, TF_SYNREXMT } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** The retransmission timer fired: all that is in flight counts as lost, and the first of it is sent again. */
export function tcpRexmtTimeout(tp: TcpCb): void {
  const { rec } = tp;
  tp.dupacks = 0;
  tp.probeAt = tp.reorderAt = NEVER;
  rec.dupackBytes = 0;
  rec.tlpOn = false;
  rec.tlpRttSeen = false;
  if (tp.state === TCPS_SYN_SENT || tp.state === TCPS_SYN_RECEIVED) {
    tp.flags |= TF_SYNREXMT;
    if (tp.state === TCPS_SYN_SENT) tcpFastopenFailed(tp);
  } else if (tp.rxtshift === 1 || (tp.flags & TF_RTORECOVERY) === 0) {
    // In fast recovery something was lost; that more of the flight arrives after the timeout is no sign of a mistake.
    const isFirst = (tp.flags & TF_RECOVERY) === 0;
    if (isFirst) undoBegin(tp);
    tp.cc.congSignal(tp, CC_RTO);
    ecnLoss(tp);
    tp.flags = (tp.flags & ~TF_FASTRECOVERY) | TF_RTORECOVERY;
    rec.frto = isFirst ? FRTO_HEAD : FRTO_OFF;
    rec.frtoNxt = tp.sndNxt;
  } else {
    // RFC 5681 §3.1: ssthresh is held when the same segment times out again
    tp.cwnd = tp.maxseg;
    rec.frto = FRTO_OFF;
  }
  tp.recover = tp.sndNxt;
  tp.map.markAllLost(sackReneged(tp));
  tcpSetRexmt(tp);
}

/** The reordering timer fired: what RACK waited for has not come (RFC 8985 §6.2 step 5). */
export function tcpReorderTimeout(tp: TcpCb): void {
  if (rackDetect(tp) === 0) return;
  if ((tp.flags & TF_RECOVERY) === 0) enter(tp, 0);
  if ((tp.flags & TF_FASTRECOVERY) !== 0) prrAck(tp, 0, false);
}

/** An acceptable acknowledgement. `isDup`: it moves nothing, carries nothing, and something is in flight. */
export function tcpRecoveryAck(tp: TcpCb, seg: Segment, d: Delivery, isDup: boolean): void {
  const isSack = (tp.flags & TF_SACK) !== 0;
  countDup(tp, d, isDup, isSack);
  if (isSack) rackDsack(tp, d);
  undoAck(tp, d);
  leave(tp);
  const lost = detect(tp, d, isSack);
  if (!isSack) boundDups(tp);
  if (lost > 0 && (tp.flags & TF_RECOVERY) === 0) enter(tp, d.delivered);
  if (tlpAck(tp, d, isDup) && (tp.flags & TF_RECOVERY) === 0) tailLost(tp);
  ecnAck(tp, seg, d);
  if ((tp.flags & TF_FASTRECOVERY) !== 0) {
    prrAck(tp, d.delivered, d.acked > 0 && lost === 0);
    if (isSack && tp.tcp.tun.rack === 0) rescue(tp);
  } else if (d.data > 0 && !ecnInCwr(tp)) {
    tp.ackedBurst = d.burst;
    tp.cc.ackReceived(tp, d.data);
  }
  if (d.acked > 0) tp.cwndLimited = false;
}

/** Duplicates, and what has left the network when there is no SACK to say so. */
function countDup(tp: TcpCb, d: Delivery, isDup: boolean, isSack: boolean): void {
  const { rec } = tp;
  if (d.acked > 0) {
    tp.dupacks = 0;
    if (isSack || rec.dupackBytes === 0) return;
    // one segment filled the hole; the others were reported by duplicates before
    const known = Math.min(rec.dupackBytes, Math.max(0, d.acked - tp.maxseg));
    rec.dupackBytes = (tp.flags & TF_FASTRECOVERY) !== 0 ? rec.dupackBytes - known : 0;
    d.delivered = d.acked - known;
  } else if (isDup || d.sacked > 0) {
    tp.tcp.stats.rcvdupack++;
    tp.dupacks++;
    if (isSack) return;
    rec.dupackBytes += tp.maxseg;
    d.delivered = tp.maxseg;
  }
}

/** Duplicates cannot be of more than is in flight behind the first hole. */
function boundDups(tp: TcpCb): void {
  const { map, rec } = tp;
  if (rec.dupackBytes === 0) return;
  const { head } = map;
  const hole = head !== null && head.inFlight ? Math.min(head.length, tp.maxseg) : 0;
  rec.dupackBytes = Math.max(0, Math.min(rec.dupackBytes, tp.flight - map.lostBytes - hole));
}

/** Has what began the recovery been acknowledged? */
function leave(tp: TcpCb): void {
  if ((tp.flags & TF_RECOVERY) === 0 || !seqGeq(tp.sndUna, tp.recover)) return;
  tp.rec.dupackBytes = 0;
  if ((tp.flags & TF_FASTRECOVERY) !== 0) tp.cc.postRecovery(tp);
  tp.flags &= ~TF_RECOVERY;
  rackRecoveryOver(tp);
}

/** Marks what this acknowledgement shows to be lost. Answers the bytes marked. */
function detect(tp: TcpCb, d: Delivery, isSack: boolean): number {
  if (isSack) {
    if (tp.tcp.tun.rack !== 0) return d.delivered > 0 || d.hasSack ? rackDetect(tp) : 0;
    if (tp.map.sackedBytes === 0) return 0;
    const lost = sackDetect(tp);
    return lost === 0 && tp.dupacks === DUP_THRESH && (tp.flags & TF_RECOVERY) === 0 ? sackHeadLost(tp) : lost;
  }
  if ((tp.flags & TF_FASTRECOVERY) !== 0) return d.acked > 0 ? headLost(tp) : 0;
  // RFC 6582 §3.2 step 1: duplicates of what an earlier recovery sent again are no reason
  return tp.dupacks === DUP_THRESH && (tp.flags & TF_RTORECOVERY) === 0 && seqGt(tp.sndUna, tp.recover) ? headLost(tp) : 0;
}

function headLost(tp: TcpCb): number {
  const { map } = tp;
  const r = map.head;
  if (r === null || !r.inFlight) return 0;
  if (r.length > tp.maxseg) map.split(r, (r.seq + tp.maxseg) | 0);
  map.markLost(r);
  return r.length;
}

/** Fast recovery begins. */
function enter(tp: TcpCb, delivered: number): void {
  undoBegin(tp);
  // a mark of this window was answered already (RFC 3168 §6.1.2)
  if (!ecnInCwr(tp)) tp.cc.congSignal(tp, CC_NDUPACK);
  ecnLoss(tp);
  tp.flags |= TF_FASTRECOVERY;
  tp.recover = tp.sndNxt;
  tp.probeAt = NEVER;
  tp.rec.rescued = false;
  if ((tp.flags & TF_SACK) !== 0) tp.tcp.stats.sack_recovery_episode++;
  prrBegin(tp, delivered);
  tcpSetRexmt(tp);
}

/** A probe has repaired the only loss: the reduction without the recovery (RFC 8985 §7.4.2). */
function tailLost(tp: TcpCb): void {
  undoBegin(tp);
  tp.cc.congSignal(tp, CC_NDUPACK);
  ecnLoss(tp);
  tp.cwnd = Math.min(tp.cwnd, tp.ssthresh);
  tp.cc.postRecovery(tp);
}

function rescue(tp: TcpCb): void {
  if (tp.map.lostBytes > 0 || tp.cwnd - tp.pipe < tp.maxseg || tp.snd.bytes > seqDiff(tp.sndNxt, tp.dataAt)) return;
  sackRescue(tp);
}

/** Output has sent `len` bytes, again or for the first time. */
export function tcpRecoverySent(tp: TcpCb, len: number, again: boolean): void {
  const fast = (tp.flags & TF_FASTRECOVERY) !== 0;
  if (fast) tp.rec.prrOut += len;
  if (!again) return;
  undoResent(tp, len);
  if (!fast || (tp.flags & TF_SACK) === 0) return;
  const { stats } = tp.tcp;
  stats.sack_rexmits += len <= tp.maxseg ? 1 : Math.ceil(len / tp.maxseg);
  stats.sack_rexmit_bytes += len;
}
