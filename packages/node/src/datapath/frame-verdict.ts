/**
 * frame-verdict.ts — FrameVerdict: what a worker asks about each frame: which port it leaves by, or why that is not for the worker to say.
 * Read first: fwd/forward-frame.ts in core.
 */
import { FIF_FLAGS, FWD_IF_SHIFT, FWD_IF_TAPPED, FWD_PUNT_NOIF, forwardFrame, fwdViewOf } from '@netloom/core/fwd';
import type { FwdMemory, FwdMessage, FwdView } from '@netloom/core/fwd';

export interface FrameVerdict {
  /** Where the frame to send lies after a verdict of 0 or more. */
  readonly at: number;
  readonly len: number;
  /** Whose captures are to be shown a frame that comes in by `port`, or leaves by it: the mark of FrameBatch; 0: nobody's. */
  tapOf(port: number, out: 0 | 1): number;
  /** Before the first frame of a batch. */
  beginBatch(): void;
  /** The port to send to, or a negative number of fwd's (FWD_PUNT_*, FWD_DROP_*). */
  judge(port: number, view: DataView, at: number, len: number): number;
}

/** Without tables, everything is for the control thread. */
export const PUNT_ALL: FrameVerdict = { at: 0, len: 0, tapOf: () => 0, beginBatch: () => undefined, judge: () => FWD_PUNT_NOIF };

/** What a worker's view of the tables is made of. */
export interface WorkerTables {
  readonly memory: FwdMemory;
  readonly messages: readonly FwdMessage[];
}

/** The verdict of the short path. */
export class TableVerdict implements FrameVerdict {
  at = 0;
  len = 0;
  readonly view: FwdView;

  constructor({ memory, messages }: WorkerTables) {
    this.view = fwdViewOf(memory, messages);
  }

  beginBatch(): void {
    this.view.beginBatch();
  }

  tapOf(port: number, out: 0 | 1): number {
    const v = this.view;
    const index = v.ifOfPort[port]!;
    return (v.ifWords[(v.ifAt[index]! << FWD_IF_SHIFT) + FIF_FLAGS]! & FWD_IF_TAPPED) === 0 ? 0 : (index << 1) | out;
  }

  judge(port: number, view: DataView, at: number, len: number): number {
    const v = this.view;
    const verdict = forwardFrame(v, port, view, at, len);
    this.at = v.at;
    this.len = v.len;
    return verdict;
  }
}
