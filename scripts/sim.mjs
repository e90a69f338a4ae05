/**
 * sim.mjs — `npm run sim -- [NAME...] [--seed N] [--runs N]`: whole networks in virtual time, over many seeds.
 *
 * A scenario is an entry of the `scenarios` array that a `tools/sim/*.sim.mjs` file exports. It builds a network with
 * `@netloom/core/sim` from the seed it is given, runs it, and throws when something that must hold does not. Run number i uses seed + i,
 * and a failure prints the command that repeats it.
 *
 * Not here: the simulator (packages/core/src/sim).
 */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { commandLine } from './command-line.mjs';
import { loadEntries, pickEntries } from './entries.mjs';
import { setup } from './setup.mjs';
import { root } from './steps.mjs';

const RUNS = 100;
const USAGE = `usage: npm run sim -- [NAME...] [--seed N] [--runs N]
  npm run sim -- chain --runs 20`;

/**
 * @typedef {object} Scenario
 * @property {string} name
 * @property {(seed: number) => string | void} run throws when something does not hold; may return a line worth showing
 */

/**
 * Runs a scenario over its seeds, until one fails.
 * @param {Scenario} scenario @param {number} seed @param {number} runs
 * @returns {{ problem: string | null, line: string }}
 */
export function simulate({ name, run }, seed, runs) {
  let line = '';
  for (let i = 0; i < runs; i++) {
    const at = (seed + i) >>> 0;
    try {
      line = run(at) ?? '';
    } catch (error) {
      return { problem: `${error instanceof Error ? error.stack : error}\n  again: npm run sim -- ${name} --seed ${at} --runs 1`, line };
    }
  }
  return { problem: null, line };
}

async function main() {
  const words = commandLine('sim', USAGE, { seed: { type: 'string' }, runs: { type: 'string' } });
  if (words === null) return 64;
  const { values, positionals } = words;
  const [seed, runs] = [Number(values.seed ?? randomInt(2 ** 32 - 1)), Number(values.runs ?? RUNS)];
  if (![seed, runs].every((n) => Number.isSafeInteger(n) && n >= 0)) {
    console.error(`sim: --seed and --runs take whole numbers\n${USAGE}`);
    return 64;
  }
  if (!(await setup())) return 1;
  /** @type {readonly Scenario[]} */
  const chosen = pickEntries('sim', await loadEntries(join(root, 'tools/sim'), 'sim', 'scenarios'), positionals);
  if (chosen.length === 0) return 64;
  console.log(`seeds ${seed} to ${(seed + runs - 1) >>> 0}`);
  let failed = 0;
  for (const scenario of chosen) {
    const start = performance.now();
    const { problem, line } = simulate(scenario, seed, runs);
    console.log(`  ${problem === null ? 'ok    ' : 'FAILED'}  ${scenario.name.padEnd(40)} ${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s  ${runs === 1 || problem !== null ? line : `${runs} runs${line === '' ? '' : `; the last: ${line}`}`}`);
    if (problem === null) continue;
    failed++;
    console.log(`  ${problem}`);
  }
  return failed === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main();
