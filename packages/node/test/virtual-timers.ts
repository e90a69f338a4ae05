/**
 * virtual-timers.ts — Timers whose time is what a test says it is.
 */
import type { Alarm, Timers } from '../src/protect/wire/timers.js';

interface Pending {
  readonly due: number;
  readonly fire: () => void;
}

export class VirtualTimers implements Timers {
  private time = 1_000;
  private pending: Pending[] = [];

  now(): number {
    return this.time;
  }

  /** Alarms that are armed. */
  get armed(): number {
    return this.pending.length;
  }

  after(ms: number, fire: () => void): Alarm {
    const alarm: Pending = { due: this.time + ms, fire };
    this.pending.push(alarm);
    return { cancel: () => (this.pending = this.pending.filter((other) => other !== alarm)) };
  }

  /** Lets time pass, alarm by alarm; what promises and streams do after each one is done before the next. */
  async pass(ms: number): Promise<void> {
    const until = this.time + ms;
    for (;;) {
      const [next] = this.pending.filter(({ due }) => due <= until).sort((a, b) => a.due - b.due);
      if (next === undefined) break;
      this.time = Math.max(this.time, next.due);
      this.pending = this.pending.filter((other) => other !== next);
      next.fire();
      await settle();
    }
    this.time = until;
    await settle();
  }

  /** Time passes and nobody is there to notice: alarms are late. */
  stall(ms: number): void {
    this.time += ms;
  }
}

/** Lets streams in memory hand on what they have. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await new Promise(setImmediate);
}
