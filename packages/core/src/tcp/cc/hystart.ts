/**
 * hystart.ts — HyStart++: leave slow start when the round-trip time begins to grow, before the queue overflows.
 * Read first: RFC 9406 §4.
 *
 * Theory of operation. Slow start is cut into rounds: a round ends when the byte that was the newest at its beginning is acknowledged.
 * If the smallest round-trip time of this round exceeds that of the last one by an eighth (4 ms at least, 16 ms at most), conservative slow
 * start begins: the window grows at a quarter of the pace. If the round-trip time falls below what it was then, that was a false alarm;
 * if it has not for five rounds, slow start is over and ssthresh is the window. After a loss it is not used until the connection was idle.
 *
 * @rfc 9406 4.2 yes
 * @rfc 9406 4.3 yes
 */
import { seqGeq } from '../../base/seqnum.js';
import type { CcConn } from './cc.js';

const MIN_RTT_DIVISOR = 8;
/** No sample in this round. */
const RTT_NONE = 0x3fff_ffff;

export class Hystart {
  private enabled = true;
  private inCss = false;
  /** The round is over when this is acknowledged. */
  private windowEnd: number;
  private lastMinUs = RTT_NONE;
  private currentMinUs = RTT_NONE;
  private samples = 0;
  private cssBaselineUs = RTT_NONE;
  private cssRounds = 0;

  constructor(tp: CcConn) {
    this.windowEnd = tp.sndNxt;
  }

  /** Loss or a mark: slow start was over by itself. */
  disable(): void {
    this.enabled = false;
    this.inCss = false;
  }

  restart(tp: CcConn): void {
    this.enabled = true;
    this.inCss = false;
    this.newRound(tp);
    this.lastMinUs = RTT_NONE;
  }

  rttSample(rttUs: number): void {
    if (!this.enabled) return;
    this.samples++;
    if (rttUs < this.currentMinUs) this.currentMinUs = rttUs;
  }

  /** How much of `bytes` slow start may use. Ends slow start, by ssthresh, when it is time. */
  increment(tp: CcConn, bytes: number): number {
    if (!this.enabled) return bytes;
    if (seqGeq(tp.sndUna, this.windowEnd)) {
      this.newRound(tp);
      if (this.inCss && ++this.cssRounds >= tp.ccVars.hystartCssRounds) {
        tp.ssthresh = tp.cwnd;
        this.disable();
        return 0;
      }
    }
    if (this.samples >= tp.ccVars.hystartRttSamples) this.judge(tp);
    return this.inCss ? Math.floor(bytes / tp.ccVars.hystartCssGrowthDiv) : bytes;
  }

  private newRound(tp: CcConn): void {
    this.lastMinUs = this.currentMinUs;
    this.currentMinUs = RTT_NONE;
    this.samples = 0;
    this.windowEnd = tp.sndNxt;
  }

  private judge(tp: CcConn): void {
    if (this.inCss) {
      if (this.currentMinUs >= this.cssBaselineUs) return;
      this.inCss = false;
      this.cssBaselineUs = RTT_NONE;
      return;
    }
    if (this.lastMinUs === RTT_NONE || this.currentMinUs === RTT_NONE) return;
    const threshUs = Math.max(tp.ccVars.hystartMinRttThreshUs, Math.min(Math.floor(this.lastMinUs / MIN_RTT_DIVISOR), tp.ccVars.hystartMaxRttThreshUs));
    if (this.currentMinUs < this.lastMinUs + threshUs) return;
    this.inCss = true;
    this.cssBaselineUs = this.currentMinUs;
    this.cssRounds = 0;
  }
}
