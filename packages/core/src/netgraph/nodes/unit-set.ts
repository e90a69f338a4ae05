/**
 * unit-set.ts — unit numbers of one kind of interface that nodes make, per graph: the lowest that is free.
 */
import type { NgGraph } from '../ng-node.js';

export class UnitSet {
  private readonly max: number;
  private readonly taken = new Set<number>();

  private constructor(max: number) {
    this.max = max;
  }

  /** That of `kind` in `graph`. */
  static of(graph: NgGraph, kind: string, max: number): UnitSet {
    const there = graph.state.get(kind);
    if (there instanceof UnitSet) return there;
    const made = new UnitSet(max);
    graph.state.set(kind, made);
    return made;
  }

  /** The lowest free unit that is not `inUse` otherwise; -1 when there is none. */
  alloc(inUse: (unit: number) => boolean): number {
    for (let unit = 0; unit <= this.max; unit++) {
      if (this.taken.has(unit) || inUse(unit)) continue;
      this.taken.add(unit);
      return unit;
    }
    return -1;
  }

  free(unit: number): void {
    this.taken.delete(unit);
  }
}
