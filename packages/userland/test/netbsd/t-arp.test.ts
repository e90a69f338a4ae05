/**
 * t-arp.test.ts — neighbours and the routes that lead to them: what NetBSD's arp/t_arp checks, said in FreeBSD's words.
 * Read first: docs/netbsd-tests.md, which names the tests of the other cases; bus-lab.ts.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BusLab } from './bus-lab.js';

const SRC = '192.0.2.10';
const DST = '192.0.2.1';
let lab: BusLab;

beforeEach(async () => {
  lab = new BusLab();
  await lab.host('src', { em0: 'bus', em1: 'bus' });
  await lab.host('dst', { em0: 'bus' });
  await lab.on('dst', `ifconfig em0 ${DST}/24`);
  await lab.on('src', `ifconfig em0 ${SRC}/24`);
});

afterEach(() => lab.end());

/** The interfaces on which a host has a neighbour, '' for none. */
async function entries(host: string, addr: string): Promise<string> {
  const lines = (await lab.on(host, 'arp -an')).split('\n').filter((line) => line.includes(`(${addr})`));
  return lines.map((line) => / on (\S+)/.exec(line)?.[1]).join(' ');
}

test.each([5, 10])('cache_expiration_%ds: of a neighbour that nobody talks to', async (seconds) => {
  await lab.on('src', `sysctl net.link.ether.inet.max_age=${seconds}`);
  expect(await lab.tryOn('src', `arp -n ${DST}`)).toEqual({ exit: 1, stdout: `${DST} (${DST}) -- no entry\n`, stderr: '' });
  expect(await lab.ping('src', DST)).toBe(0);
  await lab.on('dst', 'ifconfig em0 down'); // nor says anything itself
  await lab.advance((seconds - 2) * 1_000_000);
  expect(await entries('src', DST)).toBe('em0');
  // Reachable for half to one and a half times 30 s, then stale for max_age.
  await lab.advance((45 + 2 * seconds) * 1_000_000);
  expect(await entries('src', DST)).toBe('');
});

describe('rtm', () => {
  test('learned, missed, deleted', async () => {
    const mac = await lab.lladdr('dst');
    expect(await lab.neighbourMessages('src', () => lab.ping('src', DST))).toEqual([`RTM_ADD <UP,HOST,DONE,LLINFO> ${DST} ${mac}`]);
    const link = await lab.link('src', 'em0');
    expect(await lab.neighbourMessages('src', () => lab.tryOn('src', 'ping -n -c 6 -t 6 192.0.2.99'))).toEqual([`RTM_MISS <HOST,DONE,LLINFO> 192.0.2.99 ${link}`]);
    // FreeBSD does not tell of a look-up that found no route.
    expect(await lab.neighbourMessages('src', () => lab.ping('src', '198.51.100.99'))).toEqual([]);
    expect(await lab.neighbourMessages('src', () => lab.on('src', `arp -d ${DST}`))).toEqual([`RTM_DELETE <HOST,DONE,LLINFO> ${DST} ${mac}`]);
    expect(await lab.neighbourMessages('src', () => lab.tryOn('src', `arp -d ${DST}`))).toEqual([]);
  });

  test('set, changed, flushed; with the address of the network', async () => {
    const set = (mac: string): Promise<string> => lab.on('src', `arp -s 192.0.2.50 ${mac}`);
    expect(await lab.neighbourMessages('src', () => set('02:00:00:00:00:50'))).toEqual(['RTM_ADD <UP,HOST,DONE,LLINFO> 192.0.2.50 em0:2.0.0.0.0.50']);
    expect(await lab.neighbourMessages('src', () => set('02:00:00:00:00:51'))).toEqual(['RTM_CHANGE <UP,HOST,DONE,LLINFO> 192.0.2.50 em0:2.0.0.0.0.51']);
    expect(await lab.neighbourMessages('src', () => lab.on('src', 'arp -d -a'))).toEqual(['RTM_DELETE <HOST,DONE,LLINFO> 192.0.2.50 em0:2.0.0.0.0.51']);
    await lab.ping('src', DST);
    expect(await lab.neighbourMessages('src', () => lab.on('src', `ifconfig em0 ${SRC} -alias`))).toEqual([`RTM_DELETE <HOST,DONE,LLINFO> ${DST} ${await lab.lladdr('dst')}`]);
  });
});

test('purge_on_route_change: the network goes over to another interface, and its neighbours are asked for there', async () => {
  await lab.on('src', 'ifconfig em1 192.0.2.11/24');
  expect([await lab.ping('src', DST), await entries('src', DST)]).toEqual([0, 'em0']);
  await lab.on('src', `ifconfig em0 ${SRC} -alias`);
  expect([await entries('src', DST), await lab.route('src', '192.0.2.0/24')]).toEqual(['', `${await lab.link('src', 'em1')} U em1`]);
  expect([await lab.ping('src', DST), await entries('src', DST)]).toEqual([0, 'em1']);
});

test('purge_on_route_delete: with its address goes the network, and its neighbours', async () => {
  await lab.on('src', 'ifconfig em0 198.51.100.10/24 alias');
  expect([await lab.ping('src', DST), await entries('src', DST)]).toEqual([0, 'em0']);
  expect(await lab.tryOn('src', 'route delete -net 192.0.2.0/24')).toMatchObject({ exit: 1 });
  await lab.on('src', 'ifconfig em0 198.51.100.10 -alias');
  expect(await entries('src', DST)).toBe('em0');
  await lab.on('src', `ifconfig em0 ${SRC} -alias`);
  expect([await entries('src', DST), await lab.route('src', '192.0.2.0/24')]).toEqual(['', null]);
});

test('purge_on_ifdown', async () => {
  expect([await lab.ping('src', DST), await entries('src', DST)]).toEqual([0, 'em0']);
  await lab.on('src', 'ifconfig em0 down');
  expect([await entries('src', DST), await lab.route('src', '192.0.2.0/24')]).toEqual(['', null]);
  expect((await lab.tryOn('src', `arp -n ${DST}`)).stdout).toContain('no entry');
});

test('stray_entries: with two interfaces on one network each keeps who talked to it', async () => {
  await lab.on('src', 'ifconfig em1 192.0.2.11/24');
  expect([await lab.ping('src', DST), await entries('src', DST)]).toEqual([0, 'em0']);
  await lab.on('src', 'arp -d -a');
  expect(await entries('src', DST)).toBe('');
  // The request leaves by em0; whoever answers asks for .11, which em1 has.
  expect([await lab.ping('src', `-S 192.0.2.11 ${DST}`), await entries('src', DST)]).toEqual([0, 'em0 em1']);
  await lab.on('src', 'arp -d -a');
  expect(await entries('src', DST)).toBe('');
  // Now it knows .11, and does not ask.
  expect([await lab.ping('src', `-S 192.0.2.11 ${DST}`), await entries('src', DST)]).toEqual([0, 'em0']);
  await lab.on('dst', 'arp -d -a');
  expect([await lab.ping('src', `-S 192.0.2.11 ${DST}`), await entries('src', DST)]).toEqual([0, 'em0 em1']);
  // FreeBSD's arp -d is about the interface that the route leads to; NetBSD's takes both.
  await lab.on('src', `arp -d ${DST}`);
  expect(await entries('src', DST)).toBe('em1');
  await lab.on('src', `arp -d ${DST}`);
  expect(await entries('src', DST)).toBe('');
});
