/**
 * worker-seat.ts — WorkerSeat: the control thread's side of one datapath worker: starts its thread, commands it, watches it, ends it.
 * Read first: datapath-shared.ts; datapath-pool.ts for who decides.
 *
 * Theory of operation. A seat outlives its threads: when one fails, another is started in its place, with the same eventfd, control words and counters. `command` resolves when
 * the worker has done it, or with false when its thread has ended first.
 *
 * A worker changes its beat with every turn while it is online (fwd/quiescence.ts). `check`, called at even intervals, terminates one whose beat has stood still for HANG_CHECKS
 * of them. It counts checks, not time: a process that was stopped for an hour finds all workers well. Termination reaches JavaScript at once, and a
 * thread in a system call when that returns, which no call that workers make takes long.
 *
 * Invariant: `died` is reported when the thread has ended, and not before: nothing it had in its hands is used by it any more.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { FwdMessage, GracePeriods } from '@netloom/core/fwd';
import { READER_ONLINE } from '@netloom/core/fwd';
import { threadProgram } from '../native/thread-program.js';
import type { Libc } from '../tap/libc.js';
import { O_CLOEXEC, O_NONBLOCK } from '../tap/libc.js';
import { openError } from '../tap/tap-error.js';
import { ASLEEP, COMMANDS, CONTROL_WORDS, DATAPATH_LAYOUT, MSG_PASSED, STOP, WORKER_COUNTERS } from './datapath-shared.js';
import type { CommandMessage, DatapathWorkerData, WorkerCommand, WorkerMessage } from './datapath-shared.js';
import type { WorkerTables } from './frame-verdict.js';
import type { FrameIoWish } from './io/choose-io.js';

/** A worker that is online and has not moved for so many checks hangs. */
export const HANG_CHECKS = 8;
/** What a worker runs is small; what it reads lies outside its heap. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8, codeRangeSizeMb: 16 };

/** Whoever is told what happens to a worker. */
export interface SeatOwner {
  /** A queue's receive ring has frames for one who slept. */
  rung(queue: number): void;
  /** It was at a quiescent point that somebody waits for. */
  passed(): void;
  /** A descriptor that it reads is dead. */
  gone(queue: number, errno: number): void;
  /** It cannot open a queue, for a reason of its own. */
  unopened(queue: number, why: string): void;
  ready(seat: WorkerSeat): void;
  /** Its thread has ended without being told to; the reason is for the log. */
  died(seat: WorkerSeat, reason: string): void;
}

type SeatState = 'empty' | 'starting' | 'up' | 'ending';

export class WorkerSeat {
  readonly index: number;
  readonly counters = new Float64Array(new SharedArrayBuffer(WORKER_COUNTERS * 8));
  /** Its slot among the readers; 0 without a thread. */
  reader = 0;
  state: SeatState = 'empty';
  /** How it does input and output, and why not otherwise. */
  io = '';
  ioWhy = '';
  /** Checks since its thread runs. */
  age = 0;
  /** Threads that failed soon after their start, without one in between that did not. */
  failures = 0;
  private readonly libc: Libc;
  private readonly owner: SeatOwner;
  private readonly wish: FrameIoWish;
  private readonly eventFd: number;
  /** A descriptor of the thread's. */
  private ownFd = -1;
  private readonly control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
  private readonly bellWord = new BigUint64Array([1n]);
  private readonly bellAddress: number;
  private readonly pending = new Map<number, (done: boolean) => void>();
  private worker: Worker | null = null;
  private port: MessagePort | null = null;
  private exited: Promise<void> = Promise.resolve();
  private seq = 0;
  private reason = '';
  private lastBeat = 0;
  private still = 0;
  private keepsAlive = false;

  /** @throws TapError when the process has no descriptor left. */
  constructor(index: number, libc: Libc, owner: SeatOwner, wish: FrameIoWish) {
    this.index = index;
    this.wish = wish;
    this.libc = libc;
    this.owner = owner;
    this.eventFd = libc.eventfd(0, O_NONBLOCK | O_CLOEXEC);
    if (this.eventFd < 0) throw openError(libc, libc.errno(), 'eventfd', `worker ${index}`);
    this.bellAddress = libc.address(this.bellWord);
  }

  /** Does it take commands? */
  get isUsable(): boolean {
    return this.state === 'starting' || this.state === 'up';
  }

  get isAsleep(): boolean {
    return Atomics.load(this.control, ASLEEP) === 1;
  }

  /** Starts a thread that is the reader `slot` of these tables. @throws Error, and nothing has begun. */
  start(slot: number, quiescence: Int32Array, tables: WorkerTables | null): void {
    const program = threadProgram(import.meta.url, 'datapath-worker.js');
    const { port1, port2 } = new MessageChannel();
    Atomics.store(this.control, COMMANDS, 0);
    Atomics.store(this.control, ASLEEP, 0);
    const workerData: DatapathWorkerData = {
      layout: DATAPATH_LAYOUT, index: this.index, eventFd: this.eventFd, control: this.control.buffer as SharedArrayBuffer, counters: this.counters.buffer as SharedArrayBuffer,
      quiescence, reader: slot, tables, port: port2, io: this.wish,
    };
    const worker = new Worker(program, { workerData, transferList: [port2], name: `datapath ${this.index}`, execArgv: [], resourceLimits: WORKER_LIMITS });
    this.worker = worker;
    this.port = port1;
    this.reader = slot;
    this.state = 'starting';
    this.age = 0;
    this.still = 0;
    this.reason = '';
    port1.on('message', (message: WorkerMessage) => this.hear(message));
    worker.on('error', (error) => (this.reason ||= error.message));
    this.exited = new Promise((resolve) => {
      worker.once('exit', (code) => {
        this.ended(code);
        resolve();
      });
    });
    worker.unref();
    this.keepAlive(this.keepsAlive);
  }

  /** Does the worker keep the process alive? */
  keepAlive(yes: boolean): void {
    this.keepsAlive = yes;
    if (yes) this.port?.ref();
    else this.port?.unref();
  }

  /** Has the worker do something. Resolves with true when it is done, false when its thread has ended before. */
  command(command: WorkerCommand): Promise<boolean> {
    if (this.port === null) return Promise.resolve(false);
    const seq = ++this.seq;
    const done = new Promise<boolean>((resolve) => void this.pending.set(seq, resolve));
    this.post({ seq, command });
    return done;
  }

  /** Tells the worker that a table has been replaced: it knows before it says the next time that it holds nothing. */
  tableChanged(message: FwdMessage): void {
    // A worker that sleeps reads it when it wakes.
    this.post({ seq: 0, command: { op: 'table', message } }, false);
  }

  /** Wakes the worker if it sleeps; did it? */
  rouse(): boolean {
    if (Atomics.load(this.control, ASLEEP) === 0 || Atomics.compareExchange(this.control, ASLEEP, 1, 0) === 0) return false;
    this.ring();
    return true;
  }

  /** To be called at even intervals. */
  check(periods: GracePeriods): void {
    if (this.state === 'up') this.age++;
    if (this.reader === 0 || periods.state(this.reader) !== READER_ONLINE) {
      this.still = 0;
      return;
    }
    const beat = periods.beat(this.reader);
    this.still = beat === this.lastBeat ? this.still + 1 : 0;
    this.lastBeat = beat;
    if (this.still !== HANG_CHECKS) return;
    this.reason = 'it did not move any more';
    void this.worker?.terminate();
  }

  /** Ends the thread: what was flushed is still written. Resolves when it has ended. */
  async stop(): Promise<void> {
    if (this.worker !== null) {
      this.state = 'ending';
      this.worker.ref();
      this.abandon();
      await this.exited;
    }
  }

  /** After `stop`. */
  close(): void {
    this.libc.close(this.eventFd);
  }

  /** For the end of the process: lets the worker go without waiting for it. */
  abandon(): void {
    Atomics.store(this.control, STOP, 1);
    this.ring();
  }

  private post(message: CommandMessage, now = true): void {
    this.port?.postMessage(message);
    Atomics.add(this.control, COMMANDS, 1);
    if (now) this.rouse();
  }

  private ring(): void {
    this.libc.write(this.eventFd, this.bellAddress, 8);
  }

  private hear(message: WorkerMessage): void {
    if (message === MSG_PASSED) return this.owner.passed();
    if (typeof message === 'number') return this.owner.rung(message);
    if ('done' in message) {
      this.pending.get(message.done)?.(true);
      this.pending.delete(message.done);
    } else if ('gone' in message) {
      this.owner.gone(message.gone, message.errno);
    } else if ('unopened' in message) {
      this.owner.unopened(message.unopened, message.why);
    } else {
      this.ownFd = message.ownFd;
      this.io = message.ready;
      this.ioWhy = message.why;
      if (this.state !== 'starting') return;
      this.state = 'up';
      this.owner.ready(this);
    }
  }

  private ended(code: number): void {
    const wasTold = this.state === 'ending' || Atomics.load(this.control, STOP) === 1;
    this.worker = null;
    this.port?.close();
    this.port = null;
    this.state = 'empty';
    const pending = [...this.pending.values()];
    this.pending.clear();
    for (const resolve of pending) resolve(false);
    if (code !== 0 && this.ownFd >= 0) this.libc.close(this.ownFd);
    this.ownFd = -1;
    if (!wasTold) this.owner.died(this, this.reason || `its thread ended with code ${code}`);
  }
}
