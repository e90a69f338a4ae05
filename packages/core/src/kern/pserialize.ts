/**
 * pserialize.ts — class Pserialize: read sections without a lock, and the writer who waits until they have ended.
 * Read first: pserialize(9) of NetBSD; docs/contexts.md.
 *
 * Theory of operation. A reader brackets what it does with `readEnter` and `readExit`: a depth for each processor, nothing that
 * others see. It must not wait inside. A writer, one at a time, unlinks what it is going to free and calls `perform`: its continuation is called when every section that was open then has ended. When
 * none is open, that is at once, and so it is always today: softint handlers and threads of processor 0 run to their end, so a thread finds
 * nobody inside. Sections that stay open are those of artificial readers (lwp.ts), and the batches of datapath workers, each of which is a section of every Pserialize (readers.ts). A section opened after `perform` began
 * is not waited for: it cannot see what has been unlinked.
 *
 * `performNow` is for who cannot go on later. It does not wait for workers and need not: they see none of the Kernel's objects, only words in shared tables, and what is taken out of those
 * is used again through a Limbo (limbo.ts).
 * NetBSD's sections are not of one object but of all. Here they are of the object they are for, so a writer does not wait for strangers.
 *
 * Invariants: sections nest; the token of `readEnter` goes back to `readExit` in reverse order, on the same processor. What was found
 * in a section is not used after it, unless another reference was taken inside.
 */
import { unreachable } from '../base/assert.js';
import type { Engine } from './engine.js';
import { WitnessGrace } from './witness-lock.js';

/** Writers that may be waiting. They are serialised by a lock, so more than a few mean that there is none. */
const WAITERS_MAX = 64;

interface Waiter {
  /** Processors whose section was open and has not ended. */
  readonly cpus: Set<number>;
  /** Datapath workers have not passed. */
  workers: boolean;
  readonly then: () => void;
}

export class Pserialize {
  readonly name: string;
  /** Grace periods that have passed. */
  performed = 0;
  private readonly engine: Engine;
  private readonly grace: WitnessGrace;
  /** Depth by processor. */
  private readonly depth: number[] = [];
  private waiters: Waiter[] = [];

  constructor(engine: Engine, name: string) {
    this.engine = engine;
    this.name = name;
    this.grace = new WitnessGrace(engine.witness, name);
  }

  /** Writers that wait. */
  get waiting(): number {
    return this.waiters.length;
  }

  /** Is the agent that acts inside a section? */
  get inReadSection(): boolean {
    return (this.depth[this.engine.lwp.cpu.index] ?? 0) > 0;
  }

  /** A section begins; its token is for `readExit`. */
  readEnter(where: string): number {
    const { lwp } = this.engine;
    const was = this.depth[lwp.cpu.index] ?? 0;
    this.depth[lwp.cpu.index] = was + 1;
    if (!lwp.artificial) this.grace.enter(where);
    return was;
  }

  readExit(token: number, where: string): void {
    const { lwp } = this.engine;
    const { index } = lwp.cpu;
    if (this.depth[index] !== token + 1) unreachable(`mismatching pserialize_read_exit() of ${this.name}`);
    this.depth[index] = token;
    if (!lwp.artificial) this.grace.exit(where);
    if (token === 0 && this.waiters.length > 0) this.quiescent(index);
  }

  /** Calls `then` when every section that is open now has ended; at once when none is. Thread context. True: it has been called. */
  perform(where: string, then: () => void): boolean {
    this.grace.wait(where);
    this.engine.assertThread();
    if (this.inReadSection) unreachable(`pserialize_perform of ${this.name} inside a read section`);
    const cpus = new Set<number>();
    this.depth.forEach((n, index) => {
      if (n > 0) cpus.add(index);
    });
    const w: Waiter = { cpus, workers: true, then };
    this.engine.grace(() => this.workersPassed(w));
    if (cpus.size === 0 && !w.workers) {
      this.performed++;
      then();
      return true;
    }
    if (this.waiters.length >= WAITERS_MAX) unreachable(`pserialize ${this.name}: ${WAITERS_MAX} writers wait, they need a lock`);
    this.waiters.push(w);
    return false;
  }

  /** For who cannot go on later: nobody may be inside; workers may, who see nothing of what the caller frees. */
  performNow(where: string): void {
    this.grace.wait(where);
    this.engine.assertThread();
    if (this.inReadSection) unreachable(`pserialize_perform of ${this.name} inside a read section`);
    if (this.depth.some((n) => n > 0)) unreachable(`${where} waits for readers of ${this.name}, and has nothing that could go on later`);
    this.performed++;
  }

  destroy(): void {
    if (this.waiters.length > 0 || this.depth.some((n) => n > 0)) unreachable(`pserialize ${this.name} destroyed while in use`);
  }

  /** The outermost section of a processor ended. */
  private quiescent(index: number): void {
    for (const w of this.waiters) w.cpus.delete(index);
    this.settle();
  }

  private workersPassed(w: Waiter): void {
    w.workers = false;
    this.settle();
  }

  private settle(): void {
    const left = this.waiters.filter((w) => w.cpus.size > 0 || w.workers);
    if (left.length === this.waiters.length) return;
    const done = this.waiters.filter((w) => !left.includes(w));
    this.waiters = left;
    for (const w of done) {
      this.performed++;
      this.engine.resume(w.then);
    }
  }
}
