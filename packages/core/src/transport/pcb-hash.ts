/**
 * pcb-hash.ts — a hash table whose chains run through the things in it.
 *
 * Theory of operation. A thing has one PcbLink for every table it can be in. Inserting and looking up allocate nothing; the bucket
 * array doubles when there are more links than buckets. The table knows hashes only: whoever follows a chain compares what the
 * hash was made of. A chain has the newest first, also after the table has grown. Chains can be long, as those of a server's port, where all its
 * connections are: so a link knows its predecessor, too, and leaves without a search.
 *
 * An empty table takes no bucket array.
 *
 * Invariant: a link is in at most one table, `linked` says whether it is.
 */

const BUCKETS_MIN = 16;
/** Of every table that nothing was ever in. */
const NO_BUCKETS: null[] = [null];

/** The place of `item` in one table. */
export class PcbLink<T> {
  readonly item: T;
  /** A signed 32-bit number, which engines keep unboxed. */
  hash = 0;
  next: PcbLink<T> | null = null;
  prev: PcbLink<T> | null = null;
  linked = false;

  constructor(item: T) {
    this.item = item;
  }
}

export class PcbHash<T> {
  /** Links in the table. */
  count = 0;
  private buckets: (PcbLink<T> | null)[] = NO_BUCKETS;

  /** The chain of `hash`: follow `next`, and compare. */
  first(hash: number): PcbLink<T> | null {
    return this.buckets[hash & (this.buckets.length - 1)] ?? null;
  }

  insert(link: PcbLink<T>, hash: number): void {
    if (link.linked) return;
    if (this.buckets === NO_BUCKETS) this.buckets = new Array<PcbLink<T> | null>(BUCKETS_MIN).fill(null);
    if (this.count >= this.buckets.length) this.grow();
    const b = hash & (this.buckets.length - 1);
    link.hash = hash;
    link.linked = true;
    const first = this.buckets[b] ?? null;
    link.next = first;
    link.prev = null;
    if (first !== null) first.prev = link;
    this.buckets[b] = link;
    this.count++;
  }

  remove(link: PcbLink<T>): void {
    if (!link.linked) return;
    const { next, prev } = link;
    if (prev === null) this.buckets[link.hash & (this.buckets.length - 1)] = next;
    else prev.next = next;
    if (next !== null) next.prev = prev;
    link.next = null;
    link.prev = null;
    link.linked = false;
    this.count--;
  }

  /** Each chain splits in two, in order. */
  private grow(): void {
    const old = this.buckets;
    const n = old.length;
    this.buckets = new Array<PcbLink<T> | null>(n * 2).fill(null);
    const tails = new Array<PcbLink<T> | null>(n * 2).fill(null);
    for (const head of old) {
      for (let link = head; link !== null; ) {
        const { next }: { next: PcbLink<T> | null } = link;
        const b = link.hash & (2 * n - 1);
        const tail = tails[b] ?? null;
        link.next = null;
        link.prev = tail;
        if (tail === null) this.buckets[b] = link;
        else tail.next = link;
        tails[b] = link;
        link = next;
      }
    }
  }
}
