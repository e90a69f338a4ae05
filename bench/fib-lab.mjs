/**
 * fib-lab.mjs — what longest match is measured with: tables compiled, destinations, and the files that peers read.
 * Read first: fib-tables.mjs. All of it is made when it is first asked for, and kept.
 */
import { Fib4, Fib6, fib4Shape, fib6Shape } from '@netloom/core/fwd';
import { peerFile } from './c-peer.mjs';
import { KEYS, KINDS, campus4, destinations, internet4, internet6, lab4 } from './fib-tables.mjs';

/** Addresses that are looked up with one call. */
const BATCH = 256;
/** CPU time of one measurement, and of what goes before the first: V8 compiles these loops several times before it is done with them. */
const CPU_US = 50_000;
const WARM_US = 700_000;

/** @typedef {import('./fib-tables.mjs').Table} Table */
/** @typedef {(typeof KINDS)[number]} Kind */
/** @typedef {'ipv4 10' | 'ipv4 1k' | 'ipv4 1M' | 'ipv6 200k'} Name */

/** @type {Record<Name, () => Table>} */
const MAKERS = { 'ipv4 10': lab4, 'ipv4 1k': () => campus4(table('ipv4 1M')), 'ipv4 1M': () => internet4(1_000_000), 'ipv6 200k': () => internet6(200_000) };

/** @template V @param {Map<string, V>} cache @param {string} key @param {() => V} make @returns {V} */
function kept(cache, key, make) {
  let value = cache.get(key);
  if (value === undefined) cache.set(key, (value = make()));
  return value;
}

/** @type {Map<string, Table>} */
const tables = new Map();
/** @type {Map<string, Int32Array>} */
const keys = new Map();
/** @type {Map<string, Fib4 | Fib6>} */
const fibs = new Map();
/** Destinations that have been looked up for a while. @type {Set<Int32Array>} */
const warm = new Set();
/** @type {Map<string, string>} */
const files = new Map();

/** @param {Name} name */
export const table = (name) => kept(tables, name, MAKERS[name]);
/** Words of an address. @param {Name} name */
export const wordsOf = (name) => (name.startsWith('ipv4') ? 1 : 4);
/** @param {Name} name @param {Kind} kind */
export const keysOf = (name, kind) => kept(keys, `${name} ${kind}`, () => destinations(table(name), kind, wordsOf(name)));

/** Puts route `r` into the compiled table. @param {Fib4 | Fib6} fib @param {Table} t @param {number} r */
export function insert(fib, t, r) {
  const { words, plens, values } = t;
  const plen = plens[r] ?? 0;
  const value = values[r] ?? 0;
  if (fib instanceof Fib4) fib.insert((words[r] ?? 0) >>> 0, plen, value);
  else fib.insert(words[4 * r] ?? 0, words[4 * r + 1] ?? 0, words[4 * r + 2] ?? 0, words[4 * r + 3] ?? 0, plen, value);
}

/** The table compiled anew, one route after the other in random order. @param {Name} name */
export function build(name) {
  const t = table(name);
  const fib = wordsOf(name) === 1 ? new Fib4(fib4Shape(t.count, null), true) : new Fib6(fib6Shape(t.count, null), true);
  for (let r = 0; r < t.count; r++) insert(fib, t, r);
  return fib;
}

/** @param {Name} name */
export const fibOf = (name) => kept(fibs, name, () => build(name));

/** Runs `work`, which does `n` things, until it has taken a while; things per microsecond of CPU time. @param {number} n @param {() => void} work */
export function rate(n, work, cpuUs = CPU_US) {
  const from = process.cpuUsage();
  for (let done = n; ; done += n) {
    work();
    const { user, system } = process.cpuUsage(from);
    if (user + system >= cpuUs) return done / (user + system);
  }
}

/** Millions of look-ups a second, one thread, in batches. @param {Name} name @param {Kind} kind */
export function lookups(name, kind) {
  const dsts = keysOf(name, kind);
  const fib = fibOf(name);
  const out = new Int32Array(KEYS);
  const work = () => {
    for (let i = 0; i < KEYS; i += BATCH) fib.lookupBatch(dsts, out, i, i + BATCH);
  };
  if (!warm.has(dsts)) rate(KEYS, work, WARM_US);
  warm.add(dsts);
  return rate(KEYS, work);
}

/** @param {string} what @param {() => Int32Array | Int16Array} make @returns {string} path of a file with these words */
export function fileOf(what, make) {
  return kept(files, what, () => {
    const words = make();
    return peerFile(what.replaceAll(' ', '-'), new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
  });
}

/** Prefix, length and next hop of each route, as the C programs read them. @param {Name} name */
export function routeFile(name) {
  const t = table(name);
  const n = wordsOf(name);
  return fileOf(`${name} routes`, () => {
    const out = new Int32Array(t.count * (n + 2));
    for (let r = 0; r < t.count; r++) {
      out.set(t.words.subarray(r * n, r * n + n), r * (n + 2));
      out[r * (n + 2) + n] = t.plens[r] ?? 0;
      out[r * (n + 2) + n + 1] = t.values[r] ?? 0;
    }
    return out;
  });
}

/** Files of destinations, in the order of KINDS. @param {Name} name */
export const keyFiles = (name) => KINDS.map((kind) => fileOf(`${name} ${kind}`, () => keysOf(name, kind)));
