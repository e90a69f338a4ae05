/**
 * iperf3.test.ts — our iperf3 and the real one, each as client and as server, over a TAP device.
 *
 * Every test of a second is run both ways round, and both reports must tell the same of it: what one has sent the other has received, but for
 * what was still on its way at the end.
 */
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns, withNetns } from './netns.js';
import { withDaemon } from './test-daemon.js';
import type { TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'iperf3'] as const;
const LINUX = { 4: '10.77.0.1', 6: 'fd77::1' } as const;
const VNET = { 4: '10.77.0.2', 6: 'fd77::2' } as const;
const LIMIT = { timeout: 60_000 };

interface Sum {
  readonly bytes: number;
  readonly seconds: number;
  readonly packets?: number;
  readonly lost_packets?: number;
  readonly sender: boolean;
}

interface Report {
  readonly error?: string;
  readonly start: { readonly connected: readonly object[]; readonly test_start: { readonly protocol: string } };
  readonly intervals: readonly object[];
  readonly end: Readonly<Record<string, Sum>> & { readonly streams: readonly object[] };
}

/** The sums of a report that its direction has. */
function sums(report: Report, reverse: string): readonly [Sum, Sum] {
  return [report.end[`sum_sent${reverse}`]!, report.end[`sum_received${reverse}`]!];
}

/** Linux and a vnet as neighbours, over both families. */
function neighbours(body: (d: TestDaemon, ns: Netns) => Promise<void>): Promise<void> {
  return withNetns(1, (ns) =>
    withDaemon(async (d) => {
      await d.vnet('v1');
      const { ifname, device } = await d.plug('v1', ns, { vnet: `${VNET[4]}/24`, linux: `${LINUX[4]}/24` });
      await d.ok('v1', 'ifconfig', ifname, 'inet6', `${VNET[6]}/64`, 'no_dad');
      ns.ip('-6', 'addr', 'add', `${LINUX[6]}/64`, 'dev', device, 'nodad');
      await body(d, ns);
    }),
  );
}

/** The real one as a server, for one test. */
async function linuxServer(ns: Netns): Promise<void> {
  const server = ns.spawn('iperf3', '-s', '-1', '--forceflush');
  let heard = '';
  server.stdout!.setEncoding('utf8').on('data', (text: string) => (heard += text));
  await Netns.until('iperf3 listens', () => heard.includes('Server listening'));
}

function check(report: Report, options: string): void {
  expect(report.error).toBeUndefined();
  const streams = Number(/-P (\d+)/.exec(options)?.[1] ?? 1) * (options.includes('--bidir') ? 2 : 1);
  expect(report.start.connected).toHaveLength(streams);
  expect(report.start.test_start.protocol).toBe(options.includes('-u') ? 'UDP' : 'TCP');
  expect(report.end.streams).toHaveLength(streams);
  expect(report.intervals.length).toBeGreaterThanOrEqual(1);
  for (const reverse of options.includes('--bidir') ? ['', '_bidir_reverse'] : ['']) {
    const [sent, received] = sums(report, reverse);
    expect(received.bytes).toBeGreaterThan(50_000);
    // What was on its way when the omitted time ended is received, and was not sent.
    if (!options.includes('-O')) expect(received.bytes).toBeLessThanOrEqual(sent.bytes);
    expect(sent.seconds).toBeGreaterThan(0.9);
    if (options.includes('-u')) expect(received.lost_packets! / received.packets!).toBeLessThan(0.1);
  }
}

const OPTIONS = ['', '-R', '-P 4', '-P 100', '-P 100 -R', '--bidir', '-w 128K -l 32K -N', '-M 800 -b 50M', '-O 1', '-u', '-u -R', '-u -P 2 --bidir -b 5M', '-u --udp-counters-64bit -l 1000'];

describe('our iperf3 and Linux’s', () => {
  for (const family of [4, 6] as const) {
    for (const options of family === 4 ? OPTIONS : ['-6', '-6 -R', '-6 -u']) {
      const words = options === '' ? [] : options.split(' ');
      peer(...NEEDS)(`ours asks: ${options}`, LIMIT, () => neighbours(async (d, ns) => {
        await linuxServer(ns);
        const { exitCode, stdout, stderr } = await d.run('v1', 'iperf3', '-c', LINUX[family], '-t', '1', '-J', ...words);
        expect([exitCode, stderr]).toEqual([0, '']);
        check(JSON.parse(stdout) as Report, options);
      }));

      peer(...NEEDS)(`ours answers: ${options}`, LIMIT, () => neighbours(async (d, ns) => {
        const server = d.run('v1', 'iperf3', '-s', '-1', '-J');
        const client = await ns.run('iperf3', '-c', VNET[family], '-t', '1', '-J', ...words);
        const report = JSON.parse(client.stdout) as Report;
        check(report, options);
        const { exitCode, stdout } = await server;
        expect(exitCode).toBe(0);
        const ours = JSON.parse(stdout) as Report;
        expect(ours.error).toBeUndefined();
        // A server prints what it saw itself, before the client has told it anything.
        for (const reverse of options.includes('--bidir') ? ['', '_bidir_reverse'] : ['']) {
          const which = reverse !== '' || options.includes('-R') ? 0 : 1;
          expect(sums(ours, reverse)[which].bytes).toBe(sums(report, reverse)[which].bytes);
        }
      }));
    }
  }

  peer(...NEEDS)('what the real server sends before ours has read that the test runs counts: so many bytes backwards come to their end', LIMIT, () => neighbours(async (d, ns) => {
    await linuxServer(ns);
    const { exitCode, stdout } = await d.run('v1', 'iperf3', '-c', LINUX[4], '-n', '1M', '-R', '-J');
    expect([exitCode, sums(JSON.parse(stdout) as Report, '').map(({ bytes }) => bytes)]).toEqual([0, [1_048_576, 1_048_576]]);
  }));

  peer(...NEEDS)('the server’s output comes along in text, and a busy server says so', LIMIT, () => neighbours(async (d, ns) => {
    const server = d.run('v1', 'iperf3', '-s', '-1');
    const first = ns.run('iperf3', '-c', VNET[4], '-t', '2', '--get-server-output');
    await Netns.until('the test runs', async () => (await ns.run('iperf3', '-c', VNET[4], '-t', '1')).stderr.includes('the server is busy running a test. try again later'));
    expect((await first).stdout).toMatch(/Server output:\nAccepted connection from 10\.77\.0\.1, port \d+\n\[ {2}5\] local 10\.77\.0\.2 port 5201 connected to 10\.77\.0\.1 port \d+\n/);
    expect((await server).exitCode).toBe(0);
  }));

  peer(...NEEDS)('each notices that the other is interrupted', LIMIT, () => neighbours(async (d, ns) => {
    const server = d.run('v1', 'iperf3', '-s', '-1');
    const child = ns.spawn('iperf3', '-c', VNET[4], '-t', '30', '--forceflush');
    await Netns.until('data flows', async () => (await d.counter('v1', 'tcp', 'packets? received')) > 500);
    child.kill('SIGINT');
    expect((await server).stderr).toBe('iperf3: the client has terminated\n');
  }));
});
