/**
 * engine.ts — what all vnets of one Kernel share: time, randomness, packets, timers, the run queue.
 *
 * Theory of operation. The Engine has no clock: `now` is the stamp of the input being processed. A turn (`runTurn`) serves
 * the netisr run queue, then due callouts, then work deferred from softint to thread context, until nothing is due or the
 * budget is spent. Work that becomes due outside a turn asks the host for one, once, through `env.wake`.
 *
 * An exception that leaves a turn costs the piece of work it came from and nothing else: what waits stays waiting, and
 * `takeCulprit` says whose that piece was.
 *
 * Invariants: `now` never goes back. A context is entered at one of the doors (`enter`) and left there.
 * Not here: vnets (kern/vnet-kern.ts) and anything that knows a protocol.
 */
import { assert } from '../base/assert.js';
import { Prng } from '../base/prng.js';
import type { Micros } from '../base/time.js';
import { NEVER } from '../base/time.js';
import type { Env } from '../env/env.js';
import { ChunkPool } from '../mbuf/chunk-pool.js';
import { PacketPool } from '../mbuf/packet-buffer.js';
import { AuditRegister } from './audit.js';
import type { Callout, CalloutOwner } from './callout.js';
import { CalloutQueue } from './callout.js';
import { assertNoPsrefs, Lwps } from './lwp.js';
import type { Lwp } from './lwp.js';
import type { Context } from './context.js';
import { CTX_IDLE, CTX_SOFTINT, CTX_THREAD } from './context.js';
import { DEVCTL_STREAM_MAX, DevctlQueue } from './devctl.js';
import { Readers } from './readers.js';
import { SockMemTotal } from './sock-mem.js';
import { Witness } from './witness.js';
import { WitnessCallout, WitnessLock, WitnessQueue } from './witness-lock.js';
import type { NetisrSource } from './netisr.js';
import { Netisr } from './netisr.js';

/** Packets, and timers, a single turn may process before the host gets the processor back. */
const TURN_BUDGET = 1_024;
/** Pieces of work that may wait for thread context. */
const DEFER_MAX = 65_536;

/** Work waiting for thread context, and the vnet it is for. */
interface Deferred {
  readonly work: () => void;
  readonly owner: CalloutOwner | null;
}

export class Engine {
  readonly env: Env;
  readonly rng: Prng;
  readonly pool: PacketPool;
  /** Memory for what programs write. */
  readonly chunks = new ChunkPool();
  /** What the sockets of all vnets hold of the pool. */
  readonly sockmem: SockMemTotal;
  readonly callouts = new CalloutQueue();
  readonly netisr = new Netisr();
  readonly witness = new Witness();
  /**
   * What protocols change is changed by one at a time: netisr has it while it serves queues, a callout while it runs, a thread while
   * it attaches, detaches or purges, and never while it waits for readers.
   */
  readonly softnet = new WitnessLock(this.witness, 'softnet', { recurses: true });
  private readonly workq = new WitnessQueue(this.witness, 'deferred work');
  private readonly calloutRun = new WitnessCallout(this.witness, 'callout');
  /** Events of all vnets, for the host. */
  readonly devctl = new DevctlQueue(DEVCTL_STREAM_MAX);
  now: Micros = 0;
  /** Of a host with a clock: brings `now` up to date before `outside` calls in. Null: time is what the last input said. */
  hostEnter: (() => void) | null = null;
  context: Context = CTX_IDLE;
  /** Processors, and who acts on them. */
  readonly lwps = new Lwps();
  /** Datapath workers, who read tables on other processors. */
  readonly readers = new Readers((work) => this.resume(work));
  /** Packets that programs outside keep: whoever does attaches a row, and takes it off. */
  readonly audit = new AuditRegister();
  /** Work refused because DEFER_MAX pieces were waiting. */
  deferDrops = 0;
  private deferred: Deferred[] = [];
  private deferredAt = 0;
  /** Whose deferred work is being done. */
  private deferredOwner: CalloutOwner | null = null;
  /** Deferred work is begun: thread context of its own, although a turn is under way. */
  private working = false;
  /** Deferred work is being done, whatever else it calls. */
  private inWorker = false;
  private inTurn = false;
  private wakeAsked = false;

  constructor(env: Env, pool: PacketPool = new PacketPool()) {
    this.env = env;
    this.rng = new Prng(env.seed);
    this.pool = pool;
    this.sockmem = new SockMemTotal(pool);
  }

  /** Puts a source on the run queue. */
  schedule(source: NetisrSource): void {
    this.netisr.schedule(source);
    if (!this.inTurn) this.askWake();
  }

  /** Arms a timer `us` microseconds from now. */
  calloutReset(c: Callout, us: Micros): void {
    const before = this.callouts.nextDeadline;
    this.callouts.reset(c, this.now + us);
    if (!this.inTurn && this.callouts.nextDeadline < before) this.askWake();
  }

  calloutStop(c: Callout): boolean {
    return this.callouts.stop(c);
  }

  /**
   * Runs `work` in thread context at the end of the turn (workqueue(9)), unless `owner` is gone by then; false when too much is
   * waiting already.
   */
  defer(work: () => void, owner: CalloutOwner | null = null): boolean {
    if (this.deferred.length - this.deferredAt >= DEFER_MAX) {
      this.deferDrops++;
      return false;
    }
    this.deferred.push({ work, owner });
    if (!this.inTurn) this.askWake();
    return true;
  }

  /** A thread that waited for readers goes on, at the end of the turn. Never refused: those who can wait are bounded where they wait. */
  resume(work: () => void): void {
    this.deferred.push({ work, owner: null });
    if (!this.inTurn) this.askWake();
  }

  /** Pieces of deferred work waiting for `owner`. */
  deferredOf(owner: CalloutOwner | null): number {
    let n = 0;
    for (let i = this.deferredAt; i < this.deferred.length; i++) if (this.deferred[i]!.owner === owner) n++;
    return n;
  }

  /** Pieces of deferred work waiting. */
  get deferredCount(): number {
    return this.deferred.length - this.deferredAt;
  }

  /** `owner` is gone: its timers are disarmed, its deferred work forgotten. Returns how many timers it had left. */
  forget(owner: CalloutOwner): number {
    this.forgetDeferred(owner);
    this.calloutRun.wait('forgetting callouts');
    return this.callouts.stopAllOf(owner);
  }

  /** What has been deferred for `owner` is not done any more. */
  forgetDeferred(owner: CalloutOwner): void {
    this.workq.wait('forgetting deferred work');
    if (this.deferredOf(owner) === 0) return;
    this.deferred = this.deferred.slice(this.deferredAt).filter((d) => d.owner !== owner);
    this.deferredAt = 0;
  }

  /** Enters a context at one of the Kernel's doors and returns the previous one, for `leave`. */
  enter(context: Context): Context {
    const previous = this.context;
    if (this.witness.on) this.watchEnter(context);
    this.context = context;
    return previous;
  }

  leave(previous: Context): void {
    if (this.witness.on) this.watchLeave();
    const { lwp } = this;
    this.context = previous;
    if (lwp.psrefs !== 0 && !lwp.artificial && (previous === CTX_IDLE || lwp !== this.lwp)) assertNoPsrefs(lwp);
  }

  /** Who acts. */
  get lwp(): Lwp {
    const { lwps } = this;
    if (lwps.acting !== null) return lwps.acting;
    if (this.context === CTX_SOFTINT) return lwps.softint;
    return this.inWorker ? lwps.worker : lwps.thread;
  }

  /** Runs `fn` as the artificial agent `lwp` (lwp.ts), in softint or in thread context. What it holds when `fn` ends it goes on holding. */
  runAs<T>(lwp: Lwp, context: Context, fn: () => T): T {
    const { context: previous } = this;
    const outer = this.lwps.acting;
    this.lwps.acting = lwp;
    this.context = context;
    try {
      return fn();
    } finally {
      this.context = previous;
      this.lwps.acting = outer;
    }
  }

  private watchEnter(context: Context): void {
    this.witness.enter(context, this.working);
    if (context === CTX_SOFTINT && !this.inTurn) this.softnet.acquire('a frame from outside');
  }

  private watchLeave(): void {
    if (this.context === CTX_SOFTINT && !this.inTurn) this.softnet.release('a frame from outside');
    this.witness.leave();
  }

  /**
   * Runs `fn` in thread context for a program that holds a socket and not the Kernel: at the host's present time, after what was due before.
   * Called from a packet's path (a socket's callback) it is part of what goes on there.
   */
  outside<T>(fn: () => T): T {
    if (this.context !== CTX_IDLE) return fn();
    this.hostEnter?.();
    const previous = this.enter(CTX_THREAD);
    try {
      return fn();
    } finally {
      this.leave(previous);
    }
  }

  /** Asserts that the caller may wait for readers. */
  assertThread(): void {
    assert(this.context !== CTX_SOFTINT, 'a packet path must not wait: thread context needed');
  }

  /**
   * Something was taken out of tables that workers read: calls `then` when none of them can have it any more. At once, true, when there is nobody to wait for, in the context of
   * the caller, which may be any; as a thread otherwise. Nothing waits for itself: unlike `Pserialize.perform` this does not know readers on this processor.
   */
  grace(then: () => void): boolean {
    return this.readers.grace(then);
  }

  /** A worker rang: whoever waited for it goes on. */
  readersPassed(): void {
    this.readers.poll();
  }

  /** Moves time forward. A stamp from the past is taken as "now": a host's clock may be read before an earlier input's. */
  advance(now: Micros): void {
    if (now > this.now) this.now = now;
  }

  /** One turn at `now`: packets, timers, deferred work, until idle or out of budget. Inside a turn only the time moves. */
  runTurn(now: Micros): void {
    this.advance(now);
    if (this.inTurn) return;
    this.wakeAsked = false;
    this.inTurn = true;
    this.readers.poll();
    const previous = this.enter(CTX_SOFTINT);
    try {
      let budget = TURN_BUDGET;
      while (budget > 0) {
        const done = this.runNetisr(budget) + this.runCallouts(budget) + this.runDeferred();
        if (done === 0) break;
        budget -= done;
      }
    } finally {
      this.leave(previous);
      this.inTurn = false;
    }
  }

  /** Says whose packets are about to be processed outside the netisr: those of a frame the host brings. */
  blame(owner: CalloutOwner | null): void {
    this.netisr.current = owner;
  }

  /** Whose packet, timer or work was being processed when an exception left a door of the Kernel; forgets it. */
  takeCulprit(): CalloutOwner | null {
    const owner = this.netisr.current ?? this.callouts.current ?? this.deferredOwner;
    this.netisr.current = null;
    this.callouts.current = null;
    this.deferredOwner = null;
    return owner;
  }

  /** When the host should call again: now when work is waiting, the next timer otherwise, NEVER when idle. */
  nextDeadline(): Micros {
    if (this.netisr.pending || this.deferredAt < this.deferred.length) return this.now;
    return this.callouts.nextDeadline;
  }

  /** True when nothing is due and nothing will become due by itself. */
  get idle(): boolean {
    return this.nextDeadline() === NEVER;
  }

  private doWork(work: () => void): void {
    this.workq.enter('deferred work');
    try {
      work();
    } finally {
      this.workq.exit('deferred work');
    }
  }

  private runNetisr(budget: number): number {
    this.softnet.acquire('netisr');
    try {
      return this.netisr.run(budget);
    } finally {
      this.softnet.release('netisr');
    }
  }

  private runCallouts(budget: number): number {
    this.calloutRun.enter('a callout');
    this.softnet.acquire('a callout');
    try {
      return this.callouts.run(this.now, budget);
    } finally {
      this.softnet.release('a callout');
      this.calloutRun.exit('a callout');
    }
  }

  /** Does what is waiting now; what that work defers is done after the packets and timers it caused. */
  private runDeferred(): number {
    const waiting = this.deferred.length - this.deferredAt;
    let n = 0;
    if (waiting === 0) return 0;
    this.working = true;
    const previous = this.enter(CTX_THREAD);
    this.working = false;
    this.inWorker = true;
    try {
      // Work that ends a vnet takes what waits for that off the list (`forget`).
      while (n < waiting && this.deferredAt < this.deferred.length) {
        const next = this.deferred[this.deferredAt++]!;
        n++;
        this.deferredOwner = next.owner;
        this.doWork(next.work);
      }
      this.deferredOwner = null;
    } finally {
      this.leave(previous);
      this.inWorker = false;
      if (this.deferredAt === this.deferred.length) {
        this.deferred = [];
        this.deferredAt = 0;
      }
    }
    return n;
  }

  private askWake(): void {
    if (this.wakeAsked) return;
    this.wakeAsked = true;
    this.env.wake();
  }
}
