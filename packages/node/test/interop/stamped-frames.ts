/**
 * stamped-frames.ts — frames that carry their number, first and last, and a receiver that expects them in order.
 */
import type { FramePort } from '../../src/port/frame-port.js';
import type { FrameBatch } from '../../src/tap/frame-batch.js';

/** Room for the longest frame. */
export const frame = new Uint8Array(70_000);
const view = new DataView(frame.buffer);

/** Writes `n` into the first four bytes of the frame at `off`, and into its last four. */
export function stamp(n: number, len: number, off = 0): void {
  view.setUint32(off, n);
  view.setUint32(off + len - 4, n);
}

/** The stamp of the current frame of a batch. @throws Error when its two halves differ. */
export function stampOf(batch: FrameBatch): number {
  const first = batch.view.getUint32(batch.off);
  const last = batch.view.getUint32(batch.off + batch.len - 4);
  if (first !== last) throw new Error(`a frame stamped ${first} ends with ${last}`);
  return first;
}

/** Resolves when `port` has received `count` frames stamped `from`, `from` + 1, …; rejects on any other. Calls `each` after every batch. */
export function expectStamps(port: FramePort, count: number, each: (received: number) => void = () => undefined, from = 0): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = from;
    port.onFrames((batch) => {
      while (batch.next()) {
        const n = stampOf(batch);
        if (n !== next) reject(new Error(`frame ${n} in place of ${next}`));
        next++;
      }
      each(next);
      if (next === from + count) resolve();
    });
  });
}
