/**
 * packet-ring.test.ts — PacketRing on memory that a test fills as the kernel would.
 */
import { describe, expect, test } from 'vitest';
import { PacketRing, RING_REQUEST } from './packet-ring.js';
import type { RingLibc } from './packet-ring.js';

const [BLOCK_SIZE = 0, BLOCKS = 0, SLOT = 0, SLOTS = 0] = RING_REQUEST;
const PER_BLOCK = SLOTS / BLOCKS;
const STATUS_USER = 1;
const STATUS_VLAN = 1 << 4;
const STATUS_TPID = 1 << 6;
const MAC = 156;
const HDR = 10;

const slotAt = (slot: number): number => Math.floor(slot / PER_BLOCK) * BLOCK_SIZE + (slot % PER_BLOCK) * SLOT;

/** A ring, and its memory. */
function makeRing() {
  const memory = new ArrayBuffer(BLOCK_SIZE * BLOCKS);
  let unmapped = 0;
  const libc: RingLibc = {
    mapShared: () => 4096, viewMemory: () => memory, unmapPages: () => ++unmapped, getsockopt: () => -1, getsockname: () => -1, errno: () => 0, strerror: String,
  };
  const view = new DataView(memory);
  /** The kernel puts a frame into a slot: 14 bytes of Ethernet and `mark`. */
  const put = (slot: number, mark: number, { status = 0, tci = 0, tpid = 0, hdr = [] as number[], len = 15 } = {}): void => {
    const at = slotAt(slot % SLOTS);
    view.setUint32(at + 4, len, true);
    view.setUint32(at + 8, 15, true);
    view.setUint16(at + 12, MAC, true);
    view.setUint16(at + 24, tci, true);
    view.setUint16(at + 26, tpid, true);
    for (let i = 0; i < HDR; i++) view.setUint8(at + MAC - HDR + i, hdr[i] ?? 0);
    for (let i = 0; i < 14; i++) view.setUint8(at + MAC + i, i);
    view.setUint8(at + MAC + 14, mark);
    view.setUint32(at, STATUS_USER | status, true);
  };
  return { ring: new PacketRing(3, libc), again: () => new PacketRing(3, libc), view, put, statusOf: (slot: number) => view.getUint32(slotAt(slot % SLOTS), true), unmapped: () => unmapped };
}

const current = (ring: PacketRing): number[] => [...ring.bytes.subarray(ring.off, ring.off + ring.length)];
const ETHERNET = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

describe('PacketRing', () => {
  test('steps through what is there, and gives back what was stepped over, round and round', () => {
    const { ring, put, statusOf } = makeRing();
    for (let n = 0; n < 3 * SLOTS; n += 7) {
      for (let i = n; i < n + 7; i++) put(i, i & 0xff);
      expect(ring.isReady).toBe(true);
      for (let i = n; i < n + 7; i++) {
        expect(ring.next()).toBe(true);
        expect(current(ring)).toEqual([...new Array<number>(HDR).fill(0), ...ETHERNET, 12, 13, i & 0xff]);
      }
      expect([ring.next(), ring.isReady]).toEqual([false, false]);
      expect(statusOf(n)).toBe(STATUS_USER);
      ring.release();
      for (let i = n; i < n + 7; i++) expect(statusOf(i)).toBe(0);
    }
  });

  test('a ring whose slots were all stepped over has nothing until they are released', () => {
    const { ring, put } = makeRing();
    for (let i = 0; i < SLOTS; i++) put(i, 1);
    let frames = 0;
    while (ring.next()) frames++;
    expect([frames, ring.isReady]).toEqual([SLOTS, false]);
    ring.release();
    put(0, 2);
    expect(ring.next()).toBe(true);
  });

  test('who maps a ring after another goes on where that one had given slots back', () => {
    const { ring, again, put } = makeRing();
    for (let i = 0; i < 5; i++) put(i, i);
    for (let i = 0; i < 3; i++) ring.next();
    ring.release();
    ring.next();
    const next = again();
    expect(next.next()).toBe(true);
    expect(current(next).at(-1)).toBe(3);
    next.next();
    next.release();
    put(5, 5);
    expect(again().next()).toBe(true);
  });

  test('a tag is put back behind the addresses, and the virtio header knows', () => {
    const { ring, put } = makeRing();
    put(0, 1, { status: STATUS_VLAN, tci: 0x6007 });
    put(1, 2, { status: STATUS_VLAN | STATUS_TPID, tci: 0x0005, tpid: 0x88a8, hdr: [1, 1, 54, 0, 0xa8, 5, 34, 0, 16, 0] });
    expect(ring.next()).toBe(true);
    expect(current(ring)).toEqual([...new Array<number>(HDR).fill(0), ...ETHERNET, 0x81, 0x00, 0x60, 0x07, 12, 13, 1]);
    expect(ring.next()).toBe(true);
    // NEEDS_CSUM, TCP over IPv4, headers 54 + 4, segments of 1448, checksum from 34 + 4.
    expect(current(ring)).toEqual([1, 1, 58, 0, 0xa8, 5, 38, 0, 16, 0, ...ETHERNET, 0x88, 0xa8, 0x00, 0x05, 12, 13, 2]);
  });

  test('the bit of segments with CWR, which nobody here knows, is taken away', () => {
    const { ring, put } = makeRing();
    put(0, 1, { hdr: [1, 0x81, 54, 0, 0xa8, 5, 34, 0, 16, 0] });
    ring.next();
    expect(current(ring).slice(0, HDR)).toEqual([1, 1, 54, 0, 0xa8, 5, 34, 0, 16, 0]);
  });

  test('a frame that was cut short is passed over, counted and given back', () => {
    const { ring, put, statusOf } = makeRing();
    put(0, 1, { len: 70_000 });
    put(1, 2);
    expect(ring.next()).toBe(true);
    expect(current(ring).at(-1)).toBe(2);
    expect(ring.truncated).toBe(1);
    ring.release();
    expect([statusOf(0), statusOf(1)]).toEqual([0, 0]);
  });

  test('is unmapped', () => {
    const { ring, unmapped } = makeRing();
    ring.unmap();
    expect(unmapped()).toBe(1);
  });
});
