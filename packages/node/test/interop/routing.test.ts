/**
 * routing.test.ts — a vnet's router between two Linux namespaces: forwarding, and what it tells a sender whose packet it cannot forward.
 * Read first: RFC 1812; RFC 1191.
 */
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns } from './netns.js';
import { withRouter } from './routed-pair.js';
import { damaged, snmp, UNDAMAGED } from './snmp.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping'] as const;

describe('a vnet that forwards between two namespaces', () => {
  peer(...NEEDS)('carries pings both ways, one hop further', () => withRouter({}, async ({ d, a, b }) => {
    const there = await a.run('ping', '-n', '-c', '3', '-i', '0.05', '10.2.0.2');
    expect(there.stdout + there.stderr).toContain('3 packets transmitted, 3 received');
    expect(there.stdout.match(/64 bytes from 10\.2\.0\.2: icmp_seq=\d ttl=63 /g)).toHaveLength(3);
    const back = await b.run('ping', '-n', '-s', '4000', '-M', 'dont', '-c', '3', '-i', '0.05', '10.1.0.2');
    expect(back.stdout.match(/4008 bytes from 10\.1\.0\.2: icmp_seq=\d ttl=63 /g)).toHaveLength(3);
    // 3 requests and 3 answers whole, 3 of each in three fragments: a router does not reassemble.
    expect(await d.counter('r1', 'ip', 'packets? forwarded')).toBe(24);
    expect(await d.counter('r1', 'ip', 'packets? reassembled ok')).toBe(0);
    expect([await damaged(a), await damaged(b)]).toEqual([UNDAMAGED, UNDAMAGED]);
  }));

  peer(...NEEDS)('answers for a packet whose time is over, and lets the next hop answer the longer one', () => withRouter({}, async ({ a }) => {
    const first = await a.run('ping', '-n', '-c', '2', '-i', '0.05', '-W', '1', '-t', '1', '10.2.0.2');
    expect(first.stdout.match(/From 10\.1\.0\.1 icmp_seq=\d Time to live exceeded/g)).toHaveLength(2);
    expect(first.stdout).toContain('0 received, +2 errors');
    expect((await a.run('ping', '-n', '-c', '1', '-t', '2', '10.2.0.2')).stdout).toContain('1 received');
  }));

  peer(...NEEDS)('says where it knows no way', () => withRouter({}, async ({ a }) => {
    const ping = await a.run('ping', '-n', '-c', '1', '-W', '1', '192.168.99.1');
    expect(ping.stdout).toMatch(/From 10\.1\.0\.1 icmp_seq=1 Destination (Host|Net) Unreachable/);
  }));

  peer(...NEEDS)('sends a neighbour of the better gateway there', () => withRouter({}, async ({ d, a, b }) => {
    // The gateway of 172.16.0.0/16 is on the sender's own side: Linux is told so once, and the packet is forwarded all the same.
    await d.ok('r1', 'route', 'add', '172.16.0.0/16', '10.1.0.2');
    a.address('lo', '172.16.0.1/32');
    const alien = await b.run('ping', '-n', '-c', '1', '172.16.0.1');
    expect(alien.stdout).toContain('1 received');
    await a.run('ping', '-n', '-c', '1', '-W', '1', '172.16.0.9');
    await Netns.until('a redirect has come', async () => (await snmp(a)).Icmp!['InRedirects'] === 1);
  }));

  peer(...NEEDS)('fragments for a narrower link what may be fragmented', () => withRouter({ mtuB: 1300 }, async ({ d, a }) => {
    const ping = await a.run('ping', '-n', '-M', 'dont', '-s', '1472', '-c', '3', '-i', '0.05', '10.2.0.2');
    expect(ping.stdout + ping.stderr).toContain('3 packets transmitted, 3 received');
    expect(await d.counter('r1', 'ip', 'fragments? created')).toBe(6);
  }));

  peer(...NEEDS)('tells the MTU of a narrower link, and Linux keeps to it', () => withRouter({ mtuB: 1300 }, async ({ d, a }) => {
    const ping = await a.run('ping', '-n', '-M', 'do', '-s', '1400', '-c', '2', '-i', '0.05', '-W', '1', '10.2.0.2');
    expect(ping.stdout).toContain('From 10.1.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1300)');
    expect(ping.stderr).toContain('message too long, mtu=1300');
    expect(a.ip('route', 'get', '10.2.0.2')).toMatch(/\bmtu 1300\b/);
    expect(await d.counter('r1', 'ip', "packets? not forwardable|datagrams? that can't be fragmented")).toBeGreaterThanOrEqual(1);
    const fits = await a.run('ping', '-n', '-q', '-M', 'do', '-s', '1272', '-c', '1', '10.2.0.2');
    expect(fits.stdout + fits.stderr).toContain('1 received');
  }));
});
