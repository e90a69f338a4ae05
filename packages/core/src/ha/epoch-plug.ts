/**
 * epoch-plug.ts — class EpochPlug: output held by epochs, so that nothing leaves before the checkpoint that covers it is safe.
 * Read first: docs/plug.md ("Epochs"); output-plug.ts; Cully et al., "Remus" (NSDI 2008) §3.4.
 *
 * Theory of operation. Epochs are numbered from 0 and never come again. One is open: each frame that comes is tagged with its number. `closeEpoch` ends it, opens the next, and answers
 * the number that has ended; `release(n)` lets go what is of epoch n or before. Any number of epochs may be closed and waiting, and one acknowledgement may cover several.
 *
 *     frames    a a a | b b | c . . .
 *     epoch       4   |  5  |  6 = open          release(4): a a a leave.  release(6): EINVAL
 *               released <= 3
 *
 * The whole state is two numbers, `open` and `released`, and the tags: a frame may go when its tag <= `released`. There is no count of frames to lose: a frame that is dropped takes its tag
 * along. Before the first `closeEpoch` the open epoch is released, so frames pass; `abandon` (the backup is lost) makes it so again.
 *
 * Invariants: `released` <= `open`, neither ever falls; epoch `open` is released only while frames pass, by the wish of whoever has not begun yet or has given up. So a release that comes late, twice, or for an
 * epoch of before an `abandon` lets nothing go that was not to go.
 */
import { assert } from '../base/assert.js';
import type { Errno } from '../base/errno.js';
import { EINVAL } from '../base/errno.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { HeldEpoch } from './held-frames.js';
import { OutputPlug } from './output-plug.js';
import type { PlugSink } from './output-plug.js';

export interface EpochPlugLimits {
  /** What it may hold; the newest frame is dropped, and counted, when it would be more. */
  bytesMax: number;
  packetsMax: number;
}

/** 4 MiB is what Remus gives a machine's interface; a frame has 60 bytes at least, so the packets are the lower bound for small ones. */
export const EPOCH_BYTES_MAX = 4_194_304;
export const EPOCH_PACKETS_MAX = 16_384;

export class EpochPlug extends OutputPlug {
  readonly limits: EpochPlugLimits;
  /** The epoch of frames that come now, and the last one whose frames may go. */
  open = 0;
  released = 0;

  constructor(kern: VnetKern, sink: PlugSink, limits: Partial<EpochPlugLimits> = {}) {
    super(kern, sink);
    this.limits = { bytesMax: EPOCH_BYTES_MAX, packetsMax: EPOCH_PACKETS_MAX, ...limits };
  }

  /** Frames pass: no epoch has begun, or protection was given up. */
  get passes(): boolean {
    return this.released === this.open;
  }

  /** Epochs that are closed and not released yet. */
  get closedEpochs(): number {
    return this.passes ? 0 : this.open - this.released - 1;
  }

  output(m: PacketBuffer): Errno {
    const { held, limits } = this;
    if (!this.ended && this.passes && held.packets === 0) return this.send(m);
    if (this.ended || held.packets >= limits.packetsMax || held.bytes + m.len > limits.bytesMax) return this.drop(m);
    held.push(m, this.open, this.netisrOwner.engine.now);
    if (this.passes) this.schedule();
    return 0;
  }

  /** Ends the open epoch and opens the next. Answers the number of the one that has ended, which `release` is given when it is safe. */
  closeEpoch(): number {
    const closed = this.open++;
    assert(this.released <= closed, 'an epoch was released that had not ended');
    return closed;
  }

  /** Lets go what is of epoch `upTo` or before. EINVAL: that is open, or has not begun. One that was released before is released. */
  release(upTo: number): Errno {
    if (!Number.isInteger(upTo) || upTo < 0 || upTo >= this.open) return EINVAL;
    if (upTo <= this.released) return 0;
    this.released = upTo;
    if (this.packets > 0) this.schedule();
    return 0;
  }

  /** Nobody will acknowledge any more: everything goes, and frames pass until the next `closeEpoch`. */
  abandon(): void {
    this.released = this.open;
    if (this.packets > 0) this.schedule();
  }

  /** What is held of each epoch, oldest first. */
  heldByEpoch(): HeldEpoch[] {
    return this.held.byEpoch();
  }

  netisrRun(max: number): number {
    const { held } = this;
    let n = 0;
    for (; n < max && held.firstEpoch <= this.released; n++) this.send(held.shift()!);
    return n;
  }
}
