/**
 * epoch-pace.ts — class EpochPace: when the next checkpoint of a machine is due.
 *
 * With an interval, that long after the last one was due, so that timers which are late make no epoch longer in the mean; at once when it took longer, and what was missed is not made up for. On demand, when output has begun to wait for one, a moment after the last one has ended, so that a client that waits for
 * an answer waits for one checkpoint and no more; and after QUIET_MS without output, so that little is lost of what a machine does in silence. `hurry` is the demand; with an interval it counts only when
 * it is `urgent`: writes wait for it, or somebody wants the last one.
 */

/** What a person may ask for. */
export const INTERVAL_MIN_MS = 5;
export const INTERVAL_MAX_MS = 60_000;
const QUIET_MS = 1_000;
/** A timer may be so late, and what was due is still what counts. */
const LATE_MS = 5;
/** The machine runs at least so long between two checkpoints. */
const RUN_MS = 4;

/** Milliseconds between the beginnings of two checkpoints. */
export type Interval = number | 'on-demand';

export class EpochPace {
  interval: Interval;
  /** When the last one was due, or began. */
  private began = 0;
  private ended = 0;
  private wanted = false;
  private timer: NodeJS.Timeout | null = null;
  private go: (() => void) | null = null;

  constructor(interval: Interval) {
    this.interval = interval;
  }

  begins(): void {
    const now = performance.now();
    const due = this.interval === 'on-demand' ? now : this.began + this.interval;
    this.began = due <= now && now < due + LATE_MS ? due : now;
    this.wanted = false;
  }

  ends(): void {
    this.ended = performance.now();
  }

  /** Resolves when the next is due, or by `hurry`; in the middle of the last one, or right after it, a demand waits until the machine has run. */
  async due(): Promise<void> {
    const wait = this.interval === 'on-demand' ? QUIET_MS : this.began + this.interval - performance.now();
    if (!this.wanted && wait > 0) {
      await new Promise<void>((resolve) => {
        this.go = resolve;
        this.timer = setTimeout(resolve, wait);
      });
      if (this.timer !== null) clearTimeout(this.timer);
      this.timer = null;
      this.go = null;
    }
    const rest = this.ended + RUN_MS - performance.now();
    if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
  }

  /** Output waits for a checkpoint. */
  hurry(urgent = false): void {
    if (this.interval !== 'on-demand' && !urgent) return;
    this.wanted = true;
    this.go?.();
  }
}
