/**
 * plug.ts — class Plug: output held and let go by counts, as Linux's qdisc `plug` does it.
 * Read first: docs/plug.md ("Linux's plug"); output-plug.ts; Linux's `net/sched/sch_plug.c` for the commands.
 *
 * Theory of operation. Frames are in one queue, and three counters say what of it is whose. `pktsCurrentEpoch` grows by each frame that comes; BUFFER makes it
 * `pktsLastEpoch`; RELEASE_ONE adds that to `pktsToRelease`, and so many go. So one epoch can be closed and waiting for its release while the next one fills: a
 * checkpointer says BUFFER when it has stopped the machine and RELEASE_ONE when the checkpoint is acknowledged. RELEASE_INDEFINITE sets all three to 0 and lets everything through until the
 * next BUFFER. LIMIT is in bytes, and only what comes afterwards is measured by it.
 *
 * This is what Linux does, hazards included, so that what was tried here holds there; plug.test.ts shows each:
 *  - A: BUFFER twice without a RELEASE_ONE forgets the older epoch's count. Its frames are never counted again, and the queue lags by so many until RELEASE_INDEFINITE.
 *  - B: `reset` (the interface went down) frees the frames and keeps the counters, so a later RELEASE_ONE lets frames of the open epoch go.
 *  - C: RELEASE_INDEFINITE, and BUFFER before the queue was drained: what is left is counted nowhere, and the queue lags as in A.
 * epoch-plug.ts has none of them, and is what Netloom's own checkpointer uses.
 *
 * Invariant: with `throttled` nothing leaves.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL } from '../base/errno.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { OutputPlug } from './output-plug.js';
import type { PlugSink } from './output-plug.js';

/** `action` of struct tc_plug_qopt. */
export const TCQ_PLUG_BUFFER = 0;
export const TCQ_PLUG_RELEASE_ONE = 1;
export const TCQ_PLUG_RELEASE_INDEFINITE = 2;
export const TCQ_PLUG_LIMIT = 3;

/** `limit` of struct tc_plug_qopt is an unsigned word. */
export const PLUG_LIMIT_MAX = 0xffff_ffff;

export class Plug extends OutputPlug {
  /** Bytes it may hold. */
  limitBytes: number;
  /** Frames that came since the last BUFFER; those of the epoch it closed; those that may go. */
  pktsCurrentEpoch = 0;
  pktsLastEpoch = 0;
  pktsToRelease = 0;
  unplugIndefinite = false;
  throttled = true;

  constructor(kern: VnetKern, sink: PlugSink, limitBytes: number) {
    super(kern, sink);
    this.limitBytes = limitBytes;
  }

  output(m: PacketBuffer): Errno {
    const { held } = this;
    if (this.ended || held.bytes + m.len > this.limitBytes) return this.drop(m);
    if (!this.unplugIndefinite) this.pktsCurrentEpoch++;
    else if (held.packets === 0) return this.send(m);
    held.push(m, 0, this.netisrOwner.engine.now);
    if (!this.throttled) this.schedule();
    return 0;
  }

  /** TCA_OPTIONS of a change: one of TCQ_PLUG_*. EINVAL for others. */
  change(action: number, limitBytes: number): Errno {
    switch (action) {
      case TCQ_PLUG_BUFFER:
        this.pktsLastEpoch = this.pktsCurrentEpoch;
        this.pktsCurrentEpoch = 0;
        if (this.unplugIndefinite) this.throttled = true;
        this.unplugIndefinite = false;
        return 0;
      case TCQ_PLUG_RELEASE_ONE:
        this.pktsToRelease += this.pktsLastEpoch;
        this.pktsLastEpoch = 0;
        break;
      case TCQ_PLUG_RELEASE_INDEFINITE:
        this.unplugIndefinite = true;
        this.pktsToRelease = 0;
        this.pktsLastEpoch = 0;
        this.pktsCurrentEpoch = 0;
        break;
      case TCQ_PLUG_LIMIT:
        this.limitBytes = limitBytes;
        return 0;
      default:
        return EINVAL;
    }
    this.throttled = false;
    this.schedule();
    return 0;
  }

  netisrRun(max: number): number {
    let n = 0;
    for (; n < max; n++) {
      const m = this.dequeue();
      if (m === null) break;
      this.send(m);
    }
    return n;
  }

  /** The next frame that may go. A permission is used up even when there is no frame for it: so does Linux. */
  private dequeue(): PacketBuffer | null {
    if (this.throttled) return null;
    if (!this.unplugIndefinite) {
      if (this.pktsToRelease === 0) {
        this.throttled = true;
        return null;
      }
      this.pktsToRelease--;
    }
    return this.held.shift();
  }
}
