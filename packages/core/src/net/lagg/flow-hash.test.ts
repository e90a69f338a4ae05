/**
 * flow-hash.test.ts — what the hash of a frame depends on, and that it reads nothing beyond the frame.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { M_VLANTAG, PacketPool } from '../../mbuf/packet-buffer.js';
import { tagged } from '../test-net.js';
import { LAGG_F_HASHL2, LAGG_F_HASHL3, LAGG_F_HASHL4, LAGG_F_HASHMASK, laggHash, laggHashKey } from './flow-hash.js';

const pool = new PacketPool();
const KEY = laggHashKey(12_345);

function hash(frame: Uint8Array, flags: number, tag = -1): number {
  const m = pool.from(frame);
  if (m === null) throw new Error('no packet');
  if (tag >= 0) Object.assign(m, { vtag: tag, vproto: 0x8100, flags: M_VLANTAG });
  const h = laggHash(m, flags, KEY);
  m.free();
  return h;
}

const hex = (text: string): Uint8Array => Uint8Array.from(text.replace(/\s/g, '').match(/../g) ?? [], (h) => parseInt(h, 16));
const MACS = '020000000001 020000000002';
const udp4 = hex(`${MACS} 0800 45000020 00000000 40110000 c0000201 c0000202 04d2 0035 000c0000 61626364`);
const tcp6 = hex(`${MACS} 86dd 6001b2c3 0014 06 40 ${'20010db8000000000000000000000001'} ${'20010db8000000000000000000000002'} ${'00'.repeat(20)}`);
const patch = (frame: Uint8Array, at: number, value: number): Uint8Array => frame.map((b, i) => (i === at ? value : b));

/** Which of the layers make a difference between two frames. */
function layers(a: Uint8Array, b: Uint8Array): string {
  return [LAGG_F_HASHL2, LAGG_F_HASHL3, LAGG_F_HASHL4].map((f) => (hash(a, f) === hash(b, f) ? '-' : '+')).join('');
}

describe('a field counts on its layer alone', () => {
  it.each([
    ['destination address', udp4, 5, '+--'],
    ['source address', udp4, 11, '+--'],
    ['IPv4 source', udp4, 29, '-+-'],
    ['IPv4 destination', udp4, 33, '-+-'],
    ['UDP port', udp4, 35, '--+'],
    ['UDP payload', udp4, 45, '---'],
    ['TTL', udp4, 22, '---'],
    ['IPv6 source', tcp6, 37, '-+-'],
    ['IPv6 flow label', tcp6, 17, '--+'],
    ['IPv6 traffic class', tcp6, 14, '---'],
  ])('%s', (_what, frame, at, expected) => {
    expect(layers(frame, patch(frame, at, (frame[at] ?? 0) ^ 0x55))).toBe(expected);
  });

  it('fragments of one datagram stay together', () => {
    const first = patch(udp4, 20, 0x20);
    const next = patch(patch(patch(udp4, 21, 0x05), 34, 0xff), 36, 0xee);
    expect(hash(first, LAGG_F_HASHMASK)).toBe(hash(next, LAGG_F_HASHMASK));
  });

  it('a tag counts on layer 2, in the bytes or beside them, and hides nothing', () => {
    for (const flags of [LAGG_F_HASHL2, LAGG_F_HASHL3, LAGG_F_HASHL4]) {
      expect(hash(tagged(udp4, 5), flags), `flags ${flags}`).toBe(hash(udp4, flags, 5));
      expect(hash(udp4, flags, 5) === hash(udp4, flags, 6), `flags ${flags}`).toBe(flags !== LAGG_F_HASHL2);
    }
  });

  it('other salts, other choices', () => {
    expect(laggHashKey(1)).not.toBe(laggHashKey(2));
  });
});

it('is a number of 32 bits for any bytes, and no byte behind the frame counts', () => {
  const starts = fc.constantFrom(udp4, tcp6, tagged(udp4, 5));
  fc.assert(fc.property(starts, fc.nat(100), fc.uint8Array({ maxLength: 40 }), fc.nat(7), (start, cut, noise, flags) => {
    const frame = start.slice(0, cut);
    frame.set(noise.subarray(0, Math.max(0, frame.length - 12)), Math.min(12, frame.length));
    const m = pool.from(frame);
    if (m === null) throw new Error('no packet');
    m.buf.fill(0xaa, m.off + m.len);
    const h = laggHash(m, flags, KEY);
    m.buf.fill(0x55, m.off + m.len);
    expect(laggHash(m, flags, KEY)).toBe(h);
    expect(h >>> 0).toBe(h);
    m.free();
  }));
});
