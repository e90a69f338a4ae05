/**
 * torture.mjs — `npm run torture -- [DURATION | --ops N] [--seed N] [--runs N] [--workers N] [--bugs]`: workers read what one writer changes, deletes and uses again.
 *
 * DURATION is a number with s, m or h; without one, 2,000,000 operations are done. It ends with exit code 0 when no worker has seen anything that must not be and nothing waits in the end, with 1
 * and the seed otherwise. A seed repeats what the writer does, not what the workers meet. With --runs it is done so many times, with new workers and the next seed each time, until one
 * fails; such a run is 10,000 operations unless --ops says otherwise. With --bugs each rule is broken once, and it ends with 0 when each is noticed.
 *
 * What is done, and what must hold, is in tools/torture.
 */
import { randomInt } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { commandLine } from './command-line.mjs';
import { setup } from './setup.mjs';
import { durationMs } from './soak.mjs';
import { seconds } from './steps.mjs';

const OPERATIONS = 2_000_000;
/** Of each of several runs: beginnings and ends, which one long run has once, are what they add. */
const RUN_OPERATIONS = 10_000;
/** Operations after which a bug that nobody noticed has not been noticed. */
const BUG_OPERATIONS = 50_000_000;
const BUG_SILENT_MAX = 300;
const WORKERS = 2;
const REPORT_MS = 10_000;
const USAGE = `usage: npm run torture -- [DURATION | --ops N] [--seed N] [--runs N] [--workers N] [--bugs]
  npm run torture -- 10m
  npm run torture -- --ops 1000000 --seed 7
  npm run torture -- --runs 2000`;

/** @typedef {import('../tools/torture/torture.mjs').Torture} Torture */

/** @param {Torture} t */
function summary(t) {
  const { counts } = t;
  return `${t.ops} operations, ${counts.lookups} look-ups, ${counts.held} references kept, ${counts.sleeps} sleeps, ${t.kills} workers killed, ${t.engine.readers.waited} periods waited for`;
}

/** @param {number} seed @param {number} workers */
async function plantBugs(seed, workers) {
  const { torture, TORTURE_BUGS } = await import('../tools/torture/torture.mjs');
  let missed = 0;
  for (const bug of TORTURE_BUGS) {
    const { problem, torture: t } = await torture({ seed, workers, bug, silentMax: BUG_SILENT_MAX }, ({ ops }) => ops >= BUG_OPERATIONS);
    console.log(`  ${problem === null ? 'MISSED' : 'found '}  ${bug}: ${problem ?? 'nothing'} after ${t.ops} operations`);
    if (problem === null) missed++;
  }
  return missed;
}

/**
 * One torture after the other, run number i with seed + i, until one has a problem.
 * @param {number} seed @param {number} runs @param {(seed: number) => Promise<string | null>} run answers with its problem
 * @returns {Promise<{ problem: string | null, seed: number, done: number }>} the last seed, and runs without a problem
 */
export async function tortures(seed, runs, run) {
  for (let i = 0; i < runs; i++) {
    const problem = await run(seed + i);
    if (problem !== null) return { problem, seed: seed + i, done: i };
  }
  return { problem: null, seed: seed + runs - 1, done: runs };
}

/** @param {{ seed: number, runs: number, ops: number, workers: number }} of */
async function repeat({ seed, runs, ops, workers }) {
  const { torture } = await import('../tools/torture/torture.mjs');
  const start = performance.now();
  const sum = { ops: 0, lookups: 0, kills: 0, periods: 0 };
  let reported = 0;
  const { problem, seed: last, done } = await tortures(seed, runs, async (s) => {
    const spent = performance.now() - start;
    if (spent - reported >= REPORT_MS) {
      reported = spent;
      console.log(`  ${seconds(spent).padStart(9)}  seed ${s}, ${s - seed} runs`);
    }
    const { problem: found, torture: t } = await torture({ seed: s, workers }, (at) => at.ops >= ops);
    sum.ops += t.ops;
    sum.lookups += t.counts['lookups'] ?? 0;
    sum.kills += t.kills;
    sum.periods += t.engine.readers.waited;
    return found;
  });
  console.log(`  ${problem === null ? 'ok    ' : 'FAILED'}  ${seconds(performance.now() - start)}  ${done} runs, seeds ${seed} to ${last}: ${sum.ops} operations, ${sum.lookups} look-ups, ${sum.kills} workers killed, ${sum.periods} periods waited for`);
  if (problem !== null) console.log(`  ${problem}\n  again: npm run torture -- --ops ${ops} --seed ${last} --runs 1 --workers ${workers}`);
  return problem === null ? 0 : 1;
}

async function main() {
  const words = commandLine('torture', USAGE, { ops: { type: 'string' }, seed: { type: 'string' }, runs: { type: 'string' }, workers: { type: 'string' }, bugs: { type: 'boolean' } });
  if (words === null) return 64;
  const { values, positionals } = words;
  const forMs = positionals[0] === undefined ? 0 : durationMs(positionals[0]);
  const several = values.runs !== undefined;
  const [ops, seed, workers] = [Number(values.ops ?? (several ? RUN_OPERATIONS : OPERATIONS)), Number(values.seed ?? randomInt(2 ** 31 - 1)), Number(values.workers ?? WORKERS)];
  const runs = Number(values.runs ?? 1);
  if (positionals.length > (several ? 0 : 1) || ![forMs, ops, seed, runs, workers].every((n) => Number.isSafeInteger(n) && n >= 0) || runs < 1 || workers < 1 || workers > 16) {
    console.error(`torture: no such duration or number\n${USAGE}`);
    return 64;
  }
  if (!(await setup())) return 1;
  console.log(`seed ${seed}, ${workers} workers`);
  if (values.bugs === true) return (await plantBugs(seed, workers)) === 0 ? 0 : 1;
  if (several) return await repeat({ seed, runs, ops, workers });
  const { torture } = await import('../tools/torture/torture.mjs');
  const start = performance.now();
  const spent = () => performance.now() - start;
  let reported = 0;
  const { problem, torture: t } = await torture({ seed, workers }, (at) => (forMs > 0 ? spent() >= forMs : at.ops >= ops), (at) => {
    if (spent() - reported < REPORT_MS) return;
    reported = spent();
    console.log(`  ${seconds(spent()).padStart(9)}  ${summary(at)}`);
  });
  console.log(`  ${problem === null ? 'ok    ' : 'FAILED'}  ${seconds(spent())}  ${summary(t)}${problem === null ? '' : `\n  ${problem}\n  again: npm run torture -- --ops ${t.ops} --seed ${seed} --workers ${workers}`}`);
  return problem === null ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main();
