/**
 * tcp-input-synsent.ts — a segment for a connection whose SYN is under way.
 * Read first: RFC 9293 §3.10.7.3, §3.5 (simultaneous open).
 *
 * The five checks of the RFC in its order: the ACK, the RST, security (none), the SYN, and what else it carries.
 *
 * @rfc 9293 3.10.7.3 yes
 */
import { ECONNREFUSED } from '../base/errno.js';
import { seqDiff, seqGt, seqLeq } from '../base/seqnum.js';
import { TH_ACK, TH_CWR, TH_ECE, TH_RST, TH_SYN } from '../wire/tcp.js';
import { tcpClose, tcpSetState } from './tcp-close.js';
import { ecnSynAckIn, ecnSynIn } from './tcp-ecn.js';
import { tcpEstablished, tcpTakeSynOptions } from './tcp-established.js';
import { tcpAckStep } from './tcp-input-ack.js';
import { tcpFinStep, tcpTextStep } from './tcp-input-text.js';
import { tcpOutput } from './tcp-output.js';
import { RST_UNLIMITED, tcpReset } from './tcp-respond.js';
import type { Segment } from './tcp-segment.js';
import { TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_SYN_RECEIVED } from './tcp-state.js';
import { tcpFastopenSynAck } from './tcp-syn-data.js';
import { TF_ACKNOW, TF_NEEDFIN, TN_CONNECTED } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** Owns `seg.m`. */
export function synSentInput(tp: TcpCb, seg: Segment): void {
  const { m } = seg;
  if (!checkAck(tp, seg) || !checkRst(tp, seg) || !seg.has(TH_SYN)) {
    m.free();
    return;
  }
  tp.irs = seg.seq;
  tp.rcvNxt = (seg.seq + 1) | 0;
  tp.rcvAdv = tp.rcvNxt;
  tp.rcvUp = tp.rcvNxt;
  tp.lastAckSent = tp.rcvNxt;
  tp.rcvTimeUs = tp.nowUs;
  tcpTakeSynOptions(tp, seg);
  // The window in a SYN is not scaled.
  tp.sndWnd = tp.maxSndWnd = seg.win;
  tp.sndWl1 = seg.seq;
  tp.sndWl2 = seg.ack;
  tp.rcvAdv = (tp.rcvNxt + Math.min(tp.rcv.space, 65_535)) | 0;
  seg.seq = tp.rcvNxt;
  seg.flags &= ~TH_SYN;
  if (!seg.has(TH_ACK)) {
    ecnSynIn(tp, seg);
    simultaneous(tp, seg);
    return;
  }
  // The program may have said already that it is done.
  tcpSetState(tp, (tp.flags & TF_NEEDFIN) !== 0 ? TCPS_FIN_WAIT_1 : TCPS_ESTABLISHED);
  tp.tcp.stats.connects++;
  ecnSynAckIn(tp, seg);
  // What a SYN says is who can do ECN, and nothing about congestion.
  seg.flags &= ~(TH_ECE | TH_CWR);
  tcpEstablished(tp);
  tp.flags |= TF_ACKNOW;
  if (!tcpAckStep(tp, seg, 0)) {
    m.free();
    return;
  }
  tcpFastopenSynAck(tp, seg);
  tp.notify |= TN_CONNECTED;
  trimToWindow(tp, seg);
  if (!tcpTextStep(tp, seg)) m.free();
  tcpFinStep(tp, seg);
  tcpOutput(tp);
}

function trimToWindow(tp: TcpCb, seg: Segment): void {
  const wnd = seqDiff(tp.rcvAdv, tp.rcvNxt);
  if (seg.len > wnd) seg.trimBack(wnd);
}

/** First: an acknowledgement of something we did not send is answered with a reset. */
function checkAck(tp: TcpCb, seg: Segment): boolean {
  if (!seg.has(TH_ACK)) return true;
  if (!seqLeq(seg.ack, tp.iss) && !seqGt(seg.ack, tp.sndNxt)) return true;
  tcpReset(tp.tcp, seg, RST_UNLIMITED);
  return false;
}

/** Second: a reset counts with an acceptable acknowledgement only. */
function checkRst(tp: TcpCb, seg: Segment): boolean {
  if (!seg.has(TH_RST)) return true;
  if (seg.has(TH_ACK)) {
    tp.tcp.stats.conndrops++;
    tcpClose(tp, ECONNREFUSED);
  }
  return false;
}

/** Both ends have sent a SYN: ours is sent again as a SYN|ACK. */
function simultaneous(tp: TcpCb, seg: Segment): void {
  seg.m.free();
  tcpSetState(tp, TCPS_SYN_RECEIVED);
  if (tp.map.head !== null) tp.map.markLost(tp.map.head);
  tcpOutput(tp);
}
