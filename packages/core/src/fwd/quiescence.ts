/**
 * quiescence.ts — when may what a worker could still be reading be used again? Grace periods, in words that all threads share.
 * Read first: McKenney, "Is Parallel Programming Hard", §9.5.4 (quiescent-state-based reclamation); docs/contexts.md "Readers on other processors".
 *
 * Theory of operation. A worker reads tables without saying so. Once a batch it says that it holds nothing any more (`quiesce`), and before it sleeps that it will hold
 * nothing (`offline`). The one writer takes something out of the tables, begins a *grace period* (`begin`), and uses it again when the period has
 * passed (`passed`): every worker is offline, or has been at a quiescent point since. That costs a worker one atomic load a batch, and a store when a period has begun.
 *
 *     line 0       PERIOD   number of the youngest grace period       WAITING  1 while the writer wants to be told that a worker passed
 *     line `slot`  ACK      the youngest period the worker knows of   STATE    below          BEAT  changes with every batch
 *
 * A line has the size of two cache lines, so that workers do not disturb each other. The order of accesses is the protocol, all of them sequentially consistent:
 *
 *     writer   take out; PERIOD + 1;       then read STATE, ACK of each     reader  batch; read PERIOD; write ACK
 *     awake    STATE = ONLINE; then read PERIOD; write ACK; then the batch          write ACK (or STATE); then read WAITING
 *
 * A writer that still saw OFFLINE began its period before the reader reads PERIOD, so that reader sees what was taken out; one that saw ONLINE waits for the ACK. Of "write ACK, read WAITING"
 * and "write WAITING, read ACK" one side sees the other, so no bell is lost. Periods are numbers of 32 bits that are compared by their difference.
 *
 * A worker that died is marked DEAD, by who has seen its thread end, and is not waited for. A thread that was only thought dead finds that in `quiesce` or `online`, and must end.
 * Without shared memory (one thread) the words are an ordinary array, and nobody is ever waited for.
 * Invariants: a line's ACK and BEAT are written by its worker, its STATE by the worker between ONLINE and OFFLINE, otherwise by the writer; one writer.
 * Not here: who is told when a period has passed (kern/readers.ts), and how a worker rings (the host).
 */
import { assert } from '../base/assert.js';
import { sharedWords } from './shared-words.js';

/** Words of a line: 128 bytes. */
const LINE = 32;
const LINE_SHIFT = 5;
const PERIOD = 0;
const WAITING = 1;
const ACK = 0;
const STATE = 1;
const BEAT = 2;

/** Nobody has this slot. */
export const READER_ABSENT = 0;
/** May be reading. */
export const READER_ONLINE = 1;
/** Sleeps, and reads nothing. */
export const READER_OFFLINE = 2;
/** Its thread has ended without a farewell. */
export const READER_DEAD = 3;
export type ReaderState = typeof READER_ABSENT | typeof READER_ONLINE | typeof READER_OFFLINE | typeof READER_DEAD;

/** What a reader is told by its own calls: nothing to do. */
export const QUIET = 0;
/** Ring the writer's bell: it waits for somebody to pass. */
export const QUIET_RING = 1;
/** You have been declared dead: read nothing any more, and end. */
export const QUIET_DEAD = 2;
export type Quiet = typeof QUIET | typeof QUIET_RING | typeof QUIET_DEAD;

/** Words for up to `readers` workers, in shared memory where there is any. */
export function quiescenceWords(readers: number): Int32Array {
  return sharedWords((readers + 1) * LINE);
}

/** The worker's side. */
export class QuiescentReader {
  readonly words: Int32Array;
  readonly slot: number;
  private readonly at: number;
  private readonly adopt: (() => void) | null;
  private acked = 0;
  private beat = 0;
  private awake = false;

  /**
   * @param slot what `GracePeriods.claim` answered.
   * @param adopt takes over what the writer has sent before it began a period (arrays that replace others): called before that period is acknowledged, because
   * afterwards what only the replaced arrays lead to is used again.
   */
  constructor(words: Int32Array, slot: number, adopt: (() => void) | null = null) {
    this.words = words;
    this.slot = slot;
    this.adopt = adopt;
    this.at = slot << LINE_SHIFT;
  }

  /** May it read? */
  get isOnline(): boolean {
    return this.awake;
  }

  /** From here on it reads: before the first batch, and after every sleep. */
  online(): Quiet {
    assert(!this.awake, 'a reader goes online twice');
    const { words, at } = this;
    if (Atomics.load(words, at + STATE) !== READER_OFFLINE) return QUIET_DEAD;
    // After a long sleep the last acknowledgement may be so old that it looks like a future one, and the writer may look before `pass`.
    Atomics.store(words, at + ACK, Atomics.load(words, PERIOD));
    if (Atomics.compareExchange(words, at + STATE, READER_OFFLINE, READER_ONLINE) !== READER_OFFLINE) return QUIET_DEAD;
    this.awake = true;
    return this.pass(Atomics.load(words, PERIOD));
  }

  /** Between batches: it holds nothing of what it read. */
  quiesce(): Quiet {
    const { words, at } = this;
    words[at + BEAT] = this.beat = (this.beat + 1) | 0;
    const period = Atomics.load(words, PERIOD);
    return period === this.acked ? QUIET : this.pass(period);
  }

  /** It gave back something that it had kept over batches: the next quiescent point tells whoever waits. */
  hurry(): void {
    this.acked = (this.acked - 1) | 0;
  }

  /** Before it sleeps: it holds nothing, and reads nothing until `online`. */
  offline(): Quiet {
    assert(this.awake, 'a reader goes offline twice');
    this.awake = false;
    const { words, at } = this;
    if (Atomics.compareExchange(words, at + STATE, READER_ONLINE, READER_OFFLINE) !== READER_ONLINE) return QUIET_DEAD;
    return Atomics.load(words, WAITING) === 0 ? QUIET : QUIET_RING;
  }

  private pass(period: number): Quiet {
    const { words, at } = this;
    assert(this.awake, 'a quiescent point of a reader that is offline');
    this.adopt?.();
    Atomics.store(words, at + ACK, period);
    this.acked = period;
    if (Atomics.load(words, at + STATE) !== READER_ONLINE) {
      this.awake = false;
      return QUIET_DEAD;
    }
    return Atomics.load(words, WAITING) === 0 ? QUIET : QUIET_RING;
  }
}

/** The writer's side. */
export class GracePeriods {
  readonly words: Int32Array;
  /** Slots are 1..slots. */
  readonly slots: number;

  constructor(words: Int32Array) {
    this.words = words;
    this.slots = (words.length >> LINE_SHIFT) - 1;
  }

  /** A slot for a new worker, which is offline until it says otherwise; 0 when all are taken. */
  claim(): number {
    for (let slot = 1; slot <= this.slots; slot++) {
      const state = this.state(slot);
      if (state !== READER_ABSENT && state !== READER_DEAD) continue;
      Atomics.store(this.words, (slot << LINE_SHIFT) + STATE, READER_OFFLINE);
      return slot;
    }
    return 0;
  }

  /** The worker of `slot` will not come again. It is offline. */
  release(slot: number): void {
    const was = Atomics.compareExchange(this.words, (slot << LINE_SHIFT) + STATE, READER_OFFLINE, READER_ABSENT);
    assert(was === READER_OFFLINE || was === READER_DEAD, 'a reader is released that may be reading');
    if (was === READER_DEAD) Atomics.store(this.words, (slot << LINE_SHIFT) + STATE, READER_ABSENT);
  }

  /** The thread of `slot` has ended: nobody waits for it any more. Before it has ended this is wrong. */
  bury(slot: number): void {
    Atomics.store(this.words, (slot << LINE_SHIFT) + STATE, READER_DEAD);
    // So that a thread that lives after all looks at its state.
    Atomics.add(this.words, PERIOD, 1);
  }

  state(slot: number): ReaderState {
    return Atomics.load(this.words, (slot << LINE_SHIFT) + STATE) as ReaderState;
  }

  /** Changes with every batch: one that is online and whose beat stands still hangs. */
  beat(slot: number): number {
    return Atomics.load(this.words, (slot << LINE_SHIFT) + BEAT);
  }

  /** Something has been taken out. Answers the number to ask `passed` with. */
  begin(): number {
    return (Atomics.add(this.words, PERIOD, 1) + 1) | 0;
  }

  /** Has every worker that could see what was taken out before `begin` answered `period` been at a quiescent point? */
  passed(period: number): boolean {
    const { words, slots } = this;
    for (let slot = 1; slot <= slots; slot++) {
      const at = slot << LINE_SHIFT;
      if (Atomics.load(words, at + STATE) === READER_ONLINE && ((Atomics.load(words, at + ACK) - period) | 0) < 0) return false;
    }
    return true;
  }

  /** Whether workers are to ring when they pass. Set before `passed` is asked for the last time. */
  wait(waiting: boolean): void {
    Atomics.store(this.words, WAITING, waiting ? 1 : 0);
  }
}
