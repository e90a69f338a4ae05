/**
 * frame-batch.ts — the frames that one turn of the driver delivers, as a cursor over the receive ring.
 *
 * Theory of operation. `next()` steps to a frame and sets `off` and `len`, and, for a TAP with virtio headers, the six offload fields;
 * no object is made per frame. A batch is itself a VnetHdr, so a frame is sent on uncut by
 * `port.send(batch.bytes, batch.off, batch.len, batch)`.
 *
 * Invariants: the bytes are the receiver's until its callback returns, then they are overwritten: copy what is to stay. There is one
 * batch object per port. Frames that the callback leaves are passed over by the driver, not delivered again. A batch that has ended stays
 * ended: what comes meanwhile (also from within the callback: an answer to what it sent) is the next one's.
 */
import { readVnetHdr, VNET_HDR_SIZE } from './vnet-hdr.js';
import type { VnetHdr } from './vnet-hdr.js';

/** Where a batch's frames come from: a ring between threads (ring.ts), or one that the kernel writes (packet/packet-ring.ts). */
export interface FrameCursor {
  readonly bytes: Uint8Array;
  /** The record that `next` has stepped to. */
  readonly off: number;
  readonly length: number;
  /** What its producer said of it; absent: nothing. */
  readonly mark?: number;
  next(): boolean;
}

export class FrameBatch implements VnetHdr {
  /** The ring's memory, and the same as a DataView. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The current frame: from the destination MAC address, without FCS. */
  off = 0;
  len = 0;
  flags = 0;
  gsoType = 0;
  hdrLen = 0;
  gsoSize = 0;
  csumStart = 0;
  csumOffset = 0;
  /** 0: it has come for the receiver. Else others have moved it, and show it: the interface's index, twice, and 1 when it left there. */
  mark = 0;
  /** Frames and their bytes stepped over since the driver began the batch. */
  frames = 0;
  octets = 0;
  /** Looks at each frame before the receiver does; true: it has dealt with it. */
  filter: ((batch: FrameBatch) => boolean) | null = null;
  private readonly ring: FrameCursor;
  private readonly vnetHdr: boolean;
  private left = 0;

  constructor(ring: FrameCursor, vnetHdr: boolean) {
    this.ring = ring;
    this.bytes = ring.bytes;
    this.view = new DataView(ring.bytes.buffer, ring.bytes.byteOffset, ring.bytes.byteLength);
    this.vnetHdr = vnetHdr;
  }

  /** The driver's: starts a batch of up to `limit` frames. */
  begin(limit: number): void {
    this.left = limit;
    this.frames = 0;
    this.octets = 0;
  }

  /** Steps to the next frame that the filter leaves; false at the end of the batch. */
  next(): boolean {
    while (this.step()) if (this.filter === null || !this.filter(this)) return true;
    return false;
  }

  private step(): boolean {
    if (this.left === 0) return false;
    if (!this.ring.next()) {
      this.left = 0;
      return false;
    }
    this.left--;
    const at = this.ring.off;
    this.mark = this.ring.mark ?? 0;
    if (this.vnetHdr) {
      readVnetHdr(this.view, at, this);
      this.off = at + VNET_HDR_SIZE;
      this.len = this.ring.length - VNET_HDR_SIZE;
    } else {
      this.off = at;
      this.len = this.ring.length;
    }
    this.frames++;
    this.octets += this.len;
    return true;
  }
}
