/**
 * offload.test.ts — super-segments cut and checksums finished, checked with arithmetic of their own.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CSUM_IP, CSUM_L4, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, PacketPool } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { finishChecksums, needsSegmentation, segment } from './offload.js';

const ETHER = 14;

/** RFC 1071 over bytes, written out once more so that the code under test does not check itself. */
function rfc1071(...parts: Uint8Array[]): number {
  const all = parts.flatMap((p) => [...p]);
  if (all.length % 2 === 1) all.push(0);
  let sum = 0;
  for (let i = 0; i < all.length; i += 2) sum += all[i]! * 256 + all[i + 1]!;
  while (sum > 0xffff) sum = Math.floor(sum / 65_536) + (sum % 65_536);
  return sum;
}

interface Shape {
  readonly v6: boolean;
  readonly udp: boolean;
  readonly linkLen: number;
  readonly innerTags: number;
  readonly options: number;
  readonly tcpOptions: number;
  readonly payload: Uint8Array;
  readonly gsoSize: number;
  readonly flags: number;
  readonly seq: number;
  readonly id: number;
}

/** A super-segment as the stack makes them, and where its parts are, from the frame's start. */
function superSegment(pool: PacketPool, s: Shape): { readonly m: PacketBuffer; readonly l3: number; readonly l4: number; readonly data: number } {
  const l3 = s.linkLen === 0 ? 0 : ETHER + 4 * s.innerTags;
  const l4 = l3 + (s.v6 ? 40 : 20 + 4 * s.options);
  const data = l4 + (s.udp ? 8 : 20 + 4 * s.tcpOptions);
  const m = pool.alloc(data + s.payload.length)!;
  const f = m.bytes().fill(0x11);
  const v = new DataView(f.buffer, f.byteOffset, f.length);
  if (s.linkLen > 0) {
    for (let i = 0; i < s.innerTags; i++) v.setUint16(12 + 4 * i, 0x8100);
    v.setUint16(l3 - 2, s.v6 ? 0x86dd : 0x0800);
  }
  v.setUint8(l3, s.v6 ? 0x60 : 0x40 | (5 + s.options));
  if (s.v6) v.setUint8(l3 + 6, s.udp ? 17 : 6);
  else {
    v.setUint16(l3 + 4, s.id);
    v.setUint16(l3 + 6, 0x4000);
    v.setUint8(l3 + 9, s.udp ? 17 : 6);
  }
  if (!s.udp) {
    v.setUint32(l4 + 4, s.seq);
    v.setUint8(l4 + 12, (5 + s.tcpOptions) << 4);
    v.setUint8(l4 + 13, s.flags);
  }
  f.set(s.payload, data);
  Object.assign(m, {
    gsoSize: s.gsoSize, gsoType: s.udp ? GSO_UDP_L4 : s.v6 ? GSO_TCPV6 : GSO_TCPV4, csumFlags: CSUM_L4, csumStart: m.off + l4, csumOffset: s.udp ? 6 : 16, hops: 3, fib: 2,
  });
  return { m, l3, l4, data };
}

const shape: fc.Arbitrary<Shape> = fc.record({
  v6: fc.boolean(), udp: fc.boolean(), linkLen: fc.constantFrom(0, ETHER), innerTags: fc.integer({ min: 0, max: 2 }), options: fc.integer({ min: 0, max: 10 }),
  tcpOptions: fc.integer({ min: 0, max: 10 }), payload: fc.uint8Array({ minLength: 1, maxLength: 6_000 }), gsoSize: fc.integer({ min: 1, max: 3_000 }).map((n) => Math.max(n, 40)),
  flags: fc.integer({ min: 0, max: 255 }), seq: fc.integer({ min: 0, max: 0xffffffff }), id: fc.integer({ min: 0, max: 0xffff }),
});

describe('segment', () => {
  it('makes packets that carry the same bytes under correct headers and checksums', () => {
    fc.assert(fc.property(shape, (s) => {
      const pool = new PacketPool();
      const { m, l3, l4, data } = superSegment(pool, s);
      const original = m.bytes().slice();
      const pieces: PacketBuffer[] = [];
      const n = segment(pool, m, (p) => void pieces.push(p), s.linkLen);
      expect(n).toBe(Math.ceil(s.payload.length / s.gsoSize));
      expect(pieces).toHaveLength(n);
      let payload: number[] = [];
      pieces.forEach((p, i) => {
        expect([p.gsoSize, p.gsoType, p.hops, p.fib]).toEqual([0, 0, 3, 2]);
        expect(finishChecksums(p, s.linkLen)).toBe(true);
        expect(p.csumFlags).toBe(0);
        const f = p.bytes();
        const v = new DataView(f.buffer, f.byteOffset, f.length);
        const before = payload.length;
        payload = [...payload, ...f.subarray(data)];
        expect(f.length - data).toBe(i < n - 1 ? s.gsoSize : s.payload.length - before);
        expect([...f.subarray(0, l3)]).toEqual([...original.subarray(0, l3)]);
        const l4Len = f.length - l4;
        const proto = s.udp ? 17 : 6;
        let pseudo: Uint8Array;
        if (s.v6) {
          expect(v.getUint16(l3 + 4)).toBe(f.length - l3 - 40);
          pseudo = Uint8Array.of(...f.subarray(l3 + 8, l3 + 40), 0, 0, l4Len >> 8, l4Len & 255, 0, 0, 0, proto);
        } else {
          expect(v.getUint16(l3 + 2)).toBe(f.length - l3);
          expect(v.getUint16(l3 + 4)).toBe((s.id + i) & 0xffff);
          expect(rfc1071(f.subarray(l3, l4))).toBe(0xffff);
          pseudo = Uint8Array.of(...f.subarray(l3 + 12, l3 + 20), 0, proto, l4Len >> 8, l4Len & 255);
        }
        expect(rfc1071(pseudo, f.subarray(l4))).toBe(0xffff);
        if (s.udp) {
          expect(v.getUint16(l4 + 4)).toBe(l4Len);
          return;
        }
        expect(v.getUint32(l4 + 4)).toBe((s.seq + before) % 2 ** 32);
        const keep = (i < n - 1 ? ~0x09 : ~0) & (i > 0 ? ~0x80 : ~0);
        expect(v.getUint8(l4 + 13)).toBe(s.flags & keep);
      });
      expect(payload).toEqual([...s.payload]);
      for (const p of pieces) p.free();
      expect(pool.inUse).toBe(0);
    }));
  });

  it('emits nothing for what is no super-segment, and never leaks', () => {
    const base: Shape = {
      v6: false, udp: false, linkLen: ETHER, innerTags: 0, options: 0, tcpOptions: 0, payload: new Uint8Array(3_000), gsoSize: 1_000, flags: 0, seq: 0, id: 0,
    };
    const broken: readonly ((m: PacketBuffer) => void)[] = [
      (m) => void (m.gsoSize = 0), (m) => void (m.csumFlags = 0), (m) => void (m.csumStart = m.off), (m) => void (m.csumStart += 4), (m) => void (m.csumOffset = 6),
      (m) => void (m.gsoType = GSO_TCPV6), (m) => void (m.gsoType = GSO_UDP_L4), (m) => void (m.gsoType = 99), (m) => void (m.len = 40), (m) => void (m.csumStart = 60_000),
      (m) => m.view.setUint8(m.off + ETHER, 0x55), (m) => m.view.setUint8(m.off + 34 + 12, 0x40), (m) => m.view.setUint8(m.off + 34 + 12, 0xf0) ?? (m.len = 60),
    ];
    const pool = new PacketPool();
    for (const breakIt of broken) {
      const { m } = superSegment(pool, base);
      breakIt(m);
      expect(segment(pool, m, (p) => p.free())).toBe(0);
    }
    const { m } = superSegment(pool, base);
    expect(segment(pool, m, (p) => p.free())).toBe(3);
    expect(pool.inUse).toBe(0);
  });

  it('stops when the pool is exhausted', () => {
    const pool = new PacketPool(32);
    const { m } = superSegment(pool, {
      v6: false, udp: true, linkLen: 0, innerTags: 0, options: 0, tcpOptions: 0, payload: new Uint8Array(60_000), gsoSize: 1_000, flags: 0, seq: 0, id: 0,
    });
    const pieces: PacketBuffer[] = [];
    expect(segment(pool, m, (p) => void pieces.push(p), 0)).toBe(32);
    for (const p of pieces) p.free();
    expect([pool.inUse, pool.denied]).toEqual([0, 1]);
  });
});

describe('finishChecksums', () => {
  it('sends a zero sum as its other representation', () => {
    const pool = new PacketPool();
    const m = pool.from(new Uint8Array(40))!;
    Object.assign(m, { csumFlags: CSUM_L4, csumStart: m.off + 20, csumOffset: 6 });
    m.view.setUint16(m.off + 20, 0xffff);
    expect(finishChecksums(m, 0)).toBe(true);
    expect(m.view.getUint16(m.off + 26)).toBe(0xffff);
  });

  it('computes the header checksum behind tags in the bytes', () => {
    const pool = new PacketPool();
    const frame = new Uint8Array(60);
    frame.set([0x81, 0, 0, 5, 0x08, 0, 0x45, 0, 0, 20], 12);
    const m = pool.from(frame)!;
    m.csumFlags = CSUM_IP;
    expect(finishChecksums(m)).toBe(true);
    expect(rfc1071(m.bytes().subarray(18, 38))).toBe(0xffff);
  });

  it.each([
    ['start before the packet', { csumFlags: CSUM_L4, csumStart: 0 }], ['field behind the end', { csumFlags: CSUM_L4, csumStart: 128 + 30, csumOffset: 9 }],
    ['no IPv4 header', { csumFlags: CSUM_IP }], ['negative offset', { csumFlags: CSUM_L4, csumStart: 140, csumOffset: -20 }],
  ])('refuses %s', (_what, fields) => {
    const m = new PacketPool().from(new Uint8Array(40))!;
    Object.assign(m, fields);
    expect(finishChecksums(m)).toBe(false);
  });
});

describe('needsSegmentation', () => {
  it.each([
    [GSO_TCPV4, 1_000, 1_514, 1_500, false], [GSO_TCPV4, 1_000, 1_515, 1_500, true], [GSO_UDP_L4, 100, 1_000, 1_500, true], [0, 0, 9_000, 1_500, false],
  ])('type %d size %d length %d mtu %d: %s', (gsoType, gsoSize, len, mtu, want) => {
    const m = new PacketPool().alloc(len)!;
    Object.assign(m, { gsoType, gsoSize });
    expect(needsSegmentation(m, mtu)).toBe(want);
  });
});
