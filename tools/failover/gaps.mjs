/**
 * gaps.mjs — how long nobody was answered around a kill, from the times of answers.
 */

/** @typedef {{ min: number, median: number, max: number, all: number[] }} Gaps in milliseconds */

/**
 * The longest time between two answers, one after the other, of which some lies between `from` and `to`.
 * @param {readonly number[]} times ascending @param {number} from @param {number} to
 * @returns {number} what is after the last answer lasts until `to`
 */
export function longestGap(times, from, to) {
  const before = times.findLastIndex((time) => time <= from);
  let last = times[before] ?? from;
  let longest = 0;
  for (const time of times.slice(before + 1)) {
    longest = Math.max(longest, time - last);
    last = time;
    if (last >= to) return longest;
  }
  return Math.max(longest, to - last);
}

/** @param {readonly number[]} all @returns {Gaps | null} null without any */
export function gapsOf(all) {
  const rounded = all.map(Math.round);
  const sorted = [...rounded].sort((a, b) => a - b);
  const [min, max, low, high] = [0, sorted.length - 1, Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2)].map((i) => sorted[i]);
  if (min === undefined || max === undefined || low === undefined || high === undefined) return null;
  return { min, median: Math.round((low + high) / 2), max, all: rounded };
}
