/**
 * choose-io.test.ts — the choice of a FrameIo, on a kernel with io_uring and on one without.
 */
import { describe, expect, test } from 'vitest';
import { IoUringError } from '../../native/io-uring.js';
import { loadLibc } from '../../tap/libc.js';
import { chooseFrameIo } from './choose-io.js';
import type { FrameHandler, FrameIo } from './frame-io.js';
import { PollIo } from './poll-io.js';

const handler = {} as FrameHandler;
const uring = { destroy: () => undefined } as unknown as FrameIo;
const has = (): FrameIo => uring;
const lacks = (): FrameIo => {
  throw new IoUringError('this kernel has no io_uring', 38, 'io_uring_setup');
};

describe.runIf(process.platform === 'linux')('chooseFrameIo', () => {
  const libc = loadLibc();

  test('takes io_uring where it is, and poll with the reason where it is not', () => {
    expect(chooseFrameIo(libc, handler, -1, 'auto', has)).toEqual({ io: uring, kind: 'io_uring', why: '' });
    const { io, kind, why } = chooseFrameIo(libc, handler, -1, 'auto', lacks);
    expect(io).toBeInstanceOf(PollIo);
    expect([kind, why]).toEqual(['poll', 'this kernel has no io_uring']);
  });

  test('does as it is told, or says why it cannot', () => {
    expect(chooseFrameIo(libc, handler, -1, 'poll', has)).toMatchObject({ kind: 'poll', why: 'asked for' });
    expect(chooseFrameIo(libc, handler, -1, 'io_uring', has).kind).toBe('io_uring');
    expect(() => chooseFrameIo(libc, handler, -1, 'io_uring', lacks)).toThrow('this kernel has no io_uring');
  });
});
