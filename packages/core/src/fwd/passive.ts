/**
 * passive.ts — passive references of workers: what a worker keeps for longer than a batch, said in shared words.
 * Read first: psref(9) of NetBSD; quiescence.ts; kern/psref.ts.
 *
 * Theory of operation. A target is a number. The words have its state, and for each worker a count of the references that it has; a worker changes only its own counts, with plain stores, so taking and giving back
 * costs no atomic instruction. A reference is taken within the batch in which the target was found, so the writer, who has taken the target out and then waited for a grace period, knows that no count
 * goes from 0 up any more: it adds the counts up, and waits while there are any. A worker that gave something back acknowledges at its next quiescent point even if no period has begun, and rings if somebody waits.
 * A worker may sleep with a reference.
 *
 *     words  states of all targets | counts of slot 1 | counts of slot 2 | ...     each part begins on a line of its own
 *
 * Invariants: a count is 0 when its worker ends; one that died has them cleared by who buries it. Caught, by assertions: a reference taken twice, by a worker that is offline, to a target that is
 * being destroyed; given back by somebody else, or twice; kept at the end.
 * Not here: who waits (kern/psref-shared.ts).
 */
import { assert, unreachable } from '../base/assert.js';
import type { QuiescentReader } from './quiescence.js';
import { sharedWords } from './shared-words.js';

/** References a worker may have at a time. */
export const PASSIVE_REFS_MAX = 1_024;

export const TARGET_FREE = 0;
export const TARGET_LIVE = 1;
export const TARGET_DRAINING = 2;
export type TargetState = typeof TARGET_FREE | typeof TARGET_LIVE | typeof TARGET_DRAINING;

/** Words of a line: 128 bytes. */
const LINE = 32;

/** Words for `targets` targets and slots 1..slots, in shared memory where there is any. */
export function passiveWords(targets: number, slots: number): Int32Array {
  return sharedWords((slots + 1) * partOf(targets));
}

/** One reference, made once and used again. */
export class PassiveRef {
  target = -1;
  holder: PassiveHolder | null = null;
}

/** The worker's side. */
export class PassiveHolder {
  /** References it has. */
  count = 0;
  private readonly words: Int32Array;
  private readonly reader: QuiescentReader;
  private readonly at: number;

  constructor(words: Int32Array, targets: number, reader: QuiescentReader) {
    this.words = words;
    this.reader = reader;
    this.at = reader.slot * partOf(targets);
  }

  acquire(ref: PassiveRef, target: number): void {
    assert(this.reader.isOnline, 'a passive reference is taken by a worker that is offline');
    assert(ref.holder === null, 'acquiring twice?');
    assert(this.words[target] === TARGET_LIVE, 'psref target already destroyed');
    this.take(ref, target);
  }

  /** A second reference to what `from` refers to, which may be draining. */
  copy(to: PassiveRef, from: PassiveRef): void {
    assert(from.holder === this, 'copying a passive reference that is not ours');
    assert(to.holder === null, 'acquiring twice?');
    this.take(to, from.target);
  }

  release(ref: PassiveRef, target: number): void {
    if (ref.holder === null) unreachable('releasing unused psref?');
    if (ref.holder !== this) unreachable('passive reference transferred from another worker');
    if (ref.target !== target) unreachable('passive reference of another target');
    ref.holder = null;
    ref.target = -1;
    this.count--;
    this.words[this.at + target]!--;
    this.reader.hurry();
  }

  /** Has this worker a reference to `target`? */
  held(target: number): boolean {
    return this.words[this.at + target]! > 0;
  }

  /** The worker ends. */
  assertNone(): void {
    if (this.count !== 0) unreachable(`a worker ends with ${this.count} passive reference${this.count === 1 ? '' : 's'}`);
  }

  private take(ref: PassiveRef, target: number): void {
    assert(this.count < PASSIVE_REFS_MAX, 'a worker has too many passive references');
    ref.holder = this;
    ref.target = target;
    this.count++;
    this.words[this.at + target]!++;
  }
}

/** Writer: the state of a target. */
export function passiveSetState(words: Int32Array, target: number, state: TargetState): void {
  Atomics.store(words, target, state);
}

/** Writer: references that all workers have. Only after a grace period in which nobody could find it does it say when there will be none. */
export function passiveCount(words: Int32Array, targets: number, target: number): number {
  const part = partOf(targets);
  let n = 0;
  for (let at = part + target; at < words.length; at += part) n += Atomics.load(words, at);
  return n;
}

/** Writer: the worker of `slot` is dead, what it had it has no more. */
export function passiveForget(words: Int32Array, targets: number, slot: number): void {
  const part = partOf(targets);
  words.fill(0, slot * part, (slot + 1) * part);
}

function partOf(targets: number): number {
  return Math.ceil(targets / LINE) * LINE;
}
