/**
 * frame-sender.ts — FrameSender: puts frames into a transmit ring for another thread to write, or writes them from this one where that is quicker.
 * Read first: ring.ts, vnet-hdr.ts.
 *
 * Theory of operation. `send` copies the frame into the ring; `flush` shows it to the writer: call it once per batch of yours. A full ring refuses the
 * frame and counts it; nothing waits. A single frame for a writer that sleeps is written from this thread: that costs what its bell would, and saves
 * a thread switch in each request and answer. A long frame is written from this thread too, from where it is, when the ring has nothing before it: it need
 * not be copied into the ring, and the receiver has it while the next one is still being made.
 *
 * Invariant: frames leave in the order in which they were sent.
 * Not here: who writes, and how it is woken (FrameWriter).
 */
import { copyFrame } from './copy-frame.js';
import type { Libc } from './libc.js';
import type { RingProducer } from './ring.js';
import { BURST, FRAME_MAX } from './tap-shared.js';
import { putVnetHdr, VNET_F_NEEDS_CSUM, VNET_HDR_SIZE } from './vnet-hdr.js';
import type { VnetHdr } from './vnet-hdr.js';

/** The other side of a transmit ring. */
export interface FrameWriter {
  /** Does it sleep, with nothing of this ring in its hands? */
  isDrained(): boolean;
  /** Shows it what was committed; true: it slept and was woken. */
  publish(): boolean;
}

/** What a sender sends into. */
export interface SenderEnds {
  readonly libc: Libc;
  /** Where a frame may be written without the ring. */
  readonly fd: number;
  readonly vnetHdr: boolean;
  readonly ring: RingProducer;
  /** Of the ring's bytes. */
  readonly address: number;
  readonly writer: FrameWriter;
}

/** From this length on a frame is written from where it is: the system call costs less than the ring's copy and a thread switch. */
const DIRECT_MIN = 16_384;
export class FrameSender {
  /** Nothing is sent any more. */
  isDown = false;
  /** Frames refused: ring full; too long, or offload without virtio headers; down. */
  full = 0;
  invalid = 0;
  down = 0;
  /** Frames written from this thread, and their bytes; times the writer was woken. */
  direct = 0;
  directOctets = 0;
  bells = 0;
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly front: number;
  private readonly ring: RingProducer;
  private readonly address: number;
  private readonly writer: FrameWriter;

  constructor(ends: SenderEnds) {
    this.libc = ends.libc;
    this.fd = ends.fd;
    this.front = ends.vnetHdr ? VNET_HDR_SIZE : 0;
    this.ring = ends.ring;
    this.address = ends.address;
    this.writer = ends.writer;
  }

  /**
   * Queues a copy of `frame[off, off+len)`, or writes it now. `hdr` are its offload fields, for a port with virtio headers (`null`: a plain frame); such
   * a port may overwrite the VNET_HDR_SIZE bytes before `off`, where there are so many.
   * False, and counted: the ring is full, the frame is longer than FRAME_MAX or needs offloads this port has not, or the port is down.
   */
  send(frame: Uint8Array, off: number, len: number, hdr: VnetHdr | null): boolean {
    if (this.isDown) {
      this.down++;
      return false;
    }
    const { front, ring } = this;
    if (front + len > FRAME_MAX || (front === 0 && hdr !== null && (hdr.gsoType !== 0 || (hdr.flags & VNET_F_NEEDS_CSUM) !== 0))) {
      this.invalid++;
      return false;
    }
    if (len >= DIRECT_MIN && ring.pending === 0 && off >= front && ring.isEmpty && this.writeLong(frame, off - front, front + len, hdr)) return true;
    const at = ring.reserve(front + len);
    if (at < 0) {
      this.full++;
      this.flush();
      return false;
    }
    if (front !== 0) putVnetHdr(ring.bytes, at, hdr);
    copyFrame(ring.bytes, at + front, frame, off, len);
    ring.commit(front + len);
    if (ring.pending >= BURST) this.flush();
    return true;
  }

  /** Shows the writer what was sent. Cheap when there is nothing. */
  flush(): void {
    const { ring, writer } = this;
    if (ring.pending === 0 || (ring.pending === 1 && writer.isDrained() && this.writeSingle())) return;
    if (writer.publish()) this.bells++;
  }

  /** Writes the one unpublished frame from here; false: it is still in the ring, for the writer to deal with. */
  private writeSingle(): boolean {
    const ring = this.ring;
    const n = this.libc.write(this.fd, this.address + ring.off, ring.length);
    if (n < 0) return false;
    ring.uncommit();
    this.direct++;
    this.directOctets += n;
    return true;
  }

  /** Writes a frame from where it is, its header put in front; false: the kernel did not take it. */
  private writeLong(frame: Uint8Array, at: number, length: number, hdr: VnetHdr | null): boolean {
    if (this.front !== 0) putVnetHdr(frame, at, hdr);
    const n = this.libc.write(this.fd, this.libc.address(frame) + at, length);
    if (n < 0) return false;
    this.direct++;
    this.directOctets += n;
    return true;
  }
}
