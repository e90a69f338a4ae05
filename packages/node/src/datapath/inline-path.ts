/**
 * inline-path.ts — the short path on the control thread, for a daemon without workers: frames of one device that go out by another never become packets of the stack.
 * Read first: fwd/forward-frame.ts and net/datapath/datapath.ts in core; port/frame-port.ts; docs/datapath.md.
 *
 * Theory of operation. The same verdict that workers ask, over the same tables, about each frame of a batch before anybody else sees it: an InlinePort stands in front of a device's port and
 * takes the frames that are sent on out of the batch. They are changed where they lie in the receive ring and copied into the other port's ring, once; those rings are shown to their
 * threads when the batch is over. All others come to the stack as before. There is one processor, so nobody waits for readers: the tables are plain memory, and messages are applied at once.
 *
 * Invariants: what a punted frame's bytes were they are. Frames that were sent on count as received by the interface (core folds the counters) and by the device.
 */
import type { Datapath, Ifnet, Kernel } from '@netloom/core';
import { forwardFrame, fwdIsDrop, fwdViewOf } from '@netloom/core/fwd';
import type { FwdView } from '@netloom/core/fwd';
import type { HostLoop } from '../loop.js';
import type { FramePort, FramePortStats } from '../port/frame-port.js';
import type { FrameBatch } from '../tap/frame-batch.js';
import { VNET_HDR_SIZE, readVnetHdr } from '../tap/vnet-hdr.js';
import type { VnetHdr } from '../tap/vnet-hdr.js';
import { PORTS_MAX } from './datapath-shared.js';

export class InlinePath {
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  readonly datapath: Datapath;
  readonly view: FwdView;
  private readonly ports: (InlinePort | null)[] = [];
  /** Ports that frames were sent to in this batch. */
  private touched: InlinePort[] = [];
  private readonly header = { flags: 0, gsoType: 0, hdrLen: 0, gsoSize: 0, csumStart: 0, csumOffset: 0 };

  constructor(kernel: Kernel, loop: HostLoop, datapath: Datapath) {
    this.kernel = kernel;
    this.loop = loop;
    this.datapath = datapath;
    const { memory, messages } = datapath.start((message) => this.view.apply(message));
    this.view = fwdViewOf(memory, messages);
  }

  /** Puts the short path in front of `port`; answers the port itself when there are PORTS_MAX: the stack has all of its frames. */
  wrap(port: FramePort): FramePort {
    const free = this.ports.indexOf(null);
    const number = free < 0 ? this.ports.length : free;
    if (number >= PORTS_MAX) return port;
    const inline = new InlinePort(this, port, number);
    this.ports[number] = inline;
    return inline;
  }

  /** The port has gone. */
  drop(port: InlinePort): void {
    this.ports[port.number] = null;
  }

  /** Decides about the frame that `batch` is at. True: it has been sent on, or ended here. */
  take(from: InlinePort, batch: FrameBatch): boolean {
    const { view } = this;
    const front = batch.off - from.front;
    const verdict = forwardFrame(view, from.number, batch.view, front, batch.len + from.front);
    if (verdict < 0) return fwdIsDrop(verdict);
    const to = this.ports[verdict] ?? null;
    // A port that has just gone: its interface is about to be known as closed.
    if (to === null) return true;
    if (!to.touched) {
      to.touched = true;
      this.touched.push(to);
    }
    to.send(batch.bytes, view.at + to.front, view.len - to.front, view.undone ? this.headerAt(batch.view, view.at) : null);
    return true;
  }

  /** The batch is over: what was sent is shown to the ports' threads. */
  flush(): void {
    const { touched } = this;
    if (touched.length === 0) return;
    this.touched = [];
    for (const port of touched) {
      port.touched = false;
      port.flush();
    }
  }

  private headerAt(view: DataView, at: number): VnetHdr {
    readVnetHdr(view, at, this.header);
    return this.header;
  }
}

/** A device's port with the short path in front of it. */
class InlinePort implements FramePort {
  readonly number: number;
  /** Bytes of a virtio header. */
  readonly front: number;
  touched = false;
  private readonly path: InlinePath;
  private readonly port: FramePort;
  private ifp: Ifnet | null = null;
  private readonly filter = (batch: FrameBatch): boolean => this.path.take(this, batch);

  constructor(path: InlinePath, port: FramePort, number: number) {
    this.path = path;
    this.port = port;
    this.number = number;
    this.front = port.vnetHdr ? VNET_HDR_SIZE : 0;
  }

  get name(): string {
    return this.port.name;
  }

  get mtu(): number {
    return this.port.mtu;
  }

  get vnetHdr(): boolean {
    return this.port.vnetHdr;
  }

  get stats(): FramePortStats {
    return this.port.stats;
  }

  joined(ifp: Ifnet): void {
    const { kernel, loop, datapath } = this.path;
    const was = this.ifp;
    this.ifp = ifp;
    // A moved interface keeps its index, and with it its port.
    if (was === null) kernel.call(loop.enter(), () => datapath.attachPort(this.number, ifp, this.vnetHdr));
  }

  onFrames(callback: (batch: FrameBatch) => void): void {
    this.port.onFrames((batch) => {
      batch.filter = this.filter;
      this.path.view.beginBatch();
      try {
        callback(batch);
      } finally {
        this.path.flush();
      }
    });
  }

  onGone(callback: (error: Error) => void): void {
    this.port.onGone(callback);
  }

  send(frame: Uint8Array, off: number, len: number, hdr: VnetHdr | null = null): boolean {
    return this.port.send(frame, off, len, hdr);
  }

  flush(): void {
    this.port.flush();
  }

  async close(): Promise<void> {
    const { kernel, loop, datapath } = this.path;
    if (this.ifp !== null) {
      this.ifp = null;
      kernel.call(loop.enter(), () => datapath.detachPort(this.number, () => undefined));
    }
    await this.port.close();
    this.path.drop(this);
  }
}
