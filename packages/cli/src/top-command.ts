/**
 * top-command.ts — `netloom top`: what the datapath's workers are doing, every second.
 * Read first: docs/datapath.md; top-rates.ts.
 *
 * On a terminal the picture is drawn anew in its place; elsewhere, and with --json, samples follow each other.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DaemonClient } from '@netloom/node/client';
import type { DatapathView } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { table } from './cli-io.js';
import { printable } from './event-commands.js';
import { refuseInside } from './inside-jail.js';
import { topRates } from './top-rates.js';
import type { PortRates, TopSample, WorkerRates } from './top-rates.js';

export interface TopOptions {
  readonly delay: string;
  readonly count?: string;
  readonly once?: boolean;
  readonly json?: boolean;
}

/** Goes home and clears what is below. */
const REDRAW = '\x1b[H\x1b[J';

export async function top(options: TopOptions, socket: string, io: CliIo): Promise<void> {
  refuseInside(io, 'the datapath');
  const client = new DaemonClient(socket);
  const look = (): Promise<DatapathView> => client.get<DatapathView>('/v1/datapath');
  const count = options.once === true ? 1 : Number(options.count ?? Infinity);
  const redraws = options.json !== true && count > 1 && process.stdout.isTTY;
  let before = await look();
  if (before.configured === 0 && options.json !== true) return io.out(noWorkers());
  for (let n = 0; n < count; n++) {
    await delay(Number(options.delay) * 1000);
    const after = await look();
    const sample = topRates(before, after);
    before = after;
    if (options.json === true) io.out(`${JSON.stringify(sample)}\n`);
    else io.out(`${redraws ? REDRAW : n === 0 ? '' : '\n'}${topText(sample)}`);
  }
}

function noWorkers(): string {
  return 'the daemon has no datapath workers: its own thread forwards ("netloom daemon --workers N" gives it some)\n';
}

/** What the tables have no room for is left to the daemon's thread, which is worth saying. */
function withoutRoom({ interfaces, neighbours }: TopSample['noRoom']): string {
  return interfaces + neighbours === 0 ? '' : `the daemon's thread serves ${interfaces} interfaces for which the workers' tables have no room; neighbours found none ${neighbours} times\n`;
}

export function topText({ seconds, configured, deaths, noRoom, workers, ports }: TopSample): string {
  const running = workers.filter((w) => w.state === 'up').length;
  const head = `${running} of ${configured} datapath workers run${deaths === 0 ? '' : `, ${deaths} have failed and were replaced`}; per second, over ${seconds.toFixed(1)} s\n${withoutRoom(noRoom)}`;
  if (workers.length === 0) return `${head}they start with the first tap that is bound to a device (netloom attach)\n`;
  return `${head}\n${table(WORKER_HEAD, workers.map(workerRow))}\n${table(PORT_HEAD, ports.map(portRow))}`;
}

const WORKER_HEAD = ['WORKER', 'STATE', 'LOAD', 'TURNS', 'BATCHES', 'FRAMES', 'PER BATCH', 'PUNTS', 'SLEEPS', 'I/O'];

function workerRow(w: WorkerRates): string[] {
  const io = w.ioWhy === '' ? w.io : `${w.io} (${w.ioWhy})`;
  return [String(w.worker), w.state, `${Math.round(w.load * 100)}%`, short(w.turns), short(w.batches), short(w.frames), w.framesPerBatch.toFixed(1), short(w.punts), short(w.sleeps), io];
}

const PORT_HEAD = ['PORT', 'AT', 'WORKER', 'READ', 'BIT', 'FORWARDED TO', 'BIT', 'SENT TO', 'BIT', 'LOST', 'PUNTED, WHY'];

function portRow(p: PortRates): string[] {
  const at = p.vnet === null ? '-' : `${p.vnet}:${p.interface ?? ''}`;
  const why = [...Object.entries(p.punts), ...Object.entries(p.drops).map(([reason, n]) => [`dropped ${reason}`, n] as const)].map(([reason, n]) => `${reason} ${short(n)}`);
  const workers = p.workers.map((w) => (w === null ? '-' : String(w))).join(',');
  return [p.device, at, workers, short(p.rxFrames), short(p.rxBits), short(p.forwardedFrames), short(p.forwardedBits), short(p.sentFrames), short(p.sentBits), short(p.lost), why.join(', ')].map(printable);
}

/** Three digits or so: 7, 830, 1.2k, 45k, 3.1M. */
function short(n: number): string {
  for (const [unit, size] of [['G', 1e9], ['M', 1e6], ['k', 1e3]] as const) {
    if (n >= size) return `${(n / size).toFixed(n >= 10 * size ? 0 : 1)}${unit}`;
  }
  return n > 0 && n < 10 && !Number.isInteger(n) ? n.toFixed(1) : String(Math.round(n));
}
