/**
 * check.mjs — `npm run check`: the fences that need no test runner, in the order of what they cost.
 *
 * tsc per package and for the tests, eslint, dependency-cruiser, then the repository check, which is a test file. `npm test`
 * runs the first three from here and the last with all other tests.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setup } from './setup.mjs';
import { root, runStep } from './steps.mjs';

const bin = (/** @type {string} */ path) => [process.execPath, `node_modules/${path}`];

const TYPES = {
  name: 'types',
  text: 'packages, tests, tools (tsc -b tsconfig.check.json)',
  command: [...bin('typescript/bin/tsc'), '-b', 'tsconfig.check.json'],
};
const LINT = {
  name: 'lint',
  text: 'what a file may do (eslint)',
  // Without a cache: rules that use types judge a file by others that may have changed.
  command: [...bin('eslint/bin/eslint.js'), '.', '--max-warnings=0'],
};
const LAYERS = {
  name: 'layers',
  text: 'who imports whom (dependency-cruiser)',
  command: [
    ...bin('dependency-cruiser/bin/dependency-cruise.mjs'),
    ...['packages', 'tools', 'scripts', 'bench', 'examples'].filter((dir) => existsSync(join(root, dir))),
    ...['--config', 'dependency-cruiser.config.mjs', '--output-type', 'err-long', '--no-progress'],
  ],
};
const TIDY = {
  name: 'tidy',
  text: 'headers, names, sizes, places (tools/tidy.test.ts)',
  command: [...bin('vitest/vitest.mjs'), 'run', 'tools/tidy.test.ts'],
};

/** The steps that `npm test` shares. */
export const FENCES = [TYPES, LINT, LAYERS];

/**
 * Runs all of them, whether or not one fails.
 * @param {readonly { name: string, text: string, command: string[] }[]} steps
 * @returns {Promise<string[]>} the names of those that failed
 */
export async function runFences(steps) {
  const failed = [];
  for (const { name, text, command } of steps) {
    if (!(await runStep(name, text, { command }))) failed.push(name);
  }
  return failed;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.exitCode = (await setup()) && (await runFences([...FENCES, TIDY])).length === 0 ? 0 : 1;
}
