/**
 * segments.test.ts — TCP's segments of 64 KB between every two of the ends that a bridge joins, with workers and without: Linux on TAPs, a guest of QEMU on vhost-user, and a vnet's own TCP.
 * Read first: docs/offload.md.
 *
 * Nobody on the way may cut a segment, or finish a checksum: the pool of packets counts both (`work`). That what arrives is large as well shows that nobody sent it small.
 */
import { expect } from 'vitest';
import type { GuestPortStatus } from '../../src/port/guest-link.js';
import { peer } from '../peers.js';
import { withGuests } from './guest/guest.js';
import type { Guest } from './guest/guest.js';
import { Netns, withNetns } from './netns.js';
import { withDaemon } from './test-daemon.js';
import type { TestDaemon } from './test-daemon.js';

const MEMORY_MB = 192;
const BYTES = '8M';
/** A frame that holds several segments, on average, acknowledgements not counted. */
const LARGE = 3_000;
const PORT = '5201';

interface Ends {
  readonly d: TestDaemon;
  readonly a: Netns;
  readonly b: Netns;
  /** Of `a` and `b`. */
  readonly devices: readonly [string, string];
}

/** 10.9.0.1 and .2 are Linux, .4 is the vnet `h`; all on the bridge of the vnet `sw`. An iperf3 listens at each Linux. */
async function withBridge(workers: number, body: (ends: Ends) => Promise<void>): Promise<void> {
  await withNetns(2, (a, b) => withDaemon(async (d) => {
    await d.vnet('sw');
    await d.vnet('h');
    const cables = [await d.plug('sw', a, { linux: '10.9.0.1/24' }), await d.plug('sw', b, { linux: '10.9.0.2/24' })] as const;
    await d.ok('', 'ifconfig', 'epair', 'create');
    await d.ok('', 'ifconfig', 'epair0a', 'vnet', 'sw');
    await d.ok('', 'ifconfig', 'epair0b', 'vnet', 'h');
    await d.ok('sw', 'ifconfig', 'epair0a', 'up');
    await d.ok('h', 'ifconfig', 'epair0b', 'inet', '10.9.0.4/24', 'up');
    await d.ok('sw', 'ifconfig', 'bridge0', 'create');
    await d.ok('sw', 'ifconfig', 'bridge0', 'addm', cables[0].ifname, 'addm', cables[1].ifname, 'addm', 'epair0a', 'up');
    for (const ns of [a, b]) {
      ns.spawn('iperf3', '-s', '-p', PORT);
      await Netns.until('iperf3 listens', async () => (await ns.run('ss', '-H', '-n', '-lt', `sport = :${PORT}`)).stdout !== '');
    }
    await body({ d, a, b, devices: [cables[0].device, cables[1].device] });
  }, workers));
}

/** Bytes of a frame that came out of a device while `run` ran, on average of those that are no mere acknowledgements. */
async function received(ns: Netns, device: string, run: () => Promise<unknown>): Promise<number> {
  const [bytes, packets] = [ns.counter(device, 'rx_bytes'), ns.counter(device, 'rx_packets')];
  await run();
  return (ns.counter(device, 'rx_bytes') - bytes) / (ns.counter(device, 'rx_packets') - packets);
}

async function linuxIperf(ns: Netns, to: string, ...options: readonly string[]): Promise<void> {
  const { status, stdout, stderr } = await ns.run('iperf3', '-c', to, '-p', PORT, '-n', BYTES, ...options);
  expect(status, stdout + stderr).toBe(0);
}

const vnetIperf = (d: TestDaemon, to: string, ...options: readonly string[]): Promise<string> => d.ok('h', 'iperf3', '-c', to, '-p', PORT, '-n', BYTES, ...options);

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ss', 'iperf3'] as const;

for (const workers of [0, 2]) {
  peer(...NEEDS)(`between Linux and Linux, and Linux and a vnet's TCP, ${workers} workers`, { timeout: 90_000 }, () => withBridge(workers, async ({ d, a, b, devices }) => {
    expect(await received(b, devices[1], () => linuxIperf(a, '10.9.0.2'))).toBeGreaterThan(LARGE);
    expect(await received(a, devices[0], () => linuxIperf(a, '10.9.0.2', '-R'))).toBeGreaterThan(LARGE);
    expect(await received(b, devices[1], () => vnetIperf(d, '10.9.0.2'))).toBeGreaterThan(LARGE);
    await vnetIperf(d, '10.9.0.2', '-R');
    expect(d.daemon.kernel.engine.pool.work).toMatchObject({ segmented: 0, checksums: 0 });
  }));

  peer(...NEEDS, 'guest')(`between a guest and Linux, and a guest and a vnet's TCP, ${workers} workers`, { timeout: 300_000 }, () => withBridge(workers, async ({ d, a, devices }) => {
    await d.ok('sw', 'ifconfig', 'tap9', 'create', 'up');
    await d.ok('sw', 'ifconfig', 'bridge0', 'addm', 'tap9');
    await d.client.post('/v1/attachments', { vnet: 'sw', interface: 'tap9', device: `vhost-user:${d.path('wire')}` });
    const spec = {
      memoryMb: MEMORY_MB,
      machine: 'pc,memory-backend=mem',
      // As in vhost-user.test.ts.
      nics: [{ netdev: 'vhost-user,chardev=wire', device: 'virtio-net-pci,vectors=0', mac: '52:54:00:00:99:03' }],
      args: ['-object', `memory-backend-memfd,id=mem,size=${MEMORY_MB}M,share=on`, '-chardev', `socket,id=wire,path=${d.path('wire')},reconnect=1`],
      image: { programs: ['iperf3'], script: `ip addr add 10.9.0.3/24 dev eth0; ip link set eth0 up; iperf3 -s -p ${PORT} -D` },
    };
    await withGuests([spec], async (guest: Guest) => {
      await expect.poll(async () => (await guest.run('ping -c 1 -W 1 10.9.0.1')).exitCode, { timeout: 60_000 }).toBe(0);
      const port = async (): Promise<GuestPortStatus> => (await d.client.get<{ interface: string; port: GuestPortStatus }[]>('/v1/attachments')).find((x) => x.interface === 'tap9')!.port;
      const mean = async (way: 'fromGuest' | 'toGuest', run: () => Promise<unknown>): Promise<number> => {
        const before = (await port())[way];
        await run();
        const after = (await port())[way];
        return (after.bytes - before.bytes) / (after.frames - before.frames);
      };
      const from = (to: string): Promise<string> => guest.ok(`iperf3 -c ${to} -p ${PORT} -n ${BYTES} --connect-timeout 10000`);
      expect(await received(a, devices[0], () => from('10.9.0.1'))).toBeGreaterThan(LARGE);
      expect(await mean('toGuest', () => linuxIperf(a, '10.9.0.3'))).toBeGreaterThan(LARGE);
      expect(await mean('toGuest', () => vnetIperf(d, '10.9.0.3'))).toBeGreaterThan(LARGE);
      expect(await mean('fromGuest', () => vnetIperf(d, '10.9.0.3', '-R'))).toBeGreaterThan(LARGE);
    });
    expect(d.daemon.kernel.engine.pool.work).toMatchObject({ segmented: 0, checksums: 0 });
  }));
}
