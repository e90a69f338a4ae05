/**
 * io-uring.test.ts — IoUring against a kernel that refuses, and, where there is one, against the real one.
 */
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { lackingUring } from '../../test/peers.js';
import { CQE_RESULT, CQE_USER_DATA, IoUring, IoUringError, loadUringCalls, SQE_OP, SQE_USER_DATA } from './io-uring.js';
import type { UringCalls } from './io-uring.js';

const EPERM = 1;
const ENOMEM = 12;
const EINVAL = 22;
const EMFILE = 24;
const ENOSYS = 38;
const ALL_FEATURES = 0xffff;

interface Fake extends UringCalls {
  readonly open: Set<number>;
  readonly mapped: Set<number>;
}

/** A kernel that answers as it should but for what is given. */
function fakeKernel(wrong: { setup?: number; features?: number; probe?: number; multishot?: boolean; mapFails?: number } = {}): Fake {
  const open = new Set<number>();
  const mapped = new Set<number>();
  let errno = 0;
  let maps = 0;
  const fail = (number: number): number => {
    errno = number;
    return -1;
  };
  return {
    open, mapped,
    setup(entries, parameters) {
      if (wrong.setup !== undefined) return fail(wrong.setup);
      parameters.set([entries, parameters[1]!]);
      parameters[5] = wrong.features ?? ALL_FEATURES;
      // Offsets: head, tail, mask, entries, flags, dropped, array; head, tail, mask, entries, overflow, cqes.
      parameters.set([0, 4, 8, 12, 16, 20, 64], 10);
      parameters.set([24, 28, 32, 36, 40, 128], 20);
      open.add(7);
      return 7;
    },
    enter: (_fd, submit) => submit,
    register(_fd, _what, argument) {
      if (wrong.probe !== undefined) return fail(wrong.probe);
      new DataView(argument.buffer).setUint16(16 + 49 * 8 + 2, wrong.multishot === false ? 0 : 1, true);
      return 0;
    },
    map() {
      if (++maps === wrong.mapFails) {
        errno = ENOMEM;
        return 0;
      }
      mapped.add(maps * 4096);
      return maps * 4096;
    },
    unmap: (address) => void mapped.delete(address),
    close: (fd) => void open.delete(fd),
    viewMemory: (_address, length) => new ArrayBuffer(length),
    address: () => 1,
    errno: () => errno,
  };
}

function reason(kernel: Fake): IoUringError {
  try {
    new IoUring(8, 16, kernel);
  } catch (error) {
    expect([...kernel.open, ...kernel.mapped]).toEqual([]);
    expect(error).toBeInstanceOf(IoUringError);
    return error as IoUringError;
  }
  throw new Error('IoUring was made');
}

describe('IoUring', () => {
  test('says why there is none, and leaves nothing', () => {
    expect(reason(fakeKernel({ setup: ENOSYS }))).toMatchObject({ code: 'ENOSYS', message: expect.stringContaining('has no io_uring') as string });
    expect(reason(fakeKernel({ setup: EPERM }))).toMatchObject({ code: 'EPERM', message: expect.stringMatching(/forbid|seccomp/) as string });
    expect(reason(fakeKernel({ setup: ENOMEM })).message).toContain('ulimit -l');
    expect(reason(fakeKernel({ setup: EINVAL })).message).toContain('Linux 6.7');
    expect(reason(fakeKernel({ setup: EMFILE }))).toMatchObject({ code: 'EMFILE', syscall: 'io_uring_setup' });
  });

  test('wants every feature that it uses', () => {
    for (const bit of [0, 1, 8, 11]) expect(reason(fakeKernel({ features: ALL_FEATURES & ~(1 << bit) })).message, String(bit)).toContain('Linux 6.7');
    expect(reason(fakeKernel({ multishot: false })).message).toContain('Linux 6.7');
    expect(reason(fakeKernel({ probe: EINVAL })).message).toContain('Linux 6.7');
  });

  test('leaves nothing when its memory cannot be mapped', () => {
    for (const mapFails of [1, 2]) expect(reason(fakeKernel({ mapFails }))).toMatchObject({ code: 'ENOMEM', syscall: 'mmap' });
  });

  test('gives all back when it is destroyed', () => {
    const kernel = fakeKernel();
    new IoUring(8, 16, kernel).destroy();
    expect([...kernel.open, ...kernel.mapped]).toEqual([]);
  });

  test('its queue is full after as many entries as it has, and has room after they were taken', () => {
    const kernel = fakeKernel();
    const ring = new IoUring(8, 16, kernel);
    const places = Array.from({ length: 8 }, () => ring.sqe());
    expect(places).toEqual([0, 16, 32, 48, 64, 80, 96, 112]);
    expect(ring.sqe()).toBe(-1);
    kernel.enter = () => 3;
    expect(ring.enter(0, 0)).toBe(0);
    expect(ring.pending).toBe(5);
    expect([ring.sqe(), ring.sqe(), ring.sqe(), ring.sqe()]).toEqual([0, 16, 32, -1]);
    ring.destroy();
  });
});

/** Descriptors of this process that are io_urings. */
function openRings(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}

describe.runIf(lackingUring() === null)('the kernel', () => {
  test('answers no-operations in their order, round and round', () => {
    const before = openRings();
    const ring = new IoUring(8, 16, loadUringCalls());
    for (let round = 0, tag = 0; round < 20; round++) {
      const first = tag;
      for (let i = 0; i < 7; i++) {
        const at = ring.sqe();
        ring.sqes[at + SQE_OP] = 0;
        ring.sqes[at + SQE_USER_DATA] = tag++;
      }
      expect(ring.enter(7, 60_000)).toBe(0);
      expect(ring.ready()).toBe(7);
      for (let i = 0; i < 7; i++) expect([ring.words[ring.at(i) + CQE_USER_DATA], ring.words[ring.at(i) + CQE_RESULT]]).toEqual([first + i, 0]);
      ring.consume(7);
    }
    expect(ring.enter(1, 1)).toBe(0);
    expect(ring.ready()).toBe(0);
    ring.destroy();
    expect(openRings()).toBe(before);
  });
});
