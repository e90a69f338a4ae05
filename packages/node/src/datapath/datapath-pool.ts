/**
 * datapath-pool.ts — DatapathPool: the datapath workers of a process, and which of them reads which queue of which port.
 * Read first: worker-loop.ts for what a worker does; docs/datapath.md.
 *
 * Theory of operation. Every worker has every queue open for output, so that what comes in anywhere can go out anywhere; each queue is read by one of them, its seat. A new port's queues
 * go to the workers that read the fewest. `move` takes a queue from one and gives it to another: in between, frames wait in the kernel.
 *
 * When a worker's thread ends (it failed, or hung and was terminated), its slot among the readers is buried, its queues go to the others at once, and another thread is
 * started in its place; when that runs, queues go back to it. Both ends of a ring have their cursors in shared memory, so whoever takes a queue over goes on where the dead one last published:
 * frames that it had in its hands are lost or, on the way out, sent twice. A seat whose threads fail FAILURES_MAX times in a row stays empty. Without any
 * worker left, ports are gone.
 *
 * Ending. `close` closes all ports, then ends the workers. process.exit with a running pool stops its workers, as tap-port.ts does.
 *
 * Invariants: a queue is read by one worker at a time. What moves is at no seat. After `close` resolves, no thread, descriptor or timer is left.
 * Not here: what the workers' tables say (core/net); opening devices.
 */
import { READER_OFFLINE } from '@netloom/core/fwd';
import type { FwdMessage, GracePeriods } from '@netloom/core/fwd';
import type { PortDevice } from '../port/frame-port.js';
import { ENODEV, loadLibc } from '../tap/libc.js';
import type { Libc } from '../tap/libc.js';
import { goneError, TapError } from '../tap/tap-error.js';
import { DatapathPort } from './datapath-port.js';
import { PORTS_MAX, QUEUES_MAX, RING_SIZE, RING_SIZE_LONG, WORKERS_MAX } from './datapath-shared.js';
import type { WorkerTables } from './frame-verdict.js';
import type { FrameIoWish } from './io/choose-io.js';
import type { PoolQueue } from './pool-queue.js';
import { WorkerSeat } from './worker-seat.js';
import type { SeatOwner } from './worker-seat.js';
import { errorLine } from '../error-line.js';

/** Who knows the readers of tables: the engine. */
export interface PoolReaders {
  readonly periods: GracePeriods;
  add(): number;
  remove(slot: number): void;
  bury(slot: number): void;
}

/** Who publishes tables: core's Datapath. */
export interface PoolTables {
  /** A worker starts: `post` gets the messages that come after those in the answer. */
  start(post: (message: FwdMessage) => void): WorkerTables;
  /** It has ended. */
  stop(tables: WorkerTables): void;
}

export interface PoolOptions {
  /** How many workers: 1 to WORKERS_MAX. */
  readonly workers: number;
  readonly readers: PoolReaders;
  /** How they read and write. Default `auto`. */
  readonly io?: FrameIoWish;
  /** Without, workers punt everything. */
  readonly tables?: PoolTables;
  /** A worker was at a quiescent point that somebody waits for. */
  readonly passed?: () => void;
  /** Something to be written down: a worker died, or runs again. */
  readonly report?: (event: PoolEvent) => void;
  /** Milliseconds between looks at the workers. */
  readonly checkMs?: number;
}

export interface PoolEvent {
  readonly kind: 'died' | 'restarted' | 'abandoned';
  readonly worker: number;
  readonly text: string;
}

/** A worker that stands still while it is online is terminated after HANG_CHECKS of these. */
const CHECK_MS = 250;
/** Threads that fail within FRESH_CHECKS of their start, in a row, until a seat stays empty. */
const FAILURES_MAX = 4;
const FRESH_CHECKS = 40;

/** Pools that run, for the process's exit. */
const running = new Set<DatapathPool>();

export class DatapathPool implements SeatOwner {
  readonly seats: readonly WorkerSeat[];
  readonly ports = new Set<DatapathPort>();
  /** Threads that ended by themselves. */
  deaths = 0;
  /** Resolves when every worker's thread runs, or has failed. Ports may be opened before. */
  readonly started: Promise<void>;
  private areStarted: () => void = () => undefined;
  private readonly libc: Libc;
  private readonly options: PoolOptions;
  private readonly timer: NodeJS.Timeout;
  /** By index of the seat. */
  private readonly tables: (WorkerTables | null)[] = [];
  private readonly queues: (PoolQueue | null)[] = [];
  /** Numbers of queues that are being closed: a worker may still speak of them. */
  private readonly leaving = new Set<number>();
  private readonly numbers: (DatapathPort | null)[] = [];
  private closing: Promise<void> | null = null;

  /** Starts the workers. @throws Error when that is not Linux, or the system refuses. */
  constructor(options: PoolOptions, libc: Libc = loadLibc('datapath workers')) {
    if (!Number.isInteger(options.workers) || options.workers < 1 || options.workers > WORKERS_MAX) throw new RangeError(`${options.workers} datapath workers: 1 to ${WORKERS_MAX} are allowed`);
    this.libc = libc;
    this.options = options;
    this.started = new Promise((resolve) => (this.areStarted = resolve));
    const seats: WorkerSeat[] = [];
    this.seats = seats;
    try {
      while (seats.length < options.workers) {
        seats.push(new WorkerSeat(seats.length, libc, this, options.io ?? 'auto'));
        this.startSeat(seats.at(-1)!);
      }
    } catch (error) {
      for (const seat of seats) void this.endSeat(seat);
      throw error;
    }
    this.timer = setInterval(() => this.check(), options.checkMs ?? CHECK_MS);
    this.timer.unref();
    if (running.size === 0) process.on('exit', abandonAll);
    running.add(this);
  }

  /** How many queues a port may have to gain from: one for each worker. */
  get width(): number {
    return this.seats.length;
  }

  /** Takes `device` over: its descriptors are closed with the port, also when this throws. @throws TapError, RangeError. */
  open(device: PortDevice): DatapathPort {
    const [number] = freePlaces(this.numbers, 1) as [number];
    let port: DatapathPort;
    try {
      if (this.closing !== null) throw new TapError(`cannot open '${device.name}': the datapath is closed`, 0, 'open', device.name);
      if (!this.seats.some((seat) => seat.isUsable)) throw new TapError(`cannot open '${device.name}': no datapath worker runs; the log says why`, 0, 'open', device.name);
      if (device.fds.length < 1 || device.fds.length > QUEUES_MAX) throw new RangeError(`cannot open '${device.name}': datapath workers take 1 to ${QUEUES_MAX} queues of a device, not ${device.fds.length}`);
      if (number >= PORTS_MAX) throw new RangeError(`cannot open '${device.name}': datapath workers have ${PORTS_MAX} devices already`);
      const size = device.vnetHdr ? RING_SIZE_LONG : RING_SIZE;
      port = new DatapathPort(this.libc, device, number, freePlaces(this.queues, device.fds.length, this.leaving), size, (closed) => this.shut(closed));
    } catch (error) {
      for (const fd of device.fds) this.libc.close(fd);
      throw error;
    }
    this.numbers[number] = port;
    this.ports.add(port);
    if (this.ports.size === 1) for (const seat of this.seats) seat.keepAlive(true);
    for (const queue of port.queues) {
      this.queues[queue.number] = queue;
      const reader = this.leastLoaded(port);
      for (const seat of this.seats) if (seat.isUsable && seat !== reader) void seat.command(queue.opening(false));
      this.assign(queue, reader);
    }
    return port;
  }

  /** Gives a queue to another worker. Resolves when that reads it. */
  move(queue: PoolQueue, to: WorkerSeat): Promise<void> {
    queue.moving = queue.moving.then(() => this.moveNow(queue, to));
    return queue.moving;
  }

  /** Queues that a worker reads. */
  queuesOf(seat: WorkerSeat): PoolQueue[] {
    return this.queues.filter((queue): queue is PoolQueue => queue !== null && queue.seat === seat);
  }

  /** Closes all ports, ends all workers. Resolves when nothing is left; may be called again. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  /** For the end of the process. */
  abandon(): void {
    for (const seat of this.seats) seat.abandon();
  }

  rung(queue: number): void {
    this.queues[queue]?.receiver.wake();
  }

  passed(): void {
    this.options.passed?.();
  }

  gone(queue: number, errno: number): void {
    const port = this.queues[queue]?.port;
    port?.lost(goneError(this.libc, errno, port.name));
  }

  unopened(queue: number, why: string): void {
    const port = this.queues[queue]?.port;
    port?.lost(new TapError(`device '${port.name}': no datapath worker can serve it: ${why}`, 0, 'open', port.name));
  }

  ready(seat: WorkerSeat): void {
    if (!this.seats.some(({ state }) => state === 'starting')) this.areStarted();
    if (seat.failures > 0) {
      this.report('restarted', seat, 'another thread runs in its place');
      this.rebalance(seat);
    }
  }

  died(seat: WorkerSeat, reason: string): void {
    this.deaths++;
    this.options.readers.bury(seat.reader);
    seat.reader = 0;
    this.stopTables(seat);
    this.report('died', seat, reason);
    const orphans = this.queuesOf(seat);
    seat.failures = seat.age < FRESH_CHECKS ? seat.failures + 1 : 1;
    for (const queue of orphans) this.assign(queue, this.leastLoaded(queue.port));
    if (this.closing !== null) return;
    if (seat.failures >= FAILURES_MAX) this.report('abandoned', seat, `${seat.failures} threads have failed in a row; it stays empty`);
    else this.restart(seat);
    if (!this.seats.some(({ state }) => state === 'starting')) this.areStarted();
    if (!this.seats.some((other) => other.isUsable)) {
      for (const port of this.ports) port.lost(new TapError(`device '${port.name}': no datapath worker is left`, 0, 'read', port.name));
    }
  }

  private startSeat(seat: WorkerSeat): void {
    const { readers } = this.options;
    const slot = readers.add();
    if (slot === 0) throw new RangeError('there are too many readers of forwarding tables');
    try {
      const tables = this.options.tables?.start((message) => seat.tableChanged(message)) ?? null;
      this.tables[seat.index] = tables;
      seat.start(slot, readers.periods.words, tables);
    } catch (error) {
      this.stopTables(seat);
      readers.remove(slot);
      throw error;
    }
  }

  private stopTables(seat: WorkerSeat): void {
    const tables = this.tables[seat.index] ?? null;
    if (tables !== null) this.options.tables!.stop(tables);
    this.tables[seat.index] = null;
  }

  private restart(seat: WorkerSeat): void {
    try {
      this.startSeat(seat);
    } catch (error) {
      this.report('abandoned', seat, `no thread can be started: ${errorLine(error)}`);
      return;
    }
    for (const queue of this.queues) {
      if (queue === null) continue;
      if (queue.seat === null && !queue.isMoving) this.assign(queue, seat);
      else void seat.command(queue.opening(false));
    }
  }

  /** The worker that reads the fewest queues of `port`, and of those the one that reads the fewest of all. */
  private leastLoaded(port: DatapathPort): WorkerSeat | null {
    let best: WorkerSeat | null = null;
    let least = Infinity;
    for (const seat of this.seats) {
      if (!seat.isUsable) continue;
      const load = this.queuesOf(seat).reduce((n, queue) => n + (queue.port === port ? PORTS_MAX * QUEUES_MAX : 1), 0);
      if (load < least) {
        best = seat;
        least = load;
      }
    }
    return best;
  }

  private assign(queue: PoolQueue, seat: WorkerSeat | null): void {
    queue.seat = seat;
    void seat?.command(queue.opening(true));
  }

  private async moveNow(queue: PoolQueue, to: WorkerSeat): Promise<void> {
    const from = queue.seat;
    if (from === to || from === null || !to.isUsable || this.queues[queue.number] !== queue) return;
    queue.seat = null;
    queue.isMoving = true;
    await from.command(queue.opening(false));
    queue.isMoving = false;
    const seat = to.isUsable ? to : this.leastLoaded(queue.port);
    queue.seat = seat;
    await seat?.command(queue.opening(true));
  }

  /** Lets a worker that runs again have its share. */
  private rebalance(seat: WorkerSeat): void {
    const total = this.queues.filter((queue) => queue !== null).length;
    const share = Math.floor(total / this.seats.filter((other) => other.isUsable).length);
    let has = this.queuesOf(seat).length;
    for (const other of this.seats) {
      if (other === seat) continue;
      for (const queue of this.queuesOf(other).slice(share)) {
        if (has++ >= share) return;
        void this.move(queue, seat);
      }
    }
  }

  private check(): void {
    for (const seat of this.seats) seat.check(this.options.readers.periods);
    for (const port of this.ports) if (port.isGone()) port.lost(goneError(this.libc, ENODEV, port.name));
    // Lest a bell be lost.
    this.passed();
  }

  /** Takes a port from all workers. */
  private async shut(port: DatapathPort): Promise<void> {
    const told = port.queues.map(async (queue) => {
      await queue.moving;
      this.queues[queue.number] = null;
      this.leaving.add(queue.number);
      queue.seat = null;
      await Promise.all(this.seats.map((seat) => seat.command({ op: 'close', queue: queue.number })));
      this.leaving.delete(queue.number);
    });
    await Promise.all(told);
    this.numbers[port.number] = null;
    this.ports.delete(port);
    if (this.ports.size === 0) for (const seat of this.seats) seat.keepAlive(false);
  }

  private async end(): Promise<void> {
    await Promise.all([...this.ports].map((port) => port.close()));
    await Promise.all(this.seats.map((seat) => this.endSeat(seat)));
    clearInterval(this.timer);
    running.delete(this);
    if (running.size === 0) process.off('exit', abandonAll);
  }

  private async endSeat(seat: WorkerSeat): Promise<void> {
    await seat.stop();
    const { readers } = this.options;
    if (seat.reader !== 0) {
      if (readers.periods.state(seat.reader) === READER_OFFLINE) readers.remove(seat.reader);
      else readers.bury(seat.reader);
    }
    seat.reader = 0;
    this.stopTables(seat);
    seat.close();
  }

  private report(kind: PoolEvent['kind'], seat: WorkerSeat, text: string): void {
    this.options.report?.({ kind, worker: seat.index, text });
  }
}

function abandonAll(): void {
  for (const pool of running) pool.abandon();
}

/** The first `count` places of a list that nobody has. */
function freePlaces(places: readonly unknown[], count: number, leaving?: ReadonlySet<number>): number[] {
  const free: number[] = [];
  for (let at = 0; free.length < count; at++) if ((places[at] ?? null) === null && leaving?.has(at) !== true) free.push(at);
  return free;
}
