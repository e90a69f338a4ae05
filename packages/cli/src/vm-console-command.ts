/**
 * vm-console-command.ts — `netloom vm console`: a terminal on a machine's serial console, or a line typed there by a script.
 * Read first: docs/vm.md, "The console".
 *
 * At a terminal every key goes to the machine but Ctrl-], which lets go of it. Without one, standard input is typed as it comes, and its end is the end.
 * With a line (-c) that is typed, and what the machine says from then on is printed until it matches (--until), or the time is up. A pattern alone is looked
 * for in what it said before, too.
 */
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { CONSOLE_UPGRADE, DaemonUnreachable } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_OK, EXIT_USAGE } from './cli-io.js';

/** Ctrl-] */
const DETACH = 0x1d;
const UNTIL_SECONDS = 60;
/** Output that a pattern is looked for in. */
const SEEN_MAX = 256 * 1024;

export interface ConsoleOptions {
  /** Print what the machine said before. */
  readonly history?: boolean;
  readonly command?: string;
  readonly until?: string;
  readonly timeout?: string;
}

export async function showConsole(name: string, options: ConsoleOptions, socket: string, io: CliIo): Promise<void> {
  const until = pattern(options);
  const line = await connect(name, options.history !== false && options.command === undefined, socket);
  if (options.command !== undefined) line.write(`${options.command}\n`);
  if (options.command !== undefined || until !== null) return listen(line, options, until, io);
  if (process.stdin.isTTY) return atTerminal(name, line, io);
  process.stdin.pipe(line);
  for await (const bytes of line as AsyncIterable<Buffer>) process.stdout.write(bytes);
}

function pattern({ until }: ConsoleOptions): RegExp | null {
  try {
    return until === undefined ? null : new RegExp(until, 'm');
  } catch (error) {
    throw new CliError(`--until: ${(error as Error).message}`, EXIT_USAGE);
  }
}

function connect(name: string, history: boolean, socket: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const path = `/v1/vms/${encodeURIComponent(name)}/console${history ? '' : '?history=no'}`;
    const call = request({ socketPath: socket, method: 'GET', path, headers: { connection: 'Upgrade', upgrade: CONSOLE_UPGRADE }, agent: false });
    call.on('upgrade', (_response, stream: Duplex, head: Buffer) => {
      if (head.length > 0) stream.unshift(head);
      resolve(stream);
    });
    call.on('response', (response) => {
      response.resume();
      reject(new CliError(response.statusMessage ?? 'the daemon has refused'));
    });
    call.on('error', (error: NodeJS.ErrnoException) => reject(new DaemonUnreachable(socket, error.code ?? 'EIO')));
    call.end();
  });
}

async function atTerminal(name: string, line: Duplex, io: CliIo): Promise<void> {
  io.err(`netloom: on the console of ${name}; Ctrl-] lets go of it\n`);
  const { stdin } = process;
  stdin.setRawMode(true);
  const typed = (bytes: Buffer): void => {
    const at = bytes.indexOf(DETACH);
    line.write(at < 0 ? bytes : bytes.subarray(0, at));
    if (at >= 0) line.destroy();
  };
  stdin.on('data', typed);
  try {
    for await (const bytes of line as AsyncIterable<Buffer>) process.stdout.write(bytes);
    io.err(`\r\nnetloom: ${name} has ended\r\n`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    io.err('\r\n');
  } finally {
    stdin.off('data', typed);
    stdin.setRawMode(false);
    stdin.pause();
  }
}

/** Prints what the machine says until it matches; without a pattern, for as long as the time is. */
async function listen(line: Duplex, { command, timeout }: ConsoleOptions, until: RegExp | null, io: CliIo): Promise<void> {
  const seconds = Number(timeout ?? UNTIL_SECONDS);
  let seen = '';
  let matched = false;
  const timer = setTimeout(() => line.destroy(), seconds * 1000);
  try {
    for await (const bytes of line as AsyncIterable<Buffer>) {
      process.stdout.write(bytes);
      seen = (seen + bytes.toString('latin1')).slice(-SEEN_MAX);
      // What is typed is echoed: the machine's answer begins behind it.
      matched = until?.test(command === undefined ? seen : seen.slice(seen.indexOf('\n') + 1)) ?? false;
      if (matched) break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  } finally {
    clearTimeout(timer);
    line.destroy();
  }
  if (until !== null && !matched) throw new CliError(`the console has not said /${until.source}/ within ${seconds} s`);
  io.exitCode = EXIT_OK;
}
