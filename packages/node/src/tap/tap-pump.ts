/**
 * tap-pump.ts — the loop between a TAP's descriptor and two rings; what the worker thread runs.
 * Read first: poll(2); ring.ts.
 *
 * Theory of operation. One thread serves both directions, because a frame read and a frame written are one system call each and the
 * thread is asleep, in both directions at once, in poll(2): on the TAP for frames, on an eventfd for the other thread's bell.
 *
 *     turn:  tell both rings "asleep" (unless there is work)  →  poll  →  "awake"  →  read up to BURST frames  →  write up to BURST
 *
 * A read lands in the receive ring itself and a write leaves from the transmit ring itself: nothing is copied here. Back-pressure goes
 * outward: a full receive ring stops the reading, and the kernel's own queue in front of the TAP drops; a full send buffer in the kernel
 * leaves the frame in the transmit ring, and `send` on the other thread says so.
 *
 * Invariants: poll waits without limit of work only while both rings say "asleep" or the kernel has to make a move, so no wake-up is
 * lost; the wait has an end all the same (IDLE_MS), because a thread inside poll cannot be terminated.
 */
import { EAGAIN, EBADF, EBADFD, EINTR, ENODEV, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT } from './libc.js';
import type { Libc } from './libc.js';
import type { RingConsumer, RingProducer } from './ring.js';
import { BURST, C_RX_ERRORS, C_RX_WAITS, C_TX_ERRORS, C_TX_FRAMES, C_TX_OCTETS, C_TX_WAITS, C_WAKEUPS, FRAME_MAX, STOP } from './tap-shared.js';

const IDLE_MS = 1_000;

export interface PumpEnds {
  readonly libc: Libc;
  readonly fd: number;
  readonly eventFd: number;
  readonly rx: RingProducer;
  readonly tx: RingConsumer;
  readonly control: Int32Array;
  readonly counters: Float64Array;
  /** Rings the other thread's bell: it slept and there are frames for it. */
  readonly bell: () => void;
}

export class TapPump {
  /** 0, or the errno with which the device went away. */
  gone = 0;
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly eventFd: number;
  private readonly rx: RingProducer;
  private readonly tx: RingConsumer;
  private readonly control: Int32Array;
  private readonly counters: Float64Array;
  private readonly bell: () => void;
  private readonly rxBase: number;
  private readonly txBase: number;
  /** Two struct pollfd: the descriptor, then events in the low and revents in the high half-word. */
  private readonly pollFds = new Int32Array(4);
  private readonly pollEvents = new Uint16Array(this.pollFds.buffer);
  private readonly pollAddress: number;
  private readonly eventCount = new BigUint64Array(1);
  private readonly eventAddress: number;
  private rxFull = false;
  private txFull = false;

  constructor(ends: PumpEnds) {
    this.libc = ends.libc;
    this.fd = ends.fd;
    this.eventFd = ends.eventFd;
    this.rx = ends.rx;
    this.tx = ends.tx;
    this.control = ends.control;
    this.counters = ends.counters;
    this.bell = ends.bell;
    this.rxBase = ends.libc.address(ends.rx.bytes);
    this.txBase = ends.libc.address(ends.tx.bytes);
    this.pollAddress = ends.libc.address(this.pollFds);
    this.eventAddress = ends.libc.address(this.eventCount);
    this.pollFds[0] = ends.fd;
    this.pollFds[2] = ends.eventFd;
    this.pollEvents[6] = POLLIN;
  }

  /** Moves frames until told to stop or the device goes away. */
  run(): void {
    let running = true;
    while (running) running = this.turn();
  }

  /** One turn. False: stopped, or `gone`. */
  turn(): boolean {
    const ready = this.wait();
    if ((ready & (POLLERR | POLLHUP | POLLNVAL)) !== 0) this.gone = ENODEV;
    if ((ready & POLLIN) !== 0) this.readBurst();
    if ((ready & POLLOUT) !== 0) this.txFull = false;
    if (Atomics.load(this.control, STOP) !== 0) {
      while (this.gone === 0 && this.writeBurst() === BURST);
      return false;
    }
    if (!this.txFull) this.writeBurst();
    return this.gone === 0;
  }

  /** Sleeps until there is something to do; what the TAP is ready for (POLL*). */
  private wait(): number {
    if (this.rxFull) this.rxFull = this.rx.sleepUntilRoom(FRAME_MAX);
    const txIdle = !this.txFull && this.tx.sleepUntilRecord();
    const events = this.pollEvents;
    events[2] = (this.rxFull ? 0 : POLLIN) | (this.txFull ? POLLOUT : 0);
    events[3] = 0;
    events[7] = 0;
    const n = this.libc.poll(this.pollAddress, 2, txIdle || this.txFull ? IDLE_MS : 0);
    if (txIdle) this.tx.wake();
    if (this.rxFull) this.rx.wake();
    this.counters[C_WAKEUPS]!++;
    if (n <= 0) return 0;
    if (events[7] !== 0) this.libc.read(this.eventFd, this.eventAddress, 8);
    return events[3]!;
  }

  /** Reads until the TAP is empty, the ring is full, or BURST frames are in. */
  private readBurst(): void {
    const { libc, rx, fd } = this;
    let frames = 0;
    for (; frames < BURST; frames++) {
      const at = rx.reserve(FRAME_MAX);
      if (at < 0) {
        this.rxFull = true;
        this.counters[C_RX_WAITS]!++;
        break;
      }
      const n = libc.read(fd, this.rxBase + at, FRAME_MAX);
      if (n > 0) rx.commit(n);
      else if (n === 0 || this.readFailed(libc.errno())) break;
    }
    if (rx.pending > 0 && rx.publish()) this.bell();
  }

  /** True: no more frames for now. */
  private readFailed(errno: number): boolean {
    if (errno === EAGAIN) return true;
    if (errno === EINTR) return false;
    if (errno === EBADFD || errno === EBADF || errno === ENODEV) this.gone = errno;
    else this.counters[C_RX_ERRORS]!++;
    return true;
  }

  /** Writes until the ring is empty, the kernel is full, or BURST frames are out; how many left the ring. */
  private writeBurst(): number {
    const { libc, tx, fd } = this;
    if (!tx.acquire()) return 0;
    let taken = 0;
    let frames = 0;
    let octets = 0;
    while (taken < BURST && tx.next()) {
      const n = libc.write(fd, this.txBase + tx.off, tx.length);
      if (n >= 0) {
        frames++;
        octets += n;
      } else if (this.writeFailed(libc.errno())) {
        break;
      }
      taken++;
    }
    this.counters[C_TX_FRAMES]! += frames;
    this.counters[C_TX_OCTETS]! += octets;
    // The sending side never sleeps for room, so nobody needs to be rung for it.
    tx.release();
    return taken;
  }

  /** Handles a frame the kernel did not take. True: stop writing, the frame is still in the ring or does not matter any more. */
  private writeFailed(errno: number): boolean {
    if (errno === EAGAIN || errno === EINTR) {
      this.tx.unread();
      this.txFull = errno === EAGAIN;
      if (this.txFull) this.counters[C_TX_WAITS]!++;
      return true;
    }
    if (errno === EBADFD || errno === EBADF || errno === ENODEV) {
      this.gone = errno;
      return true;
    }
    this.counters[C_TX_ERRORS]!++;
    return false;
  }
}
