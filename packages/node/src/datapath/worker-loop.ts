/**
 * worker-loop.ts — what a datapath worker does, turn by turn: reads frames of its ports, forwards them or hands them to the control thread, writes what that thread sends.
 * Read first: io/frame-io.ts, datapath-shared.ts; fwd/quiescence.ts in core.
 *
 *     turn   write what is in the transmit rings  →  io.turn: for each frame a verdict, then forward, drop, or copy to the queue's receive ring  →  commands
 *
 * Theory of operation. At the end of a batch the receive rings are published and the worker says that it holds nothing of the tables (`quiesce`). Before it answers a writer
 * that asked for that, and in any case before the next batch, it takes over (`adopt`) the tables that were replaced. Commands that concern descriptors wait for the end of the turn.
 * Before a sleep it says ASLEEP and looks once more; what it finds makes its own eventfd end the sleep that FrameIo is about to begin.
 *
 * A punted frame for a full receive ring is dropped and counted: unlike a TAP with a thread of its own, a worker cannot stop reading, because what it forwards comes the same way.
 * A frame of the control thread for which the kernel has no room stays in its ring and is tried again.
 *
 * Invariants: the clock is read when a sleep begins and ends, not otherwise. No frame is in a worker's hands at a quiescent point.
 * Not here: threads (datapath-worker.ts), who decides where a frame goes (frame-verdict.ts).
 */
import { fwdIsDrop, QUIET_DEAD, QUIET_RING } from '@netloom/core/fwd';
import type { Quiet, QuiescentReader } from '@netloom/core/fwd';
import { EAGAIN, EINTR, ENOBUFS } from '../tap/libc.js';
import type { FrameHandler, FrameIo, FrameMemory } from './io/frame-io.js';
import type { FrameVerdict } from './frame-verdict.js';
import {
  ASLEEP, COMMANDS, IDLE_MS, MSG_PASSED, PC_NO_PORT, PC_TX_ERRORS, PC_TX_FRAMES, PC_TX_FULL, PC_TX_OCTETS, PC_TX_WAITS, RETRY_MS, STOP, TX_BURST, W_BATCHES, W_BELLS, W_BUSY_MS, W_FRAMES, W_PUNTS,
  W_SINCE_MS, W_SLEEPS, W_TURNS,
} from './datapath-shared.js';
import type { WorkerMessage } from './datapath-shared.js';
import type { TransmitRing, WorkerQueue } from './worker-queue.js';

/** What a loop needs of its thread. */
export interface WorkerEnds {
  readonly control: Int32Array;
  readonly counters: Float64Array;
  readonly reader: QuiescentReader;
  readonly verdict: FrameVerdict;
  /** Tells the control thread something. */
  readonly tell: (message: WorkerMessage) => void;
  /** Ends the sleep that is about to begin. */
  readonly wakeSelf: () => void;
  /** There are commands: those that concern tables are obeyed. */
  readonly takeCommands: () => void;
  /** Between turns: the others are. */
  readonly obeyCommands: () => void;
  /** Milliseconds, by a clock that all threads read alike. */
  readonly clockMs: () => number;
}

export class WorkerLoop implements FrameHandler {
  /** Set before the first turn. */
  io!: FrameIo;
  /** Queues by number; the one to write to for each port. */
  readonly queues: (WorkerQueue | undefined)[] = [];
  readonly outputs: (WorkerQueue | undefined)[] = [];
  /** Whoever this worker writes frames of the control thread for. */
  transmitters: WorkerQueue[] = [];
  private readonly ends: WorkerEnds;
  private readonly control: Int32Array;
  private readonly counters: Float64Array;
  private readonly reader: QuiescentReader;
  private readonly verdict: FrameVerdict;
  /** Queues with punted frames that are not published; the first `puntedCount` of them. */
  private readonly punted: WorkerQueue[] = [];
  private puntedCount = 0;
  private taken = 0;
  private kernelFull = false;
  private isDead = false;

  constructor(ends: WorkerEnds) {
    this.ends = ends;
    this.control = ends.control;
    this.counters = ends.counters;
    this.reader = ends.reader;
    this.verdict = ends.verdict;
  }

  /** Moves frames until told to stop, or until it has been given up for dead: then false. */
  run(): boolean {
    this.begin();
    while (!this.isDead && Atomics.load(this.control, STOP) === 0) this.turn();
    return this.end();
  }

  /** Before the first turn. */
  begin(): void {
    this.counters[W_SINCE_MS] = this.ends.clockMs();
    this.hear(this.reader.online());
    this.verdict.beginBatch();
  }

  turn(): void {
    const more = this.writeTransmitRings();
    this.counters[W_TURNS]!++;
    this.counters[W_FRAMES]! += this.io.turn(more ? 0 : this.kernelFull ? RETRY_MS : IDLE_MS);
    this.quiesce();
    this.ends.obeyCommands();
  }

  /** After the last turn: what was published for sending is sent. False: it is given up for dead and touches nothing. */
  end(): boolean {
    if (this.isDead) return false;
    while (this.writeTransmitRings() && !this.kernelFull);
    this.hear(this.reader.offline());
    this.sleepCounted();
    return true;
  }

  frame(queue: number, mem: FrameMemory, at: number, len: number): void {
    const from = this.queues[queue]!;
    from.countRead(len);
    if (this.verdict.tapOf(from.port, 0) !== 0) return this.frameShown(from, mem, at, len);
    const verdict = this.verdict.judge(from.port, mem.view, at, len);
    if (verdict >= 0) this.forward(from, verdict, mem);
    else if (fwdIsDrop(verdict)) from.countDrop(verdict);
    else this.punt(from, verdict, mem, at, len);
  }

  batchEnd(): void {
    this.counters[W_BATCHES]!++;
    this.quiesce();
  }

  idle(): void {
    Atomics.store(this.control, ASLEEP, 1);
    if (this.hasWork()) this.ends.wakeSelf();
    this.hear(this.reader.offline());
    this.sleepCounted();
  }

  awake(): void {
    Atomics.store(this.control, ASLEEP, 0);
    this.counters[W_SINCE_MS] = this.ends.clockMs();
    if (this.isDead) return;
    this.hear(this.reader.online());
    this.adopt();
    this.verdict.beginBatch();
  }

  refused(queue: number, frames: number, octets: number, errno: number): void {
    const to = this.queues[queue]!;
    to.uncountForwarded(frames, octets);
    to.counters[isFull(errno) ? PC_TX_FULL : PC_TX_ERRORS]! += frames;
  }

  gone(queue: number, errno: number): void {
    this.ends.tell({ gone: queue, errno });
  }

  /** Somebody captures where the frame came in: he is shown it as it came, unless it is punted, and the stack shows it. */
  private frameShown(from: WorkerQueue, mem: FrameMemory, at: number, len: number): void {
    const rx = from.rx!;
    const first = rx.pending === 0;
    const copied = from.copy(mem, at, len);
    const verdict = this.verdict.judge(from.port, mem.view, at, len);
    if (verdict < 0 && !fwdIsDrop(verdict)) {
      this.counters[W_PUNTS]!++;
      from.countPunt(verdict);
      if (copied) rx.commit(len);
    } else if (copied) {
      rx.commit(len, this.verdict.tapOf(from.port, 0));
    }
    if (copied && first) this.punted[this.puntedCount++] = from;
    if (verdict >= 0) this.forward(from, verdict, mem);
    else if (fwdIsDrop(verdict)) from.countDrop(verdict);
  }

  /** Somebody captures where the frame leaves. */
  private showLeaving(from: WorkerQueue, mark: number, mem: FrameMemory): void {
    const rx = from.rx!;
    const first = rx.pending === 0;
    const { at, len } = this.verdict;
    if (!from.copy(mem, at, len)) return;
    rx.commit(len, mark);
    if (first) this.punted[this.puntedCount++] = from;
  }

  private forward(from: WorkerQueue, port: number, mem: FrameMemory): void {
    const { at, len } = this.verdict;
    const mark = this.verdict.tapOf(port, 1);
    if (mark !== 0) this.showLeaving(from, mark, mem);
    const to = this.outputs[port];
    if (to === undefined) from.counters[PC_NO_PORT]!++;
    else if (this.io.forward(to.queue, at, len, to.vnetHdr)) to.countForwarded(len);
    else to.counters[isFull(this.io.errno) ? PC_TX_FULL : PC_TX_ERRORS]!++;
  }

  private punt(from: WorkerQueue, verdict: number, mem: FrameMemory, at: number, len: number): void {
    this.counters[W_PUNTS]!++;
    const first = from.rx!.pending === 0;
    if (from.punt(verdict, mem, at, len) && first) this.punted[this.puntedCount++] = from;
  }

  /** A quiescent point: punted frames are shown, nothing of the tables is held, and what there is to know about them is learnt. */
  private quiesce(): void {
    for (let i = 0; i < this.puntedCount; i++) {
      const { rx, queue } = this.punted[i]!;
      if (!rx!.publish()) continue;
      this.counters[W_BELLS]!++;
      this.ends.tell(queue);
    }
    this.puntedCount = 0;
    if (this.isDead) return;
    this.hear(this.reader.quiesce());
    this.adopt();
    this.verdict.beginBatch();
  }

  private hear(quiet: Quiet): void {
    if (quiet === QUIET_RING) this.ends.tell(MSG_PASSED);
    else if (quiet === QUIET_DEAD) this.isDead = true;
  }

  /** At a quiescent point: takes over what the control thread has sent before it asked for one. */
  adopt(): void {
    const given = Atomics.load(this.control, COMMANDS);
    if (given === this.taken) return;
    this.taken = given;
    this.ends.takeCommands();
  }

  private hasWork(): boolean {
    if (Atomics.load(this.control, COMMANDS) !== this.taken || Atomics.load(this.control, STOP) !== 0) return true;
    if (this.kernelFull) return false;
    for (const { tx } of this.transmitters) if (tx!.ring.acquire()) return true;
    return false;
  }

  private sleepCounted(): void {
    const c = this.counters;
    c[W_SLEEPS]!++;
    c[W_BUSY_MS]! += this.ends.clockMs() - c[W_SINCE_MS]!;
    c[W_SINCE_MS] = 0;
  }

  /** Writes up to TX_BURST frames of each transmit ring. True: there may be more. */
  private writeTransmitRings(): boolean {
    let more = false;
    this.kernelFull = false;
    for (const queue of this.transmitters) if (this.writeBurst(queue, queue.tx!) === TX_BURST) more = true;
    return more;
  }

  /** Writes until the ring is empty, the kernel is full, or TX_BURST frames are out; how many left the ring. */
  writeBurst(queue: WorkerQueue, tx: TransmitRing): number {
    const { ring, mem } = tx;
    if (!ring.acquire()) return 0;
    const c = queue.counters;
    let taken = 0;
    while (taken < TX_BURST && ring.next()) {
      if (this.io.send(queue.queue, mem, ring.off, ring.length)) {
        c[PC_TX_FRAMES]!++;
        c[PC_TX_OCTETS]! += ring.length;
      } else if (isFull(this.io.errno)) {
        ring.unread();
        c[PC_TX_WAITS]!++;
        this.kernelFull = true;
        break;
      } else {
        c[PC_TX_ERRORS]!++;
      }
      taken++;
    }
    // The sending side never sleeps for room, so nobody needs to be rung for it.
    ring.release();
    return taken;
  }
}

function isFull(errno: number): boolean {
  return errno === EAGAIN || errno === ENOBUFS || errno === EINTR;
}
