/**
 * t-flags.test.ts — the flags of routes, and what packets make of them: what NetBSD's route/t_flags and t_flags6 check, said in FreeBSD's words.
 * Read first: docs/netbsd-tests.md; bus-lab.ts. Dynamic and modified routes are in t-icmp-redirect.test.ts.
 *
 * FreeBSD has no letters for local, connected and cloned routes: an own address is UHS through lo0, a network U. A connected route cannot be deleted, so
 * what NetBSD puts in its place is added here as a more specific route.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BusLab } from './bus-lab.js';

interface Family {
  readonly name: string;
  readonly inet: string;
  readonly local: string;
  readonly peer: string;
  readonly net: string;
  /** Half of the network, with the peer in it. */
  readonly half: string;
  readonly lo: string;
  readonly farHost: string;
  readonly farNet: string;
  readonly add: string;
  readonly forwarding: string;
  /** Exit code and complaint of a ping to where a blackhole is: IPv6 looks for a source address first, and there is none for such a route. */
  readonly swallowed: readonly [number, string];
  /** The same where a route rejects. */
  readonly rejected: readonly [number, string];
}

const FAMILIES: readonly Family[] = [
  {
    name: 't_flags', inet: 'inet', local: '192.0.2.2', peer: '192.0.2.1', net: '192.0.2.0/24', half: '192.0.2.0/25', lo: '127.0.0.1', farHost: '198.51.100.1',
    farNet: '203.0.113.0/24', add: 'ifconfig em0 192.0.2.2/24', forwarding: 'net.inet.ip.forwarding', swallowed: [2, ''], rejected: [2, 'ping: sendto: No route to host\n'],
  },
  {
    name: 't_flags6', inet: 'inet6', local: '2001:db8::2', peer: '2001:db8::1', net: '2001:db8::/64', half: '2001:db8::/65', lo: '::1', farHost: '2001:db8:1::1',
    farNet: '2001:db8:2::/48', add: 'ifconfig em0 inet6 2001:db8::2/64 no_dad', forwarding: 'net.inet6.ip6.forwarding',
    swallowed: [1, 'ping: UDP connect: Network is unreachable\n'], rejected: [1, 'ping: UDP connect: Network is unreachable\n'],
  },
];

describe.each(FAMILIES)('$name', (f) => {
  let lab: BusLab;
  const route = (dst: string): Promise<string | null> => lab.route('local', dst);
  const pinged = async (dst: string): Promise<[number, string]> => {
    const { exit, stderr } = await lab.tryOn('local', `ping -n -c 1 -t 1 ${dst}`);
    return [exit, stderr];
  };

  beforeEach(async () => {
    lab = new BusLab();
    await lab.host('local', { em0: 'bus' });
    await lab.host('peer', { em0: 'bus' });
    await lab.on('local', f.add);
    await lab.on('peer', f.add.replace(f.local, f.peer));
    await lab.advance(2_000_000);
  });

  afterEach(() => lab.end());

  test('lo', async () => {
    expect(await route(f.lo)).toBe(f.inet === 'inet' ? `${await lab.link('local', 'lo0')} UH lo0` : `${await lab.link('local', 'lo0')} UHS lo0`);
    if (f.inet === 'inet6') expect(await route('fe80::1%lo0')).toBe(`${await lab.link('local', 'lo0')} UHS lo0`);
  });

  test('connected', async () => {
    const link = await lab.link('local', 'em0');
    expect(await route(f.local)).toBe(`${link} UHS lo0`);
    expect(await route(f.net)).toBe(`${link} U em0`);
    expect(await lab.ping('local', f.peer)).toBe(0);
    expect(await route(f.peer)).toBeNull(); // nothing is cloned
  });

  test('default_gateway', async () => {
    await lab.on('local', `route add -${f.inet} default ${f.peer}`);
    expect(await route('default')).toBe(`${f.peer} UGS em0`);
  });

  test('static', async () => {
    await lab.on('local', `route add -${f.inet} ${f.farHost} ${f.peer}`);
    expect(await route(f.farHost)).toBe(`${f.peer} UGHS em0`);
    await lab.on('local', `route add -${f.inet} -net ${f.farNet} ${f.peer}`);
    expect(await route(f.farNet)).toBe(`${f.peer} UGS em0`);
  });

  test('blackhole', async () => {
    expect(await lab.ping('local', f.peer)).toBe(0);
    await lab.on('local', `route add -${f.inet} -net ${f.half} ${f.lo} -blackhole`);
    expect(await route(f.half)).toBe(`${f.lo} USB lo0`);
    expect(await pinged(f.peer)).toEqual(f.swallowed);
    expect(await lab.ping('local', f.local)).toBe(0); // the own address is more specific
    expect(await route(f.peer)).toBeNull();
    await lab.on('local', `route delete -${f.inet} -net ${f.half}`);
    expect(await lab.ping('local', f.peer)).toBe(0);
  });

  test.each([
    ['by way of a router', 'peer'],
    ['by way of lo0', 'lo'],
  ] as const)('reject %s', async (_name, gateway) => {
    await lab.on('local', `route add -${f.inet} -net ${f.half} ${f[gateway]} -reject`);
    expect(await route(f.half)).toBe(`${f.lo} URS lo0`);
    await lab.hear('local', 'em0');
    expect(await pinged(f.peer)).toEqual(f.rejected);
    expect([await route(f.peer), await lab.hear('local', 'em0')]).toEqual([null, '']);
  });

  test('reject of one host', async () => {
    await lab.on('local', `route add -${f.inet} -host ${f.peer} ${f.lo} -iface -reject`);
    expect(await route(f.peer)).toBe(`${f.lo} UHRS lo0`);
    expect(await pinged(f.peer)).toEqual([f.rejected[0], f.rejected[1].replace('Network is unreachable', 'No route to host')]);
  });

  test.each([
    ['blackhole', /^$/],
    ['reject', /unreachable/],
  ])('a router with a %s', async (flag, heard) => {
    await lab.on('local', `sysctl ${f.forwarding}=1`);
    await lab.on('local', `route add -${f.inet} ${f.farHost} ${f.lo} -${flag}`);
    await lab.on('peer', `route add -${f.inet} default ${f.local}`);
    await lab.hear('peer', 'em0');
    expect(await lab.ping('peer', f.farHost)).toBe(2);
    const answers = (await lab.hear('peer', 'em0')).split('\n').filter((line) => line.includes('ICMP') && !/echo request|neighbor/.test(line));
    expect(answers.join('\n')).toMatch(heard);
  });

  test('announce is a word without effect', async () => {
    const { exit, stderr } = await lab.tryOn('local', `route add -${f.inet} -net ${f.farNet} ${f.peer} -proxy`);
    expect([exit, stderr, await route(f.farNet)]).toEqual([0, '', `${f.peer} UGS em0`]);
  });
});
