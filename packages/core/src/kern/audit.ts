/**
 * audit.ts — what a vnet holds, by kind: the register the audit asks, and the account of what was left behind.
 * Read first: vnet/kernel-audit.ts (who asks and when), docs/audit.md.
 *
 * Theory of operation. A part says once, in a constant table, what it holds and how to count it, and attaches (table, itself) to the
 * register of its vnet when it is made. It is never detached: a part that was destroyed is asked once more when its vnet is
 * gone, and what it counts then is a leak with a name. So a count must be read from the part's own state, not from a list that
 * somebody else empties, and must answer after `destroy`.
 * Rows that count packets of the pool are marked; their sum over all vnets is compared with what the pool has given out.
 *
 * Invariant: counting changes nothing.
 * Not here: packets a program outside holds; whoever keeps some attaches a row to the Engine's register.
 */

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

interface Attached {
  readonly object: object;
  counts(): AuditCount[];
  packets(): number;
}

export class AuditRegister {
  private parts: readonly Attached[] = [];

  attach<T extends object>(rows: readonly AuditRow<T>[], object: T): void {
    const attached: Attached = {
      object,
      counts: () => rows.map((r) => ({ name: r.name, count: r.count(object), packets: r.packets === true })),
      packets: () => {
        let n = 0;
        for (const r of rows) if (r.packets === true) n += r.count(object);
        return n;
      },
    };
    this.parts = [...this.parts, attached];
  }

  /** For what ends before its register does: a program's row. */
  detach(object: object): void {
    this.parts = this.parts.filter((p) => p.object !== object);
  }

  /** Every row, in order of attachment; rows of one name are one. */
  counts(): AuditCount[] {
    const byName = new Map<string, AuditCount>();
    for (const part of this.parts) {
      for (const row of part.counts()) byName.set(row.name, { ...row, count: row.count + (byName.get(row.name)?.count ?? 0) });
    }
    return [...byName.values()];
  }

  /** Packets of the pool held here. */
  packets(): number {
    let n = 0;
    for (const part of this.parts) n += part.packets();
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
