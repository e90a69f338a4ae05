/**
 * send-buffer.ts — what a program has given to be sent and the peer has not acknowledged yet.
 * Read first: freebsd `sys/kern/uipc_sockbuf.c` (sbappendstream, sbdrop, sbsndptr).
 *
 * Theory of operation. A list of chunks (mbuf/chunk-pool.ts), the oldest byte first. `append` copies into the last chunk while that has room, and into
 * another one otherwise; `appendOwned` keeps the program's bytes as they are, `appendChunk` a chunk of the pool that somebody has filled. Acknowledged bytes are dropped from the front. Output copies
 * a range into a packet, once; it goes through the bytes from front to back again and again, so the place where it was last is remembered.
 *
 * Invariants: `bytes` is the sum of the chunks' lengths; the bytes of a chunk do not change until they are dropped.
 * Not here: sequence numbers. The first byte here is `sndUna`, but for a SYN (tcpcb.ts).
 */
import { Chunk } from '../mbuf/chunk-pool.js';
import type { ChunkPool } from '../mbuf/chunk-pool.js';
import { putBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';

export class SendBuffer {
  /** Bytes it takes at most (SO_SNDBUF). */
  hiwat: number;
  /** May it grow on its own? Not when the program has chosen the size. */
  autosize = true;
  /** Bytes waiting. */
  bytes = 0;
  /** Room that makes it writable again (SO_SNDLOWAT). */
  lowat = 2_048;
  private head: Chunk | null = null;
  private tail: Chunk | null = null;
  /** Where output was last: `cursorAt` bytes from the front begins `cursor`. */
  private cursor: Chunk | null = null;
  private cursorAt = 0;

  private readonly pool: ChunkPool;

  constructor(hiwat: number, pool: ChunkPool) {
    this.hiwat = hiwat;
    this.pool = pool;
  }

  get space(): number {
    return Math.max(0, this.hiwat - this.bytes);
  }

  /** Is there so much room again that a program should be told? An eighth of the buffer, so that one that fills it is not called for every segment. */
  get isWritable(): boolean {
    return this.hiwat - this.bytes >= Math.min(Math.max(this.lowat, this.hiwat >> 3), this.hiwat);
  }

  /** Takes a copy of the first `n` bytes of `data` from `off` on. */
  append(data: Uint8Array, off: number, n: number): void {
    let at = off;
    let left = n;
    while (left > 0) {
      let c = this.tail;
      if (c === null || c.room === 0) {
        c = this.pool.take(left, this.bytes > 0);
        this.push(c);
      }
      const fits = Math.min(left, c.room);
      putBytes(c.data, c.end, data, at, fits);
      c.end += fits;
      this.bytes += fits;
      at += fits;
      left -= fits;
    }
  }

  /** Takes `data` itself: its bytes must not change until they have been acknowledged. */
  appendOwned(data: Uint8Array): void {
    if (data.length === 0) return;
    const c = new Chunk(data, -1);
    c.end = data.length;
    this.bytes += data.length;
    this.push(c);
  }

  /** Takes over `c`, a chunk of the pool that is in no buffer. */
  appendChunk(c: Chunk): void {
    this.bytes += c.end - c.off;
    this.push(c);
  }

  /** Copies the `n` bytes that are `at` bytes behind the front to `m`, from its slot offset `to` on. The caller knows that they are there. */
  copyTo(m: PacketBuffer, to: number, at: number, n: number): void {
    let c = this.cursor;
    let start = this.cursorAt;
    if (c === null || at < start) {
      c = this.head;
      start = 0;
    }
    let put = to;
    let from = at;
    let left = n;
    while (c !== null && left > 0) {
      const len = c.end - c.off;
      if (from < start + len) {
        const skip = from - start;
        const run = Math.min(left, len - skip);
        putBytes(m.buf, put, c.data, c.off + skip, run);
        put += run;
        from += run;
        left -= run;
        if (left === 0) break;
      }
      start += len;
      c = c.next;
    }
    this.cursor = c;
    this.cursorAt = start;
  }

  /** The first `n` bytes have been acknowledged. */
  drop(n: number): void {
    let left = Math.min(n, this.bytes);
    this.bytes -= left;
    this.cursorAt -= left;
    while (left > 0 && this.head !== null) {
      const c = this.head;
      const len = c.end - c.off;
      if (left < len) {
        c.off += left;
        // The cursor's chunk begins before the front now, by what was dropped of it.
        if (c === this.cursor) this.cursorAt = 0;
        return;
      }
      left -= len;
      if (c === this.cursor) {
        this.cursor = c.next;
        this.cursorAt += len;
      }
      this.head = c.next;
      this.pool.give(c);
    }
    if (this.head === null) this.tail = this.cursor = null;
    if (this.cursor === null || this.cursor === this.head) this.cursorAt = 0;
  }

  flush(): void {
    for (let c = this.head; c !== null; c = this.head) {
      this.head = c.next;
      this.pool.give(c);
    }
    this.bytes = 0;
    this.tail = this.cursor = null;
    this.cursorAt = 0;
  }

  private push(c: Chunk): void {
    if (this.tail === null) this.head = c;
    else this.tail.next = c;
    this.tail = c;
  }
}
