/**
 * command-slots.ts — how many jails may run commands at a time (`jail -p`).
 *
 * A jail takes a slot before its first step, gives it back while it only waits for processes to end, and at its end. Who waits is served in
 * the order of asking.
 * Invariant: never more than `limit` slots are out.
 */
export class CommandSlots {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  /** @param limit Infinity: no limit. */
  constructor(limit: number) {
    this.free = limit;
  }

  take(): Promise<void> {
    if (this.free > 0) {
      this.free--;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  give(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free++;
    else next();
  }
}
