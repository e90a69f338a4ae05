/**
 * sha256.test.ts — the vectors of FIPS 180-4, and Node's digest for every length around a block.
 */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { sha256 } from './sha256.js';

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

test('abc', () => expect(hex(sha256(Buffer.from('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'));

test('every length up to three blocks', () => {
  for (let n = 0; n <= 192; n++) {
    const message = Uint8Array.from({ length: n }, (_, i) => i * 7 + n);
    expect(hex(sha256(message))).toBe(createHash('sha256').update(message).digest('hex'));
  }
});
