/**
 * addr-set6.ts — a set of IPv6 addresses in one flat array: is this address ours?
 * Read first: fwd/addr-set.ts, whose rules these are; Knuth, TAOCP vol. 3 §6.4, algorithm L (open addressing).
 *
 * Theory of operation. A place is four words, an address in zoned form. Addresses hash to a place in an array whose size is a
 * power of two and at least twice the number of addresses; a collision goes to the next place. `::` is a free place, all ones
 * one whose address was removed: neither can be a member. A removal only overwrites, and growing makes a new array, so a
 * reader on another thread sees a member from the moment `add` returns until `delete` is called. A reader may see a place
 * half written and take it for an address that is not there: who asks only to leave the short path loses nothing by that.
 *
 * Members are counted: an address set on two interfaces must be removed twice.
 */

import { LazyMap } from '../base/lazy-map.js';
import { tableWords } from './shared-words.js';

const REMOVED = -1;
const PLACE_SHIFT = 2;
const PLACES_INITIAL = 4;
/** Of every set that nothing was ever in. */
const NO_WORDS = new Int32Array(0);

export class AddrSet6 {
  words: Int32Array;
  readonly shared: boolean;
  /** Distinct members. */
  size = 0;
  /** Places that are not free. */
  private used = 0;
  /** How often members are in beyond the first time. */
  private readonly more = new LazyMap<string, number>();

  constructor(shared = false) {
    this.shared = shared;
    this.words = shared ? tableWords(0, true) : NO_WORDS;
  }

  /** Is the address of these words a member? Packet path. */
  has(w0: number, w1: number, w2: number, w3: number): boolean {
    return addrSet6Has(this.words, w0, w1, w2, w3);
  }

  /** Counts an address in. `::` and the address of all ones are never members. */
  add(w0: number, w1: number, w2: number, w3: number): void {
    if (isReserved(w0, w1, w2, w3)) return;
    if (this.has(w0, w1, w2, w3)) {
      const key = keyOf(w0, w1, w2, w3);
      this.more.set(key, (this.more.get(key) ?? 0) + 1);
      return;
    }
    this.size++;
    if ((this.used + 1) * 2 > this.words.length >>> PLACE_SHIFT) this.rehash();
    this.place(this.words, w0, w1, w2, w3);
  }

  /** Counts it out. */
  delete(w0: number, w1: number, w2: number, w3: number): void {
    if (!this.has(w0, w1, w2, w3)) return;
    if (this.more.size > 0) {
      const key = keyOf(w0, w1, w2, w3);
      const more = this.more.get(key) ?? 0;
      if (more > 1) this.more.set(key, more - 1);
      else this.more.delete(key);
      if (more > 0) return;
    }
    this.size--;
    const at = find(this.words, w0, w1, w2, w3);
    this.words.fill(REMOVED, at, at + 4);
  }

  private rehash(): void {
    let places = PLACES_INITIAL;
    while (places < this.size * 4) places *= 2;
    const old = this.words;
    const words = tableWords(places << PLACE_SHIFT, this.shared);
    this.used = 0;
    for (let at = 0; at < old.length; at += 4) {
      const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = old.subarray(at, at + 4);
      if (!isReserved(w0, w1, w2, w3)) this.place(words, w0, w1, w2, w3);
    }
    this.words = words;
  }

  private place(words: Int32Array, w0: number, w1: number, w2: number, w3: number): void {
    const mask = words.length - 1;
    let at = hash(w0, w1, w2, w3) & mask & ~3;
    while (!isFree(words, at)) at = (at + 4) & mask;
    words[at + 3] = w3;
    words[at + 2] = w2;
    words[at + 1] = w1;
    words[at] = w0;
    this.used++;
  }
}

/** Membership by the array alone, for a reader that has nothing else. The first place answers most questions, with no; the others are asked apart, so that a packet path has no loop here. */
export function addrSet6Has(words: Int32Array, w0: number, w1: number, w2: number, w3: number): boolean {
  const { length } = words;
  return length !== 0 && !isFree(words, hash(w0, w1, w2, w3) & (length - 1) & ~3) && isAmong(words, w0, w1, w2, w3);
}

function isAmong(words: Int32Array, w0: number, w1: number, w2: number, w3: number): boolean {
  return find(words, w0, w1, w2, w3) >= 0 && !isReserved(w0, w1, w2, w3);
}

/** Where the address is; -1 when it is not there. */
function find(words: Int32Array, w0: number, w1: number, w2: number, w3: number): number {
  if (words.length === 0) return -1;
  const mask = words.length - 1;
  let at = hash(w0, w1, w2, w3) & mask & ~3;
  for (;;) {
    const k3 = words[at + 3]!;
    if (k3 === (w3 | 0) && words[at] === (w0 | 0) && words[at + 1] === (w1 | 0) && words[at + 2] === (w2 | 0)) return at;
    if (k3 === 0 && isFree(words, at)) return -1;
    at = (at + 4) & mask;
  }
}

function isFree(words: Int32Array, at: number): boolean {
  return (words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]!) === 0;
}

function isReserved(w0: number, w1: number, w2: number, w3: number): boolean {
  return (w0 | w1 | w2 | w3) === 0 || (w0 & w1 & w2 & w3) === REMOVED;
}

/** Multiplicative: neighbouring addresses spread. The low two bits are not used. */
function hash(w0: number, w1: number, w2: number, w3: number): number {
  let h = Math.imul(w0 ^ Math.imul(w1, 0x85ebca6b), 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15) ^ w2, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 13) ^ w3, 0x27d4eb2f);
  return h ^ (h >>> 15);
}

function keyOf(w0: number, w1: number, w2: number, w3: number): string {
  return `${w0 | 0}.${w1 | 0}.${w2 | 0}.${w3 | 0}`;
}
