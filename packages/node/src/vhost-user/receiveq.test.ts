/**
 * receiveq.test.ts — packets into a guest's buffers, merged and not, against what a driver makes of them.
 */
import { CSUM_L4, GSO_TCPV4 } from '@netloom/core';
import type { PacketBuffer } from '@netloom/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUFFERS, NEXT_WINDOW, RingGuest, pattern } from '../../test/vhost-user/ring-guest.js';
import { PIECES_MAX } from './descriptor-chain.js';
import type { DriverBuffer } from '../../test/vhost-user/driver-ring.js';
import { Receiveq } from './receiveq.js';
import type { PutResult } from './receiveq.js';

/** A driver that posts buffers and puts frames together again. */
class ReceivingGuest extends RingGuest {
  private readonly posted = new Map<number, readonly DriverBuffer[]>();
  private free = NEXT_WINDOW - 5_000;

  /** Makes a buffer of these pieces available. */
  post(...lengths: number[]): void {
    const buffers = lengths.map((length) => {
      const address = this.free;
      this.free += length;
      return { address, length };
    });
    const head = this.driver.add(buffers, true);
    expect(head).toBeGreaterThanOrEqual(0);
    this.posted.set(head, buffers);
    this.driver.publish();
  }

  /** The next frame as the driver sees it: header and bytes; null: none. */
  receive(hdrSize = 12): { readonly header: DataView; readonly frame: Uint8Array; readonly buffers: number } | null {
    const first = this.next();
    if (first === null) return null;
    const header = new DataView(first.buffer, first.byteOffset, first.length);
    const buffers = hdrSize === 12 ? header.getUint16(10, true) : 1;
    const parts = [first.subarray(hdrSize)];
    for (let i = 1; i < buffers; i++) parts.push(this.next()!);
    return { header, frame: Buffer.concat(parts), buffers };
  }

  private next(): Uint8Array | null {
    const chain = this.driver.poll();
    if (chain === null) return null;
    const bytes = Buffer.concat(this.posted.get(chain.head)!.map((b) => this.peek(b)));
    this.posted.delete(chain.head);
    return bytes.subarray(0, chain.length);
  }
}

function packet(g: RingGuest, bytes: Uint8Array): PacketBuffer {
  return g.pool.from(bytes)!;
}

function put(g: RingGuest, bytes: Uint8Array, { mergeable = true, hdrSize = 12, q = new Receiveq() } = {}): PutResult {
  const m = packet(g, bytes);
  const result = q.put(g.ring, g.chain, hdrSize, mergeable, m);
  g.ring.publish();
  m.free();
  return result;
}

test('frames arrive as they are, in one buffer or several, in order', () => {
  const lengths = fc.array(fc.oneof(fc.integer({ min: 14, max: 1_600 }), fc.integer({ min: 14, max: 20_000 })), { minLength: 1, maxLength: 20 });
  const shape = fc.array(fc.integer({ min: 12, max: 2_000 }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(lengths, fc.array(shape, { minLength: 1, maxLength: 8 }), (frames, shapes) => {
      const g = new ReceivingGuest({ num: 64 });
      const q = new Receiveq();
      let shapesUsed = 0;
      for (const [i, length] of frames.entries()) {
        const bytes = pattern(length, i);
        let result = put(g, bytes, { q });
        // The driver posts a buffer at a time until there are enough: until then nothing may have been used.
        for (; result === 'wait'; result = put(g, bytes, { q })) {
          expect(g.receive()).toBe(null);
          const next = shapes[shapesUsed++ % shapes.length]!;
          if (g.driver.room < next.length) return;
          g.post(...next);
        }
        if (result === 'never') return;
        expect(result).toBe('done');
        const got = g.receive()!;
        expect(Buffer.compare(got.frame, bytes)).toBe(0);
      }
      expect(g.receive()).toBe(null);
      expect([q.frames, g.ring.broken]).toEqual([frames.length, '']);
    }),
  );
});

test('a frame that lies in several buffers says so, and the last is used as far as it goes', () => {
  const g = new ReceivingGuest();
  for (let i = 0; i < 4; i++) g.post(512);
  expect(put(g, pattern(1_300))).toBe('done');
  const got = g.receive()!;
  expect([got.buffers, got.frame.length]).toEqual([3, 1_300]);
  expect(g.ring.waiting()).toBe(1);
});

test('the header has the packet\'s offloads', () => {
  const g = new ReceivingGuest();
  g.post(4_096);
  const m = packet(g, pattern(3_000));
  m.csumFlags = CSUM_L4;
  m.csumStart = m.off + 34;
  m.csumOffset = 16;
  m.gsoType = GSO_TCPV4;
  m.gsoSize = 1_448;
  expect(new Receiveq().put(g.ring, g.chain, 12, true, m)).toBe('done');
  g.ring.publish();
  const { header } = g.receive()!;
  expect([header.getUint8(0), header.getUint8(1), header.getUint16(4, true), header.getUint16(6, true), header.getUint16(8, true)]).toEqual([1, GSO_TCPV4, 1_448, 34, 16]);
});

describe('without mergeable buffers', () => {
  test('a frame fills one buffer, whose header says one', () => {
    const g = new ReceivingGuest();
    g.post(12, 1_514);
    expect(put(g, pattern(1_514), { mergeable: false })).toBe('done');
    expect([g.receive()!.buffers, g.receive()]).toEqual([1, null]);
  });

  test('an old driver has a header of ten bytes', () => {
    const g = new ReceivingGuest();
    g.post(10, 1_514);
    expect(put(g, pattern(700), { mergeable: false, hdrSize: 10 })).toBe('done');
    expect(Buffer.compare(g.receive(10)!.frame, pattern(700))).toBe(0);
  });

  test('a frame that is longer than the next buffer is not waited for, and the buffer stays', () => {
    const g = new ReceivingGuest();
    g.post(512);
    g.post(4_096);
    expect(put(g, pattern(600), { mergeable: false })).toBe('never');
    expect(put(g, pattern(400), { mergeable: false })).toBe('done');
    expect(g.receive()!.frame.length).toBe(400);
  });
});

test('an empty ring is waited for, and one that is full and too small is not', () => {
  const g = new ReceivingGuest({ num: 4 });
  expect(put(g, pattern(600))).toBe('wait');
  for (let i = 0; i < 3; i++) g.post(100);
  expect(put(g, pattern(600))).toBe('wait');
  g.post(100);
  expect(put(g, pattern(600))).toBe('never');
  expect(put(g, pattern(300))).toBe('done');
});

test('buffers of a few bytes make no frame of thousands of pieces', () => {
  const g = new ReceivingGuest({ num: 2_048 });
  for (let i = 0; i <= PIECES_MAX; i++) g.post(14);
  expect(put(g, pattern(20_000))).toBe('never');
  expect(g.ring.broken).toBe('');
  expect(put(g, pattern(1_000))).toBe('done');
  expect(g.receive()!.frame.length).toBe(1_000);
});

test('a buffer to read, of no bytes, or in no memory breaks the ring, and nothing is used', () => {
  for (const [buffer, writable] of [[{ address: BUFFERS, length: 0 }, true], [{ address: BUFFERS, length: 2_000 }, false], [{ address: 0x8_0000, length: 2_000 }, true]] as const) {
    const g = new ReceivingGuest();
    g.post(100);
    g.driver.add([buffer], writable);
    g.driver.publish();
    expect(put(g, pattern(600))).toBe('broken');
    expect(g.ring.broken).not.toBe('');
    expect(g.receive()).toBe(null);
  }
});
