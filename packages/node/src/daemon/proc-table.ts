/**
 * proc-table.ts — the processes of a daemon: running tools and the host programs that run on behalf of one.
 *
 * Read first: packages/userland/src/proc.ts.
 *
 * Theory of operation. Every process has a number and belongs to a prison; it is attached to the prison (core/src/kern/prison.ts), so
 * that removing the prison ends it. Numbers count up and wrap at PID_MAX, skipping those in use, so that one is not given out
 * again soon: ping takes its ICMP identifier from it.
 *
 * Invariants: at most `max` processes. A process is in the table and attached from `add` to `remove`, and both run exactly once.
 * Not here: what a process is (tool-proc.ts).
 */
import type { Kernel, Prison } from '@netloom/core';
import type { ProcSignal } from '@netloom/userland';

/** A process as the table sees it. */
export interface TableEntry {
  readonly pid: number;
  readonly prison: Prison;
  readonly argv: readonly string[];
  /** 'tool' runs in the daemon, 'host' at the client. */
  readonly kind: 'tool' | 'host';
  /** Stamp of its start, microseconds since boot. */
  readonly startedUs: number;
  signal(signal: ProcSignal): void;
  /** For Attached: the prison is going away. */
  kill(): void;
}

export const PID_MAX = 99_999;

export class ProcTable {
  readonly max: number;
  private readonly kernel: Kernel;
  private readonly byPid = new Map<number, TableEntry>();
  private lastPid = 0;

  constructor(kernel: Kernel, max: number) {
    this.kernel = kernel;
    this.max = max;
  }

  get size(): number {
    return this.byPid.size;
  }

  /** All processes, by number. */
  list(): TableEntry[] {
    return [...this.byPid.values()].sort((a, b) => a.pid - b.pid);
  }

  /** A number for a new process, or null when there are `max` already. */
  allocatePid(): number | null {
    if (this.byPid.size >= this.max) return null;
    do {
      this.lastPid = this.lastPid >= PID_MAX ? 1 : this.lastPid + 1;
    } while (this.byPid.has(this.lastPid));
    return this.lastPid;
  }

  add(entry: TableEntry): void {
    this.byPid.set(entry.pid, entry);
    entry.prison.attached.add(entry);
  }

  remove(entry: TableEntry): void {
    if (!this.byPid.delete(entry.pid)) return;
    entry.prison.attached.delete(entry);
    this.kernel.prisonRelease(entry.prison);
  }

  /** Signals what runs inside `prison`, jails below it not included, except `spare`. Returns their numbers. */
  killPrison(prison: Prison, signal: ProcSignal, spare: TableEntry | null): number[] {
    const inside = this.list().filter((entry) => entry !== spare && entry.prison === prison);
    for (const entry of inside) entry.signal(signal);
    return inside.map((entry) => entry.pid);
  }

  /** Ends everything. */
  killAll(): void {
    for (const entry of this.list()) entry.signal('KILL');
  }
}
