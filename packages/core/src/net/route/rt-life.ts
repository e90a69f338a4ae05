/**
 * rt-life.ts — class RtLife: references to routes, changing one that is in use, freeing one that was.
 * Read first: rtentry.ts; NetBSD's `sys/net/route.c` "Locking notes"; docs/contexts.md.
 *
 * Theory of operation. Whoever keeps a route longer than a call takes a reference (`ref`, or `RouteTables.rtalloc`), and gives it back with `unref`.
 * Three things wait for references, all in thread context, each a continuation that runs at once when there is nothing to wait for:
 *
 *   changing   `updatePrepare` makes the route unacquirable (`updating`: a look-up in softint misses, one in thread context waits), waits for
 *              the update under way to end, of which there is one at a time, and until nobody but the caller has a reference. Then the
 *              caller changes it, and says `updateFinish`.
 *   freeing    a route that was taken out of the table is freed, its next hops given back, when no update is under way and
 *              nobody has a reference. A softint that drops the last one cannot wait: `free` leaves it to a work, the youngest first.
 *   retiring   a path that goes while somebody has the route stays valid for the reader, who may hold the old array of paths, until
 *              the last reference is gone.
 *
 * Who keeps a route in a cache takes passive references (`refPassive`, rtcache.ts), which are waited for behind the others.
 *
 * While an update has to wait, the compiled table leads the route's packets to a next hop that is none (`NexthopStore.nowhere`): a miss, and not
 * the less specific route. A route that is freed has no paths any more; who still uses it fails.
 *
 * Readers on this thread end before anybody waits, so all of it happens at once; artificial readers (kern/lwp.ts) show that it works. Datapath workers are never waited for: a change is another
 * next hop and one word of the compiled table, and what that word said before is used again after a grace period (nexthop-store.ts).
 * Invariants: `refs` counts references of readers only, neither the table's nor timers'. A route is freed once, with `refs` 0.
 */
import { assert, unreachable } from '../../base/assert.js';
import type { Errno } from '../../base/errno.js';
import { ESRCH } from '../../base/errno.js';
import { LazyMap, LazySet } from '../../base/lazy-map.js';
import { CTX_SOFTINT } from '../../kern/context.js';
import type { Lwp } from '../../kern/lwp.js';
import { PsrefClass, PsrefTarget } from '../../kern/psref.js';
import type { Psref } from '../../kern/psref.js';
import type { VnetKern } from '../../kern/vnet-kern.js';
import type { WitnessDrain } from '../../kern/witness-lock.js';
import { Work, Workqueue } from '../../kern/workqueue.js';
import type { NexthopStore } from './nexthop-store.js';
import type { Rtentry, RtPath } from './rtentry.js';

/** Threads that may wait for the update under way to end. */
export const RT_WAITERS_MAX = 4_096;

/** The paths of a route that has been freed. */
const FREED: readonly RtPath[] = Object.freeze([]);

interface Wait {
  /** Goes on when there are no more references than these. */
  readonly refs: number;
  readonly then: () => void;
}

export class RtLife {
  readonly store: NexthopStore;
  private readonly kern: VnetKern;
  private readonly drain: WitnessDrain;
  /** Puts what `rt` leads to now into the compiled table. */
  private readonly recompile: (rt: Rtentry) => void;
  private readonly waits = new LazyMap<Rtentry, Wait[]>();
  private readonly passive: PsrefClass;
  private readonly retired = new LazyMap<Rtentry, number[]>();
  private readonly freeing = new LazySet<Rtentry>();
  /** The route whose update is under way, and who updates it. */
  private ongoing: Rtentry | null = null;
  private updater: Lwp | null = null;
  private queue: (() => void)[] = [];
  /** Routes that softint wants freed, the youngest last. */
  private readonly deferred: Rtentry[] = [];
  /** Frees those; made with the first. */
  private freeWork: { readonly wq: Workqueue; readonly work: Work } | null = null;

  constructor(kern: VnetKern, store: NexthopStore, drain: WitnessDrain, recompile: (rt: Rtentry) => void) {
    this.kern = kern;
    this.store = store;
    this.drain = drain;
    this.passive = new PsrefClass(kern.engine, 'rtentry');
    this.recompile = recompile;
  }

  /** Routes that are out of the table and not freed yet. */
  get dying(): number {
    return this.freeing.size + this.deferred.length;
  }

  /** Threads that wait for references, or for an update. */
  get waiting(): number {
    let n = this.queue.length + this.passive.draining;
    for (const list of this.waits.values()) n += list.length;
    return n;
  }

  get updateOngoing(): boolean {
    return this.ongoing !== null;
  }

  /** May the agent that acts have this route now? While it is being updated only its updater may. */
  isAcquirable(rt: Rtentry): boolean {
    return rt.up && (!rt.updating || (this.ongoing === rt && this.updater === this.kern.engine.lwp));
  }

  ref(rt: Rtentry): void {
    if (rt.freed) unreachable('reference to a route that has been freed');
    rt.refs++;
    if (!this.kern.engine.lwp.artificial) this.drain.enter('rt_ref');
  }

  unref(rt: Rtentry): void {
    if (rt.refs <= 0) unreachable('route released more often than referenced');
    if (!this.kern.engine.lwp.artificial) this.drain.exit('rt_unref');
    this.letGo(rt);
  }

  /** A passive reference, for a cache: its holder gives it back on the same processor. */
  refPassive(rt: Rtentry, ref: Psref, where: string): void {
    if (rt.freed) unreachable('reference to a route that has been freed');
    if (rt.target === null) {
      rt.target = new PsrefTarget();
      this.passive.targetInit(rt.target);
    }
    this.passive.acquire(ref, rt.target, where);
  }

  unrefPassive(rt: Rtentry, ref: Psref, where: string): void {
    if (rt.target === null) unreachable('passive reference of a route that has none');
    this.passive.release(ref, rt.target, where);
  }

  private letGo(rt: Rtentry): void {
    rt.refs--;
    if (rt.refs === 0 && this.retired.size > 0) this.releaseRetired(rt);
    if (!rt.up || rt.updating) this.recheck(rt);
  }

  /**
   * rt_free: gives the caller's reference to `rt`, which is out of the table, back; the last one frees it. In softint a work does that, and the reference
   * is kept until then.
   */
  free(rt: Rtentry): void {
    if (rt.refs <= 0) unreachable('rt_free without a reference');
    assert(!rt.up, 'rt_free of a route that is in the table');
    if (this.kern.engine.context !== CTX_SOFTINT) {
      this.unref(rt);
      return;
    }
    if (!this.kern.engine.lwp.artificial) this.drain.exit('rt_free');
    this.deferred.push(rt);
    const { wq, work } = (this.freeWork ??= { wq: new Workqueue(this.kern, 'rt_free'), work: new Work(() => this.freeDeferred()) });
    if (!work.queued) wq.enqueue(work);
  }

  private freeDeferred(): void {
    for (let rt = this.deferred.pop(); rt !== undefined; rt = this.deferred.pop()) this.letGo(rt);
  }

  /** `rt` has just left the table. */
  removed(rt: Rtentry): void {
    this.freeing.add(rt);
    this.whenNoUpdate(() => this.whenUnused(rt, 'rt_free', () => this.finalise(rt)));
  }

  /** `rt` has another value now; the old one goes when no reader can have it. */
  retire(rt: Rtentry, value: number): void {
    if (rt.refs === 0) {
      this.store.release(value);
      return;
    }
    const list = this.retired.get(rt);
    if (list === undefined) this.retired.set(rt, [value]);
    else list.push(value);
  }

  /**
   * Calls `then` when `rt` may be changed: with 0, or with ESRCH when it is not in the table (any more). After 0 the caller owes an
   * `updateFinish`. Whoever holds a reference itself waits for ever. Thread context.
   */
  updatePrepare(rt: Rtentry, then: (error: Errno) => void): void {
    this.kern.engine.assertThread();
    this.drain.wait('rt_update_prepare');
    if (!rt.up) {
      then(ESRCH);
      return;
    }
    if (rt.updating) {
      this.whenNoUpdate(() => this.updatePrepare(rt, then));
      return;
    }
    rt.updating = true;
    if (this.ongoing !== null || rt.refs > 0 || rt.target !== null) this.hide(rt);
    this.whenNoUpdate(() => {
      this.ongoing = rt;
      this.whenUnused(rt, 'rt_update_prepare', () => {
        // Until here it was asleep.
        this.updater = this.kern.engine.lwp;
        if (rt.up) {
          then(0);
          return;
        }
        this.updateFinish(rt);
        then(ESRCH);
      });
    });
  }

  /** The change has been made. */
  updateFinish(rt: Rtentry): void {
    assert(this.ongoing === rt && rt.updating, 'rt_update_finish without rt_update_prepare');
    rt.updating = false;
    this.show(rt);
    this.ongoing = null;
    this.updater = null;
    const { queue } = this;
    this.queue = [];
    for (const then of queue) this.kern.engine.resume(() => this.whenNoUpdate(then));
  }

  /** Calls `then` when no update is under way. Thread context. */
  whenNoUpdate(then: () => void): void {
    if (this.ongoing === null) {
      then();
      return;
    }
    if (this.queue.length >= RT_WAITERS_MAX) unreachable('too many threads wait for an update of a route');
    this.queue.push(then);
  }

  /** Calls `then` when nobody has `rt`, passively either. */
  private whenUnused(rt: Rtentry, where: string, then: () => void): void {
    this.whenRefs(rt, 0, () => {
      const { target } = rt;
      if (target === null) {
        then();
        return;
      }
      this.passive.targetDestroy(target, where, () => {
        rt.target = null;
        then();
      });
    });
  }

  /** Calls `then` when `rt` has no more than `refs` references. */
  private whenRefs(rt: Rtentry, refs: number, then: () => void): void {
    if (rt.refs <= refs) {
      then();
      return;
    }
    const list = this.waits.get(rt);
    if (list === undefined) this.waits.set(rt, [{ refs, then }]);
    else list.push({ refs, then });
  }

  private recheck(rt: Rtentry): void {
    const list = this.waits.get(rt);
    if (list === undefined) return;
    const left = list.filter((w) => rt.refs > w.refs);
    if (left.length === 0) this.waits.delete(rt);
    else this.waits.set(rt, left);
    // Whoever was told may find that somebody came back meanwhile, and waits again.
    for (const w of list) if (rt.refs <= w.refs) this.kern.engine.resume(() => this.whenRefs(rt, w.refs, w.then));
  }

  private finalise(rt: Rtentry): void {
    assert(!rt.freed && rt.refs === 0 && !rt.up, 'a route is freed that is in use');
    this.freeing.delete(rt);
    this.releaseRetired(rt);
    this.store.release(rt.value);
    rt.freed = true;
    rt.nexthops = FREED;
  }

  private releaseRetired(rt: Rtentry): void {
    const values = this.retired.get(rt);
    if (values === undefined) return;
    this.retired.delete(rt);
    for (const value of values) this.store.release(value);
  }

  private hide(rt: Rtentry): void {
    rt.compiled = this.store.holdNowhere();
    this.recompile(rt);
  }

  private show(rt: Rtentry): void {
    if (rt.compiled === rt.value) return;
    rt.compiled = rt.value;
    if (rt.up) this.recompile(rt);
    this.store.dropNowhere();
  }
}
