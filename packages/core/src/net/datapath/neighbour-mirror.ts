/**
 * neighbour-mirror.ts — NeighbourMirror: neighbours whose link address may be used without telling anybody, for short paths.
 * Read first: fwd/fwd-tables.ts (NEIGH4, NEIGH6), fwd/fwd-if.ts (adjacencies); net/lltable.ts, which calls here.
 *
 * Theory of operation. An entry that becomes `fast` gets an adjacency, its link address in two words that do not change, and a place in a map; one that is fast no more, or
 * says another link address, loses it. So short paths use exactly the neighbours that the complete path would use without a thought, and the first packet to one
 * that has become stale takes the complete path, which starts to ask. An adjacency is used again after a grace period.
 *
 * Invariants: a key's value is the adjacency of a fast entry. Tables take their entries out before they go, so a mirror outlives none.
 */
import type { FwdAdjacencies } from '../../fwd/fwd-if.js';
import type { FwdMap } from '../../fwd/fwd-map.js';
import { Limbo } from '../../kern/limbo.js';
import type { Readers } from '../../kern/readers.js';
import type { LlEntry } from '../llentry.js';

export class NeighbourMirror {
  /** How often a neighbour found no room, and stayed on the complete path. */
  noRoom = 0;
  private readonly map4: FwdMap;
  private readonly map6: FwdMap;
  private readonly adjacencies: FwdAdjacencies;
  private readonly limbo: Limbo<number>;

  constructor(map4: FwdMap, map6: FwdMap, adjacencies: FwdAdjacencies, readers: Readers) {
    this.map4 = map4;
    this.map6 = map6;
    this.adjacencies = adjacencies;
    this.limbo = new Limbo(readers, (n) => adjacencies.free(n));
  }

  /** The neighbour `key` (a signed IPv4 address) on interface `index` is as `lle` says. */
  reflect4(index: number, key: number, lle: LlEntry): void {
    const was = this.map4.find(index, key, 0);
    const now = this.adjacencyOf(was, lle);
    if (now === was) return;
    this.map4.set(now, index, key, 0);
    if (was !== 0) this.limbo.put(was);
  }

  /** The same for IPv6; four words in zoned form. */
  reflect6(index: number, k0: number, k1: number, k2: number, k3: number, lle: LlEntry): void {
    const was = this.map6.find5(index, k0, k1, k2, k3);
    const now = this.adjacencyOf(was, lle);
    if (now === was) return;
    this.map6.set(now, index, k0, k1, k2, k3);
    if (was !== 0) this.limbo.put(was);
  }

  /** `was` when that still says it; another adjacency, or 0. */
  private adjacencyOf(was: number, lle: LlEntry): number {
    if (!lle.fast) return 0;
    const { words } = this.adjacencies;
    const lo = lle.macLo | 0;
    if (was !== 0 && words[was << 1] === lle.macHi && words[(was << 1) + 1] === lo) return was;
    const now = this.adjacencies.add(lle.macHi, lo);
    if (now === 0) this.noRoom++;
    return now;
  }
}
