/**
 * chain.ts — Chain: things in the order they came, linked through themselves.
 * Read first: queue(3), TAILQ.
 *
 * A Set for things that come and go by the ten thousand. A Set that does so makes a new table every now and then, and V8 links the old table to the new one: once an
 * old one has been promoted, all that follow it, and with them everything that was in any of them, live until the next full collection. Here what
 * has left is linked to nothing, and coming and going allocates nothing.
 *
 * Invariant: a thing is in at most one Chain; what is in none has null links.
 */

/** What a thing needs to be in a Chain of its like. */
export interface ChainLinks<T> {
  chainNext: T | null;
  chainPrev: T | null;
}

export class Chain<T extends ChainLinks<T>> {
  size = 0;
  private head: T | null = null;
  private tail: T | null = null;

  /** The one that has been in it longest. */
  get first(): T | null {
    return this.head;
  }

  /** Appends `item`, which is in no Chain. */
  add(item: T): void {
    const { tail } = this;
    item.chainPrev = tail;
    if (tail === null) this.head = item;
    else tail.chainNext = item;
    this.tail = item;
    this.size++;
  }

  /** Takes `item` out; false when it is not here. */
  delete(item: T): boolean {
    const { chainNext: next, chainPrev: prev } = item;
    if (prev === null && this.head !== item) return false;
    if (prev === null) this.head = next;
    else prev.chainNext = next;
    if (next === null) this.tail = prev;
    else next.chainPrev = prev;
    item.chainNext = null;
    item.chainPrev = null;
    this.size--;
    return true;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let item = this.head; item !== null; item = item.chainNext) yield item;
  }
}
