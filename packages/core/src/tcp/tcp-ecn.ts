/**
 * tcp-ecn.ts — explicit congestion notification: agreeing on it, marking what is sent, echoing marks, answering echoes.
 * Read first: RFC 3168 §6.1; RFC 8257 §3.2 (how DCTCP's receiver echoes); freebsd `sys/netinet/tcp_ecn.c`.
 *
 *     SYN          ECE CWR    I can                    a data segment      ECT(0) in the IP header, CE when it met a queue
 *     SYN|ACK      ECE        I can, too               acknowledgements    ECE, until CWR is seen
 *                                                      new data            CWR, once, when the window was reduced
 *
 * Theory of operation. `net.inet.tcp.ecn.enable`: 0 never, 1 always, 2 only when the peer asks. A SYN that asked for it and had to be sent again more than
 * `ecn.maxretries` times asks no more: something on the way may eat it. Only new data is ECN-capable: no SYN, retransmission, probe or bare
 * acknowledgement is (RFC 3168 §6.1.1, §6.1.4, §6.1.5). The window is reduced once for each window of data.
 * DCTCP echoes each segment's mark as it is: when it changes, the acknowledgement that is being delayed goes out at once.
 *
 * @rfc 3168 6.1 yes
 * @rfc 8257 3.1 yes
 * @rfc 8257 3.2 yes
 */
import { seqGt } from '../base/seqnum.js';
import { TH_CWR, TH_ECE } from '../wire/tcp.js';
import { CC_ECN } from './cc/cc.js';
import { ccDefault } from './cc/cc-registry.js';
import type { Delivery } from './tcp-delivery.js';
import type { Segment } from './tcp-segment.js';
import { TF_ACKNOW, TF_CWR, TF_DCTCPCE, TF_ECN, TF_RECOVERY, TF_SNDCWR, TF_SNDECE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** ECN field of IPv4's TOS and IPv6's traffic class. */
const IPTOS_ECN_ECT1 = 1;
export const IPTOS_ECN_ECT0 = 2;
const IPTOS_ECN_CE = 3;

const TH_ECN = TH_ECE | TH_CWR;

/** Header flags of our SYN; of our SYN|ACK when `isAnswer`. */
export function ecnSynFlags(tp: TcpCb, isAnswer: boolean): number {
  const { tun } = tp.tcp;
  if (isAnswer) return (tp.flags & TF_ECN) !== 0 ? TH_ECE : 0;
  const asks = tun.ecn === 1 || (tp.ccAlgorithm ?? ccDefault(tp.ccVars)).wantsEcn;
  return asks && tp.rxtshift <= tun.ecnMaxretries ? TH_ECN : 0;
}

/** A SYN|ACK for our SYN. Its flags are no echo: they are taken off. */
export function ecnSynAckIn(tp: TcpCb, seg: Segment): void {
  if ((seg.flags & TH_ECN) === TH_ECE && ecnSynFlags(tp, false) !== 0) ecnAgree(tp);
  seg.flags &= ~TH_ECN;
}

/** Does a peer whose SYN has the header flags `thflags` get ECN from us? */
export const ecnTakesSyn = (enable: number, thflags: number): boolean => enable !== 0 && (thflags & TH_ECN) === TH_ECN;

/** A peer's SYN. */
export function ecnSynIn(tp: TcpCb, seg: Segment): void {
  if (ecnTakesSyn(tp.tcp.tun.ecn, seg.flags)) ecnAgree(tp);
}

/** Both ends will use it. */
export function ecnAgree(tp: TcpCb): void {
  tp.flags |= TF_ECN;
  tp.tcp.stats.ecn_shs++;
}

/** A segment of a synchronized connection: what its marks mean for the acknowledgements we send. */
export function ecnInput(tp: TcpCb, seg: Segment): void {
  if ((tp.flags & TF_ECN) === 0) return;
  const { stats } = tp.tcp;
  const { ecn } = seg;
  const ce = ecn === IPTOS_ECN_CE;
  if (ce) stats.ecn_rcvce++;
  else if (ecn === IPTOS_ECN_ECT0) stats.ecn_rcvect0++;
  else if (ecn === IPTOS_ECN_ECT1) stats.ecn_rcvect1++;
  if (tp.cc.echoesEach) {
    if (seg.len === 0 || ce === ((tp.flags & TF_DCTCPCE) !== 0)) return;
    tp.flags ^= TF_DCTCPCE;
    tp.flags = ce ? tp.flags | TF_SNDECE : tp.flags & ~TF_SNDECE;
    tp.flags |= TF_ACKNOW;
    return;
  }
  if (seg.has(TH_CWR)) {
    tp.flags = (tp.flags & ~TF_SNDECE) | TF_ACKNOW;
  }
  if (ce) tp.flags |= TF_SNDECE;
}

/** An acknowledgement: sndUna is moved, and recovery has had its look. */
export function ecnAck(tp: TcpCb, seg: Segment, d: Delivery): void {
  if ((tp.flags & TF_ECN) === 0) return;
  const ece = seg.has(TH_ECE);
  tp.cc.ecnAck?.(tp, d.acked, ece);
  // what was sent with CWR is acknowledged: only from then on do echoes tell of a new mark
  if ((tp.flags & TF_CWR) !== 0 && seqGt(tp.sndUna, tp.ecnRecover)) tp.flags &= ~TF_CWR;
  if (!ece || (tp.flags & (TF_CWR | TF_RECOVERY)) !== 0) return;
  tp.cc.congSignal(tp, CC_ECN);
  tp.ecnRecover = tp.sndNxt;
  tp.flags |= TF_CWR | TF_SNDCWR;
  tp.tcp.stats.ecn_rcwnd++;
}

/** Was the window reduced for a mark, and is that window still in flight? Then it does not grow. DCTCP's does. */
export const ecnInCwr = (tp: TcpCb): boolean => (tp.flags & TF_CWR) !== 0 && !tp.cc.echoesEach;

/** The window was reduced for a loss: that answers the peer's echoes, too. */
export function ecnLoss(tp: TcpCb): void {
  if ((tp.flags & TF_ECN) !== 0) tp.flags |= TF_SNDCWR;
}

/** Header flags of a segment without SYN. `isNew`: it carries data for the first time. */
export function ecnFlags(tp: TcpCb, isNew: boolean): number {
  let flags = (tp.flags & TF_SNDECE) !== 0 ? TH_ECE : 0;
  if (isNew && (tp.flags & TF_SNDCWR) !== 0) {
    tp.flags &= ~TF_SNDCWR;
    flags |= TH_CWR;
  }
  return flags;
}

/** ECN field of the IP header of such a segment, which is `segments` on the wire. */
export function ecnCodepoint(tp: TcpCb, isNew: boolean, segments: number): number {
  if ((tp.flags & TF_ECN) === 0 || !isNew) return 0;
  tp.tcp.stats.ecn_sndect0 += segments;
  return IPTOS_ECN_ECT0;
}
