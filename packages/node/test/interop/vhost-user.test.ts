/**
 * vhost-user.test.ts — real guests of QEMU on vhost-user ports, joined by a bridge: they ping, iperf3 measures, they are killed and come back.
 */
import { Prng } from '@netloom/core';
import { expect } from 'vitest';
import { FrontEnd } from '../vhost-user/front-end.js';
import { TRANSMITQ } from '../../src/vhost-user/virtio-net.js';
import { withPortLab } from '../port-lab.js';
import type { PortLab } from '../port-lab.js';
import { peer } from '../peers.js';
import { withGuests } from './guest/guest.js';
import type { Guest, GuestSpec } from './guest/guest.js';

const MEMORY_MB = 192;

/** A guest on the vhost-user port of `ifname`, with the address 10.0.0.`n`. */
function guestOn(lab: PortLab, ifname: string, n: number, chardev = 'reconnect=1'): GuestSpec {
  return {
    memoryMb: MEMORY_MB,
    machine: 'pc,memory-backend=mem',
    // QEMU 7.2 without KVM cannot do a vhost-user card's message-signalled interrupts.
    nics: [{ netdev: 'vhost-user,chardev=wire', device: 'virtio-net-pci,vectors=0', mac: `52:54:00:00:99:0${n}` }],
    args: ['-object', `memory-backend-memfd,id=mem,size=${MEMORY_MB}M,share=on`, '-chardev', `socket,id=wire,path=${lab.path(ifname)},${chardev}`],
    image: { programs: ['iperf3'], script: `ip addr add 10.0.0.${n}/24 dev eth0; ip link set eth0 up; iperf3 -s -D` },
  };
}

/** Two guests, each on a port of its own. */
async function withPair(body: (lab: PortLab, a: Guest, b: Guest) => Promise<void>): Promise<void> {
  await withPortLab(async (lab) => {
    for (const ifname of ['tap0', 'tap1']) await lab.attach(ifname, `vhost-user:${lab.path(ifname)}`);
    await withGuests([guestOn(lab, 'tap0', 1), guestOn(lab, 'tap1', 2)], (a, b) => body(lab, a, b));
  });
}

/** Megabits a second from `client` to the server at `address`, or with -R back. */
async function iperf(client: Guest, address: string, ...options: readonly string[]): Promise<number> {
  const report = await client.ok(`iperf3 -c ${address} -t 2 -J --connect-timeout 10000 ${options.join(' ')}`);
  return (JSON.parse(report) as { end: { sum_received: { bits_per_second: number } } }).end.sum_received.bits_per_second / 1e6;
}

/** Waits until `guest` hears from `address`. */
async function hears(guest: Guest, address: string): Promise<void> {
  await expect.poll(async () => (await guest.run(`ping -c 1 -W 1 ${address}`)).exitCode, { timeout: 30_000 }).toBe(0);
}

const vhost = peer('guest', 'iperf3');

vhost('two guests ping each other and carry iperf3 both ways', { timeout: 240_000 }, () => withPair(async (lab, _a, b) => {
  expect(await b.ok('ping -c 5 10.0.0.1')).toMatch(/5 packets received, 0% packet loss/);
  expect(await iperf(b, '10.0.0.1')).toBeGreaterThan(1);
  expect(await iperf(b, '10.0.0.1', '-R')).toBeGreaterThan(1);
  expect(await iperf(b, '10.0.0.1', '-u', '-b', '20M')).toBeGreaterThan(1);
  const { state, fromGuest, toGuest, vhostUser } = await lab.port('tap0');
  expect(state).toBe('connected');
  expect(vhostUser).toMatchObject({ driver: true, broken: 0, refused: 0, tooLong: 0 });
  // Segments cross uncut: far fewer frames than the bytes would be at 1500 each.
  expect(fromGuest.bytes / fromGuest.frames).toBeGreaterThan(3_000);
  expect(toGuest.bytes / toGuest.frames).toBeGreaterThan(3_000);
}));

vhost('a driver that is unloaded and loaded again, and a port that is closed and opened again, go on', { timeout: 240_000 }, () => withPair(async (lab, a, b) => {
  await hears(b, '10.0.0.1');
  const driver = '/sys/bus/virtio/drivers/virtio_net';
  const device = (await a.ok('basename $(readlink /sys/class/net/eth0/device)')).trim();
  await a.ok(`echo ${device} >${driver}/unbind`);
  await expect.poll(async () => (await lab.port('tap0')).vhostUser!.driver).toBe(false);
  await a.ok(`echo ${device} >${driver}/bind; ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up`);
  await hears(b, '10.0.0.1');
  expect((await lab.port('tap0')).connects).toBe(1);

  await lab.detach('tap0');
  await lab.attach('tap0', `vhost-user:${lab.path('tap0')}`);
  await lab.tool('ifconfig', 'tap0', 'up');
  await hears(b, '10.0.0.1');
  expect(await iperf(b, '10.0.0.1')).toBeGreaterThan(1);
  expect(await lab.port('tap0')).toMatchObject({ state: 'connected', connects: 1, vhostUser: { broken: 0 } });
}));

vhost('QEMU is killed and started again, while another guest hears garbage and two go on', { timeout: 360_000 }, () => withPair(async (lab, a, b) => {
  await hears(b, '10.0.0.1');
  await a.end();
  await expect.poll(() => lab.state('tap0')).toBe('listening');
  expect((await b.run('ping -c 1 -W 1 10.0.0.1')).exitCode).not.toBe(0);

  await lab.tool('ifconfig', 'tap2', 'create', 'up');
  await lab.tool('ifconfig', 'bridge0', 'addm', 'tap2');
  await lab.attach('tap2', `vhost-user:${lab.path('tap2')}`);
  await withGuests([guestOn(lab, 'tap0', 1)], async () => {
    await hears(b, '10.0.0.1');
    const measured = iperf(b, '10.0.0.1', '-t 5');
    const prng = new Prng(1);
    for (let round = 0; round < 20; round++) {
      const bad = FrontEnd.connect(lab.path('tap2'), {});
      await bad.start();
      const { desc, avail } = bad.rings[TRANSMITQ];
      for (let at = 0; at < desc.byteLength; at += 2) desc.setUint16(at, prng.below(0x1_0000), true);
      Atomics.store(avail, 1, 256);
      bad.kicks[TRANSMITQ].signal();
      await expect.poll(() => lab.state('tap2')).toBe('broken');
      bad.close();
      await expect.poll(() => lab.state('tap2')).toBe('listening');
    }
    expect(await measured).toBeGreaterThan(1);
  });
  expect(await lab.port('tap0')).toMatchObject({ connects: 2, vhostUser: { broken: 0 } });
  expect(await lab.port('tap1')).toMatchObject({ connects: 1, vhostUser: { broken: 0 } });
  expect((await lab.port('tap2')).vhostUser!.broken).toBe(20);
}));

vhost('QEMU may be the one that listens', { timeout: 240_000 }, () => withPortLab(async (lab) => {
  await lab.attach('tap0', `vhost-user:${lab.path('tap0')},client`);
  await lab.tool('ifconfig', 'tap0', 'inet', '10.0.0.9/24');
  for (const connects of [1, 2]) {
    await withGuests([guestOn(lab, 'tap0', 1, 'server=on')], async (guest) => {
      await hears(guest, '10.0.0.9');
      expect(await lab.port('tap0')).toMatchObject({ state: 'connected', connects });
    });
    await expect.poll(() => lab.state('tap0')).toBe('connecting');
  }
}));
