/**
 * t-route.test.ts — gateways that are not on a network of ours, `route get`, which gateways are taken: what NetBSD's route/t_route checks, said in
 * FreeBSD's words.
 * Read first: docs/netbsd-tests.md; bus-lab.ts.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BusLab } from './bus-lab.js';

let lab: BusLab;
beforeEach(() => {
  lab = new BusLab();
});
afterEach(() => lab.end());

test('non_subnet_gateway: a gateway behind a route to a link', async () => {
  await lab.host('gw', { em0: 'bus' });
  await lab.host('client', { em0: 'bus' });
  await lab.on('gw', 'ifconfig em0 198.51.100.1/24');
  expect(await lab.on('gw', 'route add -net 192.0.2.1/32 -iface em0')).toBe('add net 192.0.2.1/32: gateway em0');
  await lab.on('client', 'ifconfig em0 192.0.2.1/32');
  expect(await lab.tryOn('client', 'ping -n -c 1 -t 1 198.51.100.1')).toMatchObject({ exit: 2, stderr: 'ping: sendto: Network is unreachable\n' });
  expect(await lab.tryOn('client', 'route add default 198.51.100.1')).toMatchObject({ exit: 1, stdout: expect.stringContaining('Network is unreachable') as string });
  expect(await lab.on('client', 'route add -net 198.51.100.1/32 -iface em0')).toBe('add net 198.51.100.1/32: gateway em0');
  expect(await lab.on('client', 'route add default -ifa 192.0.2.1 198.51.100.1')).toBe('add net default: gateway 198.51.100.1');
  expect(await lab.ping('client', '198.51.100.1')).toBe(0);
  // Somebody behind the gateway, who knows the way back.
  await lab.on('gw', 'ifconfig lo0 203.0.113.9/32 alias');
  expect(await lab.ping('client', '203.0.113.9')).toBe(0);
});

describe('command_get', () => {
  /** What `route get` prints above its table of metrics. */
  const got = async (dst: string): Promise<string> => (await lab.on('src', `route -n get ${dst}`)).replace(/\n recvpipe[^]*/, '');

  const text = (...lines: readonly string[]): string => lines.join('\n');

  test('IPv4', async () => {
    await lab.host('src', { em0: 'bus1' });
    await lab.host('fwd', { em0: 'bus1' });
    await lab.on('src', 'ifconfig em0 192.0.2.2/24');
    await lab.on('src', 'route add default 192.0.2.1');
    await lab.on('fwd', 'ifconfig em0 192.0.2.1/24');
    expect(await got('192.0.2.2')).toBe(text('   route to: 192.0.2.2', 'destination: 192.0.2.2', '        fib: 0', '  interface: lo0', '      flags: <UP,HOST,DONE,STATIC,PINNED>'));
    const neighbour = text(
      '   route to: 192.0.2.1', 'destination: 192.0.2.0', '       mask: 255.255.255.0', '        fib: 0', '  interface: em0', '      flags: <UP,DONE,PINNED>',
    );
    expect([(await lab.tryOn('src', 'arp -n 192.0.2.1')).exit, await got('192.0.2.1')]).toEqual([1, neighbour]);
    expect(await got('203.0.113.2')).toBe(text(
      '   route to: 203.0.113.2', 'destination: 0.0.0.0', '       mask: 0.0.0.0', '    gateway: 192.0.2.1', '        fib: 0', '  interface: em0',
      '      flags: <UP,GATEWAY,DONE,STATIC>',
    ));
    expect(await lab.ping('src', '192.0.2.1')).toBe(0);
    expect([(await lab.tryOn('src', 'arp -n 192.0.2.1')).exit, await got('192.0.2.1')]).toEqual([0, neighbour]);
  });

  test('command_get6', async () => {
    await lab.host('src', { em0: 'bus1' });
    await lab.host('fwd', { em0: 'bus1' });
    await lab.on('src', 'ifconfig em0 inet6 2001:db8:1::2/64 no_dad');
    await lab.on('src', 'route add -inet6 default 2001:db8:1::1');
    await lab.on('fwd', 'ifconfig em0 inet6 2001:db8:1::1/64 no_dad');
    await lab.advance(2_000_000);
    expect(await got('-inet6 2001:db8:1::2')).toBe(text(
      '   route to: 2001:db8:1::2', 'destination: 2001:db8:1::2', '        fib: 0', '  interface: lo0', '      flags: <UP,HOST,DONE,STATIC,PINNED>',
    ));
    const neighbour = text(
      '   route to: 2001:db8:1::1', 'destination: 2001:db8:1::', '       mask: ffff:ffff:ffff:ffff::', '        fib: 0', '  interface: em0', '      flags: <UP,DONE,PINNED>',
    );
    expect([(await lab.tryOn('src', 'ndp -n 2001:db8:1::1')).exit, await got('-inet6 2001:db8:1::1')]).toEqual([1, neighbour]);
    expect(await got('-inet6 2001:db8:2::2')).toBe(text(
      '   route to: 2001:db8:2::2', 'destination: ::', '       mask: ::', '    gateway: 2001:db8:1::1', '        fib: 0', '  interface: em0',
      '      flags: <UP,GATEWAY,DONE,STATIC>',
    ));
    expect(await lab.ping('src', '2001:db8:1::1')).toBe(0);
    expect([(await lab.tryOn('src', 'ndp -n 2001:db8:1::1')).exit, await got('-inet6 2001:db8:1::1')]).toEqual([0, neighbour]);
  });
});

test('default_reject: the routes that rc.d/network refuses', async () => {
  await lab.host('src', { em0: 'bus1' });
  expect(await lab.on('src', 'route add -inet6 ::0.0.0.0 -prefixlen 104 ::1 -reject')).toBe('add net ::0.0.0.0: gateway ::1');
  expect(await lab.route('src', '::/104')).toBe('::1 URS lo0');
  await lab.on('src', 'ifconfig em0 inet6 2001:db8:1::2/64 up');
  expect(await lab.on('src', 'route add -inet6 default 2001:db8:1::1')).toBe('add net default: gateway 2001:db8:1::1');
  expect(await lab.on('src', 'route change -inet6 default -reject')).toBe('change net default');
  expect(await lab.route('src', 'default')).toBe('::1 URS lo0');
});

describe.each([
  ['command_add', '', 'ifconfig em0 192.0.2.1/24', ['198.51.100.0/25', '192.0.2.2'], ['203.0.113.1', '192.0.2.3'], '10.3.0.0/16', ['10.4.0.0/16', '10.3.0.1'], ['198.51.100.0/26', '10.5.0.1'], ['10.6.0.0/16', '198.51.100.1']],
  [
    'command_add6', '-inet6 ', 'ifconfig em0 inet6 2001:db8::1/64', ['2001:db8:1::/64', '2001:db8::2'], ['2001:db8:2::1', '2001:db8::3'], '2001:db8:3::/64', ['2001:db8:4::/64', '2001:db8:3::1'],
    ['2001:db8::4/128', '2001:db8:5::1'], ['2001:db8:6::/64', '2001:db8:1::1'],
  ],
] as const)('%s', (_name, family, address, onLink, host, toLink, viaLink, unknown, viaRouter) => {
  test('which gateways are taken', async () => {
    await lab.host('host', { em0: 'bus' });
    await lab.on('host', address);
    const add = async (words: string): Promise<[number, string]> => {
      const { exit, stdout } = await lab.tryOn('host', `route add ${family}${words}`);
      return [exit, stdout.replace(/.* fib 0: /, '')];
    };
    const link = await lab.link('host', 'em0');
    expect(await add(`-net ${onLink.join(' ')}`)).toEqual([0, expect.stringContaining('gateway')]);
    expect(await add(`-host ${host.join(' ')}`)).toEqual([0, expect.stringContaining('gateway')]);
    expect(await add(`-net ${toLink} -iface em0`)).toEqual([0, expect.stringContaining('gateway em0')]);
    expect(await add(`-net ${viaLink.join(' ')}`)).toEqual([0, expect.stringContaining('gateway')]);
    expect([await lab.route('host', toLink), await lab.route('host', viaLink[0])]).toEqual([`${link} US em0`, `${viaLink[1]} UGS em0`]);
    expect(await add(`-net ${unknown.join(' ')}`)).toEqual([1, 'Network is unreachable\n']);
    // A gateway behind another gateway: FreeBSD takes it, as a neighbour on the link of that one; NetBSD does not. The default route does not count.
    expect(await add(`-net ${viaRouter.join(' ')}`)).toEqual([0, expect.stringContaining('gateway')]);
    expect(await add(`default ${onLink[1]}`)).toEqual([0, expect.stringContaining('gateway')]);
    expect(await add(`-net ${unknown.join(' ')}`)).toEqual([1, 'Network is unreachable\n']);
  });
});
