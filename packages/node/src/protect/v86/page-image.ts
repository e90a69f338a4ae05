/**
 * page-image.ts — an image as it was when it was looked at last, and what is different in it by now.
 * Read first: protect/checkpoint.ts.
 *
 * Theory of operation. The image is remembered as one run of pages, which begins as zeros. A look at a part of it compares runs of RUN_PAGES first, most of which
 * are the same, and then the pages of those that are not. What is different is answered as old XOR new and remembered, in the same breath: nothing
 * can change the part in between, for one thread owns both.
 *
 * Invariant: what is remembered is what all differences that have been answered since `forget` make of zeros.
 */
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageDelta } from '../checkpoint.js';

/** 64 KB: the price of a call per run is small, and so is a run that is looked at again page by page. */
const RUN_PAGES = 16;
const PAGE_WORDS = PAGE_BYTES / 4;

/** What a look has found. */
export interface PartDelta {
  readonly pages: Uint32Array;
  readonly xor: Uint8Array;
  /** The page to go on from; null: all of the part has been looked at. */
  readonly next: number | null;
}

/** Bytes of whole pages. */
export function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}

export class PageImage {
  private old = new Uint8Array(0);

  /** Of the image, a multiple of PAGE_BYTES. It only grows. */
  get imageBytes(): number {
    return this.old.length;
  }

  /** All of it is zeros. */
  forget(imageBytes: number): void {
    this.old = new Uint8Array(wholePages(imageBytes));
  }

  /**
   * Looks at a part of the image, which begins at page `first` and is as long as `now`, from page `from` of the image on, until `pagesMax` different ones are found.
   * `now` is a multiple of 4 bytes, at an address that is one; zeros follow it to the end of its last page.
   */
  look(now: Uint8Array, first: number, from = first, pagesMax = Infinity): PartDelta {
    const end = first + Math.ceil(now.length / PAGE_BYTES);
    this.grow(end * PAGE_BYTES);
    const found: number[] = [];
    let page = Math.max(first, from);
    while (page < end && found.length < pagesMax) {
      const run = Math.min(RUN_PAGES, end - page);
      if (this.same(now, first, page, run)) page += run;
      else for (const stop = page + run; page < stop && found.length < pagesMax; page++) if (!this.same(now, first, page, 1)) found.push(page);
    }
    return { pages: Uint32Array.from(found), xor: this.learn(now, first, found), next: page < end ? page : null };
  }

  private grow(imageBytes: number): void {
    if (imageBytes <= this.old.length) return;
    const grown = new Uint8Array(imageBytes);
    grown.set(this.old);
    this.old = grown;
  }

  private same(now: Uint8Array, first: number, page: number, pages: number): boolean {
    const at = (page - first) * PAGE_BYTES;
    const bytes = Math.min(pages * PAGE_BYTES, now.length - at);
    const old = this.old.subarray(page * PAGE_BYTES, page * PAGE_BYTES + bytes);
    return Buffer.compare(old, now.subarray(at, at + bytes)) === 0;
  }

  /** Remembers those pages as they are now; what they are different by. */
  private learn(now: Uint8Array, first: number, found: readonly number[]): Uint8Array {
    const xor = new Uint32Array(found.length * PAGE_WORDS);
    for (const [i, page] of found.entries()) {
      const at = (page - first) * PAGE_BYTES;
      const bytes = Math.min(PAGE_BYTES, now.length - at);
      const old = this.old.subarray(page * PAGE_BYTES, page * PAGE_BYTES + bytes);
      xor.set(wordsOf(old), i * PAGE_WORDS);
      xorWords(xor, i * PAGE_WORDS, wordsOf(now.subarray(at, at + bytes)));
      old.set(now.subarray(at, at + bytes));
    }
    return new Uint8Array(xor.buffer);
  }
}

/** Puts differences into an image: `image` begins at page `first` of it; pages beyond its ends are left out. */
export function putDelta(delta: Pick<ImageDelta, 'pages' | 'xor'>, image: Uint8Array, first: number): void {
  for (const [i, page] of delta.pages.entries()) {
    const at = (page - first) * PAGE_BYTES;
    if (at < 0 || at >= image.length) continue;
    const bytes = Math.min(PAGE_BYTES, image.length - at);
    xorWords(wordsOf(image), at / 4, wordsOf(delta.xor.subarray(i * PAGE_BYTES, i * PAGE_BYTES + bytes)));
  }
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
}

function xorWords(into: Uint32Array, at: number, words: Uint32Array): void {
  for (let i = 0; i < words.length; i++) into[at + i]! ^= words[i]!;
}
