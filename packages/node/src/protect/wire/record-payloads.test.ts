/**
 * record-payloads.test.ts — what is not as it must be is refused by name; no bytes do more than that.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as payloads from './record-payloads.js';
import { RecordError } from './record.js';

const HELLO = { protocol: 1, version: '0.1.0', machine: 'db', generation: 3, engine: 'qemu', firstEpoch: 0, imageBytes: 4096, fence: 'none', beatMs: 50, timeoutMs: 500, spec: { memory: 1 } };
const bytesOf = (value: unknown): Buffer => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

const READERS = Object.entries(payloads).flatMap(([name, reads]) => (/^read[A-Z]/.test(name) ? [{ name, reads: reads as (payload: Buffer) => object }] : []));

test('what is right is answered as it came', () => {
  expect(payloads.readHello(bytesOf(HELLO))).toEqual(HELLO);
  expect(payloads.readCommit(bytesOf({ epoch: 1, records: 2, bytes: 3, crc: 4 }))).toEqual({ epoch: 1, records: 2, bytes: 3, crc: 4 });
  expect(payloads.readBeat(bytesOf({ echo: 7 }))).toEqual({ echo: 7 });
  expect(payloads.readBeat(bytesOf({ n: 7, at: 1.5 }))).toEqual({ n: 7, at: 1.5 });
});

test.each<[string, (payload: Buffer) => object, unknown, string]>([
  ['no JSON', payloads.readAck, '{', 'ACK is not JSON: "{"'],
  ['a list', payloads.readAck, [], 'ACK is a list, and it must be an object'],
  ['a field is missing', payloads.readAck, { epoch: 1 }, 'ACK has no keptMs'],
  ['a field too many', payloads.readAck, { epoch: 1, keptMs: 0, more: 1 }, 'ACK has a field "more" that there is not'],
  ['a negative number', payloads.readAck, { epoch: -1, keptMs: 0 }, 'ACK has epoch -1, and it must be a whole number'],
  ['a fraction', payloads.readAck, { epoch: 0.5, keptMs: 0 }, 'epoch 0.5'],
  ['too large a sum', payloads.readCommit, { epoch: 1, records: 2, bytes: 3, crc: 2 ** 32 }, 'a number of 32 bits'],
  ['an empty name', payloads.readLives, { machine: '', generation: 0, alone: true }, 'LIVES has machine "", and it must be a name'],
  ['no truth', payloads.readLives, { machine: 'db', generation: 0, alone: 1 }, 'true or false'],
  ['another protocol', payloads.readHello, { ...HELLO, protocol: 2 }, 'HELLO has protocol 2, and it must be 1: both sides must run the same version of netloom'],
  ['another engine', payloads.readHello, { ...HELLO, engine: 'xen' }, '"qemu" or "v86"'],
  ['a spec that is a list', payloads.readHello, { ...HELLO, spec: [] }, 'HELLO has spec a list'],
  ['a long reason', payloads.readNak, { epoch: 1, reason: 'x'.repeat(5000) }, 'at most 4096 characters'],
  ['an inherited field', payloads.readJoin, '{"__proto__":{"session":"x"}}', 'JOIN has no session'],
])('%s is refused', (_, reads, value, message) => {
  expect(() => reads(bytesOf(value))).toThrow(message);
});

test('a spec that is too deep is refused', () => {
  const deep = `${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}`;
  expect(() => payloads.readHello(bytesOf(JSON.stringify({ ...HELLO, spec: 0 }).replace('"spec":0', `"spec":${deep}`)))).toThrow('HELLO has spec an object');
});

test('any bytes and any JSON are refused with one line by every reader, or are right', () => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 100 }).map((b) => Buffer.from(b)), fc.json().map((text) => Buffer.from(text)));
  fc.assert(
    fc.property(bytes, (payload) => {
      for (const { name, reads } of READERS) {
        try {
          reads(payload);
        } catch (error) {
          expect(error, name).toBeInstanceOf(RecordError);
          expect((error as Error).message).not.toContain('\n');
        }
      }
    }),
  );
  expect(READERS.length).toBe(13);
});

test('a reason is a line that a reader takes', () => {
  const reason = payloads.reasonText(`two\nlines ${'x'.repeat(9000)}`);
  expect(payloads.readEnd(bytesOf({ reason }))).toEqual({ reason });
  expect(reason).toMatch(/^two lines x+\.\.\.$/);
});
