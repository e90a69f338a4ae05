/**
 * transmitq.test.ts — frames out of a guest's ring: bytes, headers, and what a guest may not ask for.
 */
import { CSUM_L4, CSUM_L4_VALID, GSO_TCPV4 } from '@netloom/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BUFFERS, NEXT_WINDOW, RING_WINDOW, RingGuest, pattern, withHeader } from '../../test/vhost-user/ring-guest.js';
import { GSO_PIECES_MAX, Transmitq } from './transmitq.js';

const TABLE = RING_WINDOW + 0x1_8000;

/** The guest sends these bytes, header and all, in one buffer. */
function send(g: RingGuest, bytes: Uint8Array, address = BUFFERS): void {
  g.driver.add(g.spread(address, bytes), false);
  g.driver.publish();
}

function take(g: RingGuest, q = new Transmitq(), max = 64, hdrSize = 12): Transmitq {
  q.take(g.ring, g.chain, hdrSize, g, max);
  g.ring.publish();
  return q;
}

const used = (g: RingGuest): number => {
  let n = 0;
  for (let u = g.driver.poll(); u !== null; u = g.driver.poll()) {
    expect(u.length).toBe(0);
    n++;
  }
  return n;
};

test('frames come as they were sent, however their buffers are cut, and every chain comes back', () => {
  const frame = fc.record({ length: fc.oneof(fc.integer({ min: 14, max: 1_514 }), fc.integer({ min: 14, max: 9_000 })), cuts: fc.array(fc.integer({ min: 1, max: 1_500 }), { maxLength: 5 }), indirect: fc.boolean() });
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 12 }), fc.boolean(), fc.integer({ min: 1, max: 5 }), (frames, legacy, max) => {
      const g = new RingGuest({ num: 64 });
      const q = new Transmitq();
      const hdrSize = legacy ? 10 : 12;
      const sent = frames.map(({ length, cuts, indirect }, i) => {
        const bytes = pattern(length, i);
        const buffers = g.spread(NEXT_WINDOW - 20_000 + i * 10_000, withHeader(bytes, {}, hdrSize), cuts);
        expect(indirect ? g.driver.addIndirect(buffers, false, TABLE + 256 * i) : g.driver.add(buffers, false)).toBeGreaterThanOrEqual(0);
        return bytes;
      });
      g.driver.publish();
      for (let round = 0; g.frames.length < sent.length && round < 20; round++) take(g, q, max, hdrSize);
      expect(g.frames.map((m, i) => Buffer.compare(m.bytes(), sent[i]!))).toEqual(sent.map(() => 0));
      expect(used(g)).toBe(sent.length);
      expect(g.driver.room).toBe(64);
      expect([q.frames, q.octets, q.refused]).toEqual([sent.length, sent.reduce((sum, f) => sum + f.length, 0), 0]);
      for (const m of g.frames) m.free();
      expect(g.pool.inUse).toBe(0);
    }),
  );
});

test('no more than a batch is taken at a time', () => {
  const g = new RingGuest({ num: 8 });
  for (let i = 0; i < 6; i++) send(g, withHeader(pattern(60, i)), BUFFERS + 100 * i);
  const q = take(g, new Transmitq(), 4);
  expect([g.frames.length, used(g), g.ring.waiting()]).toEqual([4, 4, 2]);
  take(g, q, 4);
  expect([g.frames.length, used(g), g.ring.waiting()]).toEqual([6, 2, 0]);
});

test('offloads become the packet\'s', () => {
  const g = new RingGuest();
  send(g, withHeader(pattern(4_000), { flags: 1, gsoType: GSO_TCPV4, gsoSize: 1_448, csumStart: 34, csumOffset: 16 }));
  send(g, withHeader(pattern(60), { flags: 2 }), BUFFERS + 0x1_0000);
  take(g);
  const [m, n] = g.frames;
  expect([m!.csumFlags, m!.csumStart - m!.off, m!.csumOffset, m!.gsoType, m!.gsoSize]).toEqual([CSUM_L4, 34, 16, GSO_TCPV4, 1_448]);
  expect([n!.csumFlags, n!.gsoSize]).toEqual([CSUM_L4_VALID, 0]);
});

test.each([
  ['a frame without an Ethernet header', withHeader(pattern(13))], ['not even a virtio header', pattern(5)], ['more than 64 KB', withHeader(pattern(65_601))],
  ['a checksum beyond the frame', withHeader(pattern(60), { flags: 1, csumStart: 50, csumOffset: 9 })],
  ['segments without a checksum', withHeader(pattern(4_000), { gsoType: 1, gsoSize: 1_448 })],
  ['segments of no bytes', withHeader(pattern(4_000), { flags: 1, csumStart: 34, csumOffset: 16, gsoType: 1 })],
  ['thousands of segments', withHeader(pattern(4_000), { flags: 1, csumStart: 34, csumOffset: 16, gsoType: 1, gsoSize: Math.floor(4_000 / GSO_PIECES_MAX) })],
  ['segments of a kind that nobody has', withHeader(pattern(4_000), { flags: 1, csumStart: 34, csumOffset: 16, gsoType: 3, gsoSize: 1_448 })],
])('%s is dropped and counted, and the next frame goes on', (_name, bytes) => {
  const g = new RingGuest();
  send(g, bytes);
  send(g, withHeader(pattern(60)), NEXT_WINDOW);
  const q = take(g);
  expect([q.refused, q.frames, g.frames.length, g.ring.broken, used(g)]).toEqual([1, 1, 1, '', 2]);
});

test('a frame for which there is no memory is counted, and its chain comes back', () => {
  const g = new RingGuest();
  g.pool.smallMax = 0;
  send(g, withHeader(pattern(60)));
  take(g);
  expect([g.lost, used(g), g.frames.length]).toEqual([1, 1, 0]);
});

test('a chain that is wrong stops the ring where it is; what came before it was delivered', () => {
  const g = new RingGuest();
  send(g, withHeader(pattern(60)));
  g.driver.add([{ address: 0x8_0000, length: 72 }], false);
  send(g, withHeader(pattern(60)), BUFFERS + 0x1_0000);
  const q = take(g);
  expect([q.frames, used(g), g.ring.waiting()]).toEqual([1, 1, 0]);
  expect(g.ring.broken).toContain('which is not in the guest\'s memory');
  expect(g.ring.nextAvail).toBe(1);
});

test('a disabled queue gives chains back unread', () => {
  const g = new RingGuest();
  g.driver.add([{ address: 0x8_0000, length: 72 }], false);
  send(g, withHeader(pattern(60)));
  const q = new Transmitq();
  expect(q.discard(g.ring, 64)).toBe(2);
  g.ring.publish();
  expect([q.discarded, q.frames, used(g), g.ring.broken]).toEqual([2, 0, 2, '']);
});

test('a header that changes after it was checked changes nothing', () => {
  const g = new RingGuest();
  send(g, withHeader(pattern(60), { flags: 1, csumStart: 34, csumOffset: 16 }));
  const q = new Transmitq();
  q.take(g.ring, g.chain, 12, g, 1);
  g.windows[1].view.setUint16(6, 0xffff, true);
  expect(g.frames[0]!.csumStart - g.frames[0]!.off).toBe(34);
});

test('a guest that writes anything anywhere gets its frames through or its ring broken, and nothing is left', () => {
  const chaos = fc.record({ at: fc.nat(0x300), value: fc.nat(0xffff_ffff) });
  fc.assert(
    fc.property(fc.array(fc.nat(2_000), { maxLength: 6 }), fc.array(chaos, { maxLength: 12 }), (lengths, writes) => {
      const g = new RingGuest({ num: 16 });
      lengths.forEach((length, i) => send(g, pattern(length + 1, i), NEXT_WINDOW - 3_000 + i * 2_000));
      for (const { at, value } of writes) g.windows[0].view.setUint32(at, value, true);
      const q = new Transmitq();
      for (let i = 0; i < 4; i++) q.take(g.ring, g.chain, 12, g, 64);
      g.ring.publish();
      expect(q.frames).toBe(g.frames.length);
      for (const m of g.frames) m.free();
      expect(g.pool.inUse).toBe(0);
    }),
    { numRuns: 1_000 },
  );
});
