/**
 * capture.test.ts — what the recorder writes, others read; what is replayed into a TAP, Linux receives.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { describe, expect } from 'vitest';
import { LINKTYPE_ETHERNET } from '@netloom/core/wire';
import { replay } from '../../src/pcap/capture-replay.js';
import { recordToFile } from '../../src/pcap/pcapng-file.js';
import { openTapPort } from '../../src/tap/tap-port.js';
import { peer } from '../peers.js';
import { programPath } from '../program-path.js';
import { Netns, uniqueDevice, withNetns } from './netns.js';

/** An IPv4 UDP datagram from 10.77.0.2 to 10.77.0.1, broadcast on Ethernet, with a right header checksum and none for UDP. */
function datagram(port: number): Uint8Array {
  const frame = new Uint8Array(60);
  const view = new DataView(frame.buffer);
  frame.fill(0xff, 0, 6);
  frame.set([0x02, 0, 0, 0, 0, 0x2a, 0x08, 0x00, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 77, 0, 2, 10, 77, 0, 1], 6);
  let sum = 0;
  for (let i = 14; i < 34; i += 2) sum += view.getUint16(i);
  view.setUint16(24, ~(sum + (sum >> 16)) & 0xffff);
  view.setUint16(34, port);
  view.setUint16(36, 9);
  view.setUint16(38, 26);
  return frame;
}

async function withDir<T>(body: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'netloom-capture-'));
  try {
    return await body(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function record(path: string, frames: number): Promise<void> {
  const recorder = await recordToFile(path, { application: 'Netloom' });
  const id = recorder.addInterface({ linktype: LINKTYPE_ETHERNET, name: 'tap0' });
  for (let i = 0; i < frames; i++) recorder.packet(id, 1_700_000_000_000_000 + i, datagram(1000 + i), 0, 60, 'in');
  await recorder.close();
}

describe('a recorded file', () => {
  peer('tcpdump')('is read by tcpdump without a complaint', async () => {
    await withDir(async (dir) => {
      const path = join(dir, 'a.pcapng');
      await record(path, 3);
      const read = spawnSync(programPath('tcpdump')!, ['-nn', '-tt', '-v', '-r', path], { encoding: 'utf8' });
      expect(read.stderr).toMatch(/^reading from file .* link-type EN10MB \(Ethernet\)[^\n]*\n$/);
      expect(read.stdout).not.toMatch(/bad cksum|truncated|\[\|/);
      expect(read.stdout.match(/10\.77\.0\.2\.100[0-2] > 10\.77\.0\.1\.9: .*UDP, length 18/g)).toHaveLength(3);
      expect(read.stdout).toContain('1700000000.000002 IP');
      expect(read.status).toBe(0);
    });
  });

  peer('root', 'tun', 'netns', 'ip')('is replayed through a TAP into Linux, frame for frame', async () => {
    await withDir(async (dir) => {
      const path = join(dir, 'b.pcapng');
      await record(path, 400);
      const port = openTapPort({ name: uniqueDevice() });
      try {
        await withNetns(1, async (ns) => {
          ns.adopt(port.name);
          ns.ip('link', 'set', 'dev', port.name, 'addrgenmode', 'none');
          ns.up(port.name);
          const before = ns.counter(port.name, 'rx_packets');
          const result = await replay(path, { deliver: (packet) => void port.send(packet.bytes, 0, packet.bytes.length) });
          port.flush();
          expect(result.packets).toBe(400);
          await Netns.until('all frames are written', () => port.stats.txFrames === 400);
          expect(ns.counter(port.name, 'rx_packets') - before).toBe(400);
        });
      } finally {
        await port.close();
      }
    });
  });
});
