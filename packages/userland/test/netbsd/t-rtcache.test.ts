/**
 * t-rtcache.test.ts — a router follows its table from the next packet on: what NetBSD's route/t_rtcache checks, for both families, and for changes and routes
 * that go with their interface as well.
 * Read first: docs/netbsd-tests.md; bus-lab.ts.
 *
 * Nobody answers the packets that are looked for, so that nothing but the table can have told the router.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BusLab } from './bus-lab.js';

interface Plan {
  readonly name: string;
  readonly inet: string;
  readonly forwarding: string;
  /** Networks of source and destinations, and the address asked for, which is on both destinations' lo0. */
  readonly nets: readonly [string, string, string];
  readonly dst: string;
  readonly dstNet: string;
  readonly dstHost: string;
  readonly lo: string;
}

const PLANS: readonly Plan[] = [
  {
    name: 'IPv4', inet: 'inet', forwarding: 'net.inet.ip.forwarding', nets: ['192.0.2.', '198.51.100.', '203.0.113.'], dst: '10.3.0.1', dstNet: '10.3.0.0/16', dstHost: '10.3.0.1/32', lo: '127.0.0.1',
  },
  {
    name: 'IPv6', inet: 'inet6', forwarding: 'net.inet6.ip6.forwarding', nets: ['2001:db8::', '2001:db8:1::', '2001:db8:2::'], dst: '2001:db8:3::1', dstNet: '2001:db8:3::/48',
    dstHost: '2001:db8:3::1/128', lo: '::1',
  },
];

describe.each(PLANS)('rtcache_invalidation, $name', (plan) => {
  let lab: BusLab;
  const [src, one, two] = plan.nets;
  const len = plan.inet === 'inet' ? 24 : 64;
  const address = (host: string, ifname: string, addr: string): Promise<string> =>
    lab.on(host, `ifconfig ${ifname} ${plan.inet} ${addr}${addr.includes('/') ? '' : `/${len}`} ${plan.inet === 'inet6' ? 'no_dad ' : ''}alias`);
  const route = (host: string, words: string): Promise<string> => lab.on(host, `route ${words.replace(' ', ` -${plan.inet} `)}`);

  /** Who gets a packet for the destination. */
  async function got(): Promise<string[]> {
    const at: string[] = [];
    for (const host of ['dst1', 'dst2']) await lab.hear(host, 'em0');
    await lab.ping('src', plan.dst);
    for (const host of ['dst1', 'dst2']) if (new RegExp(`> ${plan.dst}: ICMP6?,? echo request`).test(await lab.hear(host, 'em0'))) at.push(host);
    return at;
  }

  beforeEach(async () => {
    lab = new BusLab();
    await lab.host('src', { em0: 'src' });
    await lab.host('fwd', { em0: 'src', em1: 'dst1', em2: 'dst2' });
    await lab.host('dst1', { em0: 'dst1' });
    await lab.host('dst2', { em0: 'dst2' });
    await address('src', 'em0', `${src}2`);
    await lab.on('fwd', `sysctl ${plan.forwarding}=1`);
    await address('fwd', 'em0', `${src}1`);
    await address('fwd', 'em1', `${one}1`);
    await address('fwd', 'em2', `${two}1`);
    await address('dst1', 'em0', `${one}2`);
    await address('dst2', 'em0', `${two}2`);
    await route('src', `add default ${src}1`);
    await route('dst1', `add default ${one}1`);
    await route('dst2', `add default ${two}1`);
    for (const host of ['dst1', 'dst2']) await address(host, 'lo0', plan.dstHost);
    await lab.advance(2_000_000);
    for (const host of [one, two]) expect(await lab.ping('src', `${host}2`)).toBe(0);
    for (const host of ['dst1', 'dst2']) await route(host, `add -net ${src}${plan.inet === 'inet' ? '0' : ''}/${len} ${plan.lo} -blackhole`);
  });

  afterEach(() => lab.end());

  test('a default route, a more specific one, and without it again', async () => {
    expect(await got()).toEqual([]);
    await route('fwd', `add default ${one}2`);
    expect(await got()).toEqual(['dst1']);
    await route('fwd', `add -net ${plan.dstNet} ${two}2`);
    expect(await got()).toEqual(['dst2']);
    await route('fwd', `delete -net ${plan.dstNet} ${two}2`);
    expect(await got()).toEqual(['dst1']);
    await route('fwd', `add ${plan.dst} ${two}2`);
    expect(await got()).toEqual(['dst2']);
  });

  test('a changed one', async () => {
    await route('fwd', `add -net ${plan.dstNet} ${one}2`);
    expect(await got()).toEqual(['dst1']);
    await route('fwd', `change -net ${plan.dstNet} ${two}2`);
    expect(await got()).toEqual(['dst2']);
    await route('fwd', `change -net ${plan.dstNet} -blackhole`);
    expect(await got()).toEqual([]);
    await route('fwd', `change -net ${plan.dstNet} ${one}2`);
    expect(await got()).toEqual(['dst1']);
  });

  test('one whose interface goes', async () => {
    await route('fwd', `add default ${one}2`);
    await route('fwd', `add -net ${plan.dstNet} ${two}2`);
    expect(await got()).toEqual(['dst2']);
    await lab.on('fwd', 'ifconfig em2 destroy');
    expect(await got()).toEqual(['dst1']);
  });
});
