/**
 * routing.test.ts — a vnet's router between two Linux namespaces: forwarding, and what it tells a sender whose packet it cannot forward.
 * Read first: RFC 1812; RFC 1191.
 */
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { Netns } from './netns.js';
import { withRouter } from './routed-pair.js';
import { damaged, snmp, UNDAMAGED } from './snmp.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping'] as const;

describe('a vnet that forwards between two namespaces', () => {
  peer(...NEEDS)('carries pings both ways, one hop further', () => withRouter({}, async ({ d, a, b }) => {
    const there = await linuxPing(a, '10.2.0.2', 3);
    expect(there.text.match(/64 bytes from 10\.2\.0\.2: icmp_seq=\d ttl=63 /g)).toHaveLength(3);
    const back = await linuxPing(b, '10.1.0.2', 3, '-s', '4000', '-M', 'dont');
    expect(back.text.match(/4008 bytes from 10\.1\.0\.2: icmp_seq=\d ttl=63 /g)).toHaveLength(3);
    // Requests and answers, the first whole and the others in three fragments: a router does not reassemble.
    expect(await d.counter('r1', 'ip', 'packets? forwarded')).toBe(2 * there.sent + 2 * 3 * back.sent);
    expect(await d.counter('r1', 'ip', 'packets? reassembled ok')).toBe(0);
    expect([await damaged(a), await damaged(b)]).toEqual([UNDAMAGED, UNDAMAGED]);
  }));

  peer(...NEEDS)('answers for a packet whose time is over, and lets the next hop answer the longer one', () => withRouter({}, async ({ a }) => {
    const first = await linuxPing(a, '10.2.0.2', 1, '-t', '1');
    expect(first.text).toContain('From 10.1.0.1 icmp_seq=1 Time to live exceeded');
    expect(first.received).toBe(0);
    expect((await linuxPing(a, '10.2.0.2', 1, '-t', '2')).received).toBe(1);
  }));

  peer(...NEEDS)('says where it knows no way', () => withRouter({}, async ({ a }) => {
    const ping = await linuxPing(a, '192.168.99.1', 1);
    expect(ping.text).toMatch(/From 10\.1\.0\.1 icmp_seq=1 Destination (Host|Net) Unreachable/);
  }));

  peer(...NEEDS)('sends a neighbour of the better gateway there', () => withRouter({}, async ({ d, a, b }) => {
    // The gateway of 172.16.0.0/16 is on the sender's own side: Linux is told so once, and the packet is forwarded all the same.
    await d.ok('r1', 'route', 'add', '172.16.0.0/16', '10.1.0.2');
    a.address('lo', '172.16.0.1/32');
    expect((await linuxPing(b, '172.16.0.1', 1)).received).toBe(1);
    await a.run('ping', '-n', '-c', '1', '-W', '1', '172.16.0.9');
    await Netns.until('a redirect has come', async () => (await snmp(a)).Icmp!['InRedirects'] === 1);
  }));

  peer(...NEEDS)('fragments for a narrower link what may be fragmented', () => withRouter({ mtuB: 1300 }, async ({ d, a }) => {
    const ping = await linuxPing(a, '10.2.0.2', 3, '-M', 'dont', '-s', '1472');
    expect(ping.received, ping.text).toBe(3);
    expect(await d.counter('r1', 'ip', 'fragments? created')).toBe(2 * ping.sent);
  }));

  peer(...NEEDS)('tells the MTU of a narrower link, and Linux keeps to it', () => withRouter({ mtuB: 1300 }, async ({ d, a }) => {
    const first = await linuxPing(a, '10.2.0.2', 1, '-M', 'do', '-s', '1400');
    expect(first.text).toContain('From 10.1.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1300)');
    const second = await a.run('ping', '-n', '-M', 'do', '-s', '1400', '-c', '1', '-W', '1', '10.2.0.2');
    expect(second.stderr).toContain('message too long, mtu=1300');
    expect(a.ip('route', 'get', '10.2.0.2')).toMatch(/\bmtu 1300\b/);
    expect(await d.counter('r1', 'ip', "packets? not forwardable|datagrams? that can't be fragmented")).toBeGreaterThanOrEqual(1);
    expect((await linuxPing(a, '10.2.0.2', 1, '-M', 'do', '-s', '1272')).received).toBe(1);
  }));
});
