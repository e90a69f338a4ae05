/**
 * fib-tables.mjs — the routing tables and the destinations that longest match is measured with; the same in every run.
 *
 * Tables. The lengths of the prefixes are those of the Internet's tables (for IPv4 63 % are /24 and some thousand longer, for IPv6 46 % are /48).
 * IPv4 prefixes crowd in some /16 as they do in reality, and nearly half of them follow the one before. IPv6 prefixes lie in allocations below the
 * blocks that registries have given out. Next hops are 256, some of them much more often than others. Both tables have a default route and are in random order.
 *
 * Destinations, a million of each kind: `uniform` over all addresses (for IPv6 over 2000::/3), `in-prefix` a random address in a random route,
 * `zipf` the same for 100,000 of them, the n-th most frequent with a probability proportional to 1/n.
 */
import { Prng } from '@netloom/core';
import { ip4MaskOf, ip6MaskWord } from '@netloom/core/wire';
import { firstAbove, unit, zipf } from './draws.mjs';

/** Destinations of each kind. */
export const KEYS = 1 << 20;
export const KINDS = /** @type {const} */ (['uniform', 'in-prefix', 'zipf']);
const ZIPF_DESTINATIONS = 100_000;
const NEXT_HOPS = 256;

/** Prefixes of each length, /24 aside, which fills up. */
const LENGTHS_4 = [
  [8, 16], [9, 13], [10, 40], [11, 100], [12, 300], [13, 590], [14, 1_200], [15, 2_100], [16, 13_500], [17, 8_500], [18, 14_000], [19, 25_000], [20, 44_000],
  [21, 52_000], [22, 112_000], [23, 105_000], [25, 300], [26, 400], [27, 500], [28, 800], [29, 1_000], [30, 1_000], [32, 1_000],
];

/** Shares of each length, /48 aside. */
const LENGTHS_6 = [
  [32, 0.115], [44, 0.085], [40, 0.09], [36, 0.045], [29, 0.035], [46, 0.04], [47, 0.035], [45, 0.015], [42, 0.02], [33, 0.012], [34, 0.01], [38, 0.006],
  [56, 0.006], [64, 0.015], [30, 0.005], [28, 0.004], [35, 0.003], [128, 0.002], [20, 0.0005], [24, 0.0005],
];

/** First 16 bits of blocks that are in use. */
const BLOCKS_6 = [
  0x2001, 0x2400, 0x2401, 0x2402, 0x2403, 0x2404, 0x2405, 0x2406, 0x2407, 0x2408, 0x2409, 0x240a, 0x240e, 0x2600, 0x2601, 0x2602, 0x2603, 0x2604, 0x2605,
  0x2606, 0x2607, 0x2620, 0x2800, 0x2801, 0x2803, 0x2804, 0x2806, 0x2a00, 0x2a01, 0x2a02, 0x2a03, 0x2a04, 0x2a05, 0x2a06, 0x2a07, 0x2a09, 0x2a0a, 0x2a0b,
  0x2a0c, 0x2a0d, 0x2a0e, 0x2a0f, 0x2a10, 0x2a11, 0x2a12, 0x2a13, 0x2a14, 0x2c0f,
];

/**
 * Routes of one family: word `i` of the prefix of route `r` is `words[r * n + i]`, where `n` is 1 or 4.
 * @typedef {{ count: number, words: Int32Array, plens: Uint8Array, values: Uint16Array }} Table
 */

/** @param {Prng} rng */
const nextHop = (rng) => 1 + Math.floor(unit(rng) ** 3 * NEXT_HOPS);

/** @param {number} count @param {number} n words of an address @returns {Table} */
const emptyTable = (count, n) => ({ count, words: new Int32Array(count * n), plens: new Uint8Array(count), values: new Uint16Array(count) });

/** Numbers 0..n-1 in random order. @param {Prng} rng @param {number} n */
function shuffled(rng, n) {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = rng.u32() % (i + 1);
    const x = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = x;
  }
  return order;
}

/** IPv4 unicast space. @param {number} addr */
const isUnicast = (addr) => addr >>> 24 >= 1 && addr >>> 24 <= 223;

/** The Internet's IPv4 table. @param {number} count at least 400,000 @returns {Table} */
export function internet4(count) {
  const rng = new Prng(4);
  const table = emptyTable(count, 1);
  const weights = new Float64Array(65_536);
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    if (isUnicast(i << 16) && i >>> 8 !== 10 && i >>> 8 !== 127) sum += unit(rng) ** 2.5;
    weights[i] = sum;
  }
  const usual = Uint16Array.from({ length: 65_536 }, () => nextHop(rng));
  const order = shuffled(rng, count - 1);
  const seen = new Set();
  let at = 0;
  const rest = count - 1 - LENGTHS_4.reduce((n, [, some = 0]) => n + some, 0);
  for (const [plen = 0, some = 0] of [...LENGTHS_4, [24, rest]]) {
    const mask = ip4MaskOf(plen);
    let last = 0;
    for (let n = 0; n < some; ) {
      let prefix = (rng.u32() & mask) >>> 0;
      if (plen > 16) {
        const crowded = (((firstAbove(weights, unit(rng) * sum) << 16) | (prefix & 0xffff)) & mask) >>> 0;
        prefix = last !== 0 && unit(rng) < 0.45 ? (last + 2 ** (32 - plen)) >>> 0 : crowded;
      }
      const key = prefix * 64 + plen;
      if (!isUnicast(prefix) || seen.has(key)) {
        last = 0;
        continue;
      }
      seen.add(key);
      last = prefix;
      const r = 1 + (order[at++] ?? 0);
      table.words[r] = prefix;
      table.plens[r] = plen;
      table.values[r] = unit(rng) < 0.6 ? (usual[prefix >>> 16] ?? 1) : nextHop(rng);
      n++;
    }
  }
  table.values[0] = 1;
  return table;
}

/** A campus: 1,000 routes, most of them in 10/8. @param {Table} internet @returns {Table} */
export function campus4(internet) {
  const rng = new Prng(1_000);
  const table = emptyTable(1_000, 1);
  const seen = new Set([0]);
  for (let r = 1; r < table.count; ) {
    const plen = [24, 24, 24, 24, 24, 16, 32, 30, 22, 20][rng.u32() % 10] ?? 24;
    const base = unit(rng) < 0.6 ? 0x0a00_0000 | (rng.u32() & 0xff_ffff) : (internet.words[rng.u32() % internet.count] ?? 0);
    const prefix = base & ip4MaskOf(plen);
    const key = (prefix >>> 0) * 64 + plen;
    if (seen.has(key)) continue;
    seen.add(key);
    table.words[r] = prefix;
    table.plens[r] = plen;
    table.values[r++] = nextHop(rng);
  }
  table.values[0] = 1;
  return table;
}

/** A laboratory: 10 routes. @returns {Table} */
export function lab4() {
  const table = emptyTable(10, 1);
  table.words.set([0, 0x0a00_0000, 0x0a01_0000, 0x0a01_0100, 0x0a01_0200, 0xc0a8_0000, 0xc0a8_0101, 0xac10_0000, 0x7f00_0000, 0xe000_0000]);
  table.plens.set([0, 8, 16, 24, 24, 16, 32, 12, 8, 4]);
  table.values.set([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  return table;
}

/** The Internet's IPv6 table. @param {number} count @returns {Table} */
export function internet6(count) {
  const rng = new Prng(6);
  const table = emptyTable(count, 4);
  const allocations = Uint32Array.from({ length: 30_000 }, () => ((BLOCKS_6[rng.u32() % BLOCKS_6.length] ?? 0x2001) << 16) | (rng.u32() & 0xffff));
  const usual = Uint16Array.from({ length: allocations.length }, () => nextHop(rng));
  const order = shuffled(rng, count - 1);
  const seen = new Set();
  let at = 0;
  const parts = LENGTHS_6.map(([plen = 0, share = 0]) => [plen, Math.round(count * share)]);
  for (const [plen = 0, some = 0] of [...parts, [48, count - 1 - parts.reduce((n, [, some = 0]) => n + some, 0)]]) {
    /** @type {readonly number[] | null} */
    let last = null;
    for (let n = 0; n < some; ) {
      const which = Math.floor(unit(rng) ** 2 * allocations.length);
      /** @type {readonly number[]} */
      let words = [allocations[which] ?? 0, rng.u32() & (rng.u32() % 2 === 0 ? 0x0fff_0000 : -1), plen > 64 ? rng.u32() : 0, plen > 64 ? rng.u32() & 0xff : 0];
      if (last !== null && plen > 32 && plen <= 64 && unit(rng) < 0.4) words = [last[0] ?? 0, ((last[1] ?? 0) + 2 ** (64 - plen)) | 0, 0, 0];
      const prefix = words.map((w, i) => w & ip6MaskWord(plen, i));
      const key = `${prefix.join()}/${plen}`;
      last = seen.has(key) ? null : prefix;
      if (last === null) continue;
      seen.add(key);
      const r = 1 + (order[at++] ?? 0);
      table.words.set(prefix, 4 * r);
      table.plens[r] = plen;
      table.values[r] = unit(rng) < 0.6 ? (usual[which] ?? 1) : nextHop(rng);
      n++;
    }
  }
  table.values[0] = 1;
  return table;
}

/**
 * Destinations, their words one after the other.
 * @param {Table} table
 * @param {(typeof KINDS)[number]} kind
 * @param {number} n words of an address
 */
export function destinations(table, kind, n) {
  const rng = new Prng(77);
  const keys = new Int32Array(KEYS * n);
  /** A random address in a random route but the default route. @param {Int32Array} to @param {number} i */
  const inPrefix = (to, i) => {
    const r = 1 + (rng.u32() % (table.count - 1));
    const plen = table.plens[r] ?? 0;
    for (let w = 0; w < n; w++) to[i * n + w] = (table.words[r * n + w] ?? 0) | (rng.u32() & ~(n === 1 ? ip4MaskOf(plen) : ip6MaskWord(plen, w)));
  };
  if (kind === 'uniform') {
    for (let i = 0; i < keys.length; i++) keys[i] = rng.u32();
    if (n === 4) for (let i = 0; i < keys.length; i += 4) keys[i] = ((keys[i] ?? 0) & 0x1fff_ffff) | 0x2000_0000;
    else for (let i = 0; i < keys.length; i++) while (!isUnicast(keys[i] ?? 0)) keys[i] = rng.u32();
  } else if (kind === 'in-prefix') {
    for (let i = 0; i < KEYS; i++) inPrefix(keys, i);
  } else {
    const some = new Int32Array(ZIPF_DESTINATIONS * n);
    for (let i = 0; i < ZIPF_DESTINATIONS; i++) inPrefix(some, i);
    const draw = zipf(rng, ZIPF_DESTINATIONS);
    for (let i = 0; i < KEYS; i++) {
      const of = draw();
      keys.set(some.subarray(of * n, of * n + n), i * n);
    }
  }
  return keys;
}
