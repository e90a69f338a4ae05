/**
 * vm-process.ts — one QEMU: started, spoken to, stopped, and gone when the daemon is gone.
 * Read first: qemu-command.ts, qmp-client.ts.
 *
 * Theory of operation. QEMU is a child whose monitor and console are sockets that this process has the other ends of. The shell that becomes QEMU
 * (`exec`) leaves a watcher behind: it reads a pipe whose other end only the daemon has. A line on it says that QEMU has ended and the watcher may go;
 * an end without a line says that the daemon is gone, however that happened, and the watcher kills QEMU. The number it kills is that of the shell, which
 * is QEMU's, and nobody else can have that number while QEMU is not waited for.
 *
 * A machine that can be protected has its memory in a file, which the watcher removes when the daemon cannot, and holds a lock (protect/live-lock.ts) by a descriptor that QEMU has and the watcher has not.
 *
 * A machine starts stopped. `resume` lets it run. How it ended is what QEMU said last (SHUTDOWN), or how the process ended when it said nothing.
 *
 * Invariants: `ended` resolves exactly once, when the process is gone and its output is read. Every wait is bounded.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { Duplex, Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { EAGAIN, EIO, ENOENT } from '@netloom/core';
import { inTime } from '../in-time.js';
import { QmpClient, QmpError } from './qmp-client.js';
import { VmConsole } from './vm-console.js';
import { VmLog } from './vm-log.js';
import { VmRefusal } from './vm-spec.js';
import type { VmSpec } from './vm-spec.js';

/** Standard streams, the watcher's pipe, the monitor, the console, the lock. */
const WATCH_FD = 3;
export const MONITOR_FD = 4;
export const CONSOLE_FD = 5;
const LOCK_FD = 6;
/** $0 is the folder of the machine's memory, or "-". The watcher outlives what a terminal sends to all of its programs. */
const SHELL = `( trap '' INT TERM HUP; exec >/dev/null 2>&1 ${MONITOR_FD}>&- ${CONSOLE_FD}>&- ${LOCK_FD}>&-; read line <&${WATCH_FD} || { kill -9 $$; [ "$0" = - ] || { rm -f "$0/ram"; rmdir "$0"; }; } ) & exec ${WATCH_FD}>&-; exec "$@"`;

/** A machine that does not greet in that time is not coming. */
const START_MS = 30_000;
/** After QEMU was asked to quit. */
const QUIT_MS = 5_000;
const COMPLAINT_MAX = 4_096;
/** "Migration is not finalized yet" lasts a millisecond or some. */
const CONT_AGAIN_MS = 1;
const CONT_TRIES = 1_000;

/** How a machine ended: `poweroff` and `reset` by its guest, `stopped` because it was asked to, `killed` by a signal, `failed` by an error of QEMU's. */
export interface VmEnd {
  readonly how: 'poweroff' | 'reset' | 'panic' | 'stopped' | 'killed' | 'failed';
  /** What QEMU said of it; '' when nothing. */
  readonly message: string;
}

const SHUTDOWNS: Readonly<Record<string, VmEnd['how']>> = {
  'guest-shutdown': 'poweroff', 'guest-reset': 'reset', 'guest-panic': 'panic', 'host-qmp-quit': 'stopped', 'host-qmp-system-reset': 'reset', 'host-signal': 'killed',
};

/** What runs a machine's processors. */
export type RunsBy = 'kvm' | 'tcg' | 'v86';

export interface VmLaunch {
  readonly spec: VmSpec;
  /** QEMU's program and its arguments, or those of another that answers as QEMU does. */
  readonly argv: readonly string[];
  readonly accel: RunsBy;
  /** A folder for its logs; QEMU's working folder. */
  readonly folder: string;
  /** The folder of its memory, which goes when the daemon is killed; null: it has none. */
  readonly ramFolder?: string | null;
  /** A descriptor that QEMU inherits; null: none. */
  readonly lockFd?: number | null;
  /** A log cannot be written. */
  readonly logFailed: (error: unknown) => void;
}

export class VmProcess {
  readonly console: VmConsole;
  readonly accel: RunsBy;
  readonly ended: Promise<VmEnd>;
  /** Address of the card that its maker has made up; null: it has the one it was told. */
  madeUpMac: string | null = null;
  /** Told when the guest restarts. */
  onReset: () => void = () => undefined;
  /** What QEMU is asked by. */
  readonly qmp: QmpClient;
  private readonly child: ChildProcess;
  private readonly logs: readonly VmLog[];
  private complaint = '';
  private shutdown: VmEnd['how'] | null = null;

  private constructor(child: ChildProcess, launch: VmLaunch) {
    const pipes: readonly (Readable | Writable | null | undefined)[] = child.stdio;
    const [, stdout, stderr] = pipes;
    const [watch, monitor, line] = [pipes[WATCH_FD], pipes[MONITOR_FD], pipes[CONSOLE_FD]];
    if (!(stdout instanceof Readable) || !(stderr instanceof Readable) || !(watch instanceof Writable) || !(monitor instanceof Duplex) || !(line instanceof Duplex)) throw new VmRefusal(EIO, 'QEMU has been started without its pipes');
    const consoleLog = new VmLog(join(launch.folder, 'console.log'), launch.logFailed);
    const qemuLog = new VmLog(join(launch.folder, 'qemu.log'), launch.logFailed);
    this.child = child;
    this.accel = launch.accel;
    this.logs = [consoleLog, qemuLog];
    this.qmp = new QmpClient(monitor);
    this.console = new VmConsole(line, consoleLog);
    watch.on('error', () => undefined); // the watcher has been killed
    for (const stream of [stdout, stderr]) {
      stream.on('data', (bytes: Buffer) => {
        qemuLog.append(bytes);
        this.complaint = (this.complaint + bytes.toString('utf8')).slice(-COMPLAINT_MAX);
      });
    }
    this.qmp.onEvent = ({ event, data }) => {
      if (event === 'SHUTDOWN') this.shutdown = SHUTDOWNS[String(data.reason)] ?? 'failed';
      else if (event === 'RESET' && data.guest === true) this.onReset();
      else if (event === 'NETLOOM_MAC') this.madeUpMac = String(data.mac);
    };
    child.once('exit', () => watch.end('over\n'));
    this.ended = new Promise((resolve) => child.once('close', (code, signal) => void this.finish(code, signal).then(resolve)));
  }

  /** Starts QEMU; the machine is there and does not run yet. @throws VmRefusal */
  static async start(launch: VmLaunch): Promise<VmProcess> {
    const child = spawn('/bin/sh', ['-c', SHELL, launch.ramFolder ?? '-', ...launch.argv], { cwd: launch.folder, stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', launch.lockFd ?? 'ignore'] });
    if (child.pid === undefined) {
      const error = await new Promise<Error>((resolve) => child.once('error', resolve));
      throw new VmRefusal(EAGAIN, `${launch.argv[0] ?? ''} cannot be started: ${error.message}`);
    }
    const vm = new VmProcess(child, launch);
    try {
      if (!(await inTime(vm.qmp.greeted.then(() => true), START_MS, false))) throw new QmpError(`start: nothing from QEMU in ${START_MS / 1000} s`);
      await vm.qmp.run('qmp_capabilities');
      for (const extra of launch.spec.extras) if (extra.device === 'fbuf' && extra.password !== null) await vm.qmp.run('set_password', { protocol: 'vnc', password: extra.password });
      return vm;
    } catch (error) {
      vm.kill();
      const { message } = await vm.ended;
      throw new VmRefusal(message === '' ? EIO : ENOENT, message === '' ? `QEMU does not start: ${(error as Error).message}` : message);
    }
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Lets the machine run. QEMU may need a moment when its state has just been taken. */
  async resume(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.qmp.run('cont');
        return;
      } catch (error) {
        if (tries === CONT_TRIES || !/not finalized/.test((error as Error).message)) throw error;
        await delay(CONT_AGAIN_MS);
      }
    }
  }

  /** Why its state cannot be taken, in QEMU's words; none: it can. */
  async blockedReasons(): Promise<readonly string[]> {
    const { 'blocked-reasons': reasons } = (await this.qmp.run('query-migrate')) as { 'blocked-reasons'?: string[] };
    return reasons ?? [];
  }

  /** Asks the guest to power down, then takes its power away. Resolves when it is gone. */
  async stop(guestMs: number): Promise<VmEnd> {
    if (guestMs > 0) {
      await this.powerdown();
      if (await this.isOver(guestMs)) return this.ended;
    }
    await this.ask('quit');
    if (!(await this.isOver(QUIT_MS))) this.kill();
    return this.ended;
  }

  /** Presses the power button. */
  async powerdown(): Promise<void> {
    await this.ask('system_powerdown');
  }

  async reset(): Promise<void> {
    await this.ask('system_reset');
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** A command that QEMU may not live to answer. */
  private async ask(command: string): Promise<void> {
    try {
      await this.qmp.run(command);
    } catch (error) {
      if (!(error instanceof QmpError)) throw error;
    }
  }

  private async isOver(ms: number): Promise<boolean> {
    return (await inTime(this.ended, ms, null)) !== null;
  }

  private async finish(code: number | null, signal: NodeJS.Signals | null): Promise<VmEnd> {
    this.qmp.close();
    this.console.end();
    await Promise.all(this.logs.map((log) => log.close()));
    const how = this.shutdown ?? (signal !== null ? 'killed' : code === 0 ? 'stopped' : 'failed');
    return { how, message: how === 'failed' ? this.complained() : '' };
  }

  /** QEMU's last line without its own name; a shell that does not find QEMU says so as well. */
  private complained(): string {
    const lines = this.complaint.trim().split('\n').filter((line) => !/: warning: /.test(line));
    return (lines.at(-1) ?? '').replace(/^\S*qemu-system-\S+: /, '').replace(/^sh: (\d+: )?/, '');
  }
}
