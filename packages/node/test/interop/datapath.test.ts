/**
 * datapath.test.ts — a vnet's router and bridge between Linux namespaces, with datapath workers: what they forward, what they leave, and what happens when things change under them.
 * Read first: routed-pair.ts. The workers are the built ones (dist/).
 */
import { readdirSync } from 'node:fs';
import { describe, expect } from 'vitest';
import type { DatapathView, PortView } from '../../src/datapath/datapath-view.js';
import { peer } from '../peers.js';
import { linuxPing } from './linux-ping.js';
import { LinuxPython } from './linux-python.js';
import { Netns, uniqueDevice, withNetns } from './netns.js';
import { withRouter } from './routed-pair.js';
import { withDaemon } from './test-daemon.js';
import type { Cable, TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping'] as const;
const LIMIT = { timeout: 60_000 };

const viewOf = (d: TestDaemon): Promise<DatapathView> => d.client.get<DatapathView>('/v1/datapath');

async function portOf(d: TestDaemon, device: string): Promise<PortView> {
  const port = (await viewOf(d)).ports.find((p) => p.device === device);
  if (port === undefined) throw new Error(`${device} is no port`);
  return port;
}

/** Sends `total` bytes of noise from a to b over TCP; both ends must say the same of it. */
async function transfer(a: Netns, b: Netns, to: string, port: number, total: number): Promise<void> {
  const [from, at] = [new LinuxPython(a), new LinuxPython(b)];
  await at.run(`l = server(${port})`);
  const got = at.run('to_end(l.accept()[0])');
  await from.run(`s = create_connection(('${to}', ${port}))`);
  const sent = await from.run(`send_noise(s, ${total})`);
  await from.run('s.close()');
  expect(await got).toEqual(sent);
}

describe('a router with two workers', () => {
  peer(...NEEDS)('forwards pings without the control thread, once the neighbours are known', () => withRouter({ workers: 2 }, async ({ d, a, cableA, cableB }) => {
    const first = await linuxPing(a, '10.2.0.2', 3);
    expect(first.text.match(/64 bytes from 10\.2\.0\.2: icmp_seq=\d ttl=63 /g)).toHaveLength(first.received);
    const [a1, b1] = [await portOf(d, cableA.device), await portOf(d, cableB.device)];
    const ping = await linuxPing(a, '10.2.0.2', 20, '-i', '0.01');
    expect(ping.received).toBe(ping.sent);
    const [a2, b2] = [await portOf(d, cableA.device), await portOf(d, cableB.device)];
    expect([b2.forwardedFrames - b1.forwardedFrames, a2.forwardedFrames - a1.forwardedFrames]).toEqual([ping.sent, ping.sent]);
    expect([a2.vnet, a2.interface, a2.workers]).toEqual(['r1', cableA.ifname, [0]]);
    expect([b2.vnet, b2.interface, b2.workers]).toEqual(['r1', cableB.ifname, [1]]);
    // The stack's own counters have them all the same.
    expect(await d.counter('r1', 'ip', 'packets? forwarded')).toBe(2 * (first.sent + ping.sent));
  }));

  peer(...NEEDS, 'python3')('carries TCP both ways at once, nearly all of it past the control thread', LIMIT, () => withRouter({ workers: 2 }, async ({ d, a, b, cableA, cableB }) => {
    await linuxPing(a, '10.2.0.2', 1);
    await Promise.all([transfer(a, b, '10.2.0.2', 5001, 20_000_000), transfer(b, a, '10.1.0.2', 5002, 20_000_000)]);
    for (const { device } of [cableA, cableB]) {
      const port = await portOf(d, device);
      expect(port.forwardedOctets).toBeGreaterThan(20_000_000);
      expect(port.sentFrames).toBeLessThan(port.forwardedFrames / 10);
      expect(port.txErrors).toBe(0);
    }
  }));

  peer(...NEEDS, 'python3', 'ethtool')('frames that one end has cut arrive as segments, and another Linux cuts them again', LIMIT, () => withRouter({ workers: 2 }, ({ d, a, b, cableA, cableB }) => withNetns(1, async (c) => {
    const [near, far] = [uniqueDevice(), uniqueDevice()];
    b.ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', c.name);
    b.ip('address', 'add', '10.3.0.1/24', 'dev', near);
    b.ip('link', 'set', 'dev', near, 'up');
    c.ip('address', 'add', '10.3.0.2/24', 'dev', far);
    c.ip('link', 'set', 'dev', far, 'up');
    c.ip('route', 'add', 'default', 'via', '10.3.0.1');
    await b.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
    await d.ok('r1', 'route', 'add', '10.3.0.0/24', '10.2.0.2');
    for (const [ns, device] of [[a, cableA.device], [b, near]] as const) await ns.run('ethtool', '-K', device, 'tso', 'off', 'gso', 'off', 'gro', 'off');
    await linuxPing(a, '10.3.0.2', 2);
    await transfer(a, c, '10.3.0.2', 5003, 20_000_000);
    const received = async (ns: Netns, device: string): Promise<number> => Number((await ns.run('cat', `/sys/class/net/${device}/statistics/rx_packets`)).stdout);
    const { forwardedFrames } = await portOf(d, cableB.device);
    expect(forwardedFrames).toBeGreaterThan(20_000_000 / 1_460);
    expect(await received(b, cableB.device)).toBeLessThan(forwardedFrames / 2);
    expect(await received(c, far)).toBeGreaterThan(20_000_000 / 1_460);
  })));

  peer(...NEEDS)('punts what is not for it to decide, with the reason; the answers are those of the stack', () => withRouter({ workers: 2, mtuB: 1300 }, async ({ d, a, cableA }) => {
    await linuxPing(a, '10.2.0.2', 1);
    expect((await linuxPing(a, '10.2.0.2', 1, '-t', '1')).text).toContain('From 10.1.0.1 icmp_seq=1 Time to live exceeded');
    expect((await linuxPing(a, '192.168.99.1', 1)).text).toMatch(/From 10\.1\.0\.1 icmp_seq=1 Destination (Host|Net) Unreachable/);
    expect((await linuxPing(a, '10.2.0.2', 1, '-M', 'do', '-s', '1400')).text).toContain('From 10.1.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1300)');
    expect((await linuxPing(a, '10.1.0.1', 2)).received).toBe(2);
    const { punts } = await portOf(d, cableA.device);
    expect(Object.keys(punts)).toEqual(expect.arrayContaining(['ttl', 'noroute', 'toobig', 'local', 'multicast']));
  }));

  peer(...NEEDS)('a capture on an interface sees what workers would have forwarded, and ends without a trace', () => withRouter({ workers: 2 }, async ({ d, a, cableA }) => {
    await linuxPing(a, '10.2.0.2', 2);
    const capture = d.run('r1', 'tcpdump', '-n', '-i', cableA.ifname, '-c', '4', 'icmp');
    const before = await portOf(d, cableA.device);
    const flood = a.spawn('ping', '-n', '-q', '-i', '0.02', '10.2.0.2');
    const { stdout } = await capture;
    flood.kill();
    // Requests came in there, answers left there.
    expect([stdout.match(/ICMP echo request/g)?.length, stdout.match(/ICMP echo reply/g)?.length]).toEqual([2, 2]);
    const after = await portOf(d, cableA.device);
    expect([after.punts['bpf'], after.forwardedFrames - before.forwardedFrames >= 2]).toEqual([undefined, true]);
    const ping = await linuxPing(a, '10.2.0.2', 3);
    expect((await portOf(d, cableA.device)).forwardedFrames - after.forwardedFrames).toBeGreaterThanOrEqual(ping.sent);
  }));
});

describe('while traffic flows through workers', () => {
  peer(...NEEDS)('an interface moves to another vnet and back, and goes down and up: the traffic stops and goes on', LIMIT, () => withRouter({ workers: 2 }, async ({ d, a, cableB }) => {
    const flood = a.spawn('ping', '-n', '-q', '-i', '0.002', '10.2.0.2');
    await d.vnet('r2', true);
    const forwarded = async (): Promise<number> => (await portOf(d, cableB.device)).forwardedFrames;
    await Netns.until('frames are forwarded', async () => (await forwarded()) > 50);
    await d.ok('', 'ifconfig', cableB.ifname, '-vnet', 'r1');
    const gone = await forwarded();
    await d.ok('', 'ifconfig', cableB.ifname, 'vnet', 'r2');
    expect((await portOf(d, cableB.device)).vnet).toBe('r2');
    await d.ok('', 'ifconfig', cableB.ifname, '-vnet', 'r2');
    await d.ok('', 'ifconfig', cableB.ifname, 'vnet', 'r1');
    // Nothing was forwarded to an interface that is not the router's.
    expect(await forwarded()).toBe(gone);
    await d.ok('r1', 'ifconfig', cableB.ifname, 'inet', '10.2.0.1/24', 'up');
    await Netns.until('they are forwarded again', async () => (await forwarded()) > gone + 50);
    await d.ok('r1', 'ifconfig', cableB.ifname, 'down');
    const down = await forwarded();
    await linuxPing(a, '10.1.0.1', 2);
    expect(await forwarded()).toBe(down);
    await d.ok('r1', 'ifconfig', cableB.ifname, 'up');
    await Netns.until('and once more', async () => (await forwarded()) > down + 50);
    flood.kill('SIGINT');
  }));

  peer(...NEEDS)('an interface is destroyed, a device is taken away, a jail is removed: the others go on', LIMIT, () =>
    withNetns(3, (a, b, c) =>
      withDaemon(async (d) => {
        await d.vnet('r1', true);
        const cables: Cable[] = [];
        for (const [i, ns] of [a, b, c].entries()) {
          cables.push(await d.plug('r1', ns, { vnet: `10.${i + 1}.0.1/24`, linux: `10.${i + 1}.0.2/24` }));
          ns.ip('route', 'add', 'default', 'via', `10.${i + 1}.0.1`);
        }
        const [, cableB, cableC] = cables as [Cable, Cable, Cable];
        const flood = [b, c].map((_, i) => a.spawn('ping', '-n', '-q', '-i', '0.002', `10.${i + 2}.0.2`));
        const forwarded = async (device: string): Promise<number> => (await portOf(d, device)).forwardedFrames;
        for (const { device } of cables) await Netns.until('frames are forwarded', async () => (await forwarded(device)) > 50);
        await d.ok('r1', 'ifconfig', cableB.ifname, 'destroy');
        await Netns.until('its port is closed', async () => (await viewOf(d)).ports.length === 2);
        const then = await forwarded(cableC.device);
        await Netns.until('the others go on', async () => (await forwarded(cableC.device)) > then + 50);
        c.ip('link', 'del', cableC.device);
        await Netns.until('its port is closed', async () => (await viewOf(d)).ports.length === 1);
        expect((await linuxPing(a, '10.1.0.1', 2)).received).toBe(2);
        await d.ok('', 'jail', '-r', 'r1');
        await Netns.until('all ports are closed', async () => (await viewOf(d)).ports.length === 0);
        for (const one of flood) one.kill('SIGINT');
      }, 2)));

  peer(...NEEDS)('a worker dies: its ports go on by the other, and no packet of the others is lost', LIMIT, () => withRouter({ workers: 2 }, async ({ d, a, b, cableA }) => {
    await linuxPing(a, '10.2.0.2', 1);
    const pool = d.daemon.datapath.pool!;
    const before = await portOf(d, cableA.device);
    for (const how of ['throw', 'hang'] as const) {
      await pool.seats[0]!.command({ op: 'fault', how });
      const ping = await linuxPing(a, '10.2.0.2', 5, '-i', '0.05');
      expect(ping.received).toBeGreaterThanOrEqual(5);
    }
    const view = await viewOf(d);
    expect(view.deaths).toBe(2);
    await Netns.until('the second one is replaced', () => pool.seats[0]!.state === 'up');
    const events = (await d.netloom('events', '--system', 'DATAPATH', '--json').ended).stdout.trim().split('\n').map((line) => JSON.parse(line) as { vnet: string; subsystem: string; type: string; data: { message?: string } });
    expect(events.map(({ vnet, subsystem, type }) => `${vnet} ${subsystem} ${type}`)).toEqual(['host worker0 DIED', 'host worker0 RESTARTED', 'host worker0 DIED', 'host worker0 RESTARTED']);
    expect(events[2]!.data.message).toBe('it did not move any more');
    expect((await portOf(d, cableA.device)).forwardedFrames).toBeGreaterThan(before.forwardedFrames);
    expect((await linuxPing(b, '10.1.0.2', 3)).received).toBeGreaterThanOrEqual(3);
  }));
});

describe('a bridge with two workers', () => {
  peer(...NEEDS)('learns by punts and forwards what it has learnt', () =>
    withNetns(2, (a, b) =>
      withDaemon(async (d) => {
        await d.vnet('sw');
        const [one, two] = [await d.plug('sw', a, { linux: '10.9.0.1/24' }), await d.plug('sw', b, { linux: '10.9.0.2/24' })];
        await d.ok('sw', 'ifconfig', 'bridge', 'create');
        await d.ok('sw', 'ifconfig', 'bridge0', 'addm', one.ifname, 'addm', two.ifname, 'up');
        await linuxPing(a, '10.9.0.2', 3);
        const before = await portOf(d, two.device);
        const ping = await linuxPing(a, '10.9.0.2', 20, '-i', '0.01');
        expect(ping.received).toBe(ping.sent);
        const after = await portOf(d, two.device);
        expect(after.forwardedFrames - before.forwardedFrames).toBeGreaterThanOrEqual(ping.sent);
        // Who asks for a neighbour asks everybody.
        expect((await portOf(d, one.device)).punts).toMatchObject({ multicast: expect.any(Number) as number });
      }, 2)));

  peer(...NEEDS)('a daemon that ends with traffic in its workers leaves no descriptor and no thread', LIMIT, async () => {
    const count = (): { fds: number; threads: number } => ({ fds: readdirSync('/proc/self/fd').length, threads: readdirSync('/proc/self/task').length });
    const cycle = (): Promise<void> => withRouter({ workers: 2 }, async ({ d, a, cableB }) => {
      a.spawn('ping', '-n', '-q', '-i', '0.002', '10.2.0.2');
      await Netns.until('frames are forwarded', async () => (await portOf(d, cableB.device)).forwardedFrames > 50);
    });
    await cycle();
    const before = count();
    for (let i = 0; i < 3; i++) await cycle();
    await expect.poll(count).toEqual(before);
  });
});
