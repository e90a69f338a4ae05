/**
 * state-layout.test.ts — a state of v86 apart and together again, byte for byte, over an image that only differences were put into.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PageImage, putDelta, wholePages } from './page-image.js';
import { JoinedState, splitState } from './state-layout.js';

/** As v86 writes one: four words, JSON, the block at the next word. */
function stateOf(info: string, block: Uint8Array): Uint8Array {
  const start = (16 + Buffer.byteLength(info) + 3) & ~3;
  const state = Buffer.alloc(start + block.length);
  state.writeUInt32LE(0x86768676, 0);
  state.writeUInt32LE(6, 4);
  state.writeUInt32LE(state.length, 8);
  state.writeUInt32LE(Buffer.byteLength(info), 12);
  state.write(info, 16);
  state.set(block, start);
  return Uint8Array.from(state);
}

const words = fc.array(fc.tuple(fc.nat(2999), fc.uint8Array({ minLength: 4, maxLength: 4 })), { maxLength: 5 });

test('the sum of differences and the last head are the last state, and a longer head moves nothing', () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.string({ maxLength: 40 }), words), { minLength: 1, maxLength: 8 }), (steps) => {
    const block = new Uint8Array(12_000);
    const image = new PageImage();
    const joined = new JoinedState();
    joined.grow(wholePages(block.length));
    for (const [info, writes] of steps) {
      for (const [word, bytes] of writes) block.set(bytes, word * 4);
      const state = stateOf(info, block);
      const parts = splitState(state);
      const delta = image.look(parts.block, 0);
      expect(delta.pages.length).toBeLessThanOrEqual(writes.length);
      putDelta(delta, joined.block, 0);
      const again = splitState(joined.withHead(parts.head));
      expect(Buffer.from(again.head.subarray(16)).toString().trimEnd()).toBe(info.trimEnd());
      expect(Buffer.compare(again.block.subarray(0, block.length), parts.block)).toBe(0);
    }
  }), { numRuns: 100 });
});

test('a head that is larger than the room for it is refused where it is taken, and a block that grows keeps what it has', () => {
  expect(() => splitState(stateOf(' '.repeat(256 * 1024 - 15), new Uint8Array(8)))).toThrow('the head of a state of v86 has 262145 bytes; 262144 at most can be taken');
  const joined = new JoinedState();
  joined.grow(8);
  joined.block.fill(7);
  joined.grow(4);
  joined.grow(12);
  expect([...joined.block]).toEqual([7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0]);
});

test('what is no state, or of a version that is not known, is refused', () => {
  const state = stateOf('{}', new Uint8Array(8));
  const other = Uint8Array.from(state);
  other[4] = 7;
  expect(() => splitState(other)).toThrow('states of this v86 have version 7; 6 is known');
  expect(() => splitState(state.subarray(0, 24))).toThrow('a state of v86 of 24 bytes says that it has 28');
  expect(() => splitState(state.subarray(0, 12))).toThrow('a state of v86 has no 12 bytes');
  const { head } = splitState(state);
  const joined = new JoinedState();
  joined.grow(4);
  expect(() => joined.withHead(head)).toThrow('the head of a state of v86 asks for 8 bytes and there are 4');
  expect(() => joined.withHead(head.subarray(0, 3))).toThrow('the head of a state of v86 has no 3 bytes');
});
