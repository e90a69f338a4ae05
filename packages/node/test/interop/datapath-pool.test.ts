/**
 * datapath-pool.test.ts — the pool of workers on datagram pairs instead of TAPs: frames, moves, workers that die and hang, ending. Needs Linux, no root.
 * The workers are the built ones (dist/), without tables: everything is punted.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GracePeriods, quiescenceWords, READER_ABSENT } from '@netloom/core/fwd';
import { afterEach, describe, expect, test } from 'vitest';
import { DatapathPool } from '../../src/datapath/datapath-pool.js';
import type { PoolEvent, PoolReaders } from '../../src/datapath/datapath-pool.js';
import type { DatapathPort } from '../../src/datapath/datapath-port.js';
import { PC_RX_FRAMES } from '../../src/datapath/datapath-shared.js';
import type { FramePort } from '../../src/port/frame-port.js';
import { TapPort } from '../../src/tap/tap-port.js';
import { openFramePair } from './frame-pair.js';
import { expectStamps, frame, stamp, stampOf } from './stamped-frames.js';

class Readers implements PoolReaders {
  readonly periods = new GracePeriods(quiescenceWords(8));
  buried = 0;

  add(): number {
    return this.periods.claim();
  }

  remove(slot: number): void {
    this.periods.release(slot);
  }

  bury(slot: number): void {
    this.buried++;
    this.periods.bury(slot);
  }

  get states(): number[] {
    return Array.from({ length: this.periods.slots }, (_, i) => this.periods.state(i + 1));
  }
}

interface Rig {
  readonly pool: DatapathPool;
  readonly readers: Readers;
  readonly events: PoolEvent[];
  /** Resolves when the next event of the kind is reported. */
  next(kind: PoolEvent['kind']): Promise<PoolEvent>;
}

const pools: DatapathPool[] = [];
const peers: TapPort[] = [];

function startPool(workers: number, checkMs = 20): Rig {
  const readers = new Readers();
  const events: PoolEvent[] = [];
  const waiting: { kind: string; resolve: (event: PoolEvent) => void }[] = [];
  const report = (event: PoolEvent): void => {
    events.push(event);
    const at = waiting.findIndex(({ kind }) => kind === event.kind);
    if (at >= 0) waiting.splice(at, 1)[0]!.resolve(event);
  };
  const pool = new DatapathPool({ workers, readers, report, checkMs });
  pools.push(pool);
  return { pool, readers, events, next: (kind) => new Promise((resolve) => void waiting.push({ kind, resolve })) };
}

/** A port of the pool and what is at the other end of its cable. */
function openPort(pool: DatapathPool, vnetHdr = false): [DatapathPort, TapPort] {
  const [near, far] = openFramePair(vnetHdr);
  const peer = new TapPort(far);
  peers.push(peer);
  return [pool.open({ ...near, fds: [near.fd] }), peer];
}

afterEach(async () => {
  await Promise.all(peers.splice(0).map((port) => port.close()));
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

function sendOne(port: FramePort, n: number): void {
  stamp(n, 60);
  port.send(frame, 0, 60);
  port.flush();
}

/** Echoes what comes in. */
function echo(port: FramePort): void {
  port.onFrames((batch) => {
    while (batch.next()) port.send(batch.bytes, batch.off, batch.len);
    port.flush();
  });
}

/** Plays ping-pong from `peer` with whoever echoes at its far end. */
function pingPong(peer: FramePort, rounds: number, from = 0): Promise<void> {
  let n = from;
  const done = expectStamps(peer, rounds, (next) => {
    for (; n < next && n < from + rounds; n++) if (n + 1 < from + rounds) sendOne(peer, n + 1);
  }, from);
  sendOne(peer, from);
  return done;
}

/** Sends `count` stamped frames as fast as they are taken. */
function stream(port: FramePort, count: number): Promise<void> {
  return new Promise((resolve) => {
    let sent = 0;
    const more = (): void => {
      for (let burst = 0; burst < 64 && sent < count; burst++, sent++) {
        stamp(sent, 200);
        if (!port.send(frame, 0, 200)) break;
      }
      port.flush();
      if (sent < count) setImmediate(more);
      else resolve();
    };
    more();
  });
}

describe.runIf(process.platform === 'linux')('DatapathPool', () => {
  test('gives ports to workers in turn; frames cross in both directions, in order', async () => {
    const { pool } = startPool(2);
    const ports = Array.from({ length: 4 }, () => openPort(pool));
    expect(pool.seats.map((seat) => pool.queuesOf(seat).map(({ port }) => port.number))).toEqual([[0, 2], [1, 3]]);
    await Promise.all(ports.map(async ([port, peer]) => {
      const received = expectStamps(peer, 5_000);
      await stream(port, 5_000);
      await received;
      // A worker counts what it has done.
      await expect.poll(() => port.stats).toMatchObject({ txFrames: 5_000, txOctets: 1_000_000, txErrors: 0 });
    }));
    for (const [port] of ports) echo(port);
    await Promise.all(ports.map(([, peer]) => pingPong(peer, 500)));
    for (const [port] of ports) expect(port.stats.rxFrames).toBe(500);
  });

  test('carries long frames with their virtio headers', async () => {
    const { pool } = startPool(1);
    const [port, peer] = openPort(pool, true);
    const hdr = { flags: 1, gsoType: 1, hdrLen: 66, gsoSize: 1448, csumStart: 34, csumOffset: 16 };
    echo(port);
    const got = new Promise<number[]>((resolve) => {
      peer.onFrames((batch) => {
        while (batch.next()) resolve([batch.len]);
      });
    });
    peer.send(frame, 0, 65_549, hdr);
    peer.flush();
    expect(await got).toEqual([65_549]);
  });

  test('a queue moves between workers while frames flow: none is lost on the way out, none out of order on the way in', async () => {
    const { pool } = startPool(2);
    const [port, peer] = openPort(pool);
    const queue = port.queues[0]!;
    const count = 20_000;
    const received = expectStamps(peer, count);
    const sending = stream(port, count);
    for (let i = 0; i < 20; i++) await pool.move(queue, pool.seats[(i + 1) % 2]!);
    await Promise.all([sending, received]);
    echo(port);
    const pinging = pingPong(peer, 1_000);
    for (let i = 0; i < 20; i++) await pool.move(queue, pool.seats[i % 2]!);
    await pinging;
    await expect.poll(() => port.count(PC_RX_FRAMES)).toBe(1_000);
  });

  test.each(['throw', 'exit', 'hang'] as const)('a worker that fails (%s) is replaced: its ports go on, the others notice nothing', async (how) => {
    const { pool, readers, events, next } = startPool(2);
    const [a, farA] = openPort(pool);
    const [b, farB] = openPort(pool);
    echo(a);
    echo(b);
    await Promise.all([pingPong(farA, 100), pingPong(farB, 100)]);
    let bRounds = 0;
    let bRuns = true;
    const bPlays = (async () => {
      for (; bRuns; bRounds++) await pingPong(farB, 50);
    })();
    const died = next('died');
    const restarted = next('restarted');
    await expect(pool.seats[0]!.command({ op: 'fault', how })).resolves.toBe(false);
    await died;
    // The other worker has it now, before any thread has been started anew.
    expect(a.queues[0]!.seat).toBe(pool.seats[1]);
    await pingPong(farA, 100);
    await restarted;
    await a.queues[0]!.moving;
    await b.queues[0]!.moving;
    expect(pool.seats.map((seat) => pool.queuesOf(seat).length)).toEqual([1, 1]);
    await pingPong(farA, 100);
    bRuns = false;
    await bPlays;
    expect(bRounds).toBeGreaterThan(0);
    expect(readers.buried).toBe(1);
    expect(events.map(({ kind, worker }) => `${kind} ${worker}`)).toEqual(['died 0', 'restarted 0']);
  });

  test('the only worker fails while frames flow out: what follows arrives, in order', async () => {
    const { pool, next } = startPool(1);
    const [port, peer] = openPort(pool);
    const seen: number[] = [];
    const count = 30_000;
    const all = new Promise<void>((resolve) => {
      peer.onFrames((batch) => {
        while (batch.next()) seen.push(stampOf(batch));
        if (seen.at(-1) === count - 1) resolve();
      });
    });
    const restarted = next('restarted');
    void pool.seats[0]!.command({ op: 'fault', how: 'throw' });
    await Promise.all([stream(port, count), all, restarted]);
    // What the dead worker had in its hands may come twice; nothing is missing.
    const repeated = seen.filter((n, i) => i > 0 && n !== seen[i - 1]! + 1);
    expect(repeated.length).toBeLessThanOrEqual(1);
    expect(new Set(seen).size).toBe(count);
  });

  test('a worker whose threads fail again and again is given up; the last one takes the ports with it', async () => {
    // "Soon" is so many looks at it.
    const { pool, events } = startPool(1, 10_000);
    const [port] = openPort(pool);
    const gone = new Promise<Error>((resolve) => port.onGone(resolve));
    let failing = true;
    const fail = async (): Promise<void> => {
      while (failing) {
        await pool.seats[0]!.command({ op: 'fault', how: 'throw' });
        await new Promise(setImmediate);
      }
    };
    const failures = (async () => {
      await gone;
      failing = false;
    })();
    await Promise.race([fail(), failures]);
    expect((await gone).message).toContain('no datapath worker is left');
    expect(events.at(-1)).toMatchObject({ kind: 'abandoned', worker: 0 });
    expect(pool.deaths).toBe(4);
    expect(port.send(frame, 0, 60)).toBe(false);
    expect(() => openPort(pool)).toThrow('no datapath worker runs');
  });

  test('a device that the worker cannot open is given up; the worker and its other devices go on', async () => {
    const { pool, events } = startPool(1);
    const [a, farA] = openPort(pool);
    const [b] = openPort(pool);
    echo(a);
    const gone = new Promise<Error>((resolve) => b.onGone(resolve));
    // Counters that are too few for it.
    await expect(pool.seats[0]!.command({ ...b.queues[0]!.opening(true), counters: new SharedArrayBuffer(8) })).resolves.toBe(true);
    expect((await gone).message).toContain('no datapath worker can serve it');
    await pingPong(farA, 100);
    expect(events).toEqual([]);
  });

  test('numbers of queues are used again, also while later ones are open', async () => {
    const { pool } = startPool(2);
    let [open] = openPort(pool);
    for (let i = 0; i < 8; i++) {
      const [next] = openPort(pool);
      await open.close();
      open = next;
    }
    const [last, far] = openPort(pool);
    echo(last);
    await pingPong(far, 10);
    expect([open, last].map(({ number, queues }) => [number, queues[0]!.number])).toEqual([[0, 0], [1, 1]]);
  });

  test('closing in any order leaves no descriptor, no thread and no reader', async () => {
    const count = (): { fds: number; threads: number } => ({ fds: readdirSync('/proc/self/fd').length, threads: readdirSync('/proc/self/task').length });
    const cycle = async (portsFirst: boolean): Promise<Readers> => {
      const { pool, readers } = startPool(2);
      const ports = Array.from({ length: 3 }, () => openPort(pool));
      for (const [port] of ports) echo(port);
      await Promise.all(ports.map(([, peer]) => pingPong(peer, 10)));
      if (portsFirst) await Promise.all(ports.map(([port]) => port.close()));
      else void ports[0]![0].close();
      await pool.close();
      await Promise.all(peers.splice(0).map((port) => port.close()));
      return readers;
    };
    await cycle(true);
    const before = count();
    for (let i = 0; i < 4; i++) expect((await cycle(i % 2 === 0)).states.every((state) => state === READER_ABSENT)).toBe(true);
    await expect.poll(count, { timeout: 20_000 }).toEqual(before);
    expect(process.listeners('exit').some((listener) => listener.name === 'abandonAll')).toBe(false);
  });

  test('a pool that cannot have all of its workers has none, and gives everything back', async () => {
    const readers = new Readers();
    const fds = readdirSync('/proc/self/fd').length;
    expect(() => new DatapathPool({ workers: 9, readers })).toThrow('too many readers');
    await expect.poll(() => readers.states.every((state) => state === READER_ABSENT), { timeout: 20_000 }).toBe(true);
    await expect.poll(() => readdirSync('/proc/self/fd').length, { timeout: 20_000 }).toBe(fds);
  });

  test('closes although a worker hangs', async () => {
    const { pool, readers } = startPool(2);
    openPort(pool);
    void pool.seats[0]!.command({ op: 'fault', how: 'hang' });
    await pool.close();
    expect(pool.ports.size).toBe(0);
    expect(readers.states.filter((state) => state !== READER_ABSENT).length).toBeLessThanOrEqual(1);
  });
});

describe.runIf(process.platform === 'linux')('a process with a running pool', () => {
  const dist = (file: string): string => new URL(`../../dist/${file}`, import.meta.url).href;
  const fwd = new URL('../../../core/dist/fwd/index.js', import.meta.url).href;
  const prelude = `
    const { createRequire } = await import('node:module');
    const { DatapathPool } = await import('${dist('datapath/datapath-pool.js')}');
    const { GracePeriods, quiescenceWords } = await import('${fwd}');
    const koffi = createRequire('${fileURLToPath(dist('tap/tap-port.js'))}')('koffi');
    const fds = new Int32Array(2);
    koffi.load(null).func('socketpair', 'int', ['int', 'int', 'int', 'void *'])(1, 2 | 0o4000, 0, fds);
    const periods = new GracePeriods(quiescenceWords(8));
    const readers = { periods, add: () => periods.claim(), remove: (slot) => periods.release(slot), bury: (slot) => periods.bury(slot) };
    const pool = new DatapathPool({ workers: 2, readers });
    const open = () => pool.open({ fds: [fds[0]], name: 'pair', mtu: 1500, vnetHdr: false });
    const up = () => Promise.all(pool.seats.map((seat) => seat.command({ op: 'close', queue: 9 })));
  `;
  function run(script: string): Promise<{ code: number | null; text: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', prelude + script], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, text }));
    });
  }

  test('ends at process.exit although workers sleep in poll', async () => {
    expect(await run('open(); await up(); process.exit(3);')).toEqual({ code: 3, text: '' });
  });

  test('lives while a port is open, and ends by itself when it is closed', async () => {
    const script = "const port = open(); setTimeout(() => { console.log('alive'); port.close().then(() => console.log('closed')); }, 200).unref();";
    expect(await run(script)).toEqual({ code: 0, text: 'alive\nclosed\n' });
  });
});
