/**
 * host-child.ts — a host program that a tool runs at the client (`jexec J sh`): its entry in the process table.
 *
 * The program itself is the client's child, with the client's terminal; here it is only known, attached to its prison and
 * told to end with it. A terminal's signals reach it without the daemon. Only the client can end it, so it holds its prison until the
 * client says that it has ended, or is gone itself. When that takes longer than the prison may be dying, it is told to end once more and
 * abandoned: the daemon knows nothing of it any more.
 *
 * Invariant: in the table, and holding its prison, from construction to `ended` or `abandon`.
 */
import type { Prison } from '@netloom/core';
import type { ProcSignal } from '@netloom/userland';
import type { ProcTable, TableEntry } from './proc-table.js';

const SHOWN_MAX = 60;

export class HostChild implements TableEntry {
  readonly kind = 'host';
  readonly pid: number;
  readonly prison: Prison;
  readonly argv: readonly string[];
  readonly startedUs: number;
  private readonly table: ProcTable;
  private readonly send: (signal: ProcSignal) => void;
  private readonly letGo: () => void;

  constructor(table: ProcTable, pid: number, prison: Prison, argv: readonly string[], startedUs: number, send: (signal: ProcSignal) => void) {
    this.table = table;
    this.pid = pid;
    this.prison = prison;
    this.argv = argv;
    this.startedUs = startedUs;
    this.send = send;
    table.add(this);
    this.letGo = prison.hold(`process ${pid} (${shown(argv)})`, () => this.abandon());
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
    this.letGo();
    this.table.remove(this);
  }

  private abandon(): void {
    this.kill();
    this.table.remove(this);
  }
}

/** A command line, cut to what a log line bears. */
function shown(argv: readonly string[]): string {
  const line = argv.join(' ');
  return line.length > SHOWN_MAX ? `${line.slice(0, SHOWN_MAX)}...` : line;
}
