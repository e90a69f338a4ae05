/**
 * t-icmp-redirect.test.ts — redirects from a router of ours to a host of ours: what NetBSD's icmp/t_icmp_redirect and t_icmp6_redirect check, and route/t_flags
 * where it is about them, said in FreeBSD's words.
 * Read first: docs/netbsd-tests.md; bus-lab.ts. Forged and refused redirects are in packages/core/src/inet/icmp.test.ts.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BusLab } from './bus-lab.js';

const TIMEOUT_SEC = 5;
let lab: BusLab;
beforeEach(() => {
  lab = new BusLab();
});
afterEach(() => lab.end());

describe('t_icmp_redirect', () => {
  const FAR = '198.51.100.1';
  const FAR2 = '198.51.100.2';

  /** The host's default router is `peer`, which knows that `gw` on the same network leads to 198.51.100.0/24. */
  beforeEach(async () => {
    await lab.host('local', { em0: 'bus1' });
    await lab.host('peer', { em0: 'bus1' });
    await lab.host('gw', { em0: 'bus1', em1: 'bus2' });
    for (const host of ['peer', 'gw']) await lab.on(host, 'sysctl net.inet.ip.forwarding=1');
    await lab.on('local', 'ifconfig em0 192.0.2.2/24');
    await lab.on('local', `sysctl net.inet.icmp.redirtimeout=${TIMEOUT_SEC}`);
    await lab.on('peer', 'ifconfig em0 192.0.2.1/24');
    await lab.on('gw', 'ifconfig em0 192.0.2.254/24');
    await lab.on('gw', `ifconfig em1 ${FAR}/24`);
    await lab.on('gw', `ifconfig em1 ${FAR2}/24 alias`);
    await lab.on('peer', 'route add -net 198.51.100.0/24 192.0.2.254');
    await lab.on('local', 'route add default 192.0.2.1');
    expect([await lab.route('peer', '198.51.100.0/24'), await lab.route('local', 'default')]).toEqual(['192.0.2.254 UGS em0', '192.0.2.1 UGS em0']);
  });

  test('icmp_redirect: only with net.inet.ip.redirect', async () => {
    for (const redirect of [0, 1, 0]) {
      await lab.on('peer', `sysctl net.inet.ip.redirect=${redirect}`);
      expect(await lab.ping('local', FAR)).toBe(0);
      expect(await lab.route('local', FAR)).toBe(redirect === 1 ? '192.0.2.254 UGHD em0' : null);
      if (redirect === 1) await lab.on('local', `route delete ${FAR}`);
    }
  });

  test('icmp_redirect_timeout: the route goes by itself, and its packets the long way', async () => {
    expect(await lab.ping('local', FAR)).toBe(0);
    await lab.hear('peer', 'em0');
    expect(await lab.ping('local', FAR)).toBe(0);
    expect([await lab.route('local', FAR), await lab.hear('peer', 'em0')]).toEqual(['192.0.2.254 UGHD em0', '']);
    await lab.advance((TIMEOUT_SEC - 2) * 1_000_000);
    expect(await lab.route('local', FAR)).not.toBeNull();
    await lab.advance(4_000_000);
    expect(await lab.route('local', FAR)).toBeNull();
    expect([await lab.ping('local', FAR), await lab.hear('peer', 'em0')]).toEqual([0, expect.stringContaining('ICMP redirect')]);
  });

  test('t_flags icmp_redirect: a host route of the administrator is modified, and stays', async () => {
    await lab.on('local', `route add ${FAR2} 192.0.2.1`);
    expect(await lab.route('local', FAR2)).toBe('192.0.2.1 UGHS em0');
    expect(await lab.ping('local', FAR2)).toBe(0);
    expect(await lab.route('local', FAR2)).toBe('192.0.2.254 UGHMS em0');
    await lab.advance(60_000_000);
    expect([await lab.route('local', FAR2), await lab.ping('local', FAR2)]).toEqual(['192.0.2.254 UGHMS em0', 0]);
  });
});

test('t_icmp6_redirect basic: from the fake router to the real one', async () => {
  const linkLocal = async (host: string, ifname: string): Promise<string> => /inet6 (fe80::[0-9a-f:]+)%/.exec(await lab.on(host, `ifconfig ${ifname}`))?.[1] ?? '';
  await lab.host('local', { em0: 'bus1' });
  await lab.host('gw1', { em0: 'bus1', em1: 'bus2' });
  await lab.host('gw2', { em0: 'bus1' });
  await lab.host('peer', { em0: 'bus2' });
  for (const [host, ifname, addr] of [['local', 'em0', '1::2'], ['gw1', 'em0', '1::1'], ['gw2', 'em0', '1::3'], ['gw1', 'em1', '2::1'], ['peer', 'em0', '2::2']]) {
    await lab.on(host!, `ifconfig ${ifname!} inet6 2001:db8:${addr!}/64 no_dad`);
  }
  await lab.advance(3_000_000);
  for (const host of ['gw1', 'gw2']) await lab.on(host, 'sysctl net.inet6.ip6.forwarding=1');
  const real = await linkLocal('gw1', 'em0');
  await lab.on('peer', `route add -inet6 default ${await linkLocal('gw1', 'em1')}%em0`);
  await lab.on('gw2', `route add -inet6 2001:db8:2::/64 ${real}%em0`);
  await lab.on('local', `route add -inet6 default ${await linkLocal('gw2', 'em0')}%em0`);
  await lab.on('local', `sysctl net.inet6.icmp6.redirtimeout=${TIMEOUT_SEC}`);
  const gateway = async (): Promise<string | undefined> => /gateway: (.*)/.exec(await lab.on('local', 'route -n get -inet6 2001:db8:2::2'))?.[1];
  expect(await lab.ping('local', '2001:db8:2::2')).toBe(0);
  expect([await gateway(), await lab.route('local', '2001:db8:2::2')]).toEqual([`${real}%em0`, `${real}%em0 UGHD em0`]);
  await lab.advance((TIMEOUT_SEC + 2) * 1_000_000);
  expect([await gateway(), await lab.route('local', '2001:db8:2::2')]).toEqual([`${await linkLocal('gw2', 'em0')}%em0`, null]);
});
