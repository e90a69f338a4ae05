/**
 * t-forwarding.test.ts — a router between two networks: what NetBSD's net/t_forwarding checks, said in FreeBSD's words.
 * Read first: docs/netbsd-tests.md; bus-lab.ts.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BusLab } from './bus-lab.js';

interface Plan {
  readonly name: string;
  readonly inet: string;
  readonly forwarding: string;
  readonly src: string;
  readonly srcGw: string;
  readonly dst: string;
  readonly dstGw: string;
  readonly flush: string;
}

const PLANS: readonly Plan[] = [
  {
    name: 'IPv4', inet: 'inet', forwarding: 'net.inet.ip.forwarding', src: '192.0.2.2', srcGw: '192.0.2.1', dst: '198.51.100.2', dstGw: '198.51.100.1', flush: 'arp -d -a',
  },
  {
    name: 'IPv6', inet: 'inet6', forwarding: 'net.inet6.ip6.forwarding', src: '2001:db8:1::2', srcGw: '2001:db8:1::1', dst: '2001:db8:2::2', dstGw: '2001:db8:2::1', flush: 'ndp -c',
  },
];

const PAGE = 'warp and weft\n'.repeat(400);

describe.each(PLANS)('$name', (plan) => {
  let lab: BusLab;

  beforeEach(async () => {
    lab = new BusLab();
    await lab.host('src', { em0: 'bus1' });
    await lab.host('fwd', { em0: 'bus1', em1: 'bus2' });
    await lab.host('dst', { em0: 'bus2' });
    const len = plan.inet === 'inet' ? 24 : '64 no_dad';
    for (const [host, ifname, addr] of [['src', 'em0', plan.src], ['fwd', 'em0', plan.srcGw], ['fwd', 'em1', plan.dstGw], ['dst', 'em0', plan.dst]]) {
      await lab.on(host!, `ifconfig ${ifname!} ${plan.inet} ${addr!}/${len}`);
    }
    await lab.on('src', `route add -${plan.inet} default ${plan.srcGw}`);
    await lab.on('dst', `route add -${plan.inet} default ${plan.dstGw}`);
    await lab.advance(2_000_000);
  });

  afterEach(() => lab.end());

  /** Fetches a page from dst by TCP: did all of it come? */
  async function download(): Promise<{ readonly exit: number; readonly page: boolean }> {
    const server = lab.start(`nc ${plan.inet === 'inet' ? '-4' : '-6'} -N -l 8080`, { jail: 'dst', stdin: PAGE });
    await lab.advance(1);
    const { exit, stdout } = await lab.tryOn('src', `nc -d -w 5 ${plan.dst} 8080`);
    server.proc.signal('TERM');
    await server.done;
    return { exit, page: stdout === PAGE };
  }

  test('forwarding on and off, as the sysctl says', async () => {
    for (const [host, addr] of [['src', plan.src], ['dst', plan.dst], ['fwd', plan.srcGw], ['fwd', plan.dstGw]]) expect(await lab.ping(host!, addr!)).toBe(0);
    for (const on of [0, 1, 0]) {
      await lab.on('fwd', `sysctl ${plan.forwarding}=${on}`);
      expect(await lab.on('fwd', `sysctl ${plan.forwarding}`)).toBe(`${plan.forwarding}: ${on}`);
      expect([await lab.ping('src', plan.srcGw), await lab.ping('dst', plan.dstGw)]).toEqual([0, 0]);
      expect([await lab.ping('src', plan.dst), await lab.ping('dst', plan.src)]).toEqual(on === 1 ? [0, 0] : [2, 2]);
    }
  });

  test('TTL and hop limit', async () => {
    await lab.on('fwd', `sysctl ${plan.forwarding}=1`);
    expect(await lab.ping('src', `-m 1 ${plan.srcGw}`)).toBe(0);
    const { exit, stdout } = await lab.tryOn('src', `ping -v -n -c 1 -t 1 -m 1 ${plan.dst}`);
    expect([exit, stdout]).toEqual([2, expect.stringMatching(/Time to live exceeded/i)]);
    expect(await lab.ping('src', `-m 2 ${plan.dst}`)).toBe(0);
  });

  test('fastforward: a connection through a router that knows no neighbour yet', async () => {
    await lab.on('fwd', `sysctl ${plan.forwarding}=1`);
    await lab.on('fwd', plan.flush);
    expect(await download()).toEqual({ exit: 0, page: true });
  });

  test('misc: the TTL that a host begins with', async () => {
    const name = plan.inet === 'inet' ? 'net.inet.ip.ttl' : 'net.inet6.ip6.hlim';
    await lab.on('fwd', `sysctl ${plan.forwarding}=1`);
    await lab.on('src', `sysctl ${name}=1`);
    expect(await download()).toEqual({ exit: 1, page: false });
    await lab.on('src', `sysctl ${name}=2`);
    expect(await download()).toEqual({ exit: 0, page: true });
  });
});

test('misc: directed broadcasts are not forwarded, whoever would answer them', async () => {
  const lab = new BusLab();
  await lab.host('src', { em0: 'bus1' });
  await lab.host('fwd', { em0: 'bus1', em1: 'bus2' });
  await lab.host('dst', { em0: 'bus2' });
  await lab.on('src', 'ifconfig em0 192.0.2.2/24');
  await lab.on('fwd', 'ifconfig em0 192.0.2.1/24');
  await lab.on('fwd', 'ifconfig em1 198.51.100.1/24');
  await lab.on('fwd', 'sysctl net.inet.ip.forwarding=1');
  await lab.on('dst', 'ifconfig em0 198.51.100.2/24');
  await lab.on('dst', 'sysctl net.inet.icmp.bmcastecho=1');
  await lab.on('src', 'route add default 192.0.2.1');
  await lab.on('dst', 'route add default 198.51.100.1');
  await lab.hear('dst', 'em0');
  expect([await lab.ping('src', '198.51.100.255'), await lab.hear('dst', 'em0')]).toEqual([2, '']);
  expect(await lab.ping('fwd', '198.51.100.255')).toBe(0);
  await lab.end();
});
