/**
 * calendar.test.ts — dates against the engine's own.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ctimeText } from './calendar.js';

test('known days', () => {
  expect(ctimeText(0)).toBe('Thu Jan  1 00:00:00 1970');
  expect(ctimeText(1_700_000_000_999_999)).toBe('Tue Nov 14 22:13:20 2023');
});

test('any second until 2100 is what the engine says', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_799 }), (sec) => {
      const [weekday = '', day = '', month = '', year = '', time = ''] = new Date(sec * 1_000).toUTCString().replace(',', '').split(' ');
      expect(ctimeText(sec * 1_000_000)).toBe(`${weekday} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`);
    }),
  );
});
