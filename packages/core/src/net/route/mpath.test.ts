/**
 * mpath.test.ts — weights to slots.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mpathCompile, mpathSlots } from './mpath.js';
import { RIB_MAX_MPATH_WIDTH } from './rtentry.js';

describe('mpathSlots', () => {
  it.each([
    [[1, 1], 2], [[1, 2], 3], [[100, 200], 3], [[100, 200, 400], 7], [[3, 3, 3], 3], [[2, 3], 5], [[13, 21], 64], [[1, 1_000_000], 64], [[5], 1],
  ])('%j -> %i', (weights, slots) => {
    expect(mpathSlots(weights)).toBe(slots);
  });

  it('gives every path its share, to within one slot', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 0xff_ffff }), { minLength: 1, maxLength: 20 }), (weights) => {
        const slots = mpathCompile(weights);
        const total = weights.reduce((a, b) => a + b, 0);
        expect(slots.length).toBe(mpathSlots(weights));
        expect(slots.length).toBeLessThanOrEqual(RIB_MAX_MPATH_WIDTH);
        weights.forEach((w, i) => {
          const share = slots.filter((s) => s === i).length;
          expect(Math.abs(share - (w * slots.length) / total)).toBeLessThan(weights.length);
        });
      }),
    );
  });
});
