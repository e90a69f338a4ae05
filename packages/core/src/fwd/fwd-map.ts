/**
 * fwd-map.ts — a hash table that one writer changes while readers on other threads look things up.
 * Read first: Knuth, TAOCP vol. 3 §6.4, algorithm L; quiescence.ts (grace periods).
 *
 * Theory of operation. Open addressing with linear probing over one Int32Array. A place is a key of three words (or of five) and a value, one word:
 *
 *     key0 key1 key2 value        or        key0 … key4 value 0 0
 *
 *     value 0: never used, a search ends here      value < 0: the key is not here any more, a search goes on      value > 0: the answer
 *
 * A place keeps its key as long as the array lives. So an answer is one word that is stored at once: a reader sees the old one or the new one, and a key half written
 * belongs to a place whose value is still 0. Removing leaves the key; the same key comes back into the same place. When half of the places have a key the
 * living entries are written into another array, which replaces this one: a reader of the old array sees how things were at that moment, until it is told.
 *
 * `marks` has a word for each place that readers may write: "seen". It lies apart, so that it does not share cache lines with what everybody reads.
 *
 * Invariants: values are 1..2^31-1. Half of the places at least have value 0. Only the writer changes `words`.
 */
import { assert } from '../base/assert.js';
import { sharedWords } from './shared-words.js';

/** Value of a place whose key is not in the table any more. */
const GONE = -1;
const PLACES_MIN = 16;

/** The reading side. */
export class FwdMapView {
  words: Int32Array;
  marks: Int32Array;
  /** Enters every hash, so that who does not know it cannot choose keys that all fall into one run. */
  readonly key: number;
  protected mask: number;

  constructor(words: Int32Array, marks: Int32Array, key: number) {
    this.words = words;
    this.key = key;
    this.marks = marks;
    this.mask = marks.length - 1;
  }

  /** From now on these arrays are meant. */
  attach(words: Int32Array, marks: Int32Array): void {
    this.words = words;
    this.marks = marks;
    this.mask = marks.length - 1;
  }

  /** Position of the value of a three-word key; -1 when it is not there. */
  placeOf(k0: number, k1: number, k2: number): number {
    const { words, mask } = this;
    let i = hash3(k0 ^ this.key, k1, k2) & mask;
    for (;;) {
      const at = i << 2;
      const value = words[at + 3]!;
      if (value === 0) return -1;
      if (words[at] === k0 && words[at + 1] === k1 && words[at + 2] === k2) return value > 0 ? at + 3 : -1;
      i = (i + 1) & mask;
    }
  }

  /** The value of a three-word key; 0 when it is not there. Keys are signed words. */
  find(k0: number, k1: number, k2: number): number {
    const { words, mask } = this;
    let i = hash3(k0 ^ this.key, k1, k2) & mask;
    for (;;) {
      const at = i << 2;
      const value = words[at + 3]!;
      if (value === 0) return 0;
      if (words[at] === k0 && words[at + 1] === k1 && words[at + 2] === k2) return value > 0 ? value : 0;
      i = (i + 1) & mask;
    }
  }

  /**
   * The value of a five-word key; 0 when it is not there. For a table of such keys. The first place answers nearly always; the others are asked apart, so that a packet
   * path has no loop here.
   */
  find5(k0: number, k1: number, k2: number, k3: number, k4: number): number {
    const { words, mask } = this;
    const i = hash3(hash3(k0 ^ this.key, k1, k2), k3, k4) & mask;
    const at = i << 3;
    const value = words[at + 5]!;
    if (value > 0 && words[at] === k0 && words[at + 1] === k1 && words[at + 2] === k2 && words[at + 3] === k3 && words[at + 4] === k4) return value;
    return value === 0 ? 0 : this.findFrom5(i, k0, k1, k2, k3, k4);
  }

  /** The same from place `i` on. */
  private findFrom5(i: number, k0: number, k1: number, k2: number, k3: number, k4: number): number {
    const { words, mask } = this;
    for (;;) {
      const at = i << 3;
      const value = words[at + 5]!;
      if (value === 0) return 0;
      if (words[at] === k0 && words[at + 1] === k1 && words[at + 2] === k2 && words[at + 3] === k3 && words[at + 4] === k4) return value > 0 ? value : 0;
      i = (i + 1) & mask;
    }
  }

  /** Says that the key whose value is at `place` (from `placeOf`) has been seen in round `round`. Stores only what is new. */
  mark(place: number, round: number): void {
    const i = place >> 2;
    if (this.marks[i] !== round) this.marks[i] = round;
  }
}

/** The writing side, and a reader of its own. */
export class FwdMap extends FwdMapView {
  /** Called after the arrays were replaced: readers elsewhere must be told. */
  onReplace: (() => void) | null = null;
  /** Keys with a value. */
  count = 0;
  private readonly keyWords: number;
  private readonly shift: number;
  /** Places with a key. */
  private used = 0;

  /** `key`: any 32-bit number, unknown to the network. */
  constructor(keyWords: 3 | 5, key: number) {
    const shift = keyWords === 3 ? 2 : 3;
    super(sharedWords(PLACES_MIN << shift), sharedWords(PLACES_MIN), key | 0);
    this.keyWords = keyWords;
    this.shift = shift;
  }

  get bytes(): number {
    return this.words.byteLength + this.marks.byteLength;
  }

  /** The key stands for `value` from now on; 0 takes it out. */
  set(value: number, k0: number, k1: number, k2: number, k3 = 0, k4 = 0): void {
    assert(value >= 0, 'a value of a forwarding map is negative');
    const at = this.locate(k0, k1, k2, k3, k4);
    const was = this.words[at + this.keyWords]!;
    if (was === 0) {
      if (value !== 0) this.insert(value, k0, k1, k2, k3, k4);
      return;
    }
    if (was < 0 && value > 0) this.count++;
    if (was > 0 && value === 0) this.count--;
    if (was > 0 || value > 0) this.marks[at >> this.shift] = 0;
    Atomics.store(this.words, at + this.keyWords, value === 0 ? GONE : value);
  }

  /** The round the key was last seen in; 0: not since its value changed. For three-word keys. */
  seen(k0: number, k1: number, k2: number): number {
    const place = this.placeOf(k0, k1, k2);
    return place < 0 ? 0 : this.marks[place >> 2]!;
  }

  /** Start of the place with this key, or of the place it would get. */
  private locate(k0: number, k1: number, k2: number, k3: number, k4: number): number {
    const { words, mask, keyWords, shift } = this;
    const h = hash3(k0 ^ this.key, k1, k2);
    let i = (keyWords === 3 ? h : hash3(h, k3, k4)) & mask;
    for (;;) {
      const at = i << shift;
      if (words[at + keyWords] === 0) return at;
      if (words[at] === k0 && words[at + 1] === k1 && words[at + 2] === k2 && (keyWords === 3 || (words[at + 3] === k3 && words[at + 4] === k4))) return at;
      i = (i + 1) & mask;
    }
  }

  private insert(value: number, k0: number, k1: number, k2: number, k3: number, k4: number): void {
    if ((this.used + 1) * 2 > this.mask + 1) this.replace();
    const at = this.locate(k0, k1, k2, k3, k4);
    const { words, keyWords } = this;
    words[at] = k0;
    words[at + 1] = k1;
    words[at + 2] = k2;
    if (keyWords === 5) {
      words[at + 3] = k3;
      words[at + 4] = k4;
    }
    Atomics.store(words, at + keyWords, value);
    this.used++;
    this.count++;
  }

  /** Other arrays, with the living entries alone and room for as many again. */
  private replace(): void {
    const { words, marks, keyWords, shift } = this;
    let places = PLACES_MIN;
    while (places < (this.count + 1) * 4) places *= 2;
    this.attach(sharedWords(places << shift), sharedWords(places));
    this.used = 0;
    this.count = 0;
    for (let i = 0; i < marks.length; i++) {
      const at = i << shift;
      if (words[at + keyWords]! <= 0) continue;
      this.insert(words[at + keyWords]!, words[at]!, words[at + 1]!, words[at + 2]!, keyWords === 5 ? words[at + 3]! : 0, keyWords === 5 ? words[at + 4]! : 0);
      this.marks[this.locate(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, words[at + 4]!) >> shift] = marks[i]!;
    }
    this.onReplace?.();
  }
}

function hash3(k0: number, k1: number, k2: number): number {
  let h = Math.imul(k0 | 0, 0x9e3779b1) ^ Math.imul(k1 | 0, 0x85ebca6b) ^ Math.imul(k2 | 0, 0xc2b2ae35);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ (h >>> 13);
}
