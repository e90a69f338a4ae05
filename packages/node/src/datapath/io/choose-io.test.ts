/**
 * choose-io.test.ts — the choice of a FrameIo, on a kernel with io_uring and on one without.
 */
import { describe, expect, test } from 'vitest';
import { IoUringError } from '../../native/io-uring.js';
import { loadLibc } from '../../tap/libc.js';
import { chooseFrameIo } from './choose-io.js';
import type { FrameHandler, FrameIo } from './frame-io.js';
import { PollIo } from './poll-io.js';

const nothing = (): void => undefined;
const handler: FrameHandler = { frame: nothing, batchEnd: nothing, idle: nothing, awake: nothing, refused: nothing, gone: nothing };
const lacks = (): FrameIo => {
  throw new IoUringError('this kernel has no io_uring', 38, 'io_uring_setup');
};

describe.runIf(process.platform === 'linux')('chooseFrameIo', () => {
  const libc = loadLibc();
  /** In place of the other, which is not everywhere. */
  const uring = new PollIo(libc, handler, -1);
  const has = (): FrameIo => uring;

  test('takes io_uring where it is, and poll with the reason where it is not', () => {
    const chosen = chooseFrameIo(libc, handler, -1, 'auto', has);
    expect(chosen).toEqual({ io: uring, kind: 'io_uring', why: '' });
    expect(chosen.io).toBe(uring);
    const { io, kind, why } = chooseFrameIo(libc, handler, -1, 'auto', lacks);
    expect(io).toBeInstanceOf(PollIo);
    expect(io).not.toBe(uring);
    expect([kind, why]).toEqual(['poll', 'this kernel has no io_uring']);
  });

  test('does as it is told, or says why it cannot', () => {
    expect(chooseFrameIo(libc, handler, -1, 'poll', has)).toMatchObject({ kind: 'poll', why: 'asked for' });
    expect(chooseFrameIo(libc, handler, -1, 'io_uring', has).kind).toBe('io_uring');
    expect(() => chooseFrameIo(libc, handler, -1, 'io_uring', lacks)).toThrow('this kernel has no io_uring');
  });
});
