/**
 * bonding.test.ts — LACP between a lagg of ours and the Linux bonding driver, in a guest with two interfaces.
 * Read first: Linux Documentation/networking/bonding.rst, "802.3ad"; guest/guest.ts.
 */
import { expect } from 'vitest';
import { peer } from '../peers.js';
import { withGuests } from './guest/guest.js';
import type { GuestSpec } from './guest/guest.js';
import { Netns } from './netns.js';
import { withDaemon } from './test-daemon.js';

const BOND = `
cd /sys/class/net/bond0/bonding
echo 802.3ad > mode
echo 100 > miimon
echo fast > lacp_rate
echo +eth0 > slaves
echo +eth1 > slaves
ip addr add 10.9.0.2/24 dev bond0
ip link set bond0 up
`;
const BUNDLED = 'flags=1c<ACTIVE,COLLECTING,DISTRIBUTING>';

peer('guest', 'bonding')('Linux bonds with a lagg: both ports, one while the other is down, both again', { timeout: 180_000 }, () => withDaemon(async (d) => {
  await d.vnet('v1');
  const taps = [(await d.ok('v1', 'ifconfig', 'tap', 'create', 'up')).trim(), (await d.ok('v1', 'ifconfig', 'tap', 'create', 'up')).trim()];
  for (const ifname of taps) await d.client.post('/v1/attachments', { vnet: 'v1', interface: ifname, device: `stream:unix:${d.path(ifname)},server` });
  const spec: GuestSpec = {
    nics: taps.map((ifname, i) => ({ netdev: `stream,addr.type=unix,addr.path=${d.path(ifname)}`, device: 'virtio-net-pci,speed=1000,duplex=full', mac: `52:54:00:00:00:0${i + 1}` })),
    image: { modules: ['bonding'], script: BOND },
  };
  await withGuests([spec], async (guest) => {
    await d.ok('v1', 'ifconfig', 'lagg0', 'create', 'laggproto', 'lacp', 'lacp_fast_timeout', ...taps.flatMap((tap) => ['laggport', tap]), '10.9.0.1/24');
    const shown = (): Promise<string> => d.ok('v1', 'ifconfig', '-v', 'lagg0');
    const ports = async (): Promise<string> => [...(await shown()).matchAll(/laggport: \S+ (\S+)/g)].map((m) => m[1]).join(' ');
    await Netns.until('both ports distribute', async () => (await ports()) === `${BUNDLED} ${BUNDLED}`, 40);

    // Each knows the other by name: his system here is ours there, and his two ports are one aggregator.
    const [, ours = ''] = /lag id: \[\(8000,([0-9A-F-]+),/.exec(await shown()) ?? [];
    const says = async (what: string): Promise<void> => {
      const wanted = new RegExp(what);
      await Netns.until(`the guest says ${what}`, async () => wanted.test(await guest.ok('cat /proc/net/bonding/bond0')), 20);
    };
    await says(`Number of ports: 2[^>]*?Partner Mac Address: ${ours.replaceAll('-', ':').toLowerCase()}`);
    expect(await shown()).toMatch(/\(FFFF,52-54-00-00-00-01,|\(FFFF,52-54-00-00-00-02,/);
    // For three seconds after a port has gone nothing is sent: its marker is awaited.
    const pinged = (when: string): Promise<void> => Netns.until(`an answer ${when}`, async () => (await d.run('v1', 'ping', '-c', '1', '-t', '2', '10.9.0.2')).exitCode === 0, 20);
    await pinged('with both ports');

    await guest.ok('ip link set eth1 down');
    await Netns.until('the silent port is out', async () => (await ports()).split(BUNDLED).length === 2, 40);
    await says('Number of ports: 1');
    await pinged('with one');

    await guest.ok('ip link set eth1 up');
    await Netns.until('both ports distribute again', async () => (await ports()) === `${BUNDLED} ${BUNDLED}`, 40);
    await says('Number of ports: 2');
    await pinged('with both again');
    expect(await d.ok('v1', 'netstat', '-s', '-p', 'lacp')).toMatch(/\t0 malformed PDUs dropped\n/);
  });
}));
