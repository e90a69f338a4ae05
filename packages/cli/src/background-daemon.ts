/**
 * background-daemon.ts — starts a daemon that outlives the command that needed it, and stops one.
 *
 * The daemon gets a session of its own, so that a Ctrl-C or the end of the terminal does not reach it; its log goes to a file beside the
 * socket. Ready means that its socket answers.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { DaemonClient, probe } from '@netloom/node/client';
import { CliError } from './cli-io.js';

const START_MS = 15_000;
const STOP_MS = 15_000;
const POLL_MS = 20;

export interface StartedDaemon {
  readonly pid: number;
  readonly log: string;
}

/** The program that this process was started as; under a test, the built one. */
const PROGRAM = fileURLToPath(import.meta.url.endsWith('.ts') ? new URL('../dist/main.js', import.meta.url) : new URL('./main.js', import.meta.url));

/** Starts a daemon at `socket` and waits until it answers. Throws CliError with the end of its log. */
export async function startBackgroundDaemon(socket: string): Promise<StartedDaemon> {
  const log = `${socket.replace(/\.sock$/, '')}.log`;
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
  const fd = openSync(log, 'w', 0o600);
  // Its folder is another: what the environment names from here must be named in full.
  const devd = process.env.NETLOOM_DEVD ?? '';
  const child = spawn(process.execPath, [PROGRAM, 'daemon', '--socket', socket, ...(devd === '' ? [] : ['--devd', resolve(devd)])], { detached: true, stdio: ['ignore', 'ignore', fd], cwd: '/' });
  closeSync(fd);
  let ended = false;
  child.once('exit', () => (ended = true));
  child.once('error', () => (ended = true));
  for (let waited = 0; waited < START_MS && !ended; waited += POLL_MS) {
    if ((await probe(socket)) === 'alive') {
      child.unref();
      return { pid: child.pid ?? 0, log };
    }
    await delay(POLL_MS);
  }
  child.kill('SIGTERM');
  const said = readFileSync(log, 'utf8').trim().split('\n').at(-1) ?? '';
  throw new CliError(`the daemon did not start: ${said === '' ? `no answer within ${START_MS / 1000} s` : said} (its log: ${log})`);
}

/** Asks the daemon at `socket` to end and waits until it has. */
export async function stopDaemon(socket: string): Promise<number> {
  const { pid } = await new DaemonClient(socket).get<{ pid: number }>('/v1/health');
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    throw new CliError(`cannot signal the daemon, process ${pid} (${(error as NodeJS.ErrnoException).code}); it runs in another place: end it there`);
  }
  for (let waited = 0; waited < STOP_MS; waited += POLL_MS) {
    if ((await probe(socket)) !== 'alive') return pid;
    await delay(POLL_MS);
  }
  throw new CliError(`the daemon, process ${pid}, still runs after ${STOP_MS / 1000} s; end it with "kill -9 ${pid}"`);
}

/** Is somebody answering there? */
export async function isRunning(socket: string): Promise<boolean> {
  return (await probe(socket)) === 'alive';
}
