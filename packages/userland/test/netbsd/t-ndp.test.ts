/**
 * t-ndp.test.ts — IPv6 neighbours and the routes that lead to them: what NetBSD's ndp/t_ndp checks, said in FreeBSD's words.
 * Read first: docs/netbsd-tests.md, which names the tests of the other cases; bus-lab.ts.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BusLab } from './bus-lab.js';

const SRC = '2001:db8::10';
const SRC2 = '2001:db8::11';
const DST = '2001:db8::1';
const NET = '2001:db8::/64';
let lab: BusLab;

beforeEach(async () => {
  lab = new BusLab();
  await lab.host('src', { em0: 'bus', em1: 'bus' });
  await lab.host('dst', { em0: 'bus' });
  await lab.on('dst', `ifconfig em0 inet6 ${DST}/64 no_dad`);
  await lab.on('src', `ifconfig em0 inet6 ${SRC}/64 no_dad`);
  await lab.advance(2_000_000);
});

afterEach(() => lab.end());

/** The interfaces on which src has a neighbour, '' for none. */
async function entries(addr: string): Promise<string> {
  const lines = (await lab.on('src', 'ndp -an')).split('\n').map((line) => line.split(/ +/));
  return lines.filter(([neighbour]) => neighbour === addr).map(([, , ifname]) => ifname).join(' ');
}

test('rtm: learned, deleted, set; with the address of the network', async () => {
  const told = (line: string): Promise<string[]> => lab.neighbourMessages('src', () => lab.on('src', line));
  const mac = await lab.lladdr('dst');
  expect(await told(`ping -n -c 1 ${DST}`)).toEqual([`RTM_ADD <UP,HOST,DONE,LLINFO> ${DST} ${mac}`]);
  expect(await told(`ndp -d ${DST}`)).toEqual([`RTM_DELETE <HOST,DONE,LLINFO> ${DST} ${mac}`]);
  expect(await told('ndp -s 2001:db8::50 02:00:00:00:00:50')).toEqual(['RTM_ADD <UP,HOST,DONE,LLINFO> 2001:db8::50 em0:2.0.0.0.0.50']);
  expect(await told('ndp -s 2001:db8::50 02:00:00:00:00:51')).toEqual([
    'RTM_DELETE <HOST,DONE,LLINFO> 2001:db8::50 em0:2.0.0.0.0.50', 'RTM_ADD <UP,HOST,DONE,LLINFO> 2001:db8::50 em0:2.0.0.0.0.51',
  ]);
  expect(await told(`ifconfig em0 inet6 ${SRC} delete`)).toEqual(['RTM_DELETE <HOST,DONE,LLINFO> 2001:db8::50 em0:2.0.0.0.0.51']);
});

test('cache_overwriting: an own address is not, a neighbour is', async () => {
  expect((await lab.tryOn('src', `ndp -s ${SRC} 02:00:00:00:00:ff`)).exit).not.toBe(0);
  expect(await lab.ping('src', DST)).toBe(0);
  await lab.on('src', `ndp -s ${DST} 02:00:00:00:00:00`);
  expect(await lab.on('src', `ndp -n ${DST}`)).toMatch(/02:00:00:00:00:00 +em0 permanent/);
  expect(await lab.ping('src', DST)).toBe(2);
});

test('purge_on_route_change: the network goes over to another interface, and its neighbours are asked for there', async () => {
  await lab.on('src', `ifconfig em1 inet6 ${SRC2}/64 no_dad`);
  expect([await lab.ping('src', DST), await entries(DST)]).toEqual([0, 'em0']);
  expect(await lab.tryOn('src', `route change -inet6 -net ${NET} -ifp em1`)).toMatchObject({ exit: 1 });
  await lab.on('src', `ifconfig em0 inet6 ${SRC} delete`);
  expect([await entries(DST), await lab.route('src', NET)]).toEqual(['', `${await lab.link('src', 'em1')} U em1`]);
  expect([await lab.ping('src', DST), await entries(DST)]).toEqual([0, 'em1']);
});

test('purge_on_route_delete: with its address goes the network, and its neighbours', async () => {
  expect([await lab.ping('src', DST), await entries(DST)]).toEqual([0, 'em0']);
  expect(await lab.tryOn('src', `route delete -inet6 -net ${NET}`)).toMatchObject({ exit: 1 });
  await lab.on('src', `ifconfig em0 inet6 ${SRC} delete`);
  expect([await entries(DST), await lab.route('src', NET)]).toEqual(['', null]);
});

test('purge_on_ifdown: they stay, and are not asked; up again, they are', async () => {
  expect([await lab.ping('src', DST), await entries(DST)]).toEqual([0, 'em0']);
  await lab.on('src', 'ifconfig em0 down');
  expect([await entries(DST), await lab.route('src', NET)]).toEqual(['em0', `${await lab.link('src', 'em0')} U em0`]);
  expect(await lab.tryOn('src', `ping -n -c 1 -t 1 ${DST}`)).toMatchObject({ exit: 71, stderr: 'ping: sendmsg: Network is down\n' });
  await lab.on('src', 'ifconfig em0 up');
  expect(await lab.ping('src', DST)).toBe(0);
});

test('stray_entries: with two interfaces on one network each keeps who talked to it', async () => {
  await lab.on('src', `ifconfig em1 inet6 ${SRC2}/64 no_dad`);
  await lab.advance(2_000_000);
  expect([await lab.ping('src', DST), await entries(DST)]).toEqual([0, 'em0']);
  await lab.on('src', 'ndp -c');
  expect(await entries(DST)).toBe('');
  expect([await lab.ping('src', `-S ${SRC2} ${DST}`), await entries(DST)]).toEqual([0, 'em0 em1']);
  await lab.on('src', 'ndp -c');
  expect(await entries(DST)).toBe('');
});

test('link_activation: a new link address is told to the neighbours', async () => {
  expect(await lab.ping('dst', SRC)).toBe(0);
  await lab.hear('dst', 'em0');
  await lab.on('src', 'ifconfig em0 ether 02:a1:00:00:00:02');
  await lab.advance(3_000_000);
  expect(await lab.hear('dst', 'em0')).toContain(`IP6 ${SRC} > ff02::1: ICMP6, neighbor advertisement, tgt is ${SRC}`);
  expect(await lab.on('dst', `ndp -n ${SRC}`)).toContain('02:a1:00:00:00:02');
  expect(await lab.ping('dst', SRC)).toBe(0);
});
