/**
 * addr-set.ts — a set of IPv4 addresses in one flat array: is this address ours?
 * Read first: Knuth, TAOCP vol. 3 §6.4, algorithm L (open addressing).
 *
 * Theory of operation. Addresses hash to a place in an array whose size is a power of two and at least eight times the number of
 * addresses, so that the first place answers nearly every question, with no; a collision goes to the next place. 0 is a free place, 255.255.255.255 one whose address was removed: neither
 * address can be a member. A removal only overwrites, and growing makes a new array, so a reader on another thread sees a
 * member from the moment `add` returns until `delete` is called.
 *
 * Members are counted: an address set on two interfaces must be removed twice.
 */
import { LazyMap } from '../base/lazy-map.js';
import { tableWords } from './shared-words.js';

const FREE = 0;
const REMOVED = 0xffff_ffff | 0;
const SIZE_INITIAL = 16;
/** Of every set that nothing was ever in: one free place. */
const NO_WORDS = new Int32Array(1);

export class AddrSet {
  words: Int32Array;
  readonly shared: boolean;
  /** Distinct members. */
  size = 0;
  /** Places that are not free. */
  private used = 0;
  private readonly counts = new LazyMap<number, number>();

  constructor(shared = false) {
    this.shared = shared;
    this.words = shared ? tableWords(1, true) : NO_WORDS;
  }

  /** Is `addr` a member? Packet path. */
  has(addr: number): boolean {
    return addrSetHas(this.words, addr);
  }

  /** Counts `addr` in. 0.0.0.0 and 255.255.255.255 are never members. */
  add(addr: number): void {
    const key = addr | 0;
    if (key === FREE || key === REMOVED) return;
    const count = this.counts.get(key) ?? 0;
    this.counts.set(key, count + 1);
    if (count > 0) return;
    this.size++;
    if ((this.used + 1) * 8 > this.words.length) this.rehash();
    else this.place(this.words, key);
  }

  /** Counts `addr` out. */
  delete(addr: number): void {
    const key = addr | 0;
    const count = this.counts.get(key) ?? 0;
    if (count === 0) return;
    if (count > 1) {
      this.counts.set(key, count - 1);
      return;
    }
    this.counts.delete(key);
    this.size--;
    const words = this.words;
    const mask = words.length - 1;
    let i = hash(key) & mask;
    while (words[i] !== key) i = (i + 1) & mask;
    words[i] = REMOVED;
  }

  private rehash(): void {
    let n = SIZE_INITIAL;
    while (n < this.size * 16) n *= 2;
    const words = tableWords(n, this.shared);
    this.used = 0;
    for (const key of this.counts.keys()) this.place(words, key);
    this.words = words;
  }

  private place(words: Int32Array, key: number): void {
    const mask = words.length - 1;
    let i = hash(key) & mask;
    while (words[i] !== FREE) i = (i + 1) & mask;
    words[i] = key;
    this.used++;
  }
}

/** Membership by the array alone, for a reader that has nothing else. The first place answers nearly always; the others are asked apart, so that a packet path has no loop here. */
export function addrSetHas(words: Int32Array, addr: number): boolean {
  const key = addr | 0;
  const i = hash(key) & (words.length - 1);
  return words[i] !== FREE && isAmong(words, key, i);
}

/** Is it at place `i` or behind it? */
function isAmong(words: Int32Array, key: number, i: number): boolean {
  const mask = words.length - 1;
  let word = words[i]!;
  while (word !== FREE) {
    if (word === key) return key !== REMOVED;
    i = (i + 1) & mask;
    word = words[i]!;
  }
  return false;
}

/** Multiplicative: neighbouring addresses spread. */
function hash(key: number): number {
  const h = Math.imul(key, 0x9e3779b1);
  return (h ^ (h >>> 15)) >>> 0;
}
