/**
 * held-epoch.ts — class HeldEpoch: what one epoch has written to a disk, in memory.
 * Read first: epoch-disk.ts.
 *
 * Theory of operation. Written bytes are kept by blocks of BLOCK_BYTES; a block that was written in part says which bytes are its own, so nothing is read from the file to
 * fill it up. Ranges of zeros have no bytes: a guest that discards all of a disk costs one range. Zeros come first and blocks on top of them:
 *
 *     zeros    |0000000000000000|        |0000|
 *     blocks        |dddd|   |dd|  |dd|
 *     what is read  0 d      0 d   base d  0
 *
 * so zeros that are written over a block are written into it, and a block once there stays until its epoch leaves. That keeps the count of bytes honest: a block may be a part
 * of the request that brought it (no copy), and that memory is free only when the last of its blocks is.
 *
 * Invariants: blocks do not change once the epoch is closed; `bytes` never falls.
 */
import { ByteRanges } from './byte-ranges.js';

export const BLOCK_BYTES = 4096;
/** What a range of zeros is counted as. */
const RANGE_COST_BYTES = 64;
/** Contiguous blocks are handed on in pieces of this size at most. */
export const RUN_BYTES_MAX = 1_048_576;

/** Bytes at a place of a disk. */
export interface DiskBytes {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A part of a disk that is zeros. */
export interface DiskZeros {
  readonly offset: number;
  readonly length: number;
}

/** What is written to a disk: zeros first, then the bytes. No two of `data` overlap. */
export interface DiskWrites {
  readonly zeros: readonly DiskZeros[];
  readonly data: readonly DiskBytes[];
  /** The guest asked that what it has written be durable. */
  readonly flushed: boolean;
}

/** Bytes that lie side by side on the disk, and in memory wherever they happen to be. */
export interface DiskRun {
  readonly offset: number;
  readonly pieces: readonly Uint8Array[];
}

interface HeldBlock {
  readonly bytes: Uint8Array;
  /** Which of its bytes were written; null: all. */
  written: ByteRanges | null;
}

export class HeldEpoch {
  /** Its number; that of an open epoch is known for sure when it is closed. */
  epoch: number;
  flushed = false;
  private readonly zeros = new ByteRanges();
  private readonly blocks = new Map<number, HeldBlock>();

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  /** Memory that is bound by it. */
  get bytes(): number {
    return this.blocks.size * BLOCK_BYTES + this.zeros.count * RANGE_COST_BYTES;
  }

  /** `bytes` are its own from now on, and so is the memory around them that they are a part of. */
  write(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const place = offset + at;
      const within = place % BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES - within, bytes.length - at);
      this.writeBlock((place - within) / BLOCK_BYTES, within, bytes.subarray(at, at + length));
      at += length;
    }
  }

  zero(offset: number, length: number): void {
    const end = offset + length;
    this.zeros.add(offset, end);
    const first = Math.floor(offset / BLOCK_BYTES);
    const last = Math.floor((end - 1) / BLOCK_BYTES);
    // Whichever is fewer: the blocks of the range, or those that are here.
    const few = last - first < this.blocks.size;
    for (const number of few ? span(first, last) : this.blocks.keys()) {
      if (number >= first && number <= last) this.zeroBlock(number, offset, end);
    }
  }

  /** Puts what it has of the bytes from `offset` on over `into`. */
  overlay(into: Uint8Array, offset: number): void {
    const end = offset + into.length;
    for (const part of this.zeros.within(offset, end)) into.fill(0, part.start - offset, part.end - offset);
    if (this.blocks.size === 0) return;
    for (let number = Math.floor(offset / BLOCK_BYTES); number * BLOCK_BYTES < end; number++) {
      const block = this.blocks.get(number);
      if (block === undefined) continue;
      const base = number * BLOCK_BYTES;
      for (const part of partsOf(block, Math.max(0, offset - base), Math.min(BLOCK_BYTES, end - base))) into.set(block.bytes.subarray(part.start, part.end), base + part.start - offset);
    }
  }

  zeroRanges(): DiskZeros[] {
    return this.zeros.all().map(({ start, end }) => ({ offset: start, length: end - start }));
  }

  /** All that it has written, ascending, joined where it is contiguous. */
  * runs(): Generator<DiskRun> {
    let run: { offset: number; pieces: Uint8Array[] } | null = null;
    let end = 0;
    for (const number of [...this.blocks.keys()].sort((a, b) => a - b)) {
      const block = this.blocks.get(number)!;
      for (const part of partsOf(block, 0, BLOCK_BYTES)) {
        const at = number * BLOCK_BYTES + part.start;
        const bytes = block.bytes.subarray(part.start, part.end);
        if (run === null || at !== end || end + bytes.length - run.offset > RUN_BYTES_MAX) {
          if (run !== null) yield run;
          run = { offset: at, pieces: [] };
        }
        join(run.pieces, bytes);
        end = at + bytes.length;
      }
    }
    if (run !== null) yield run;
  }

  /** The same to be sent elsewhere. The bytes may be its own: they are not to be changed. */
  writes(): DiskWrites {
    const data = Array.from(this.runs(), ({ offset, pieces }) => ({ offset, bytes: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces) }));
    return { zeros: this.zeroRanges(), data, flushed: this.flushed };
  }

  private writeBlock(number: number, within: number, bytes: Uint8Array): void {
    const block = this.blocks.get(number);
    if (block !== undefined) {
      block.bytes.set(bytes, within);
      mark(block, within, within + bytes.length);
    } else if (bytes.length === BLOCK_BYTES) {
      this.blocks.set(number, { bytes, written: null });
    } else {
      const made = { bytes: new Uint8Array(BLOCK_BYTES), written: new ByteRanges() };
      made.bytes.set(bytes, within);
      made.written.add(within, within + bytes.length);
      this.blocks.set(number, made);
    }
  }

  private zeroBlock(number: number, offset: number, end: number): void {
    const block = this.blocks.get(number);
    if (block === undefined) return;
    const base = number * BLOCK_BYTES;
    const from = Math.max(0, offset - base);
    const to = Math.min(BLOCK_BYTES, end - base);
    block.bytes.fill(0, from, to);
    mark(block, from, to);
  }
}

function mark(block: HeldBlock, start: number, end: number): void {
  if (block.written === null) return;
  block.written.add(start, end);
  if (block.written.within(0, BLOCK_BYTES).some((part) => part.end - part.start === BLOCK_BYTES)) block.written = null;
}

function partsOf(block: HeldBlock, start: number, end: number): readonly { readonly start: number; readonly end: number }[] {
  return block.written === null ? [{ start, end }] : block.written.within(start, end);
}

function* span(first: number, last: number): Generator<number> {
  for (let number = first; number <= last; number++) yield number;
}

/** Adds a piece, as one with the last when they are side by side in memory. */
function join(pieces: Uint8Array[], bytes: Uint8Array): void {
  const last = pieces.at(-1);
  if (last === undefined || last.buffer !== bytes.buffer || last.byteOffset + last.length !== bytes.byteOffset) pieces.push(bytes);
  else pieces[pieces.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + bytes.length);
}
