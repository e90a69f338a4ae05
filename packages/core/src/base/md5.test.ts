/**
 * md5.test.ts — the test suite of RFC 1321, every length around a block, and a message taken in pieces.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MD5_LEN, Md5 } from './md5.js';

const text = (s: string): Uint8Array => Uint8Array.from([...s].map((c) => c.charCodeAt(0)));
const hex = (h: Md5): string => {
  const out = new Uint8Array(MD5_LEN);
  h.digest(out);
  return [...out].map((b) => b.toString(16).padStart(2, '0')).join('');
};

describe('MD5', () => {
  it.each([
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['a', '0cc175b9c0f1b6a831c399e269772661'],
    ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
    ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
    ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'd174ab98d277d9f5a5611c2c9f419d9f'],
    ['1234567890'.repeat(8), '57edf4a22be3c955ac49da2e2107b67a'],
  ])('of "%s"', (message, expected) => {
    expect(hex(new Md5().update(text(message)))).toBe(expected);
  });

  it('of every length from nothing to three blocks, however it comes, as another implementation says', () => {
    const h = new Md5();
    for (let n = 0; n <= 192; n++) {
      const bytes = Uint8Array.from({ length: n + 3 }, (_, i) => (i * 37 + n) & 255);
      const want = createHash('md5').update(bytes.subarray(3)).digest('hex');
      const view = new DataView(bytes.buffer);
      const cut = (n * 7) % (n + 1);
      expect([hex(h.init().update(bytes.subarray(3))), hex(h.init().updateView(view, 3, n)), hex(h.init().updateView(view, 3, cut).updateView(view, 3 + cut, n - cut))], `${n} bytes`)
        .toEqual([want, want, want]);
    }
  });

  it('takes words in network byte order', () => {
    expect(hex(new Md5().word(0x61626364))).toBe(hex(new Md5().update(text('abcd'))));
  });
});
