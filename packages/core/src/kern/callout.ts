/**
 * callout.ts — timers: one binary heap per Kernel, each Callout knowing its own place in it.
 * Read first: callout(9).
 *
 * Theory of operation. A Callout is owned by the object whose timer it is and is armed with `reset(c, deadline)`. Re-arming
 * moves it in place, so an object has at most one pending expiry per Callout and nothing is ever left in the heap for a
 * stopped one. Expiries due at the same time fire in the order of their deadlines, then in the order they were armed.
 * Each Callout is charged to a vnet: `owner.calloutsArmed` must be zero when the vnet is gone.
 *
 * Callouts run in softint context. Invariant: heap[c.pos] === c for every armed c, and c.pos === -1 otherwise.
 */
import { assert } from '../base/assert.js';
import type { Micros } from '../base/time.js';
import { NEVER } from '../base/time.js';

/** Whom an armed timer is charged to. */
export interface CalloutOwner {
  calloutsArmed: number;
}

export class Callout {
  readonly owner: CalloutOwner;
  readonly fn: (arg: unknown) => void;
  /** What `fn` is given: so that one function serves all of its kind. */
  readonly arg: unknown;
  deadline: Micros = NEVER;
  seq = 0;
  pos = -1;

  /** @param fn what to do on expiry; made once, with the object that owns the timer. */
  constructor(owner: CalloutOwner, fn: (arg: unknown) => void, arg: unknown = null) {
    this.owner = owner;
    this.fn = fn;
    this.arg = arg;
  }

  /** Armed and not yet fired. */
  get pending(): boolean {
    return this.pos >= 0;
  }
}

export class CalloutQueue {
  private readonly heap: Callout[] = [];
  private seq = 0;
  /** Whose timer is firing. */
  current: CalloutOwner | null = null;

  /** Timers armed. */
  get armed(): number {
    return this.heap.length;
  }

  /** When the earliest timer is due; NEVER when none is armed. */
  get nextDeadline(): Micros {
    const c = this.heap[0];
    return c === undefined ? NEVER : c.deadline;
  }

  /** Arms `c` for `deadline`, or moves it there. A deadline that has passed fires in the next `run`. */
  reset(c: Callout, deadline: Micros): void {
    assert(!Number.isNaN(deadline), 'callout deadline is not a number');
    c.deadline = deadline;
    c.seq = this.seq++;
    if (c.pos < 0) {
      c.pos = this.heap.length;
      this.heap.push(c);
      c.owner.calloutsArmed++;
      this.up(c.pos);
      return;
    }
    const at = c.pos;
    this.up(at);
    if (c.pos === at) this.down(at);
  }

  /** Disarms `c`; true when it was armed. */
  stop(c: Callout): boolean {
    if (c.pos < 0) return false;
    const at = c.pos;
    const last = this.heap.pop();
    c.pos = -1;
    c.owner.calloutsArmed--;
    if (last !== undefined && last !== c) {
      this.heap[at] = last;
      last.pos = at;
      this.up(at);
      if (last.pos === at) this.down(at);
    }
    return true;
  }

  /** Disarms every timer charged to `owner`: it is gone, whatever it left behind. Returns how many there were. */
  stopAllOf(owner: CalloutOwner): number {
    if (owner.calloutsArmed === 0) return 0;
    const theirs = this.heap.filter((c) => c.owner === owner);
    for (const c of theirs) this.stop(c);
    return theirs.length;
  }

  /** Fires what is due at `now`, at most `budget` timers; returns how many fired. After an exception `current` names its owner. */
  run(now: Micros, budget: number): number {
    let fired = 0;
    this.current = null;
    for (; fired < budget; fired++) {
      const c = this.heap[0];
      if (c === undefined || c.deadline > now) break;
      this.stop(c);
      this.current = c.owner;
      c.fn(c.arg);
    }
    this.current = null;
    return fired;
  }

  private before(a: Callout, b: Callout): boolean {
    return a.deadline < b.deadline || (a.deadline === b.deadline && a.seq < b.seq);
  }

  private up(at: number): void {
    const heap = this.heap;
    const c = heap[at];
    if (c === undefined) return;
    let i = at;
    while (i > 0) {
      const p = (i - 1) >> 1;
      const parent = heap[p];
      if (parent === undefined || !this.before(c, parent)) break;
      heap[i] = parent;
      parent.pos = i;
      i = p;
    }
    heap[i] = c;
    c.pos = i;
  }

  private down(at: number): void {
    const heap = this.heap;
    const c = heap[at];
    if (c === undefined) return;
    let i = at;
    for (;;) {
      let k = 2 * i + 1;
      let child = heap[k];
      if (child === undefined) break;
      const right = heap[k + 1];
      if (right !== undefined && this.before(right, child)) {
        child = right;
        k++;
      }
      if (!this.before(child, c)) break;
      heap[i] = child;
      child.pos = i;
      i = k;
    }
    heap[i] = c;
    c.pos = i;
  }
}
