/**
 * service-proc.ts — a tool that serves until it is told to end: by a signal, by another run of it (`-k`), or because its vnet stops.
 * Read first: proc.ts (`daemon`); kern/control-ends.ts of the core.
 *
 * A server offers its ServiceEnd in its vnet; a later run finds it there, asks it for what it knows, or stops it. The server's loop runs until `stopped`, and says `gone` by ending.
 */
import type { ControlEnd, Vnet } from '@netloom/core';
import { errx } from './err.js';
import type { Proc } from './proc.js';

/** A server that was told to end has so long before whoever told it goes on. */
const PATIENCE_US = 5_000_000;
const POLL_US = 10_000;

export class ServiceEnd implements ControlEnd {
  readonly program: string;
  readonly p: Proc;
  stopped = false;
  private withdraw: (() => void) | null = null;

  constructor(p: Proc, program: string) {
    this.p = p;
    this.program = program;
    p.onSignal((signal) => {
      if (signal !== 'INT' && signal !== 'TERM' && signal !== 'HUP') return false;
      this.stop();
      return true;
    });
    p.atExit(() => this.withdraw?.());
  }

  /** Lets other runs find it in `vnet`; leaves the tool when the vnet has stopped. */
  offer(vnet: Vnet): void {
    this.withdraw = vnet.kern.control.offer(this) ?? errx(this.p, 1, 'the vnet is going down');
  }

  stop(): void {
    this.stopped = true;
    this.p.wake();
  }

  vnetGone(): void {
    this.stop();
  }
}

/** The servers of a kind that run in `vnet`. */
export function servicesIn<T extends ServiceEnd>(vnet: Vnet, kind: abstract new (...args: never[]) => T): T[] {
  return vnet.kern.control.list().filter((end): end is T => end instanceof kind);
}

/** `-k`: tells servers to end, and waits until they have. */
export async function stopServices(p: Proc, vnet: Vnet, ends: readonly ServiceEnd[]): Promise<void> {
  for (const end of ends) end.stop();
  const until = p.now() + PATIENCE_US;
  while (p.now() < until && vnet.kern.control.list().some((end) => end instanceof ServiceEnd && ends.includes(end))) await p.sleepUs(POLL_US);
}
