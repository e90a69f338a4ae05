/**
 * frame-reader.ts — takes a byte stream apart into frames: four bytes of length, big-endian, then the frame, and so on.
 * Read first: qemu(1), "-netdev stream"; QEMU's `net/net.c`, net_fill_rstate.
 *
 * Theory of operation. A stream has no borders: a chunk of it may hold many frames, begin in the middle of one, or end in the middle of a length. Frames that are
 * whole within a chunk are handed over where they lie. What a chunk leaves over is copied aside and completed from the next.
 *
 * Invariant: of a frame that is not whole, at most HEADER + STREAM_FRAME_MAX bytes are kept.
 */
import { putBytes } from '@netloom/core';

/** Bytes of a length. */
export const STREAM_HEADER = 4;
/** The longest frame that QEMU sends or takes: 64 KB and some headers. A greater length is no length. */
export const STREAM_FRAME_MAX = 69_632;

/** Who gets the frames. Each is in `bytes[off, off + len)` until the call returns. */
export interface FrameTaker {
  frame(bytes: Uint8Array, off: number, len: number): void;
}

export class FrameReader {
  private kept: Uint8Array | null = null;
  private have = 0;

  /** Bytes of a frame that is not whole yet. */
  get pending(): number {
    return this.have;
  }

  /** Hands over the frames that `chunk` completes. Answers 0, or the length that none can have: then the stream is out of step and must not be read on. */
  push(chunk: Uint8Array, taker: FrameTaker): number {
    let at = 0;
    if (this.have > 0) {
      at = this.complete(chunk, taker);
      if (this.have > 0) return this.refused();
    }
    const end = chunk.length;
    while (end - at >= STREAM_HEADER) {
      const len = lengthAt(chunk, at);
      if (len > STREAM_FRAME_MAX) return len;
      if (end - at < STREAM_HEADER + len) break;
      taker.frame(chunk, at + STREAM_HEADER, len);
      at += STREAM_HEADER + len;
    }
    if (at < end) this.keep(chunk, at, end - at);
    return 0;
  }

  /** Completes the frame that was kept; answers how much of `chunk` that took. */
  private complete(chunk: Uint8Array, taker: FrameTaker): number {
    let at = 0;
    while (at < chunk.length) {
      const need = this.need();
      if (need < 0) return at;
      const n = Math.min(need, chunk.length - at);
      this.keep(chunk, at, n);
      at += n;
      if (this.have >= STREAM_HEADER && this.need() === 0) {
        const len = this.have - STREAM_HEADER;
        this.have = 0;
        taker.frame(this.room(), STREAM_HEADER, len);
        return at;
      }
    }
    return at;
  }

  /** Bytes that the next step needs: the rest of the length, then the rest of the frame; -1: the length is none. */
  private need(): number {
    if (this.have < STREAM_HEADER) return STREAM_HEADER - this.have;
    const len = lengthAt(this.room(), 0);
    return len > STREAM_FRAME_MAX ? -1 : STREAM_HEADER + len - this.have;
  }

  private refused(): number {
    return this.need() < 0 ? lengthAt(this.room(), 0) : 0;
  }

  private keep(chunk: Uint8Array, at: number, n: number): void {
    putBytes(this.room(), this.have, chunk, at, n);
    this.have += n;
  }

  private room(): Uint8Array {
    return (this.kept ??= new Uint8Array(STREAM_HEADER + STREAM_FRAME_MAX));
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
