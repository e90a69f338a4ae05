/**
 * inheritance.ts — class Inheritance: what a machine that has failed leaves to the one that takes over from it on the same host.
 * Read first: vm/vm-parts.ts (`heir`); held-disks.ts.
 *
 * Theory of operation. When the process of a machine is gone its parts are put away: its cables leave the stack, which takes addresses from taps, and what its disks hold goes to their files. If its backup is this daemon
 * none of that is to happen: the parts wait here until the backup says which epoch the machine goes on from and who takes its place, or that nobody does, or has not said anything for WAIT_MS.
 */
import { inTime } from '../in-time.js';
import type { VmParts } from '../vm/vm-parts.js';

const WAIT_MS = 15_000;

export class Inheritance {
  private settle: (heir: VmParts | null) => void = () => undefined;
  private readonly settled: Promise<VmParts | null>;

  constructor() {
    this.settled = new Promise((resolve) => (this.settle = resolve));
  }

  /** Somebody takes its place. Later calls of either kind change nothing. */
  leaveTo(heir: VmParts): void {
    this.settle(heir);
  }

  /** Nobody does. */
  leaveToNobody(): void {
    this.settle(null);
  }

  /** Who does; null: nobody. */
  heir(): Promise<VmParts | null> {
    return inTime(this.settled, WAIT_MS, null);
  }
}
