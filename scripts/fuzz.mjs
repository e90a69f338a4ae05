/**
 * fuzz.mjs — `npm run fuzz -- [NAME...] [--seed N] [--frames N]`: mutated bytes into every target, no throw, no growth.
 *
 * A target is an entry of the `targets` array that a `tools/fuzz/*.fuzz.mjs` file exports: valid inputs to start from, and a function that
 * eats any bytes. Input number i of a target depends on the seed, the target's name and i only; a failure prints
 * the command that repeats that one input, and the bytes. Besides throwing, a target fails when it does not come back to the account it
 * started from (`balance`), or when the heap keeps growing.
 *
 * Not here: what may be expected of a target beyond that; it throws when it is not satisfied.
 */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { commandLine } from './command-line.mjs';
import { loadEntries, pickEntries } from './entries.mjs';
import { setup } from './setup.mjs';
import { root } from './steps.mjs';

const FRAMES = 1_000_000;
const USAGE = `usage: npm run fuzz -- [NAME...] [--frames N] [--seed N] [--from N]
  npm run fuzz -- dissect kernel-input --frames 100000 --seed 7`;
const MAX_BYTES = 2048;
const MAX_MUTATIONS = 6;
const REPORT_MS = 5_000;
const GROWTH_BYTES = 16 << 20;
/** Numbers at which lengths and counters change their mind. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff];

/**
 * @typedef {object} Target
 * @property {string} name
 * @property {readonly Uint8Array[]} corpus valid inputs, at least one
 * @property {(bytes: Uint8Array) => void} run eats one input; throws only when something is wrong
 * @property {() => unknown} [balance] what must be the same before and after: packets out, timers, entries
 */

/**
 * A generator of unsigned 32-bit numbers (splitmix32): good enough to mutate, and one number of state.
 * @param {number} seed
 */
export function numbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

/** @param {string} text FNV-1a */
function hash(text) {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}

/**
 * Changes `bytes[0..length)` in place, once.
 * @param {Uint8Array} bytes @param {number} length @param {() => number} next
 * @returns {number} the new length
 */
function mutateOnce(bytes, length, next) {
  const at = length === 0 ? 0 : next() % length;
  const value = EDGES[next() % EDGES.length] ?? 0;
  switch (next() % 8) {
    case 0: // flip a bit
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (next() & 7));
      return length;
    case 1: // any byte
      bytes[at] = next();
      return length;
    case 2: // an edge in a byte
      bytes[at] = value;
      return length;
    case 3: // an edge in two bytes
      bytes[at] = value >> 8;
      if (at + 1 < length) bytes[at + 1] = value;
      return length;
    case 4: // cut short
      return at;
    case 5: {
      // append noise
      const end = Math.min(bytes.length, length + (next() % 64));
      for (let i = length; i < end; i++) bytes[i] = next();
      return end;
    }
    case 6: // repeat a part over another
      bytes.copyWithin(at, next() % (at + 1), Math.min(length, at + (next() % 32)));
      return length;
    default: // a small step up or down, as in a length or a counter
      bytes[at] = (bytes[at] ?? 0) + ((next() & 7) - 4);
      return length;
  }
}

/**
 * Input number `i`, written into `scratch`. One in sixteen is an unchanged input from the corpus.
 * @param {Target} target @param {number} seed @param {number} i @param {Uint8Array} scratch
 * @returns {Uint8Array} a view of `scratch`
 */
export function makeInput(target, seed, i, scratch) {
  const next = numbers((hash(target.name) ^ seed ^ Math.imul(i, 0x9e3779b1)) >>> 0);
  const origin = target.corpus[next() % target.corpus.length] ?? new Uint8Array(0);
  let length = Math.min(origin.length, scratch.length);
  scratch.set(origin.subarray(0, length));
  if (next() % 16 !== 0) {
    for (let n = 1 + (next() % MAX_MUTATIONS); n > 0; n--) length = mutateOnce(scratch, length, next);
  }
  return scratch.subarray(0, length);
}

setFlagsFromString('--expose-gc');
/** @type {() => void} */
const collectGarbage = runInNewContext('gc');

function heapBytes() {
  collectGarbage();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

/**
 * Feeds a target.
 * @param {Target} target @param {number} seed @param {number} from first input @param {number} count
 * @param {(done: number) => void} [progress]
 * @returns {string | null} what went wrong, or null
 */
export function fuzz(target, seed, from, count, progress) {
  const scratch = new Uint8Array(MAX_BYTES);
  const before = JSON.stringify(target.balance?.());
  let heap = 0;
  let reported = performance.now();
  for (let i = from; i < from + count; i++) {
    const input = makeInput(target, seed, i, scratch);
    try {
      target.run(input);
    } catch (error) {
      const bytes = Buffer.from(makeInput(target, seed, i, scratch)).toString('hex');
      return `input ${i}: ${error instanceof Error ? error.stack : error}\n  bytes ${bytes}\n  again: npm run fuzz -- ${target.name} --seed ${seed} --from ${i} --frames 1`;
    }
    if (i === from + (count >> 3)) heap = heapBytes(); // after the warm-up
    if ((i & 0xfff) === 0 && performance.now() - reported > REPORT_MS) {
      reported = performance.now();
      progress?.(i - from);
    }
  }
  const after = JSON.stringify(target.balance?.());
  if (before !== after) return `does not come back to where it was: ${before} before, ${after} after`;
  const grown = count < 100_000 ? 0 : heapBytes() - heap;
  return grown > GROWTH_BYTES ? `the heap grew by ${grown} bytes` : null;
}

async function main() {
  const words = commandLine('fuzz', USAGE, { seed: { type: 'string' }, frames: { type: 'string' }, from: { type: 'string' } });
  if (words === null) return 64;
  const { values, positionals } = words;
  const [seed, frames, from] = [Number(values.seed ?? randomInt(2 ** 32 - 1)), Number(values.frames ?? FRAMES), Number(values.from ?? 0)];
  if (![seed, frames, from].every((n) => Number.isSafeInteger(n) && n >= 0)) {
    console.error(`fuzz: --seed, --frames and --from take whole numbers\n${USAGE}`);
    return 64;
  }
  if (!(await setup())) return 1;
  /** @type {readonly Target[]} */
  const chosen = pickEntries('fuzz', await loadEntries(join(root, 'tools/fuzz'), 'fuzz', 'targets'), positionals);
  if (chosen.length === 0) return 64;
  console.log(`seed ${seed}, ${frames} inputs each`);
  let failed = 0;
  for (const target of chosen) {
    const start = performance.now();
    const problem = fuzz(target, seed, from, frames, (done) => console.log(`  ...     ${target.name}: ${done}`));
    const seconds = (performance.now() - start) / 1000;
    console.log(`  ${problem === null ? 'ok    ' : 'FAILED'}  ${target.name.padEnd(40)} ${(frames / seconds / 1e6).toFixed(2)} million/s`);
    if (problem === null) continue;
    failed++;
    console.log(`  ${problem}`);
  }
  return failed === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main();
