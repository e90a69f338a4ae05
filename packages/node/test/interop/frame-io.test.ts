/**
 * frame-io.test.ts — FrameIo on TAPs: two namespaces of Linux and nothing between them but frames handed on; their order, their offloads, a TAP taken away.
 */
import { describe, expect, test } from 'vitest';
import { PollIo } from '../../src/datapath/io/poll-io.js';
import { UringIo } from '../../src/datapath/io/uring-io.js';
import { IoUring } from '../../src/native/io-uring.js';
import { EBADFD, loadLibc } from '../../src/tap/libc.js';
import { openTap, openTapQueues, setTapQueue } from '../../src/tap/tap-device.js';
import { FRAME_MAX } from '../../src/tap/tap-shared.js';
import { peer } from '../peers.js';
import { FrameBridge } from './frame-bridge.js';
import type { MakeFrameIo } from './frame-bridge.js';
import { linuxPing } from './linux-ping.js';
import { LinuxPython } from './linux-python.js';
import { ip, Netns, uniqueDevice, withNetns } from './netns.js';

const NEEDS = ['root', 'tun', 'netns', 'ip'] as const;

/** Why this machine has no io_uring, or null. */
function lackingUring(): string | null {
  try {
    new IoUring(4, 8).destroy();
    return null;
  } catch (error) {
    return String(error);
  }
}

interface Ends {
  readonly bridge: FrameBridge;
  readonly a: Netns;
  readonly b: Netns;
  readonly devices: readonly [string, string];
}

/** Two namespaces, 10.77.0.1 and 10.77.0.2, whose TAPs are joined by `make`'s FrameIo. */
async function withBridge(make: MakeFrameIo, vnetHdr: boolean, body: (ends: Ends) => Promise<void>): Promise<void> {
  const libc = loadLibc();
  const taps = [openTap({ name: uniqueDevice(), vnetHdr }), openTap({ name: uniqueDevice(), vnetHdr })] as const;
  const bridge = new FrameBridge(make, [taps[0].fd, taps[1].fd], vnetHdr ? FRAME_MAX : 1_984);
  try {
    await withNetns(2, async (a, b) => {
      for (const [i, ns] of [a, b].entries()) {
        const dev = taps[i]!.name;
        ns.adopt(dev);
        ns.ip('link', 'set', 'dev', dev, 'addrgenmode', 'none');
        ns.address(dev, `10.77.0.${i + 1}/24`);
        ns.up(dev);
      }
      await body({ bridge, a, b, devices: [taps[0].name, taps[1].name] });
    });
  } finally {
    bridge.close();
    for (const tap of taps) libc.close(tap.fd);
  }
}

const noUring = process.platform === 'linux' ? lackingUring() : 'this needs Linux';
if (noUring !== null) console.warn(`UringIo is not tested: ${noUring}`);

describe.each([
  { name: 'PollIo', lacking: null, make: ((libc, handler, wakeFd) => new PollIo(libc, handler, wakeFd)) satisfies MakeFrameIo },
  { name: 'UringIo', lacking: noUring, make: ((libc, handler, wakeFd) => new UringIo(libc, handler, wakeFd)) satisfies MakeFrameIo },
].filter(({ lacking }) => lacking === null))('$name between two TAPs', ({ make }) => {
  peer(...NEEDS, 'ping')('Linux pings Linux, with and without virtio headers', async () => {
    for (const vnetHdr of [false, true]) {
      await withBridge(make, vnetHdr, async ({ a }) => {
        const ping = await linuxPing(a, '10.77.0.2', 3, '-s', '1400');
        expect(ping.received, ping.text).toBe(3);
      });
    }
  });

  peer(...NEEDS, 'python3')('datagrams of a flow keep their order, in both directions at once', async () => {
    await withBridge(make, false, async ({ a, b, bridge }) => {
      const [left, right] = [new LinuxPython(a), new LinuxPython(b)];
      const count = 30_000;
      for (const [py, peerAddress] of [[left, '10.77.0.2'], [right, '10.77.0.1']] as const) {
        await py.run("s = socket(AF_INET, SOCK_DGRAM); s.setsockopt(SOL_SOCKET, SO_RCVBUFFORCE if 'SO_RCVBUFFORCE' in globals() else 33, 64 << 20)");
        await py.run(`s.bind(('', 7)); s.connect(('${peerAddress}', 7))`);
        // Every datagram is its number, in one of three sizes.
        await py.run(`send = lambda: [s.send(struct.pack('>I', i) * (1, 20, 360)[i % 3]) for i in range(${count})]`);
        await py.run([
          'def receive():',
          '  got, last, wrong = 0, -1, 0',
          '  while True:',
          "    n, = struct.unpack_from('>I', s.recv(2000))",
          `    if n == ${count}: return [got, wrong]`,
          '    wrong += n <= last',
          '    got, last = got + 1, n',
        ].join('\n'));
        await py.run('import concurrent.futures; pool = concurrent.futures.ThreadPoolExecutor(); future = pool.submit(receive)');
      }
      await Promise.all([left.run('len(send())'), right.run('len(send())')]);
      // The last one ends the receiving; it may be lost.
      for (const [from, to] of [[left, right], [right, left]] as const) {
        await Netns.until('all is received', async () => (await from.run(`s.send(struct.pack('>I', ${count}))`)) === 4 && to.run<boolean>('future.done()'));
      }
      for (const py of [left, right]) {
        const [got, wrong] = await py.run<[number, number]>('future.result()');
        expect(wrong).toBe(0);
        expect(got).toBeGreaterThan(count / 100);
        py.kill();
      }
      expect(bridge.refusals).toBe(0);
    });
  });

  peer(...NEEDS, 'python3')('segments of 64 KB cross uncut, and TCP gets what was sent', async () => {
    await withBridge(make, true, async ({ a, b, bridge }) => {
      const [left, right] = [new LinuxPython(a), new LinuxPython(b)];
      await left.run('l = server(7)');
      await right.run("c = create_connection(('10.77.0.1', 7))");
      await left.run('c = l.accept()[0]; future = __import__("concurrent.futures").futures.ThreadPoolExecutor().submit(to_end, c)');
      const sent = await right.run('send_noise(c, 64 << 20)');
      await right.run('c.close()');
      expect(await left.run('future.result()')).toEqual(sent);
      // 64 MB in packets of 1448 bytes would be 46000.
      expect(bridge.frames[1]).toBeLessThan(20_000);
      for (const py of [left, right]) py.kill();
    });
  });

  peer(...NEEDS, 'python3')('a TAP that is taken away is reported once, and the other goes on', async () => {
    await withBridge(make, false, async ({ a, b, bridge, devices }) => {
      a.ip('link', 'delete', 'dev', devices[0]);
      await Netns.until('the port is gone', () => bridge.goneWith.length > 0);
      const before = bridge.frames[1]!;
      b.ip('neigh', 'add', '10.77.0.1', 'lladdr', '02:00:00:00:00:01', 'dev', devices[1]);
      const right = new LinuxPython(b);
      await right.run("socket(AF_INET, SOCK_DGRAM).sendto(b'on', ('10.77.0.1', 7))");
      right.kill();
      await Netns.until('the other port has frames', () => bridge.frames[1]! > before);
      expect(bridge.goneWith).toEqual([[0, EBADFD]]);
    });
  });
});

describe('a TAP with several queues', () => {
  peer(...NEEDS, 'python3')('spreads flows over them, takes frames on any, and leaves out one that is taken out', async () => {
    const libc = loadLibc();
    const tap = openTapQueues({ name: uniqueDevice() }, 2);
    const counts = [0, 0];
    const handler = { frame: (port: number): void => void counts[port]!++, batchEnd: () => undefined, idle: () => undefined, awake: () => undefined, refused: () => undefined, gone: () => undefined };
    const io = new PollIo(libc, handler, -1);
    tap.fds.forEach((fd, port) => io.open(port, fd, true, 1_984));
    const drain = (): [number, number] => {
      while (io.turn(0) > 0);
      const [a = 0, b = 0] = counts.splice(0, 2, 0, 0);
      return [a, b];
    };
    try {
      await withNetns(1, async (ns) => {
        ns.adopt(tap.name);
        ns.ip('link', 'set', 'dev', tap.name, 'addrgenmode', 'none');
        ns.address(tap.name, '10.77.0.1/24');
        ns.up(tap.name);
        ns.ip('neigh', 'add', '10.77.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', tap.name);
        const py = new LinuxPython(ns);
        // 200 flows: that all of them fall into one queue has a chance of 1 in 2^199.
        const flows = "[socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('10.77.0.2', 1000 + i)) for i in range(200)] and None";
        await py.run(flows);
        const [first, second] = drain();
        expect(first + second).toBe(200);
        expect(Math.min(first, second)).toBeGreaterThan(20);
        setTapQueue(tap.fds[1]!, tap.name, false);
        await py.run(flows);
        expect(drain()).toEqual([200, 0]);
        setTapQueue(tap.fds[1]!, tap.name, true);
        await py.run(flows);
        expect(Math.min(...drain())).toBeGreaterThan(0);
        const frame = Uint8Array.from({ length: 60 }, (_, i) => (i < 6 ? 0xff : i));
        const mem = { bytes: frame, view: new DataView(frame.buffer), address: libc.address(frame) };
        const before = ns.counter(tap.name, 'rx_packets');
        expect([io.send(0, mem, 0, 60), io.send(1, mem, 0, 60)]).toEqual([true, true]);
        await Netns.until('both frames have come', () => ns.counter(tap.name, 'rx_packets') === before + 2);
        py.kill();
      });
    } finally {
      io.destroy();
      for (const fd of tap.fds) libc.close(fd);
    }
  });

  peer(...NEEDS)('is not one with a single queue, and says so', () => {
    const libc = loadLibc();
    const one = openTap({ name: uniqueDevice() });
    expect(() => openTapQueues({ name: one.name }, 2)).toThrow('was made without them');
    libc.close(one.fd);
  });
});

test.runIf(process.platform === 'linux' && process.getuid?.() === 0)('the namespaces of this file are gone', () => {
  expect(ip('netns', 'list')).not.toContain(`nltest-${process.pid}-`);
});
