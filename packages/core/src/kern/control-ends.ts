/**
 * control-ends.ts — programs that serve in a vnet, and can be found there by other programs: what the control sockets in /var/run are.
 *
 * A server says that it is there (`offer`), under its program's name, and takes that back when it ends. Who looks for one finds the object itself, asks what class it is of, and
 * calls it. When the vnet stops its servers are told, so that those that run elsewhere end as well.
 *
 * Invariant: after `close` the table is empty, and stays so.
 */
import type { AuditRow } from './audit.js';

/** A server. */
export interface ControlEnd {
  /** Name of the program. */
  readonly program: string;
  /** The vnet stops. It is in no table any more. */
  vnetGone(): void;
}

export const CONTROL_AUDIT: readonly AuditRow<ControlEnds>[] = [{ name: 'control ends', count: (c) => c.count }];

export class ControlEnds {
  private readonly ends = new Set<ControlEnd>();
  private closed = false;

  get count(): number {
    return this.ends.size;
  }

  /** Lets others find `end` until the function it answers with is called; null when the vnet has stopped. */
  offer(end: ControlEnd): (() => void) | null {
    if (this.closed) return null;
    this.ends.add(end);
    return () => void this.ends.delete(end);
  }

  /** All there are, in the order they came. */
  list(): ControlEnd[] {
    return [...this.ends];
  }

  close(): void {
    this.closed = true;
    const all = this.list();
    this.ends.clear();
    for (const end of all) end.vnetGone();
  }
}
