/**
 * inbound-log.ts — class InboundLog: the frames a protected machine got since its last checkpoint, to be given to whoever goes on from that.
 *
 * They were on the wire and the machine that goes on has not seen them. TCP would send them again after a while; giving them at once spares the wait. To the machine they are frames that came late, or twice,
 * as on any network, so what is lost here for want of room does no harm.
 *
 * A frame is of the epoch in which it came. A checkpoint of epoch n need not know what came shortly before it, which may have been on its way to the guest; so frames of n itself are kept, and
 * only those before are forgotten.
 */

const BYTES_MAX = 4 * 1024 * 1024;

export interface InboundFrame {
  readonly epoch: number;
  /** The card's place among the machine's. */
  readonly nic: number;
  readonly bytes: Uint8Array;
}

export class InboundLog {
  private frames: InboundFrame[] = [];
  private bytes = 0;

  /** Keeps the frame; it must be a copy. The oldest make room. */
  add(frame: InboundFrame): void {
    this.frames.push(frame);
    this.bytes += frame.bytes.length;
    if (this.bytes > BYTES_MAX) this.drop(Math.ceil(this.frames.length / 2));
  }

  /** The checkpoint of `epoch` is safe. */
  committed(epoch: number): void {
    const first = this.frames.findIndex((frame) => frame.epoch >= epoch);
    this.drop(first < 0 ? this.frames.length : first);
  }

  /** All of it, oldest first; there is none afterwards. */
  takeAll(): readonly InboundFrame[] {
    const { frames } = this;
    this.frames = [];
    this.bytes = 0;
    return frames;
  }

  private drop(count: number): void {
    for (const frame of this.frames.splice(0, count)) this.bytes -= frame.bytes.length;
  }
}

const HEADER = 9;

/** A frame as a record has it: the epoch, 8 bytes, the card, 1 byte, the frame. */
export function inboundBytes(epoch: number, nic: number, frame: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER + frame.length);
  bytes.writeDoubleBE(epoch, 0);
  bytes.writeUInt8(nic, 8);
  bytes.set(frame, HEADER);
  return bytes;
}

/** @throws Error, one line */
export function inboundFrame(bytes: Buffer): InboundFrame {
  if (bytes.length <= HEADER) throw new Error(`a frame of ${bytes.length} bytes is none`);
  // The record's bytes are a part of whatever came with it.
  return { epoch: bytes.readDoubleBE(0), nic: bytes.readUInt8(8), bytes: Uint8Array.from(bytes.subarray(HEADER)) };
}
