/**
 * linux.test.ts — Linux in a network namespace and a vnet are neighbours: each pings the other, whole and in fragments, and each knows
 * the other's link address.
 */
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { Netns, withNetns } from './netns.js';
import { snmp } from './snmp.js';
import { withDaemon } from './test-daemon.js';
import type { Cable, TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping'] as const;
const LINUX = '10.77.0.1';
const VNET = '10.77.0.2';

/** A vnet `v1` with a tap, and Linux at the other end. */
function neighbours(body: (d: TestDaemon, ns: Netns, cable: Cable) => Promise<void>): () => Promise<void> {
  return () =>
    withNetns(1, (ns) =>
      withDaemon(async (d) => {
        await d.vnet('v1');
        await body(d, ns, await d.plug('v1', ns, { vnet: `${VNET}/24`, linux: `${LINUX}/24` }));
      }),
    );
}

describe('Linux in a namespace', () => {
  peer(...NEEDS)('pings a vnet, and each knows the other by its link address', neighbours(async (d, ns, { ifname, device }) => {
    const ping = await linuxPing(ns, VNET, 3);
    expect(ping.received, ping.text).toBe(3);
    expect(ping.text.match(/64 bytes from 10\.77\.0\.2: icmp_seq=\d ttl=64 /g)).toHaveLength(3);

    const ours = /ether ([0-9a-f:]{17})/.exec(await d.ok('v1', 'ifconfig', ifname))?.[1];
    const [theirs] = JSON.parse(ns.ip('-json', 'link', 'show', 'dev', device)) as { address: string }[];
    const neighbors = JSON.parse(ns.ip('-json', 'neigh', 'show', 'dev', device)) as { dst: string; lladdr: string; state: string[] }[];
    expect(neighbors).toEqual([expect.objectContaining({ dst: VNET, lladdr: ours })]);
    expect(['REACHABLE', 'DELAY', 'STALE']).toContain(neighbors[0]!.state[0]);
    const arp = (await d.ok('v1', 'arp', '-an')).trim().split('\n');
    expect(arp).toHaveLength(2);
    expect(arp).toContainEqual(expect.stringMatching(new RegExp(`^\\? \\(${VNET}\\) at ${ours} on ${ifname} permanent \\[ethernet\\]$`)));
    expect(arp).toContainEqual(expect.stringMatching(new RegExp(`^\\? \\(${LINUX}\\) at ${theirs!.address} on ${ifname} expires in \\d+ seconds \\[ethernet\\]$`)));
  }));

  peer(...NEEDS)('is pinged by a vnet', neighbours(async (d) => {
    const out = await d.ok('v1', 'ping', '-c', '3', '-i', '0.05', LINUX);
    expect(out).toContain('3 packets transmitted, 3 packets received, 0.0% packet loss');
    expect(out.match(/64 bytes from 10\.77\.0\.1: icmp_seq=\d ttl=64 /g)).toHaveLength(3);
  }));

  peer(...NEEDS)('pings with packets of exactly the MTU, and one byte more is refused at home', neighbours(async (d, ns) => {
    const full = await linuxPing(ns, VNET, 3, '-M', 'do', '-s', '1472');
    expect(full.received, full.text).toBe(3);
    expect(await d.counter('v1', 'ip', 'fragments? received')).toBe(0);
    const more = await ns.run('ping', '-n', '-M', 'do', '-s', '1473', '-c', '1', '-W', '1', VNET);
    expect(more.stderr).toContain('message too long, mtu=1500');

    expect(await d.ok('v1', 'ping', '-D', '-s', '1472', '-c', '3', '-i', '0.05', LINUX)).toContain('3 packets received');
    const ours = await d.run('v1', 'ping', '-D', '-s', '1473', '-c', '1', '-t', '1', LINUX);
    expect(ours).toMatchObject({ exitCode: 2, stderr: 'ping: sendto: Message too long\n' });
  }));

  peer(...NEEDS)('pings in fragments, and is pinged in fragments', neighbours(async (d, ns) => {
    const theirs = await linuxPing(ns, VNET, 3, '-M', 'dont', '-s', '3000');
    expect(theirs.received, theirs.text).toBe(3);
    const { sent } = theirs;
    expect(await d.counter('v1', 'ip', 'fragments? received')).toBe(3 * sent);
    expect(await d.counter('v1', 'ip', 'packets? reassembled ok')).toBe(sent);
    expect(await d.counter('v1', 'ip', 'fragments? created')).toBe(3 * sent);
    expect(await d.ok('v1', 'ping', '-s', '3000', '-c', '3', '-i', '0.05', LINUX)).toContain('3 packets received');
    expect(await d.counter('v1', 'ip', 'packets? reassembled ok')).toBe(sent + 3);
    // The largest packet there is: 45 fragments each way.
    const largest = await linuxPing(ns, VNET, 1, '-M', 'dont', '-s', '65507');
    expect(largest.received, largest.text).toBe(1);
  }));

  peer(...NEEDS)('answers and is answered with the bytes that were sent', neighbours(async (d, ns) => {
    const pattern = await linuxPing(ns, VNET, 2, '-p', '00ff17a5', '-s', '2999');
    expect(pattern.received, pattern.text).toBe(2);
    // Either ping says so when a byte came back as another.
    expect(pattern.text).not.toContain('wrong data byte');
    expect(await d.ok('v1', 'ping', '-p', '00ff17a5', '-s', '2999', '-c', '2', '-i', '0.05', LINUX)).not.toContain('wrong data byte');
  }));

  peer(...NEEDS, 'bash')('is told that nobody listens at a port, and says so itself', neighbours(async (d, ns) => {
    const before = await snmp(ns);
    await ns.run('bash', '-c', `echo hello > /dev/udp/${VNET}/4321`);
    await Netns.until('the answer has come', async () => (await snmp(ns)).Icmp!['InDestUnreachs'] === before.Icmp!['InDestUnreachs']! + 1);
    expect(await d.counter('v1', 'udp', 'dropped due to no socket')).toBe(1);

    const refused = await d.run('v1', 'nc', '-u', '-v', '-z', '-w', '1', LINUX, '4321');
    expect(refused.exitCode).toBe(1);
    expect((await snmp(ns)).Udp!['NoPorts']).toBeGreaterThanOrEqual(1);
  }));

  peer(...NEEDS)('does not answer for an address nobody has', neighbours(async (_d, ns, { device }) => {
    const ping = await ns.run('ping', '-n', '-c', '1', '-W', '1', '10.77.0.99');
    expect(ping.stdout).toContain('0 received');
    const entries = JSON.parse(ns.ip('-json', 'neigh', 'show', 'to', '10.77.0.99', 'dev', device)) as { lladdr?: string }[];
    expect(entries.every((entry) => entry.lladdr === undefined)).toBe(true);
  }));
});
