/**
 * test-daemon.ts — a daemon for one test: its vnets, the tools in them, the netloom command against it, and cables to network namespaces.
 * Read first: netns.ts; src/daemon/attachments.ts.
 *
 *     await withNetns(1, (ns) =>
 *       withDaemon(async (d) => {
 *         await d.vnet('v1');
 *         await d.plug('v1', ns, { vnet: '10.77.0.2/24', linux: '10.77.0.1/24' });
 *         await d.ok('v1', 'ping', '-c', '1', '10.77.0.1');
 *       }));
 *
 * The daemon runs in this process, from the sources, so that a failing test shows where. The command is the built one (dist/), a child.
 * `withDaemon` goes inside `withNetns`: the daemon lets its devices go before their namespaces are deleted.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '../../src/daemon/daemon.js';
import type { Daemon } from '../../src/daemon/daemon.js';
import { execBuffered } from '../../src/daemon/exec-buffer.js';
import type { ExecResult } from '../../src/daemon/exec-buffer.js';
import { DaemonClient } from '../../src/daemon/http-client.js';
import { uniqueDevice } from './netns.js';
import type { Netns, RunResult } from './netns.js';

/** The netloom command as it is installed. */
export const NETLOOM = fileURLToPath(new URL('../../../cli/dist/main.js', import.meta.url));

/** Datapath workers of the daemons that do not say how many; NETLOOM_WORKERS runs all these tests with some. */
const WORKERS = Number(process.env['NETLOOM_WORKERS'] ?? '0');

/** Addresses of a cable's two ends, with prefix lengths; left out: none. */
export interface CableEnds {
  readonly vnet?: string;
  readonly linux?: string;
}

/** A tap of a vnet and the device in a namespace that it is bound to. */
export interface Cable {
  readonly ifname: string;
  readonly device: string;
}

/** A child whose output is collected. */
export interface Running {
  readonly child: ChildProcess;
  /** What it wrote so far. */
  readonly heard: { readonly stdout: Buffer; readonly stderr: string };
  readonly ended: Promise<RunResult>;
}

export class TestDaemon {
  /** A folder for the test's files; gone afterwards. */
  readonly folder: string;
  readonly daemon: Daemon;
  readonly client: DaemonClient;
  private readonly children = new Set<ChildProcess>();

  constructor(folder: string, daemon: Daemon) {
    this.folder = folder;
    this.daemon = daemon;
    this.client = new DaemonClient(daemon.socketPath);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Makes a vnet, forwarding or not. */
  async vnet(name: string, forwarding = false): Promise<void> {
    await this.ok('', 'jail', '-c', `name=${name}`, 'vnet', 'persist');
    if (forwarding) await this.ok(name, 'sysctl', 'net.inet.ip.forwarding=1');
  }

  /** Runs a tool in a vnet (`''`: outside all jails) to its end. */
  run(vnet: string, ...argv: string[]): Promise<ExecResult> {
    const call = { argv, cwd: this.folder, env: vnet === '' ? {} : { NETLOOM_JAIL: vnet }, tty: false, stdinTty: false, columns: 80, ignored: [] };
    return execBuffered(this.daemon.service, call).result;
  }

  /** Runs a tool that must succeed; its output. */
  async ok(vnet: string, ...argv: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(vnet, ...argv);
    if (exitCode !== 0) throw new Error(`${vnet}: ${argv.join(' ')}: exit ${exitCode}: ${stderr}${stdout}`);
    return stdout;
  }

  /** A counter of `netstat -s -p PROTOCOL`; `words`: what follows the number, as a regular expression. */
  async counter(vnet: string, protocol: string, words: string): Promise<number> {
    const value = new RegExp(`^\\s*(\\d+) ${words}`, 'm').exec(await this.ok(vnet, 'netstat', '-s', '-p', protocol))?.[1];
    if (value === undefined) throw new Error(`netstat -s -p ${protocol} has no line "${words}"`);
    return Number(value);
  }

  /** Starts the netloom command. It is killed with the daemon at the latest. */
  netloom(...args: string[]): Running {
    if (!existsSync(NETLOOM)) throw new Error(`${NETLOOM} is missing: build first (npm run build)`);
    const env = { ...process.env, NETLOOM_SOCKET: this.daemon.socketPath, NETLOOM_JAIL: '' };
    const child = spawn(process.execPath, [NETLOOM, ...args], { cwd: this.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.children.add(child);
    child.once('close', () => this.children.delete(child));
    return listen(child);
  }

  /** Joins a vnet to a namespace: a new tap, bound by `netloom attach`'s route to a new device that is moved there. */
  async plug(vnet: string, ns: Netns, ends: CableEnds = {}): Promise<Cable> {
    const ifname = (await this.ok(vnet, 'ifconfig', 'tap', 'create')).trim();
    await this.ok(vnet, 'ifconfig', ifname, ...(ends.vnet === undefined ? [] : ['inet', ends.vnet]), 'up');
    const device = uniqueDevice();
    await this.client.post('/v1/attachments', { vnet, interface: ifname, device });
    adoptQuietly(ns, device, ends.linux);
    return { ifname, device };
  }

  async close(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    await this.daemon.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** Moves a device into a namespace and brings it up there, without IPv6's own chatter. */
export function adoptQuietly(ns: Netns, device: string, address?: string): void {
  ns.adopt(device);
  ns.ip('link', 'set', 'dev', device, 'addrgenmode', 'none');
  if (address !== undefined) ns.address(device, address);
  ns.up(device);
}

/** Collects what a child writes. */
export function listen(child: ChildProcess): Running {
  const heard = { stdout: Buffer.alloc(0), stderr: '' };
  child.stdout?.on('data', (part: Buffer) => (heard.stdout = Buffer.concat([heard.stdout, part])));
  child.stderr?.setEncoding('utf8').on('data', (part: string) => (heard.stderr += part));
  const ended = new Promise<RunResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout: heard.stdout.toString('utf8'), stderr: heard.stderr }));
  });
  return { child, heard, ended };
}

/** Runs `body` with a fresh daemon, and ends it. @throws Error when packets are left that nobody owns: each test here is one for leaks. */
export async function withDaemon<T>(body: (daemon: TestDaemon) => Promise<T>, workers = WORKERS): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-it-'));
  const daemon = new TestDaemon(folder, await startDaemon({ socketPath: join(folder, 'n.sock'), logLevel: 'error', seed: 1, workers }));
  let result: T;
  try {
    result = await body(daemon);
  } finally {
    await daemon.close();
  }
  const { inUse } = daemon.daemon.kernel.engine.pool;
  if (inUse !== 0) throw new Error(`${inUse} packets are left after the daemon's end`);
  return result;
}
