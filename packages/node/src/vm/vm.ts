/**
 * vm.ts — a virtual machine of the daemon, from the moment its name is taken until it is forgotten.
 * Read first: vm-process.ts (its QEMU), vm-parts.ts (what else it has), vms.ts (all of them).
 */
import type { Prison } from '@netloom/core';
import type { GuestLink, GuestPortStatus } from '../port/guest-link.js';
import type { VmConsole } from './vm-console.js';
import { VmParts } from './vm-parts.js';
import type { VmEnd, VmProcess } from './vm-process.js';
import type { VmNic, VmSpec } from './vm-spec.js';

export type VmState = 'starting' | 'running' | 'stopping' | 'ended';

/** A network card and its cable. */
export interface PluggedNic {
  readonly nic: VmNic;
  /** Where its cable ends; null: it has none. */
  readonly label: () => string | null;
  readonly status: () => GuestPortStatus | null;
}

export class Vm {
  readonly spec: VmSpec;
  /** Whose it is. */
  readonly prison: Prison;
  readonly startedUs: number;
  /** Where its logs and sockets are. */
  readonly folder: string;
  readonly parts: VmParts;
  state: VmState = 'starting';
  /** How it ended; null before. */
  end: VmEnd | null = null;
  process: VmProcess | null = null;
  /** Resolves when it has ended and all of it is put away. */
  readonly gone: Promise<VmEnd>;
  private settle: (end: VmEnd) => void = () => undefined;

  constructor(spec: VmSpec, prison: Prison, startedUs: number, folder: string, parts = new VmParts()) {
    this.spec = spec;
    this.prison = prison;
    this.startedUs = startedUs;
    this.folder = folder;
    this.parts = parts;
    this.gone = new Promise((resolve) => (this.settle = resolve));
  }

  get name(): string {
    return this.spec.name;
  }

  get nics(): PluggedNic[] {
    return this.spec.nics.map((nic, i) => ({ nic, label: () => this.links[i]?.end.label ?? null, status: () => this.links[i]?.status ?? null }));
  }

  /** What joins each card to the stack; null: it is plugged into nothing. */
  get links(): readonly (GuestLink | null)[] {
    return this.spec.nics.map((_, i) => this.parts.cables[i]?.link ?? null);
  }

  /** null before QEMU is there. */
  get console(): VmConsole | null {
    return this.process?.console ?? null;
  }

  /** Asks the guest to power down, waits `guestMs` for it, and ends it. Resolves when it is gone. */
  async stop(guestMs: number): Promise<VmEnd> {
    if (this.state === 'ended') return this.gone;
    if (this.process === null) this.state = 'stopping';
    else {
      this.state = 'stopping';
      await this.process.stop(guestMs);
    }
    return this.gone;
  }

  /** All of it is put away. */
  ended(end: VmEnd): void {
    this.state = 'ended';
    this.end = end;
    this.settle(end);
  }
}
