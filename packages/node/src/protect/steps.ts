/**
 * steps.ts — class Steps: events of a state machine, taken one after the other, also those that come of the acts of one.
 * Read first: protected-machine.ts and kept-machine.ts, which carry the acts out.
 *
 * Invariant: an event's step has ended before that of the next begins, whoever brings it and from wherever. A step that throws ends for itself; whoever brought the event hears of it, and those that wait are taken with the next.
 */
export class Steps<E> {
  private readonly step: (event: E) => void;
  private readonly waiting: E[] = [];
  private stepping = false;

  constructor(step: (event: E) => void) {
    this.step = step;
  }

  take(event: E): void {
    this.waiting.push(event);
    if (this.stepping) return;
    this.stepping = true;
    try {
      for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) this.step(next);
    } finally {
      this.stepping = false;
    }
  }
}
