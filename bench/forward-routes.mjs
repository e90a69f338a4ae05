/**
 * forward-routes.mjs — routes for routers whose frames and verdicts are measured, with the prefix lengths of the Internet's tables: of IPv6 most are /48, then /32, /44, /40.
 * Not here: tables that are like the Internet's in more than their lengths (fib-tables.mjs).
 */
import { ip4MaskOf, ip6MaskWord } from '@netloom/core/wire';

/** @typedef {import('@netloom/core').Prng} Prng */

const LENGTHS_4 = [24, 24, 24, 24, 24, 24, 22, 22, 23, 20, 21, 16];
const LENGTHS_6 = [48, 48, 48, 48, 48, 48, 32, 32, 44, 40, 36, 29];

/** Puts routes into a table; their prefixes. @param {Prng} rng @param {import('@netloom/core/fwd').Fib4} fib @param {number} count @param {(i: number) => number} valueOf */
export function routes4(rng, fib, count, valueOf) {
  const prefixes = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const plen = LENGTHS_4[i % LENGTHS_4.length] ?? 24;
    prefixes[i] = (0x10000000 + (rng.u32() % 0x6000_0000)) & ip4MaskOf(plen);
    fib.insert((prefixes[i] ?? 0) >>> 0, plen, valueOf(i));
  }
  return prefixes;
}

/** The same; the first two words of each prefix, the others are 0. @param {Prng} rng @param {import('@netloom/core/fwd').Fib6} fib @param {number} count @param {(i: number) => number} valueOf */
export function routes6(rng, fib, count, valueOf) {
  const prefixes = new Int32Array(count * 2);
  for (let i = 0; i < count; i++) {
    const plen = LENGTHS_6[i % LENGTHS_6.length] ?? 48;
    prefixes[2 * i] = (0x2a000000 | (rng.u32() & 0x01ff_ffff)) & ip6MaskWord(plen, 0);
    prefixes[2 * i + 1] = rng.u32() & ip6MaskWord(plen, 1);
    fib.insert(prefixes[2 * i] ?? 0, prefixes[2 * i + 1] ?? 0, 0, 0, plen, valueOf(i));
  }
  return prefixes;
}
