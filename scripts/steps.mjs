/**
 * steps.mjs — runs one step of a script as a child process and shows how it goes.
 *
 * A step prints one line when it ends (`ok` or `FAILED`, its name, its time) and, on a terminal, a running clock while it works. Its
 * output is kept and shown only when it fails: the tail of it, then the remedy. Elsewhere than on a terminal a line every ten seconds
 * says that it is still alive. Plain Node only: this runs before anything is installed.
 *
 * Not here: which steps there are (setup.mjs, check.mjs, test.mjs).
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** The root of the checkout. Scripts may be called from anywhere. */
export const root = join(import.meta.dirname, '..');

const TAIL_LINES = 60;
const KEPT_BYTES = 1 << 20;
const ALIVE_MS = 10_000;
const CLOCK_MS = 100;

/**
 * @typedef {object} Step
 * @property {string[]} command program and arguments, run in the root of the checkout
 * @property {string[]} [remedy] lines printed under the output of a failure
 * @property {Record<string, string>} [env] added to the environment
 */

/** @param {number} ms */
export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/**
 * Shows that a step is running until the returned function is called.
 * @param {string} text
 * @returns {() => void}
 */
function showProgress(text) {
  const start = performance.now();
  const elapsed = () => seconds(performance.now() - start);
  if (!process.stdout.isTTY) {
    const timer = setInterval(() => console.log(`  ...     ${text}: still working, ${elapsed()}`), ALIVE_MS);
    return () => clearInterval(timer);
  }
  const paint = () => process.stdout.write(`\r  ...     ${text} ${elapsed()} `);
  paint();
  const timer = setInterval(paint, CLOCK_MS);
  return () => {
    clearInterval(timer);
    process.stdout.write('\r\x1b[K');
  };
}

/** @param {string} output */
function printTail(output) {
  const lines = output.trimEnd().split('\n');
  if (lines.length > TAIL_LINES) console.log(`        (the last ${TAIL_LINES} of ${lines.length} lines)`);
  for (const line of lines.slice(-TAIL_LINES)) console.log(`        ${line}`);
}

/**
 * Runs a step to its end.
 * @param {string} name one word: the first column
 * @param {string} text what it does
 * @param {Step} step
 * @returns {Promise<boolean>} did it succeed?
 */
export async function runStep(name, text, { command, remedy = [], env = {} }) {
  const title = `${name.padEnd(9)} ${text}`;
  const start = performance.now();
  const done = showProgress(title);
  const { code, output } = await capture(command, env);
  done();
  console.log(`  ${code === 0 ? 'ok    ' : 'FAILED'}  ${title.padEnd(64)} ${seconds(performance.now() - start).padStart(8)}`);
  if (code !== 0) {
    printTail(output);
    for (const line of remedy) console.log(`  ${line}`);
  }
  return code === 0;
}

/**
 * @param {string[]} command @param {Record<string, string>} env
 * @returns {Promise<{ code: number, output: string }>}
 */
function capture([program = '', ...args], env) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (/** @type {Buffer} */ chunk) => {
      output = (output + chunk.toString('utf8')).slice(-KEPT_BYTES);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ code: 127, output: `${program}: ${error.message}` }));
    child.on('close', (code, signal) => resolve({ code: code ?? 1, output: signal === null ? output : `${output}\nended by ${signal}` }));
  });
}
