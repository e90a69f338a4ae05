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
import type { HostLoop } from '../loop.js';
import { vnetName } from './kernel-topology.js';

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
  /** From before the first step to after the last. */
  readonly us: number;
  readonly steps: readonly TeardownStep[];
}

export class TeardownTraces {
  readonly kept: TeardownTrace[] = [];
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private steps: TeardownStep[] = [];
  private name = '';
  private beganUs = 0;
  private stepUs = 0;

  constructor(kernel: Kernel, loop: HostLoop) {
    this.kernel = kernel;
    this.loop = loop;
    kernel.onTeardown = (vnet, step, when) => (when === 'before' ? this.before(vnet) : this.after(vnet, step));
  }

  private before(vnet: Vnet): void {
    this.stepUs = this.loop.clockUs();
    if (this.steps.length > 0) return;
    const { prison0 } = this.kernel.prisons;
    const owner = [prison0, ...prison0.descendants()].find((p) => p.ownsVnet && p.vnet === vnet);
    this.name = owner === undefined ? vnet.name : vnetName(owner, prison0);
    this.beganUs = this.stepUs;
  }

  private after(vnet: Vnet, step: VnetSysinit<Vnet>): void {
    const now = this.loop.clockUs();
    const { state } = vnet.kern;
    this.steps.push({ function: step.name, state, subsystem: subsystemName(state), us: rounded(now - this.stepUs) });
    if (step !== this.kernel.sysinit.destructors.at(-1)) return;
    this.kept.push({ vnet: this.name, atUs: Math.floor(this.beganUs), us: rounded(now - this.beganUs), steps: this.steps });
    this.steps = [];
    if (this.kept.length > TRACES_MAX) this.kept.shift();
  }
}

/** To a tenth: the clock knows no more. */
function rounded(us: number): number {
  return Math.round(us * 10) / 10;
}
