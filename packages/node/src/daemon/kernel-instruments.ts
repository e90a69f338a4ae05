/**
 * kernel-instruments.ts — what the daemon answers about its kernel's accounts and its order of construction.
 *
 * Read first: packages/core/src/vnet/kernel-audit.ts, packages/core/src/kern/vnet-sysinit.ts; docs/audit.md.
 *
 * Vnets have the names that `netloom ps` prints.
 */
import type { AuditBalance, AuditCount, AuditLeak, Kernel, Vnet, VnetSysinit } from '@netloom/core';
import { orderName, subsystemName } from '@netloom/core';
import { vnetName } from './kernel-topology.js';
import type { TeardownTrace, TeardownTraces } from './teardown-traces.js';

export interface AuditAnswer {
  readonly vnets: readonly { readonly name: string; readonly jid: number; readonly rows: readonly AuditCount[] }[];
  readonly kernel: readonly AuditCount[];
  readonly unaccounted: AuditBalance;
  readonly leaks: readonly AuditLeak[];
  readonly leaksFound: number;
}

/** The audit; with `only` of that vnet's rows, null when there is none of that name. */
export function auditAnswer(kernel: Kernel, only?: string): AuditAnswer | null {
  const { prison0 } = kernel.prisons;
  const { vnets, ...rest } = kernel.audit();
  const rowsOf = new Map(vnets.map(({ id, rows }) => [id, rows]));
  const named = [prison0, ...prison0.descendants()].filter((p) => p.ownsVnet)
    .map((p) => ({ name: vnetName(p, prison0), jid: p.jid, rows: rowsOf.get(p.vnet.kern.id) ?? [] }))
    .filter(({ name }) => only === undefined || name === only);
  return only !== undefined && named.length === 0 ? null : { vnets: named, ...rest };
}

export interface SysinitRow {
  readonly value: number;
  readonly subsystem: string;
  readonly orderValue: number;
  readonly order: string;
  readonly function: string;
}

export interface SysinitAnswer {
  /** In the order they run. */
  readonly constructors: readonly SysinitRow[];
  readonly destructors: readonly SysinitRow[];
  /** Oldest first. */
  readonly teardowns: readonly TeardownTrace[];
}

export function sysinitAnswer(kernel: Kernel, traces: TeardownTraces): SysinitAnswer {
  const row = (s: VnetSysinit<Vnet>): SysinitRow => ({
    value: s.subsystem, subsystem: subsystemName(s.subsystem), orderValue: s.order, order: orderName(s.order), function: s.name,
  });
  return { constructors: kernel.sysinit.constructors.map(row), destructors: kernel.sysinit.destructors.map(row), teardowns: traces.kept };
}
