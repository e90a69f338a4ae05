/**
 * pslist.ts — a list that one writer changes while readers walk it.
 * Read first: pslist(9) of NetBSD; pserialize.ts.
 *
 * Theory of operation. Doubly linked for the writer, singly for readers. An entry that is removed keeps its `next`, so that a reader who stands on it finds its way
 * on; so it must not go back into a list before those readers are gone (a grace period) and `entryInit` has cleared it. Insertion asserts
 * that. `entryDestroy` poisons an entry: a reader who is still there fails, instead of taking it for the end of the list.
 *
 * Invariants: `prev` is null exactly while an entry is on no list; only the writer reads it. Writers are serialised by their lock.
 */
import { assert } from '../base/assert.js';

export class PslistEntry<T> {
  readonly owner: T;
  /** The entry or the head before it; writers only. */
  prev: PslistEntry<T> | PslistHead<T> | null = null;
  next: PslistEntry<T> | null = null;
  /** Destroyed: whoever follows it is late. */
  poisoned = false;

  constructor(owner: T) {
    this.owner = owner;
  }

  /** Makes it insertable, for the first time or again after a grace period. */
  entryInit(): void {
    assert(this.prev === null, 'pslist entry initialised while on a list');
    this.next = null;
    this.poisoned = false;
  }

  /** It is not used any more. */
  entryDestroy(): void {
    assert(this.prev === null, 'pslist entry destroyed while on a list');
    this.next = null;
    this.poisoned = true;
  }

  /** Writer. */
  insertBefore(entry: PslistEntry<T>): void {
    const { prev } = this;
    assert(prev !== null, 'pslist: insertion before an entry that is on no list');
    fresh(entry);
    entry.next = this;
    entry.prev = prev;
    this.prev = entry;
    prev.next = entry;
  }

  /** Writer. */
  insertAfter(entry: PslistEntry<T>): void {
    assert(this.prev !== null, 'pslist: insertion after an entry that is on no list');
    fresh(entry);
    entry.next = this.next;
    entry.prev = this;
    if (this.next !== null) this.next.prev = entry;
    this.next = entry;
  }

  /** Writer. `next` stays for readers who are here. */
  remove(): void {
    const { prev, next } = this;
    assert(prev !== null, 'pslist: removal of an entry that is on no list');
    if (next !== null) next.prev = prev;
    prev.next = next;
    this.prev = null;
  }

  /** Reader: the one behind this. */
  readerNext(): PslistEntry<T> | null {
    assert(!this.poisoned, 'pslist: a reader follows a destroyed entry');
    return this.next;
  }
}

export class PslistHead<T> {
  /** The first entry. */
  next: PslistEntry<T> | null = null;

  /** Writer. */
  insertHead(entry: PslistEntry<T>): void {
    fresh(entry);
    entry.next = this.next;
    entry.prev = this;
    if (this.next !== null) this.next.prev = entry;
    this.next = entry;
  }

  readerFirst(): PslistEntry<T> | null {
    return this.next;
  }

  /** Reader: every owner in order. Not for packet paths: a generator allocates. */
  *readers(): Generator<T> {
    for (let e = this.readerFirst(); e !== null; e = e.readerNext()) yield e.owner;
  }

  destroy(): void {
    assert(this.next === null, 'pslist destroyed with entries');
  }
}

function fresh(entry: PslistEntry<unknown>): void {
  assert(entry.prev === null && entry.next === null && !entry.poisoned, 'pslist: an entry is inserted that was not initialised after its removal');
}
