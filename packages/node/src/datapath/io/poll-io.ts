/**
 * poll-io.ts — PollIo: frames by poll(2), read(2) and write(2); works on every kernel and every kind of descriptor.
 * Read first: frame-io.ts; poll(2); tap/tap-pump.ts for what a TAP answers.
 *
 * Theory of operation. There is one slot: a frame is read into it, handled, and written from it before the next one is read, so that all of it stays in
 * the processor's nearest memory. A turn polls without waiting first, and only when nothing is there says `idle` and waits:
 *
 *     poll(0) ─ nothing ─▶ idle, poll(timeout), awake
 *        └─ each ready port, in turn: read until it is empty or BATCH_MAX frames are in
 *
 * A packet socket is not read: its frames lie in a ring (packet/packet-ring.ts), and are handled and written from there.
 * A port that always has frames cannot starve the others: each gets BATCH_MAX frames a turn.
 *
 * Invariants: descriptors do not block. A port may be opened and closed within a callback; the table of poll(2) is made anew before the next poll.
 */
import { EAGAIN, EINTR, ENETDOWN, ENOBUFS, ENODEV, POLLERR, POLLHUP, POLLIN, POLLNVAL } from '../../tap/libc.js';
import type { Libc } from '../../tap/libc.js';
import { BATCH_MAX, FRAME_HEADROOM } from './frame-io.js';
import type { FrameHandler, FrameIo, FrameMemory } from './frame-io.js';
import { PacketRing } from '../../packet/packet-ring.js';

/** A slot's first size; a port that needs more makes it larger. */
const FRAME_BYTES = 65_600;
const POLL_BROKEN = POLLERR | POLLHUP | POLLNVAL;

interface PollPort {
  readonly port: number;
  readonly fd: number;
  readonly frameMax: number;
  /** False: for output only, or dead, or closed. */
  input: boolean;
  /** A packet socket's frames; null: they are read. */
  readonly ring: PacketRing | null;
}

export class PollIo implements FrameIo {
  errno = 0;
  readonly ownFd = -1;
  private readonly libc: Libc;
  private readonly handler: FrameHandler;
  private readonly wakeFd: number;
  private readonly wakeWord = new BigUint64Array(1);
  private readonly wakeAddress: number;
  private readonly ports: (PollPort | null)[] = [];
  /** The slot; and where the frame is that is being handled. */
  private mem: FrameMemory;
  private current: FrameMemory;
  /** Ports with input, in the order of the table of poll(2), which has `wakeFd` first. */
  private inputs: PollPort[] = [];
  private pollFds = new Int32Array(2);
  private pollEvents = new Uint16Array(this.pollFds.buffer);
  private pollAddress = 0;
  private stale = true;
  private batched = 0;
  /** Rings of ports that have been closed. */
  private readonly unmapped: PacketRing[] = [];

  constructor(libc: Libc, handler: FrameHandler, wakeFd: number) {
    this.libc = libc;
    this.handler = handler;
    this.wakeFd = wakeFd;
    this.wakeAddress = libc.address(this.wakeWord);
    this.mem = slotOf(libc, FRAME_BYTES);
    this.current = this.mem;
  }

  open(port: number, fd: number, input: boolean, frameMax: number): void {
    this.close(port);
    this.ports[port] = { port, fd, frameMax, input, ring: input ? PacketRing.of(fd) : null };
    this.stale = true;
    if (FRAME_HEADROOM + frameMax > this.mem.bytes.length) this.mem = slotOf(this.libc, frameMax);
  }

  close(port: number): void {
    const closed = this.ports[port];
    if (closed === undefined || closed === null) return;
    closed.input = false;
    // A frame of the ring's may be in the handler's hands.
    if (closed.ring !== null) this.unmapped.push(closed.ring);
    this.ports[port] = null;
    this.stale = true;
  }

  /** One frame is gone before the next is there: none joins another. */
  forward(port: number, at: number, len: number): boolean {
    return this.send(port, this.current, at, len);
  }

  send(port: number, mem: FrameMemory, at: number, len: number): boolean {
    const to = this.ports[port];
    if (to === undefined || to === null) {
      this.errno = ENODEV;
      return false;
    }
    if (this.libc.write(to.fd, mem.address + at, len) >= 0) return true;
    this.errno = this.libc.errno();
    return false;
  }

  turn(timeoutMs: number): number {
    if (this.stale) this.listInputs();
    this.unmap();
    let ready = this.poll(0);
    if (ready === 0 && timeoutMs > 0) {
      this.handler.idle();
      ready = this.poll(timeoutMs);
      this.handler.awake();
    }
    if (ready <= 0) return 0;
    const { inputs, pollEvents } = this;
    if (pollEvents[3] !== 0) this.libc.read(this.wakeFd, this.wakeAddress, 8);
    let frames = 0;
    for (let i = 0; i < inputs.length; i++) {
      const events = pollEvents[4 * i + 7]!;
      const from = inputs[i]!;
      if (events !== 0 && from.input) frames += from.ring === null ? this.readPort(from, events) : this.takeFromRing(from, from.ring, events);
    }
    if (this.batched > 0) this.endBatch();
    return frames;
  }

  destroy(): void {
    for (let port = 0; port < this.ports.length; port++) this.close(port);
    this.unmap();
    this.inputs = [];
  }

  private poll(timeoutMs: number): number {
    return this.libc.poll(this.pollAddress, this.inputs.length + 1, timeoutMs);
  }

  private listInputs(): void {
    this.stale = false;
    this.inputs = this.ports.filter((p): p is PollPort => p?.input === true);
    this.pollFds = new Int32Array(2 * this.inputs.length + 2);
    this.pollEvents = new Uint16Array(this.pollFds.buffer);
    this.pollAddress = this.libc.address(this.pollFds);
    [this.wakeFd, ...this.inputs.map((p) => p.fd)].forEach((fd, i) => {
      this.pollFds[2 * i] = fd;
      this.pollEvents[4 * i + 2] = POLLIN;
    });
  }

  private unmap(): void {
    while (this.unmapped.length > 0) this.unmapped.pop()!.unmap();
  }

  /** A packet socket's frames, where they lie. */
  private takeFromRing(from: PollPort, ring: PacketRing, events: number): number {
    let frames = 0;
    this.current = ring;
    while (frames < BATCH_MAX && from.input && ring.next()) {
      frames++;
      this.handler.frame(from.port, ring, ring.off, ring.length);
      if (++this.batched === BATCH_MAX) this.endBatch();
    }
    ring.release();
    const errno = (events & POLL_BROKEN) === 0 || !from.input ? 0 : ring.takeError();
    if (errno !== 0) this.lose(from, errno);
    return frames;
  }

  private readPort(from: PollPort, events: number): number {
    const { libc, handler } = this;
    let frames = 0;
    while (frames < BATCH_MAX && from.input) {
      const { mem } = this;
      this.current = mem;
      const n = libc.read(from.fd, mem.address + FRAME_HEADROOM, from.frameMax);
      if (n > 0) {
        frames++;
        handler.frame(from.port, mem, FRAME_HEADROOM, n);
        if (++this.batched === BATCH_MAX) this.endBatch();
      } else if (this.readEnds(from, n < 0 ? libc.errno() : EAGAIN, events)) {
        break;
      }
    }
    return frames;
  }

  /** A read gave no frame. True: no more for now. */
  private readEnds(from: PollPort, errno: number, events: number): boolean {
    if (errno === EINTR) return false;
    const passes = errno === EAGAIN ? (events & POLL_BROKEN) === 0 : errno === ENETDOWN || errno === ENOBUFS;
    if (!passes) this.lose(from, errno === EAGAIN ? ENODEV : errno);
    return true;
  }

  private lose(from: PollPort, errno: number): void {
    from.input = false;
    this.stale = true;
    this.handler.gone(from.port, errno);
  }

  private endBatch(): void {
    this.batched = 0;
    this.handler.batchEnd();
  }
}

function slotOf(libc: Libc, frameMax: number): FrameMemory {
  const bytes = new Uint8Array(FRAME_HEADROOM + frameMax);
  return { bytes, view: new DataView(bytes.buffer), address: libc.address(bytes) };
}
