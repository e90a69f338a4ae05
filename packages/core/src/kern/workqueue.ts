/**
 * workqueue.ts — class Workqueue: work that softint hands to a thread, because it has to wait.
 * Read first: workqueue(9) of NetBSD; docs/contexts.md.
 *
 * Theory of operation. A Work is an object of whoever has something to do, made once. `enqueue` may be called in any context and never
 * waits; the work is done in thread context at the end of the turn, oldest first unless the queue is a LIFO one. A Work is in its queue at most once: whether it
 * may be enqueued again is the caller's to know, with a flag that its function clears first. `wait` is for threads: it tells when
 * a work that was queued has been done. A work that waits for itself is not kept.
 *
 * Invariants: a queue holds no more Works than exist, so it needs no bound of its own; it has at most one piece of deferred work with
 * the Engine. After `destroy` nothing of it runs.
 */
import { unreachable } from '../base/assert.js';
import type { Engine } from './engine.js';
import type { CalloutOwner } from './callout.js';
import { WitnessQueue } from './witness-lock.js';

/** What a queue needs of whom it works for: a VnetKern, or an Engine with nobody behind it. */
export interface WorkqueueOwner {
  readonly engine: Engine;
}

export class Work {
  readonly fn: () => void;
  /** In a queue, and its function has not begun. */
  queued = false;
  next: Work | null = null;
  /** Told when it has been done; null while nobody waits. */
  waiters: (() => void)[] | null = null;

  /** @param fn what is done, in thread context. */
  constructor(fn: () => void) {
    this.fn = fn;
  }
}

export class Workqueue {
  readonly name: string;
  /** Works done. */
  done = 0;
  /** Works that wait. */
  length = 0;
  private readonly engine: Engine;
  private readonly owner: CalloutOwner | null;
  private readonly lifo: boolean;
  private readonly witness: WitnessQueue;
  private head: Work | null = null;
  private tail: Work | null = null;
  private running: Work | null = null;
  private scheduled = false;
  private destroyed = false;
  private readonly worker = (): void => this.work();

  /** @param lifo the youngest work is done first. */
  constructor(kern: WorkqueueOwner & CalloutOwner, name: string, lifo = false) {
    this.engine = kern.engine;
    this.owner = kern;
    this.name = name;
    this.lifo = lifo;
    this.witness = new WitnessQueue(kern.engine.witness, `workqueue ${name}`);
  }

  /** Puts `work` into the queue. False: so much is deferred already that nothing more is taken; the work is not queued. */
  enqueue(work: Work): boolean {
    if (work.queued) unreachable(`workqueue ${this.name}: work enqueued twice`);
    if (this.destroyed) return false;
    if (!this.scheduled && !this.engine.defer(this.worker, this.owner)) return false;
    this.scheduled = true;
    work.queued = true;
    this.length++;
    if (this.lifo) {
      work.next = this.head;
      this.head = work;
      this.tail ??= work;
      return true;
    }
    work.next = null;
    if (this.tail === null) this.head = work;
    else this.tail.next = work;
    this.tail = work;
    return true;
  }

  /** Calls `then` when `work` is not waiting and not under way any more: at once, or after it. Thread context. */
  wait(work: Work, then: () => void): void {
    this.engine.assertThread();
    this.witness.wait(`workqueue_wait ${this.name}`);
    if (!work.queued || this.running === work) then();
    else (work.waiters ??= []).push(then);
  }

  /** Forgets what waits; whoever waits for it is told. What the works were for is their owner's to free. */
  destroy(): void {
    this.destroyed = true;
    for (let w = this.take(); w !== null; w = this.take()) this.tell(w);
  }

  private take(): Work | null {
    const w = this.head;
    if (w === null) return null;
    this.head = w.next;
    if (this.head === null) this.tail = null;
    w.next = null;
    w.queued = false;
    this.length--;
    return w;
  }

  /** The thread of the queue: works that the works enqueue are done as well. */
  private work(): void {
    this.scheduled = false;
    try {
      for (let w = this.take(); w !== null; w = this.take()) this.doOne(w);
    } finally {
      this.running = null;
      if (this.head !== null && !this.scheduled) this.scheduled = this.engine.defer(this.worker, this.owner);
    }
  }

  private doOne(w: Work): void {
    this.running = w;
    this.witness.enter(`workqueue ${this.name}`);
    try {
      w.fn();
    } finally {
      this.witness.exit(`workqueue ${this.name}`);
    }
    this.running = null;
    this.done++;
    this.tell(w);
  }

  private tell(w: Work): void {
    const waiters = w.waiters;
    if (waiters === null || w.queued) return;
    w.waiters = null;
    for (const then of waiters) then();
  }
}
