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
import { fileURLToPath } from 'node:url';

/** The root of the checkout. Scripts may be called from anywhere, and a Node too old to run them still has to be told so. */
export const root = fileURLToPath(new URL('..', import.meta.url));

const TAIL_LINES = 60;
const KEPT_BYTES = 1 << 20;
const ALIVE_MS = 10_000;
const CLOCK_MS = 100;

/**
 * @typedef {object} Step
 * @property {string[]} command program and arguments, run in the root of the checkout
 * @property {string[]} [remedy] lines printed under the output of a failure
 * @property {Record<string, string>} [env] added to the environment
 * @property {NodeJS.WriteStream} [out] where to report; standard output unless a script's own output goes there
 */

/** @param {number} ms */
export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/**
 * Shows that a step is running until the returned function is called.
 * @param {string} text
 * @param {NodeJS.WriteStream} out
 * @returns {() => void}
 */
function showProgress(text, out) {
  const start = performance.now();
  const elapsed = () => seconds(performance.now() - start);
  if (!out.isTTY) {
    const timer = setInterval(() => out.write(`  ...     ${text}: still working, ${elapsed()}\n`), ALIVE_MS);
    return () => clearInterval(timer);
  }
  const paint = () => out.write(`\r  ...     ${text} ${elapsed()} `);
  paint();
  const timer = setInterval(paint, CLOCK_MS);
  return () => {
    clearInterval(timer);
    out.write('\r\x1b[K');
  };
}

/** @param {string} output @param {NodeJS.WriteStream} out */
function printTail(output, out) {
  const lines = output.trimEnd().split('\n');
  if (lines.length > TAIL_LINES) out.write(`        (the last ${TAIL_LINES} of ${lines.length} lines)\n`);
  for (const line of lines.slice(-TAIL_LINES)) out.write(`        ${line}\n`);
}

/**
 * Runs a step to its end.
 * @param {string} name one word: the first column
 * @param {string} text what it does
 * @param {Step} step
 * @returns {Promise<boolean>} did it succeed?
 */
export async function runStep(name, text, { command, remedy = [], env = {}, out = process.stdout }) {
  const title = `${name.padEnd(9)} ${text}`;
  const start = performance.now();
  const done = showProgress(title, out);
  const { code, output } = await capture(command, env);
  done();
  out.write(`  ${code === 0 ? 'ok    ' : 'FAILED'}  ${title.padEnd(64)} ${seconds(performance.now() - start).padStart(8)}\n`);
  if (code !== 0) {
    printTail(output, out);
    for (const line of remedy) out.write(`  ${line}\n`);
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
