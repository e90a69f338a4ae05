/**
 * bstp-timer.ts — the timers of a spanning-tree port, and the unit they count in.
 * Read first: IEEE 802.1D-2004 §17.17 (state machine timers), §17.22 (the port timers machine).
 *
 * Theory of operation. The standard's timers are counters that a machine decrements once a second; a condition asks whether one
 * is zero. Nothing expires by itself, so a port has no Callout of its own: the bridge has one, for the tick (bstp.ts). Some roles
 * keep a timer at its full value for as long as they last, and it runs from there when the port leaves the role: that is `hold`.
 *
 * Values are in 1/256 s as BPDUs carry them (§9.2.8).
 */

/** One second, and what a tick takes away. */
export const BSTP_TICK_256THS = 256;

export class BstpTimer {
  /** What is left, 0 when it has expired or was never started. */
  left256ths = 0;
  private held = false;

  get running(): boolean {
    return this.left256ths !== 0;
  }

  /** Runs for `value`. */
  start(value256ths: number): void {
    this.left256ths = value256ths;
    this.held = false;
  }

  /** Stays at `value` until it is started or stopped. */
  hold(value256ths: number): void {
    this.left256ths = value256ths;
    this.held = true;
  }

  stop(): void {
    this.start(0);
  }

  /** A second has passed. */
  tick(): void {
    if (!this.held) this.left256ths = Math.max(0, this.left256ths - BSTP_TICK_256THS);
  }
}
