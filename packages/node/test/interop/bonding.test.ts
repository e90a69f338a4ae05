/**
 * bonding.test.ts — LACP between a lagg of ours and the Linux bonding driver, in a guest with two interfaces.
 * Read first: Linux Documentation/networking/bonding.rst, "802.3ad"; guest.ts.
 *
 * The guest writes what /proc/net/bonding says on its console, again and again; a line typed there is a command for it.
 */
import { expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns } from './netns.js';
import { withGuest } from './guest.js';
import { withDaemon } from './test-daemon.js';

const MODULES = ['virtio_pci', 'virtio_net', 'bonding'];
const SCRIPT = `
cd /sys/class/net/bond0/bonding
echo 802.3ad > mode
echo 100 > miimon
echo fast > lacp_rate
echo +eth0 > slaves
echo +eth1 > slaves
ip addr add 10.9.0.2/24 dev bond0
ip link set bond0 up
echo guest is up
while true; do
  if read -t 1 line; then eval "$line"; fi
  echo "<<"; cat /proc/net/bonding/bond0; echo ">>"
done
`;
const BUNDLED = 'flags=1c<ACTIVE,COLLECTING,DISTRIBUTING>';

peer('qemu-system-x86_64', 'cpio', 'busybox', 'modinfo', 'bonding')('Linux bonds with a lagg: both ports, one while the other is down, both again', { timeout: 180_000 }, () => withDaemon(async (d) => {
  await d.vnet('v1');
  const taps = [(await d.ok('v1', 'ifconfig', 'tap', 'create')).trim(), (await d.ok('v1', 'ifconfig', 'tap', 'create')).trim()];
  for (const tap of taps) await d.ok('v1', 'ifconfig', tap, 'up');
  await withGuest(d, 'v1', taps, MODULES, SCRIPT, async (guest) => {
    await d.ok('v1', 'ifconfig', 'lagg0', 'create', 'laggproto', 'lacp', 'lacp_fast_timeout', ...taps.flatMap((tap) => ['laggport', tap]), '10.9.0.1/24');
    const shown = (): Promise<string> => d.ok('v1', 'ifconfig', '-v', 'lagg0');
    const ports = async (): Promise<string> => [...(await shown()).matchAll(/laggport: \S+ (\S+)/g)].map((m) => m[1]).join(' ');
    await guest.says(/guest is up/, 60);
    await Netns.until('both ports distribute', async () => (await ports()) === `${BUNDLED} ${BUNDLED}`, 40);

    // Each knows the other by name: his system here is ours there, and his two ports are one aggregator.
    const [, ours = ''] = /lag id: \[\(8000,([0-9A-F-]+),/.exec(await shown()) ?? [];
    const status = await guest.says(/Number of ports: 2[^>]*?Partner Mac Address: (\S+)/, 20);
    expect(status[1]).toBe(ours.replaceAll('-', ':').toLowerCase());
    expect(await shown()).toMatch(/\(FFFF,52-54-00-00-00-01,|\(FFFF,52-54-00-00-00-02,/);
    // For three seconds after a port has gone nothing is sent: its marker is awaited.
    const pinged = (when: string): Promise<void> => Netns.until(`an answer ${when}`, async () => (await d.run('v1', 'ping', '-c', '1', '-t', '2', '10.9.0.2')).exitCode === 0, 20);
    await pinged('with both ports');

    guest.type('ip link set eth1 down');
    await Netns.until('the silent port is out', async () => (await ports()).split(BUNDLED).length === 2, 40);
    await guest.says(/Number of ports: 1/, 20, guest.console.length);
    await pinged('with one');

    guest.type('ip link set eth1 up');
    await Netns.until('both ports distribute again', async () => (await ports()) === `${BUNDLED} ${BUNDLED}`, 40);
    await guest.says(/Number of ports: 2/, 20, guest.console.length);
    await pinged('with both again');
    expect(await d.ok('v1', 'netstat', '-s', '-p', 'lacp')).toMatch(/\t0 malformed PDUs dropped\n/);
  });
}));
