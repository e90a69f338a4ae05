/**
 * datapath-sets.ts — the compiled routing tables that short paths use, by vnet and FIB, and the messages that say where they are.
 * Read first: fwd/fwd-tables.ts (FwdSetTables).
 *
 * The tables themselves are shared and change under the readers' eyes; their arrays are replaced when they grow. So all there is to do here is to compare the arrays of each set with those
 * that were told last, before every grace period and after every turn. A set that no interface uses any more is taken back; its number is used again after a grace period.
 */
import { FC_BLACKHOLE4, FC_BLACKHOLE6, FC_FORWARD4, FC_FORWARD6, FWD_CELL_SHIFT } from '../../fwd/fwd-counters.js';
import type { FwdMessage, FwdSetTables } from '../../fwd/fwd-tables.js';
import { Limbo } from '../../kern/limbo.js';
import type { Readers } from '../../kern/readers.js';
import type { Net } from '../net.js';
import type { RouteTables } from '../route/route-tables.js';
import type { Cells } from './cells.js';

interface TableSet {
  readonly number: number;
  readonly net: Net;
  readonly fib: number;
  readonly cell: number;
  tables: FwdSetTables | null;
  usedIn: number;
}

export class DatapathSets {
  private readonly sets: (TableSet | null)[] = [null];
  /** The same, each vnet's by FIB. */
  private readonly ofNet = new Map<Net, Map<number, TableSet>>();
  private readonly freeNumbers: number[] = [];
  private readonly limbo: Limbo<TableSet>;
  private readonly cells: Cells;
  private readonly tell: (message: FwdMessage) => void;

  constructor(readers: Readers, cells: Cells, tell: (message: FwdMessage) => void) {
    this.cells = cells;
    this.tell = tell;
    this.limbo = new Limbo(readers, (set) => {
      this.foldSet(set);
      this.freeNumbers.push(set.number);
      cells.free(set.cell);
    });
  }

  /** The number of the set of `net` and `fib`, used in round `round`; 0 when there is no routing there. */
  use(net: Net, fib: number, round: number): number {
    if (net.routes === null) return 0;
    const set = this.ofNet.get(net)?.get(fib) ?? this.make(net, fib, round);
    if (set === null) return 0;
    set.usedIn = round;
    return set.number;
  }

  private make(net: Net, fib: number, round: number): TableSet | null {
    const cell = this.cells.take();
    if (cell === 0) return null;
    const number = this.freeNumbers.pop() ?? this.sets.length;
    const set: TableSet = { number, net, fib, cell, tables: null, usedIn: round };
    this.sets[number] = set;
    const fibs = this.ofNet.get(net) ?? new Map<number, TableSet>();
    this.ofNet.set(net, fibs.set(fib, set));
    this.update(set);
    return set;
  }

  /** Takes back what was not used in `round`. */
  sweep(round: number): void {
    for (const set of this.sets) {
      if (set === null || set.usedIn === round) continue;
      this.sets[set.number] = null;
      const fibs = this.ofNet.get(set.net);
      if (fibs?.delete(set.fib) === true && fibs.size === 0) this.ofNet.delete(set.net);
      this.tell({ kind: 'set', set: set.number, tables: null });
      this.limbo.put(set);
    }
  }

  /** Tells of arrays that were replaced. */
  sync(): void {
    for (const set of this.sets) if (set !== null) this.update(set);
  }

  private update(set: TableSet): void {
    const { routes } = set.net;
    if (routes === null || isCurrent(set.tables, routes, set.fib)) return;
    set.tables = tablesOf(set, routes);
    this.tell({ kind: 'set', set: set.number, tables: set.tables });
  }

  /** Everything in force, for a processor that starts. */
  messages(): FwdMessage[] {
    return this.sets.flatMap((s) => (s === null || s.tables === null ? [] : [{ kind: 'set', set: s.number, tables: s.tables } as const]));
  }

  /** What processors have counted goes into the families' counters. */
  fold(): void {
    for (const set of this.sets) if (set !== null) this.foldSet(set);
  }

  private foldSet({ net, cell }: TableSet): void {
    net.forward4?.forwarded(this.cells.since(cell, FC_FORWARD4), this.cells.since(cell, FC_BLACKHOLE4));
    net.forward6?.forwarded(this.cells.since(cell, FC_FORWARD6), this.cells.since(cell, FC_BLACKHOLE6));
  }
}

function tablesOf({ fib, cell }: TableSet, routes: RouteTables): FwdSetTables {
  const f4 = routes.fwd4(fib);
  const f6 = routes.fwd6(fib);
  const { table } = routes.store;
  return {
    fib4: f4.fib.t, shape4: { rootBits: f4.fib.rootBits, stride: f4.fib.stride }, fib6: f6.fib.t, shape6: { rootBits: f6.fib.rootBits, plainBits: f6.fib.plainBits },
    hops: table.hops, groups: table.groups, members: table.members, own4: routes.own.words, own6: routes.own6.words,
    flowSalt: routes.flowSalt, multipath: routes.hashOutbound !== 0, cell: cell << FWD_CELL_SHIFT,
  };
}

/** Is what was told still so? Asked of every set in every turn: makes nothing. */
function isCurrent(told: FwdSetTables | null, routes: RouteTables, fib: number): boolean {
  const { table } = routes.store;
  return told !== null && told.fib4 === routes.fwd4(fib).fib.t && told.fib6 === routes.fwd6(fib).fib.t && told.hops === table.hops && told.groups === table.groups
    && told.members === table.members && told.own4 === routes.own.words && told.own6 === routes.own6.words && told.multipath === (routes.hashOutbound !== 0);
}
