/**
 * cc-newreno.ts — NewReno: double per round trip in slow start, one segment more per round trip after it, half on loss.
 * Read first: RFC 5681 §3; RFC 3465 (byte counting); cc_newreno(4).
 *
 * Theory of operation. In congestion avoidance the acknowledged bytes are added up, and each time they make a whole window, the window
 * grows by one segment. ssthresh is taken from cwnd, as FreeBSD does, not from what is in flight; what makes that safe is that cwnd does
 * not grow while it is not what limits the sender.
 *
 * @rfc 5681 3.1 yes
 * @rfc 3465 yes
 * @rfc 8511 3 yes
 * @rfc 7661 no "a window that is not used is not grown, and is restarted after idle; it is not aged"
 */
import type { CcAlgorithm, CcConn, CcSignal, CongestionControl } from './cc.js';
import { CC_ECN, CC_RTO, CC_RTO_ERR, ccDeflate, ccOpen, ccRestart, mulDiv, slowStartIncrement } from './cc.js';
import { Hystart } from './hystart.js';

/** Congestion avoidance by byte counting. Answers what is left over of `counted + ackedBytes`. */
export function renoAvoid(tp: CcConn, counted: number, ackedBytes: number): number {
  const { maxseg } = tp;
  if (tp.ccVars.rfc3465 === 0) {
    ccOpen(tp, Math.max(1, mulDiv(maxseg, maxseg, tp.cwnd)));
    return 0;
  }
  const sum = counted + ackedBytes;
  if (sum < tp.cwnd) return sum;
  const left = sum - tp.cwnd;
  ccOpen(tp, maxseg);
  return Math.min(left, tp.cwnd - 1);
}

/** `percent` of the window in whole segments, and two segments at least. */
export function renoReduced(tp: CcConn, percent: number): number {
  return Math.max(Math.floor((tp.cwnd * percent) / (100 * tp.maxseg)), 2) * tp.maxseg;
}

class NewReno implements CongestionControl {
  readonly name = 'newreno';
  readonly echoesEach = false;
  /** Bytes acknowledged towards the next segment of congestion avoidance. */
  private counted = 0;
  private undoCounted = 0;
  private readonly hystart: Hystart | null;

  constructor(tp: CcConn) {
    this.hystart = tp.ccVars.hystart === 0 ? null : new Hystart(tp);
  }

  rttSample(_tp: CcConn, rttUs: number): void {
    this.hystart?.rttSample(rttUs);
  }

  ackReceived(tp: CcConn, ackedBytes: number): void {
    if (!tp.cwndLimited) return;
    if (tp.cwnd > tp.ssthresh) {
      this.counted = renoAvoid(tp, this.counted, ackedBytes);
      return;
    }
    const bytes = slowStartIncrement(tp, ackedBytes);
    ccOpen(tp, this.hystart === null ? bytes : this.hystart.increment(tp, bytes));
  }

  congSignal(tp: CcConn, signal: CcSignal): void {
    const { ccVars } = tp;
    if (signal === CC_RTO_ERR) {
      this.counted = this.undoCounted;
      return;
    }
    this.undoCounted = this.counted;
    this.counted = 0;
    tp.ssthresh = renoReduced(tp, signal === CC_ECN && ccVars.abe !== 0 ? ccVars.newrenoBetaEcn : ccVars.newrenoBeta);
    if (signal === CC_ECN) tp.cwnd = tp.ssthresh;
    if (signal === CC_RTO) tp.cwnd = tp.maxseg;
    this.hystart?.disable();
  }

  postRecovery(tp: CcConn): void {
    ccDeflate(tp);
  }

  afterIdle(tp: CcConn): void {
    this.counted = 0;
    ccRestart(tp);
    this.hystart?.restart(tp);
  }
}

export const ccNewreno: CcAlgorithm = { name: 'newreno', wantsEcn: false, make: (tp) => new NewReno(tp) };
