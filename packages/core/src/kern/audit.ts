/**
 * audit.ts — what a vnet holds, by kind: the register the audit asks, and the account of what was left behind.
 * Read first: vnet/kernel-audit.ts (who asks and when), docs/audit.md.
 *
 * Theory of operation. A part says once, in a constant table, what it holds and how to count it, and attaches (table, itself) to the
 * register of its vnet when it is made. It does not detach itself: a part that was destroyed is asked once more when its vnet is
 * gone, and what it counts then is a leak with a name. So a count must be read from the part's own state, not from a list that
 * somebody else empties, and must answer after `destroy`. Then the register is emptied, because a dead vnet that outlives a
 * collection would otherwise keep its dead parts.
 * Rows that count packets of the pool are marked; their sum over all vnets is compared with what the pool has given out.
 *
 * Invariant: counting changes nothing.
 * Not here: packets a program outside holds; whoever keeps some attaches a row to the Engine's register.
 */

import { Attachments } from './attachments.js';

/** One kind of thing: its name, in the plural, and how many `object` holds. */
export interface AuditRow<T> {
  readonly name: string;
  /** They are packets of the pool, so the balance counts them. */
  readonly packets?: true;
  count(object: T): number;
}

/** A row read. */
export interface AuditCount {
  readonly name: string;
  readonly count: number;
  readonly packets: boolean;
}

export class AuditRegister {
  private readonly parts = new Attachments<readonly AuditRow<object>[]>();

  attach<T extends object>(rows: readonly AuditRow<T>[], object: T): void {
    this.parts.attach(rows, object);
  }

  /** For what ends before its register does: a program's row. */
  detach(object: object): void {
    this.parts.detach(object);
  }

  /** The owner is gone and has been looked at: nothing is kept alive from here. */
  clear(): void {
    this.parts.clear();
  }

  /** Tells every row of every part, in order of attachment. Rows of several parts may have one name. */
  each(told: (name: string, count: number, packets: boolean) => void): void {
    const { parts } = this;
    for (let i = 0; i < parts.count; i++) for (const r of parts.table(i)) told(r.name, r.count(parts.object(i)), r.packets === true);
  }

  /** The same as a list; rows of one name are one. */
  counts(): AuditCount[] {
    const byName = new Map<string, AuditCount>();
    this.each((name, count, packets) => byName.set(name, { name, count: count + (byName.get(name)?.count ?? 0), packets }));
    return [...byName.values()];
  }

  /** Packets of the pool held here. */
  packets(): number {
    const { parts } = this;
    let n = 0;
    for (let i = 0; i < parts.count; i++) for (const r of parts.table(i)) if (r.packets === true) n += r.count(parts.object(i));
    return n;
  }
}

/** Something that was still there when its owner was gone. */
export interface AuditLeak {
  /** Of which vnet. */
  readonly vnet: string;
  readonly name: string;
  readonly count: number;
}

/** Leaks kept. The first ones say most; how many came later is counted. */
const LEAKS_MAX = 64;

export class AuditLeaks {
  /** Oldest first. */
  readonly kept: AuditLeak[] = [];
  /** Leaks found, those not kept included. */
  found = 0;

  add(leak: AuditLeak): void {
    this.found++;
    if (this.kept.length < LEAKS_MAX) this.kept.push(leak);
  }
}
