/**
 * tap-port.test.ts — TapPort on a datagram pair instead of a TAP: order, wake-ups, bounds, ending. Needs Linux, no root.
 * The worker is the built one (dist/).
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { TapPort } from '../../src/tap/tap-port.js';
import { FRAME_MAX } from '../../src/tap/tap-shared.js';
import { VNET_F_NEEDS_CSUM } from '../../src/tap/vnet-hdr.js';
import type { VnetHdr } from '../../src/tap/vnet-hdr.js';
import { openFramePair } from './frame-pair.js';
import { expectStamps, frame, stamp } from './stamped-frames.js';

const ports: TapPort[] = [];

function openPair(vnetHdr = false): [TapPort, TapPort] {
  const pair = openFramePair(vnetHdr).map((device) => new TapPort(device)) as [TapPort, TapPort];
  ports.push(...pair);
  return pair;
}

afterEach(async () => {
  await Promise.all(ports.splice(0).map((port) => port.close()));
});

describe.runIf(process.platform === 'linux')('TapPort', () => {
  test('keeps the order of frames written by the worker and from here, and loses no wake-up', async () => {
    const [a, b] = openPair();
    const count = 40_000;
    const seed = 7;
    let random = seed;
    const draw = (n: number): number => ((random = (Math.imul(random, 1664525) + 1013904223) >>> 0) >>> 16) % n;
    let sent = 0;
    /** Sends a batch of random size, often of one: the case in which a flush may write by itself. */
    const pump = (): void => {
      for (let batch = draw(3) === 0 ? 1 + draw(100) : 1; batch > 0 && sent < count; batch--) {
        const len = 8 + draw(200);
        stamp(sent, len);
        if (!a.send(frame, 0, len)) break;
        sent++;
      }
      a.flush();
    };
    // First a stream, in which the worker is about to sleep and does not; then with pauses until all has arrived, in which everybody sleeps.
    let pause = false;
    const loop = (): void => {
      pump();
      pause = sent > count / 2 && draw(4) === 0;
      if (sent < count && !pause) setImmediate(loop);
    };
    const done = expectStamps(b, count, (received) => {
      if (pause && received === sent) loop();
      else if (draw(2) === 0) pump();
    });
    loop();
    await done;
    await a.close();
    expect(a.stats.txFrames, `seed ${seed}`).toBe(count);
    expect(b.stats.rxFrames).toBe(count);
    expect(a.stats.txDirect).toBeGreaterThan(0);
    expect(a.stats.txBells).toBeGreaterThan(0);
  });

  test('keeps the order of long frames written from where they are and of short ones that go by the ring', async () => {
    const [a, b] = openPair(true);
    const count = 6_000;
    const seed = 11;
    let random = seed;
    const draw = (n: number): number => ((random = (Math.imul(random, 1664525) + 1013904223) >>> 0) >>> 16) % n;
    let sent = 0;
    let long = 0;
    let allSent = (): void => undefined;
    const pump = (): void => {
      for (let batch = 1 + draw(6); batch > 0 && sent < count; batch--) {
        // The first one finds the ring empty, and is long: it is written from where it is.
        const isLong = sent === 0 || draw(3) > 0;
        const len = isLong ? 16_384 + draw(49_000) : 8 + draw(200);
        // Without room in front of it a frame can but go by the ring.
        const off = sent > 0 && draw(8) === 0 ? 0 : 16;
        stamp(sent, len, off);
        if (!a.send(frame, off, len)) break;
        if (isLong) long++;
        sent++;
      }
      a.flush();
      // The receiver sleeps until there is no room for more, so that the sender has to wait whatever the machine.
      if (received === null && (a.stats.txWaits > 0 || sent === count)) received = expectStamps(b, count);
      if (sent < count) setImmediate(pump);
      else allSent();
    };
    let received: Promise<void> | null = null;
    await new Promise<void>((resolve) => {
      allSent = resolve;
      pump();
    });
    await received;
    await a.close();
    expect(a.stats, `seed ${seed}`).toMatchObject({ txFrames: count, txErrors: 0, txInvalid: 0 });
    // Both ways were gone, and the ring was returned to when the receiver had no room.
    expect(a.stats.txDirect).toBeGreaterThan(0);
    expect(a.stats.txDirect).toBeLessThan(long + a.stats.txBells);
    expect(a.stats.txWaits).toBeGreaterThan(0);
  });

  test('plays ping-pong: every frame finds both sides asleep', async () => {
    const [a, b] = openPair();
    const rounds = 2_000;
    b.onFrames((batch) => {
      while (batch.next()) b.send(batch.bytes, batch.off, batch.len);
      b.flush();
    });
    stamp(0, 60);
    a.send(frame, 0, 60);
    a.flush();
    let n = 0;
    await expectStamps(a, rounds, () => {
      stamp(++n, 60);
      if (n < rounds) a.send(frame, 0, 60);
      a.flush();
    });
    await b.close();
    expect(b.stats.txFrames).toBe(rounds);
  });

  test('carries 64 KB segments with their virtio headers, uncut', async () => {
    const [a, b] = openPair(true);
    const sent: (VnetHdr & { len: number })[] = [
      { flags: 0, gsoType: 0, hdrLen: 0, gsoSize: 0, csumStart: 0, csumOffset: 0, len: 60 },
      { flags: VNET_F_NEEDS_CSUM, gsoType: 1, hdrLen: 66, gsoSize: 1448, csumStart: 34, csumOffset: 16, len: 65_549 },
      { flags: 2, gsoType: 5, hdrLen: 42, gsoSize: 65_535, csumStart: 258, csumOffset: 6, len: FRAME_MAX - 10 },
    ];
    const got: object[] = [];
    const done = new Promise<void>((resolve) => {
      b.onFrames((batch) => {
        while (batch.next()) {
          const { flags, gsoType, hdrLen, gsoSize, csumStart, csumOffset, len } = batch;
          got.push({ flags, gsoType, hdrLen, gsoSize, csumStart, csumOffset, len });
        }
        if (got.length === sent.length + 1) resolve();
      });
    });
    for (const hdr of sent) a.send(frame, 0, hdr.len, hdr);
    a.send(frame, 0, 60);
    a.flush();
    await done;
    expect(got).toEqual([...sent, sent[0]]);
  });

  test('refuses and counts what does not fit; a ring that nobody empties is bounded', () => {
    const [a] = openPair();
    const hdr = { flags: 0, gsoType: 1, hdrLen: 66, gsoSize: 1448, csumStart: 34, csumOffset: 16 };
    expect(a.send(frame, 0, FRAME_MAX + 1)).toBe(false);
    expect(a.send(frame, 0, 1000, hdr)).toBe(false);
    expect(a.send(frame, 0, 1000, { ...hdr, gsoType: 0, flags: VNET_F_NEEDS_CSUM })).toBe(false);
    expect(a.stats).toMatchObject({ txInvalid: 3, txFull: 0 });
    let taken = 0;
    while (taken < 100_000 && a.send(frame, 0, 1500)) taken++;
    expect(taken).toBeGreaterThan(500);
    expect(taken).toBeLessThan(1_000);
    expect(a.stats.txFull).toBe(1);
  });

  test('a receiver that is not there yet loses nothing: the sender is held back', async () => {
    const [a, b] = openPair();
    const count = 3_000;
    let sent = 0;
    const fill = (): void => {
      for (; sent < count; sent++) {
        stamp(sent, 1500);
        if (!a.send(frame, 0, 1500)) break;
      }
      a.flush();
    };
    while (b.stats.rxWaits === 0) {
      fill();
      await new Promise(setImmediate);
    }
    await expectStamps(b, count, fill);
    expect(b.stats.rxFrames).toBe(count);
    expect(a.stats.txWaits).toBeGreaterThan(0);
  });

  test('lets the event loop have its turn while frames stream in', async () => {
    const [a, b] = openPair();
    let immediates = 0;
    const tick = (): void => {
      immediates++;
      a.send(frame, 0, 60);
      a.flush();
      if (b.stats.rxFrames < 5_000) setImmediate(tick);
    };
    let longest = 0;
    let last = 0;
    const done = new Promise<void>((resolve) => {
      b.onFrames((batch) => {
        while (batch.next());
        if (immediates === last) longest++;
        else longest = 0;
        last = immediates;
        expect(longest).toBeLessThan(64);
        for (let i = 0; i < 64; i++) a.send(frame, 0, 60);
        if (b.stats.rxFrames >= 5_000) resolve();
      });
    });
    tick();
    await done;
    expect(immediates).toBeGreaterThan(0);
  });

  test('after close: nothing is delivered, sends are refused and counted, a second close is the same', async () => {
    const [a, b] = openPair();
    let delivered = 0;
    b.onFrames((batch) => {
      while (batch.next()) delivered++;
    });
    const closing = b.close();
    expect(b.send(frame, 0, 60)).toBe(false);
    expect(b.stats.txDown).toBe(1);
    for (let i = 0; i < 10; i++) a.send(frame, 0, 60);
    a.flush();
    await closing;
    await b.close();
    await a.close();
    expect(delivered).toBe(0);
  });

  test('close writes what was sent before it', async () => {
    const [a, b] = openPair();
    const done = expectStamps(b, 5);
    for (let i = 0; i < 5; i++) {
      stamp(i, 60);
      a.send(frame, 0, 60);
    }
    await a.close();
    await done;
  });

  test('a callback that throws costs its batch, not the port', async () => {
    const [a, b] = openPair();
    const thrown = new Promise<unknown>((resolve) => process.prependOnceListener('uncaughtException', resolve));
    const others = process.listeners('uncaughtException').slice(1) as NodeJS.UncaughtExceptionListener[];
    for (const listener of others) process.off('uncaughtException', listener);
    try {
      b.onFrames(() => {
        throw new Error('from the callback');
      });
      a.send(frame, 0, 60);
      a.flush();
      expect(await thrown).toMatchObject({ message: 'from the callback' });
    } finally {
      for (const listener of others) process.on('uncaughtException', listener);
    }
    stamp(0, 60);
    const done = expectStamps(b, 1);
    a.send(frame, 0, 60);
    a.flush();
    await done;
  });

  test('twenty ports opened and closed leave no descriptor and no thread', async () => {
    const count = (): { fds: number; threads: number } => ({ fds: readdirSync('/proc/self/fd').length, threads: readdirSync('/proc/self/task').length });
    const cycle = async (): Promise<void> => {
      const [a, b] = openPair();
      const done = expectStamps(b, 1);
      stamp(0, 60);
      a.send(frame, 0, 60);
      a.flush();
      await done;
      await Promise.all(ports.splice(0).map((port) => port.close()));
    };
    // The first start makes threads and descriptors that stay: V8's and libuv's pools.
    await cycle();
    const before = count();
    for (let i = 0; i < 10; i++) await cycle();
    // A thread that has ended is seen for a moment longer.
    await expect.poll(count).toEqual(before);
    expect(process.listeners('exit').some((listener) => listener.name === 'abandonAll')).toBe(false);
  });
});

describe.runIf(process.platform === 'linux')('a process with an open port', () => {
  const dist = (file: string): string => new URL(`../../dist/tap/${file}`, import.meta.url).href;
  const prelude = `
    const { createRequire } = await import('node:module');
    const { TapPort } = await import('${dist('tap-port.js')}');
    const koffi = createRequire('${fileURLToPath(dist('tap-port.js'))}')('koffi');
    const fds = new Int32Array(2);
    koffi.load(null).func('socketpair', 'int', ['int', 'int', 'int', 'void *'])(1, 2 | 0o4000, 0, fds);
    const open = (fd) => new TapPort({ fd, name: 'pair', mtu: 1500, vnetHdr: false });
    const started = (port) => new Promise((r) => {
      port.send(new Uint8Array(60), 0, 60);
      port.flush();
      const look = () => port.stats.txFrames > 0 ? r() : setTimeout(look, 5);
      look();
    });
  `;
  /** Runs a program; its exit code and output. A program that does not end fails the test by time. */
  function run(script: string): Promise<{ code: number | null; text: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', prelude + script], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, text }));
    });
  }

  test('ends at process.exit although the worker is inside poll', async () => {
    expect(await run('const port = open(fds[0]); await started(port); process.exit(3);')).toEqual({ code: 3, text: '' });
  });

  test('ends at an uncaught exception', async () => {
    expect((await run("const port = open(fds[0]); await started(port); process.on('uncaughtException', () => process.exit(4)); throw new Error('x');")).code).toBe(4);
  });

  test('lives while the port is open, and ends by itself when it is closed', async () => {
    const script = "const port = open(fds[0]); setTimeout(() => { console.log('alive'); port.close().then(() => console.log('closed')); }, 200).unref();";
    expect(await run(script)).toEqual({ code: 0, text: 'alive\nclosed\n' });
  });

  test('does not live for a port that was unref’d', async () => {
    expect(await run("const port = open(fds[0]); port.unref(); process.on('exit', () => console.log('end'));")).toEqual({ code: 0, text: 'end\n' });
  });
});
