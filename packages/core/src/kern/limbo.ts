/**
 * limbo.ts — class Limbo: things out of the tables that may not be used again before workers have let go of them.
 * Read first: readers.ts.
 *
 * Theory of operation. Indices, nodes and slots that workers find in shared tables are freed into a Limbo. What comes while a grace period is under way waits for the next one, so that a
 * Limbo asks for one period at a time however much is freed, and holds at most what exists. A long call that frees much does not have to end first: every PERIOD_LOOK things it looks whether the period has passed.
 * Without workers a thing is freed at once.
 *
 * Invariants: `free` is called once for each thing, in the order they were put, in any context: it puts something on a list, and no more. Each thing is unreachable when it is put.
 */
import type { Readers } from './readers.js';

/** Things after which a call that frees many looks whether a grace period has passed. */
const PERIOD_LOOK = 256;

export class Limbo<T> {
  private readonly readers: Readers;
  private readonly free: (thing: T) => void;
  /** Put before `period` began. */
  private batch: T[] = [];
  /** Put since. */
  private next: T[] = [];
  private period = 0;
  /** A continuation waits. */
  private armed = false;

  constructor(readers: Readers, free: (thing: T) => void) {
    this.readers = readers;
    this.free = free;
  }

  /** Things that wait. */
  get length(): number {
    return this.batch.length + this.next.length;
  }

  put(thing: T): void {
    if (this.readers.count === 0 && this.batch.length === 0) {
      this.free(thing);
      return;
    }
    this.next.push(thing);
    if (this.batch.length === 0 || this.next.length % PERIOD_LOOK === 0) this.settle();
  }

  /** Readers may have come to something that has just been replaced: what waits, waits for a period that begins now. */
  again(): void {
    if (this.batch.length === 0) return;
    this.batch = this.batch.concat(this.next);
    this.next = [];
    this.period = this.readers.begin();
  }

  /** Frees what has waited long enough. */
  private settle(): void {
    while (this.batch.length === 0 || this.readers.passed(this.period)) {
      const { batch } = this;
      this.batch = this.next;
      this.next = [];
      for (const thing of batch) this.free(thing);
      if (this.batch.length === 0) return;
      this.period = this.readers.begin();
    }
    if (this.armed) return;
    this.armed = true;
    if (this.readers.grace(this.passed)) this.armed = false;
  }

  private readonly passed = (): void => {
    this.armed = false;
    if (this.length > 0) this.settle();
  };
}
