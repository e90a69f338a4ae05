/**
 * witness-lock.ts — the doors of the Witness: what a lock, a grace period, a drain, a work queue tells it.
 * Read first: witness.ts; NetBSD's mutex(9), pserialize(9), psref(9), workqueue(9), callout(9).
 *
 * Each object is one contract of the code, marked where it is kept; `where` names the place, as the report will print it. With the
 * Witness off every call is a branch. None of them waits: that is for the primitives which will call them.
 *
 * Not here: psref, pserialize and work queues themselves.
 */
import type { Witness, WitnessClass, WitnessKind, WitnessObject } from './witness.js';

export interface WitnessLockOptions {
  /** May be taken again by its holder (an sx lock with SX_RECURSE). */
  readonly recurses?: boolean;
  /** May be taken while another of its class is held (MTX_DUPOK). */
  readonly dupok?: boolean;
  /** Its holders wait for readers, so a softint handler must not want it. */
  readonly noSoftint?: boolean;
}

/** What all have in common. */
class WitnessNode implements WitnessObject {
  readonly cls: WitnessClass;
  readonly recurses: boolean;
  readonly dupok: boolean;
  readonly noSoftint: boolean;
  protected readonly witness: Witness;

  constructor(witness: Witness, name: string, kind: WitnessKind, options: WitnessLockOptions) {
    this.witness = witness;
    this.cls = witness.classOf(name, kind);
    this.recurses = options.recurses ?? false;
    this.dupok = options.dupok ?? false;
    this.noSoftint = options.noSoftint ?? false;
  }
}

/** A lock. Several of one name are of one class: their order among each other is not known. */
export class WitnessLock extends WitnessNode {
  constructor(witness: Witness, name: string, options: WitnessLockOptions = {}) {
    super(witness, name, 'lock', options);
  }

  acquire(where: string): void {
    if (this.witness.on) this.witness.acquire(this, where, false);
  }

  /** As a reader, beside others. */
  acquireShared(where: string): void {
    if (this.witness.on) this.witness.acquire(this, where, true);
  }

  /** Got it without waiting. */
  tryAcquired(where: string): void {
    if (this.witness.on) this.witness.hold(this, where, false);
  }

  release(where: string): void {
    if (this.witness.on) this.witness.release(this, where);
  }
}

/** Something that is never held but waited for: whoever is inside keeps the one who waits. */
class WitnessBarrier extends WitnessNode {
  /** A reader, a worker, a callout begins. */
  enter(where: string): void {
    if (this.witness.on) this.witness.hold(this, where, true);
  }

  exit(where: string): void {
    if (this.witness.on) this.witness.release(this, where);
  }

  /** Waits until everybody is out. */
  wait(where: string): void {
    if (this.witness.on) this.witness.wait(this, where);
  }
}

/** pserialize(9): a grace period over read sections. Every softint handler is a reader, whatever it reads. */
export class WitnessGrace extends WitnessBarrier {
  constructor(witness: Witness, name: string) {
    super(witness, name, 'grace', {});
  }
}

/** psref(9), reference counts: waiting until nobody refers to a target any more. `enter` is taking a reference, `exit` giving it back. */
export class WitnessDrain extends WitnessBarrier {
  constructor(witness: Witness, name: string) {
    super(witness, name, 'drain', { dupok: true });
  }
}

/** workqueue(9): waiting for work that has been queued. `enter` and `exit` are around the work. */
export class WitnessQueue extends WitnessBarrier {
  constructor(witness: Witness, name: string) {
    super(witness, name, 'queue', {});
  }
}

/** callout(9): waiting until a callout that may be running is not. `enter` and `exit` are around its function. */
export class WitnessCallout extends WitnessBarrier {
  constructor(witness: Witness, name: string) {
    super(witness, name, 'callout', { dupok: true });
  }
}
