/**
 * vxlan.test.ts — a vxlan of ours and a vxlan device of the Linux kernel are the two ends of one tunnel.
 * Read first: RFC 7348; ip-link(8) "VXLAN Type Support"; bridge(8) "fdb".
 *
 *     Linux, vx0 10.42.0.1                         vnet v1, vxlan0 10.42.0.2
 *         device 10.77.0.1  ───────── tap ─────────  10.77.0.2
 */
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { Netns, withNetns } from './netns.js';
import { snmp } from './snmp.js';
import { withDaemon } from './test-daemon.js';
import type { Cable, TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'vxlan-device', 'ip', 'bridge', 'ping'] as const;
const VNI = '42';
const VX = 'vx0';
const OUTER = { linux: '10.77.0.1', vnet: '10.77.0.2' };
const INNER = { linux: '10.42.0.1', vnet: '10.42.0.2' };
const GROUP = '239.77.0.42';

interface Tunnel {
  readonly d: TestDaemon;
  readonly ns: Netns;
  readonly cable: Cable;
  /** Link addresses inside the tunnel. */
  readonly theirs: string;
  readonly ours: string;
}

/** What the ends are told of each other: addresses, or the group and the device. */
type Ends = (cable: Cable) => { readonly linux: readonly string[]; readonly vnet: readonly string[] };

const unicast: Ends = () => ({ linux: ['remote', OUTER.vnet], vnet: ['vxlanremote', OUTER.linux] });
const multicast: Ends = ({ ifname, device }) => ({ linux: ['group', GROUP, 'dev', device], vnet: ['vxlangroup', GROUP, 'vxlandev', ifname] });

/** Runs `body` with a tunnel; `inner`: the vnet's end has its address, otherwise it is left down. */
function withTunnel(ends: Ends, inner: boolean, body: (t: Tunnel) => Promise<void>): Promise<void> {
  return withNetns(1, (ns) =>
    withDaemon(async (d) => {
      await d.vnet('v1');
      const cable = await d.plug('v1', ns, { vnet: `${OUTER.vnet}/24`, linux: `${OUTER.linux}/24` });
      const { linux, vnet } = ends(cable);
      ns.ip('link', 'add', VX, 'type', 'vxlan', 'id', VNI, 'local', OUTER.linux, ...linux, 'dstport', '4789');
      ns.ip('link', 'set', 'dev', VX, 'addrgenmode', 'none');
      ns.address(VX, `${INNER.linux}/24`);
      ns.up(VX);
      await d.ok('v1', 'ifconfig', 'vxlan0', 'create', 'vxlanid', VNI, 'vxlanlocal', OUTER.vnet, ...vnet, ...(inner ? ['inet', `${INNER.vnet}/24`] : []));
      const [link] = JSON.parse(ns.ip('-json', 'link', 'show', 'dev', VX)) as { address: string }[];
      const ours = /ether ([0-9a-f:]{17})/.exec(await d.ok('v1', 'ifconfig', 'vxlan0'))![1]!;
      await body({ d, ns, cable, theirs: link!.address, ours });
    }),
  );
}

/** Our table as `MAC address` lines. */
async function learned(d: TestDaemon): Promise<string[]> {
  const dump = await d.ok('v1', 'sysctl', '-n', 'net.link.vxlan.0.ftable.dump');
  return [...dump.matchAll(/^D 0x01 ([0-9A-F:]{17}) +(\S+) \d{8}$/gm)].map(([, mac, addr]) => `${mac!.toLowerCase()} ${addr}`);
}

/** Linux's table, without the default entry. */
async function fdb(ns: Netns): Promise<string[]> {
  const { stdout } = await ns.run('bridge', 'fdb', 'show', 'dev', VX);
  return [...stdout.matchAll(/^([0-9a-f:]{17}) dst (\S+)/gm)].filter(([, mac]) => mac !== '00:00:00:00:00:00').map(([, mac, addr]) => `${mac} ${addr}`);
}

describe('a vxlan and the vxlan device of Linux', () => {
  peer(...NEEDS)('ping each other, after ARP, and learn from each other', () =>
    withTunnel(unicast, true, async ({ d, ns, theirs, ours }) => {
      expect(await d.ok('v1', 'ifconfig', 'vxlan0')).toContain(`vxlan vni ${VNI} local ${OUTER.vnet}:4789 remote ${OUTER.linux}:4789`);
      const ping = await linuxPing(ns, INNER.vnet, 3);
      expect(ping.received, ping.text).toBe(3);
      expect(await d.ok('v1', 'ping', '-c', '3', '-i', '0.05', INNER.linux)).toContain('3 packets received');
      expect(await learned(d)).toEqual([`${theirs} ${OUTER.linux}`]);
      expect(await fdb(ns)).toEqual([`${ours} ${OUTER.vnet}`]);
      expect(await d.ok('v1', 'arp', '-an')).toContain(`(${INNER.linux}) at ${theirs} on vxlan0`);
      for (const words of ['too short', 'with flags', 'with reserved', 'for a network identifier']) expect(await d.counter('v1', 'vxlan', words)).toBe(0);
    }));

  peer(...NEEDS)('carry packets that are longer than the inner, and than the outer MTU', () =>
    withTunnel(unicast, true, async ({ d, ns }) => {
      for (const size of ['1422', '1423', '8000', '65000']) {
        const ping = await linuxPing(ns, INNER.vnet, 2, '-M', 'dont', '-s', size, '-p', '00ff17a5');
        expect(ping.received, ping.text).toBe(2);
        expect(ping.text).not.toContain('wrong data byte');
      }
      const ours = await d.ok('v1', 'ping', '-c', '3', '-i', '0.05', '-s', '8000', '-p', '00ff17a5', INNER.linux);
      expect(ours).toContain('3 packets received');
      expect(ours).not.toContain('wrong data byte');
      const cut = await d.counter('v1', 'ip', 'fragments? created');
      // An inner MTU beyond the link's: now it is the outer packets that are cut.
      ns.ip('link', 'set', 'dev', VX, 'mtu', '4000');
      await d.ok('v1', 'ifconfig', 'vxlan0', 'mtu', '4000');
      const theirs = await linuxPing(ns, INNER.vnet, 3, '-s', '3900');
      expect(theirs.received, theirs.text).toBe(3);
      expect(await d.ok('v1', 'ping', '-c', '3', '-i', '0.05', '-s', '3900', INNER.linux)).toContain('3 packets received');
      expect(await d.counter('v1', 'ip', 'fragments? created')).toBeGreaterThan(cut);
    }));

  peer(...NEEDS)('have nothing to say to each other with different network identifiers', () =>
    withTunnel(unicast, false, async ({ d, ns }) => {
      await d.ok('v1', 'ifconfig', 'vxlan0', 'inet', `${INNER.vnet}/24`, 'vxlanid', '43');
      const { stdout } = await ns.run('ping', '-n', '-c', '1', '-W', '1', INNER.vnet);
      expect(stdout).toContain('0 received');
      expect(await d.counter('v1', 'vxlan', 'for a network identifier')).toBeGreaterThan(0);
      expect((await d.run('v1', 'ping', '-c', '1', '-t', '1', INNER.linux)).exitCode).toBe(2);
      expect([await learned(d), await fdb(ns)]).toEqual([[], []]);
    }));

  peer(...NEEDS)('find each other through a group', () =>
    withTunnel(multicast, true, async ({ d, ns, theirs, ours }) => {
      expect(await d.ok('v1', 'ifconfig', 'vxlan0')).toContain(`local ${OUTER.vnet}:4789 group ${GROUP}:4789`);
      const ping = await linuxPing(ns, INNER.vnet, 3);
      expect(ping.received, ping.text).toBe(3);
      expect(await d.ok('v1', 'ping', '-c', '3', '-i', '0.05', INNER.linux)).toContain('3 packets received');
      expect([await learned(d), await fdb(ns)]).toEqual([[`${theirs} ${OUTER.linux}`], [`${ours} ${OUTER.vnet}`]]);
    }));
});

describe('Linux behind a bridge of ours, and Linux at the other end of the tunnel', () => {
  peer(...NEEDS, 'iperf3')('transfer megabytes both ways, in segments that were super-segments', () =>
    withTunnel(unicast, false, ({ d, ns }) =>
      withNetns(1, async (desk) => {
        const port = await d.plug('v1', desk, { linux: '10.42.0.3/24' });
        desk.ip('link', 'set', 'dev', port.device, 'mtu', '1450');
        await d.ok('v1', 'ifconfig', 'bridge0', 'create', 'addm', 'vxlan0', 'addm', port.ifname, 'up');
        await d.ok('v1', 'ifconfig', 'vxlan0', 'up');
        const server = ns.spawn('iperf3', '-s', '-B', INNER.linux);
        await Netns.until('iperf3 listens', async () => (await ns.run('bash', '-c', `exec 3<>/dev/tcp/${INNER.linux}/5201`)).status === 0);
        for (const how of [['-n', '16M'], ['-n', '16M', '-R'], ['-u', '-b', '40M', '-n', '4M'], ['-u', '-b', '40M', '-n', '4M', '-R']]) {
          const { status, stdout } = await desk.run('iperf3', '-c', INNER.linux, '--json', ...how);
          const { end, error } = JSON.parse(stdout) as { error?: string; end: { sum_received?: { bytes: number }; sum?: { bytes: number; lost_packets: number; packets: number } } };
          expect([status, error], how.join(' ')).toEqual([0, undefined]);
          if (how.includes('-u')) expect(end.sum!.lost_packets, how.join(' ')).toBeLessThan(end.sum!.packets / 10);
          // What is in flight when the sender has sent everything is not counted.
          else expect(end.sum_received!.bytes, how.join(' ')).toBeGreaterThan(8 << 20);
        }
        server.kill('SIGKILL');
        const [{ packets }] = JSON.parse(await d.ok('v1', 'ifconfig', '--json', 'vxlan0')) as [{ packets: { out: number } }];
        expect(await d.counter('v1', 'vxlan', 'packets? sent')).toBeGreaterThan(packets.out);
        for (const end of [ns, desk]) {
          const { Tcp, Udp } = await snmp(end);
          expect([Tcp!['InCsumErrors'], Udp!['InCsumErrors']]).toEqual([0, 0]);
        }
      })));
});
