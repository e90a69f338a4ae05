/**
 * until.mjs — waits until something is so, and says what has not come to be when it waited too long.
 */
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 25;

/**
 * @template T
 * @param {string} what for the error
 * @param {number} limitMs
 * @param {() => Promise<T | null | undefined | false> | T | null | undefined | false} look answers with nothing as long as it is not so
 * @returns {Promise<T>}
 */
export async function until(what, limitMs, look) {
  for (const end = performance.now() + limitMs; ; await delay(LOOK_MS)) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`${what}: not within ${limitMs / 1000} s`);
  }
}
