/**
 * state-layout.ts — a state of v86 apart, so that what does not change stays where it is: its head, and a block of bytes.
 * Read first: v86's src/state.js.
 *
 * Theory of operation. v86 writes a state as four words (a magic number, a version, all its bytes, the bytes of its information), the information as JSON, and a block of
 * buffers, one behind the other, whose places in the block are in the JSON. The text of a number is as long as it is, so the JSON's length changes and shifts the block;
 * within the block nothing shifts as long as buffers keep their lengths, and they do: only the one of packed memory does not, and it is empty here (v86-emulator.ts
 * says why). So the block is a part of the image, and the head goes with each checkpoint as it is.
 *
 * A state that is put together has a head of HEAD_MAX, filled up with spaces, so that its block has its place before any head is there: nothing is copied when it is needed.
 */
const MAGIC = 0x86768676;
const VERSION = 6;
const WORDS_BYTES = 16;
/** Of a head; it is some ten kilobytes. */
const HEAD_MAX = 256 * 1024;
const SPACE = 0x20;

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
  if (WORDS_BYTES + info > HEAD_MAX) throw new Error(`the head of a state of v86 has ${WORDS_BYTES + info} bytes; ${HEAD_MAX} at most can be taken`);
  return { head: state.subarray(0, WORDS_BYTES + info), block: state.subarray(blockStart(WORDS_BYTES + info)) };
}

/** A state whose block comes before its head. */
export class JoinedState {
  private bytes = new Uint8Array(HEAD_MAX);

  get block(): Uint8Array {
    return this.bytes.subarray(HEAD_MAX);
  }

  /** Zeros behind what there is. */
  grow(blockBytes: number): void {
    if (HEAD_MAX + blockBytes <= this.bytes.length) return;
    const grown = new Uint8Array(HEAD_MAX + blockBytes).fill(0); // so that it has its memory now, not when it is needed
    grown.set(this.bytes);
    this.bytes = grown;
  }

  /** The state that `splitState` has taken this head from. @throws Error, one line: it is none, or is of a larger block */
  withHead(head: Uint8Array): Uint8Array<ArrayBuffer> {
    if (head.length < WORDS_BYTES || head.length > HEAD_MAX) throw new Error(`the head of a state of v86 has no ${head.length} bytes`);
    const [, , total] = wordsOf(head);
    const blockBytes = total - blockStart(head.length);
    if (blockBytes < 0 || blockBytes > this.block.length) throw new Error(`the head of a state of v86 asks for ${blockBytes} bytes and there are ${this.block.length}`);
    this.bytes.fill(SPACE, head.length, HEAD_MAX);
    this.bytes.set(head);
    const words = new DataView(this.bytes.buffer);
    words.setUint32(8, this.bytes.length, true);
    words.setUint32(12, HEAD_MAX - WORDS_BYTES, true);
    return this.bytes;
  }
}

function wordsOf(bytes: Uint8Array): [magic: number, version: number, total: number, info: number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, WORDS_BYTES);
  return [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true)];
}

function blockStart(headBytes: number): number {
  return (headBytes + 3) & ~3;
}
