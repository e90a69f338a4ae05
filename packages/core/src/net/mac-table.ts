/**
 * mac-table.ts — link addresses and what is known of each: the table behind a bridge's and a vxlan's.
 * Read first: IEEE 802.1D §7.9 (filtering database).
 *
 * Theory of operation. Open addressing with linear probing over one Int32Array, four words per slot, so that a look-up touches one
 * cache line and makes no object:
 *
 *     word 0          1                    2                          3
 *     MAC octets 2-5  MAC octets 0-1,      number << 2 | type,        whatever the kind of table keeps there
 *                     and the rest of the  0 for a free slot
 *                     key, if any
 *
 * Expiry times are beside it. Deleting shifts the following entries back (no tombstones), so a table that churns stays as
 * fast as a fresh one. It starts small and doubles when it is half full; `max` is the bound of what may be added. The hash is keyed,
 * so that nobody who does not know the key can send frames that all fall into one run.
 *
 * Types are the kind's own; entries of the one that it calls dynamic were learned and expire, others do not.
 *
 * Invariants: `count` = occupied slots; an entry that has expired is good until `age` removes it. A slot number is valid until the next change.
 * Not here: what words 1 to 3 mean (bridge-rtable.ts, vxlan-ftable.ts).
 */
import type { Micros } from '../base/time.js';

const TYPE_BITS = 2;
const TYPE_MASK = 3;
const SLOTS_MIN = 32;
const WORDS = 4;

export abstract class MacTable {
  /** Entries it may hold. */
  max: number;
  count = 0;
  private readonly key: number;
  private readonly dynamicType: number;
  private words = new Int32Array(SLOTS_MIN * WORDS);
  private expires = new Float64Array(SLOTS_MIN);
  private mask = SLOTS_MIN - 1;

  /**
   * @param key any 32-bit number, unknown to the network.
   * @param dynamicType type of the entries that expire.
   */
  constructor(key: number, max: number, dynamicType: number) {
    this.key = key | 0;
    this.max = max;
    this.dynamicType = dynamicType;
  }

  typeAt(slot: number): number {
    return this.words[slot * WORDS + 2]! & TYPE_MASK;
  }

  /** The entry in `slot` is due at `expire`. */
  refresh(slot: number, expire: Micros): void {
    this.expires[slot] = expire;
  }

  /** Takes an entry out; entries that probed past it move back. */
  removeAt(slot: number): void {
    const { words, mask } = this;
    this.count--;
    let hole = slot;
    for (let i = (slot + 1) & mask; words[i * WORDS + 2] !== 0; i = (i + 1) & mask) {
      const home = this.home(words[i * WORDS]!, words[i * WORDS + 1]!);
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      words.copyWithin(hole * WORDS, i * WORDS, (i + 1) * WORDS);
      this.expires[hole] = this.expires[i]!;
      hole = i;
    }
    words.fill(0, hole * WORDS, (hole + 1) * WORDS);
  }

  /** Removes the dynamic entries that are due; how many there were. */
  age(now: Micros): number {
    return this.removeWhere((slot) => this.isDynamic(slot) && this.expires[slot]! <= now);
  }

  /** The slot of a key, -1 when it is not known. */
  protected slotOf(w0: number, w1: number): number {
    const { words, mask } = this;
    let i = this.home(w0, w1);
    for (;;) {
      const at = i * WORDS;
      if (words[at + 2] === 0) return -1;
      if (words[at] === w0 && words[at + 1] === w1) return i;
      i = (i + 1) & mask;
    }
  }

  /** Adds a key that is not in the table. False when it is full. */
  protected add(w0: number, w1: number, number: number, type: number, w3: number, expire: Micros): boolean {
    if (this.count >= this.max) return false;
    if ((this.count + 1) * 2 > this.mask + 1) this.grow();
    this.put(w0, w1, (number << TYPE_BITS) | type, w3, expire);
    this.count++;
    return true;
  }

  /** Word 0, 1 or 3 of a slot, signed. */
  protected word(slot: number, n: 0 | 1 | 3): number {
    return this.words[slot * WORDS + n]!;
  }

  protected setWord3(slot: number, w3: number): void {
    this.words[slot * WORDS + 3] = w3;
  }

  protected numberAt(slot: number): number {
    return this.words[slot * WORDS + 2]! >> TYPE_BITS;
  }

  /** Changes what a key stands for; not to (0, 0). */
  protected setNumber(slot: number, number: number, type: number): void {
    this.words[slot * WORDS + 2] = (number << TYPE_BITS) | type;
  }

  protected expireAt(slot: number): Micros {
    return this.expires[slot]!;
  }

  protected isDynamic(slot: number): boolean {
    return this.typeAt(slot) === this.dynamicType;
  }

  /** Slots there are, occupied or not. */
  protected get slotCount(): number {
    return this.mask + 1;
  }

  /** The occupied slots. */
  protected slots(): number[] {
    const slots: number[] = [];
    for (let i = 0; i <= this.mask; i++) if (this.words[i * WORDS + 2] !== 0) slots.push(i);
    return slots;
  }

  /** Removes entries; how many there were. A slot that was emptied may hold a later entry now, so it is looked at again. */
  protected removeWhere(test: (slot: number) => boolean): number {
    const before = this.count;
    for (let i = 0; i <= this.mask; i++) {
      while (this.words[i * WORDS + 2] !== 0 && test(i)) this.removeAt(i);
    }
    return before - this.count;
  }

  private home(w0: number, w1: number): number {
    let h = Math.imul(w0 ^ this.key, 0x9e3779b1) ^ Math.imul(w1 + this.key, 0x85ebca6b);
    h ^= h >>> 15;
    h = Math.imul(h, 0x2c1b3c6d);
    return (h ^ (h >>> 13)) & this.mask;
  }

  private put(w0: number, w1: number, w2: number, w3: number, expire: Micros): void {
    const { words } = this;
    let i = this.home(w0, w1);
    while (words[i * WORDS + 2] !== 0) i = (i + 1) & this.mask;
    const at = i * WORDS;
    words[at] = w0;
    words[at + 1] = w1;
    words[at + 2] = w2;
    words[at + 3] = w3;
    this.expires[i] = expire;
  }

  private grow(): void {
    const { words, expires } = this;
    const slots = (this.mask + 1) * 2;
    this.words = new Int32Array(slots * WORDS);
    this.expires = new Float64Array(slots);
    this.mask = slots - 1;
    for (let at = 0; at < words.length; at += WORDS) {
      if (words[at + 2] !== 0) this.put(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, expires[at / WORDS]!);
    }
  }
}
