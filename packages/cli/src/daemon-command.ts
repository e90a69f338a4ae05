/**
 * daemon-command.ts — `netloom daemon`: runs a daemon in the foreground until a signal ends it.
 *
 * What a tool leaves behind (a rejected promise nobody looks at, an exception in a callback) is logged; it must not end the daemon, which
 * holds other people's networks. SIGINT, SIGTERM and SIGHUP end it in order; a second one at once.
 *
 * Beside the daemon's socket is one for devd's clients (docs/events.md); one that cannot be had ends the command only if it was asked for.
 */
import type { Daemon } from '@netloom/node';
import { WORKERS_MAX } from '@netloom/node/client';
import { readLab, withVmFiles } from '@netloom/node/lab';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_USAGE } from './cli-io.js';

/** What "auto" asks for at most: one processor is the stack's. */
const WORKERS_AUTO_MAX = 4;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Where other daemons bring machines that this one is to back up. */
export interface BackupOptions {
  readonly backupListen?: string;
  readonly backupKey?: string;
}

/** Starts a daemon in this process, in words of the command line when it cannot be. */
export async function startDaemonHere(socket: string, logLevel: string, workers = 0, { backupListen, backupKey }: BackupOptions = {}): Promise<Daemon> {
  const { SocketClaimError, startDaemon } = await import('@netloom/node');
  try {
    const daemon = await startDaemon({ socketPath: socket, logLevel, workers, ...(backupListen === undefined ? {} : { backupListen }), ...(backupKey === undefined ? {} : { backupKey: resolve(backupKey) }) });
    process.on('unhandledRejection', (reason) => daemon.log.error({ err: reason }, 'a promise was rejected and nobody looked'));
    process.on('uncaughtException', (error) => daemon.log.error({ err: error }, 'an exception was thrown and nobody caught it'));
    return daemon;
  } catch (error) {
    if (error instanceof SocketClaimError) throw new CliError(error.message);
    throw error;
  }
}

/** How many datapath workers option and environment ask for. Throws CliError when that is no number. */
export function workersAsked(option: string | undefined, env: NodeJS.ProcessEnv): number {
  const named = option ?? env.NETLOOM_WORKERS ?? '';
  if (named === 'auto') return Math.min(WORKERS_AUTO_MAX, availableParallelism() - 1);
  if (!/^\d{0,2}$/.test(named) || Number(named) > WORKERS_MAX) throw new CliError(`${option === undefined ? 'NETLOOM_WORKERS' : '--workers'} "${named}": a whole number from 0 to ${WORKERS_MAX} is needed, or "auto"`, EXIT_USAGE);
  return Number(named);
}

/** What the command line and the environment say of devd's socket. */
export interface DevdOptions {
  /** A path, false for `--no-devd`. */
  readonly devd?: string | false;
}

/** Where devd's socket is to be; null for nowhere. What nobody asked for may fail. */
export function devdPlace({ devd }: DevdOptions, env: NodeJS.ProcessEnv, socket: string): { readonly path: string; readonly asked: boolean } | null {
  const named = devd ?? env.NETLOOM_DEVD;
  if (named === false || named === '') return null;
  return named === undefined ? { path: `${socket.replace(/\.sock$/, '')}.devd.pipe`, asked: false } : { path: resolve(named), asked: true };
}

/** Serves devd's clients where options and environment say. Throws CliError when a path that was asked for cannot be had. */
export async function serveDevd(running: Daemon, options: DevdOptions, io: CliIo): Promise<void> {
  const place = devdPlace(options, io.env, running.socketPath);
  if (place === null) return;
  try {
    await running.serveDevd(place.path);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'SocketClaimError') throw error;
    if (place.asked) throw new CliError(error.message);
    running.log.warn(`no socket for devd's clients: ${error.message}`);
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

export interface DaemonCommandOptions extends DevdOptions, BackupOptions {
  readonly logLevel: string;
  readonly lab?: string;
  readonly workers?: string;
}

export async function daemon(options: DaemonCommandOptions, socket: string, io: CliIo): Promise<void> {
  const asked = untilAsked();
  const running = await startDaemonHere(socket, options.logLevel, workersAsked(options.workers, io.env), options);
  try {
    await serveDevd(running, options, io);
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
    return (await running.labs.up(withVmFiles(lab, dirname(resolve(file))), file)).name;
  } catch (error) {
    throw new CliError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
