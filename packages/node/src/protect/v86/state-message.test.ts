/**
 * state-message.test.ts — messages come out of a stream as they went in, wherever it is cut; what is none is refused.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PAGE_BYTES } from '../checkpoint.js';
import { StateReader, deltaFault, messageParts } from './state-message.js';
import type { StateMessage } from './state-message.js';

function message(pages: readonly number[], device: Uint8Array): StateMessage {
  const xor = new Uint8Array(pages.length * PAGE_BYTES);
  for (const [i, page] of pages.entries()) xor.fill(page + 1, i * PAGE_BYTES, (i + 1) * PAGE_BYTES);
  return { delta: { imageBytes: 16 * PAGE_BYTES, pages: Uint32Array.from(pages), xor }, device };
}

const messages = fc.array(fc.tuple(fc.uniqueArray(fc.nat(15), { maxLength: 3 }), fc.uint8Array({ maxLength: 50 })), { minLength: 1, maxLength: 4 });

test('a stream of messages, cut anywhere, is those messages', () => {
  fc.assert(fc.property(messages, fc.integer({ min: 1, max: 5000 }), (all, cut) => {
    const sent = all.map(([pages, device]) => message(pages.sort((a, b) => a - b), device));
    const stream = Buffer.concat(sent.flatMap(messageParts));
    const got: StateMessage[] = [];
    const reader = new StateReader((one) => got.push(one));
    for (let at = 0; at < stream.length; at += cut) reader.push(stream.subarray(at, at + cut));
    expect(got.map(whole)).toEqual(sent.map(whole));
  }), { numRuns: 60 });
});

function whole({ delta, device }: StateMessage): unknown {
  return [delta.imageBytes, [...delta.pages], Buffer.from(delta.xor).toString('latin1'), [...device]];
}

test('a header that asks for more than there can be is refused before its body comes', () => {
  const header = new DataView(new ArrayBuffer(16));
  header.setUint32(0, 17, true);
  header.setFloat64(8, 16 * PAGE_BYTES, true);
  const reader = new StateReader(() => undefined);
  expect(() => reader.push(new Uint8Array(header.buffer))).toThrow('a message with 17 pages of an image of 65536 bytes and 0 bytes of device state is none');
});

test('differences that an image cannot take are told by what is wrong', () => {
  const { delta } = message([1, 2], new Uint8Array(0));
  expect(deltaFault(delta)).toBeNull();
  expect(deltaFault({ ...delta, imageBytes: 2 * PAGE_BYTES })).toBe('page 2 is beyond an image of 8192 bytes');
  expect(deltaFault({ ...delta, imageBytes: 100 })).toBe('an image has no 100 bytes');
  expect(deltaFault({ ...delta, pages: Uint32Array.of(2, 2) })).toBe('page 2 comes after page 2');
  expect(deltaFault({ ...delta, xor: new Uint8Array(5) })).toBe('2 pages have no 5 bytes');
});
