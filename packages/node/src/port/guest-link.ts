/**
 * guest-link.ts — GuestLink: joins a guest's wire to the stack's end of its cable, frames both ways.
 * Read first: port-end.ts (the stack's end), guest-wire.ts (the guest's); core/src/net/host-port.ts (FrameSink).
 *
 * Theory of operation. Each frame from the guest is copied into a packet, those that came together with one stamp and one turn. Frames to the guest are the
 * wire's as soon as they are handed over. A wire that is full is not given more: the stack's end keeps them in its bounded queue and drops, and counts, what
 * that has no room for. Most of QEMU's cards have neither checksums to be finished nor segments to be cut: the stack does both before a frame comes here.
 *
 * A plug may be put on what the guest sends (`plugIn`): a frame is counted when it comes, held, and handed to the stack's end when it may go, wherever that is by then. What is held when the cable is closed is gone.
 * Who wants to know what the guest has been given sets `onOutput`.
 *
 * Invariant: `close` runs once, whichever side goes first; afterwards nothing reaches the kernel.
 */
import type { Errno, FrameSink, Kernel, OutputPlug, PacketBuffer, PlugSink } from '@netloom/core';
import type { HostLoop } from '../loop.js';
import type { VhostUserStatus } from '../vhost-user/vhost-user-wire.js';
import type { GuestWire, WireState, WireUser } from './guest-wire.js';
import type { PortEnd } from './port-end.js';

/** What has passed one way, and what of it was lost here. */
export interface PortCounts {
  readonly frames: number;
  readonly bytes: number;
  readonly drops: number;
}

/** How a guest's port is, for `netloom ps`. */
export interface GuestPortStatus {
  readonly state: WireState;
  /** How many guests have plugged in. */
  readonly connects: number;
  readonly fromGuest: PortCounts;
  readonly toGuest: PortCounts;
  /** Why there is no guest. */
  readonly error?: string;
  /** More of a vhost-user port. */
  readonly vhostUser?: VhostUserStatus;
}

export interface GuestLinkPlace {
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  readonly end: PortEnd;
  /** Told once, with why if the wire failed. */
  readonly onClose: (reason: Error | null) => void;
}

const NO_OFFLOAD: FrameSink['offload'] = { csum: false, gso: false };

class Counts {
  frames = 0;
  bytes = 0;
  drops = 0;
}

export class GuestLink implements FrameSink, WireUser {
  /** Who has the stack's end open. */
  readonly pid = process.pid;
  readonly offload: FrameSink['offload'];
  readonly end: PortEnd;
  /** Told of each frame that the guest is given, while the call lasts; null: nobody wants to know. */
  onOutput: ((bytes: Uint8Array) => void) | null = null;
  private plugged: OutputPlug | null = null;
  private wire: GuestWire;
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly onClose: GuestLinkPlace['onClose'];
  private readonly fromGuest = new Counts();
  private readonly toGuest = new Counts();
  private endGone = false;
  private closing: Promise<void> | null = null;

  /** @param wire opened and not started. */
  constructor(wire: GuestWire, { kernel, loop, end, onClose }: GuestLinkPlace) {
    this.wire = wire;
    this.offload = wire.offload ?? NO_OFFLOAD;
    this.kernel = kernel;
    this.loop = loop;
    this.end = end;
    this.onClose = onClose;
  }

  get device(): string {
    return this.wire.device;
  }

  /** What holds back what the guest sends; null: nothing does. */
  get plug(): OutputPlug | null {
    return this.plugged;
  }

  get status(): GuestPortStatus {
    const { wire } = this;
    return {
      state: wire.state, connects: wire.connects, fromGuest: { ...this.fromGuest }, toGuest: { ...this.toGuest }, ...(wire.lastError === null ? {} : { error: wire.lastError }),
      ...(wire.vhostUser === undefined ? {} : { vhostUser: wire.vhostUser }),
    };
  }

  /** Plugs both ends in. On an error nothing has happened but that the wire is open: `discard` it. */
  open(): Errno {
    const error = this.kernel.call(this.loop.enter(), () => this.end.open(this));
    if (error === 0) this.wire.start(this);
    return error;
  }

  /** Pulls both ends out. */
  close(reason: Error | null = null): Promise<void> {
    if (this.closing === null) {
      this.closing = this.wire.close();
      this.plugOut();
      if (!this.endGone) this.kernel.call(this.loop.enter(), () => this.end.close());
      this.onClose(reason);
    }
    return this.closing;
  }

  /**
   * Another guest takes this one's place: the stack's end stays open and hears nothing of it. What the guest before had sent and is still held is gone, as with a cable that is cut. Resolves when its wire is closed.
   * @param wire opened and not started, of the same kind.
   */
  rewire(wire: GuestWire): Promise<void> {
    const closed = this.wire.close();
    this.plugOut();
    this.wire = wire;
    if (this.closing === null) wire.start(this);
    return closed;
  }

  /** Lets go of the wire alone, when the stack's end could not be opened. */
  discard(): Promise<void> {
    this.closing ??= this.wire.close();
    return this.closing;
  }

  /**
   * Puts a plug on what the guest sends, in the place of one that is there. `make` is given the function that frames go on by. Called inside the host loop.
   * @returns the plug; null when the cable is closed.
   */
  plugIn<P extends OutputPlug>(make: (sink: PlugSink) => P): P | null {
    if (this.closing !== null) return null;
    this.plugOut();
    const plug = make((m) => {
      this.end.input(m, this.kernel.engine.now);
      return 0;
    });
    this.plugged = plug;
    return plug;
  }

  /** Takes the plug away; what it holds is freed. Called inside the host loop. */
  plugOut(): void {
    this.plugged?.destroy();
    this.plugged = null;
  }

  /** Gives the guest a frame of somebody else's than the stack; false, and it is counted: it could not be given. */
  give(bytes: Uint8Array): boolean {
    const m = this.kernel.engine.pool.from(bytes, 0, bytes.length);
    if (m === null) {
      this.toGuest.drops++;
      return false;
    }
    const given = this.output(m);
    if (!given) m.free();
    this.flush();
    return given;
  }

  get isFull(): boolean {
    return this.wire.isFull;
  }

  output(m: PacketBuffer): boolean {
    const { len } = m;
    if (this.closing === null && this.onOutput !== null) this.onOutput(m.buf.subarray(m.off, m.off + len));
    if (this.closing !== null || !this.wire.send(m)) {
      this.toGuest.drops++;
      return false;
    }
    this.toGuest.frames++;
    this.toGuest.bytes += len;
    return true;
  }

  flush(): void {
    this.wire.flush();
  }

  gone(): void {
    this.endGone = true;
    void this.close();
  }

  frame(bytes: Uint8Array, off: number, len: number, now: number): void {
    if (this.closing !== null) return;
    const m = this.kernel.engine.pool.from(bytes, off, len);
    if (m === null) this.noMemory();
    else this.packet(m, now);
  }

  alloc(len: number): PacketBuffer | null {
    const m = this.kernel.engine.pool.alloc(len);
    if (m === null) this.noMemory();
    return m;
  }

  packet(m: PacketBuffer, now: number): void {
    if (this.closing !== null) {
      m.free();
      return;
    }
    this.fromGuest.frames++;
    this.fromGuest.bytes += m.len;
    if (this.plugged === null) this.end.input(m, now);
    else this.plugged.output(m);
  }

  room(): void {
    if (this.closing === null) this.loop.batch(this.resume);
  }

  lost(frames: number): void {
    this.toGuest.frames -= frames;
    this.toGuest.drops += frames;
  }

  failed(error: Error): void {
    void this.close(error);
  }

  private noMemory(): void {
    this.fromGuest.drops++;
    this.end.inputLost();
  }

  private readonly resume = (): void => this.end.resume();
}
