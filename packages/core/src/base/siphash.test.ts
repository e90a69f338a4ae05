/**
 * siphash.test.ts — the vectors of the reference implementation that are whole words; that the key and every word count.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from './prng.js';
import { SIPHASH_MSG_MAX, SipHash } from './siphash.js';

/** Key 00..0f, message 00 01 02 …: the result for 0, 4, 8, … 60 bytes. */
const VECTORS = [
  '726fdb47dd0e0e31', 'cf2794e0277187b7', '93f5f5799a932462', '751e8fbc860ee5fb', '3f2acc7f57c29bdb', 'bed65cf21aa2ee98', 'b8ad50c6f649af94', 'de4daaaca71dc9a5',
  '7127512f72f27cce', '314dffbe0815a3b4', '0e3ea96b5304a7d0', 'f935451de4f21df2', 'e612a3cb9ecba951', '0a8787bf8ecb74b2', 'b78dbfaf3a8d83bd', '6ca4ecb15c5f91e1',
];

const referenceKey = (): SipHash => new SipHash().setKey(0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c);
const hex = (h: SipHash): string => [h.hi, h.lo].map((x) => (x >>> 0).toString(16).padStart(8, '0')).join('');

describe('SipHash-2-4', () => {
  it.each(VECTORS.map((want, n) => [n, want] as const))('of %i words', (n, want) => {
    const h = referenceKey();
    // What is behind the message does not count.
    h.msg.fill(-1);
    for (let i = 0; i < n; i++) h.msg[i] = 0x03020100 + 0x04040404 * i;
    expect(h.run(n)).toBe(h.lo);
    expect(hex(h)).toBe(want);
  });

  it('of the longest message, and again', () => {
    const h = referenceKey();
    expect([h.run(SIPHASH_MSG_MAX), h.run(SIPHASH_MSG_MAX)]).toEqual([h.lo, h.lo]);
  });

  it('depends on each word of key and message', () => {
    const seen = new Set<string>();
    const add = (h: SipHash): void => {
      h.run(5);
      seen.add(hex(h));
    };
    add(new SipHash());
    for (let i = 0; i < 4; i++) add(new SipHash().setKey(i === 0 ? 1 : 0, i === 1 ? 1 : 0, i === 2 ? 1 : 0, i === 3 ? 1 : 0));
    for (let i = 0; i < 5; i++) {
      const h = new SipHash();
      h.msg[i] = 1;
      add(h);
    }
    add(new SipHash().setRandomKey(new Prng(1)));
    add(new SipHash().setRandomKey(new Prng(2)));
    expect(seen.size).toBe(12);
  });
});
