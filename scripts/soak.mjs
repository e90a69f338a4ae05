/**
 * soak.mjs — `npm run soak -- [DURATION | --ops N] [--seed N]`: interfaces and jails made, used, moved and unmade at random under traffic.
 *
 * DURATION is a number with s, m or h (`90s`, `30m`, `8h`); without one, 100,000 operations are done. Every ROUND operations everything is
 * taken down and the books are compared with the beginning, and the heap, after a collection, with what it was when the program was warm.
 * It ends with exit code 0 when nothing was left behind and the heap stayed flat, with 1 and the command that repeats it otherwise.
 *
 * What is done, and what must hold after each operation, is in tools/sim/lifecycle.mjs.
 */
import { randomInt } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { commandLine } from './command-line.mjs';
import { setup } from './setup.mjs';
import { seconds } from './steps.mjs';

const OPERATIONS = 100_000;
const ROUND = 2_000;
/** Rounds until the compiler has settled and pools and tables have their size. */
const WARM_ROUNDS = 5;
const GROWTH_BYTES = 16 << 20;
const REPORT_MS = 10_000;
const UNIT_MS = new Map([['s', 1_000], ['m', 60_000], ['h', 3_600_000]]);
const USAGE = `usage: npm run soak -- [DURATION | --ops N] [--seed N]
  npm run soak -- 10m
  npm run soak -- --ops 100000 --seed 7`;

/** Milliseconds of `90s`, `30m`, `8h`; NaN for anything else. @param {string} text */
export function durationMs(text) {
  const match = /^([0-9]+)([smh])$/.exec(text);
  return match === null ? NaN : Number(match[1]) * (UNIT_MS.get(match[2] ?? '') ?? NaN);
}

/**
 * @typedef {object} Life what is soaked: tools/sim/lifecycle.mjs, or a test's own
 * @property {() => void} step one operation; throws when something does not hold
 * @property {() => void} end takes everything down; throws when something is left
 * @property {string} summary
 */

setFlagsFromString('--expose-gc');
/** @type {() => void} */
const collectGarbage = runInNewContext('gc');

function heapBytes() {
  collectGarbage();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

/**
 * Runs until `enough` says so, at least to the end of a round.
 * @param {Life} life @param {(ops: number) => boolean} enough @param {(ops: number, heap: number) => void} [progress] @param {number} [round]
 * @returns {string | null} what went wrong
 */
export function soak(life, enough, progress, round = ROUND) {
  let warm = 0;
  for (let ops = 0, rounds = 0; !enough(ops) || ops === 0; rounds++) {
    try {
      for (let i = 0; i < round; i++, ops++) life.step();
      life.end();
    } catch (error) {
      return error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
    const heap = heapBytes();
    progress?.(ops, heap);
    if (rounds < WARM_ROUNDS) warm = Math.max(warm, heap);
    else if (heap > warm + GROWTH_BYTES) return `the heap has grown from ${mb(warm)} to ${mb(heap)} in ${ops} operations`;
  }
  return null;
}

/** @param {number} bytes */
const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

async function main() {
  const words = commandLine('soak', USAGE, { ops: { type: 'string' }, seed: { type: 'string' } });
  if (words === null) return 64;
  const { values, positionals } = words;
  const forMs = positionals[0] === undefined ? 0 : durationMs(positionals[0]);
  const [ops, seed] = [Number(values.ops ?? OPERATIONS), Number(values.seed ?? randomInt(2 ** 32 - 1))];
  if (positionals.length > 1 || ![forMs, ops, seed].every((n) => Number.isSafeInteger(n) && n >= 0)) {
    console.error(`soak: "${[...positionals, ...Object.values(values)].join(' ')}" is no duration or number\n${USAGE}`);
    return 64;
  }
  if (!(await setup())) return 1;
  const { Lifecycle } = await import('../tools/sim/lifecycle.mjs');
  const life = new Lifecycle(seed);
  const start = performance.now();
  const spent = () => performance.now() - start;
  console.log(`seed ${seed}, ${forMs > 0 ? positionals[0] : `${ops} operations`}`);
  let reported = 0;
  /** @type {number[]} */
  const heaps = [];
  const problem = soak(life, (done) => (forMs > 0 ? spent() >= forMs : done >= ops), (done, heap) => {
    heaps.push(heap);
    if (spent() - reported < REPORT_MS) return;
    reported = spent();
    console.log(`  ${seconds(spent()).padStart(9)}  ${String(done).padStart(9)} operations  heap ${mb(heap)}`);
  });
  const heap = `${mb(heaps[WARM_ROUNDS - 1] ?? heaps.at(-1) ?? 0)} -> ${mb(heaps.at(-1) ?? 0)}`;
  const judged = heaps.length > WARM_ROUNDS ? `heap flat (${heap})` : `heap ${heap}: too few operations to judge`;
  console.log(`  ${problem === null ? 'ok    ' : 'FAILED'}  ${seconds(spent())}  ${life.summary}; ${problem === null ? `nothing left, ${judged}` : `heap ${heap}`}`);
  if (problem === null) return 0;
  console.log(`  ${problem}\n  again: npm run soak -- --ops ${life.done.ops} --seed ${seed}`);
  return 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main();
