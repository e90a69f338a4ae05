/**
 * dhcp.test.ts — DHCP with other people's programs: busybox's and isc-dhcp's clients get addresses from our server, ours gets one from dnsmasq and from busybox's server.
 * Read first: docs/dhcp.md; dnsmasq(8), dhclient(8).
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { Netns, withNetns } from './netns.js';
import { listen, withDaemon } from './test-daemon.js';
import type { Running, TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip'] as const;
const CONF = `authoritative; default-lease-time 600; max-lease-time 600;
subnet 10.66.0.0 netmask 255.255.255.0 {
  range 10.66.0.100 10.66.0.110;
  option routers 10.66.0.1;
  option domain-name-servers 10.66.0.1, 10.66.0.2;
  option domain-name "lab.example";
  option domain-search "lab.example", "example";
  option interface-mtu 1400;
  option classless-static-routes 10.99.0.0/16 10.66.0.9, 0.0.0.0/0 10.66.0.1;
}`;

const DNSMASQ = ['--no-daemon', '--conf-file=/dev/null', '--port=0', '--user=root', '--bind-interfaces', '--dhcp-authoritative', '--leasefile-ro', '--log-dhcp', '--no-ping'];

/** A script for a client that writes what it was told into a file, and sets the address. */
function script(d: TestDaemon, name: string, body: string): string {
  const path = d.path(name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Runs `body` beside a program of the namespace, which is ended afterwards. */
async function beside<T>(running: Running, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${running.heard.stdout.toString('utf8')}${running.heard.stderr}`, { cause: error });
  } finally {
    running.child.kill('SIGKILL');
    await running.ended;
  }
}

interface Leases {
  readonly dhcpd: { readonly leases: readonly { readonly address: string; readonly state: string; readonly hostname: string | null }[]; readonly statistics: Readonly<Record<string, number>> };
}

const leases = async (d: TestDaemon): Promise<Leases['dhcpd']> => (JSON.parse(await d.ok('s', 'dhcpd', '-l', '--json')) as Leases).dhcpd;

describe('our server', () => {
  peer(...NEEDS, 'busybox', 'ping')('gives busybox’s udhcpc an address, and takes it back', { timeout: 60_000 }, () => withNetns(1, (ns) => withDaemon(async (d) => {
    await d.vnet('s');
    const { ifname, device } = await d.plug('s', ns, { vnet: '10.66.0.1/24' });
    await d.ok('s', 'dhcpd', '-O', CONF, ifname);
    const file = script(d, 'udhcpc', `[ "$1" = bound ] || exit 0\nip addr add $ip/$mask dev $interface\necho "$ip $mask $router $dns $domain $search $mtu $staticroutes $lease $serverid"`);
    const client = listen(ns.spawn('busybox', 'udhcpc', '-f', '-R', '-i', device, '-s', file, '-x', 'hostname:bb', '-O', 'search', '-O', 'mtu', '-O', 'staticroutes'));
    await beside(client, async () => {
      await Netns.until('udhcpc has an address', () => client.heard.stdout.includes('10.66.0.100'));
      expect(client.heard.stdout.toString('utf8')).toContain('10.66.0.100 24 10.66.0.1 10.66.0.1 10.66.0.2 lab.example lab.example example 1400 10.99.0.0/16 10.66.0.9 0.0.0.0/0 10.66.0.1 600 10.66.0.1\n');
      expect((await linuxPing(ns, '10.66.0.1', 3)).received).toBe(3);
      expect((await leases(d)).leases).toMatchObject([{ address: '10.66.0.100', state: 'active', hostname: 'bb' }]);
      const before = (await leases(d)).statistics['request'] ?? 0;
      client.child.kill('SIGUSR1'); // renew
      await Netns.until('the lease is renewed', async () => ((await leases(d)).statistics['request'] ?? 0) > before);
      client.child.kill('SIGUSR2'); // release
      await Netns.until('the lease is given back', async () => (await leases(d)).leases[0]?.state === 'released');
    });
  })));

  peer(...NEEDS, 'dhclient')('gives isc-dhcp’s dhclient an address', { timeout: 60_000 }, () => withNetns(1, (ns) => withDaemon(async (d) => {
    await d.vnet('s');
    const { ifname, device } = await d.plug('s', ns, { vnet: '10.66.0.1/24' });
    await d.ok('s', 'dhcpd', '-O', CONF, ifname);
    writeFileSync(d.path('dhclient.conf'), 'request subnet-mask, routers, domain-name-servers, domain-search, interface-mtu;\nsend host-name "isc";\n');
    const file = script(d, 'dhclient-script', 'case $reason in BOUND) ip addr add $new_ip_address/24 dev $interface; echo "got $new_ip_address $new_subnet_mask $new_routers $new_domain_name_servers $new_domain_search $new_interface_mtu";; esac');
    const files = ['-cf', d.path('dhclient.conf'), '-sf', file, '-lf', d.path('leases'), '-pf', d.path('pid')];
    const client = listen(ns.spawn('dhclient', '-4', '-d', ...files, device));
    await beside(client, async () => {
      await Netns.until('dhclient has an address', () => client.heard.stdout.includes('got'), 30);
      expect(client.heard.stdout.toString('utf8')).toContain('got 10.66.0.100 255.255.255.0 10.66.0.1 10.66.0.1 10.66.0.2 lab.example. example. 1400\n');
      expect((await linuxPing(ns, '10.66.0.1', 3)).received).toBe(3);
      expect((await leases(d)).leases).toMatchObject([{ address: '10.66.0.100', state: 'active', hostname: 'isc' }]);
    });
    expect((await ns.run('dhclient', '-4', '-r', ...files, device)).status).toBe(0);
    await Netns.until('the lease is given back', async () => (await leases(d)).leases[0]?.state === 'released');
  })));
});

describe('our client', () => {
  peer(...NEEDS, 'dnsmasq', 'ping')('gets an address, routes, an MTU and name servers from dnsmasq, renews, and gives it back', { timeout: 60_000 }, () => withNetns(1, (ns) => withDaemon(async (d) => {
    await d.vnet('c');
    const { ifname, device } = await d.plug('c', ns, { linux: '10.66.0.1/24' });
    const options = ['option:router,10.66.0.1', 'option:dns-server,10.66.0.1', 'option:domain-search,lab.example', 'option:mtu,1400', 'option:classless-static-route,10.99.0.0/16,10.66.0.9,0.0.0.0/0,10.66.0.1', 'option:T1,4', 'option:T2,60'];
    const server = listen(ns.spawn(
      'dnsmasq', ...DNSMASQ, `--interface=${device}`, '--dhcp-range=10.66.0.50,10.66.0.60,255.255.255.0,2m', '--dhcp-host=desk,10.66.0.55', ...options.map((o) => `--dhcp-option=${o}`),
    ));
    await beside(server, async () => {
      await d.ok('', 'jail', '-m', 'name=c', 'host.hostname=desk');
      await d.ok('c', 'dhclient', ifname);
      expect(await d.ok('c', 'ifconfig', ifname)).toMatch(/ mtu 1400\n[^]*\tinet 10\.66\.0\.55 netmask 0xffffff00 broadcast 10\.66\.0\.255/);
      expect(await d.ok('c', 'netstat', '-rnf', 'inet')).toMatch(/^default +10\.66\.0\.1 [^]*^10\.99\.0\.0\/16 +10\.66\.0\.9 /m);
      expect(d.daemon.kernel.vnets.find((v) => v.name === 'c')?.resolver.conf.list()).toEqual([{ key: `${ifname}:dhcp4`, nameservers: ['10.66.0.1'], search: ['lab.example'] }]);
      await d.ok('c', 'ping', '-c', '2', '-i', '0.1', '10.66.0.1');
      const requests = (): number => server.heard.stderr.split('DHCPREQUEST').length;
      const before = requests();
      await Netns.until('the lease is renewed', () => requests() > before, 15);
      await d.ok('c', 'dhclient', '-r', ifname);
      await Netns.until('the lease is given back', () => server.heard.stderr.includes('DHCPRELEASE'));
      expect(await d.ok('c', 'ifconfig', ifname, 'inet')).not.toContain('10.66.0.');
    });
  })));

  peer(...NEEDS, 'dnsmasq')('declines an address that somebody on the link has, and takes it when it is free', { timeout: 60_000 }, () => withNetns(1, (ns) => withDaemon(async (d) => {
    // The server is on a switch with our client and with the vnet that has the address.
    for (const name of ['sw', 'c', 'other']) await d.vnet(name);
    const { ifname: port, device } = await d.plug('sw', ns, { linux: '10.66.0.1/24' });
    await d.ok('sw', 'ifconfig', 'bridge0', 'create', 'addm', port, 'up');
    const ends: string[] = [];
    for (const name of ['c', 'other']) {
      const end = (await d.ok('', 'ifconfig', 'epair', 'create')).trim();
      await d.ok('', 'ifconfig', end, 'vnet', 'sw');
      await d.ok('sw', 'ifconfig', end, 'up');
      await d.ok('sw', 'ifconfig', 'bridge0', 'addm', end);
      ends.push(end.replace(/a$/, 'b'));
      await d.ok('', 'ifconfig', ends.at(-1) ?? '', 'vnet', name);
    }
    const [ifname = '', theirs = ''] = ends;
    await d.ok('other', 'ifconfig', theirs, 'inet', '10.66.0.55/24');
    const server = listen(ns.spawn('dnsmasq', ...DNSMASQ, `--interface=${device}`, '--dhcp-range=10.66.0.50,10.66.0.60,255.255.255.0,2m', '--dhcp-host=desk,10.66.0.55'));
    await beside(server, async () => {
      await d.ok('', 'jail', '-m', 'name=c', 'host.hostname=desk');
      await d.ok('c', 'dhclient', '-b', ifname);
      await Netns.until('the address is declined', () => /DHCPDECLINE\(\S+\) 10\.66\.0\.55/.test(server.heard.stderr), 30);
      expect(await d.ok('c', 'ifconfig', ifname, 'inet')).not.toContain('inet ');
      await d.ok('other', 'ifconfig', theirs, 'inet', '10.66.0.55', 'delete');
      await Netns.until('it is taken', async () => (await d.ok('c', 'ifconfig', ifname, 'inet')).includes('inet 10.66.0.55 '), 30);
      await d.ok('c', 'dhclient', '-r', ifname);
    });
  })));

  peer(...NEEDS, 'busybox')('gets an address from busybox’s udhcpd', { timeout: 60_000 }, () => withNetns(1, (ns) => withDaemon(async (d) => {
    await d.vnet('c');
    const { ifname, device } = await d.plug('c', ns, { linux: '10.66.0.1/24' });
    writeFileSync(d.path('udhcpd.conf'), `start 10.66.0.50\nend 10.66.0.60\ninterface ${device}\nlease_file ${d.path('udhcpd.leases')}\npidfile ${d.path('udhcpd.pid')}\noption subnet 255.255.255.0\noption router 10.66.0.1\noption lease 600\n`);
    writeFileSync(d.path('udhcpd.leases'), '');
    const server = listen(ns.spawn('busybox', 'udhcpd', '-f', '-a', '0', d.path('udhcpd.conf')));
    await beside(server, async () => {
      await d.ok('c', 'dhclient', '-O', 'timeout 30;', ifname);
      expect(await d.ok('c', 'ifconfig', ifname, 'inet')).toMatch(/inet 10\.66\.0\.5\d /);
      await d.ok('c', 'dhclient', '-r', ifname);
    });
  })));
});
