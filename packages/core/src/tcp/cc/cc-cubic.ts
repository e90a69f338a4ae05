/**
 * cc-cubic.ts — CUBIC: after a loss the window returns to where it was along a cubic curve of time, not of round trips.
 * Read first: RFC 9438; cc_cubic(4).
 *
 * Theory of operation. W_cubic(t) = C (t - K)^3 + W_max, with C = 0.4 segments/s³, β = 0.7. An epoch begins when recovery or slow start has
 * ended: cwnd_epoch is the window then, and K the time at which the curve is back at W_max. Each acknowledgement moves the window towards
 * W_cubic(t + RTT), by (target - cwnd)/cwnd of what it acknowledges. Beside it runs W_est, the window of a NewReno of the same average
 * throughput; where that is larger, it is what counts (§4.3).
 *
 *      W_max ─ ─ ─ ─ ─ ─ ─ ─ ─ ─┬───────── ─ ─      concave below W_max, then probing
 *                     ,·´       │  `·,            K = cbrt((W_max - cwnd_epoch) / C)
 *         ssthresh ─ /          K
 *
 * Arithmetic. Whole numbers: bytes, and seconds/1024 (`tick`). (t - K)^3 · C is made in 2^-20 segments and multiplied by the segment size
 * in two halves, so that nothing exceeds 53 bits; |t - K| is cut at 203 s. The cube root is found bit by bit. W_est keeps its remainder.
 * Time in which the application did not fill the window is not time for the curve (§5.8): the epoch is moved by it.
 *
 * Invariants. cwnd does not shrink here but by congSignal and afterIdle.
 *
 * @rfc 9438 4.2 yes
 * @rfc 9438 4.3 yes
 * @rfc 9438 4.4 yes
 * @rfc 9438 4.5 yes
 * @rfc 9438 4.6 yes
 * @rfc 9438 4.7 yes
 * @rfc 9438 4.8 yes
 * @rfc 9438 4.9 yes
 * @rfc 9438 4.10 yes
 */
import type { CcAlgorithm, CcConn, CcSignal, CongestionControl } from './cc.js';
import { CC_ECN, CC_RTO, CC_RTO_ERR, ccDeflate, ccOpen, ccRestart, mulDiv, slowStartIncrement } from './cc.js';
import { Hystart } from './hystart.js';

/** Largest |t - K| whose cube fits 53 bits. */
const TICKS_MAX = 208_063;
const TWO_20 = 1 << 20;

/** Largest integer whose cube is not above `x`, for x below 2^53. */
export function cubeRoot(x: number): number {
  let root = 0;
  for (let bit = 1 << 17; bit > 0; bit >>= 1) {
    const r = root + bit;
    if (r <= TICKS_MAX && r * r * r <= x) root = r;
  }
  return root;
}

/** K in ticks of 1/1024 s, for a curve that rises by `rise` bytes. */
export function cubicK(rise: number, maxseg: number): number {
  // rise/maxseg/C = rise * 5 / (2 * maxseg) segments·s³/segment; 2^20 of the 2^30 first, so that small windows keep their precision
  const x = Math.floor((rise * 5 * TWO_20) / (2 * maxseg)) * 1024;
  return cubeRoot(Math.min(x, Number.MAX_SAFE_INTEGER));
}

/** C · ticks³ in bytes, for ticks of 1/1024 s; towards zero. */
export function cubicDelta(ticks: number, maxseg: number): number {
  const d = Math.min(Math.abs(ticks), TICKS_MAX);
  // ticks³ · 2/5 / 2^30, in units of 2^-20 segments
  const segments20 = Math.floor(Math.floor((d * d * d) / 1024) * 0.4);
  const whole = Math.floor(segments20 / TWO_20);
  const delta = whole * maxseg + Math.floor(((segments20 - whole * TWO_20) * maxseg) / TWO_20);
  return ticks < 0 ? 0 - delta : delta;
}

const ticksOf = (us: number): number => Math.floor((us * 1024) / 1_000_000);

/** What a signal overwrites, to be had back when it was a mistake. */
interface CubicEpoch {
  wMax: number;
  cwndPrior: number;
  k: number;
  epochUs: number;
  wEst: number;
}

class Cubic implements CongestionControl {
  readonly name = 'cubic';
  readonly echoesEach = false;
  /** Where the plateau of the curve is, bytes. */
  private wMax = 0;
  /** cwnd before the last reduction, bytes; 0: none yet. */
  private cwndPrior = 0;
  /** Ticks from the beginning of the epoch to wMax. */
  private k = 0;
  /** The epoch begins with the next acknowledgement in congestion avoidance. */
  private fresh = true;
  /** After a timeout, or slow start without a loss, the plateau is where congestion avoidance begins. */
  private plateauHere = true;
  private epochUs = 0;
  /** NewReno's window, bytes, and the part of a byte it has besides, in 17ths of cwnd. */
  private wEst = 0;
  private wEstPart = 0;
  /** When the window limited the sender last. */
  private limitedUs = 0;
  private readonly hystart: Hystart | null;
  /** Made with the first signal. */
  private undo: CubicEpoch | null = null;

  constructor(tp: CcConn) {
    this.hystart = tp.ccVars.hystart === 0 ? null : new Hystart(tp);
  }

  rttSample(_tp: CcConn, rttUs: number): void {
    this.hystart?.rttSample(rttUs);
  }

  ackReceived(tp: CcConn, ackedBytes: number): void {
    if (!tp.cwndLimited) return;
    if (tp.cwnd < tp.ssthresh) {
      const bytes = slowStartIncrement(tp, ackedBytes);
      ccOpen(tp, this.hystart === null ? bytes : this.hystart.increment(tp, bytes));
      this.fresh = true;
      return;
    }
    if (tp.srttUs === 0) return;
    this.avoid(tp, ackedBytes);
  }

  private avoid(tp: CcConn, ackedBytes: number): void {
    const { cwnd, maxseg, nowUs } = tp;
    if (this.fresh) this.beginEpoch(tp);
    // what was idle is longer than a round trip without a full window
    else if (nowUs - this.limitedUs > tp.srttUs) this.epochUs += nowUs - this.limitedUs;
    this.limitedUs = nowUs;
    this.growReno(tp, ackedBytes);
    const elapsed = ticksOf(nowUs - this.epochUs);
    if (this.wMax + cubicDelta(elapsed - this.k, maxseg) < this.wEst) {
      if (this.wEst > cwnd) ccOpen(tp, this.wEst - cwnd);
      return;
    }
    const curve = this.wMax + cubicDelta(ticksOf(nowUs - this.epochUs + tp.srttUs) - this.k, maxseg);
    const target = Math.min(curve, cwnd + (cwnd >> 1));
    if (target > cwnd) ccOpen(tp, Math.min(mulDiv(target - cwnd, ackedBytes, cwnd), target - cwnd));
  }

  private beginEpoch(tp: CcConn): void {
    const { cwnd } = tp;
    this.fresh = false;
    if (this.plateauHere || this.wMax < cwnd) this.wMax = cwnd;
    this.plateauHere = false;
    this.k = cubicK(this.wMax - cwnd, tp.maxseg);
    this.epochUs = tp.nowUs;
    this.limitedUs = tp.nowUs;
    this.wEst = cwnd;
    this.wEstPart = 0;
  }

  /** W_est += α · segments acknowledged / cwnd; α is 3(1-β)/(1+β) = 9/17 until what was lost is regained, and then 1. */
  private growReno(tp: CcConn, ackedBytes: number): void {
    const part = this.wEstPart + (this.wEst < this.cwndPrior ? 9 : 17) * ackedBytes * tp.maxseg;
    const divisor = 17 * tp.cwnd;
    const bytes = Math.floor(part / divisor);
    this.wEst = Math.min(this.wEst + bytes, tp.cwndMax);
    this.wEstPart = part - bytes * divisor;
  }

  congSignal(tp: CcConn, signal: CcSignal): void {
    if (signal === CC_RTO_ERR) {
      this.restore();
      return;
    }
    this.save();
    const { cwnd } = tp;
    this.cwndPrior = cwnd;
    // fast convergence: a window that did not regain its plateau gives room to others, by (1 + β)/2
    this.wMax = cwnd < this.wMax ? mulDiv(cwnd, 17, 20) : cwnd;
    tp.ssthresh = Math.max(mulDiv(cwnd, 7, 10), 2 * tp.maxseg);
    if (signal === CC_ECN) tp.cwnd = tp.ssthresh;
    if (signal === CC_RTO) tp.cwnd = tp.maxseg;
    this.plateauHere = signal === CC_RTO;
    this.fresh = true;
    this.hystart?.disable();
  }

  private save(): void {
    const undo = (this.undo ??= { wMax: 0, cwndPrior: 0, k: 0, epochUs: 0, wEst: 0 });
    undo.wMax = this.wMax;
    undo.cwndPrior = this.cwndPrior;
    undo.k = this.k;
    undo.epochUs = this.epochUs;
    undo.wEst = this.wEst;
  }

  private restore(): void {
    const { undo } = this;
    if (undo === null) return;
    this.wMax = undo.wMax;
    this.cwndPrior = undo.cwndPrior;
    this.k = undo.k;
    this.epochUs = undo.epochUs;
    this.wEst = undo.wEst;
    this.wEstPart = 0;
    this.fresh = this.wMax === 0;
    this.plateauHere = this.wMax === 0;
  }

  postRecovery(tp: CcConn): void {
    ccDeflate(tp);
    this.fresh = true;
  }

  afterIdle(tp: CcConn): void {
    ccRestart(tp);
    this.fresh = true;
    this.hystart?.restart(tp);
  }
}

export const ccCubic: CcAlgorithm = { name: 'cubic', wantsEcn: false, make: (tp) => new Cubic(tp) };
