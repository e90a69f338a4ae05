/**
 * device-delta.test.ts — the state that comes out is the one that went in, in few bytes when little changed; two sides that have come apart notice.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEVICE_BYTES_MAX, DeviceDecoder, DeviceEncoder } from './device-delta.js';

/** A state of another length, with bytes changed. */
interface Change {
  readonly at: number;
  readonly take: number;
  readonly put: Uint8Array;
  readonly noise: readonly (readonly [number, number])[];
}

const anyChange: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(), take: fc.constantFrom(0, 0, 0, 1, 17, 5_000), put: fc.uint8Array({ maxLength: 30 }), noise: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 30 }),
});

function changed(state: Uint8Array, { at, take, put, noise }: Change): Uint8Array {
  const place = at % (state.length + 1);
  const next = Buffer.concat([state.subarray(0, place), put, state.subarray(place + take)]);
  for (const [where, value] of noise) if (next.length > 0) next[where % next.length] = value;
  return next;
}

const base = Uint8Array.from({ length: 4_000 }, (_, i) => (i * i) >>> 3);

test('any series of states comes back', () => {
  fc.assert(
    fc.property(fc.array(anyChange, { maxLength: 12 }), (changes) => {
      const encoder = new DeviceEncoder();
      const decoder = new DeviceDecoder();
      let state: Uint8Array = base;
      for (const change of [null, ...changes]) {
        if (change !== null) state = changed(state, change);
        expect(Buffer.compare(decoder.decode(encoder.encode(state)), state)).toBe(0);
      }
    }),
  );
});

test('few bytes that differ are few bytes', () => {
  const encoder = new DeviceEncoder();
  const state = Buffer.from(base);
  encoder.encode(state);
  expect(encoder.encode(state).length).toBe(12);
  for (let i = 0; i < 40; i++) state[i * 97]! ^= 1;
  expect(encoder.encode(state).length).toBe(12 + 40 * 3);
});

test('so are some that were put in, or taken out, and some that differ before and behind them', () => {
  const encoder = new DeviceEncoder();
  encoder.encode(base);
  const noise = [[3, 1], [3_900, 2]] as const;
  const longer = changed(base, { at: 2_000, take: 0, put: Buffer.alloc(8, 0xaa), noise });
  expect(encoder.encode(longer).length).toBeLessThan(12 + 8 + 12);
  expect(encoder.encode(base).length).toBeLessThan(12 + 12);
});

test('states are copies on both sides', () => {
  const encoder = new DeviceEncoder();
  const decoder = new DeviceDecoder();
  const state = Buffer.from(base);
  const record = encoder.encode(state);
  state.fill(1);
  expect(Buffer.compare(decoder.decode(record), base)).toBe(0);
  record.fill(0);
  expect(Buffer.compare(decoder.decode(encoder.encode(state)), state)).toBe(0);
});

test('a difference that was lost is noticed, and the decoder keeps what it had', () => {
  const encoder = new DeviceEncoder();
  const decoder = new DeviceDecoder();
  const second = changed(base, { at: 0, take: 0, put: new Uint8Array(), noise: [[7, base[7]! ^ 1]] });
  const third = changed(second, { at: 0, take: 0, put: new Uint8Array(), noise: [[9, base[9]! ^ 1]] });
  decoder.decode(encoder.encode(base));
  const lost = encoder.encode(second);
  const record = encoder.encode(third);
  expect(() => decoder.decode(record)).toThrow('the two sides have come apart, and begin anew');
  decoder.decode(lost);
  expect(Buffer.compare(decoder.decode(record), third)).toBe(0);
});

test('random bytes are refused in one line', () => {
  const decoder = new DeviceDecoder();
  decoder.decode(new DeviceEncoder().encode(base));
  const head = fc.tuple(fc.nat(5_000), fc.nat(), fc.nat(5_000)).map((words) => {
    const bytes = Buffer.alloc(12);
    for (const [i, word] of words.entries()) bytes.writeUInt32BE(word, i * 4);
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.constant(new Uint8Array()), head), fc.uint8Array({ maxLength: 60 }), (first, rest) => {
      expect(() => decoder.decode(Buffer.concat([first, rest]))).toThrow(/^the difference of a device state is malformed: .+$/);
    }),
    { numRuns: 500 },
  );
});

test('a state that is too long is refused on both sides', () => {
  expect(() => new DeviceEncoder().encode(new Uint8Array(DEVICE_BYTES_MAX + 1))).toThrow(`a device state of ${DEVICE_BYTES_MAX + 1} bytes`);
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(DEVICE_BYTES_MAX + 1, 0);
  expect(() => new DeviceDecoder().decode(bytes)).toThrow(`${DEVICE_BYTES_MAX + 1} bytes of state`);
});
