/**
 * loop.ts — the host loop: the one reader of the clock, which turns real time into the kernel's stamps.
 *
 * Read first: packages/core/src/kern/engine.ts.
 *
 * Theory of operation. The core has no clock. Whatever reaches it from the host (frames of a driver, a tool's call, a timer) goes through
 * `enter` or `batch`, which read the clock once and stamp everything of that batch with it: microseconds since this loop was made.
 * When a batch is over, the loop arms itself for the next thing due: at once (`setImmediate`, so that the host's input is served
 * between turns) when work is waiting, by one `setTimeout` otherwise. Waits under a millisecond are spun through on `setImmediate`, because the
 * host's timers are no finer; longer ones may come late by up to a millisecond, never early.
 * An exception that escapes a turn is the kernel's defect: it is reported and the loop goes on with the rest.
 *
 * Invariants: `now` never goes back. At most one host timer and one immediate are armed. Nothing is armed while nothing is due, so an
 * idle loop keeps no process alive.
 * Not here: what a turn does (core), worker threads (datapath), virtual time (core/src/sim).
 */
import { performance } from 'node:perf_hooks';

/** What the loop drives: a Kernel. */
export interface LoopKernel {
  tick(now: number): void;
  /** Microseconds; Infinity or a huge number when idle. */
  nextDeadline(): number;
  /** Where the kernel asks for the time when a program calls a socket of its own accord. */
  readonly engine?: { hostEnter: (() => void) | null };
}

/** An armed `after`; `cancel` is idempotent. */
export interface LoopTimer {
  cancel(): void;
}

interface Alarm {
  readonly due: number;
  readonly fire: () => void;
}

/** Below this a wait is spun through, microseconds. */
const SPIN_US = 1_000;
/** Waits from here on are rounded up to whole milliseconds: the spin would cost more than it gains. */
const COARSE_US = 20_000;
/** Longest host timer, milliseconds: setTimeout's limit is 2^31 - 1. */
const TIMEOUT_MAX_MS = 3_600_000;

export class HostLoop {
  /** Wall-clock time of stamp 0, microseconds since 1970 UTC. */
  readonly bootWallUs: number;
  private readonly readClock: () => number;
  private readonly report: (error: unknown) => void;
  private readonly origin: number;
  private stamp = 0;
  private kernel: LoopKernel | null = null;
  private alarms: Alarm[] = [];
  private timeout: NodeJS.Timeout | null = null;
  private timeoutDue = Infinity;
  private immediate: NodeJS.Immediate | null = null;
  private inTurn = false;
  private closed = false;

  /** `report` is told of exceptions that escape a turn; `readClock` gives milliseconds, monotonic. */
  constructor(report: (error: unknown) => void, readClock: () => number = () => performance.now()) {
    this.report = report;
    this.readClock = readClock;
    this.origin = readClock();
    this.bootWallUs = Date.now() * 1000;
  }

  /** Stamp of the present batch, microseconds since boot. */
  get now(): number {
    return this.stamp;
  }

  /** Microseconds since boot by the clock itself, to measure how long something takes. Never a stamp: nothing of the kernel may see it. */
  clockUs(): number {
    return (this.readClock() - this.origin) * 1000;
  }

  /** Gives the loop its kernel. Call once, before anything else reaches the kernel. */
  attach(kernel: LoopKernel): void {
    this.kernel = kernel;
    if (kernel.engine !== undefined) kernel.engine.hostEnter = () => void this.enter();
    this.arm();
  }

  /** For the kernel's `Env.wake`: something became due outside a turn. */
  wake(): void {
    if (this.immediate === null && !this.closed) this.immediate = setImmediate(this.onImmediate);
  }

  /** Reads the clock for a batch that begins now, and returns the stamp. The kernel's due timers run first. */
  enter(): number {
    if (!this.inTurn) this.turn();
    return this.stamp;
  }

  /** Runs `work` as one batch: every frame it gives the kernel carries the one stamp; then a turn follows. */
  batch(work: (now: number) => void): void {
    this.readStamp();
    work(this.stamp);
    this.turnAt();
  }

  /** Calls `fire` once, `us` microseconds from the present stamp on. */
  after(us: number, fire: () => void): LoopTimer {
    const alarm: Alarm = { due: this.stamp + Math.max(0, us), fire };
    const at = this.alarms.findIndex((other) => other.due > alarm.due);
    this.alarms.splice(at < 0 ? this.alarms.length : at, 0, alarm);
    if (!this.inTurn) this.arm();
    return {
      cancel: () => {
        const index = this.alarms.indexOf(alarm);
        if (index >= 0) this.alarms.splice(index, 1);
      },
    };
  }

  /** Disarms everything; the loop stays dead. */
  close(): void {
    this.closed = true;
    this.alarms = [];
    this.disarm();
  }

  private readonly onImmediate = (): void => {
    this.immediate = null;
    this.turn();
  };

  private readonly onTimeout = (): void => {
    this.timeout = null;
    this.timeoutDue = Infinity;
    this.turn();
  };

  private readStamp(): void {
    const now = Math.floor((this.readClock() - this.origin) * 1000);
    if (now > this.stamp) this.stamp = now;
  }

  private turn(): void {
    this.readStamp();
    this.turnAt();
  }

  private turnAt(): void {
    if (this.closed || this.inTurn) return;
    this.inTurn = true;
    this.guarded(() => this.kernel?.tick(this.stamp));
    while (this.alarms.length > 0 && this.alarms[0]!.due <= this.stamp) {
      const alarm = this.alarms.shift()!;
      this.guarded(alarm.fire);
    }
    this.inTurn = false;
    this.arm();
  }

  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.report(error);
    }
  }

  private arm(): void {
    if (this.closed || this.immediate !== null) return;
    const due = Math.min(this.kernel?.nextDeadline() ?? Infinity, this.alarms[0]?.due ?? Infinity);
    const wait = due - this.stamp;
    if (wait < SPIN_US) {
      this.immediate = setImmediate(this.onImmediate);
      return;
    }
    if (this.timeout !== null) {
      if (due === this.timeoutDue) return;
      clearTimeout(this.timeout);
      this.timeout = null;
      this.timeoutDue = Infinity;
    }
    if (wait >= Number.MAX_SAFE_INTEGER / 2) return;
    const ms = wait < COARSE_US ? Math.floor(wait / 1000) : Math.ceil(wait / 1000);
    this.timeout = setTimeout(this.onTimeout, Math.min(ms, TIMEOUT_MAX_MS));
    this.timeoutDue = due;
  }

  private disarm(): void {
    if (this.timeout !== null) clearTimeout(this.timeout);
    if (this.immediate !== null) clearImmediate(this.immediate);
    this.timeout = null;
    this.immediate = null;
    this.timeoutDue = Infinity;
  }
}
