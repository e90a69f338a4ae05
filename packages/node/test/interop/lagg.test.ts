/**
 * lagg.test.ts — a lagg of two taps against a Linux bridge: what failover and broadcast do is seen by somebody else's switch and station.
 * Read first: lagg(4). LACP against Linux is in bonding.test.ts, because the kernel here may have no bonding.
 */
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { Netns, withNetns } from './netns.js';
import type { Cable, TestDaemon } from './test-daemon.js';
import { withDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping'] as const;
const SWITCH = 'sw0';

/** A vnet with a lagg of two taps, their devices ports of one Linux bridge that has an address. */
async function bundle(d: TestDaemon, ns: Netns, proto: string): Promise<Cable[]> {
  await d.vnet('v1');
  // Without an address of its own it would take another when a port goes away.
  ns.ip('link', 'add', 'name', SWITCH, 'address', '02:00:00:00:aa:01', 'type', 'bridge', 'mcast_snooping', '0');
  ns.ip('link', 'set', 'dev', SWITCH, 'addrgenmode', 'none');
  const cables = [await d.plug('v1', ns), await d.plug('v1', ns)];
  for (const { device } of cables) ns.ip('link', 'set', 'dev', device, 'master', SWITCH);
  ns.address(SWITCH, '10.0.0.2/24');
  ns.up(SWITCH);
  await d.ok('v1', 'ifconfig', 'lagg0', 'create', 'laggproto', proto, ...cables.flatMap(({ ifname }) => ['laggport', ifname]), '10.0.0.1/24');
  return cables;
}

describe('a lagg on a Linux bridge', () => {
  peer(...NEEDS)('failover: one port carries everything, and when its device goes away the other does', () =>
    withNetns(1, (ns) => withDaemon(async (d) => {
      const [first, second] = await bundle(d, ns, 'failover');
      const before = await linuxPing(ns, '10.0.0.1', 3);
      expect(before.received, before.text).toBe(3);
      expect(before.text).not.toContain('DUP!');
      const sent = async (ifname = ''): Promise<number> => (JSON.parse(await d.ok('v1', 'ifconfig', '--json', ifname)) as { packets: { out: number } }[])[0]?.packets.out ?? -1;
      expect(await sent(first?.ifname)).toBeGreaterThan(2);
      expect(await sent(second?.ifname)).toBe(0);
      expect(await sent('lagg0')).toBe(await sent(first?.ifname));

      ns.ip('link', 'delete', 'dev', first?.device ?? '');
      await Netns.until('the other port is active', async () => (await d.ok('v1', 'ifconfig', 'lagg0')).includes(`laggport: ${second?.ifname ?? ''} flags=4<ACTIVE>`));
      expect(await d.ok('v1', 'ifconfig', 'lagg0')).toContain(`laggport: ${first?.ifname ?? ''} flags=1<MASTER>`);
      // The switch learns where the station is now from the first frame that it sends.
      expect((await d.run('v1', 'ping', '-c', '1', '-t', '5', '10.0.0.2')).exitCode).toBe(0);
      const after = await linuxPing(ns, '10.0.0.1', 3);
      expect(after.received, after.text).toBe(3);
    })));

  peer(...NEEDS)('broadcast: each answer comes once over each port', () =>
    withNetns(1, (ns) => withDaemon(async (d) => {
      await bundle(d, ns, 'broadcast');
      const { text } = await linuxPing(ns, '10.0.0.1', 4);
      expect(text).toMatch(/4 received, \+[3-9] duplicates/);
    })));
});
