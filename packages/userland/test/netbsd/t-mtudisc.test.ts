/**
 * t-mtudisc.test.ts — a server learns that the path to its client is narrow: what NetBSD's net/t_mtudisc and t_mtudisc6 check, said in FreeBSD's words.
 * Read first: docs/netbsd-tests.md; bus-lab.ts.
 *
 * The client takes no fragments, so it gets the page only if the server's segments fit. NetBSD notes what it learned in the route, FreeBSD in TCP's
 * cache of hosts, for the next connection.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BusLab } from './bus-lab.js';

const PAGE = '0123456789\n'.repeat(512);
let lab: BusLab;

beforeEach(() => {
  lab = new BusLab();
});
afterEach(() => lab.end());

/** `local`, the gateway whose first interface has an MTU of 1,280, and `remote`, with the page. */
async function path(inet: string, local: string, near: string, far: string, remote: string, len: number): Promise<void> {
  await lab.host('local', { em0: 'bus1' });
  await lab.host('gateway', { em0: 'bus1', em1: 'bus2' });
  await lab.host('remote', { em0: 'bus2' });
  for (const [host, ifname, addr] of [['local', 'em0', local], ['gateway', 'em0', near], ['gateway', 'em1', far], ['remote', 'em0', remote]]) {
    await lab.on(host!, `ifconfig ${ifname!} ${inet} ${addr!}/${len}${inet === 'inet6' ? ' no_dad' : ''}`);
  }
  await lab.on('gateway', 'ifconfig em0 mtu 1280');
  await lab.on('gateway', `sysctl ${inet === 'inet' ? 'net.inet.ip' : 'net.inet6.ip6'}.forwarding=1`);
  await lab.on('remote', `route add -${inet} ${local} ${far}`);
  await lab.on('local', `route add -${inet} ${remote} ${near}`);
  await lab.on('remote', 'sysctl net.inet.tcp.tso=0'); // so that a packet is a segment
  await lab.on('local', `sysctl ${inet === 'inet' ? 'net.inet.ip' : 'net.inet6.ip6'}.maxfragpackets=0`);
  await lab.advance(2_000_000);
}

/** Does the client get the page? */
async function download(address: string): Promise<boolean> {
  const server = lab.start(`nc ${address.includes(':') ? '-6' : '-4'} -N -l 8080`, { jail: 'remote', stdin: PAGE });
  await lab.advance(1);
  const { stdout } = await lab.tryOn('local', `nc -d -w 5 ${address} 8080`);
  server.proc.signal('TERM');
  await server.done;
  return stdout === PAGE;
}

/** The largest length of a packet with data that crossed the narrow link whole. */
const largest = (heard: string): number => Math.max(...[...heard.matchAll(/length (\d+)/g)].map(([, n]) => Number(n)));

/** The first download is told how narrow the path is; the next one knows from its first segment on. */
async function learned(address: string, message: RegExp, mss: number): Promise<void> {
  await lab.hear('remote', 'em0');
  await lab.hear('local', 'em0');
  for (const told of [true, false]) {
    expect(await download(address)).toBe(true);
    const [sent, got] = [await lab.hear('remote', 'em0'), await lab.hear('local', 'em0')];
    expect([message.test(sent), largest(got)]).toEqual([told, mss]);
  }
}

test('mtudisc_basic', async () => {
  await path('inet', '192.0.2.2', '192.0.2.1', '198.51.100.1', '198.51.100.2', 24);
  expect(await lab.on('remote', 'sysctl -n net.inet.tcp.path_mtu_discovery')).toBe('1');
  await lab.on('remote', 'sysctl net.inet.tcp.path_mtu_discovery=0');
  for (const tso of [1, 0]) {
    await lab.on('remote', `sysctl net.inet.tcp.tso=${tso}`);
    expect(await download('198.51.100.2')).toBe(false);
  }
  await lab.on('remote', 'sysctl net.inet.tcp.path_mtu_discovery=1');
  await learned('198.51.100.2', /need to frag \(mtu 1280\)/, 1280 - 52);
});

test('mtudisc6_basic', async () => {
  await path('inet6', '2001:db8:1::2', '2001:db8:1::1', '2001:db8:2::1', '2001:db8:2::2', 64);
  await learned('2001:db8:2::2', /packet too big, mtu 1280/, 1280 - 72);
});
