/**
 * test.mjs — `npm test`: installs and builds what is missing, runs every fence and every test, and ends with the count.
 *
 * The last line is `N passed, N failed, N skipped`, alone, and is read by machines. It counts tests as the runner does; a test file
 * that could not be loaded and a fence that did not hold count as one failure each, so that `0 failed` means what it says.
 * Arguments go to the runner: `npm test -- packages/core/src/wire` runs the fences and these tests.
 *
 * Not here: how tests are found (vitest.config.ts).
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FENCES, runFences } from './check.mjs';
import { setup } from './setup.mjs';
import { root, seconds } from './steps.mjs';

const RESULTS = join(root, '.build/tests.json');

/**
 * Runs the test runner with its own output shown.
 * @param {string[]} args
 * @returns {Promise<number>} its exit code
 */
function runTests(args) {
  mkdirSync(join(root, '.build'), { recursive: true });
  rmSync(RESULTS, { force: true });
  const command = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${RESULTS}`, ...args];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, command, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', (error) => {
      console.error(`vitest: ${error.message}`);
      resolve(127);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** What the runner wrote: tests, and files that failed before they had any. */
function readCounts() {
  const report = JSON.parse(readFileSync(RESULTS, 'utf8'));
  const unloaded = report.testResults.filter((/** @type {any} */ file) => file.status === 'failed' && !file.assertionResults.some((/** @type {any} */ t) => t.status === 'failed'));
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

const start = performance.now();
const failures = [];
console.log('Netloom: checks and tests');
if (!(await setup())) failures.push('setup');
let counts = { passed: 0, failed: 0, skipped: 0 };
if (failures.length === 0) {
  failures.push(...(await runFences(FENCES)));
  const code = await runTests(process.argv.slice(2));
  try {
    counts = readCounts();
  } catch (error) {
    console.error(`The test runner left no result: ${error instanceof Error ? error.message : error}`);
  }
  if (code !== 0 && counts.failed === 0) failures.push('tests');
}

const failed = counts.failed + failures.length;
if (failures.length > 0) console.log(`\nDid not hold: ${failures.join(', ')}. The output is above; \`npm run check\` repeats the fences alone.`);
console.log(`\nAll in ${seconds(performance.now() - start)}.`);
console.log(`${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
