/**
 * image-comparer.ts — ImageComparer: finds the pages of an image that are not as they are remembered, and what is different in them.
 * Read first: ram-image.ts; ../checkpoint.ts.
 *
 *     stripe, 1 MB     what a thread takes at a time
 *     piece, 64 KB     what is compared at once, when the file has data there
 *     page, 4 KB       what is answered
 *
 * Theory of operation. A piece is compared by memcmp in place, and page by page when it is not the same. A page that is different is read once, into a scratch page: the guest may be writing
 * it, and what is remembered must be exactly what was answered. Differences go to one end of the room for them, in the order of their pages either way.
 *
 * A hole in the file is skipped: to read it through a mapping would give the guest's file a page of memory for each. Holes become data and never the other way,
 * so a piece with data in it is asked about once. For the same reason a piece of which nothing is remembered is compared with zeros that are kept for that.
 *
 * Invariants: two comparers never have the same stripe. Room for differences is as long as the image, so the two ends do not meet.
 */
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageFound } from './image-shared.js';

export const PIECE_BYTES = 65_536;
const STRIPE_BYTES = 1_048_576;
const PIECE_PAGES = PIECE_BYTES / PAGE_BYTES;
const STRIPE_PAGES = STRIPE_BYTES / PAGE_BYTES;
const PAGE_WORDS = PAGE_BYTES / 4;

/** What is known of a piece. */
const PIECE_HOLE = 0;
export const PIECE_DATA = 1;
/** A page of it, at least, is remembered otherwise than as zeros. */
const PIECE_REMEMBERED = 2;

export interface ComparedMemory {
  readonly live: Buffer;
  readonly known: Buffer;
  readonly xor: Buffer;
  readonly pages: Uint32Array;
  readonly pieces: Uint8Array;
  /** Where data begins, at `offset` or behind it; Infinity: nowhere. */
  readonly seekData: (offset: number) => number;
}

/** As words, at the alignment that mapped memory has. */
function wordsOf({ buffer, byteOffset, length }: Buffer): Int32Array {
  return new Int32Array(buffer, byteOffset, length / 4);
}

export class ImageComparer {
  private readonly memory: ComparedMemory;
  private readonly pageCount: number;
  private readonly knownWords: Int32Array;
  private readonly xorWords: Int32Array;
  private readonly zeros = Buffer.alloc(PIECE_BYTES);
  private readonly scratch = Buffer.alloc(PAGE_BYTES);
  private readonly scratchWords = wordsOf(this.scratch);
  private backwards = false;
  private found = 0;
  private foundMax = 0;

  constructor(memory: ComparedMemory) {
    this.memory = memory;
    this.pageCount = memory.live.length / PAGE_BYTES;
    this.knownWords = wordsOf(memory.known);
    this.xorWords = wordsOf(memory.xor);
  }

  /** Goes over the pages from `from` on until `pagesMax` different ones are found. */
  scan(from: number, pagesMax: number): ImageFound {
    this.begin(false, pagesMax);
    for (let at = from; at < this.pageCount; ) {
      const stripeEnd = Math.min((Math.floor(at / STRIPE_PAGES) + 1) * STRIPE_PAGES, this.pageCount);
      this.seek(at, stripeEnd);
      const next = this.stripe(at, stripeEnd);
      if (this.found === this.foundMax) return { found: this.found, next: next < this.pageCount ? next : null };
      at = stripeEnd;
    }
    return { found: this.found, next: null };
  }

  /** Goes over stripes from its end of the image until all are taken, by it or another. */
  compare(taken: Int32Array, backwards: boolean): ImageFound {
    this.begin(backwards, this.pageCount);
    const stripes = Math.ceil(this.pageCount / STRIPE_PAGES);
    for (let mine = 0; Atomics.add(taken, 0, 1) < stripes; mine++) {
      const first = (backwards ? stripes - 1 - mine : mine) * STRIPE_PAGES;
      const end = Math.min(first + STRIPE_PAGES, this.pageCount);
      this.seek(first, end);
      this.stripe(first, end);
    }
    return { found: this.found, next: null };
  }

  private begin(backwards: boolean, foundMax: number): void {
    this.backwards = backwards;
    this.found = 0;
    this.foundMax = foundMax;
  }

  /** Finds pieces with data among those that had none. */
  private seek(first: number, end: number): void {
    const { pieces, seekData } = this.memory;
    const endPiece = Math.ceil(end / PIECE_PAGES);
    for (let piece = Math.floor(first / PIECE_PAGES); piece < endPiece; piece++) {
      if (pieces[piece] !== PIECE_HOLE) continue;
      piece = Math.floor(seekData(piece * PIECE_BYTES) / PIECE_BYTES);
      if (piece < endPiece && pieces[piece] === PIECE_HOLE) pieces[piece] = PIECE_DATA;
    }
  }

  /** The page behind the last it has looked at, if it goes forwards. */
  private stripe(first: number, end: number): number {
    const { pieces } = this.memory;
    const firstPiece = Math.floor(first / PIECE_PAGES);
    const count = Math.ceil(end / PIECE_PAGES) - firstPiece;
    for (let i = 0; i < count; i++) {
      const piece = firstPiece + (this.backwards ? count - 1 - i : i);
      if (pieces[piece] === PIECE_HOLE) continue;
      const from = Math.max(first, piece * PIECE_PAGES);
      const to = Math.min(end, (piece + 1) * PIECE_PAGES);
      if (this.isSame(from, to)) continue;
      const next = this.piece(from, to);
      if (this.found === this.foundMax) return next;
    }
    return end;
  }

  private piece(first: number, end: number): number {
    const step = this.backwards ? -1 : 1;
    let page = this.backwards ? end - 1 : first;
    for (; page >= first && page < end && this.found < this.foundMax; page += step) {
      if (!this.isSame(page, page + 1)) this.take(page);
    }
    return page;
  }

  /** Pages of one piece. */
  private isSame(first: number, end: number): boolean {
    const { live, known, pieces } = this.memory;
    const from = first * PAGE_BYTES;
    const to = end * PAGE_BYTES;
    if (pieces[Math.floor(first / PIECE_PAGES)] === PIECE_REMEMBERED) return live.compare(known, from, to, from, to) === 0;
    return live.compare(this.zeros, 0, to - from, from, to) === 0;
  }

  /** Answers the page's difference, and remembers it. */
  private take(page: number): void {
    const { live, pages, pieces } = this.memory;
    const { scratch, scratchWords, knownWords, xorWords } = this;
    const place = this.backwards ? this.pageCount - 1 - this.found : this.found;
    live.copy(scratch, 0, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    const known = page * PAGE_WORDS;
    const xor = place * PAGE_WORDS;
    for (let i = 0; i < PAGE_WORDS; i++) {
      const word = scratchWords[i]!;
      xorWords[xor + i] = word ^ knownWords[known + i]!;
      knownWords[known + i] = word;
    }
    pages[place] = page;
    pieces[Math.floor(page / PIECE_PAGES)] = PIECE_REMEMBERED;
    this.found++;
  }
}
