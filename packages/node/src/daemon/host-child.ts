/**
 * host-child.ts — a host program that a tool runs at the client (`jexec J sh`): its entry in the process table.
 *
 * The program itself is the client's child, with the client's terminal; here it is only known, attached to its prison and
 * told to end with it. A terminal's signals reach it without the daemon.
 *
 * Invariant: in the table from construction to `ended`.
 */
import type { Prison } from '@netloom/core';
import type { ProcSignal } from '@netloom/userland';
import type { ProcTable, TableEntry } from './proc-table.js';

export class HostChild implements TableEntry {
  readonly kind = 'host';
  readonly pid: number;
  readonly prison: Prison;
  readonly argv: readonly string[];
  readonly startedUs: number;
  private readonly table: ProcTable;
  private readonly send: (signal: ProcSignal) => void;

  constructor(table: ProcTable, pid: number, prison: Prison, argv: readonly string[], startedUs: number, send: (signal: ProcSignal) => void) {
    this.table = table;
    this.pid = pid;
    this.prison = prison;
    this.argv = argv;
    this.startedUs = startedUs;
    this.send = send;
    table.add(this);
  }

  /** Asks the client to signal the program and what it started. */
  signal(signal: ProcSignal): void {
    this.send(signal);
  }

  kill(): void {
    this.send('KILL');
  }

  /** The client reported its end, or is gone. */
  ended(): void {
    this.table.remove(this);
  }
}
