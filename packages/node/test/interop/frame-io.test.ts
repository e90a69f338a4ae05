/**
 * frame-io.test.ts — FrameIo on TAPs: two namespaces of Linux and nothing between them but frames handed on; their order, their offloads, a TAP taken away.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { PollIo } from '../../src/datapath/io/poll-io.js';
import { UringIo } from '../../src/datapath/io/uring-io.js';
import { openPacket } from '../../src/packet/packet-socket.js';
import { EBADFD, ENODEV, loadLibc } from '../../src/tap/libc.js';
import { openTap, openTapQueues, setTapQueue } from '../../src/tap/tap-device.js';
import { FRAME_MAX } from '../../src/tap/tap-shared.js';
import { lackingUring, peer } from '../peers.js';
import { FrameBridge } from './frame-bridge.js';
import type { MakeFrameIo } from './frame-bridge.js';
import { linuxPing } from './linux-ping.js';
import { LinuxPython } from './linux-python.js';
import { ip, Netns, uniqueDevice, withNetns } from './netns.js';

const NEEDS = ['root', 'tun', 'netns', 'ip'] as const;

interface Ends {
  readonly bridge: FrameBridge;
  readonly a: Netns;
  readonly b: Netns;
  /** In the namespaces, and here. */
  readonly devices: readonly [string, string];
  readonly far: readonly [string, string];
  readonly fds: readonly [number, number];
}

type Kind = 'plain TAPs' | 'TAPs' | 'packet sockets';

/** What is in a namespace, and what this process has of it: a TAP, or the other end of a veth pair. */
function openEnd(kind: Kind): { near: string; far: string; fd: number } {
  const near = uniqueDevice();
  if (kind !== 'packet sockets') return { near, far: near, fd: openTap({ name: near, vnetHdr: kind === 'TAPs' }).fd };
  const far = uniqueDevice();
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
  ip('link', 'set', 'dev', far, 'addrgenmode', 'none');
  ip('link', 'set', 'dev', far, 'up');
  return { near, far, fd: openPacket(far).fds[0]! };
}

/** Two namespaces, 10.77.0.1 and 10.77.0.2, that are joined by `make`'s FrameIo. */
async function withBridge(make: MakeFrameIo, kind: Kind, body: (ends: Ends) => Promise<void>): Promise<void> {
  const ends = [openEnd(kind), openEnd(kind)] as const;
  const bridge = new FrameBridge(make, [ends[0].fd, ends[1].fd], kind === 'plain TAPs' ? 1_984 : FRAME_MAX);
  try {
    await withNetns(2, async (a, b) => {
      for (const [i, ns] of [a, b].entries()) {
        const dev = ends[i]!.near;
        ns.adopt(dev);
        ns.ip('link', 'set', 'dev', dev, 'addrgenmode', 'none');
        ns.address(dev, `10.77.0.${i + 1}/24`);
        ns.up(dev);
      }
      await body({ bridge, a, b, devices: [ends[0].near, ends[1].near], far: [ends[0].far, ends[1].far], fds: [ends[0].fd, ends[1].fd] });
    });
  } finally {
    bridge.close();
    for (const { fd } of ends) loadLibc().close(fd);
    if (kind === 'packet sockets') for (const { far } of ends) spawnSync('ip', ['link', 'delete', far]);
  }
}

const noUring = lackingUring();
if (noUring !== null) console.warn(`UringIo is not tested: ${noUring}`);

const IOS = [
  { name: 'PollIo', lacking: null, make: ((libc, handler, wakeFd) => new PollIo(libc, handler, wakeFd)) satisfies MakeFrameIo },
  { name: 'UringIo', lacking: noUring, make: ((libc, handler, wakeFd) => new UringIo(libc, handler, wakeFd)) satisfies MakeFrameIo },
].filter(({ lacking }) => lacking === null);

describe.each(IOS)('$name', ({ make }) => {
  peer(...NEEDS, 'ping')('Linux pings Linux', async () => {
    for (const kind of ['plain TAPs', 'TAPs', 'packet sockets'] as const) {
      await withBridge(make, kind, async ({ a }) => {
        const ping = await linuxPing(a, '10.77.0.2', 3, '-s', '1400');
        expect(ping.received, ping.text).toBe(3);
      });
    }
  });

  peer(...NEEDS, 'python3', 'ping')('datagrams of a flow keep their order, in both directions at once', async () => {
    await withBridge(make, 'plain TAPs', async ({ a, b, bridge }) => {
      // While Linux looks for a neighbour it keeps datagrams, and sends them behind later ones.
      for (const [ns, far] of [[a, '10.77.0.2'], [b, '10.77.0.1']] as const) await linuxPing(ns, far, 2);
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

  for (const kind of ['TAPs', 'packet sockets'] as const) peer(...NEEDS, 'python3')(`segments of 64 KB cross uncut, and TCP gets what was sent (${kind})`, async () => {
    await withBridge(make, kind, async ({ a, b, bridge }) => {
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
    await withBridge(make, 'plain TAPs', async ({ a, b, bridge, devices }) => {
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

describe.each(IOS)('$name on packet sockets', ({ make }) => {
  peer(...NEEDS, 'ping')('a socket that is closed and opened again is read on', async () => {
    await withBridge(make, 'packet sockets', async ({ a, bridge, fds }) => {
      expect((await linuxPing(a, '10.77.0.2', 2)).received).toBe(2);
      bridge.io.close(0);
      bridge.io.open(0, fds[0], true, FRAME_MAX);
      const ping = await linuxPing(a, '10.77.0.2', 2);
      expect(ping.received, ping.text).toBe(2);
    });
  });

  peer(...NEEDS, 'python3')('VLAN tags, which the kernel takes out, are there again', async () => {
    await withBridge(make, 'packet sockets', async ({ a, b, devices }) => {
      const [left, right] = [new LinuxPython(a), new LinuxPython(b)];
      // ETH_P_ALL, and PACKET_AUXDATA, which says what was taken out.
      await right.run(`s = socket(AF_PACKET, SOCK_RAW, htons(3)); s.setsockopt(263, 8, 1); s.bind(('${devices[1]}', 3))`);
      await left.run(`s = socket(AF_PACKET, SOCK_RAW, htons(3)); s.bind(('${devices[0]}', 3))`);
      await right.run([
        'def tagged():',
        '  while True:',
        '    data, more, _, _ = s.recvmsg(2000, 200)',
        "    status, _, _, _, _, tci, tpid = struct.unpack('=IIIHHHH', more[0][2])",
        "    if data[12:14] == b'\\x88\\xb5': return [hex(tpid), hex(tci), len(data), data[14:18]]",
      ].join('\n'));
      for (const tpid of ['0x8100', '0x88a8']) {
        await left.run(`s.send(b'\\xff' * 6 + b'\\x02\\0\\0\\0\\0\\1' + struct.pack('>HHH', ${tpid}, 0x6007, 0x88b5) + b'abcd' * 20)`);
        expect(await right.run('tagged()')).toEqual([tpid, '0x6007', 94, 'abcd']);
      }
      for (const py of [left, right]) py.kill();
    });
  });

  peer(...NEEDS, 'ping')('an interface that goes down and up again goes on; one that is destroyed is reported once', async () => {
    await withBridge(make, 'packet sockets', async ({ a, b, bridge, far, devices }) => {
      ip('link', 'set', 'dev', far[0], 'down');
      const py = new LinuxPython(b);
      const send = "socket(AF_INET, SOCK_DGRAM).sendto(b'on', ('10.77.0.1', 7))";
      b.ip('neigh', 'add', '10.77.0.1', 'lladdr', '02:00:00:00:00:01', 'dev', devices[1]);
      await Netns.until('a frame is refused', async () => (await py.run(send)) === 2 && bridge.refusals > 0);
      expect(bridge.goneWith).toEqual([]);
      ip('link', 'set', 'dev', far[0], 'up');
      const arrived = a.counter(devices[0], 'rx_packets');
      await Netns.until('frames cross again', async () => (await py.run(send)) === 2 && a.counter(devices[0], 'rx_packets') > arrived);
      py.kill();
      ip('link', 'delete', 'dev', far[0]);
      await Netns.until('the port is gone', () => bridge.goneWith.length > 0);
      expect(bridge.goneWith).toEqual([[0, ENODEV]]);
    });
  });
});

describe('an interface with several packet sockets', () => {
  peer(...NEEDS, 'python3')('spreads flows over them, each frame once, and does not hear itself', async () => {
    const libc = loadLibc();
    const [near, far] = [uniqueDevice(), uniqueDevice()];
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far);
    const device = openPacket(far, 2);
    const counts = [0, 0];
    const handler = { frame: (port: number): void => void counts[port]!++, batchEnd: () => undefined, idle: () => undefined, awake: () => undefined, refused: () => undefined, gone: () => undefined };
    const io = new PollIo(libc, handler, -1);
    try {
      await withNetns(1, async (ns) => {
        ip('link', 'set', 'dev', far, 'addrgenmode', 'none');
        ip('link', 'set', 'dev', far, 'up');
        ns.adopt(near);
        ns.ip('link', 'set', 'dev', near, 'addrgenmode', 'none');
        ns.address(near, '10.77.0.1/24');
        ns.up(near);
        ns.ip('neigh', 'add', '10.77.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', near);
        device.fds.forEach((fd, port) => io.open(port, fd, true, FRAME_MAX));
        const py = new LinuxPython(ns);
        await py.run("[socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('10.77.0.2', 1000 + i)) for i in range(200)] and None");
        const frame = Uint8Array.from({ length: 70 }, (_, i) => (i < 10 ? 0 : i < 16 ? 0xff : i));
        const mem = { bytes: frame, view: new DataView(frame.buffer), address: libc.address(frame) };
        const before = ns.counter(near, 'rx_packets');
        expect([io.send(0, mem, 0, 70), io.send(1, mem, 0, 70)]).toEqual([true, true]);
        await Netns.until('both frames have come', () => ns.counter(near, 'rx_packets') === before + 2);
        while (io.turn(0) > 0);
        expect(counts[0]! + counts[1]!).toBe(200);
        expect(Math.min(...counts)).toBeGreaterThan(20);
        py.kill();
      });
    } finally {
      io.destroy();
      for (const fd of device.fds) libc.close(fd);
      spawnSync('ip', ['link', 'delete', far]);
    }
  });

  peer(...NEEDS)('is refused with a reason, and leaves nothing', () => {
    const fds = readdirSync('/proc/self/fd').length;
    expect(() => openPacket('no-such-dev')).toThrow('has no interface of that name');
    expect(() => openPacket('lo')).toThrow('no Ethernet interface');
    expect(() => openPacket('a b')).toThrow(RangeError);
    expect(readdirSync('/proc/self/fd').length).toBe(fds);
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
