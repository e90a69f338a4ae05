/**
 * tcpdump-lines.test.ts — a capture made by the real tcpdump in a namespace, read by the tool tcpdump: the same lines as the real one prints,
 * with any of its options and with filters.
 * Read first: tcpdump(8); packages/userland/src/tcpdump/tcpdump.ts.
 */
import { writeFileSync } from 'node:fs';
import { craftArp, craftEther, craftUdp } from '@netloom/core/sim';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { run } from './capture-readers.js';
import { linuxPing } from './linux-ping.js';
import { isEchoReply, startTcpdump } from './linux-tcpdump.js';
import { Netns, withNetns } from './netns.js';
import { withRawDoor } from './raw-door.js';
import { withRouter } from './routed-pair.js';
import type { RoutedPair } from './routed-pair.js';
import { withDaemon } from './test-daemon.js';
import type { TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping', 'tcpdump', 'nc', 'ss', 'bash'] as const;

/** Each is a way to print; every one is compared over all packets. */
const STYLES: readonly (readonly string[])[] = [
  ['-t'], ['-t', '-e'], ['-t', '-v'], ['-t', '-vv', '-e'], ['-t', '-vvv'], ['-t', '-q'], ['-t', '-S'], ['-t', '-K', '-v'], ['-t', '-x'], ['-t', '-xx'], ['-t', '-X'], ['-t', '-XX'], ['-t', '-A'],
  ['-tt'], ['-ttt'], ['-#', '-t'], ['-t', '-c', '7'],
];
const FILTERS = ['icmp', 'arp', 'tcp', 'udp port 4321', 'ip[6:2] & 0x3fff != 0', 'not arp and not icmp', 'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0', 'src host 10.2.0.2', 'net 10.2.0.0/24 and greater 100'];

/** Compares both tcpdumps over the file `path`; the lines that differ, by options. */
async function differences(d: TestDaemon, path: string, choices: readonly (readonly string[])[]): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const options of choices) {
    const args = ['-n', ...options.slice(0, -1), ...(options.at(-1)!.startsWith('-') || options.at(-2) === '-c' ? [options.at(-1)!, '-r', path] : ['-r', path, options.at(-1)!])];
    const real = (await run('tcpdump', ...args)).stdout.split('\n');
    const ours = (await d.run('', 'tcpdump', ...args)).stdout.split('\n');
    const wrong = Array.from({ length: Math.max(real.length, ours.length) }, (_, i) => i).filter((i) => real[i] !== ours[i]);
    if (wrong.length > 0) found[args.join(' ')] = wrong.slice(0, 5).map((i) => `\n  real: ${real[i]}\n  ours: ${ours[i]}`);
  }
  return found;
}

/** Bytes in the ping, and in the frame, that ends the traffic. */
const LAST_PAYLOAD = 777;

/** Some of what a capture of `traffic` must show, lest nothing is compared with nothing. */
const SHOWN = ['ARP, Request', 'ICMP echo request', 'ICMP time exceeded in-transit', 'need to frag (mtu 1300)', 'udp port 4321 unreachable', 'host 192.168.99.1 unreachable', 'Flags [S.]', 'Flags [R.]', 'Flags [F.]', 'IP6 fe80::1 >', 'neighbor solicitation'];

/** A bit of everything that Linux and the router say to each other. */
async function traffic({ d, a, b, cableA }: RoutedPair): Promise<void> {
  await linuxPing(a, '10.2.0.2', 1);
  await linuxPing(a, '10.2.0.2', 1, '-s', '4000', '-M', 'dont', '-Q', '0x48');
  await linuxPing(a, '10.2.0.2', 1, '-R');
  await linuxPing(a, '10.1.0.1', 1, '-T', 'tsonly');
  await linuxPing(a, '10.2.0.2', 1, '-t', '1');
  await linuxPing(a, '192.168.99.1', 1);
  await linuxPing(a, '10.2.0.2', 1, '-M', 'do', '-s', '1400');
  await a.run('bash', '-c', 'echo hello > /dev/udp/10.1.0.1/4321');
  await a.run('bash', '-c', 'echo hello > /dev/tcp/10.2.0.2/4321');
  const server = b.spawn('nc', '-l', '5001');
  server.stdout!.resume();
  await Netns.until('nc listens', async () => (await b.run('ss', '-Hltn', 'sport = :5001')).stdout !== '');
  writeFileSync(d.path('sent'), 'netloom '.repeat(20_000));
  await a.run('sh', '-c', `nc -N 10.2.0.2 5001 < ${d.path('sent')}`);
  a.ip('addr', 'add', 'fe80::1/64', 'dev', cableA.device, 'nodad');
  await a.run('ping', '-6', '-n', '-c', '1', '-W', '1', `ff02::1%${cableA.device}`);
  await a.run('bash', '-c', `echo hello > /dev/udp/fe80::2%${cableA.device}/4321`);
  await linuxPing(a, '10.2.0.2', 1, '-s', String(LAST_PAYLOAD));
}

describe('a capture of the real tcpdump', () => {
  peer(...NEEDS)('of a router’s traffic prints the same lines', () => withRouter({ mtuB: 1300 }, async (pair) => {
    const { d, a, cableA } = pair;
    const path = d.path('real.pcap');
    const tcpdump = await startTcpdump(a, cableA.device, '-w', path);
    await traffic(pair);
    await tcpdump.wrote(path, (frame) => isEchoReply(frame, LAST_PAYLOAD));
    await tcpdump.stop();
    const { stdout } = await run('tcpdump', '-n', '-t', '-r', path);
    expect(SHOWN.filter((words) => !stdout.includes(words))).toEqual([]);
    expect(await differences(d, path, STYLES)).toEqual({});
    expect(await differences(d, path, FILTERS.map((filter) => ['-t', filter]))).toEqual({});
  }));

  peer(...NEEDS)('of tagged frames and damaged packets prints the same lines', () =>
    withNetns(1, (ns) => withDaemon(async (d) => {
      await d.vnet('v1');
      const { device } = await d.plug('v1', ns, { vnet: '10.77.0.2/24' });
      const path = d.path('real.pcap');
      await withRawDoor(ns, device, async (door) => {
        const tcpdump = await startTcpdump(ns, door.device, '-w', path);
        for (const frame of oddFrames()) door.send(frame);
        door.send(craftEther({ src: FAR, dst: BROADCAST }, 0x88b5, new Uint8Array(LAST_PAYLOAD)));
        await tcpdump.wrote(path, (frame) => frame.length === 14 + LAST_PAYLOAD);
        await tcpdump.stop();
      });
      const lines = (await d.run('', 'tcpdump', '-n', '-t', '-r', path)).stdout.trim().split('\n');
      expect(lines.length).toBeGreaterThan(oddFrames().length);
      expect(await differences(d, path, STYLES)).toEqual({});
    })));
});

const FAR = '02:00:00:00:00:99';
const BROADCAST = 'ff:ff:ff:ff:ff:ff';

/** Frames that a well-behaved host does not send: tags of both kinds, broken lengths and checksums, unknown types. GRE and VRRP are not printed here. */
function oddFrames(): Uint8Array[] {
  const link = { src: FAR, dst: BROADCAST };
  const udp = craftUdp(link, { src: '10.77.0.9', dst: '10.77.0.255' }, 1000, 2000, new Uint8Array(40).fill(0x41));
  const changed = (change: (bytes: Uint8Array, view: DataView) => void, from = udp): Uint8Array => {
    const bytes = from.slice();
    change(bytes, new DataView(bytes.buffer));
    return bytes;
  };
  const withTag = (frame: Uint8Array, proto: number, tci: number): Uint8Array => {
    const out = new Uint8Array(frame.length + 4);
    out.set(frame.subarray(0, 12));
    new DataView(out.buffer).setUint32(12, ((proto << 16) | tci) >>> 0);
    out.set(frame.subarray(12), 16);
    return out;
  };
  return [
    udp,
    withTag(udp, 0x8100, 20), withTag(udp, 0x8100, 0xb014), withTag(withTag(udp, 0x8100, 7), 0x88a8, 100),
    withTag(craftArp(link, 1, FAR, '10.77.0.9', '00:00:00:00:00:00', '10.77.0.1'), 0x8100, 20),
    changed((_, v) => v.setUint16(24, 0xdead)),
    changed((_, v) => v.setUint16(40, 0xdead)),
    changed((_, v) => v.setUint16(16, 1000)),
    changed((_, v) => v.setUint16(16, 10)),
    changed((b) => (b[14] = 0x4f)),
    changed((b) => (b[14] = 0x65)),
    changed((b) => (b[23] = 6)),
    changed((b) => (b[23] = 1)),
    changed((b) => (b[23] = 2)),
    changed((b) => (b[23] = 253)),
    changed((_, v) => v.setUint16(38, 4)),
    changed((_, v) => v.setUint16(38, 500)),
    changed((_, v) => v.setUint16(20, 0x2000)),
    changed((_, v) => v.setUint16(20, 0x00b9)),
    changed((_, v) => v.setUint16(12, 0x88b5)),
    changed((_, v) => v.setUint16(12, 40)),
  ];
}
