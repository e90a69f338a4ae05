/**
 * page-image.test.ts — the sum of all differences is the image, whatever it went through.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PAGE_BYTES } from '../checkpoint.js';
import { PageImage, putDelta } from './page-image.js';

const PAGES = 40;
/** Of the last page, as much as is there. */
const LAST = 100;
const BYTES = (PAGES - 1) * PAGE_BYTES + LAST;

const write = fc.record({ at: fc.nat(BYTES - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 6000 }) });
const look = fc.record({ from: fc.nat(PAGES + 2), pagesMax: fc.integer({ min: 1, max: PAGES }) });

test('differences of looks at any part, in any order, and of one last look at all make the image of zeros', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.array(write, { maxLength: 4 }), look), { maxLength: 12 }), fc.boolean(), (steps, forgets) => {
    const now = new Uint8Array(BYTES);
    const image = new PageImage();
    let copy = new Uint8Array(PAGES * PAGE_BYTES);
    for (const [i, [writes, { from, pagesMax }]] of steps.entries()) {
      for (const { at, bytes } of writes) now.set(bytes.subarray(0, BYTES - at), at);
      if (forgets && i === 3) {
        image.forget(BYTES);
        copy = new Uint8Array(copy.length);
      }
      const part = image.look(now, 0, from, pagesMax);
      expect(part.pages.length).toBeLessThanOrEqual(pagesMax);
      putDelta(part, copy, 0);
    }
    putDelta(image.look(now, 0), copy, 0);
    expect(Buffer.compare(copy.subarray(0, BYTES), now)).toBe(0);
    expect(copy.subarray(BYTES)).toEqual(new Uint8Array(PAGE_BYTES - LAST));
    expect(image.look(now, 0)).toMatchObject({ pages: new Uint32Array(0), next: null });
  }), { numRuns: 60 });
});

test('a look that stops at its limit goes on where it says', () => {
  const image = new PageImage();
  const now = new Uint8Array(PAGES * PAGE_BYTES);
  for (const page of [0, 5, 6, 31, 39]) now[page * PAGE_BYTES + 7] = 1;
  const first = image.look(now, 0, 0, 2);
  expect([...first.pages]).toEqual([0, 5]);
  const second = image.look(now, 0, first.next ?? -1, 2);
  expect([...second.pages]).toEqual([6, 31]);
  expect(image.look(now, 0, second.next ?? -1, 2)).toMatchObject({ pages: Uint32Array.of(39), next: null });
});

test('a part has a place of its own in the image, which grows for it, and is put into a copy that begins there', () => {
  const image = new PageImage();
  image.look(new Uint8Array(2 * PAGE_BYTES).fill(3), 0);
  const behind = image.look(new Uint8Array(PAGE_BYTES + 8).fill(9), 2);
  expect([...behind.pages]).toEqual([2, 3]);
  expect(image.imageBytes).toBe(4 * PAGE_BYTES);
  const before = new Uint8Array(2 * PAGE_BYTES);
  const copy = new Uint8Array(2 * PAGE_BYTES);
  putDelta(behind, before, 0);
  putDelta(behind, copy, 2);
  expect(before).toEqual(new Uint8Array(2 * PAGE_BYTES));
  expect(copy.subarray(0, PAGE_BYTES + 8)).toEqual(new Uint8Array(PAGE_BYTES + 8).fill(9));
  expect(copy.subarray(PAGE_BYTES + 8)).toEqual(new Uint8Array(PAGE_BYTES - 8));
});
