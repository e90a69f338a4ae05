/**
 * state-layout.ts — a state of v86 apart, so that what does not change stays where it is: its head, and a block of bytes.
 * Read first: v86's src/state.js.
 *
 * Theory of operation. v86 writes a state as four words (a magic number, a version, all its bytes, the bytes of its information), the information as JSON, and a block of
 * buffers, one behind the other, whose places in the block are in the JSON. The text of a number is as long as it is, so the JSON's length changes and shifts the block;
 * within the block nothing shifts as long as buffers keep their lengths, and they do: only the one of packed memory does not, and it is empty here (v86-emulator.ts
 * says why). So the block is a part of the image, and the head goes with each checkpoint as it is.
 */
const MAGIC = 0x86768676;
const VERSION = 6;
const WORDS_BYTES = 16;

export interface StateParts {
  /** The four words and the JSON. */
  readonly head: Uint8Array;
  readonly block: Uint8Array;
}

/** @throws Error, one line: not a state that is known here. */
export function splitState(state: Uint8Array): StateParts {
  if (state.length < WORDS_BYTES) throw new Error(`a state of v86 has no ${state.length} bytes`);
  const [magic, version, total, info] = wordsOf(state);
  if (magic !== MAGIC || version !== VERSION) throw new Error(`states of this v86 have version ${version}; ${VERSION} is known`);
  if (total !== state.length || WORDS_BYTES + info > total) throw new Error(`a state of v86 of ${state.length} bytes says that it has ${total}`);
  return { head: state.subarray(0, WORDS_BYTES + info), block: state.subarray(blockStart(WORDS_BYTES + info)) };
}

/** The state that `splitState` has taken apart; of `block` as many bytes are used as the head says. @throws Error, one line */
export function joinState(head: Uint8Array, block: Uint8Array): Uint8Array<ArrayBuffer> {
  if (head.length < WORDS_BYTES) throw new Error(`the head of a state of v86 has no ${head.length} bytes`);
  const [, , total] = wordsOf(head);
  const start = blockStart(head.length);
  if (total < start || total - start > block.length) throw new Error(`the head of a state of v86 asks for ${total - start} bytes and there are ${block.length}`);
  const state = new Uint8Array(total);
  state.set(head);
  state.set(block.subarray(0, total - start), start);
  return state;
}

function wordsOf(bytes: Uint8Array): [magic: number, version: number, total: number, info: number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, WORDS_BYTES);
  return [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true)];
}

function blockStart(headBytes: number): number {
  return (headBytes + 3) & ~3;
}
