/**
 * t-change.test.ts — `route change`: what NetBSD's route/t_change checks, said in FreeBSD's words.
 * Read first: docs/netbsd-tests.md; bus-lab.ts.
 *
 * Where NetBSD reads the source address from `route get`, which FreeBSD's does not print, packages are sent and looked at.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BusLab } from './bus-lab.js';

const FAR = '203.0.113.1';
let lab: BusLab;

/** Host a has two interfaces on the bus of routers r1 (.1) and r2 (.254). */
beforeEach(async () => {
  lab = new BusLab();
  await lab.host('a', { em0: 'bus', em1: 'bus' });
  await lab.host('r1', { em0: 'bus' });
  await lab.host('r2', { em0: 'bus' });
  await lab.on('a', 'ifconfig em0 192.0.2.10/24');
  await lab.on('r1', 'ifconfig em0 192.0.2.1/24');
  await lab.on('r2', 'ifconfig em0 192.0.2.254/24');
});

afterEach(() => lab.end());

/** Pings the far host and answers with the source address, and who carried the request: of `em0`, `em1` of a, r1 and r2, those that heard it. */
async function sentBy(): Promise<string> {
  const taps = [['a', 'em0'], ['a', 'em1'], ['r1', 'em0'], ['r2', 'em0']] as const;
  for (const [host, ifname] of taps) await lab.hear(host, ifname);
  await lab.ping('a', FAR);
  const heard: string[] = [];
  let source: string | undefined;
  for (const [host, ifname] of taps) {
    const request = /IP (\S+) > 203\.0\.113\.1: ICMP echo request/.exec(await lab.hear(host, ifname));
    if (request === null) continue;
    source = request[1];
    heard.push(host === 'a' ? ifname : host);
  }
  return `${source} ${heard.join(' ')}`;
}

test('reject2blackhole: a refused destination becomes a silent one', async () => {
  await lab.on('a', 'route add 203.0.113.32 127.0.0.1 -reject');
  expect(await lab.route('a', '203.0.113.32')).toBe('127.0.0.1 UHRS lo0');
  expect(await lab.tryOn('a', 'ping -c 1 -t 1 203.0.113.32')).toMatchObject({ exit: 2, stderr: 'ping: sendto: No route to host\n' });
  await lab.on('a', 'route change 203.0.113.32 127.0.0.1 -blackhole');
  expect(await lab.route('a', '203.0.113.32')).toBe('127.0.0.1 UHSB lo0');
  expect(await lab.tryOn('a', 'ping -c 1 -t 1 203.0.113.32')).toMatchObject({ exit: 2, stderr: '' });
});

test('gateway: the next packet goes to the new one', async () => {
  expect(await lab.on('a', 'route add -net 203.0.113.0/24 192.0.2.1')).toBe('add net 203.0.113.0/24: gateway 192.0.2.1');
  expect([await lab.route('a', '203.0.113.0/24'), await sentBy()]).toEqual(['192.0.2.1 UGS em0', '192.0.2.10 em0 r1']);
  expect(await lab.on('a', 'route change -net 203.0.113.0/24 192.0.2.254')).toBe('change net 203.0.113.0/24: gateway 192.0.2.254');
  expect([await lab.route('a', '203.0.113.0/24'), await sentBy()]).toEqual(['192.0.2.254 UGS em0', '192.0.2.10 em0 r2']);
});

test('ifa: packets get the other address of the interface', async () => {
  await lab.on('a', 'ifconfig em0 192.0.2.11/24 alias');
  await lab.on('a', 'route add -net 203.0.113.0/24 192.0.2.1');
  expect(await sentBy()).toBe('192.0.2.10 em0 r1');
  await lab.on('a', 'route change -net 203.0.113.0/24 192.0.2.1 -ifa 192.0.2.11');
  expect([await lab.route('a', '203.0.113.0/24'), await sentBy()]).toEqual(['192.0.2.1 UGS em0', '192.0.2.11 em0 r1']);
});

test.each([
  ['ifp', '192.0.2.1 -ifp em1'],
  ['ifp, the gateway not said again', '-ifp em1'],
  ['ifp_ifa: an address that is not ours leaves the choice to the interface', '-ifa 192.0.2.1 -ifp em1'],
  ['ifp_ifa: an address of ours', '-ifa 192.0.2.11 -ifp em1'],
])('%s', async (_name, words) => {
  await lab.on('a', 'ifconfig em1 192.0.2.11/24');
  await lab.on('a', 'route add -net 203.0.113.0/24 192.0.2.1');
  expect(await sentBy()).toBe('192.0.2.10 em0 r1');
  await lab.on('a', `route change -net 203.0.113.0/24 ${words}`);
  expect(await lab.on('a', 'route -n get 203.0.113.1')).toMatch(
    /^ {3}route to: 203\.0\.113\.1\ndestination: 203\.0\.113\.0\n {7}mask: 255\.255\.255\.0\n {4}gateway: 192\.0\.2\.1\n {8}fib: 0\n {2}interface: em1\n {6}flags: <UP,GATEWAY,DONE,STATIC>\n/,
  );
  expect(await sentBy()).toBe('192.0.2.11 em1 r1');
});

test.each(['-reject', '-blackhole', '-ifp em1', '192.0.2.1', '-mtu 1400'])('flags: a connected route is not changed: %s', async (words) => {
  const before = await lab.on('a', 'netstat -rnW');
  const { exit, stdout } = await lab.tryOn('a', `route change -net 192.0.2.0/24 ${words}`);
  expect([exit, stdout]).toEqual([1, expect.stringContaining('fib 0: route already in table\n')]);
  expect(await lab.on('a', 'netstat -rnW')).toBe(before);
  await lab.on('a', 'ifconfig em0 192.0.2.10 -alias');
  expect(await lab.route('a', '192.0.2.0/24')).toBeNull();
  await lab.on('a', 'ifconfig em0 192.0.2.10/24');
});

test('default_flags: the default route is refused, and led on again', async () => {
  await lab.on('a', 'route add default 192.0.2.1');
  expect(await lab.route('a', 'default')).toBe('192.0.2.1 UGS em0');
  await lab.on('a', 'route change default -reject');
  expect([await lab.route('a', 'default'), await lab.ping('a', FAR)]).toEqual(['127.0.0.1 URS lo0', 2]);
  expect((await lab.tryOn('a', `ping -c 1 -t 1 ${FAR}`)).stderr).toBe('ping: sendto: No route to host\n');
  await lab.on('a', 'route change default 192.0.2.1');
  expect([await lab.route('a', 'default'), await sentBy()]).toEqual(['192.0.2.1 UGS em0', '192.0.2.10 em0 r1']);
});
