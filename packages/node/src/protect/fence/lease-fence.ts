/**
 * lease-fence.ts — LeaseFence and LeaseClock: the primary runs on a lease that the backup renews; the backup waits until it must be over.
 * Read first: fence.ts; wire/two-paths.ts; Gray and Cheriton, "Leases" (SOSP 1989).
 *
 * Theory of operation. The primary may run while a beat of its that was *sent* less than `ms` ago has been echoed. The backup echoes a beat after it was sent, so from the
 * moment at which it heard the last one, `ms` later the primary's lease is over, whatever became of the echo; a margin is for clocks that do not run at one speed
 * and for the time the primary needs to stop. No clock is compared with another's: each side measures its own. A backup that is told `ok` echoes nothing any more (`hush`).
 *
 * The primary therefore never goes on alone. It stops the machine when its lease is over (`onOver`), and lets it run again when an echo comes (`onRenewed`): the
 * backup that sent it had not taken over.
 * Not here: a daemon that is held up while its machine runs on. The machine is stopped late then, by as long as that takes: where that matters, use another fence.
 */
import type { Alarm, Timers } from '../wire/timers.js';
import type { Fence, Fenced, Side, Verdict } from './fence.js';

/** Part of the lease that clocks may differ by, and what it is at least. */
const MARGIN = 0.1;
const MARGIN_MS_MIN = 100;

/** How long a backup waits from the last sign of life. */
export function leaseWaitMs(ms: number): number {
  return ms + Math.max(MARGIN_MS_MIN, ms * MARGIN);
}

export class LeaseFence implements Fence {
  private readonly fenced: Fenced;
  private readonly ms: number;

  constructor(fenced: Fenced, ms: number) {
    this.fenced = fenced;
    this.ms = ms;
  }

  goOnAlone(side: Side, _why: string, givenUp?: AbortSignal): Promise<Verdict> {
    if (side === 'primary') return Promise.resolve({ ok: false, reason: `the backup may have taken over; with "lease:${this.ms}" the machine runs only while its backup answers` });
    const { timers, lastHeardAt, hush, peer } = this.fenced;
    const heardAt = lastHeardAt();
    return new Promise((resolve) => {
      const answer = (verdict: Verdict): void => {
        alarm?.cancel();
        givenUp?.removeEventListener('abort', abandoned);
        resolve(verdict);
      };
      const abandoned = (): void => answer({ ok: false, reason: 'it was given up' });
      const look = (): void => {
        const leftMs = heardAt + leaseWaitMs(this.ms) - timers.now();
        if (givenUp?.aborted === true) abandoned();
        else if (lastHeardAt() > heardAt) answer({ ok: false, reason: `${peer} was heard again, so its lease may not be over` });
        else if (leftMs <= 0) {
          hush();
          answer({ ok: true });
        } else alarm = timers.after(leftMs, look);
      };
      let alarm: Alarm | null = null;
      givenUp?.addEventListener('abort', abandoned, { once: true });
      look();
    });
  }
}

/** The primary's side: when the machine must stop, and when it may go on. */
export class LeaseClock {
  /** The machine must stop, now. */
  onOver: () => void = () => undefined;
  /** It may run again. */
  onRenewed: () => void = () => undefined;
  private readonly ms: number;
  private readonly timers: Timers;
  private grantedAt: number;
  private alarm: Alarm | null = null;
  private over = false;

  /** The lease begins now: the backup has just welcomed the machine. */
  constructor(ms: number, timers: Timers) {
    this.ms = ms;
    this.timers = timers;
    this.grantedAt = timers.now();
    this.arm();
  }

  /** The machine may run. Asks the clock, so it is right even when the alarm is late. */
  get valid(): boolean {
    return this.timers.now() - this.grantedAt < this.ms;
  }

  /** A beat was echoed that had been sent then (TwoPaths.lastEchoSentAt). */
  renew(sentAt: number): void {
    if (sentAt <= this.grantedAt) return;
    this.grantedAt = sentAt;
    if (!this.valid) return;
    const renewed = this.over;
    this.over = false;
    this.arm();
    if (renewed) this.onRenewed();
  }

  /** Tells no more. */
  stop(): void {
    this.alarm?.cancel();
    this.alarm = null;
    this.onOver = this.onRenewed = () => undefined;
  }

  private arm(): void {
    this.alarm?.cancel();
    this.alarm = this.timers.after(Math.max(0, this.grantedAt + this.ms - this.timers.now()), () => this.look());
  }

  private look(): void {
    if (this.valid) return this.arm();
    if (this.over) return;
    this.over = true;
    this.onOver();
  }
}
