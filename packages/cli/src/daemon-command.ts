/**
 * daemon-command.ts — `netloom daemon`: runs a daemon in the foreground until a signal ends it.
 *
 * What a tool leaves behind (a rejected promise nobody looks at, an exception in a callback) is logged; it must not end the daemon, which
 * holds other people's networks. SIGINT, SIGTERM and SIGHUP end it in order; a second one at once.
 */
import type { Daemon } from '@netloom/node';
import { readLab } from '@netloom/node/lab';
import { readFileSync } from 'node:fs';
import type { CliIo } from './cli-io.js';
import { CliError } from './cli-io.js';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Starts a daemon in this process, in words of the command line when it cannot be. */
export async function startDaemonHere(socket: string, logLevel: string): Promise<Daemon> {
  const { SocketClaimError, startDaemon } = await import('@netloom/node');
  try {
    const daemon = await startDaemon({ socketPath: socket, logLevel });
    process.on('unhandledRejection', (reason) => daemon.log.error({ err: reason }, 'a promise was rejected and nobody looked'));
    process.on('uncaughtException', (error) => daemon.log.error({ err: error }, 'an exception was thrown and nobody caught it'));
    return daemon;
  } catch (error) {
    if (error instanceof SocketClaimError) throw new CliError(error.message);
    throw error;
  }
}

/** Resolves when a signal asks for the end; from then on a second signal ends the process at once. */
export function untilAsked(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const asked = (signal: NodeJS.Signals): void => {
      for (const name of signals) process.removeListener(name, asked);
      resolve(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (const name of signals) process.on(name, asked);
  });
}

export interface DaemonCommandOptions {
  readonly logLevel: string;
  readonly lab?: string;
}

export async function daemon(options: DaemonCommandOptions, socket: string, io: CliIo): Promise<void> {
  const asked = untilAsked();
  const running = await startDaemonHere(socket, options.logLevel);
  try {
    if (options.lab !== undefined) await bringUp(running, options.lab);
    running.log.info({ socket, signal: await asked }, 'ending');
  } finally {
    await running.close();
  }
  io.exitCode = 0;
}

/** Brings a lab file up in a daemon of this process. */
export async function bringUp(running: Daemon, file: string): Promise<string> {
  const { lab, problems } = readLab(file, readFileSync(file, 'utf8'));
  const first = problems[0];
  if (lab === null) throw new CliError(`${file}:${first?.line}:${first?.column}: ${first?.message} (${first?.remedy})`);
  try {
    return (await running.labs.up(lab, file)).name;
  } catch (error) {
    throw new CliError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
