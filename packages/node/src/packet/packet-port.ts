/**
 * packet-port.ts — PacketPort: an interface of Linux as a port of a single-threaded program.
 * Read first: port/frame-port.ts, packet-socket.ts, packet-ring.ts.
 *
 *     interface ── kernel ──▶ [ring] ── onFrames ──▶ you ── send ── write(2) ──▶ interface
 *
 * Theory of operation. Unlike a TAP's frames, those of an interface need no system call to come in: they lie in the ring when the event loop says that there are some,
 * so no thread is needed. A turn hands over TURN_BATCHES batches at most, from where they lie, and then lets the event loop serve others. `send` writes at once: the header goes in
 * front of the frame where there is room, otherwise the frame is copied. What the interface has no room for is refused.
 * A socket in error is watched no more by the event loop. It is when the interface has gone down, and watched anew; or when it is gone, and so is the port. An interface that
 * is down may be destroyed without a word, so the port looks for that from time to time until frames come again.
 *
 * Invariants: as FramePort has them; after `close` no descriptor is left, and the ring is unmapped.
 */
import type { FramePort, FramePortStats, PortDevice } from '../port/frame-port.js';
import { copyFrame } from '../tap/copy-frame.js';
import { FrameBatch } from '../tap/frame-batch.js';
import { EAGAIN, EMSGSIZE, ENOBUFS, ENODEV } from '../tap/libc.js';
import { BURST, FRAME_MAX } from '../tap/tap-shared.js';
import { putVnetHdr, VNET_HDR_SIZE } from '../tap/vnet-hdr.js';
import type { VnetHdr } from '../tap/vnet-hdr.js';
import { loadPacketLibc } from './packet-libc.js';
import type { PacketLibc } from './packet-libc.js';
import { isUnbound, PacketRing } from './packet-ring.js';
import { openPacket, packetError } from './packet-socket.js';

const TURN_BATCHES = 8;
/** Between two looks whether an interface that has gone down is still there. */
const LOOK_MS = 250;

/** Counts since the port was opened. */
export interface PacketStats extends FramePortStats {
  /** Frames that there was no slot for in the ring; that were longer than one. */
  readonly rxDropped: number;
  readonly rxTruncated: number;
}

/** Opens the interface `name`. @throws as `openPacket`. */
export function openPacketPort(name: string): PacketPort {
  return new PacketPort(openPacket(name));
}

export class PacketPort implements FramePort {
  readonly name: string;
  readonly mtu: number;
  readonly vnetHdr = true;
  private readonly libc: PacketLibc;
  private readonly fd: number;
  private readonly ring: PacketRing;
  private readonly batch: FrameBatch;
  private readonly copy = new Uint8Array(FRAME_MAX);
  private callback: ((batch: FrameBatch) => void) | null = null;
  private gone: ((error: Error) => void) | null = null;
  private unwatch: (() => void) | null = null;
  /** While the interface is down. */
  private look: NodeJS.Timeout | null = null;
  private isDown = false;
  private isClosed = false;
  private rxFrames = 0;
  private rxOctets = 0;
  private rxBatches = 0;
  private txFrames = 0;
  private txOctets = 0;
  private txFull = 0;
  private txInvalid = 0;
  private txDown = 0;
  private txErrors = 0;

  /** Takes `device`, of `openPacket` and with one queue, over: it is closed with the port, also when this throws. @throws Error. */
  constructor(device: PortDevice, libc: PacketLibc = loadPacketLibc()) {
    this.name = device.name;
    this.mtu = device.mtu;
    this.libc = libc;
    this.fd = device.fds[0]!;
    try {
      this.ring = new PacketRing(this.fd, libc);
    } catch (error) {
      libc.close(this.fd);
      throw error;
    }
    this.batch = new FrameBatch(this.ring, true);
  }

  get stats(): PacketStats {
    const { rxFrames, rxOctets, rxBatches, txFrames, txOctets, txFull, txInvalid, txDown, txErrors, ring } = this;
    const rxDropped = this.isClosed ? 0 : ring.dropped;
    return { rxFrames, rxOctets, rxBatches, txFrames, txOctets, txDirect: txFrames, txFull, txInvalid, txDown, txErrors, rxDropped, rxTruncated: ring.truncated };
  }

  onFrames(callback: (batch: FrameBatch) => void): void {
    this.callback = callback;
    if (!this.isDown) this.watch();
  }

  onGone(callback: (error: Error) => void): void {
    this.gone = callback;
  }

  send(frame: Uint8Array, off: number, len: number, hdr: VnetHdr | null = null): boolean {
    if (this.isDown) {
      this.txDown++;
      return false;
    }
    if (VNET_HDR_SIZE + len > FRAME_MAX) {
      this.txInvalid++;
      return false;
    }
    if (off >= VNET_HDR_SIZE) return this.write(frame, off - VNET_HDR_SIZE, len, hdr);
    copyFrame(this.copy, VNET_HDR_SIZE, frame, off, len);
    return this.write(this.copy, 0, len, hdr);
  }

  /** Nothing waits: `send` has written. */
  flush(): void {
    return;
  }

  close(): Promise<void> {
    if (this.isClosed) return Promise.resolve();
    this.isClosed = true;
    this.isDown = true;
    this.callback = null;
    this.unwatch?.();
    this.lookFor(false);
    // Not within a callback, whose frames lie in the ring.
    return new Promise((resolve) => setImmediate(() => {
      this.ring.unmap();
      this.libc.close(this.fd);
      resolve();
    }));
  }

  private write(bytes: Uint8Array, at: number, len: number, hdr: VnetHdr | null): boolean {
    putVnetHdr(bytes, at, hdr);
    if (this.libc.write(this.fd, this.libc.address(bytes) + at, VNET_HDR_SIZE + len) >= 0) {
      this.txFrames++;
      this.txOctets += len;
      return true;
    }
    const errno = this.libc.errno();
    if (errno === EAGAIN || errno === ENOBUFS) this.txFull++;
    else if (errno === EMSGSIZE) this.txInvalid++;
    else this.txErrors++;
    return false;
  }

  private watch(): void {
    this.unwatch?.();
    this.unwatch = this.libc.watch(this.fd, () => this.readable());
  }

  private readable(): void {
    if (this.isDown) return;
    if (this.deliver()) return this.lookFor(false);
    // Woken for nothing: for an error, after which the event loop does not look any more.
    const errno = this.ring.takeError();
    if (errno !== 0) return this.lose(errno);
    this.watch();
    this.lookFor(true);
  }

  /** Looks whether the interface is gone, or does not any more. */
  private lookFor(end: boolean): void {
    if (end === (this.look !== null)) return;
    if (this.look !== null) clearInterval(this.look);
    this.look = end ? setInterval(() => this.lookNow(), LOOK_MS).unref() : null;
  }

  private lookNow(): void {
    if (isUnbound(this.libc, this.fd)) this.lose(ENODEV);
  }

  private lose(errno: number): void {
    this.isDown = true;
    this.unwatch?.();
    this.unwatch = null;
    this.lookFor(false);
    this.gone?.(packetError(this.libc, 'poll', this.name, errno));
  }

  /** Hands over what is there, up to one turn's worth; was there anything? What is left is announced again. */
  private deliver(): boolean {
    const { batch } = this;
    for (let batches = 0; batches < TURN_BATCHES && this.callback !== null; batches++) {
      batch.begin(BURST);
      try {
        this.callback(batch);
      } finally {
        if (!this.isClosed) this.finishBatch();
      }
      if (batch.frames === 0) return batches > 0;
    }
    return true;
  }

  private finishBatch(): void {
    const { batch } = this;
    while (batch.next());
    this.ring.release();
    if (batch.frames === 0) return;
    this.rxBatches++;
    this.rxFrames += batch.frames;
    this.rxOctets += batch.octets;
  }
}
