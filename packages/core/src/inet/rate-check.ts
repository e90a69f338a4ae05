/**
 * rate-check.ts — "at most so many a second": for log lines, and for packets sent in answer to packets.
 * Read first: ppsratecheck(9); FreeBSD's sys/kern/subr_counter.c, counter_ratecheck.
 */
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';

/** ppsratecheck(9): events beyond the limit of the second they fall into are refused and forgotten. */
export class PpsCheck {
  private since: Micros = Number.NEGATIVE_INFINITY;
  private count = 0;

  /** May an event happen at `now`? `max` below 0 is no limit. */
  ok(now: Micros, max: number): boolean {
    if (now - this.since >= US_PER_SEC) {
      this.since = now;
      this.count = 0;
    }
    this.count++;
    return max < 0 || this.count <= max;
  }
}

/** As PpsCheck, and tells after a second that went over the limit how many events there had been. */
export class RateCheck {
  private since: Micros = 0;
  private count = 0;
  private over = false;

  /** 0: fine. -1: over the limit. Above 0: fine, and the last second with events had so many, more than `limit`. */
  check(now: Micros, limit: number): number {
    let was = 0;
    if (now - this.since >= US_PER_SEC) {
      if (this.count > limit) was = this.count;
      this.since = now;
      this.count = 0;
      this.over = false;
    }
    this.count++;
    if (this.over) return -1;
    if (this.count > limit) {
      this.over = true;
      return -1;
    }
    return was;
  }
}
