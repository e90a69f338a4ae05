/**
 * record.test.ts — any cut of the bytes gives the same records; any damage, loss, repetition or change of order is found, and told as one line.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EpochAssembler, EpochTally } from './epoch.js';
import { HEADER_BYTES, JSON_MAX, PAYLOAD_MAX, RECORD, RecordError, RecordReader, RecordWriter, isPart, payloadMax } from './record.js';
import type { RecordType, WireRecord } from './record.js';

type Plain = readonly [RecordType, Uint8Array, number];

const TYPES = Object.values(RECORD).filter((type) => type !== RECORD.END && type !== RECORD.REFUSED);
const plain = fc.tuple(fc.constantFrom(...TYPES), fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0, max: 0xffff }));
const END: Plain = [RECORD.END, Buffer.from('{"reason":"over"}'), 0];

function written(records: readonly Plain[]): Buffer[] {
  const writer = new RecordWriter();
  return records.map(([type, payload, flags]) => Buffer.concat([writer.header(type, payload, flags).header, payload]));
}

/** Reads it all, in pieces of these lengths, again and again. */
function read(bytes: Buffer, cuts: readonly number[] = [bytes.length + 1]): WireRecord[] {
  const reader = new RecordReader();
  const records: WireRecord[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = cuts[i % cuts.length] ?? 1;
    records.push(...reader.push(bytes.subarray(at, at + length)));
    at += length;
  }
  reader.end();
  return records;
}

/** The fault that is found in `bytes`. */
function faultOf(bytes: Buffer): string {
  try {
    read(bytes, [97]);
  } catch (error) {
    if (error instanceof RecordError) return error.message;
    throw error;
  }
  return '';
}

test('any cut of the byte stream gives the same records', () => {
  fc.assert(
    fc.property(fc.array(plain, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 8 }), (records, cuts) => {
      const got = read(Buffer.concat(written([...records, END])), cuts);
      expect(got.map(({ type, payload, flags, number }) => [type, payload.toString('hex'), flags, number])).toEqual([...records, END].map(([type, payload, flags], i) => [type, Buffer.from(payload).toString('hex'), flags, i]));
    }),
  );
});

test('a payload within one chunk is not copied; one in two chunks is copied once', () => {
  const bytes = Buffer.concat(written([[RECORD.IMAGE, Buffer.alloc(100, 7), 0]]));
  const [whole] = [...new RecordReader().push(bytes)];
  expect([whole?.payload.buffer === bytes.buffer, whole?.payload.length]).toEqual([true, 100]);
  const reader = new RecordReader();
  const [halved] = [...reader.push(bytes.subarray(0, 50)), ...reader.push(bytes.subarray(50))];
  expect(halved?.payload.equals(Buffer.alloc(100, 7))).toBe(true);
});

test('every flip of one bit is found', () => {
  const bytes = Buffer.concat(written([[RECORD.IMAGE, Buffer.from('page'), 1], [RECORD.ACK, Buffer.from('{}'), 0], END]));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const bad = Buffer.from(bytes);
    bad[bit >> 3]! ^= 1 << (bit & 7);
    expect(faultOf(bad), `bit ${bit}`).toMatch(/^[^\n]*record/);
  }
});

test('a header that is damaged is found before its payload has come', () => {
  const [bytes = Buffer.alloc(0)] = written([[RECORD.IMAGE, Buffer.alloc(5000), 0]]);
  bytes[10]! ^= 1;
  expect(() => [...new RecordReader().push(bytes.subarray(0, HEADER_BYTES))]).toThrow('record 0 has a damaged header');
});

test('every cut, a record left out, twice, or in another order, is found', () => {
  fc.assert(
    fc.property(fc.array(plain, { minLength: 2, maxLength: 8 }), fc.nat(), fc.nat(), (records, a, b) => {
      const parts = written([...records, END]);
      const whole = Buffer.concat(parts);
      expect(faultOf(whole)).toBe('');
      expect(faultOf(whole.subarray(0, a % whole.length))).toMatch(/the stream ends/);
      const [i, j] = [a % parts.length, b % parts.length];
      const one = parts[i] ?? Buffer.alloc(0);
      expect(faultOf(Buffer.concat(parts.filter((_, k) => k !== i)))).toMatch(/is missing|without an END/);
      expect(faultOf(Buffer.concat([...parts.slice(0, i), one, ...parts.slice(i)]))).toMatch(/is missing|behind the END/);
      const swapped = parts.with(i, parts[j] ?? one).with(j, one);
      expect(faultOf(Buffer.concat(swapped)) !== '').toBe(i !== j);
    }),
  );
});

test('any bytes are refused with one line, or wait for more', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 }), (chunks) => {
      const reader = new RecordReader();
      try {
        for (const chunk of chunks) for (const record of reader.push(Buffer.from(chunk))) expect(record.payload.length).toBeLessThanOrEqual(PAYLOAD_MAX);
      } catch (error) {
        expect(error).toBeInstanceOf(RecordError);
        expect((error as Error).message).not.toContain('\n');
      }
    }),
  );
});

test('what does not speak this is told apart from what is damaged', () => {
  expect(faultOf(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))).toBe('record 0 begins with byte 0x48, not with 0xb1: the other side does not speak this version, or bytes are lost');
});

test('a payload larger than its type may have is not written', () => {
  const writer = new RecordWriter();
  expect(() => writer.header(RECORD.IMAGE, Buffer.alloc(PAYLOAD_MAX + 1))).toThrow(`a payload of ${PAYLOAD_MAX + 1} bytes for IMAGE: at most ${PAYLOAD_MAX} are allowed`);
  expect(() => writer.header(RECORD.ACK, Buffer.alloc(JSON_MAX + 1))).toThrow('ACK');
  expect(payloadMax(RECORD.INBOUND)).toBe(PAYLOAD_MAX);
});

test('parts of a checkpoint are what is in it', () => {
  expect(Object.entries(RECORD).filter(([, type]) => isPart(type)).map(([name]) => name)).toEqual(['IMAGE', 'DEVICE', 'DISK']);
});

/** Two checkpoints as they are sent: 2 records, 1 record. */
function checkpoints(): { records: WireRecord[]; commits: ReturnType<EpochTally['close']>[] } {
  const records = read(Buffer.concat(written([[RECORD.IMAGE, Buffer.from('pages'), 0], [RECORD.DEVICE, Buffer.from('state'), 0], [RECORD.IMAGE, Buffer.from('more'), 0], END]))).slice(0, 3);
  const tally = new EpochTally();
  const commits = [0, 1].map((epoch) => {
    for (const { payload, crc } of epoch === 0 ? records.slice(0, 2) : records.slice(2)) tally.add(payload.length, crc);
    return tally.close(epoch);
  });
  return { records, commits };
}

test('a checkpoint is answered when its COMMIT says what came', () => {
  const { records, commits } = checkpoints();
  const assembler = new EpochAssembler(100);
  records.slice(0, 2).forEach((record) => assembler.add(record));
  expect(assembler.bytes).toBe(10);
  expect(assembler.commit(commits[0]!)).toEqual({ epoch: 0, bytes: 10, parts: records.slice(0, 2) });
  assembler.add(records[2]!);
  expect(assembler.commit(commits[1]!)).toEqual({ epoch: 1, bytes: 4, parts: [records[2]] });
  expect(assembler.commit({ epoch: 2, records: 0, bytes: 0, crc: 0 }).parts).toEqual([]);
});

test.each([
  ['a record is missing', (r: WireRecord[]) => r.slice(1), {}, 'checkpoint 0 is not whole: its COMMIT says records 2, and 1 came'],
  ['a record is there twice', (r: WireRecord[]) => [...r, ...r], {}, 'records 2, and 4 came'],
  ['the records are in another order', (r: WireRecord[]) => r.toReversed(), {}, 'its COMMIT says crc'],
  ['it is another checkpoint', (r: WireRecord[]) => r, { epoch: 3 }, 'checkpoint 0 is missing: the COMMIT is of 3'],
  ['the bytes differ', (r: WireRecord[]) => r, { bytes: 11 }, 'its COMMIT says bytes 11, and 10 came'],
])('%s: nothing is answered', (_, change, said, message) => {
  const { records, commits } = checkpoints();
  const assembler = new EpochAssembler(100);
  for (const record of change(records.slice(0, 2))) assembler.add(record);
  expect(() => assembler.commit({ ...commits[0]!, ...said })).toThrow(message);
});

test('a checkpoint is bounded', () => {
  const { records } = checkpoints();
  const assembler = new EpochAssembler(9);
  assembler.add(records[0]!);
  expect(() => assembler.add(records[1]!)).toThrow('record 1 (DEVICE) makes checkpoint 0 larger than 9 bytes, the most that is kept here');
});
