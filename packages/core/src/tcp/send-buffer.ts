/**
 * send-buffer.ts — what a program has given to be sent and the peer has not acknowledged yet.
 * Read first: freebsd `sys/kern/uipc_sockbuf.c` (sbappendstream, sbdrop, sbsndptr).
 *
 * Theory of operation. A list of chunks, the oldest byte first. `append` copies into the last chunk while that is the buffer's own and has room,
 * and into a new one otherwise; `appendOwned` keeps the program's bytes as they are. Acknowledged bytes are dropped from the front. Output copies
 * a range into a packet, once; it goes through the bytes from front to back again and again, so the place where it was last is remembered.
 *
 * Invariants: `bytes` is the sum of the chunks' lengths; the bytes of a chunk never change.
 * Not here: sequence numbers. The first byte here is `sndUna`, but for a SYN (tcpcb.ts).
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';

/** Bytes of a chunk that small writes are gathered in. */
const CHUNK_BYTES = 16_384;

class Chunk {
  readonly data: Uint8Array;
  /** The bytes that count are [off, end). */
  off = 0;
  end: number;
  readonly isOwn: boolean;
  next: Chunk | null = null;

  constructor(data: Uint8Array, end: number, isOwn: boolean) {
    this.data = data;
    this.end = end;
    this.isOwn = isOwn;
  }
}

export class SendBuffer {
  /** Bytes it takes at most (SO_SNDBUF). */
  hiwat: number;
  /** Bytes waiting. */
  bytes = 0;
  /** Room that makes it writable again (SO_SNDLOWAT). */
  lowat = 2_048;
  private head: Chunk | null = null;
  private tail: Chunk | null = null;
  /** Where output was last: `cursorAt` bytes from the front begins `cursor`. */
  private cursor: Chunk | null = null;
  private cursorAt = 0;

  constructor(hiwat: number) {
    this.hiwat = hiwat;
  }

  get space(): number {
    return Math.max(0, this.hiwat - this.bytes);
  }

  /** Takes a copy of the first `n` bytes of `data` from `off` on. */
  append(data: Uint8Array, off: number, n: number): void {
    let at = off;
    let left = n;
    const { tail } = this;
    if (tail !== null && tail.isOwn && tail.end < tail.data.length) {
      const fits = Math.min(left, tail.data.length - tail.end);
      tail.data.set(data.subarray(at, at + fits), tail.end);
      tail.end += fits;
      this.bytes += fits;
      at += fits;
      left -= fits;
    }
    if (left === 0) return;
    const own = new Uint8Array(left >= CHUNK_BYTES ? left : Math.min(CHUNK_BYTES, Math.max(left, this.chunkFor())));
    own.set(data.subarray(at, at + left));
    this.push(new Chunk(own, left, true));
  }

  /** Takes `data` itself: its bytes must not change until they have been acknowledged. */
  appendOwned(data: Uint8Array): void {
    if (data.length > 0) this.push(new Chunk(data, data.length, false));
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
        m.buf.set(c.data.subarray(c.off + skip, c.off + skip + run), put);
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
    }
    if (this.head === null) this.tail = this.cursor = null;
    if (this.cursor === null || this.cursor === this.head) this.cursorAt = 0;
  }

  flush(): void {
    this.bytes = 0;
    this.head = this.tail = this.cursor = null;
    this.cursorAt = 0;
  }

  private push(c: Chunk): void {
    if (this.tail === null) this.head = c;
    else this.tail.next = c;
    this.tail = c;
    this.bytes += c.end;
  }

  /** A buffer that is used a little is given little. */
  private chunkFor(): number {
    return this.bytes === 0 ? 512 : CHUNK_BYTES;
  }
}
