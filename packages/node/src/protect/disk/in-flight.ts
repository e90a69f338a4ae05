/**
 * in-flight.ts — class InFlight: work on a range of bytes that has begun and not ended, so that later work on the same bytes can wait for it.
 *
 * Whoever begins asks for what is in flight (`ended`) before it adds its own: it waits for those that began before, never the other way round, so nobody waits in a circle.
 */

interface Work {
  readonly start: number;
  readonly end: number;
  readonly ended: Promise<unknown>;
}

export class InFlight {
  private readonly works = new Set<Work>();

  add<T>(start: number, end: number, work: Promise<T>): Promise<T> {
    const entry: Work = { start, end, ended: work.then(() => this.works.delete(entry), () => this.works.delete(entry)) };
    this.works.add(entry);
    return work;
  }

  /** Settled when what is in flight on these bytes by now has ended; null: there is none. */
  ended(start = 0, end = Infinity): Promise<unknown> | null {
    const before = [...this.works].filter((work) => work.start < end && start < work.end);
    return before.length === 0 ? null : Promise.all(before.map((work) => work.ended));
  }
}
