/**
 * sha1.test.ts — the examples of FIPS 180-4, every length around a block, and hashes that go on from a copy.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SHA1_LEN, Sha1 } from './sha1.js';

const text = (s: string): Uint8Array => Uint8Array.from([...s].map((c) => c.charCodeAt(0)));
const hex = (h: Sha1): string => {
  const out = new Uint8Array(SHA1_LEN);
  h.digest(out);
  return [...out].map((b) => b.toString(16).padStart(2, '0')).join('');
};

describe('SHA-1', () => {
  it.each([
    ['', 'da39a3ee5e6b4b0d3255bfef95601890afd80709'],
    ['abc', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
    ['abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', '84983e441c3bd26ebaae4aa1f95129e5e54670f1'],
  ])('of "%s"', (message, expected) => {
    expect(hex(new Sha1().update(text(message)))).toBe(expected);
  });

  it('of every length from nothing to three blocks, as another implementation says', () => {
    for (let n = 0; n <= 192; n++) {
      const bytes = Uint8Array.from({ length: n }, (_, i) => (i * 37 + n) & 255);
      expect(hex(new Sha1().update(bytes)), `${n} bytes`).toBe(createHash('sha1').update(bytes).digest('hex'));
    }
  });

  it('goes on from a copy, which leaves the original where it was', () => {
    const begun = new Sha1().update(text('ab'));
    const copy = new Sha1();
    expect([hex(copy.copyFrom(begun).update(text('c'))), hex(copy.copyFrom(begun).byte(0x63)), hex(begun.update(text('c')))])
      .toEqual(Array.from({ length: 3 }, () => 'a9993e364706816aba3e25717850c26c9cd0d89d'));
  });
});
