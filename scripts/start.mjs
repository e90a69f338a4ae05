/**
 * start.mjs — `npm start`: installs and builds what is missing, then runs the quick start of the command line.
 *
 * Arguments go through (`npm start -- --once`), and so does the exit code. Signals sent to this process are handed on; a Ctrl-C on a
 * terminal reaches the whole process group by itself and is only survived here, so that the child decides when all is down.
 * npm's shell hands no signal on: when the parent is gone, this process ends as on SIGTERM.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { whenParentIsGone } from './parent.mjs';
import { setup } from './setup.mjs';
import { root } from './steps.mjs';

const parent = process.ppid;
if (!(await setup())) process.exit(1);

const child = spawn(process.execPath, [join(root, 'packages/cli/dist/main.js'), 'quickstart', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
process.on('SIGINT', () => {
  if (!onTerminal) child.kill('SIGINT');
});
for (const signal of /** @type {const} */ (['SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
whenParentIsGone(parent, () => child.kill('SIGTERM'));

child.on('error', (error) => {
  console.error(`netloom: ${error.message}`);
  process.exitCode = 1;
});
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
});
