/**
 * psref-shared.ts — class SharedPsrefClass: targets in shared tables that datapath workers keep references to, and who destroys them.
 * Read first: fwd/passive.ts, psref.ts, readers.ts.
 *
 * Theory of operation. As PsrefClass, with numbers for targets. `targetDestroy` is called when nobody can find the target any more; it waits for a grace period, after which nobody can take a new
 * reference, then until the counts of all workers are 0. Then the number may be given to another target, with `targetInit`. A worker that dies loses what it had.
 *
 * Invariants: a target is destroyed by one at a time. Its number is free when `then` is called, and not before.
 */
import { assert, unreachable } from '../base/assert.js';
import { passiveCount, passiveForget, passiveSetState, passiveWords, TARGET_DRAINING, TARGET_FREE, TARGET_LIVE } from '../fwd/passive.js';
import type { TargetState } from '../fwd/passive.js';
import type { Engine } from './engine.js';
import { READERS_MAX } from './readers.js';
import { WitnessDrain } from './witness-lock.js';

export class SharedPsrefClass {
  readonly name: string;
  readonly targets: number;
  /** What workers are given, for their PassiveHolder. */
  readonly words: Int32Array;
  private readonly engine: Engine;
  private readonly drain: WitnessDrain;
  private readonly dying = new Set<number>();
  private readonly forget = (slot: number): void => passiveForget(this.words, this.targets, slot);

  /** @param targets their numbers are 0..targets-1. */
  constructor(engine: Engine, name: string, targets: number) {
    this.engine = engine;
    this.name = name;
    this.targets = targets;
    this.words = passiveWords(targets, READERS_MAX);
    this.drain = new WitnessDrain(engine.witness, name);
    engine.readers.onBury(this.forget);
  }

  /** Targets that are being destroyed and may still be held. */
  get draining(): number {
    return this.dying.size;
  }

  state(target: number): TargetState {
    return this.words[target] as TargetState;
  }

  /** References that workers have to `target`. */
  count(target: number): number {
    return passiveCount(this.words, this.targets, target);
  }

  /** Before it is put into a table. */
  targetInit(target: number): void {
    assert(this.state(target) === TARGET_FREE, 'psref target is in use');
    passiveSetState(this.words, target, TARGET_LIVE);
  }

  /** Waits for all holders. Thread context; `then` is called when there is none: at once (true) or later. */
  targetDestroy(target: number, where: string, then: () => void): boolean {
    this.engine.assertThread();
    if (this.dying.has(target)) unreachable(`psref target destroyed twice at a time (${where})`);
    if (this.state(target) !== TARGET_LIVE) unreachable(`psref target already destroyed (${where})`);
    this.drain.wait(where);
    this.dying.add(target);
    let now = true;
    let done = false;
    const gone = (): void => {
      this.dying.delete(target);
      passiveSetState(this.words, target, TARGET_FREE);
      done = now;
      then();
    };
    this.engine.grace(() => {
      passiveSetState(this.words, target, TARGET_DRAINING);
      this.engine.readers.until(() => this.count(target) === 0, gone);
    });
    now = false;
    return done;
  }

  destroy(): void {
    if (this.dying.size > 0 || this.words.some((w) => w !== 0)) unreachable(`psref class "${this.name}" destroyed while in use`);
    this.engine.readers.offBury(this.forget);
  }
}
