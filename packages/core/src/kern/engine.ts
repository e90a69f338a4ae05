/**
 * engine.ts — what all vnets of one Kernel share: time, randomness, packets, timers, the run queue.
 *
 * Theory of operation. The Engine has no clock: `now` is the stamp of the input being processed. A turn (`runTurn`) serves
 * the netisr run queue, then due callouts, then work deferred from softint to thread context, until nothing is due or the
 * budget is spent. Work that becomes due outside a turn asks the host for one, once, through `env.wake`.
 *
 * Invariants: `now` never goes back. A context is entered at one of the doors (`enter`) and left there.
 * Not here: vnets (kern/vnet-kern.ts) and anything that knows a protocol.
 */
import { assert } from '../base/assert.js';
import { Prng } from '../base/prng.js';
import type { Micros } from '../base/time.js';
import { NEVER } from '../base/time.js';
import type { Env } from '../env/env.js';
import { PacketPool } from '../mbuf/packet-buffer.js';
import type { Callout, CalloutOwner } from './callout.js';
import { CalloutQueue } from './callout.js';
import type { Context } from './context.js';
import { CTX_IDLE, CTX_SOFTINT, CTX_THREAD } from './context.js';
import type { NetisrSource } from './netisr.js';
import { Netisr } from './netisr.js';

/** Packets, and timers, a single turn may process before the host gets the processor back. */
const TURN_BUDGET = 8_192;
/** Pieces of work that may wait for thread context. */
const DEFER_MAX = 65_536;

export class Engine {
  readonly env: Env;
  readonly rng: Prng;
  readonly pool: PacketPool;
  readonly callouts = new CalloutQueue();
  readonly netisr = new Netisr();
  now: Micros = 0;
  context: Context = CTX_IDLE;
  /** Work refused because DEFER_MAX pieces were waiting. */
  deferDrops = 0;
  private deferred: (() => void)[] = [];
  private inTurn = false;
  private wakeAsked = false;

  constructor(env: Env, pool: PacketPool = new PacketPool()) {
    this.env = env;
    this.rng = new Prng(env.seed);
    this.pool = pool;
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

  /** Runs `work` in thread context at the end of the turn (workqueue(9)); false when too much is waiting already. */
  defer(work: () => void): boolean {
    if (this.deferred.length >= DEFER_MAX) {
      this.deferDrops++;
      return false;
    }
    this.deferred.push(work);
    if (!this.inTurn) this.askWake();
    return true;
  }

  /** Enters a context at one of the Kernel's doors and returns the previous one, for `leave`. */
  enter(context: Context): Context {
    const previous = this.context;
    this.context = context;
    return previous;
  }

  leave(previous: Context): void {
    this.context = previous;
  }

  /** Asserts that the caller may wait for readers. */
  assertThread(): void {
    assert(this.context !== CTX_SOFTINT, 'a packet path must not wait: thread context needed');
  }

  /** Moves time forward. A stamp from the past is taken as "now": a host's clock may be read before an earlier input's. */
  advance(now: Micros): void {
    if (now > this.now) this.now = now;
  }

  /** One turn at `now`: packets, timers, deferred work, until idle or out of budget. */
  runTurn(now: Micros): void {
    this.advance(now);
    this.wakeAsked = false;
    if (this.inTurn) return;
    this.inTurn = true;
    const previous = this.enter(CTX_SOFTINT);
    try {
      let budget = TURN_BUDGET;
      while (budget > 0) {
        const done = this.netisr.run(budget) + this.callouts.run(this.now, budget) + this.runDeferred();
        if (done === 0) break;
        budget -= done;
      }
    } finally {
      this.inTurn = false;
      this.leave(previous);
    }
  }

  /** Whose packet or timer was being processed when an exception left the turn; forgets it. */
  takeCulprit(): CalloutOwner | null {
    const owner = this.netisr.current ?? this.callouts.current;
    this.netisr.current = null;
    this.callouts.current = null;
    return owner;
  }

  /** When the host should call again: now when work is waiting, the next timer otherwise, NEVER when idle. */
  nextDeadline(): Micros {
    if (this.netisr.pending || this.deferred.length > 0) return this.now;
    return this.callouts.nextDeadline;
  }

  /** True when nothing is due and nothing will become due by itself. */
  get idle(): boolean {
    return this.nextDeadline() === NEVER;
  }

  private runDeferred(): number {
    const work = this.deferred;
    if (work.length === 0) return 0;
    this.deferred = [];
    const previous = this.enter(CTX_THREAD);
    for (const fn of work) fn();
    this.leave(previous);
    return work.length;
  }

  private askWake(): void {
    if (this.wakeAsked) return;
    this.wakeAsked = true;
    this.env.wake();
  }
}
