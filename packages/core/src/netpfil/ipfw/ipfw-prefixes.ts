/**
 * ipfw-prefixes.ts — IpfwPrefixes: the longest prefix of a table that an address is in.
 *
 * A table of a filter has few lengths of prefixes, so each length has its own map from masked words to entry, and the lengths are asked from the longest
 * down. A look-up makes nothing: maps have numbers as keys, a level for each word that the length covers.
 */
import type { IpfwTableEntry } from './ipfw-table.js';

type Level = Map<number, Level | IpfwTableEntry>;

interface Length {
  readonly plen: number;
  readonly masks: readonly number[];
  /** Levels of maps. */
  readonly depth: number;
  readonly root: Level;
  count: number;
}

export class IpfwPrefixes {
  private readonly bits: number;
  /** Longest first. */
  private lengths: readonly Length[] = [];

  /** @param bits of an address: 32, 48 or 128. */
  constructor(bits: number) {
    this.bits = bits;
  }

  /** Sets, or with null removes, the entry of a prefix. */
  set(words: readonly number[], plen: number, entry: IpfwTableEntry | null): void {
    let at = this.lengths.find((l) => l.plen === plen);
    if (at === undefined) {
      if (entry === null) return;
      at = lengthOf(plen, this.bits);
      this.lengths = [...this.lengths, at].sort((a, b) => b.plen - a.plen);
    }
    if (entry === null) {
      at.count -= unset(at.root, at, words, 0) ? 1 : 0;
      if (at.count === 0) this.lengths = this.lengths.filter((l) => l !== at);
      return;
    }
    let level = at.root;
    for (let i = 0; i < at.depth - 1; i++) {
      const key = (words[i] ?? 0) & at.masks[i]!;
      const next = level.get(key);
      if (next instanceof Map) level = next;
      else {
        const made: Level = new Map();
        level.set(key, made);
        level = made;
      }
    }
    const key = (words[at.depth - 1] ?? 0) & at.masks[at.depth - 1]!;
    if (!level.has(key)) at.count++;
    level.set(key, entry);
  }

  /** Packet path. */
  find(w0: number, w1: number, w2: number, w3: number): IpfwTableEntry | null {
    const { lengths } = this;
    for (let i = 0; i < lengths.length; i++) {
      const { masks, depth, root } = lengths[i]!;
      let node = root.get(w0 & masks[0]!);
      if (depth > 1 && node instanceof Map) node = node.get(w1 & masks[1]!);
      if (depth > 2 && node instanceof Map) node = node.get(w2 & masks[2]!);
      if (depth > 3 && node instanceof Map) node = node.get(w3 & masks[3]!);
      if (node !== undefined && !(node instanceof Map)) return node;
    }
    return null;
  }
}

function lengthOf(plen: number, bits: number): Length {
  const words = Math.ceil(bits / 32);
  const masks = Array.from({ length: words }, (_, i) => {
    const n = Math.min(32, Math.max(0, plen - i * 32));
    return n === 0 ? 0 : n === 32 ? -1 : ~(0xffff_ffff >>> n);
  });
  return { plen, masks, depth: Math.max(1, Math.ceil(plen / 32)), root: new Map(), count: 0 };
}

/** Removes a prefix below `level`, and levels that are empty then. True: it was there. */
function unset(level: Level, l: Length, words: readonly number[], i: number): boolean {
  const key = (words[i] ?? 0) & l.masks[i]!;
  const next = level.get(key);
  if (next === undefined) return false;
  if (!(next instanceof Map)) return level.delete(key);
  const removed = unset(next, l, words, i + 1);
  if (next.size === 0) level.delete(key);
  return removed;
}
