/**
 * shared-list.ts — class SharedList: a list in shared words that one writer changes while workers walk it.
 * Read first: pslist(9) of NetBSD; kern/pslist.ts, whose contract this is; quiescence.ts.
 *
 * Theory of operation. Entries are numbers 1..entries; what they are belongs to whoever owns the list. The shared words have the first entry in word 0 and the one behind entry `e` in word `e`; what is before an
 * entry only the writer knows. A new entry's word is written before the one that leads to it. An entry that is taken out keeps its word for those who stand on it, so it goes in again only after a grace period
 * and `entryInit`; `entryDestroy` poisons it, and a worker that is still there fails, instead of taking it for the end.
 *
 * Invariants: one writer. An entry whose word is not 0, or poisoned, and that is on no list has not been initialised.
 */
import { assert } from '../base/assert.js';
import { sharedWords } from './shared-words.js';

const POISON = -1;
/** Before an entry that is on no list; 0 is the head. */
const NOWHERE = -1;

/** The first entry; 0: none. Packet path. */
export function listFirst(words: Int32Array): number {
  return words[0]!;
}

/** The entry behind `e`; 0: none. Packet path. */
export function listNext(words: Int32Array, e: number): number {
  const next = words[e]!;
  assert(next !== POISON, 'pslist: a reader follows a destroyed entry');
  return next;
}

export class SharedList {
  readonly words: Int32Array;
  /** By entry. */
  private readonly prev: Int32Array;

  constructor(entries: number) {
    this.words = sharedWords(entries + 1);
    this.prev = new Int32Array(entries + 1).fill(NOWHERE);
  }

  /** Makes it insertable, for the first time or again after a grace period. */
  entryInit(e: number): void {
    assert(this.prev[e] === NOWHERE, 'pslist entry initialised while on a list');
    this.words[e] = 0;
  }

  /** It is not used any more. After a grace period. */
  entryDestroy(e: number): void {
    assert(this.prev[e] === NOWHERE, 'pslist entry destroyed while on a list');
    this.words[e] = POISON;
  }

  insertHead(e: number): void {
    this.insert(e, 0);
  }

  insertAfter(e: number, at: number): void {
    assert(this.prev[at] !== NOWHERE, 'pslist: insertion after an entry that is on no list');
    this.insert(e, at);
  }

  insertBefore(e: number, at: number): void {
    const prev = this.prev[at]!;
    assert(prev !== NOWHERE, 'pslist: insertion before an entry that is on no list');
    this.insert(e, prev);
  }

  /** Its word stays for workers who are there. */
  remove(e: number): void {
    const prev = this.prev[e]!;
    const next = this.words[e]!;
    assert(prev !== NOWHERE, 'pslist: removal of an entry that is on no list');
    if (next !== 0) this.prev[next] = prev;
    Atomics.store(this.words, prev, next);
    this.prev[e] = NOWHERE;
  }

  isListed(e: number): boolean {
    return this.prev[e] !== NOWHERE;
  }

  private insert(e: number, at: number): void {
    const { words, prev } = this;
    assert(prev[e] === NOWHERE && words[e] === 0, 'pslist: an entry is inserted that was not initialised after its removal');
    const next = words[at]!;
    words[e] = next;
    prev[e] = at;
    if (next !== 0) prev[next] = e;
    Atomics.store(words, at, e);
  }
}
