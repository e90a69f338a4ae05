/**
 * top-command.test.ts — `netloom top`: rates of two looks, the picture, and a daemon without workers.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from '@netloom/node';
import type { DatapathView, PortView, WorkerView } from '@netloom/node/client';
import { describe, expect, test } from 'vitest';
import type { CliIo } from './cli-io.js';
import { runProgram } from './run-program.js';
import { topText } from './top-command.js';
import { topRates } from './top-rates.js';

const WORKER: WorkerView = { worker: 0, state: 'up', io: 'poll', ioWhy: 'asked for', ports: ['tap0'], busyMs: 100, turns: 10, batches: 10, frames: 100, punts: 5, bells: 1, sleeps: 3 };
const PORT: PortView = {
  port: 0, device: 'tap0', vnet: 'r1', interface: 'tap0', workers: [0], rxFrames: 100, rxOctets: 10_000, forwardedFrames: 50, forwardedOctets: 5_000, sentFrames: 10, sentOctets: 1_000,
  txFull: 1, txErrors: 0, puntsLost: 0, noPort: 0, punts: { local: 5 }, drops: {},
};
const BEFORE: DatapathView = { atMs: 1_000, configured: 2, deaths: 0, noRoom: { interfaces: 0, neighbours: 0 }, workers: [WORKER], ports: [PORT] };
const AFTER: DatapathView = {
  atMs: 3_000, configured: 2, deaths: 1, noRoom: { interfaces: 0, neighbours: 0 },
  workers: [{ ...WORKER, busyMs: 1_100, turns: 30, batches: 30, frames: 700, punts: 9, sleeps: 13 }, { ...WORKER, worker: 1, state: 'starting', io: '', ioWhy: '', ports: [], busyMs: 0, turns: 0, batches: 0, frames: 0, punts: 0, sleeps: 0 }],
  ports: [{ ...PORT, rxFrames: 700, rxOctets: 70_000, forwardedFrames: 3_050, forwardedOctets: 3_005_000, txFull: 3, punts: { local: 7, ttl: 4 }, drops: { blackhole: 2 } }],
};

describe('rates', () => {
  test('are differences by the time between the two looks', () => {
    const { seconds, workers, ports } = topRates(BEFORE, AFTER);
    expect(seconds).toBe(2);
    expect(workers[0]).toMatchObject({ load: 0.5, turns: 10, batches: 10, frames: 300, framesPerBatch: 30, punts: 2, sleeps: 5 });
    expect(workers[1]).toMatchObject({ load: 0, framesPerBatch: 0 });
    expect(ports[0]).toMatchObject({ rxFrames: 300, rxBits: 240_000, forwardedFrames: 1_500, forwardedBits: 12_000_000, sentFrames: 0, lost: 1, punts: { local: 1, ttl: 2 }, drops: { blackhole: 1 } });
    expect(Object.keys(ports[0]!.punts)).toEqual(['ttl', 'local']);
  });

  test('of a port that is new, or another device, are from nothing', () => {
    expect(topRates({ ...BEFORE, ports: [] }, AFTER).ports[0]).toMatchObject({ rxFrames: 350 });
    expect(topRates({ ...BEFORE, ports: [{ ...PORT, device: 'other' }] }, AFTER).ports[0]).toMatchObject({ rxFrames: 350 });
  });

  test('are printed in columns', () => {
    expect(topText(topRates(BEFORE, AFTER))).toBe(
      '1 of 2 datapath workers run, 1 have failed and were replaced; per second, over 2.0 s\n\n' +
      'WORKER  STATE     LOAD  TURNS  BATCHES  FRAMES  PER BATCH  PUNTS  SLEEPS  I/O\n' +
      '0       up        50%   10     10       300     30.0       2      5       poll (asked for)\n' +
      '1       starting  0%    0      0        0       0.0        0      0\n\n' +
      'PORT  AT       WORKER  READ  BIT   FORWARDED TO  BIT  SENT TO  BIT  LOST  PUNTED, WHY\n' +
      'tap0  r1:tap0  0       300   240k  1.5k          12M  0        0    1     ttl 2, local 1, dropped blackhole 1\n');
  });

  test('say what the tables have no room for', () => {
    const full = { ...AFTER, noRoom: { interfaces: 3, neighbours: 7 } };
    expect(topText(topRates(BEFORE, full)).split('\n')[1]).toBe("the daemon's thread serves 3 interfaces for which the workers' tables have no room; neighbours found none 7 times");
  });
});

describe('netloom top', () => {
  async function against(workers: number, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const folder = mkdtempSync(join(tmpdir(), 'netloom-top-'));
    const daemon = await startDaemon({ socketPath: join(folder, 'n.sock'), logLevel: 'silent', seed: 1, workers });
    let out = '';
    let err = '';
    const io: CliIo = { env: { NETLOOM_SOCKET: daemon.socketPath }, out: (t) => void (out += t), err: (t) => void (err += t), exitCode: 0 };
    try {
      return { code: await runProgram(['top', ...args], '1.2.3', io), out, err };
    } finally {
      await daemon.close();
      rmSync(folder, { recursive: true });
    }
  }

  test('says that there are no workers, and how to have some', async () => {
    expect(await against(0)).toEqual({ code: 0, out: 'the daemon has no datapath workers: its own thread forwards ("netloom daemon --workers N" gives it some)\n', err: '' });
  });

  test('prints one sample and ends, in words or as JSON', async () => {
    const words = await against(2, '--once', '-d', '0.01');
    expect(words.out).toMatch(/^0 of 2 datapath workers run; per second, over 0\.\d s\nthey start with the first tap/);
    const { out } = await against(2, '-n', '2', '-d', '0.01', '--json');
    const lines = out.trim().split('\n').map((line) => JSON.parse(line) as object);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({ configured: 2, deaths: 0, workers: [], ports: [] });
  });

  test('refuses a delay that is none', async () => {
    expect((await against(2, '-d', 'soon')).code).toBe(2);
  });
});
