/**
 * readers.ts — class Readers: the datapath workers that read tables, and who goes on when all of them have let go.
 * Read first: fwd/quiescence.ts; docs/contexts.md "Readers on other processors".
 *
 * Theory of operation. The host adds a reader for each worker that it starts, and gives that worker the words and its slot. Whoever has taken something out of a table asks
 * for a grace period (`grace`). With no worker, or with all of them asleep, it has passed at once. Otherwise the continuation waits in a queue, in order of the periods' numbers, and the words
 * say that somebody waits; the worker that passes rings the host's bell, the host calls `poll` (`Engine.readersPassed`), and what has passed goes on as deferred work. Every turn polls as well, and the host does from a
 * coarse timer, so a bell that is lost delays and no more. One worker that passes answers for all periods begun before, so many writers cost no more than one. `until` waits in the same way for something that workers do at their leisure, such as giving back a reference.
 *
 * A worker that died is buried by the host when its thread has ended; nobody waits for it then.
 *
 * Invariants: periods pass in the order they began. While the queue is empty, workers are not asked to ring. Whoever waits is bounded by what it waits with: a writer of many things has one period at a time (limbo.ts).
 */
import { unreachable } from '../base/assert.js';
import { GracePeriods, quiescenceWords, READER_ONLINE } from '../fwd/quiescence.js';

/** Most workers at a time. */
export const READERS_MAX = 64;
/** Continuations that may wait: more than there are objects with one each means that something does not bound itself. */
const WAITERS_MAX = 65_536;

interface Waiter {
  readonly period: number;
  readonly then: () => void;
}

/** Waits for something that workers do at their leisure. */
interface Condition {
  readonly holds: () => boolean;
  readonly then: () => void;
}

export class Readers {
  /** Workers that have a slot and are not dead. */
  count = 0;
  /** Grace periods that had to be waited for, and have passed. */
  waited = 0;
  /** Called before a period begins: workers are sent what they must have taken over when they acknowledge it (fwd/quiescence.ts). */
  beforePeriod: (() => void) | null = null;
  private readonly resume: (work: () => void) => void;
  private made: GracePeriods | null = null;
  /** In order of the periods. */
  private queue: Waiter[] = [];
  private conditions: Condition[] = [];
  private buryHandlers: ((slot: number) => void)[] = [];

  /** @param resume does something later, in thread context. */
  constructor(resume: (work: () => void) => void) {
    this.resume = resume;
  }

  /** Continuations that wait. */
  get waiting(): number {
    return this.queue.length + this.conditions.length;
  }

  /** What workers are given, and whoever watches them looks at. */
  get periods(): GracePeriods {
    return (this.made ??= new GracePeriods(quiescenceWords(READERS_MAX)));
  }

  /** A slot for a worker that is going to be started, for its `QuiescentReader` over `periods.words`; 0 when there are READERS_MAX. */
  add(): number {
    const slot = this.periods.claim();
    if (slot !== 0) this.count++;
    return slot;
  }

  /** The worker of `slot` has gone offline for good. */
  remove(slot: number): void {
    this.periods.release(slot);
    this.count--;
    this.poll();
  }

  /** The thread of `slot` has ended in the middle of something: what it read it reads no more. The slot may be given to another worker. */
  bury(slot: number): void {
    this.periods.bury(slot);
    this.count--;
    for (const handler of this.buryHandlers) handler(slot);
    this.poll();
  }

  /** Calls `handler` with the slot of every worker that is buried: what it had in shared memory is cleared. */
  onBury(handler: (slot: number) => void): void {
    this.buryHandlers.push(handler);
  }

  offBury(handler: (slot: number) => void): void {
    this.buryHandlers = this.buryHandlers.filter((h) => h !== handler);
  }

  /** Is any worker reading now? */
  get online(): boolean {
    if (this.count === 0) return false;
    for (let slot = 1; slot <= READERS_MAX; slot++) if (this.periods.state(slot) === READER_ONLINE) return true;
    return false;
  }

  /** See Engine.grace. */
  grace(then: () => void): boolean {
    if (this.count === 0) {
      then();
      return true;
    }
    const { periods } = this;
    const period = this.begin();
    if (periods.passed(period)) {
      then();
      return true;
    }
    if (this.queue.length >= WAITERS_MAX) unreachable(`${WAITERS_MAX} continuations wait for datapath workers`);
    this.queue.push({ period, then });
    periods.wait(true);
    // Who passed before it could see that somebody waits did not ring.
    this.poll();
    return false;
  }

  /** For who asks later himself: something has been taken out. */
  begin(): number {
    if (this.count === 0) return 0;
    this.beforePeriod?.();
    return this.periods.begin();
  }

  /** Has the period that `begin` answered passed? */
  passed(period: number): boolean {
    return this.count === 0 || this.periods.passed(period);
  }

  /** Calls `then` when `holds` does, which a worker's quiescent point may bring about: at once (true), or as a thread. */
  until(holds: () => boolean, then: () => void): boolean {
    if (holds()) {
      then();
      return true;
    }
    if (this.conditions.length >= WAITERS_MAX) unreachable(`${WAITERS_MAX} continuations wait for datapath workers`);
    this.conditions.push({ holds, then });
    this.periods.wait(true);
    this.poll();
    return false;
  }

  /** Whoever waited for what has passed goes on, as deferred work. */
  poll(): void {
    if (this.waiting === 0) return;
    const { queue, conditions } = this;
    let n = 0;
    while (n < queue.length && this.periods.passed(queue[n]!.period)) n++;
    const met = conditions.filter((c) => c.holds());
    if (n > 0) this.queue = queue.slice(n);
    if (met.length > 0) this.conditions = conditions.filter((c) => !met.includes(c));
    if (this.waiting === 0) this.periods.wait(false);
    this.waited += n;
    for (let i = 0; i < n; i++) this.resume(queue[i]!.then);
    for (const c of met) this.resume(c.then);
  }
}
