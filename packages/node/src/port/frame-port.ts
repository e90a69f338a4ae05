/**
 * frame-port.ts — FramePort: a device of the host that whole Ethernet frames come from and go to, whoever makes the system calls.
 * Read first: tap/tap-port.ts (a thread of its own), datapath/datapath-port.ts (a port of the pool of workers).
 *
 * Invariants: callbacks run on the thread that made the port, never inside `send`, `flush` or `onFrames`; after `close` resolves, none runs.
 */
import type { Ifnet } from '@netloom/core';
import type { FrameBatch } from '../tap/frame-batch.js';
import type { VnetHdr } from '../tap/vnet-hdr.js';

/** What every port counts; each kind has more. */
export interface FramePortStats {
  /** Frames and bytes handed to `onFrames`, in how many batches. */
  readonly rxFrames: number;
  readonly rxOctets: number;
  readonly rxBatches: number;
  /** Frames and bytes sent by `send` that the kernel took; of the frames, those written from this thread. */
  readonly txFrames: number;
  readonly txOctets: number;
  readonly txDirect: number;
  /** Frames that `send` refused: ring full; too long, or offload without virtio headers; port closed or device gone. */
  readonly txFull: number;
  readonly txInvalid: number;
  readonly txDown: number;
  /** Frames that the kernel refused (interface down, bad header). */
  readonly txErrors: number;
}

/** An open device with its descriptors, one for each queue. Whoever holds it closes them. */
export interface PortDevice {
  readonly name: string;
  readonly mtu: number;
  /** Frames carry virtio-net headers. */
  readonly vnetHdr: boolean;
  /** Non-blocking, closed on exec. */
  readonly fds: readonly number[];
  /** Has it been destroyed? For kinds whose descriptors may not say so to who waits on them. */
  readonly isGone?: () => boolean;
}

export interface FramePort {
  /** The device's name. */
  readonly name: string;
  readonly mtu: number;
  /** Frames carry virtio-net headers. */
  readonly vnetHdr: boolean;
  readonly stats: FramePortStats;
  /** Its frames are those of this interface from now on: told when that has been opened, and with its successor when it has moved. */
  joined?(ifp: Ifnet): void;
  /** Whoever is to get the frames; until then they wait. `callback` may get the same FrameBatch object each time. */
  onFrames(callback: (batch: FrameBatch) => void): void;
  /** Called once when the device goes away by itself. `close` is still to be called. */
  onGone(callback: (error: Error) => void): void;
  /** Queues a copy of `frame[off, off+len)`, or writes it now; false: refused, and counted (tap/frame-sender.ts). */
  send(frame: Uint8Array, off: number, len: number, hdr?: VnetHdr | null): boolean;
  /** Shows the other thread what was sent. Cheap when there is nothing. */
  flush(): void;
  /** Writes what was flushed and lets the device go. Resolves when nothing is left; may be called again. */
  close(): Promise<void>;
}
