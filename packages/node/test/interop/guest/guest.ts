/**
 * guest.ts — real Linux guests for tests: booted by QEMU without KVM in seconds, asked by commands, surely gone afterwards.
 * Read first: guest-image.ts (what is in one), guest-shell.ts (how it is asked); qemu(1), "-netdev".
 *
 *     peer('guest', 'iperf3')('two guests see each other', { timeout: 180_000 }, () => withGuests(
 *       [
 *         { nics: [{ netdev: `stream,server=on,addr.type=unix,addr.path=${path}` }], image: { programs: ['iperf3'] } },
 *         { nics: [{ netdev: `stream,addr.type=unix,addr.path=${path}`, device: 'e1000' }], image: { modules: ['e1000'] } },
 *       ],
 *       async (a, b) => {
 *         await a.ok('ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up'); // its output; throws when it does not return 0
 *         const { exitCode, output } = await b.run('ping -c 1 10.0.0.1');      // both
 *         await a.says(/login:/, 20);                                           // its console, which `a.type('...')` writes to
 *         await a.end();                                                        // pulls the plug; `Guest.boot(spec)` starts another
 *       },
 *     ));
 *
 * A guest's first interface is eth0, with the address 52:54:00:00:00:NN unless `mac` says another. `image.script` runs before the guest is ready. A guest that
 * something else starts (the product's own runner) boots from the files of `guestImage` and is asked through a `GuestShell` of its own.
 *
 * Theory of operation. The console (ttyS0) is QEMU's standard input and output; the agent's line is a Unix socket in a folder of the guest.
 * QEMU is a child that the system kills when this process ends in whatever way (setpriv --pdeathsig); `end` kills it before, and waits.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programPath } from '../../program-path.js';
import { agentArgs, guestImage } from './guest-image.js';
import type { GuestParts } from './guest-image.js';
import { GuestShell } from './guest-shell.js';
import type { GuestResult } from './guest-shell.js';

export const QEMU = 'qemu-system-x86_64';
const MEMORY_MB = 192;
const BOOT_SECONDS = 120;
const COMMAND_SECONDS = 60;
const CONSOLE_SHOWN = 3_000;

export interface GuestNic {
  /** QEMU's -netdev without its id: `user`, `stream,...`. */
  readonly netdev: string;
  /** QEMU's name of the card and its options. Default virtio-net-pci. */
  readonly device?: string;
  readonly mac?: string;
}

export interface GuestSpec {
  readonly nics?: readonly GuestNic[];
  readonly image?: GuestParts;
  readonly memoryMb?: number;
  /** Default "pc". */
  readonly machine?: string;
  /** More arguments for QEMU. */
  readonly args?: readonly string[];
}

/** Resolves with `promise`, or rejects with `late()` after `seconds`. */
async function within<T>(seconds: number, promise: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => (timer = setTimeout(() => reject(late()), seconds * 1_000)));
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

let booted = 0;

function qemuArgs(spec: GuestSpec, agent: string): string[] {
  const { kernel, initrd, append } = guestImage(spec.image);
  const args = ['-M', spec.machine ?? 'pc', '-accel', 'tcg', '-m', String(spec.memoryMb ?? MEMORY_MB), '-nodefaults', '-display', 'none', '-no-reboot', '-no-user-config'];
  args.push('-serial', 'stdio', '-chardev', `socket,id=agent,path=${agent}`, ...agentArgs('agent'), '-kernel', kernel, '-initrd', initrd, '-append', append);
  for (const [i, { netdev, device = 'virtio-net-pci', mac }] of (spec.nics ?? []).entries()) {
    booted++;
    const address = mac ?? `52:54:00:00:${(booted >> 8).toString(16).padStart(2, '0')}:${(booted & 0xff).toString(16).padStart(2, '0')}`;
    const [kind, ...rest] = netdev.split(',');
    args.push('-netdev', [kind, `id=net${i}`, ...rest].join(','), '-device', `${device},netdev=net${i},mac=${address}`);
  }
  return [...args, ...(spec.args ?? [])];
}

/** Starts QEMU so that it does not outlive this process. */
function startQemu(args: readonly string[]): ChildProcess {
  const setpriv = programPath('setpriv');
  const command = setpriv === null ? [QEMU, ...args] : [setpriv, '--pdeathsig', 'KILL', QEMU, ...args];
  return spawn(command[0]!, command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
}

export class Guest {
  /** What it has written on its console, and QEMU on its standard error. */
  console = '';
  readonly child: ChildProcess;
  private readonly shell: Promise<GuestShell>;
  private readonly ended: Promise<void>;
  private readonly listeners = new Set<() => void>();

  private constructor(child: ChildProcess, line: Promise<Socket>, ended: Promise<void>) {
    this.child = child;
    this.ended = ended;
    this.shell = line.then((socket) => new GuestShell(socket));
    this.shell.catch(() => undefined); // `boot` says so
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('latin1').on('data', (text: string) => {
        this.console += text;
        this.changed();
      });
    }
    void ended.then(() => this.changed());
  }

  /** Boots a guest; it is ready for commands when this resolves. */
  static async boot(spec: GuestSpec): Promise<Guest> {
    const folder = mkdtempSync(join(tmpdir(), 'netloom-guest-run-'));
    const server = createServer();
    let guest: Guest | null = null;
    try {
      await new Promise<void>((resolve) => server.listen(join(folder, 'agent'), resolve));
      const child = startQemu(qemuArgs(spec, join(folder, 'agent')));
      const ended = new Promise<void>((resolve) => {
        child.once('error', () => resolve());
        child.once('close', () => resolve());
      });
      const line = new Promise<Socket>((resolve, reject) => {
        server.once('connection', resolve);
        void ended.then(() => reject(new Error('QEMU has ended')));
      });
      guest = new Guest(child, line, ended);
      await within(BOOT_SECONDS, guest.shell.then((shell) => shell.ready), () => new Error(`no agent after ${BOOT_SECONDS} s`));
      return guest;
    } catch (error) {
      await guest?.end();
      throw new Error(`a guest does not boot: ${error instanceof Error ? error.message : String(error)}\n${guest?.tail ?? ''}`, { cause: error });
    } finally {
      server.close();
      rmSync(folder, { recursive: true });
    }
  }

  /** The end of its console. */
  get tail(): string {
    return this.console.slice(-CONSOLE_SHOWN);
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null && this.child.pid !== undefined;
  }

  /** Runs a command to its end. Commands may run beside each other. */
  async run(command: string, seconds = COMMAND_SECONDS): Promise<GuestResult> {
    const shell = await this.shell;
    return within(seconds, shell.run(command), () => new Error(`the guest has not finished after ${seconds} s: ${command}\n${this.tail}`));
  }

  /** Runs a command that must return 0; its output. */
  async ok(command: string, seconds = COMMAND_SECONDS): Promise<string> {
    const { exitCode, output } = await this.run(command, seconds);
    if (exitCode !== 0) throw new Error(`in the guest: ${command}: exit ${exitCode}: ${output}`);
    return output;
  }

  /** Waits until the console has `what` behind offset `from`; the match. */
  async says(what: RegExp, seconds: number, from = 0): Promise<RegExpExecArray> {
    const heard = new Promise<RegExpExecArray>((resolve, reject) => {
      const look = (): void => {
        const match = what.exec(this.console.slice(from));
        if (match !== null) resolve(match);
        else if (!this.running) reject(new Error(`the guest has ended:\n${this.tail}`));
        else return;
        this.listeners.delete(look);
      };
      this.listeners.add(look);
      look();
    });
    return within(seconds, heard, () => new Error(`the guest does not say ${String(what)}:\n${this.tail}`));
  }

  /** Writes a line on its console. */
  type(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  /** Kills QEMU, as if the plug were pulled. May be called again. */
  async end(): Promise<void> {
    if (this.running) this.child.kill('SIGKILL');
    await this.ended;
  }

  private changed(): void {
    for (const look of [...this.listeners]) look();
  }
}

/** Boots guests at the same time, runs `body` and ends them. */
export async function withGuests<T>(specs: readonly GuestSpec[], body: (...guests: Guest[]) => Promise<T>): Promise<T> {
  const boots = await Promise.allSettled(specs.map((spec) => Guest.boot(spec)));
  const guests = boots.flatMap((boot) => (boot.status === 'fulfilled' ? [boot.value] : []));
  try {
    for (const boot of boots) if (boot.status === 'rejected') throw boot.reason;
    return await body(...guests);
  } finally {
    await Promise.all(guests.map((guest) => guest.end()));
  }
}
