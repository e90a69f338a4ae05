/**
 * tap-link.ts — joins a tap of a vnet to a TAP device of the host: frames both ways, with their offloads.
 *
 * Read first: port/frame-port.ts (the device), core/src/net/tap.ts (the interface).
 *
 * Theory of operation. A batch of frames from the device is one batch of the host loop: copied into packets, all with one stamp, then a turn.
 * Frames to the device are copied into its ring and shown to it when the stack says `flush`. Both sides speak virtio-net headers, so
 * a checksum that is still to be computed and a segment of 64 KB cross uncut (port/vnet-offload.ts).
 *
 * Invariant: `close` runs once, whichever side goes first; afterwards nothing reaches the kernel.
 */
import type { Errno, FrameSink, Ifnet, Kernel, PacketBuffer } from '@netloom/core';
import { ENXIO, tapOf } from '@netloom/core';
import type { HostLoop } from '../loop.js';
import type { FramePort } from '../port/frame-port.js';
import { VnetOutputHeader, takeOffload } from '../port/vnet-offload.js';
import type { FrameBatch } from '../tap/frame-batch.js';

export class TapLink implements FrameSink {
  /** The daemon's. */
  readonly pid = process.pid;
  readonly offload: { readonly csum: boolean; readonly gso: boolean };
  ifp: Ifnet;
  readonly port: FramePort;
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly header = new VnetOutputHeader();
  private readonly onClose: (link: TapLink, reason: Error | null) => void;
  private closing: Promise<void> | null = null;

  /** Takes frames when `open` has answered 0. `onClose` is told once, with why if the device failed. */
  constructor(kernel: Kernel, loop: HostLoop, ifp: Ifnet, port: FramePort, onClose: (link: TapLink, reason: Error | null) => void) {
    this.offload = { csum: port.vnetHdr, gso: port.vnetHdr };
    this.kernel = kernel;
    this.loop = loop;
    this.ifp = ifp;
    this.port = port;
    this.onClose = onClose;
    port.onFrames((batch) => this.loop.batch((now) => this.input(batch, now)));
    port.onGone((error) => void this.close(error));
  }

  /** The device's name. */
  get device(): string {
    return this.port.name;
  }

  /** Opens the tap, wherever it is by now, with this link as its sink. On an error `discard` it. */
  open(): Errno {
    const tap = tapOf(this.ifp);
    const error = tap === null ? ENXIO : this.kernel.call(this.loop.enter(), () => tap.attach(this));
    if (tap === null || error !== 0) return error;
    this.ifp = tap.port.ifp;
    this.port.joined?.(this.ifp);
    return 0;
  }

  /** Lets go of the device; the tap's own end is closed if it still has one. */
  close(reason: Error | null = null): Promise<void> {
    if (this.closing === null) {
      this.closing = this.port.close();
      if (this.ifp.net !== null) this.kernel.call(this.loop.enter(), () => tapOf(this.ifp)?.attach(null));
      this.onClose(this, reason);
    }
    return this.closing;
  }

  /** Lets go of the device alone, for a tap that could not be opened. */
  discard(): Promise<void> {
    this.closing ??= this.port.close();
    return this.closing;
  }

  output(m: PacketBuffer): boolean {
    if (this.closing !== null) return false;
    this.header.fill(m);
    if (!this.port.send(m.buf, m.off, m.len, this.port.vnetHdr ? this.header : null)) return false;
    m.free();
    return true;
  }

  flush(): void {
    this.port.flush();
  }

  moved(ifp: Ifnet): void {
    this.ifp = ifp;
    this.port.joined?.(ifp);
  }

  gone(): void {
    void this.close();
  }

  private input(batch: FrameBatch, now: number): void {
    const { kernel, ifp } = this;
    while (batch.next()) {
      if (ifp.net === null) continue;
      const m = kernel.engine.pool.from(batch.bytes, batch.off, batch.len);
      if (m === null) {
        ifp.data.iqdrops++;
        continue;
      }
      takeOffload(m, batch);
      if (batch.mark === 0) kernel.input(ifp, m, now);
      else this.captured(m, batch.mark, now);
    }
  }

  /** A frame that a worker has moved, for the captures of the interface that its mark names. */
  private captured(m: PacketBuffer, mark: number, now: number): void {
    const at = this.kernel.ifByIndex(mark >> 1);
    if (at === null) m.free();
    else this.kernel.captured(at, m, (mark & 1) !== 0, now);
  }
}
