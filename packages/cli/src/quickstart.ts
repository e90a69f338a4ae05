/**
 * quickstart.ts — `netloom quickstart` (`npm start`): a daemon in this process with the example lab, shown, measured, left running.
 *
 * Each step prints a line while it runs and counts as passed or failed; the table at the end has them all. A step that fails
 * does not keep the others from running. With --once the command ends there; its exit code is 0 when every step passed.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execBuffered } from '@netloom/node';
import type { Daemon } from '@netloom/node';
import { DaemonClient, drawText } from '@netloom/node/client';
import type { Topology } from '@netloom/node/client';
import { IN6_IFF_AUTOCONF } from '@netloom/core';
import { ip6Format } from '@netloom/core/wire';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_FAILURE, EXIT_OK, table } from './cli-io.js';
import { bringUp, serveDevd, startDaemonHere, untilAsked, workersAsked } from './daemon-command.js';
import { installLaunchers } from './launcher/install.js';
import { TOOL_SUMMARIES } from './tool-names.js';
import { transferTcp } from './tcp-transfer.js';
import { transferUdp } from './udp-transfer.js';

const LAB = fileURLToPath(new URL('../../../examples/quickstart.yaml', import.meta.url));
const GIGABYTE = 1_000_000_000;
/** 10.0.2.10 */
const SERVER = 0x0a00020a;
const PORT = 9000;
/** Solicitation, advertisement and duplicate address detection take about four seconds. */
const AUTOCONF_MS_MAX = 20_000;
const POLL_MS = 100;
/** Who pings whom, and why that is worth seeing. */
const PINGS: readonly (readonly [from: string, to: string, what: string])[] = [
  ['client', '10.0.1.1', 'client to router, over the bridge'],
  ['client', '10.0.2.10', 'client to server, through the router'],
  ['client', '10.0.20.10', 'client to server, over VLAN 20'],
];

interface Step {
  readonly what: string;
  readonly passed: boolean;
  readonly result: string;
}

export interface QuickstartOptions {
  readonly once?: boolean;
}

export async function quickstart(options: QuickstartOptions, socket: string, io: CliIo): Promise<void> {
  if (!existsSync(LAB)) throw new CliError(`the example lab "${LAB}" is not there; use "netloom up LAB.yaml" with a lab of your own`);
  const once = options.once === true;
  const folder = mkdtempSync(join(tmpdir(), 'netloom-quickstart-'));
  const path = once ? join(folder, 'netloom.sock') : socket;
  const asked = untilAsked();
  try {
    io.out(`Starting a daemon at ${path} with examples/quickstart.yaml ...\n`);
    const daemon = await startDaemonHere(path, 'warn', workersAsked(undefined, io.env));
    try {
      await serveDevd(daemon, once ? { devd: false } : {}, io);
      await bringUp(daemon, LAB);
      const passed = await show(daemon, io, () => new DaemonClient(path).get<Topology>('/v1/topology'));
      io.exitCode = passed ? EXIT_OK : EXIT_FAILURE;
      if (once) return;
      sayWhatNext(path, join(once ? folder : dirname(path), 'netloom-tools'), io);
      await asked;
      io.out('\nTaking everything down ...\n');
    } finally {
      await daemon.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The picture, the steps and their table. True when all passed. */
async function show(daemon: Daemon, io: CliIo, topology: () => Promise<Topology>): Promise<boolean> {
  io.out(`\n${drawText(await topology())}\n`);
  const steps: Step[] = [];
  for (const [from, to, what] of PINGS) {
    io.out(`ping ${to} from ${from} ...\n`);
    steps.push(await ping(daemon, from, to, what));
  }
  steps.push(await autoconfigured(daemon, io));
  io.out('ping 2001:db8:2::10 from client ...\n');
  steps.push(await ping(daemon, 'client', '2001:db8:2::10', 'client to server, over IPv6'));
  steps.push(await udp(daemon, io));
  steps.push(await tcp(daemon, io));
  io.out(`\n${table(['STEP', '', 'RESULT'], steps.map((s) => [s.what, s.passed ? 'ok' : 'FAILED', s.result]))}`);
  return steps.every((s) => s.passed);
}

async function ping(daemon: Daemon, from: string, to: string, what: string): Promise<Step> {
  const argv = ['jexec', from, 'ping', '-c', '5', '-i', '0.1', to];
  const { exitCode, stdout, stderr } = await execBuffered(daemon.service, { argv, cwd: '/', env: {}, tty: false, stdinTty: false, columns: 80, ignored: [] }).result;
  const lines = `${stdout}${stderr}`.trim().split('\n');
  const times = /= ([\d.]+)\/([\d.]+)\/([\d.]+)/.exec(lines.at(-1) ?? '');
  const result = times === null ? (lines.at(-1) ?? '') : `${/(\d+) packets received/.exec(stdout)?.[1] ?? '?'} of 5 answered, ${times[2]} ms on average`;
  return { what: `ping: ${what}`, passed: exitCode === 0, result };
}

/** Waits until the client has an address of the prefix that the router advertises. */
async function autoconfigured(daemon: Daemon, io: CliIo): Promise<Step> {
  const what = 'IPv6: the client configures itself from the router';
  const { in6Net } = vnetOf(daemon, 'client');
  io.out('waiting for the router\'s advertisement ...\n');
  for (let waited = 0; waited < AUTOCONF_MS_MAX; waited += POLL_MS) {
    const ia = in6Net.addrs.find((a) => (a.flags & IN6_IFF_AUTOCONF) !== 0 && a.isReady);
    if (ia !== undefined) return { what, passed: true, result: `${ip6Format(ia.addr)} on ${ia.ifp.xname}` };
    await setTimeout(POLL_MS);
  }
  return { what, passed: false, result: `no address within ${AUTOCONF_MS_MAX / 1_000} s` };
}

function vnetOf(daemon: Daemon, name: string): NonNullable<ReturnType<typeof daemon.kernel.prisons.find>>['vnet'] {
  const prison = daemon.kernel.prisons.find(daemon.kernel.prisons.prison0, name);
  if (prison === null) throw new CliError(`the lab has no vnet "${name}"`);
  return prison.vnet;
}

async function udp(daemon: Daemon, io: CliIo): Promise<Step> {
  const what = 'UDP: 1 GB from client to server, through bridge and router';
  return attempt(what, async () => {
    const meter = progressMeter('1 GB of UDP', GIGABYTE, io);
    const done = await transferUdp(daemon.loop, vnetOf(daemon, 'client'), vnetOf(daemon, 'server'), SERVER, PORT, GIGABYTE, meter);
    const passed = done.received === done.datagrams && done.wrong === 0;
    const rate = `${gigabits(done.bytes, done.seconds)}, ${Math.round(done.received / done.seconds / 1000)} kpps, ${done.seconds.toFixed(1)} s`;
    return { what, passed, result: passed ? `${rate}; every datagram arrived, in order, intact` : `${done.datagrams - done.received} of ${done.datagrams} lost, ${done.wrong} wrong; ${rate}` };
  });
}

async function tcp(daemon: Daemon, io: CliIo): Promise<Step> {
  const what = 'TCP: 1 GB from client to server, through bridge and router';
  return attempt(what, async () => {
    const meter = progressMeter('1 GB of TCP', GIGABYTE, io);
    const done = await transferTcp(daemon.loop, vnetOf(daemon, 'client'), vnetOf(daemon, 'server'), SERVER, PORT, GIGABYTE, meter);
    const passed = done.bytes === GIGABYTE && done.wrong === 0;
    const rate = `${gigabits(done.bytes, done.seconds)}, ${done.retransmitted} sent again, ${done.seconds.toFixed(1)} s`;
    return { what, passed, result: passed ? `${rate}; every byte arrived, in order` : `${done.bytes} of ${GIGABYTE} bytes arrived, ${done.wrong} wrong; ${rate}` };
  });
}

async function attempt(what: string, step: () => Promise<Step>): Promise<Step> {
  try {
    return await step();
  } catch (error) {
    return { what, passed: false, result: error instanceof Error ? error.message : String(error) };
  }
}

function gigabits(bytes: number, seconds: number): string {
  return `${((bytes * 8) / seconds / 1e9).toFixed(2)} Gbit/s`;
}

/** Shows how far it is: in place on a terminal, a line per quarter elsewhere. */
function progressMeter(what: string, total: number, io: CliIo): (done: number) => void {
  let shown = -1;
  return (done) => {
    const percent = Math.min(100, Math.floor((done / total) * 100));
    const step = process.stdout.isTTY ? percent : percent - (percent % 25);
    if (step === shown) return;
    shown = step;
    const bar = '█'.repeat(Math.floor(step / 4)).padEnd(25, '·');
    io.out(process.stdout.isTTY ? `\r${what} ${bar} ${String(step).padStart(3)} %${step === 100 ? '\n' : ''}` : `${what}: ${step} %\n`);
  };
}

function sayWhatNext(socket: string, folder: string, io: CliIo): void {
  installLaunchers(folder, Object.keys(TOOL_SUMMARIES), 'auto');
  io.out(`
It stays up. In a second terminal:

  export NETLOOM_SOCKET=${socket} PATH=${folder}:$PATH
  jls
  jexec client ping -c 3 10.0.20.10
  jexec client ping6 -c 3 2001:db8:2::10
  jexec router netstat -rn
  jexec router tcpdump -n -i wan
  jexec server iperf3 -s -1 & jexec client iperf3 -c 10.0.2.10 -t 3
  ifconfig -a

Ctrl-C here takes everything down.
`);
}
