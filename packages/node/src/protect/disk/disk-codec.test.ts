/**
 * disk-codec.test.ts — what is written to a disk goes through records and back; what is no record is refused.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BODY_BYTES_MAX, decodeDiskWrites, DiskCodecError, encodeDiskWrites, RECORD_BYTES_MAX } from './disk-codec.js';
import type { DiskWrites } from './held-epoch.js';

const BYTES = 8 * 1_048_576;

/** Writes with gaps between them, up to bodies and more. */
const writes: fc.Arbitrary<DiskWrites> = fc.record({
  zeros: fc.array(fc.record({ gap: fc.nat(9000), length: fc.integer({ min: 1, max: 100_000 }) }), { maxLength: 20 }),
  data: fc.array(fc.record({ gap: fc.nat(9000), length: fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.constantFrom(BODY_BYTES_MAX - 13, 1_048_576, 2_500_000)), fill: fc.nat(255) }), { maxLength: 3 }),
  flushed: fc.boolean(),
}).map(({ zeros, data, flushed }) => {
  let end = 0;
  const next = (gap: number, length: number): number => {
    end += gap + length;
    return end - length;
  };
  const zeroed = zeros.map(({ gap, length }) => ({ offset: next(gap, length), length }));
  end = 0;
  return { zeros: zeroed, data: data.map(({ gap, length, fill }) => ({ offset: next(gap, length), bytes: Buffer.alloc(length, fill) })), flushed };
});

/** A disk that is not zeros, with them on it. */
function applied(all: readonly DiskWrites[]): Buffer {
  const disk = Buffer.alloc(BYTES, 0xee);
  for (const { zeros, data } of all) {
    for (const { offset, length } of zeros) disk.fill(0, offset, offset + length);
    for (const { offset, bytes } of data) disk.set(bytes, offset);
  }
  return disk;
}

async function recordsOf(one: DiskWrites, pack: boolean): Promise<Uint8Array[]> {
  const records: Uint8Array[] = [];
  for await (const record of encodeDiskWrites(one, pack)) records.push(record);
  return records;
}

it('records say what was written, deflated or not, and are not too long', async () => {
  await fc.assert(fc.asyncProperty(writes, fc.boolean(), async (one, pack) => {
    const records = await recordsOf(one, pack);
    for (const record of records) expect(record.length).toBeLessThanOrEqual(RECORD_BYTES_MAX);
    const back = await Promise.all(records.map((record) => decodeDiskWrites(record, BYTES)));
    expect(Buffer.compare(applied(back), applied([one]))).toBe(0);
    expect(back.some(({ flushed }) => flushed)).toBe(one.flushed);
  }), { numRuns: 20, seed: 5 });
});

it('what does not shrink is not deflated, and nothing is no record', async () => {
  const mixed = Buffer.from(Array.from({ length: 256 }, (_, i) => (i * 167) & 255));
  const [plain] = await recordsOf({ zeros: [], data: [{ offset: 0, bytes: mixed }], flushed: false }, true);
  expect(plain).toHaveLength(1 + 13 + 256);
  const [packed] = await recordsOf({ zeros: [], data: [{ offset: 0, bytes: Buffer.alloc(256) }], flushed: false }, true);
  expect(packed!.length).toBeLessThan(40);
  expect(await recordsOf({ zeros: [], data: [], flushed: false }, true)).toEqual([]);
});

it('what is malformed is refused', async () => {
  const [good] = await recordsOf({ zeros: [{ offset: 0, length: 5 }], data: [{ offset: 10, bytes: Buffer.alloc(30, 1) }], flushed: false }, false);
  const [packed] = await recordsOf({ zeros: [], data: [{ offset: 10, bytes: Buffer.alloc(3000, 1) }], flushed: false }, true);
  const changed = (at: number, byte: number): Uint8Array => good!.map((old, i) => (i === at ? byte : old));
  const [zeros, data] = [good!.subarray(1, 14), good!.subarray(14)];
  const bad: Uint8Array[] = [
    new Uint8Array(0), changed(0, 4), changed(0, 1), good!.subarray(0, -1), good!.subarray(0, 20), Buffer.concat([good!, Buffer.of(0)]),
    changed(1, 2), changed(13, 0), changed(9, 1), // a kind, no bytes, too many of them
    Buffer.concat([Buffer.of(0), data, zeros]), Buffer.concat([Buffer.of(0), data, data]), Buffer.concat([Buffer.of(0), zeros, zeros]),
    packed!.subarray(0, -1), Buffer.concat([Buffer.of(1), await import('node:zlib').then((zlib) => zlib.deflateRawSync(Buffer.alloc(BODY_BYTES_MAX + 1)))]),
    new Uint8Array(RECORD_BYTES_MAX + 1),
  ];
  for (const record of bad) await expect(decodeDiskWrites(record, BYTES)).rejects.toThrow(DiskCodecError);
  await expect(decodeDiskWrites(good!, 39)).rejects.toThrow('not on a disk of 39');
  await decodeDiskWrites(good!, 40);
});

it('whatever comes, it is a record or a DiskCodecError', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.nat(3), async (bytes, flags) => {
    try {
      await decodeDiskWrites(Buffer.concat([Buffer.of(flags), bytes]), 100);
    } catch (error) {
      expect(error).toBeInstanceOf(DiskCodecError);
    }
  }), { numRuns: 300, seed: 6 });
});
