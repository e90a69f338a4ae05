/**
 * capture-command.test.ts — what `netloom capture` and the tool tcpdump record while Linux pings, the real tcpdump, tshark and capinfos read
 * without a complaint.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { captureDecoder } from '@netloom/core/wire';
import type { CapturePacket } from '@netloom/core/wire';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { readings, run } from './capture-readers.js';
import { linuxPing } from './linux-ping.js';
import { Netns, withNetns } from './netns.js';
import { withDaemon } from './test-daemon.js';
import type { Cable, Running, TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'ping', 'tcpdump', 'tshark', 'capinfos'] as const;

interface Scene {
  readonly d: TestDaemon;
  readonly ns: Netns;
  readonly cable: Cable;
}

function scene(body: (scene: Scene) => Promise<void>): () => Promise<void> {
  return () =>
    withNetns(1, (ns) =>
      withDaemon(async (d) => {
        await d.vnet('v1');
        await body({ d, ns, cable: await d.plug('v1', ns, { vnet: '10.77.0.2/24', linux: '10.77.0.1/24' }) });
      }),
    );
}

/** Starts a recording and resolves when the daemon runs it: from then on no packet is missed. */
async function recording({ d }: Scene, tool: string, ...args: string[]): Promise<Running> {
  const running = d.netloom(...args);
  await Netns.until(`${tool} runs`, () => d.daemon.service.table.list().some(({ argv }) => argv[0] === tool));
  return running;
}

/** Pings the vnet, whole and in three fragments; how many packets that was, without ARP. */
async function traffic({ ns }: Scene): Promise<number> {
  const small = await linuxPing(ns, '10.77.0.2', 3);
  const large = await linuxPing(ns, '10.77.0.2', 1, '-s', '3000', '-M', 'dont');
  expect([small.received, large.received]).toEqual([3, 1]);
  return 2 * small.sent + 2 * 3 * large.sent;
}

/** Ends a recording as Ctrl-C does. */
async function finish(running: Running): Promise<string> {
  running.child.kill('SIGINT');
  const { status, stderr } = await running.ended;
  expect(status, stderr).toBe(0);
  return stderr;
}

/** The packets that a stream holds so far. */
function packetsIn(bytes: Uint8Array): CapturePacket[] {
  const decoder = captureDecoder(bytes);
  const packets: CapturePacket[] = [];
  if (decoder === null) return packets;
  decoder.push(bytes);
  for (let item = decoder.next(); item !== null; item = decoder.next()) {
    if (item.kind === 'fault') throw new Error(item.message);
    if (item.kind === 'packet') packets.push(item);
  }
  return packets;
}

describe('netloom capture', () => {
  peer(...NEEDS)('writes a file that everybody reads', scene(async (s) => {
    const file = s.d.path('a.pcapng');
    const capture = await recording(s, 'netloom-capture', 'capture', 'v1', s.cable.ifname, '-w', file);
    const count = await traffic(s);
    const said = await finish(capture);
    const { packets, complaints, malformed, lines, info } = await readings(file);
    expect(complaints).toEqual([]);
    expect(malformed).toEqual([]);
    const arp = lines.filter((line) => line.startsWith('ARP,')).length;
    expect(arp).toBeGreaterThanOrEqual(2);
    const all = arp + count;
    expect(packets).toEqual({ tcpdump: all, tshark: all, capinfos: all });
    expect(said).toBe(`${all} packets captured, 0 dropped\n`);
    expect(info.get('File type')).toBe('pcapng');
    expect(info.get('File encapsulation')).toMatch(/^ether/i);
    expect(readFileSync(file).includes(s.cable.ifname)).toBe(true);
    expect(lines.filter((line) => /^IP 10\.77\.0\.2 > 10\.77\.0\.1: ICMP echo reply, id \d+, seq [123], length 64$/.test(line))).toHaveLength(3);
    expect(lines.filter((line) => /^IP 10\.77\.0\.[12] > 10\.77\.0\.[12]: (ICMP echo re\w+, .*, length 1480|icmp|ip-proto-1)$/.test(line))).toHaveLength(6);
  }));

  peer(...NEEDS)('streams to standard output, packet by packet', scene(async (s) => {
    const capture = await recording(s, 'netloom-capture', 'capture', 'v1', s.cable.ifname, '-w', '-', '-f', 'icmp');
    const count = await traffic(s);
    // All of it is there while the capture still runs: Wireshark need not wait.
    await Netns.until('the packets are in the stream', () => packetsIn(capture.heard.stdout).length === count);
    expect(await finish(capture)).toBe(`${count} packets captured, 0 dropped\n`);
    const file = s.d.path('stream.pcapng');
    writeFileSync(file, capture.heard.stdout);
    const { packets, complaints, malformed } = await readings(file);
    expect({ complaints, malformed }).toEqual({ complaints: [], malformed: [] });
    expect(packets).toEqual({ tcpdump: count, tshark: count, capinfos: count });
    const now = Date.now() * 1000;
    for (const { timeUs, direction } of packetsIn(capture.heard.stdout)) {
      expect(Math.abs(now - timeUs)).toBeLessThan(60e6);
      expect(direction).toMatch(/^(in|out)$/);
    }
  }));

  peer(...NEEDS)('ends by itself after a count, and keeps the beginnings of packets', scene(async (s) => {
    const file = s.d.path('short.pcapng');
    const capture = await recording(s, 'netloom-capture', 'capture', 'v1', s.cable.ifname, '-w', file, '-c', '5', '-s', '60', '-f', 'icmp');
    await traffic(s);
    expect((await capture.ended).stderr).toBe('5 packets captured, 0 dropped\n');
    const { packets, complaints, info } = await readings(file);
    expect(complaints).toEqual([]);
    expect(packets.capinfos).toBe(5);
    expect(info.get('Data size')).toMatch(/^490 bytes$/);
    expect(statSync(file).size).toBeLessThan(1_000);
  }));

  peer(...NEEDS)('ends when its interface does, with a whole file', scene(async (s) => {
    const file = s.d.path('cut.pcapng');
    const capture = await recording(s, 'netloom-capture', 'capture', 'v1', s.cable.ifname, '-w', file, '-f', 'icmp');
    const count = await traffic(s);
    await s.d.ok('v1', 'ifconfig', s.cable.ifname, 'destroy');
    expect(await capture.ended).toMatchObject({ status: 0, stderr: `${count} packets captured, 0 dropped\n` });
    const { packets, complaints } = await readings(file);
    expect(complaints).toEqual([]);
    expect(packets.tshark).toBe(count);
  }));
});

describe('the tool tcpdump', () => {
  peer(...NEEDS)('writes a file that everybody reads', scene(async (s) => {
    const file = s.d.path('b.pcap');
    const tcpdump = await recording(s, 'jexec', 'exec', 'v1', 'tcpdump', '-i', s.cable.ifname, '-w', file, 'icmp');
    await Netns.until('tcpdump listens', () => tcpdump.heard.stderr.includes('listening on'));
    const count = await traffic(s);
    const said = await finish(tcpdump);
    expect(said).toContain(`\n${count} packets captured\n`);
    const { packets, complaints, malformed, info } = await readings(file);
    expect({ complaints, malformed }).toEqual({ complaints: [], malformed: [] });
    expect(packets).toEqual({ tcpdump: count, tshark: count, capinfos: count });
    expect(info.get('File type')).toBe('pcap');
  }));

  peer(...NEEDS)('prints what the real one prints of the same frames', scene(async (s) => {
    const file = s.d.path('c.pcapng');
    const ours = await recording(s, 'jexec', 'exec', 'v1', 'tcpdump', '-l', '-n', '-t', '-v', '-i', s.cable.ifname, 'icmp');
    await Netns.until('tcpdump listens', () => ours.heard.stderr.includes('listening on'));
    const capture = await recording(s, 'netloom-capture', 'capture', 'v1', s.cable.ifname, '-w', file, '-f', 'icmp');
    const count = await traffic(s);
    await finish(ours);
    await finish(capture);
    const real = await run('tcpdump', '-n', '-t', '-v', '-r', file);
    expect(real.stdout.match(/^IP /gm)).toHaveLength(count);
    // An interrupted tcpdump ends the line the terminal showed ^C on.
    expect(ours.heard.stdout.toString()).toBe(`${real.stdout}\n`);
  }));
});
