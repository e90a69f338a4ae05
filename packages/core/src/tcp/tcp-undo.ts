/**
 * tcp-undo.ts — the reduction was a mistake: nothing was lost, it was late.
 * Read first: RFC 3522 (Eifel), RFC 5682 (F-RTO), RFC 3708 (D-SACK); RFC 4015 (what to do then).
 *
 * Theory of operation. When recovery begins, the window is put aside. Three kinds of evidence bring it back:
 *
 *     timestamps   what was sent again is acknowledged, with the echo of a time before it was sent again: the first one had arrived
 *     D-SACK       every byte that was sent again arrived twice
 *     F-RTO        after a timeout the peer acknowledges what was not sent again since: the flight was delayed, not lost. With SACK the first
 *                  acknowledgement shows it; without, the one that follows new data (FRTO_NEW), which is sent in place of what is marked lost.
 *                  Not when the timeout came in fast recovery: there the flight goes on, and its acknowledgements come whatever became of the head
 *
 * The marks LOST are taken off; what RACK still finds lost it marks again.
 *
 * @rfc 3522 3.2 yes
 * @rfc 3708 2 yes
 * @rfc 5682 2.1 yes
 * @rfc 5682 3.1 partial "the first acknowledgement decides when it tells of data that was not sent again"
 * @rfc 4015 3 partial "the window comes back; the timeout is not made more conservative"
 */
import { seqDiff, seqGeq, seqLeq } from '../base/seqnum.js';
import { CC_RTO_ERR } from './cc/cc.js';
import type { Delivery } from './tcp-delivery.js';
import { FRTO_HEAD, FRTO_NEW, FRTO_OFF } from './recovery-state.js';
import { TF_RECOVERY, TF_RTORECOVERY, TF_SACK } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** Recovery begins: remembers what there was. */
export function undoBegin(tp: TcpCb): void {
  const { rec } = tp;
  rec.undoOn = true;
  rec.undoCwnd = tp.cwnd;
  rec.undoSsthresh = tp.ssthresh;
  rec.undoBytes = 0;
  rec.undoRexmtUs = -1;
}

/** `len` bytes have been sent again. */
export function undoResent(tp: TcpCb, len: number): void {
  const { rec } = tp;
  if (!rec.undoOn) return;
  rec.undoBytes += len;
  if (rec.undoRexmtUs < 0) rec.undoRexmtUs = tp.nowUs;
}

/** An acknowledgement; sndUna is moved. True: there was no reason for the recovery, and it is over. */
export function undoAck(tp: TcpCb, d: Delivery): boolean {
  const { rec } = tp;
  if (!rec.undoOn) return false;
  if (!(d.echoOlder && (tp.flags & TF_RECOVERY) !== 0) && !isDsacked(tp, d) && !isFrto(tp, d)) return false;
  // what was retransmitted before it came late hides the reordering from RACK (RFC 8985 §6.2 step 3)
  if (d.echoOlder || d.dsackBytes > 0) rec.reorderingSeen = true;
  tp.cwnd = Math.max(tp.cwnd, rec.undoCwnd);
  tp.ssthresh = Math.max(tp.ssthresh, rec.undoSsthresh);
  tp.cc.congSignal(tp, CC_RTO_ERR);
  tp.map.clearAllLost();
  tp.flags &= ~TF_RECOVERY;
  tp.rxtshift = 0;
  rec.undoOn = false;
  rec.frto = FRTO_OFF;
  // RACK has taken the answer to the first transmission for one to the second
  rec.rackRttUs = -1;
  rec.dupackBytes = 0;
  tp.tcp.stats.sndrexmitbad++;
  return true;
}

function isDsacked(tp: TcpCb, d: Delivery): boolean {
  const { rec } = tp;
  if (d.dsackBytes === 0 || rec.undoBytes <= 0 || !seqLeq(d.dsackEnd, tp.recover)) return false;
  rec.undoBytes -= d.dsackBytes;
  return rec.undoBytes <= 0;
}

function isFrto(tp: TcpCb, d: Delivery): boolean {
  const { rec } = tp;
  if (rec.frto === FRTO_OFF) return false;
  if ((tp.flags & TF_RTORECOVERY) === 0) {
    rec.frto = FRTO_OFF;
    return false;
  }
  const decides = (tp.flags & TF_SACK) !== 0 || rec.frto === FRTO_NEW;
  if (decides && d.original) return true;
  const goesOn = rec.frto === FRTO_HEAD && d.acked > 0 && !seqGeq(tp.sndUna, rec.frtoNxt) && hasNew(tp);
  rec.frto = goesOn ? FRTO_NEW : FRTO_OFF;
  return false;
}

/** Is there a full segment that was never sent, and room for it in the peer's window? Less than that Nagle's rule would hold back. */
function hasNew(tp: TcpCb): boolean {
  const sent = seqDiff(tp.sndNxt, tp.dataAt);
  return Math.min(tp.snd.bytes, tp.sndWnd) - sent >= tp.maxseg;
}

/** F-RTO wants new data sent in place of what is LOST. */
export function undoWantsNew(tp: TcpCb): boolean {
  const { rec } = tp;
  return rec.frto === FRTO_NEW && hasNew(tp) && seqDiff(tp.sndNxt, rec.frtoNxt) < 2 * tp.maxseg;
}
