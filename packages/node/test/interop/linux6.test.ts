/**
 * linux6.test.ts — Linux in a network namespace and a vnet are IPv6 neighbours: each pings the other by its global and its link-local address, they
 * exchange datagrams, Linux keeps to the MTU of the path behind our router, and each traces a way through the other.
 */
import { dgram } from '@netloom/core/promises';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { Netns, uniqueDevice, withNetns } from './netns.js';
import { listen, withDaemon } from './test-daemon.js';
import type { Cable, TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping'] as const;
const LINUX = '2001:db8:77::1';
const VNET = '2001:db8:77::2';

/** Joins a vnet to a namespace with IPv6 addresses; the vnet's have been verified when it returns. */
async function plug6(d: TestDaemon, vnet: string, ns: Netns, ours: string, theirs: string, linkLocal = 'fe80::77'): Promise<Cable> {
  const cable = await d.plug(vnet, ns);
  ns.ip('addr', 'add', `${theirs}/64`, 'dev', cable.device, 'nodad');
  ns.ip('addr', 'add', `${linkLocal}/64`, 'dev', cable.device, 'nodad');
  await d.ok(vnet, 'ifconfig', cable.ifname, 'inet6', `${ours}/64`);
  await Netns.until('the addresses are verified', async () => !(await d.ok(vnet, 'ifconfig', cable.ifname)).includes('tentative'));
  return cable;
}

function neighbours(body: (d: TestDaemon, ns: Netns, cable: Cable) => Promise<void>): () => Promise<void> {
  return () =>
    withNetns(1, (ns) =>
      withDaemon(async (d) => {
        await d.vnet('v1');
        await body(d, ns, await plug6(d, 'v1', ns, VNET, LINUX));
      }),
    );
}

const linkLocalOf = async (d: TestDaemon, vnet: string, ifname: string): Promise<string> =>
  /inet6 (fe80:[0-9a-f:]+)%/.exec(await d.ok(vnet, 'ifconfig', ifname))?.[1] ?? '';

describe('Linux in a namespace, over IPv6', () => {
  peer(...NEEDS)('pings a vnet by its global and its link-local address', neighbours(async (d, ns, { ifname, device }) => {
    const global = await linuxPing(ns, VNET, 3, '-6');
    expect(global.received, global.text).toBe(3);
    const local = await linuxPing(ns, `${await linkLocalOf(d, 'v1', ifname)}%${device}`, 3, '-6');
    expect(local.received, local.text).toBe(3);
    const big = await linuxPing(ns, VNET, 2, '-6', '-s', '3000');
    expect(big.received, big.text).toBe(2);
  }));

  peer(...NEEDS)('is pinged by a vnet, by its global and its link-local address, and in fragments', neighbours(async (d, _ns, { ifname }) => {
    const global = await d.ok('v1', 'ping', '-c', '3', '-i', '0.05', LINUX);
    expect(global).toContain(`PING(56=40+8+8 bytes) ${VNET} --> ${LINUX}\n16 bytes from ${LINUX}, icmp_seq=0 hlim=64 time=`);
    expect(global).toContain('3 packets received, 0.0% packet loss');
    expect(await d.ok('v1', 'ping', '-c', '2', '-i', '0.05', `fe80::77%${ifname}`)).toContain(`16 bytes from fe80::77%${ifname}, icmp_seq=0 hlim=64`);
    expect(await d.ok('v1', 'ping', '-6', '-c', '2', '-i', '0.05', '-s', '3000', LINUX)).toContain('2 packets received');
  }));

  peer(...NEEDS, 'python3')('sends our datagrams back', neighbours(async (d, ns) => {
    const echo = `import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(('::', 7007))
print('ready', flush=True)
while True:
  data, peer = s.recvfrom(2048)
  s.sendto(data.upper(), peer)`;
    const server = listen(ns.spawn('python3', '-c', echo));
    await Netns.until('the server listens', () => server.heard.stdout.includes('ready'));
    const { vnet } = d.daemon.kernel.prisons.find(d.daemon.kernel.prisons.prison0, 'v1')!;
    const so = dgram(vnet, { type: 'udp6' });
    d.daemon.kernel.call(d.daemon.loop.enter(), () => so.send('hello', 7007, LINUX));
    const answer = await so.receive();
    expect(Buffer.from(answer?.data ?? []).toString()).toBe('HELLO');
    expect(answer).toMatchObject({ address: LINUX, family: 'IPv6', port: 7007 });
    so.close();
  }));

  peer(...NEEDS)('keeps to the MTU of the path behind our router', () =>
    withNetns(2, (a, b) =>
      withDaemon(async (d) => {
        await d.vnet('r');
        await d.ok('r', 'sysctl', 'net.inet6.ip6.forwarding=1');
        await plug6(d, 'r', a, '2001:db8:1::1', '2001:db8:1::2');
        const far = await plug6(d, 'r', b, '2001:db8:2::1', '2001:db8:2::2');
        a.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:1::1');
        b.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:2::1');
        await d.ok('r', 'ifconfig', far.ifname, 'mtu', '1280');
        const first = await a.run('ping', '-n', '-6', '-M', 'do', '-s', '1400', '-c', '3', '-i', '0.2', '-W', '2', '2001:db8:2::2');
        expect(first.stdout + first.stderr).toMatch(/Packet too big: mtu=1280|message too long, mtu[=:] ?1280/);
        expect(a.ip('-6', 'route', 'get', '2001:db8:2::2')).toContain('mtu 1280');
        const cut = await linuxPing(a, '2001:db8:2::2', 2, '-6', '-M', 'want', '-s', '1400');
        expect(cut.received, cut.text).toBe(2);
        // A hop limit that runs out at our router.
        const hop = await a.run('ping', '-n', '-6', '-t', '1', '-c', '1', '-W', '2', '2001:db8:2::2');
        expect(hop.stdout).toMatch(/From 2001:db8:1::1 icmp_seq=1 Time exceeded: Hop limit/);
      }),
    ));

  peer(...NEEDS)('is a router on our way', () =>
    withNetns(2, (router, host) =>
      withDaemon(async (d) => {
        await d.vnet('v1');
        await plug6(d, 'v1', router, VNET, LINUX);
        const [left, right] = [uniqueDevice(), uniqueDevice()];
        router.ip('link', 'add', left, 'type', 'veth', 'peer', 'name', right, 'netns', host.name);
        for (const [ns, dev, addr] of [[router, left, '2001:db8:88::1'], [host, right, '2001:db8:88::2']] as const) {
          ns.ip('addr', 'add', `${addr}/64`, 'dev', dev, 'nodad');
          ns.up(dev);
        }
        host.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:88::1');
        await router.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding');
        await d.ok('v1', 'route', '-6', 'add', 'default', LINUX);
        await Netns.until('the host answers', async () => (await d.run('v1', 'ping', '-c', '1', '-W', '200', '2001:db8:88::2')).exitCode === 0);
        for (const probe of [[], ['-I']]) {
          const { stdout } = await d.run('v1', 'traceroute6', '-n', '-q', '1', '-w', '2', ...probe, '2001:db8:88::2');
          expect(stdout).toMatch(new RegExp(`^ 1 {2}${LINUX} {2}[0-9.]+ ms\\n 2 {2}2001:db8:88::2 {2}[0-9.]+ ms\\n$`));
        }
      }),
    ));
});
