/**
 * descriptor-chain.test.ts — chains of every kind are followed, and every wrong one breaks the ring and nothing else.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUFFERS, BUFFERS_SIZE, HOLE, NEXT_WINDOW, RING_WINDOW, RingGuest, pattern } from '../../test/vhost-user/ring-guest.js';
import { PIECES_MAX } from './descriptor-chain.js';
import { VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE } from './virtio-net.js';

const TABLE = RING_WINDOW + 0x1_8000;

interface Descriptor {
  readonly address?: number;
  readonly high?: number;
  readonly length?: number;
  readonly flags?: number;
  readonly next?: number;
}

function describeAt(view: DataView, at: number, { address = BUFFERS, high = 0, length = 64, flags = 0, next = 0 }: Descriptor): void {
  view.setUint32(at, address, true);
  view.setUint32(at + 4, high, true);
  view.setUint32(at + 8, length, true);
  view.setUint16(at + 12, flags, true);
  view.setUint16(at + 14, next, true);
}

/** Gathers a chain whose descriptors are these, from number 0 on. */
function gather(g: RingGuest, direct: readonly Descriptor[], table: readonly Descriptor[] = [], writable = false): boolean {
  direct.forEach((d, i) => describeAt(g.driver.desc, 16 * i, d));
  table.forEach((d, i) => describeAt(g.windows[0].view, TABLE - RING_WINDOW + 16 * i, d));
  g.chain.clear();
  return g.chain.gather(g.ring, 0, writable);
}

function contents(g: RingGuest): Uint8Array {
  const bytes = new Uint8Array(g.chain.bytes);
  g.chain.read(0, bytes, new DataView(bytes.buffer), 0, bytes.length);
  return bytes;
}

test('a buffer that crosses windows is several pieces of one', () => {
  const g = new RingGuest();
  const bytes = pattern(1_000);
  g.poke(NEXT_WINDOW - 400, bytes);
  expect(gather(g, [{ address: NEXT_WINDOW - 400, length: 1_000 }])).toBe(true);
  expect(g.chain.count).toBe(2);
  expect(contents(g)).toEqual(bytes);
});

test('a table may be as long as the ring, and its buffers are read as those of a chain', () => {
  const g = new RingGuest({ num: 8 });
  const bytes = pattern(8 * 16);
  g.poke(BUFFERS, bytes);
  const table = Array.from({ length: 8 }, (_, i) => ({ address: BUFFERS + 16 * i, length: 16, flags: i < 7 ? VRING_DESC_F_NEXT : 0, next: i + 1 }));
  expect(gather(g, [{ address: TABLE, length: 16 * 8, flags: VRING_DESC_F_INDIRECT }], table)).toBe(true);
  expect(contents(g)).toEqual(bytes);
});

test('buffers of no bytes are passed over', () => {
  const g = new RingGuest();
  expect(gather(g, [{ length: 0, address: HOLE, flags: VRING_DESC_F_NEXT, next: 1 }, { length: 5 }])).toBe(true);
  expect([g.chain.count, g.chain.bytes]).toEqual([1, 5]);
});

describe('refused', () => {
  const bad: readonly (readonly [string, readonly Descriptor[], readonly Descriptor[], string])[] = [
    ['a circle', [{ flags: VRING_DESC_F_NEXT, next: 1 }, { flags: VRING_DESC_F_NEXT, next: 0 }], [], 'a chain of more than 8 descriptors, or in a circle, from descriptor 0 on'],
    ['a circle in a table', [{ address: TABLE, length: 32, flags: VRING_DESC_F_INDIRECT }], [{ flags: VRING_DESC_F_NEXT, next: 1 }, { flags: VRING_DESC_F_NEXT, next: 1 }], 'a chain of more than 2 descriptors, or in a circle, from descriptor 0 on'],
    ['a next beyond the ring', [{ flags: VRING_DESC_F_NEXT, next: 8 }], [], 'descriptor 0 goes on at 8 of 8'],
    ['a next beyond the table', [{ address: TABLE, length: 16, flags: VRING_DESC_F_INDIRECT }], [{ flags: VRING_DESC_F_NEXT, next: 1 }], 'descriptor 0 goes on at 1 of 1'],
    ['no memory', [{ address: HOLE }], [], 'a buffer at 0x80000 of 64 bytes, which is not in the guest\'s memory'],
    ['memory that ends', [{ address: NEXT_WINDOW + 0xf_fff0, length: 17 }], [], 'a buffer at 0x27fff0 of 17 bytes, which is not in the guest\'s memory'],
    ['a length that goes round', [{ length: 0xffff_ffff }], [], 'a buffer at 0x100000 of 4294967295 bytes, which is not in the guest\'s memory'],
    ['an address that no machine has', [{ address: BUFFERS, high: 0xffff_ffff }], [], 'the address 0xffffffff00100000 in descriptor 0'],
    ['an address far away', [{ address: BUFFERS, high: 0xf_ffff }], [], 'a buffer at 0xfffff00100000 of 64 bytes, which is not in the guest\'s memory'],
    ['a buffer to write where one to read is due', [{ flags: VRING_DESC_F_WRITE }], [], 'a buffer that the device may write in descriptor 0'],
    ['a table in a table', [{ address: TABLE, length: 16, flags: VRING_DESC_F_INDIRECT }], [{ address: TABLE, length: 16, flags: VRING_DESC_F_INDIRECT }], 'an indirect descriptor 0 where none may be'],
    ['a table that goes on', [{ address: TABLE, length: 16, flags: VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, next: 1 }], [{}], 'an indirect descriptor 0 where none may be'],
    ['a table of no entries', [{ address: TABLE, length: 0, flags: VRING_DESC_F_INDIRECT }], [], 'an indirect table of 0 bytes in a ring of 8'],
    ['a table of half an entry', [{ address: TABLE, length: 24, flags: VRING_DESC_F_INDIRECT }], [{}], 'an indirect table of 24 bytes in a ring of 8'],
    ['a table longer than the ring', [{ address: TABLE, length: 16 * 9, flags: VRING_DESC_F_INDIRECT }], [{}], 'an indirect table of 144 bytes in a ring of 8'],
    ['a table in no memory', [{ address: HOLE, length: 16, flags: VRING_DESC_F_INDIRECT }], [], 'an indirect table at 0x80000 of 16 bytes, which is not in the guest\'s memory'],
    ['a table that leaves its window', [{ address: BUFFERS + BUFFERS_SIZE - 16, length: 32, flags: VRING_DESC_F_INDIRECT }], [], 'an indirect table at 0x17fff0 of 32 bytes, which is not in the guest\'s memory'],
  ];

  test.each(bad)('%s', (_name, direct, table, reason) => {
    const g = new RingGuest({ num: 8 });
    expect(gather(g, direct, table)).toBe(false);
    expect(g.ring.broken).toBe(reason);
  });

  test('a buffer to read where one to write is due', () => {
    const g = new RingGuest();
    expect(gather(g, [{}], [], true)).toBe(false);
    expect(g.ring.broken).toBe('a buffer that the device may only read in descriptor 0');
  });

  test('a table that was not agreed on', () => {
    const g = new RingGuest({ indirect: false });
    expect(gather(g, [{ address: TABLE, length: 16, flags: VRING_DESC_F_INDIRECT }], [{}])).toBe(false);
    expect(g.ring.broken).toBe('an indirect descriptor 0 where none may be');
  });

  test('more buffers than a frame can have', () => {
    const g = new RingGuest({ num: 2_048 });
    const chain = Array.from({ length: PIECES_MAX + 1 }, (_, i) => ({ length: 1, flags: i < PIECES_MAX ? VRING_DESC_F_NEXT : 0, next: i + 1 }));
    expect(gather(g, chain)).toBe(false);
    expect(g.ring.broken).toBe(`more than ${PIECES_MAX} buffers for a frame`);
  });
});

test('the same bytes whatever pieces they are cut into, read and written', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 0, max: 3_000 }), fc.boolean(), fc.nat(), (cuts, before, indirect, seed) => {
      const g = new RingGuest({ num: 8 });
      const bytes = pattern(cuts.reduce((sum, n) => sum + n, 0), seed);
      // Close enough to the border that some buffers cross it.
      const address = NEXT_WINDOW - before;
      const buffers = g.spread(address, bytes, cuts);
      const head = indirect ? g.driver.addIndirect(buffers, false, TABLE) : g.driver.add(buffers, false);
      g.chain.clear();
      expect(g.chain.gather(g.ring, head, false)).toBe(true);
      expect(Buffer.compare(contents(g), bytes)).toBe(0);

      const other = pattern(bytes.length, seed + 1);
      g.chain.write(0, other, new DataView(other.buffer), 0, other.length);
      expect(Buffer.compare(g.peek({ address, length: other.length }), other)).toBe(0);

      const from = seed % bytes.length;
      const part = new Uint8Array(bytes.length - from);
      g.chain.read(from, part, new DataView(part.buffer), 0, part.length);
      expect(Buffer.compare(part, other.subarray(from))).toBe(0);
    }),
  );
});

test('whatever a guest writes into its descriptors, a walk ends, and what it gathers lies in the guest\'s memory', () => {
  const near = fc.oneof(fc.integer({ min: BUFFERS - 100, max: BUFFERS + 300 }), fc.integer({ min: NEXT_WINDOW - 100, max: NEXT_WINDOW + 0x10_0000 }), fc.nat(0xffff_ffff));
  const descriptor = fc.record({
    address: fc.oneof(near, fc.constant(TABLE)), high: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat(0xffff_ffff)), length: fc.oneof(fc.nat(200), fc.nat(0xffff_ffff)),
    flags: fc.nat(7), next: fc.oneof(fc.nat(9), fc.nat(0xffff)),
  });
  fc.assert(
    fc.property(fc.array(descriptor, { minLength: 8, maxLength: 8 }), fc.array(descriptor, { maxLength: 8 }), fc.boolean(), (direct, table, writable) => {
      const g = new RingGuest({ num: 8 });
      const good = gather(g, direct, table, writable);
      expect(g.ring.broken === '').toBe(good);
      if (good) expect(contents(g).length).toBe(g.chain.bytes);
    }),
    { numRuns: 2_000 },
  );
});
