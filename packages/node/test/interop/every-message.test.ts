/**
 * every-message.test.ts — what vnets send, read by tshark: nothing is malformed, no checksum is wrong, and every type of message that we have is among it.
 * Read first: every-message.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { readings, run } from './capture-readers.js';
import { EveryMessage } from './every-message.js';

/** Checksums are verified, and what tshark takes for VRRP, whose number it has, is CARP. */
const OPTIONS = ['-o', 'ip.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE', '-d', 'ip.proto==112,carp'];
const BAD = ['ip.checksum.status == 0', 'udp.checksum.status == 0', 'icmp.checksum.status == 0', 'icmpv6.checksum.status == 0', 'igmp.checksum.status == 0', 'carp.checksum.status == 0'].join(' || ');

/** Different values of `field` in the capture at `path`, in order. */
async function values(path: string, field: string): Promise<number[]> {
  const { stdout } = await run('tshark', '-n', '-r', path, ...OPTIONS, '-o', 'ipv6.defragment:FALSE', '-o', 'ip.defragment:FALSE', '-Y', field, '-T', 'fields', '-e', field);
  return [...new Set(stdout.split(/[\n,]/).filter((text) => text !== '').map(Number))].sort((x, y) => x - y);
}

describe('every message a vnet can send', () => {
  peer('tshark', 'tcpdump', 'capinfos')('is well formed to tshark, and its checksums are right', { timeout: 120_000 }, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'netloom-messages-'));
    try {
      const path = join(dir, 'every.pcapng');
      const frames = await new EveryMessage().record(path);
      const { packets, complaints, malformed } = await readings(path, ...OPTIONS);
      expect({ packets, complaints, malformed }).toEqual({ packets: { tcpdump: frames, tshark: frames, capinfos: frames }, complaints: [], malformed: [] });
      const bad = await run('tshark', '-n', '-r', path, ...OPTIONS, '-Y', BAD);
      expect([bad.stdout, bad.status]).toEqual(['', 0]);
      expect(await values(path, 'icmpv6.type')).toEqual([1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 143]);
      expect(await values(path, 'icmp.type')).toEqual([0, 3, 5, 8, 11]);
      expect(await values(path, 'igmp.type')).toEqual([0x11, 0x12, 0x16, 0x17, 0x22]);
      expect(await values(path, 'ipv6.nxt')).toEqual([0, 4, 17, 41, 44, 47, 58, 60, 112, 200]);
      expect(await values(path, 'ip.proto')).toEqual([1, 2, 4, 17, 41, 47, 112, 200]);
      expect(await values(path, 'arp.opcode')).toEqual([1, 2]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
