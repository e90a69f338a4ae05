/**
 * baseline.ts — a part of a disk as it is copied for the first time: what is zeros is left out.
 * Read first: epoch-disk.ts (`baseline`).
 *
 * A copy begins as zeros. Every write since the first closed epoch reaches it too, so a part that is zeros here is zeros there, and is not sent.
 *
 * The parts and the epochs go to the copy in one order: a part that was read at the end of epoch n comes behind the writes of epoch n and before those of n + 1. Later, it would put
 * old bytes over new ones.
 */
import type { DiskBytes } from './held-epoch.js';
import { isZero } from './image-file.js';

export interface Baseline {
  /** The last closed epoch when it was read: all of it is in it, nothing of later ones. */
  readonly epoch: number;
  readonly chunks: readonly DiskBytes[];
  /** Where to go on; null: this was the end of the disk. */
  readonly next: number | null;
}

/** What is looked at for zeros. */
const STEP_BYTES = 4096;

export function baselineOf(epoch: number, from: number, bytes: Uint8Array, diskBytes: number): Baseline {
  const chunks: DiskBytes[] = [];
  let start: number | null = null;
  for (let at = 0; at < bytes.length; at += STEP_BYTES) {
    const end = Math.min(at + STEP_BYTES, bytes.length);
    if (!isZero(bytes.subarray(at, end))) start ??= at;
    else if (start !== null) {
      chunks.push({ offset: from + start, bytes: bytes.subarray(start, at) });
      start = null;
    }
  }
  if (start !== null) chunks.push({ offset: from + start, bytes: bytes.subarray(start) });
  const next = from + bytes.length;
  return { epoch, chunks, next: next < diskBytes ? next : null };
}
