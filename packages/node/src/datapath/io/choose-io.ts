/**
 * choose-io.ts — which FrameIo a thread uses: io_uring where the kernel has it, poll(2) otherwise, or what it is told.
 * Read first: uring-io.ts, poll-io.ts.
 *
 * Not here: whoever asks for the reason (`netloom top`).
 */
import type { Libc } from '../../tap/libc.js';
import type { FrameHandler, FrameIo } from './frame-io.js';
import { PollIo } from './poll-io.js';
import { UringIo } from './uring-io.js';
import { errorLine } from '../../error-line.js';

export type FrameIoKind = 'io_uring' | 'poll';
/** `auto`: the better one that works here. */
export type FrameIoWish = FrameIoKind | 'auto';
export const FRAME_IO_WISHES: readonly FrameIoWish[] = ['auto', 'io_uring', 'poll'];

export interface ChosenFrameIo {
  readonly io: FrameIo;
  readonly kind: FrameIoKind;
  /** Why it is not the other one; empty where there is nothing to explain. */
  readonly why: string;
}

/** Makes a FrameIo. @throws Error that says why, when `wish` is for io_uring and there is none. */
export function chooseFrameIo(libc: Libc, handler: FrameHandler, wakeFd: number, wish: FrameIoWish = 'auto', makeUring = UringIo.make): ChosenFrameIo {
  if (wish === 'poll') return { io: new PollIo(libc, handler, wakeFd), kind: 'poll', why: 'asked for' };
  try {
    return { io: makeUring(libc, handler, wakeFd), kind: 'io_uring', why: '' };
  } catch (error) {
    if (wish === 'io_uring') throw error;
    return { io: new PollIo(libc, handler, wakeFd), kind: 'poll', why: errorLine(error) };
  }
}
