/**
 * frame-verdict.ts — FrameVerdict: what a worker asks about each frame: which port it leaves by, or why that is not for the worker to say.
 */
import { FWD_PUNT_SPECIAL } from '@netloom/core/fwd';

export interface FrameVerdict {
  /** Where the frame to send lies after a verdict of 0 or more. */
  readonly at: number;
  readonly len: number;
  /** Before the first frame of a batch. */
  beginBatch(): void;
  /** The port to send to, or a negative number of fwd's (FWD_PUNT_*, FWD_DROP_*). */
  judge(port: number, view: DataView, at: number, len: number): number;
}

/** Without tables, everything is for the control thread. */
export const PUNT_ALL: FrameVerdict = { at: 0, len: 0, beginBatch: () => undefined, judge: () => FWD_PUNT_SPECIAL };
