/**
 * psref.ts — passive references: a reader says on a list of its own processor that it uses something; who wants to free that asks all lists.
 * Read first: psref(9) of NetBSD; docs/contexts.md.
 *
 * Theory of operation. Three objects. A PsrefClass is a kind of resource and has a list for each processor. A PsrefTarget is in the
 * resource. A Psref is its holder's, made once and used again. `acquire` puts it on the list of the processor that acts, `release`
 * takes it off; nobody else sees that, so it costs no atomic instruction. Whoever acquires must know by other means (a read section, a lock) that the target is not being destroyed at that
 * moment. A holder may wait; it may not hand the reference to another agent or move to another processor.
 *
 * `targetDestroy` is called when nobody can find the resource any more: unlinked, and a grace period passed. It marks the target
 * as draining and looks at every list; its continuation is called when no list has the target, at once or when the last holder lets go. Then the target has no class,
 * and whoever still tries to acquire it fails an assertion; `targetInit` makes it usable again. A datapath worker says nothing: its batch is a reference to every target, so a grace
 * period is waited for as well (readers.ts). What a worker holds longer than a batch it says in shared words (psref-shared.ts).
 *
 * Invariants: one destroyer at a time. An agent holds at most PSREFS_MAX references, and none when its task ends (Engine.leave).
 */
import { assert, unreachable } from '../base/assert.js';
import type { Engine } from './engine.js';
import type { Lwp } from './lwp.js';
import { WitnessDrain } from './witness-lock.js';

/** References an agent may hold. */
export const PSREFS_MAX = 16;
const CLASS_NAME_MAX = 8;

/** One reference. */
export class Psref {
  target: PsrefTarget | null = null;
  lwp: Lwp | null = null;
  next: Psref | null = null;
}

/** What is in the resource. */
export class PsrefTarget {
  cls: PsrefClass | null = null;
  draining = false;
  /** Datapath workers have not passed since it has been draining. */
  workers = false;
  /** What goes on when nobody holds it. */
  then: (() => void) | null = null;
}

export class PsrefClass {
  readonly name: string;
  /** Targets that are being destroyed and still held. */
  draining = 0;
  private readonly engine: Engine;
  private readonly drain: WitnessDrain;
  /** By processor, the youngest first. */
  private readonly lists: (Psref | null)[] = [];

  constructor(engine: Engine, name: string) {
    if (name.length > CLASS_NAME_MAX) unreachable(`psref class name "${name}" is longer than ${CLASS_NAME_MAX}`);
    this.engine = engine;
    this.name = name;
    this.drain = new WitnessDrain(engine.witness, name);
  }

  /** References held, on all processors. */
  get count(): number {
    let n = 0;
    for (const first of this.lists) for (let r = first ?? null; r !== null; r = r.next) n++;
    return n;
  }

  targetInit(target: PsrefTarget): void {
    assert(!target.draining, 'psref target is being destroyed');
    target.cls = this;
  }

  acquire(ref: Psref, target: PsrefTarget, where: string): void {
    if (target.cls === null || target.draining) unreachable(`psref target already destroyed (${where})`);
    if (target.cls !== this) unreachable(`psref class mismatch (${where}): "${this.name}"`);
    if (ref.target !== null) unreachable(`acquiring twice? (${where})`);
    const { lwp } = this.engine;
    if (lwp.psrefs >= PSREFS_MAX) unreachable(`${lwp.name} holds ${PSREFS_MAX} passive references (${where})`);
    const at = lwp.cpu.index;
    ref.target = target;
    ref.lwp = lwp;
    ref.next = this.lists[at] ?? null;
    this.lists[at] = ref;
    lwp.psrefs++;
    if (!lwp.artificial) this.drain.enter(where);
  }

  release(ref: Psref, target: PsrefTarget, where: string): void {
    const { lwp } = this.engine;
    if (ref.target === null) unreachable(`releasing unused psref? (${where})`);
    if (ref.target !== target) unreachable(`passive reference of another target (${where})`);
    if (ref.lwp?.cpu !== lwp.cpu) unreachable(`passive reference transferred from CPU ${ref.lwp?.cpu.index} to CPU ${lwp.cpu.index} (${where})`);
    if (ref.lwp !== lwp) unreachable(`passive reference transferred from lwp ${ref.lwp?.name} to lwp ${lwp.name} (${where})`);
    this.unlink(ref, lwp.cpu.index);
    ref.target = null;
    ref.lwp = null;
    lwp.psrefs--;
    if (!lwp.artificial) this.drain.exit(where);
    if (target.draining) this.settle(target);
  }

  /** A second reference to what `from` refers to. */
  copy(to: Psref, from: Psref, where: string): void {
    const { target } = from;
    if (to === from) unreachable(`copying a passive reference to itself (${where})`);
    if (target === null || from.lwp !== this.engine.lwp) unreachable(`copying a passive reference that is not ours (${where})`);
    // The target may be draining: who holds it may hold it twice.
    const was = target.draining;
    target.draining = false;
    try {
      this.acquire(to, target, where);
    } finally {
      target.draining = was;
    }
  }

  /** Is `target` held on the processor that acts? For assertions that it is: "no" says nothing about others. */
  held(target: PsrefTarget): boolean {
    return this.on(this.engine.lwp.cpu.index, target);
  }

  /** Waits for all holders. Thread context; `then` is called when there is none: at once (true) or later. */
  targetDestroy(target: PsrefTarget, where: string, then: () => void): boolean {
    this.engine.assertThread();
    if (target.cls !== this) unreachable(`psref target of another class, or already destroyed (${where})`);
    if (target.draining) unreachable(`psref target destroyed twice at a time (${where})`);
    if (this.isHolder(target)) unreachable(`${where} waits for a passive reference that it holds itself`);
    this.drain.wait(where);
    target.draining = true;
    target.workers = true;
    let now = true;
    this.draining++;
    this.engine.grace(() => {
      target.workers = false;
      if (!now) this.settle(target);
    });
    now = false;
    if (!target.workers && !this.heldAnywhere(target)) {
      this.drained(target);
      then();
      return true;
    }
    target.then = then;
    return false;
  }

  destroy(): void {
    if (this.count > 0 || this.draining > 0) unreachable(`psref class "${this.name}" destroyed while in use`);
  }

  /** Does the agent that acts hold it? */
  private isHolder(target: PsrefTarget): boolean {
    const { lwp } = this.engine;
    for (let r = this.lists[lwp.cpu.index] ?? null; r !== null; r = r.next) if (r.target === target && r.lwp === lwp) return true;
    return false;
  }

  private heldAnywhere(target: PsrefTarget): boolean {
    return this.lists.some((_first, index) => this.on(index, target));
  }

  private on(index: number, target: PsrefTarget): boolean {
    for (let r = this.lists[index] ?? null; r !== null; r = r.next) if (r.target === target) return true;
    return false;
  }

  private unlink(ref: Psref, index: number): void {
    let at = this.lists[index] ?? null;
    if (at === ref) {
      this.lists[index] = ref.next;
    } else {
      while (at !== null && at.next !== ref) at = at.next;
      assert(at !== null, 'passive reference is on no list');
      at.next = ref.next;
    }
    ref.next = null;
  }

  /** Somebody let go of a target that is draining. */
  private settle(target: PsrefTarget): void {
    if (target.workers || this.heldAnywhere(target)) return;
    const { then } = target;
    this.drained(target);
    if (then !== null) this.engine.resume(then);
  }

  private drained(target: PsrefTarget): void {
    target.draining = false;
    target.cls = null;
    target.then = null;
    this.draining--;
  }
}
