/**
 * delta-codec.test.ts — what is decoded is what was encoded; bytes of another origin are refused, or a delta within its image.
 */
import { Prng } from '@netloom/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageDelta } from '../checkpoint.js';
import { decodeDelta, encodeDelta, RECORD_PAGES } from './delta-codec.js';

/** Pages with `noise` bytes each that are not zero. */
function deltaOf(pages: readonly number[], pageCount: number, noise: number, seed: number): ImageDelta {
  const xor = new Uint8Array(pages.length * PAGE_BYTES);
  let state = seed;
  for (let page = 0; page < pages.length; page++) {
    for (let i = 0; i < noise; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      xor[page * PAGE_BYTES + (state >>> 12) % PAGE_BYTES] = state >>> 24;
    }
  }
  return { imageBytes: pageCount * PAGE_BYTES, pages: Uint32Array.from(pages), xor };
}

const anyDelta = fc
  .record({ pageCount: fc.integer({ min: 0, max: 2_000 }), pages: fc.uniqueArray(fc.nat(1_999), { maxLength: 20 }), fill: fc.constantFrom(0, 0, 0, 1, 4), noise: fc.constantFrom(0, 8, 9_000), seed: fc.nat() })
  .map(({ pageCount, pages, fill, noise, seed }) => {
    // `fill`: a long run too.
    const run = Array.from({ length: fill * 130 }, (_, i) => i + 100);
    const all = [...new Set([...pages, ...run])].filter((page) => page < pageCount).sort((a, b) => a - b);
    return deltaOf(all, pageCount, noise, seed);
  });

async function decodeAll(records: readonly Uint8Array[]): Promise<ImageDelta> {
  const parts = await Promise.all(records.map(decodeDelta));
  for (const part of parts) expect(part.imageBytes).toBe(parts[0]!.imageBytes);
  return { imageBytes: parts[0]!.imageBytes, pages: Uint32Array.from(parts.flatMap(({ pages }) => [...pages])), xor: Buffer.concat(parts.map(({ xor }) => xor)) };
}

function expectSame(a: ImageDelta, b: ImageDelta): void {
  expect(a.imageBytes).toBe(b.imageBytes);
  expect([...a.pages]).toEqual([...b.pages]);
  expect(Buffer.compare(a.xor, b.xor)).toBe(0);
}

test.each([false, true])('any delta comes back (pack: %s), in records that are not long', async (pack) => {
  await fc.assert(
    fc.asyncProperty(anyDelta, async (delta) => {
      const records = await encodeDelta(delta, { pack });
      expect(records.length).toBe(Math.max(1, Math.ceil(delta.pages.length / RECORD_PAGES)));
      for (const { length } of records) expect(length).toBeLessThanOrEqual(RECORD_PAGES * (PAGE_BYTES + 6) + 7);
      expectSame(await decodeAll(records), delta);
    }),
    { numRuns: 40 },
  );
});

test('pages that changed little are packed, and noise is left as it is', async () => {
  const little = deltaOf([1, 2, 5], 10, 8, 1);
  const length = (records: readonly Uint8Array[]): number => records.reduce((n, record) => n + record.length, 0);
  expect(length(await encodeDelta(little, { pack: true }))).toBeLessThan(300);
  const rng = new Prng(1);
  const noise = { ...little, xor: little.xor.map(() => rng.u32() >>> 24) };
  expect(length(await encodeDelta(noise, { pack: true }))).toBe(length(await encodeDelta(noise, { pack: false })));
});

test('a record is a copy', async () => {
  const delta = deltaOf([3], 10, 8, 1);
  const before = { ...delta, xor: delta.xor.slice() };
  const records = [...(await encodeDelta(delta, { pack: false })), ...(await encodeDelta(delta, { pack: true }))];
  delta.xor.fill(9);
  for (const record of records) expectSame(await decodeDelta(record), before);
});

/** Decoded and within bounds, or refused in one line. */
async function expectDecent(bytes: Uint8Array): Promise<void> {
  let delta: ImageDelta;
  try {
    delta = await decodeDelta(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(/^a record of a machine's image is malformed: .+$/);
    return;
  }
  expect(delta.xor.length).toBe(delta.pages.length * PAGE_BYTES);
  expect(delta.pages.length).toBeLessThanOrEqual(RECORD_PAGES);
  const pages = [...delta.pages];
  expect(pages.every((page, i) => i === 0 || page > pages[i - 1]!)).toBe(true);
  expect(((pages.at(-1) ?? -1) + 1) * PAGE_BYTES).toBeLessThanOrEqual(delta.imageBytes);
}

test('random bytes are refused, or a delta within its image', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), expectDecent), { numRuns: 500 });
});

test('so is a record with bytes changed, put in or taken out', async () => {
  const change = fc.record({ at: fc.nat(), value: fc.nat(255), how: fc.constantFrom('set', 'insert', 'cut') });
  await fc.assert(
    fc.asyncProperty(anyDelta, fc.boolean(), change, async (delta, pack, { at, value, how }) => {
      const [record] = (await encodeDelta(delta, { pack })) as [Uint8Array];
      // Mostly the head, where it matters.
      const place = at % Math.min(record.length, 60);
      const middle = Uint8Array.from(how === 'cut' ? [] : [value]);
      await expectDecent(Buffer.concat([record.subarray(0, place), middle, record.subarray(how === 'insert' ? place : place + 1)]));
    }),
    { numRuns: 100 },
  );
});

const head = (packing: number, pageCount: number, runs: readonly (readonly [number, number])[]): Buffer => {
  const bytes = Buffer.alloc(7 + runs.length * 6);
  bytes.writeUInt8(packing, 0);
  bytes.writeUInt32BE(pageCount, 1);
  bytes.writeUInt16BE(runs.length, 5);
  for (const [i, [first, length]] of runs.entries()) {
    bytes.writeUInt32BE(first, 7 + i * 6);
    bytes.writeUInt16BE(length, 11 + i * 6);
  }
  return bytes;
};
const pagesOf = (count: number): Buffer => Buffer.alloc(count * PAGE_BYTES);

test.each([
  ['no head', Buffer.alloc(6), '6 bytes are less than its head'],
  ['a packing of the future', Buffer.concat([head(2, 9, [[0, 1]]), pagesOf(1)]), 'packing 2 is not known'],
  ['more runs than it holds', head(0, 9, [[0, 1]]).subarray(0, 9), '1 runs of pages do not fit'],
  ['a page behind the end', Buffer.concat([head(0, 9, [[8, 2]]), pagesOf(2)]), 'pages 8 to 10'],
  ['pages that go back', Buffer.concat([head(0, 9, [[4, 1], [3, 1]]), pagesOf(2)]), 'pages 3 to 4 come after page 5'],
  ['a page twice', Buffer.concat([head(0, 9, [[4, 1], [4, 1]]), pagesOf(2)]), 'pages 4 to 5 come after page 5'],
  ['an empty run', head(0, 9, [[4, 0]]), '0 pages in a run'],
  ['too many pages', Buffer.concat([head(0, 999, [[4, 257]]), pagesOf(257)]), '257 pages in a run'],
  ['a page too few', Buffer.concat([head(0, 9, [[4, 2]]), pagesOf(1)]), '2 pages have 4096 bytes'],
  ['a byte too many', Buffer.concat([head(0, 9, [[4, 1]]), pagesOf(1), Buffer.alloc(1)]), '1 pages have 4097 bytes'],
  ['what is not deflated', Buffer.concat([head(1, 9, [[4, 1]]), Buffer.alloc(9, 255)]), 'cannot be unpacked'],
])('%s is refused', async (_what, bytes, why) => {
  await expect(decodeDelta(bytes)).rejects.toThrow(why);
});

test('what unpacks to more than its pages is refused, and what has more behind it', async () => {
  const [record] = (await encodeDelta(deltaOf([0, 1, 2], 9, 0, 1), { pack: true })) as [Uint8Array];
  const body = record.subarray(13);
  await expect(decodeDelta(Buffer.concat([head(1, 9, [[0, 2]]), body]))).rejects.toThrow('cannot be unpacked');
  await expect(decodeDelta(Buffer.concat([head(1, 9, [[0, 4]]), body]))).rejects.toThrow('4 pages have 12288 bytes');
  await expect(decodeDelta(Buffer.concat([record, Buffer.alloc(3)]))).rejects.toThrow('3 bytes follow its differences');
});
