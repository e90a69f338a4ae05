/**
 * prison-stop.ts — how prisons end: at once as far as it is in the kernel's hands, and in bounded time in any case.
 * Read first: kern/prison.ts; jail(8) "dying".
 *
 * Theory of operation. Removing a prison has two phases, each for children before parents. *Stop* is immediate: the processes attached are told to
 * end and `end.stop` does what needs nobody's consent (sockets close, borrowed interfaces go home). *Finish* gives back the rest. It comes
 * in the same call when nothing holds the prison, and otherwise with the release of the last hold, of its own or of a child's, or right after
 * what that release was in the middle of (`end.busy`); in
 * between the prison is dying. A Callout bounds that: `stop_limit_s` after the stop the holders that are left are forced, named in
 * the log, and no longer waited for. The Callout runs in softint context, so the work is deferred to thread context; when too much is
 * deferred already, it comes again.
 *
 * What is thrown by a step does not keep the others from running; the first exception is thrown again at the end.
 *
 * Invariants: a dying prison has a hold, or a child, and an armed limit. Nothing waits longer than the limit. Each prison is stopped
 * once and finished once. After `destroy` nothing is dying.
 * Not here: who holds (the host, through `Prison.hold`), and what a vnet does on its end (vnet/kernel.ts).
 */
import type { Errno } from '../base/errno.js';
import { EPERM } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';
import { Callout } from './callout.js';
import type { Prison, PrisonHold, PrisonTree } from './prison.js';
import type { SysctlGroup } from './sysctl.js';
import type { VnetKern } from './vnet-kern.js';

const STOP_LIMIT_S = 30;
const STOP_LIMIT_S_MAX = 3_600;
/** When forcing could not be deferred, it is tried again after this. */
const RETRY_US = 100_000;

/** What the composition root does with a prison that ends. */
export interface PrisonEnd<V> {
  /** At once; the prison still has its place in the tree. */
  stop(p: Prison<V>): void;
  /** It will be dying for a while. */
  wait(p: Prison<V>): void;
  /** Nothing holds it any more. */
  finish(p: Prison<V>): void;
  /** Must no vnet be taken down at this moment? A hold let go then ends its prison when the moment is over. */
  busy(): boolean;
}

/** A dying prison, for listings. */
export interface DyingPrison<V> {
  readonly prison: Prison<V>;
  /** What holds it; a child that is dying itself is named as well. */
  readonly holders: readonly string[];
  /** How long it has been dying. */
  readonly dyingUs: Micros;
  /** When it will be gone at the latest, from now. */
  readonly leftUs: Micros;
}

export class PrisonStop<V> {
  /** How long holders may keep a dying prison, seconds. */
  private limitS = STOP_LIMIT_S;
  private readonly tree: PrisonTree<V>;
  private readonly kern: VnetKern;
  private readonly end: PrisonEnd<V>;
  private readonly limits = new Map<Prison<V>, Callout>();

  /** @param kern of the host's vnet: it has the sysctl, is charged for the timers and outlives every prison. */
  constructor(tree: PrisonTree<V>, kern: VnetKern, end: PrisonEnd<V>) {
    this.tree = tree;
    this.kern = kern;
    this.end = end;
    kern.sysctl.attach(STOP_SYSCTLS, this);
  }

  get stopLimitS(): number {
    return this.limitS;
  }

  /** Also of those that are dying already. */
  set stopLimitS(seconds: number) {
    this.limitS = seconds;
    for (const [p, callout] of this.limits) this.kern.engine.calloutReset(callout, this.leftUs(p));
  }

  /** Ends `prison` and everything below it; 0 also when somebody has begun before. EPERM for prison 0. */
  remove(prison: Prison<V>): Errno {
    if (prison.parent === null) return EPERM;
    const errors: unknown[] = [];
    const ending = this.tree.beginStop(prison, this.kern.engine.now);
    for (const p of ending) attempt(errors, () => this.stopOne(p));
    for (const p of ending) p.onLetGo = (hold) => this.letGo(p, hold);
    for (const p of ending) this.finishIfFree(p, errors);
    for (const p of ending) if (p.onLetGo !== null) attempt(errors, () => this.wait(p));
    if (errors.length > 0) throw errors[0];
    return 0;
  }

  /** Every dying prison, parents before children. */
  dying(): DyingPrison<V>[] {
    const { now } = this.kern.engine;
    return this.tree.prison0.descendants().filter((p) => p.dying).map((prison) => ({
      prison, holders: this.holdersOf(prison), dyingUs: now - prison.stoppedUs, leftUs: this.leftUs(prison),
    }));
  }

  /** The kernel ends: nobody is waited for. */
  destroy(): void {
    for (const p of [...this.limits.keys()]) this.force(p);
    this.kern.sysctl.detach(this);
  }

  private stopOne(p: Prison<V>): void {
    for (const a of [...p.attached]) a.kill();
    p.attached.clear();
    this.end.stop(p);
  }

  /** Still held: the limit is set, and the log says by whom. */
  private wait(p: Prison<V>): void {
    const callout = new Callout(this.kern, () => this.limitReached(p));
    this.limits.set(p, callout);
    this.kern.engine.calloutReset(callout, this.leftUs(p));
    this.log('notice', p, `is dying, held by ${this.holdersOf(p).join(', ')}`);
    this.end.wait(p);
  }

  private letGo(p: Prison<V>, hold: PrisonHold): void {
    if (this.limits.has(p)) this.log('info', p, `let go by ${hold.what} after ${this.elapsed(p)} s`);
    // Should this be one piece of deferred work too many, the limit finishes it.
    if (this.end.busy()) this.kern.defer(() => this.finish(p));
    else this.finish(p);
  }

  private finish(p: Prison<V>): void {
    const errors: unknown[] = [];
    this.finishIfFree(p, errors);
    if (errors.length > 0) throw errors[0];
  }

  /** Finishes `p` and then whoever waited for it. */
  private finishIfFree(p: Prison<V>, errors: unknown[]): void {
    if (!p.dying || p.onLetGo === null || p.holds.size > 0 || p.children.length > 0) return;
    p.onLetGo = null;
    const limit = this.limits.get(p);
    if (limit !== undefined) {
      this.kern.engine.calloutStop(limit);
      this.limits.delete(p);
      this.log('notice', p, `is gone after ${this.elapsed(p)} s`);
    }
    attempt(errors, () => this.end.finish(p));
    const { parent } = p;
    if (!this.tree.unlink(p) || parent === null) return;
    if (parent.dying) this.finishIfFree(parent, errors);
    else if (parent.isReleasable) attempt(errors, () => this.remove(parent));
  }

  private limitReached(p: Prison<V>): void {
    const callout = this.limits.get(p);
    if (callout !== undefined && !this.kern.defer(() => this.force(p))) this.kern.engine.calloutReset(callout, RETRY_US);
  }

  /** Its holders had their time. */
  private force(p: Prison<V>): void {
    if (!this.limits.has(p)) return;
    const errors: unknown[] = [];
    for (const hold of [...p.holds]) {
      this.log('warning', p, `no longer waits for ${hold.what}, after ${this.elapsed(p)} s`);
      p.holds.delete(hold);
      attempt(errors, hold.force);
    }
    // Children first: their limits came at the same time or before.
    for (const c of [...p.children]) if (c.dying) attempt(errors, () => this.force(c));
    this.finishIfFree(p, errors);
    if (errors.length > 0) throw errors[0];
  }

  private holdersOf(p: Prison<V>): string[] {
    return [...p.holds].map((h) => h.what).concat(p.children.map((c) => `jail ${c.nameFrom(this.tree.prison0)}`));
  }

  private leftUs(p: Prison<V>): Micros {
    return Math.max(0, p.stoppedUs + this.limitS * US_PER_SEC - this.kern.engine.now);
  }

  private elapsed(p: Prison<V>): string {
    return ((this.kern.engine.now - p.stoppedUs) / US_PER_SEC).toFixed(3);
  }

  private log(level: 'info' | 'notice' | 'warning', p: Prison<V>, text: string): void {
    this.kern.engine.env.log(level, '', `jail ${p.jid} (${p.nameFrom(this.tree.prison0)}) ${text}`);
  }
}

const STOP_SYSCTLS: SysctlGroup<{ stopLimitS: number }> = {
  prefix: 'security.jail',
  oids: [{
    leaf: 'stop_limit_s', type: 'int', unit: 's', min: 0, max: STOP_LIMIT_S_MAX, help: 'Time a removed jail may be held before its holders are abandoned',
    get: (stop) => stop.stopLimitS,
    set: (stop, seconds) => {
      stop.stopLimitS = Number(seconds);
      return 0;
    },
  }],
};

/** Runs `work`; what it throws is kept for the end. */
function attempt(errors: unknown[], work: () => void): void {
  try {
    work();
  } catch (error) {
    errors.push(error);
  }
}
