/**
 * netns.ts — Linux network namespaces for tests: made with names nobody else has, gone when the test is over.
 * Read first: ip-netns(8).
 *
 *     await withNetns(2, async (left, right) => {
 *       left.adopt(tap.name); left.address(tap.name, '10.1.0.1/24'); left.up(tap.name);
 *       const ping = await left.run('ping', '-c', '1', '10.1.0.2');
 *     });
 *
 * Theory of operation. A name carries the id of the process that made it. `withNetns` deletes its namespaces whatever the body does; what it
 * cannot see (process.exit, an uncaught exception) the process's `exit` event does; what that cannot see (SIGKILL) the next process does that
 * uses this file: it deletes namespaces whose maker is no more. Deleting one kills the programs in it and destroys the interfaces in it.
 * Programs are run without blocking this thread, because it is usually the one that answers their packets.
 *
 * Needs root and iproute2: guard tests with `peer('root', 'netns', 'ip')`.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const PREFIX = 'nltest-';
const NETNS_DIR = '/run/netns';

export interface RunResult {
  /** Exit code; null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Namespaces of this process that exist, for its exit. */
const living = new Set<Netns>();
const counters = { namespaces: 0, devices: 0 };

/** An interface name nobody else on this machine uses, of at most 15 bytes. */
export function uniqueDevice(): string {
  return `nlt${process.pid.toString(36)}x${(counters.devices++).toString(36)}`;
}

/** Runs `ip` with `args` here. @throws Error with what it said. */
export function ip(...args: string[]): string {
  const done = spawnSync('ip', args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`ip ${args.join(' ')}: ${(done.error?.message ?? done.stderr).trim()}`);
  return done.stdout;
}

export class Netns {
  readonly name: string;
  private readonly children = new Set<ChildProcess>();

  /** Makes a namespace with its loopback up. */
  constructor() {
    sweep();
    this.name = `${PREFIX}${process.pid}-${counters.namespaces++}`;
    if (living.size === 0) process.on('exit', destroyAll);
    ip('netns', 'add', this.name);
    living.add(this);
    this.up('lo');
  }

  /** Moves an interface of this process's namespace in. Its addresses and UP do not come along. */
  adopt(dev: string): void {
    ip('link', 'set', 'dev', dev, 'netns', this.name);
  }

  /** Gives an interface an address with prefix length. */
  address(dev: string, cidr: string): void {
    this.ip('addr', 'add', cidr, 'dev', dev);
  }

  up(dev: string): void {
    this.ip('link', 'set', 'dev', dev, 'up');
  }

  /** Runs `ip` in the namespace. */
  ip(...args: string[]): string {
    return ip('-netns', this.name, ...args);
  }

  /** A counter of an interface in the namespace, as in /sys/class/net/DEV/statistics. */
  counter(dev: string, name: 'rx_packets' | 'tx_packets' | 'rx_bytes' | 'tx_bytes' | 'rx_dropped' | 'tx_dropped'): number {
    const [direction, what] = name.split('_') as [string, string];
    const links = JSON.parse(this.ip('-json', '-statistics', 'link', 'show', 'dev', dev)) as { stats64: Record<string, Record<string, number>> }[];
    return links[0]!.stats64[direction]![what]!;
  }

  /** Starts a program inside; it is killed with the namespace at the latest. */
  spawn(program: string, ...args: string[]): ChildProcess {
    return this.start('ignore', program, args);
  }

  /** The same with a standard input that the test writes. */
  converse(program: string, ...args: string[]): ChildProcess {
    return this.start('pipe', program, args);
  }

  private start(stdin: 'ignore' | 'pipe', program: string, args: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, program, ...args], { stdio: [stdin, 'pipe', 'pipe'] });
    this.children.add(child);
    child.once('close', () => this.children.delete(child));
    return child;
  }

  /** Runs a program inside to its end. */
  run(program: string, ...args: string[]): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      const child = this.spawn(program, ...args);
      let stdout = '';
      let stderr = '';
      child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.once('error', reject);
      child.once('close', (status) => resolve({ status, stdout, stderr }));
    });
  }

  /** Runs `attempt` until it answers true. Throws after `seconds`. For "the server listens now", which nothing announces. */
  static async until(what: string, attempt: () => boolean | Promise<boolean>, seconds = 10): Promise<void> {
    for (let tries = seconds * 50; tries > 0; tries--) {
      if (await attempt()) return;
      await delay(20);
    }
    throw new Error(`after ${seconds} s still not: ${what}`);
  }

  /** Kills what runs inside and deletes the namespace. May be called again. */
  destroy(): void {
    if (!living.delete(this)) return;
    if (living.size === 0) process.off('exit', destroyAll);
    for (const child of this.children) child.kill('SIGKILL');
    deleteNetns(this.name);
  }
}

/** Runs `body` with `count` fresh namespaces, and deletes them. */
export async function withNetns<T>(count: number, body: (...namespaces: Netns[]) => Promise<T>): Promise<T> {
  const made: Netns[] = [];
  try {
    while (made.length < count) made.push(new Netns());
    return await body(...made);
  } finally {
    for (const ns of made) ns.destroy();
  }
}

function deleteNetns(name: string): void {
  const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout;
  for (const pid of pids.split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
  ip('netns', 'delete', name);
}

function destroyAll(): void {
  for (const ns of [...living]) ns.destroy();
}

/** Deletes namespaces of processes that ended without doing so, and what runs in them. */
function sweep(): void {
  if (!existsSync(NETNS_DIR)) return;
  for (const name of readdirSync(NETNS_DIR)) {
    const maker = new RegExp(`^${PREFIX}(\\d+)-\\d+$`).exec(name)?.[1];
    if (maker === undefined || existsSync(`/proc/${maker}`)) continue;
    try {
      deleteNetns(name);
    } catch {
      // Another process sweeps too.
    }
  }
}
