/**
 * lwp.ts — processors, and the agents (LWPs) that run on them: who holds a reference, and where.
 * Read first: curlwp(9), softint(9) of NetBSD; docs/contexts.md.
 *
 * Theory of operation. The Kernel runs on one thread, which is processor 0. Three agents take turns there: the softint handlers, a
 * thread that calls in from outside, and the worker that does deferred work. Primitives that keep lists for each processor
 * and know their holder (psref.ts, pserialize.ts) ask the Engine which agent is acting (`Engine.lwp`).
 * An *artificial* agent is a test's or the simulator's: a reader on another processor, which opens a section, leaves it open while the
 * Kernel goes on, and closes it later. It acts through `Engine.runAs` and is not watched by the Witness: what it holds is held elsewhere.
 *
 * Invariant: an agent stays on its processor. A call never migrates, so nobody needs to be bound to one.
 */
import { unreachable } from '../base/assert.js';

export class Cpu {
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}

export class Lwp {
  readonly name: string;
  readonly cpu: Cpu;
  readonly artificial: boolean;
  /** Passive references it holds; none when what it was called for ends. */
  psrefs = 0;

  constructor(cpu: Cpu, name: string, artificial: boolean) {
    this.cpu = cpu;
    this.name = name;
    this.artificial = artificial;
  }
}

export class Lwps {
  /** By index. */
  readonly cpus: Cpu[] = [new Cpu(0)];
  readonly softint: Lwp;
  readonly thread: Lwp;
  readonly worker: Lwp;
  /** The artificial agent that is acting. */
  acting: Lwp | null = null;

  constructor() {
    const cpu = this.cpus[0]!;
    this.softint = new Lwp(cpu, 'softint', false);
    this.thread = new Lwp(cpu, 'thread', false);
    this.worker = new Lwp(cpu, 'worker', false);
  }

  /** A processor that only artificial agents run on. */
  addCpu(): Cpu {
    const cpu = new Cpu(this.cpus.length);
    this.cpus.push(cpu);
    return cpu;
  }

  /** An artificial agent on `cpu`. */
  reader(cpu: Cpu, name: string): Lwp {
    return new Lwp(cpu, name, true);
  }
}

/** psref_debug_barrier: the task of `lwp` ends. What it forgot is forgotten, so that it is reported once. */
export function assertNoPsrefs(lwp: Lwp): void {
  const { psrefs } = lwp;
  lwp.psrefs = 0;
  if (psrefs !== 0) unreachable(`${lwp.name} ends with ${psrefs} passive reference${psrefs === 1 ? '' : 's'}`);
}
