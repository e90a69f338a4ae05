/**
 * cc-dctcp.ts — DCTCP: reduce the window by the fraction of bytes that were marked, not by half for any mark.
 * Read first: RFC 8257 §3; cc_dctcp(4).
 *
 * Theory of operation. α estimates the fraction of bytes that met a queue, in 1024ths. Once per window of data,
 * α = (1 - g) α + g · marked / acknowledged, with g = 2^-shift_g; a congestion signal of ECN reduces cwnd by α/2. It needs a path that
 * marks early and a peer that echoes each mark (`echoesEach`; tcp-ecn.ts is that peer). Loss is answered as NewReno does. Without ECN on
 * the connection it is NewReno.
 * Invariants. 0 <= α <= 1024.
 *
 * @rfc 8257 3.2 yes
 * @rfc 8257 3.3 yes
 * @rfc 8257 3.4 yes
 * @rfc 8257 3.5 yes
 */
import { seqGt } from '../../base/seqnum.js';
import type { CcAlgorithm, CcConn, CcSignal, CongestionControl } from './cc.js';
import { CC_ECN, CC_RTO, CC_RTO_ERR, ccDeflate, ccOpen, ccRestart, mulDiv, slowStartIncrement } from './cc.js';
import { renoAvoid } from './cc-newreno.js';

const SHIFT = 10;
const ALPHA_MAX = 1 << SHIFT;

class Dctcp implements CongestionControl {
  readonly name = 'dctcp';
  readonly echoesEach = true;
  /** Fraction of marked bytes, 1024ths. */
  alpha: number;
  private bytesAcked = 0;
  private bytesMarked = 0;
  /** α is computed anew when this is acknowledged. */
  private windowEnd: number;
  private congEvents = 0;
  /** Bytes acknowledged towards the next segment of congestion avoidance. */
  private counted = 0;

  constructor(tp: CcConn) {
    this.alpha = tp.ccVars.dctcpAlpha;
    this.windowEnd = tp.sndNxt;
  }

  ecnAck(tp: CcConn, ackedBytes: number, ece: boolean): void {
    this.bytesAcked += ackedBytes;
    if (ece) this.bytesMarked += ackedBytes;
    if (seqGt(tp.sndUna, this.windowEnd)) this.updateAlpha(tp);
  }

  private updateAlpha(tp: CcConn): void {
    const shift = tp.ccVars.dctcpShiftG;
    const observed = this.bytesAcked === 0 ? 0 : mulDiv(this.bytesMarked, 1 << (SHIFT - shift), this.bytesAcked);
    // a remainder that the shift would keep for ever is let go, so that α reaches 0 on an idle path
    const decay = Math.max(this.alpha >> shift, Math.min(this.alpha, 1));
    this.alpha = Math.min(this.alpha - decay + observed, ALPHA_MAX);
    this.startWindow(tp);
  }

  private startWindow(tp: CcConn): void {
    this.bytesAcked = 0;
    this.bytesMarked = 0;
    this.windowEnd = tp.sndNxt;
  }

  ackReceived(tp: CcConn, ackedBytes: number): void {
    if (!tp.cwndLimited) return;
    if (tp.cwnd > tp.ssthresh) this.counted = renoAvoid(tp, this.counted, ackedBytes);
    else ccOpen(tp, slowStartIncrement(tp, ackedBytes));
  }

  congSignal(tp: CcConn, signal: CcSignal): void {
    if (signal === CC_RTO_ERR) return;
    const floor = 2 * tp.maxseg;
    this.counted = 0;
    this.congEvents++;
    if (signal !== CC_ECN) {
      tp.ssthresh = Math.max(tp.cwnd >> 1, floor);
      if (signal === CC_RTO) tp.cwnd = tp.maxseg;
      return;
    }
    if (tp.ccVars.dctcpSlowstart !== 0 && this.congEvents === 1) {
      this.alpha = ALPHA_MAX;
      this.startWindow(tp);
    }
    tp.ssthresh = Math.max(tp.cwnd - mulDiv(tp.cwnd, this.alpha, ALPHA_MAX << 1), floor);
    tp.cwnd = tp.ssthresh;
  }

  postRecovery(tp: CcConn): void {
    ccDeflate(tp);
  }

  afterIdle(tp: CcConn): void {
    this.alpha = tp.ccVars.dctcpAlpha;
    this.counted = 0;
    this.startWindow(tp);
    ccRestart(tp);
  }
}

export const ccDctcp: CcAlgorithm = { name: 'dctcp', wantsEcn: true, make: (tp) => new Dctcp(tp) };
