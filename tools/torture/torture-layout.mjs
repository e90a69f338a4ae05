/**
 * torture-layout.mjs — memory that the torture's writer and its workers share, and what must be true of it for every reader at any moment.
 * Read first: packages/core/src/fwd/quiescence.ts; docs/testing.md "Readers under torture".
 *
 * A record says itself whether it is whole: a number, whose it is, and words that follow from the number. A freed one is poisoned. So a reader needs no second source: words that do not
 * follow from one number are a change seen half done, poison is something freed too early, somebody else's is something used again too early.
 */
import { percpuValues, sharedWords } from '@netloom/core/fwd';

export const SLOTS = 256;
export const RECORDS = 192;
export const ENTRIES = 24;
/** Networks of the tries: 10.i/16 and 2001:db8:i::/48; every look-up in one must answer a value of that one. */
export const NETWORKS = 48;
export const VALUES = 64;
export const POISON = 0xdead_beef | 0;

/** Words of a record, as a shift: mark, number, whose, and words that follow from the number. */
export const RECORD_SHIFT = 4;
export const R_MARK = 0;
export const R_NUMBER = 1;
export const R_WHOSE = 2;
const R_FOLLOWS = 3;
const RECORD_WORDS = 1 << RECORD_SHIFT;
/** Records of list entries lie behind those of slots, and belong to this one. */
export const WHOSE_LIST = 1_000;

/** What workers count, in shared memory. */
export const COUNTS = /** @type {const} */ (['batches', 'lookups', 'missed', 'walks', 'held', 'sleeps', 'torn', 'freed', 'foreign']);
/** @type {Readonly<Record<typeof COUNTS[number], number>>} */
export const COUNT = { batches: 0, lookups: 1, missed: 2, walks: 3, held: 4, sleeps: 5, torn: 6, freed: 7, foreign: 8 };
/** Counts that must stay 0. */
export const WRONG = /** @type {const} */ (['torn', 'freed', 'foreign']);

/** @param {number} processors */
export function tortureMemory(processors) {
  return {
    /** Stop, bell. */
    control: sharedWords(32),
    slots: sharedWords(SLOTS),
    records: sharedWords((RECORDS + ENTRIES + 1) << RECORD_SHIFT),
    counts: percpuValues(processors, COUNTS.length),
  };
}

/** @typedef {ReturnType<typeof tortureMemory>} TortureMemory */

/** @param {number} number @param {number} i */
const follows = (number, i) => (Math.imul(number, 31) + Math.imul(i, 0x9e37_79b1)) | 0;

/** The words of a record, one after the other in the order of `stride`, so that they are not written from left to right. @param {Int32Array} records @param {number} r @param {number} number @param {number} whose */
export function recordFill(records, r, number, whose) {
  const at = r << RECORD_SHIFT;
  for (let k = 0, i = number & 15; k < RECORD_WORDS; k++, i = (i + 5) & 15) {
    if (i === R_MARK) continue;
    records[at + i] = i === R_NUMBER ? number : i === R_WHOSE ? whose : follows(number, i);
  }
}

/** @param {Int32Array} records @param {number} r */
export function recordPoison(records, r) {
  for (let i = R_NUMBER; i < RECORD_WORDS; i++) records[(r << RECORD_SHIFT) + i] = POISON;
}

/** What is wrong with a record that should belong to `whose`: a name of WRONG, or null. @param {Int32Array} records @param {number} r @param {number} whose */
export function recordCheck(records, r, whose) {
  const at = r << RECORD_SHIFT;
  const number = records[at + R_NUMBER] ?? 0;
  for (let i = R_FOLLOWS; i < RECORD_WORDS; i++) {
    const word = records[at + i];
    if (word === POISON || number === POISON) return 'freed';
    if (word !== follows(number, i)) return 'torn';
  }
  return records[at + R_WHOSE] === whose ? null : 'foreign';
}

/** A small generator; 0 is no seed. @param {number} seed */
export function numbers(seed) {
  let x = (Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995) | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}
