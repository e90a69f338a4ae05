/**
 * backoff.ts — how long to wait before the next try: twice as long each time, up to a bound.
 */
const FIRST_US = 50_000;
const MAX_US = 2_000_000;

export class Backoff {
  private waitUs = FIRST_US;

  /** What to wait before this try, microseconds. */
  next(): number {
    const us = this.waitUs;
    this.waitUs = Math.min(MAX_US, us * 2);
    return us;
  }

  /** It has gone well: the next failure begins anew. */
  reset(): void {
    this.waitUs = FIRST_US;
  }
}
