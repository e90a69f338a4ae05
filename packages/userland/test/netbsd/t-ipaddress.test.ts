/**
 * t-ipaddress.test.ts — the routes that come and go with an address, and link-local addresses that come by themselves: what NetBSD's net/t_ipaddress
 * checks, said in FreeBSD's words.
 * Read first: docs/netbsd-tests.md; bus-lab.ts.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BusLab } from './bus-lab.js';

let lab: BusLab;
beforeEach(async () => {
  lab = new BusLab();
  await lab.host('local', { em0: 'bus' });
});
afterEach(() => lab.end());

test.each([
  ['same_address', 'inet', '192.0.2.1', '192.0.2.0/24', 24],
  ['same_address6', 'inet6', '2001:db8::1', '2001:db8::/64', 64],
])('%s: given and taken twice', async (_name, inet, ip, net, len) => {
  const link = await lab.link('local', 'em0');
  const before = await lab.on('local', 'netstat -rnW');
  for (let round = 0; round < 2; round++) {
    await lab.on('local', `ifconfig em0 ${inet} ${ip}/${len}`);
    await lab.advance(2_000_000);
    expect([await lab.route('local', ip), await lab.route('local', net)]).toEqual([`${link} UHS lo0`, `${link} U em0`]);
    await lab.on('local', `ifconfig em0 ${inet} ${ip} delete`);
    expect([await lab.route('local', ip), await lab.route('local', net)]).toEqual([null, null]);
  }
  expect((await lab.on('local', 'netstat -rnW')).replace(/fe80.*\n?/g, '')).toBe(before.replace(/fe80.*\n?/g, ''));
});

test('the network goes over to the next address of its prefix, and with it the routes through the network', async () => {
  await lab.plug('local', 'em1', 'bus');
  await lab.on('local', 'ifconfig em0 192.0.2.1/24');
  await lab.on('local', 'ifconfig em1 192.0.2.2/24');
  expect(await lab.route('local', '192.0.2.0/24')).toBe(`${await lab.link('local', 'em0')} U em0`);
  await lab.on('local', 'ifconfig em0 192.0.2.1 delete');
  expect(await lab.route('local', '192.0.2.0/24')).toBe(`${await lab.link('local', 'em1')} U em1`);
  await lab.on('local', 'ifconfig em1 192.0.2.2 delete');
  expect(await lab.route('local', '192.0.2.0/24')).toBeNull();
});

test('auto_linklocal: of an interface that has the flag, which interfaces get as the sysctl is when they are made', async () => {
  expect(await lab.on('local', 'sysctl -n net.inet6.ip6.auto_linklocal')).toBe('1');
  await lab.on('local', 'ifconfig em0 inet6 -ifdisabled up');
  expect(await lab.on('local', 'ifconfig em0')).toMatch(/inet6 fe80::/);
  await lab.on('local', 'sysctl net.inet6.ip6.auto_linklocal=0');
  await lab.on('local', 'ifconfig epair9 create');
  await lab.on('local', 'ifconfig epair9a inet6 -ifdisabled up');
  expect(await lab.on('local', 'ifconfig epair9a')).not.toMatch(/inet6 fe80::/);
  await lab.on('local', 'ifconfig epair9a destroy');
});
