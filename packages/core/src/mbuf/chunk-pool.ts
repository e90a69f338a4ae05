/**
 * chunk-pool.ts — the memory that send buffers copy into: chunks of a few sizes, and the lists of those that nobody uses.
 * Read first: tcp/send-buffer.ts.
 *
 * Theory of operation. A program that writes 64 KB at a time would make the system find, clear and collect 64 KB each time. So chunks are used
 * again: by whichever connection of whichever vnet needs one next. Free ones are kept up to CHUNKS_KEPT of a size; what a burst took beyond
 * them goes back to the system. A write gets the smallest chunk that it fits into, so that a connection which says little holds little.
 *
 * Invariant: a chunk in a list is in no buffer.
 */

/** Bytes of a chunk, smallest first. */
const CHUNK_SIZES: readonly number[] = [2_048, 16_384, 65_536];
/** Free ones kept, of each size. */
const CHUNKS_KEPT: readonly number[] = [1_024, 256, 128];

export class Chunk {
  readonly data: Uint8Array;
  /** The bytes that count are [off, end). */
  off = 0;
  end = 0;
  /** Index of its size; -1: the program's own bytes, to which nothing may be added. */
  readonly kind: number;
  next: Chunk | null = null;

  constructor(data: Uint8Array, kind: number) {
    this.data = data;
    this.kind = kind;
  }

  get room(): number {
    return this.kind < 0 ? 0 : this.data.length - this.end;
  }
}

export class ChunkPool {
  private readonly free: (Chunk | null)[] = CHUNK_SIZES.map(() => null);
  private readonly kept: number[] = CHUNK_SIZES.map(() => 0);

  /** An empty chunk for `bytes` bytes, or as many of them as one can hold; with `more` for what follows them, too. */
  take(bytes: number, more: boolean): Chunk {
    let kind = more ? 1 : 0;
    while (kind < CHUNK_SIZES.length - 1 && CHUNK_SIZES[kind]! < bytes) kind++;
    const c = this.free[kind]!;
    if (c === null) return new Chunk(new Uint8Array(CHUNK_SIZES[kind]!), kind);
    this.free[kind] = c.next;
    this.kept[kind]!--;
    c.next = null;
    c.off = 0;
    c.end = 0;
    return c;
  }

  /** `c` is in no buffer any more. */
  give(c: Chunk): void {
    const { kind } = c;
    if (kind < 0 || this.kept[kind]! >= CHUNKS_KEPT[kind]!) {
      c.next = null;
      return;
    }
    c.next = this.free[kind]!;
    this.free[kind] = c;
    this.kept[kind]!++;
  }
}
