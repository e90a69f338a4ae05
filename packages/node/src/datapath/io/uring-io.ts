/**
 * uring-io.ts — UringIo: frames by io_uring, many of them per system call.
 * Read first: frame-io.ts; native/io-uring.ts; docs/adr/0037-packet-io.md for why it is done so and what it gains.
 *
 *     port in ── one read that goes on, into whichever slot is next ──▶ completions ── frame() ──▶ handler
 *     port out ◀── enter ── a write from that very slot, queued by forward() ◀──────────────────────┘
 *
 * Theory of operation. Each port with input has a slab of slots, which the kernel has in a ring of its own (FrameSlots), and one read outstanding, which
 * does not end with a frame: each goes into the next slot and makes a completion, without anything asked again. The read ends when no slot is
 * left, and is begun again when slots have come back. A turn is one `enter`: it hands over the writes of the batch before, and the kernel finishes
 * meanwhile what has come in. When that brings nothing there is a second one, which sleeps; a read of `wakeFd` is outstanding all the time to end it.
 *
 * Order. A write is made with RWF_NOWAIT: the kernel writes there and then, in the order in which they were queued, or it fails; it never puts one off to a
 * thread of its own, where it would be overtaken. So when `enter` has returned all writes are over, their slots can be given back, and only a write that
 * failed makes a completion. `send` hands over what is queued for its port before it writes. Reads need no care: there is one a port.
 *
 * Trains. A frame that is a piece of the same segment as the one queued last for its port is not queued: it becomes another vector of that write, until `enter` (uring-trains.ts).
 *
 * Packet sockets. Their frames lie in a ring (packet/packet-ring.ts) and are handled and written from there; a poll of the socket is outstanding to end a sleep.
 * They are given back when the turn after has handed over what is written from them.
 *
 * Memory. A slot is 2 KiB for a port whose frames fit, and otherwise as long as its longest frame; a port has SLOTS_SMALL or SLOTS_LARGE of them: 192 KiB,
 * or 2 MiB with virtio headers. The queues of the kernel's take 540 KiB a UringIo. The completion queue has room for everything that can be
 * outstanding: when there are hundreds of ports the last ones get fewer slots, and `open` refuses one for which there is none.
 *
 * Invariants: the bytes of a frame are not changed after it was forwarded in the same callback. A slot is in the kernel's ring, in `sent`, or the one being
 * handled, and in one of them only. Belongs to the thread that made it.
 */
import {
  CQE_FLAGS, CQE_RESULT, CQE_USER_DATA, IORING_ASYNC_CANCEL_ALL, IORING_CQE_BUFFER_SHIFT, IORING_CQE_F_BUFFER, IORING_CQE_F_MORE, IORING_OP_ASYNC_CANCEL,
  IORING_OP_POLL_ADD, IORING_OP_READ, IORING_OP_READ_MULTISHOT, IORING_OP_WRITE, IOSQE_BUFFER_SELECT, IOSQE_CQE_SKIP_SUCCESS, IoUring, RWF_NOWAIT, SQE_ADDRESS,
  SQE_BUFFER_GROUP, SQE_FD, SQE_LENGTH, SQE_OFFSET, SQE_OP, SQE_OP_FLAGS, SQE_USER_DATA,
} from '../../native/io-uring.js';
import { PacketRing } from '../../packet/packet-ring.js';
import { EAGAIN, EINTR, EMSGSIZE, ENETDOWN, ENOBUFS, ENODEV, POLLERR, POLLIN } from '../../tap/libc.js';
import type { Libc } from '../../tap/libc.js';
import { BATCH_MAX, FRAME_HEADROOM } from './frame-io.js';
import type { FrameHandler, FrameIo, FrameMemory } from './frame-io.js';
import { FrameSlots } from './frame-slots.js';
import { ONE_FRAME, QueuedTrain, UringTrains } from './uring-trains.js';

const SQ_ENTRIES = 256;
const CQ_ENTRIES = 32_768;
/** Completions that are no frames: one a queued write at most, one a port, the wake-up. */
const CQ_RESERVE = 1_024;
const SLOT_SMALL = 2_048;
const SLOTS_SMALL = 96;
const SLOTS_LARGE = 32;

/** A completion's user data: what it is of, and the port; of a write in the upper half how many frames they are, and their octets. */
const OF_READ = 1 << 16;
const OF_WRITE = 2 << 16;
const OF_WAKE = 3 << 16;
const OF_POLL = 4 << 16;
/** Nothing that matters: a cancellation, or a completion of a port that has been closed. */
const OF_NOBODY = 5 << 16;
const PORT_MASK = 0xffff;
const NO_OFFSET = -1;
const CANCEL_WAIT_MS = 1_000;
/** Frames that packet sockets hand over before what was read gets its turn. */
const RING_SHARE = BATCH_MAX / 2;

class UringPort {
  /** The number of the `enter` that hands over the last write queued for it. */
  queuedFor = 0;
  /** The read is outstanding. */
  reading = false;
  /** What is queued for it last, when others may join that. Null: nothing ever was. */
  train: QueuedTrain | null = null;
  readonly port: number;
  readonly fd: number;
  readonly frameMax: number;
  /** Where its frames come: the slots that they are read into, or the ring of a packet socket. Null both: no input, or it has stopped. */
  slots: FrameSlots | null;
  ring: PacketRing | null;
  /** The poll is outstanding. */
  polling = false;

  constructor(port: number, fd: number, frameMax: number, slots: FrameSlots | null, ring: PacketRing | null) {
    this.port = port;
    this.fd = fd;
    this.frameMax = frameMax;
    this.slots = slots;
    this.ring = ring;
  }
}

export class UringIo implements FrameIo {
  errno = 0;
  private readonly libc: Libc;
  private readonly handler: FrameHandler;
  private readonly wakeFd: number;
  private readonly wakeWord = new BigUint64Array(1);
  private readonly wakeAddress: number;
  private waking = false;
  private readonly ring: IoUring;
  private readonly ports: (UringPort | null)[] = [];
  /** Ports that are read; packet sockets. */
  private inputs: UringPort[] = [];
  private polled: UringPort[] = [];
  /** Rings of ports that have been closed. */
  private readonly unmapped: PacketRing[] = [];
  private slotsTotal = 0;
  /** Where the frame lies that is being handled (null: none), and whether a write from it is queued. */
  private current: FrameMemory | null = null;
  private forwarded = false;
  /** Slots that writes are queued from: whose, and which. */
  private readonly sentSlots: (FrameSlots | null)[] = Array.from({ length: BATCH_MAX }, () => null);
  private readonly sentNumbers = new Int32Array(BATCH_MAX);
  private sent = 0;
  private readonly trains: UringTrains;
  /** Times that all that was queued was handed over. */
  private enters = 1;

  /** @throws IoUringError that says why there is no io_uring. */
  static make(libc: Libc, handler: FrameHandler, wakeFd: number): FrameIo {
    return new UringIo(libc, handler, wakeFd);
  }

  /** @throws as `make`. */
  constructor(libc: Libc, handler: FrameHandler, wakeFd: number) {
    this.libc = libc;
    this.handler = handler;
    this.wakeFd = wakeFd;
    this.wakeAddress = libc.address(this.wakeWord);
    this.ring = new IoUring(SQ_ENTRIES, CQ_ENTRIES);
    this.trains = new UringTrains(libc, this.ring.sqes);
  }

  get ownFd(): number {
    return this.ring.fd;
  }

  /** @throws RangeError when one thread has too many ports; Error when there is no memory. */
  open(port: number, fd: number, input: boolean, frameMax: number): void {
    if (port < 0 || port > PORT_MASK) throw new RangeError(`port ${port} is not a number from 0 to ${PORT_MASK}`);
    this.close(port);
    const ring = input ? PacketRing.of(fd) : null;
    const opened = new UringPort(port, fd, frameMax, input && ring === null ? this.makeSlots(port, frameMax) : null, ring);
    this.ports[port] = opened;
    if (input) (ring === null ? this.inputs : this.polled).push(opened);
  }

  close(port: number): void {
    const closed = this.ports[port] ?? null;
    if (closed === null) return;
    this.flush();
    this.ports[port] = null;
    if (closed.reading) this.cancel(OF_READ | port);
    if (closed.polling) this.cancel(OF_POLL | port);
    this.disown(OF_POLL | port);
    this.disown(OF_READ | port);
    this.disown(OF_WRITE | port);
    this.dropInput(closed);
    // Another may read it next, and begins where this one ended.
    if (this.current === null && this.ring.pending === 0) this.releaseRings();
  }

  forward(port: number, at: number, len: number, joins = false): boolean {
    const mem = this.current;
    const to = this.ports[port] ?? null;
    if (mem === null || to === null) {
      this.errno = ENODEV;
      return false;
    }
    if (len > to.frameMax) {
      this.errno = EMSGSIZE;
      return false;
    }
    if (joins && to.train !== null && this.trains.joins(to.train, mem, at, len)) {
      this.forwarded = true;
      return true;
    }
    const sqe = this.sqe();
    if (sqe < 0) {
      this.errno = EAGAIN;
      return false;
    }
    this.forwarded = true;
    this.queueWrite(sqe, to, mem.address + at, len);
    if (joins) this.trains.begin((to.train ??= new QueuedTrain()), sqe, mem, at, len);
    return true;
  }

  send(port: number, mem: FrameMemory, at: number, len: number): boolean {
    const to = this.ports[port] ?? null;
    if (to === null) {
      this.errno = ENODEV;
      return false;
    }
    if (to.queuedFor === this.enters) this.flush();
    if (this.libc.write(to.fd, mem.address + at, len) >= 0) return true;
    this.errno = this.libc.errno();
    return false;
  }

  turn(timeoutMs: number): number {
    const { ring } = this;
    this.beginReads();
    if (ring.pending > 0 || ring.ready() < BATCH_MAX) this.enter(0, 0);
    if (ring.pending === 0) this.releaseRings();
    if (ring.ready() === 0 && timeoutMs > 0 && !this.anyRingReady()) {
      this.beginReads();
      this.handler.idle();
      this.enter(1, timeoutMs);
      this.handler.awake();
    }
    return this.reap();
  }

  destroy(): void {
    for (let port = 0; port < this.ports.length; port++) this.close(port);
    if (this.waking) this.cancel(OF_WAKE);
    this.flush();
    this.releaseRings();
    this.ring.destroy();
  }

  private makeSlots(port: number, frameMax: number): FrameSlots {
    const bytes = FRAME_HEADROOM + frameMax <= SLOT_SMALL ? SLOT_SMALL : (FRAME_HEADROOM + frameMax + 63) & ~63;
    const count = Math.min(bytes === SLOT_SMALL ? SLOTS_SMALL : SLOTS_LARGE, this.ring.cqEntries - CQ_RESERVE - this.slotsTotal);
    if (count < 1) throw new RangeError(`one thread serves no more than ${this.inputs.length} of such ports`);
    const slots = new FrameSlots(this.libc, port, bytes, count);
    const errno = this.ring.registerBuffers(port, slots.ringAddress, slots.ringEntries);
    if (errno !== 0) {
      slots.release();
      throw new Error(`slots for frames cannot be registered: ${this.libc.strerror(errno)}`);
    }
    this.slotsTotal += count;
    return slots;
  }

  /** Its descriptor is not read any more, and its memory goes. */
  private dropInput(port: UringPort): void {
    const { slots, ring } = port;
    if (ring !== null) {
      port.ring = null;
      if (this.current === ring) this.current = null;
      this.polled = this.polled.filter((p) => p !== port);
      this.unmapped.push(ring);
    }
    if (slots === null) return;
    port.slots = null;
    if (this.current === slots.mem) this.current = null;
    this.inputs = this.inputs.filter((p) => p !== port);
    this.slotsTotal -= slots.count;
    this.ring.unregisterBuffers(port.port);
    slots.release();
  }

  /** Cancels the entry with this user data and waits for its last completion, which stays in the queue with all that was there. */
  private cancel(userData: number): void {
    const { ring } = this;
    let at = -1;
    while (at < 0) at = this.sqe();
    ring.sqes[at + SQE_OP] = IORING_OP_ASYNC_CANCEL;
    ring.sqes[at + SQE_FD] = -1;
    ring.sqes[at + SQE_ADDRESS] = userData;
    ring.sqes[at + SQE_OP_FLAGS] = IORING_ASYNC_CANCEL_ALL;
    ring.sqes[at + SQE_USER_DATA] = OF_NOBODY;
    this.enter(0, 0);
    while (!this.ended(userData)) this.enter(ring.ready() + 1, CANCEL_WAIT_MS);
  }

  private ended(userData: number): boolean {
    const { ring } = this;
    for (let i = ring.ready() - 1; i >= 0; i--) {
      const at = ring.at(i);
      if (ring.words[at + CQE_USER_DATA] === userData && (ring.words[at + CQE_FLAGS]! & IORING_CQE_F_MORE) === 0) return true;
    }
    return false;
  }

  /** The completions of this user data that are there are nobody's any more. */
  private disown(userData: number): void {
    const { ring } = this;
    for (let i = ring.ready() - 1; i >= 0; i--) {
      const at = ring.at(i);
      if (ring.words[at + CQE_USER_DATA] === userData) ring.words[at + CQE_USER_DATA] = OF_NOBODY;
    }
  }

  /** An entry; hands over what fills the queue when it is full. -1: the kernel does not take it. */
  private sqe(): number {
    const at = this.ring.sqe();
    if (at >= 0) return at;
    this.enter(0, 0);
    return this.ring.sqe();
  }

  private queueWrite(at: number, to: UringPort, address: number, len: number): void {
    const { sqes } = this.ring;
    sqes[at + SQE_OP] = IORING_OP_WRITE | (IOSQE_CQE_SKIP_SUCCESS << 8);
    sqes[at + SQE_FD] = to.fd;
    sqes[at + SQE_OFFSET] = NO_OFFSET;
    sqes[at + SQE_OFFSET + 1] = NO_OFFSET;
    sqes[at + SQE_ADDRESS] = address | 0;
    sqes[at + SQE_ADDRESS + 1] = Math.floor(address / 2 ** 32);
    sqes[at + SQE_LENGTH] = len;
    sqes[at + SQE_OP_FLAGS] = RWF_NOWAIT;
    sqes[at + SQE_USER_DATA] = OF_WRITE | to.port;
    sqes[at + SQE_USER_DATA + 1] = ONE_FRAME | len;
    to.queuedFor = this.enters;
  }

  /** Begins the reads that have ended and have slots again, the polls that have ended, and the read of `wakeFd`. */
  private beginReads(): void {
    const { inputs } = this;
    for (let i = 0; i < inputs.length; i++) {
      const port = inputs[i]!;
      const slots = port.slots!;
      slots.publish();
      if (!port.reading && slots.free > 0) this.beginRead(port);
    }
    for (let i = 0; i < this.polled.length; i++) if (!this.polled[i]!.polling) this.beginPoll(this.polled[i]!);
    if (!this.waking) this.beginWake();
  }

  private beginRead(port: UringPort): void {
    const at = this.sqe();
    if (at < 0) return;
    const { sqes } = this.ring;
    sqes[at + SQE_OP] = IORING_OP_READ_MULTISHOT | (IOSQE_BUFFER_SELECT << 8);
    sqes[at + SQE_FD] = port.fd;
    sqes[at + SQE_OFFSET] = NO_OFFSET;
    sqes[at + SQE_OFFSET + 1] = NO_OFFSET;
    sqes[at + SQE_USER_DATA] = OF_READ | port.port;
    sqes[at + SQE_BUFFER_GROUP] = port.port;
    port.reading = true;
  }

  private beginWake(): void {
    const at = this.sqe();
    if (at < 0) return;
    const { sqes } = this.ring;
    sqes[at + SQE_OP] = IORING_OP_READ;
    sqes[at + SQE_FD] = this.wakeFd;
    sqes[at + SQE_OFFSET] = NO_OFFSET;
    sqes[at + SQE_OFFSET + 1] = NO_OFFSET;
    sqes[at + SQE_ADDRESS] = this.wakeAddress | 0;
    sqes[at + SQE_ADDRESS + 1] = Math.floor(this.wakeAddress / 2 ** 32);
    sqes[at + SQE_LENGTH] = 8;
    sqes[at + SQE_USER_DATA] = OF_WAKE;
    this.waking = true;
  }

  /** What is written from the rings of packet sockets has left, and no frame of theirs is in anybody's hands. */
  private releaseRings(): void {
    for (let i = 0; i < this.polled.length; i++) this.polled[i]!.ring!.release();
    for (let ring = this.unmapped.pop(); ring !== undefined; ring = this.unmapped.pop()) {
      ring.release();
      ring.unmap();
    }
  }

  private anyRingReady(): boolean {
    for (let i = 0; i < this.polled.length; i++) if (this.polled[i]!.ring!.isReady) return true;
    return false;
  }

  private beginPoll(port: UringPort): void {
    const at = this.sqe();
    if (at < 0) return;
    const { sqes } = this.ring;
    sqes[at + SQE_OP] = IORING_OP_POLL_ADD;
    sqes[at + SQE_FD] = port.fd;
    sqes[at + SQE_OP_FLAGS] = POLLIN;
    sqes[at + SQE_USER_DATA] = OF_POLL | port.port;
    port.polling = true;
  }

  private flush(): void {
    if (this.ring.pending > 0) this.enter(0, 0);
  }

  /** Hands over what is queued. What was written is over then, and its slots are free. */
  private enter(waitFor: number, timeoutMs: number): void {
    const { ring } = this;
    this.trains.end();
    ring.enter(waitFor, timeoutMs);
    if (ring.pending > 0) return;
    this.trains.taken();
    for (let i = 0; i < this.sent; i++) {
      const slots = this.sentSlots[i]!;
      slots.give(this.sentNumbers[i]!);
      this.sentSlots[i] = null;
    }
    this.sent = 0;
    this.enters++;
  }

  /** Takes completions until a batch is full or none is left; how many frames they were. */
  private reap(): number {
    const { ring } = this;
    let frames = this.polled.length === 0 ? 0 : this.takeFromRings();
    while (frames < BATCH_MAX && this.sent < BATCH_MAX && ring.ready() > 0) {
      const at = ring.at(0);
      const userData = ring.words[at + CQE_USER_DATA]!;
      const result = ring.words[at + CQE_RESULT]!;
      const flags = ring.words[at + CQE_FLAGS]!;
      ring.consume(1);
      const of = userData & ~PORT_MASK;
      if (of === OF_READ) frames += this.wasRead(this.ports[userData & PORT_MASK]!, result, flags);
      else if (of === OF_WRITE) this.wasRefused(userData & PORT_MASK, ring.words[at + CQE_USER_DATA + 1]!, -result);
      else if (of === OF_WAKE) this.waking = false;
      else if (of === OF_POLL) this.wasPolled(this.ports[userData & PORT_MASK]!, result);
    }
    if (frames > 0) this.handler.batchEnd();
    return frames;
  }

  /** Frames of packet sockets; how many. Each has its share, and together they have a batch when nothing else is there. */
  private takeFromRings(): number {
    const share = this.ring.ready() === 0 ? BATCH_MAX : RING_SHARE;
    // A callback may close any of them: the list is another one then.
    const { polled } = this;
    let frames = 0;
    for (let i = 0; i < polled.length; i++) {
      const { port, ring } = polled[i]!;
      const most = Math.ceil((share - frames) / (polled.length - i));
      for (let n = 0; n < most && ring !== null && this.ports[port]?.ring === ring && ring.next(); n++) {
        frames++;
        this.current = ring;
        this.handler.frame(port, ring, ring.off, ring.length);
      }
    }
    this.current = null;
    return frames;
  }

  private wasRefused(port: number, what: number, errno: number): void {
    this.handler.refused(port, Math.floor(what / ONE_FRAME), what & (ONE_FRAME - 1), errno);
  }

  private wasPolled(port: UringPort, result: number): void {
    port.polling = false;
    if (port.ring === null || result < 0 || (result & POLLERR) === 0) return;
    const errno = port.ring.takeError();
    if (errno === 0) return;
    this.dropInput(port);
    this.handler.gone(port.port, errno);
  }

  /** A completion of a port's read. 1: it was a frame. */
  private wasRead(port: UringPort, result: number, flags: number): number {
    if ((flags & IORING_CQE_F_MORE) === 0) port.reading = false;
    const slots = port.slots!;
    if ((flags & IORING_CQE_F_BUFFER) === 0) {
      if (result < 0) this.readEnded(port, -result);
      return 0;
    }
    const number = flags >>> IORING_CQE_BUFFER_SHIFT;
    slots.free--;
    if (result <= 0) {
      slots.give(number);
      return 0;
    }
    this.current = slots.mem;
    this.forwarded = false;
    this.handler.frame(port.port, slots.mem, slots.offset(number), result);
    if (this.current === null) return 1;
    this.current = null;
    if (!this.forwarded) {
      slots.give(number);
      return 1;
    }
    this.sentSlots[this.sent] = slots;
    this.sentNumbers[this.sent++] = number;
    return 1;
  }

  /** The read has ended without a frame: for want of slots or for a while, or because the descriptor is dead. */
  private readEnded(port: UringPort, errno: number): void {
    if (errno === ENOBUFS || errno === EINTR || errno === ENETDOWN) return;
    this.dropInput(port);
    this.handler.gone(port.port, errno);
  }
}
