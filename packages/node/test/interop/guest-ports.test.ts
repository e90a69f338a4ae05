/**
 * guest-ports.test.ts — real Linux guests in QEMU, plugged into taps by streams and datagrams, joined by bridges of ours.
 * Read first: guest/guest.ts; docs/guest-ports.md, whose command lines these are.
 */
import { createSocket } from 'node:dgram';
import { expect } from 'vitest';
import type { Attachment } from '../../src/daemon/attachments.js';
import { peer } from '../peers.js';
import { Guest, withGuests } from './guest/guest.js';
import type { GuestSpec } from './guest/guest.js';
import { Netns } from './netns.js';
import { withDaemon } from './test-daemon.js';
import type { TestDaemon } from './test-daemon.js';

/** Makes a tap in `vnet`, up, and plugs `device` in. */
async function tap(d: TestDaemon, vnet: string, device: string): Promise<string> {
  const ifname = (await d.ok(vnet, 'ifconfig', 'tap', 'create', 'up')).trim();
  await d.client.post('/v1/attachments', { vnet, interface: ifname, device });
  return ifname;
}

async function bridge(d: TestDaemon, vnet: string, name: string, members: readonly string[]): Promise<void> {
  await d.ok(vnet, 'ifconfig', name, 'create');
  await d.ok(vnet, 'ifconfig', name, ...members.flatMap((member) => ['addm', member]), 'up');
}

async function ports(d: TestDaemon): Promise<Attachment[]> {
  return d.client.get<Attachment[]>('/v1/attachments');
}

/** Ports of 127.0.0.1 that nobody has at the moment, for UDP and probably for TCP. */
async function freePorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'));
  for (const socket of sockets) await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const found = sockets.map((socket) => socket.address().port);
  for (const socket of sockets) await new Promise<void>((resolve) => socket.close(() => resolve()));
  return found;
}

const address = (ifname: string, cidr: string): string => `ip addr add ${cidr} dev ${ifname}; ip link set ${ifname} up`;

peer('guest')('guests behind streams and datagrams ping each other and a vnet; one is killed and started again on the same port', { timeout: 300_000 }, () => withDaemon(async (d) => {
  await d.vnet('v');
  const [udpOurs, udpTheirs, tcp] = await freePorts(3);
  // eth0 of each guest: a stream, once QEMU listens, once we. eth1: datagrams.
  const streams = [await tap(d, 'v', `stream:unix:${d.path('a')}`), await tap(d, 'v', `stream:tcp:127.0.0.1:${tcp},server`)];
  const dgrams = [await tap(d, 'v', `dgram:unix:${d.path('ours')},${d.path('theirs')}`), await tap(d, 'v', `dgram:udp:127.0.0.1:${udpOurs},127.0.0.1:${udpTheirs}`)];
  await bridge(d, 'v', 'bridge0', streams);
  await bridge(d, 'v', 'bridge1', dgrams);
  for (const i of [0, 1]) await d.ok('v', 'ifconfig', `bridge${i}`, 'inet', `10.9.${i}.1/24`);
  const specs: GuestSpec[] = [
    {
      nics: [
        { netdev: `stream,server=on,addr.type=unix,addr.path=${d.path('a')}` },
        { netdev: `dgram,local.type=unix,local.path=${d.path('theirs')},remote.type=unix,remote.path=${d.path('ours')}` },
      ],
      image: { script: `${address('eth0', '10.9.0.2/24')}; ${address('eth1', '10.9.1.2/24')}` },
    },
    {
      nics: [
        { netdev: `stream,addr.type=inet,addr.host=127.0.0.1,addr.port=${tcp}` },
        { netdev: `dgram,local.type=inet,local.host=127.0.0.1,local.port=${udpTheirs},remote.type=inet,remote.host=127.0.0.1,remote.port=${udpOurs}` },
      ],
      image: { script: `${address('eth0', '10.9.0.3/24')}; ${address('eth1', '10.9.1.3/24')}` },
    },
  ];
  await withGuests(specs, async (a, b) => {
    const pings = async (guest: Guest): Promise<void> => {
      for (const to of ['10.9.0.3', '10.9.0.1', '10.9.1.3', '10.9.1.1']) {
        for (const size of [56, 1_472, 4_000]) await guest.ok(`ping -c 2 -i 0.2 -s ${size} -W 5 ${to}`);
      }
      await d.ok('v', 'ping', '-c', '2', '-i', '0.2', '-s', '4000', '10.9.0.2');
    };
    await pings(a);
    await b.ok('ping -c 2 10.9.0.1');
    expect((await ports(d)).map(({ device, port }) => [device.split(':', 2).join(':'), port?.state, port?.connects, (port?.toGuest.frames ?? 0) > 10])).toEqual([
      ['stream:unix', 'connected', 1, true], ['stream:tcp', 'connected', 1, true], ['dgram:unix', 'connected', 1, true], ['dgram:udp', 'connected', 1, true],
    ]);

    await a.end();
    await Netns.until('the port notices', async () => (await ports(d))[0]?.port?.state === 'connecting', 20);
    await b.ok('ping -c 1 10.9.0.1'); // nobody else notices
    const again = await Guest.boot(specs[0]!);
    try {
      await pings(again);
    } finally {
      await again.end();
    }
    expect((await ports(d))[0]?.port?.connects).toBe(2);
  });
}));

peer('guest')('a VLAN trunk to a guest: one of its VLANs is another guest, untagged; one is a vnet; tags pass a bridge as they are', { timeout: 300_000 }, () => withDaemon(async (d) => {
  await d.vnet('v');
  const trunk = await tap(d, 'v', `stream:unix:${d.path('a')},server`);
  const access = await tap(d, 'v', `stream:unix:${d.path('b')},server`);
  await d.ok('v', 'ifconfig', trunk, 'mtu', '1504'); // room for a tag in front of 1500 bytes
  for (const id of ['10', '20']) await d.ok('v', 'ifconfig', `vlan${id}`, 'create', 'vlan', id, 'vlandev', trunk, 'up');
  await bridge(d, 'v', 'bridge10', ['vlan10', access]);
  await d.ok('v', 'ifconfig', 'vlan20', 'inet', '10.20.0.1/24');
  const vlan = (id: number, host: number): string => `ip link add link eth0 name eth0.${id} type vlan id ${id}; ${address(`eth0.${id}`, `10.${id}.0.${host}/24`)}`;
  const image = { modules: ['8021q'] };
  await withGuests([
    { nics: [{ netdev: `stream,addr.type=unix,addr.path=${d.path('a')}` }], image: { ...image, script: `ip link set eth0 up; ${vlan(10, 2)}; ${vlan(20, 2)}` } },
    { nics: [{ netdev: `stream,addr.type=unix,addr.path=${d.path('b')}` }], image: { ...image, script: `${address('eth0', '10.10.0.3/24')}; ip addr add 10.20.0.3/24 dev eth0` } },
  ], async (a, b) => {
    for (const to of ['10.10.0.3', '10.20.0.1']) await a.ok(`ping -c 2 -s 1472 -W 5 ${to}`);
    await d.ok('v', 'ping', '-c', '2', '-i', '0.2', '-s', '1472', '10.20.0.2');
    // The VLANs do not touch: B has an address of VLAN 20's network in VLAN 10.
    expect((await b.run('ping -c 1 -W 2 10.20.0.1')).exitCode).toBe(1);

    // Both ends tagged, the bridge between them looks at no tag.
    await d.ok('v', 'ifconfig', 'bridge10', 'destroy');
    for (const id of ['10', '20']) await d.ok('v', 'ifconfig', `vlan${id}`, 'destroy');
    await d.ok('v', 'ifconfig', access, 'mtu', '1504');
    await bridge(d, 'v', 'bridge0', [trunk, access]);
    await b.ok(`ip addr flush dev eth0; ${vlan(10, 3)}; ${vlan(20, 3)}`);
    for (const id of [10, 20]) await a.ok(`ping -c 2 -s 1472 -W 5 10.${id}.0.3`);
  });
}));
