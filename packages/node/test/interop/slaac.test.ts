/**
 * slaac.test.ts — router discovery with Linux: its kernel configures itself from a vnet's advertisements, and a vnet from radvd's.
 * Read first: RFC 4861 §6; radvd.conf(5).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { Netns, withNetns } from './netns.js';
import { withDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping'] as const;

/** A setting of IPv6 on a device of the namespace. */
async function conf(ns: Netns, dev: string, name: string, value?: string): Promise<string> {
  const path = `/proc/sys/net/ipv6/conf/${dev}/${name}`;
  const done = value === undefined ? await ns.run('cat', path) : await ns.run('sh', '-c', `echo ${value} > ${path}`);
  if (done.status !== 0) throw new Error(done.stderr);
  return done.stdout.trim();
}

/** Lets Linux make its link-local address, as it does by itself outside these tests. */
async function speakIpv6(ns: Netns, dev: string, acceptRa: string): Promise<void> {
  await conf(ns, dev, 'accept_ra', acceptRa);
  await conf(ns, dev, 'disable_ipv6', '0');
  ns.ip('link', 'set', 'dev', dev, 'down');
  ns.ip('link', 'set', 'dev', dev, 'addrgenmode', 'eui64');
  ns.ip('link', 'set', 'dev', dev, 'up');
}

describe('router discovery with Linux', () => {
  peer(...NEEDS)('configures itself from a vnet: address, default route with its preference, MTU, and takes leave of it', { timeout: 60_000 }, () => withNetns(1, (ns) => withDaemon(async (d) => {
    await d.vnet('r1');
    await d.ok('r1', 'sysctl', 'net.inet6.ip6.forwarding=1');
    const { ifname, device } = await d.plug('r1', ns, {});
    await d.ok('r1', 'ifconfig', ifname, 'inet6', '2001:db8:5::1/64');
    await d.ok('r1', 'rtadvd', '-O', 'rltime#1800:raflags="h":mtu#1400:maxinterval#4:rtprefix="2001:db8:f::":rtplen#48', ifname);
    await speakIpv6(ns, device, '2');
    await Netns.until('Linux has an address', () => / inet6 2001:db8:5:[^\n]* scope global/.test(ns.ip('-6', 'addr', 'show', 'dev', device)) && !ns.ip('-6', 'addr', 'show', 'dev', device).includes('tentative'), 20);
    expect(ns.ip('-6', 'route', 'show', 'default')).toMatch(/^default via fe80::[^ ]+ dev \S+ proto ra .*pref high/);
    expect(await conf(ns, device, 'mtu')).toBe('1400');
    expect(ns.ip('-6', 'route', 'show', '2001:db8:5::/64')).toMatch(/proto kernel/);
    expect((await linuxPing(ns, '2001:db8:5::1', 3, '-6')).received).toBe(3);
    await d.ok('r1', 'rtadvctl', 'shutdown');
    await Netns.until('the router has taken leave', () => ns.ip('-6', 'route', 'show', 'default') === '');
  })));

  peer(...NEEDS, 'radvd')('a vnet configures itself from radvd, and is pinged', { timeout: 90_000 }, () => withNetns(1, (ns) => withDaemon(async (d) => {
    await d.vnet('h1');
    const { ifname, device } = await d.plug('h1', ns, {});
    await speakIpv6(ns, device, '0');
    await conf(ns, 'all', 'forwarding', '1');
    ns.address(device, '2001:db8:6::1/64');
    const folder = mkdtempSync(join(tmpdir(), 'netloom-radvd-'));
    try {
      const file = join(folder, 'radvd.conf');
      writeFileSync(file, `interface ${device} {
  AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvDefaultLifetime 9; AdvLinkMTU 1420; AdvCurHopLimit 99; AdvDefaultPreference high;
  prefix 2001:db8:6::/64 { AdvValidLifetime 7200; AdvPreferredLifetime 3600; };
  route 2001:db8:e::/48 { AdvRoutePreference low; AdvRouteLifetime 600; };
  RDNSS 2001:db8:6::53 { AdvRDNSSLifetime 60; };
  DNSSL lab.example { AdvDNSSLLifetime 60; };
};\n`);
      const radvd = ns.spawn('radvd', '-n', '-C', file, '-p', join(folder, 'pid'), '-m', 'stderr');
      await d.ok('h1', 'ifconfig', ifname, 'inet6', 'accept_rtadv', '-ifdisabled');
      await d.ok('h1', 'rtsol', ifname);
      const shown = (): Promise<string> => d.ok('h1', 'ifconfig', ifname, 'inet6');
      await Netns.until('the vnet has an address', async () => / autoconf /.test(await shown()), 20);
      await Netns.until('it is verified', async () => !/tentative/.test(await shown()), 20);
      const address = /inet6 (2001:db8:6:\S+) prefixlen 64 autoconf pltime 3\d{3} vltime 7\d{3}/.exec(await shown())?.[1] ?? '';
      expect((await linuxPing(ns, address, 3, '-6')).received, address).toBe(3);
      const { vnet } = d.daemon.kernel.prisons.find(d.daemon.kernel.prisons.prison0, 'h1')!;
      expect(vnet.nd6.routers.map((r) => [r.preference, r.lifetimeS, r.installed])).toEqual([[1, 9, true]]);
      expect(vnet.in6Net.ifinfo(vnet.net.ifunit(ifname)!)).toMatchObject({ linkMtu: 1420, chlim: 99 });
      expect(vnet.rtr.rtinfo.map((r) => [r.plen, r.preference, r.installed])).toEqual([[48, -1, true]]);
      expect(await d.ok('h1', 'rtsol', '-l')).toMatch(/^# fe80::\S+\nnameserver 2001:db8:6::53\nsearch lab\.example\n$/);
      radvd.kill('SIGTERM');
      await Netns.until('the router has taken leave', () => vnet.nd6.routers.length === 0, 20);
    } finally {
      rmSync(folder, { recursive: true });
    }
  })));
});
