/**
 * move-journal.ts — which interface moved where, when and how it ended: `netloom moves`.
 * Read first: docs/moves.md.
 *
 * Every move that was asked for with an interface that exists is recorded, refused ones too, oldest first, the last MOVE_RECORDS_MAX of a Kernel.
 * Vnets are recorded by name, because they may be gone when somebody reads it. The journal belongs to the host: it names both sides,
 * so nothing inside a vnet may see it.
 */
import type { Errno } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { EventHandlerList } from '../kern/eventhandler.js';
import type { IfMoveReason } from './if-move.js';

/** Moves a journal remembers. */
export const MOVE_RECORDS_MAX = 1_024;

export interface MoveRecord {
  /** Ascending from 1, without gaps. */
  readonly seq: number;
  readonly at: Micros;
  readonly how: IfMoveReason;
  /** `instance`: a new one was made; `classic`: the same object went. */
  readonly by: 'instance' | 'classic';
  readonly error: Errno;
  /** Name before, and after: another one only for an interface that came home to a taken name. */
  readonly name: string;
  readonly newName: string;
  /** Names of vnets. */
  readonly from: string;
  readonly to: string;
  readonly home: string;
  /** Interface index, the same before and after. */
  readonly index: number;
  /** Numbers of the old and the new instance (`ifp.instance`); the new one 0 when the move was refused. */
  readonly fromInstance: number;
  readonly toInstance: number;
}

export class MoveJournal {
  /** Told of each record as it is made. */
  readonly onMove = new EventHandlerList<MoveRecord>();
  private readonly records: MoveRecord[] = [];
  private made = 0;

  /** Moves recorded since the Kernel began. */
  get count(): number {
    return this.made;
  }

  add(record: Omit<MoveRecord, 'seq'>): void {
    const full = { seq: ++this.made, ...record };
    this.records.push(full);
    if (this.records.length > MOVE_RECORDS_MAX) this.records.shift();
    this.onMove.invoke(full);
  }

  /** Oldest first. */
  list(): readonly MoveRecord[] {
    return [...this.records];
  }
}
