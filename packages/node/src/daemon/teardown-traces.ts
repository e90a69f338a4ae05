/**
 * teardown-traces.ts — how the last vnets were taken down: each destructor with its state and the time it took.
 *
 * Read first: packages/core/src/kern/vnet-sysinit.ts; docs/audit.md.
 *
 * The core reads no clock: the Kernel tells before and after each step, and the host reads its own. A trace is complete when the last
 * destructor has run, whether or not one of them threw.
 *
 * Invariant: at most TRACES_MAX traces are kept, oldest first.
 */
import type { Kernel, Vnet, VnetSysinit } from '@netloom/core';
import { subsystemName } from '@netloom/core';
import { HOST_VNET } from '../lab/lab-model.js';
import type { HostLoop } from '../loop.js';

/** Traces kept. */
const TRACES_MAX = 32;

export interface TeardownStep {
  readonly function: string;
  /** `vnet.state` while it ran: the subsystem. */
  readonly state: number;
  readonly subsystem: string;
  readonly us: number;
}

export interface TeardownTrace {
  readonly vnet: string;
  /** When it began, microseconds since boot. */
  readonly atUs: number;
  /** From before the first step to after the last; a jail that something holds waits between the first and the others. */
  readonly us: number;
  readonly steps: readonly TeardownStep[];
}

/** A teardown under way. */
interface Underway {
  readonly name: string;
  readonly beganUs: number;
  readonly steps: TeardownStep[];
}

export class TeardownTraces {
  readonly kept: TeardownTrace[] = [];
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  /** A dying jail's vnet has been stopped and waits for its end, while others are taken down. */
  private readonly underway = new Map<Vnet, Underway>();
  private stepUs = 0;

  constructor(kernel: Kernel, loop: HostLoop) {
    this.kernel = kernel;
    this.loop = loop;
    kernel.onTeardown = (vnet, step, when) => (when === 'before' ? this.before(vnet) : this.after(vnet, step));
  }

  private before(vnet: Vnet): void {
    this.stepUs = this.loop.clockUs();
    if (!this.underway.has(vnet)) this.underway.set(vnet, { name: vnet === this.kernel.vnet0 ? HOST_VNET : vnet.name, beganUs: this.stepUs, steps: [] });
  }

  private after(vnet: Vnet, step: VnetSysinit<Vnet>): void {
    const now = this.loop.clockUs();
    const { state } = vnet.kern;
    const trace = this.underway.get(vnet);
    if (trace === undefined) return;
    trace.steps.push({ function: step.name, state, subsystem: subsystemName(state), us: rounded(now - this.stepUs) });
    if (step !== this.kernel.sysinit.destructors.at(-1)) return;
    this.underway.delete(vnet);
    this.kept.push({ vnet: trace.name, atUs: Math.floor(trace.beganUs), us: rounded(now - trace.beganUs), steps: trace.steps });
    if (this.kept.length > TRACES_MAX) this.kept.shift();
  }
}

/** To a tenth: the clock knows no more. */
function rounded(us: number): number {
  return Math.round(us * 10) / 10;
}
