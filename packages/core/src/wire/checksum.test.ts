/**
 * checksum.test.ts — the fast sum against the definition, at every offset and length; incremental against full.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cksumAdd,
  cksumAddBytes,
  cksumFinish,
  cksumFold,
  cksumJoin,
  cksumPseudo4,
  cksumUpdate16,
  cksumUpdate32,
  inCksum,
  inCksum4,
  inCksum6,
} from './checksum.js';

const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** RFC 1071 §1 word by word. */
function naive(bytes: Uint8Array, off: number, len: number): number {
  let sum = 0;
  for (let i = 0; i < len; i++) sum += (i & 1) === 0 ? bytes[off + i]! << 8 : bytes[off + i]!;
  while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum % 0x10000);
  return ~sum & 0xffff;
}

const data = fc.uint8Array({ minLength: 0, maxLength: 300 });
/** Bytes that make carries and both zeros of ones' complement likely. */
const extreme = fc.array(fc.constantFrom(0, 0, 0xff, 0xff, 1, 0xfe), { maxLength: 200 }).map((a) => Uint8Array.from(a));

describe('sum', () => {
  it('the example of RFC 1071 §3', () => {
    const b = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(cksumFold(cksumAdd(viewOf(b), 0, 8, 0))).toBe(0xddf2);
    expect(inCksum(viewOf(b), 0, 8)).toBe(0x220d);
  });

  it('every offset and length up to 80 bytes', () => {
    const b = Uint8Array.from({ length: 96 }, (_, i) => (i * 151 + 77) & 255);
    for (let off = 0; off < 9; off++) for (let len = 0; len <= 80; len++) expect(inCksum(viewOf(b), off, len)).toBe(naive(b, off, len));
  });

  it('equals the definition', () => {
    fc.assert(
      fc.property(fc.oneof(data, extreme), fc.nat(300), (b, cut) => {
        const off = Math.min(cut, b.length);
        expect(inCksum(viewOf(b), off, b.length - off)).toBe(naive(b, off, b.length - off));
      }),
      { numRuns: 1000 },
    );
  });

  it('holds for the largest packet, and far beyond', () => {
    const b = new Uint8Array(65_575).fill(0xff);
    expect(inCksum(viewOf(b), 1, 65_573)).toBe(naive(b, 1, 65_573));
    const big = new Uint8Array(9_000_001);
    for (let i = 0; i < big.length; i++) big[i] = (i * 2_654_435_761) >>> 24;
    expect(inCksum(viewOf(big), 0, big.length)).toBe(naive(big, 0, big.length));
  });

  it('parts join, also at odd bytes', () => {
    fc.assert(
      fc.property(data, fc.nat(300), (b, at) => {
        const cut = Math.min(at, b.length);
        const head = cksumAddBytes(b, 0, cut, 0);
        const tail = cksumAddBytes(b, cut, b.length - cut, 0);
        expect(cksumFinish(cksumJoin(head, tail, cut))).toBe(naive(b, 0, b.length));
      }),
    );
  });

  it('works on shared memory', () => {
    const view = new DataView(new SharedArrayBuffer(64), 3);
    view.setUint32(5, 0x01020304);
    expect(inCksum(view, 5, 4)).toBe(~0x0406 & 0xffff);
  });
});

describe('pseudo headers', () => {
  it('a UDP datagram from a capture', () => {
    // 127.0.0.1.1024 > 127.0.0.1.53, ulen 12, "abcd"
    const b = Uint8Array.of(0x04, 0x00, 0x00, 0x35, 0x00, 0x0c, 0x00, 0x00, 0x61, 0x62, 0x63, 0x64);
    const full = Uint8Array.of(127, 0, 0, 1, 127, 0, 0, 1, 0, 17, 0, 12, ...b);
    const sum = inCksum4(viewOf(b), 0, b.length, 0x7f000001, 0x7f000001, 17);
    expect(sum).toBe(naive(full, 0, full.length));
    viewOf(b).setUint16(6, sum);
    expect(inCksum4(viewOf(b), 0, b.length, 0x7f000001, 0x7f000001, 17)).toBe(0);
    expect(cksumPseudo4(0xffffffff, 0xffffffff, 255, 65535)).toBeLessThan(2 ** 32);
  });

  it('IPv6: addresses are read in place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 33, maxLength: 120 }), fc.nat(255), (b, proto) => {
        const len = b.length - 32;
        const pseudo = Uint8Array.of(...b.subarray(0, 32), 0, 0, 0, len, 0, 0, 0, proto, ...b.subarray(32));
        expect(inCksum6(viewOf(b), 32, len, 0, 16, proto)).toBe(naive(pseudo, 0, pseudo.length));
      }),
    );
  });
});

describe('incremental update', () => {
  it('the example of RFC 1624 §4, where the older equation fails', () => {
    expect(cksumUpdate16(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
  });

  it('equals the full checksum', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 60 }), fc.nat(27), fc.nat(0xffff), fc.integer({ min: 0, max: 0xffffffff }), (b, word, is16, is32) => {
        // A message of zeros has two checksums; no packet is one, its first byte holds a version.
        b[0] = 0x45;
        const view = viewOf(b);
        const at = 2 + 2 * (word % Math.floor((b.length - 6) / 2));
        const before = inCksum(view, 0, b.length);
        const was16 = view.getUint16(at);
        view.setUint16(at, is16);
        expect(cksumUpdate16(before, was16, is16)).toBe(inCksum(view, 0, b.length));
        const middle = inCksum(view, 0, b.length);
        const was32 = view.getUint32(at);
        view.setUint32(at, is32);
        expect(cksumUpdate32(middle, was32, is32)).toBe(inCksum(view, 0, b.length));
      }),
      { numRuns: 1000 },
    );
  });
});
