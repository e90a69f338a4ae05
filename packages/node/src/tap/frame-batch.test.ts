/**
 * frame-batch.test.ts — which frames a batch has.
 */
import { expect, test } from 'vitest';
import { FrameBatch } from './frame-batch.js';
import type { FrameCursor } from './frame-batch.js';

/** A ring of frames of one byte. */
class Frames implements FrameCursor {
  readonly bytes = new Uint8Array(64);
  readonly length = 1;
  off = -1;
  written = 0;

  next(): boolean {
    if (this.off + 1 >= this.written) return false;
    this.off++;
    return true;
  }
}

test('a frame that comes when a batch has ended is in the next batch', () => {
  const ring = new Frames();
  const batch = new FrameBatch(ring, false);
  ring.written = 1;
  batch.begin(8);
  expect([batch.next(), batch.next()]).toEqual([true, false]);
  ring.written = 2;
  expect([batch.next(), batch.frames]).toEqual([false, 1]);
  batch.begin(8);
  expect([batch.next(), batch.off, batch.next()]).toEqual([true, 1, false]);
});

test('a batch has no more frames than it may have', () => {
  const ring = new Frames();
  const batch = new FrameBatch(ring, false);
  ring.written = 3;
  batch.begin(2);
  expect([batch.next(), batch.next(), batch.next()]).toEqual([true, true, false]);
  batch.begin(2);
  expect([batch.next(), batch.off]).toEqual([true, 2]);
});
