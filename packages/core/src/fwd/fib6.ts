/**
 * fib6.ts — longest-prefix match for IPv6, compiled into one flat array of 32-bit words.
 * Read first: fwd/fib4.ts; Nilsson and Karlsson, "IP-address lookup using LC-tries" (path compression); RFC 4291 §2.3.
 *
 * Theory of operation. A multibit trie with the answers pushed to the leaves, as for IPv4, whose nodes take 4 bits each, so
 * that an index never straddles two words of an address, and a node is a cache line.
 *
 *     word >= 0   leaf:  what the longest prefix here leads to; 0: the default route
 *     word <  0   child: position of a node in the same array, with the sign bit set, and with bit 30 when bits are skipped
 *
 *     plain node:  16 slots
 *     keyed node:  16 slots | miss | depth | key (4 words)
 *
 * From `plainBits` bits on, bits on which nothing branches are skipped: a keyed node says how many bits lie above it (`depth`) and which they
 * are (`key`), and whoever arrives over skipped bits compares them. `miss` is the answer for an address that differs: that of the longest
 * prefix which ends above the skipped bits. A /128 costs one or two such nodes, and not sixteen. In a small table all nodes are keyed. In a large one
 * most bits branch, and those that do not are not worth a comparison: nodes are plain as far as networks go, 64 bits, so that all
 * addresses take the same steps, and `lookupBatch` can take eight of them side by side.
 *
 * The default route is the one word behind the root, 0 when there is none: it is the prefix that changes most often for the most addresses.
 *
 * The writer's bits for the prefixes that are in are those of IPv4. A plain node that holds neither prefix nor child is folded away, and so is a keyed one that
 * only leads to another; a keyed one above which a new one is put is replaced by a copy. One writer, any number of readers on other threads when made `shared`, who rely on what those of fib4.ts rely on.
 *
 * Invariants: a leaf's prefix contains its slot and is the longest such; every node but the root holds a prefix longer than the bits above it, or, a keyed one,
 * two children. Not here: zones of link-local addresses; the caller puts them into the prefix (RFC 4007).
 */
import { ip6MaskWord } from '../wire/addr6.js';
import { tableWords } from './shared-words.js';

/** Largest answer a leaf can hold: a next hop's index or a group's code (nhop-table.ts). 0 is "no route". */
export const FIB6_VALUE_MAX = 0x1ff_ffff;
const CHILD = 0x8000_0000 | 0;
const SKIP = 0x4000_0000;
const OFFSET = 0x3fff_ffff;
const STRIDE = 4;
const SLOTS = 1 << STRIDE;
/** Words of a keyed node behind its slots. */
const N_MISS = 16;
const N_DEPTH = 17;
const N_KEY = 18;
/** Nodes take one or two of these. */
const UNIT_WORDS = SLOTS;
const KEYED_WORDS = 2 * UNIT_WORDS;

/** Bits that index the root: a multiple of 4; and the depth from which on nodes are keyed, `rootBits` or 64. */
export interface Fib6Shape {
  readonly rootBits: number;
  readonly plainBits: number;
}

const SHAPES: readonly (Fib6Shape & { readonly routesMax: number })[] = [
  { rootBits: 4, plainBits: 4, routesMax: 1_024 },
  { rootBits: 16, plainBits: 64, routesMax: Infinity },
];

/** The shape for `routes` routes; a table shrinks only when it holds a quarter of what the smaller shape is for (see fib4Shape). */
export function fib6Shape(routes: number, present: Fib6Shape | null): Fib6Shape {
  let want = 0;
  while (routes > SHAPES[want]!.routesMax) want++;
  if (present === null) return SHAPES[want]!;
  const have = SHAPES.findIndex((s) => s.rootBits === present.rootBits);
  if (have > want && routes * 4 > SHAPES[have - 1]!.routesMax) return present;
  return have === want ? present : SHAPES[want]!;
}

/** The reading side: all a datapath worker needs, made from the array and the shape it was told. */
export class Fib6View {
  t: Int32Array;
  readonly rootBits: number;
  readonly plainBits: number;
  protected readonly rootShift: number;
  /** Position of the default route. */
  protected readonly defaultAt: number;

  constructor(t: Int32Array, shape: Fib6Shape) {
    this.t = t;
    this.rootBits = shape.rootBits;
    this.plainBits = shape.plainBits;
    this.rootShift = 32 - shape.rootBits;
    this.defaultAt = 1 << shape.rootBits;
  }

  /** The answer of the longest prefix that contains the address of these words; 0 when none does. Packet path. */
  lookup(w0: number, w1: number, w2: number, w3: number): number {
    const e = this.t[w0 >>> this.rootShift]!;
    if (e > 0) return e;
    return e === 0 ? this.t[this.defaultAt]! : this.descend(e, this.rootBits, w0, w1, w2, w3);
  }

  /**
   * `lookup` of the addresses `from` to `to` - 1 of `dsts`, which have four words each. Eight go down side by side, so that the processor has their
   * loads under way at the same time. Packet path.
   */
  lookupBatch(dsts: Int32Array, out: Int32Array, from: number, to: number): void {
    let i = from;
    if (this.plainBits !== this.rootBits) for (const whole = to - ((to - from) & 7); i < whole; i += 8) this.eight(dsts, out, i);
    for (; i < to; i++) out[i] = this.lookup(dsts[4 * i]!, dsts[4 * i + 1]!, dsts[4 * i + 2]!, dsts[4 * i + 3]!);
  }

  /** Eight through the plain nodes of a large table, level by level, until none of their words is a child. */
  private eight(dsts: Int32Array, out: Int32Array, i: number): void {
    const { t, rootShift, plainBits } = this;
    const q = 4 * i;
    let e0 = t[dsts[q]! >>> rootShift]!;
    let e1 = t[dsts[q + 4]! >>> rootShift]!;
    let e2 = t[dsts[q + 8]! >>> rootShift]!;
    let e3 = t[dsts[q + 12]! >>> rootShift]!;
    let e4 = t[dsts[q + 16]! >>> rootShift]!;
    let e5 = t[dsts[q + 20]! >>> rootShift]!;
    let e6 = t[dsts[q + 24]! >>> rootShift]!;
    let e7 = t[dsts[q + 28]! >>> rootShift]!;
    for (let depth = this.rootBits; depth < plainBits && (e0 | e1 | e2 | e3 | e4 | e5 | e6 | e7) < 0; depth += STRIDE) {
      const w = q + (depth >>> 5);
      const shift = 28 - (depth & 31);
      if (e0 < 0) e0 = t[(e0 & OFFSET) + ((dsts[w]! >>> shift) & (SLOTS - 1))]!;
      if (e1 < 0) e1 = t[(e1 & OFFSET) + ((dsts[w + 4]! >>> shift) & (SLOTS - 1))]!;
      if (e2 < 0) e2 = t[(e2 & OFFSET) + ((dsts[w + 8]! >>> shift) & (SLOTS - 1))]!;
      if (e3 < 0) e3 = t[(e3 & OFFSET) + ((dsts[w + 12]! >>> shift) & (SLOTS - 1))]!;
      if (e4 < 0) e4 = t[(e4 & OFFSET) + ((dsts[w + 16]! >>> shift) & (SLOTS - 1))]!;
      if (e5 < 0) e5 = t[(e5 & OFFSET) + ((dsts[w + 20]! >>> shift) & (SLOTS - 1))]!;
      if (e6 < 0) e6 = t[(e6 & OFFSET) + ((dsts[w + 24]! >>> shift) & (SLOTS - 1))]!;
      if (e7 < 0) e7 = t[(e7 & OFFSET) + ((dsts[w + 28]! >>> shift) & (SLOTS - 1))]!;
    }
    out[i] = e0;
    out[i + 1] = e1;
    out[i + 2] = e2;
    out[i + 3] = e3;
    out[i + 4] = e4;
    out[i + 5] = e5;
    out[i + 6] = e6;
    out[i + 7] = e7;
    for (let k = i; k < i + 8; k++) {
      const e = out[k]!;
      if (e > 0) continue;
      const w = 4 * k;
      out[k] = e === 0 ? t[this.defaultAt]! : this.descend(e, plainBits, dsts[w]!, dsts[w + 1]!, dsts[w + 2]!, dsts[w + 3]!);
    }
  }

  /** The answer for an address below the child word `e` of slots that end at bit `depth`. */
  protected descend(e: number, depth: number, w0: number, w1: number, w2: number, w3: number): number {
    const t = this.t;
    while (e < 0) {
      const node = e & OFFSET;
      if ((e & SKIP) !== 0) {
        depth = t[node + N_DEPTH]!;
        if (differs(t, node + N_KEY, depth, w0, w1, w2, w3)) {
          e = t[node + N_MISS]!;
          break;
        }
      }
      const w = depth < 64 ? (depth < 32 ? w0 : w1) : depth < 96 ? w2 : w3;
      e = t[node + ((w >>> (28 - (depth & 31))) & (SLOTS - 1))]!;
      depth += STRIDE;
    }
    return e === 0 ? t[this.defaultAt]! : e;
  }
}

/** Does an address differ from the key at `k` in the first `depth` bits (4..124)? */
function differs(t: Int32Array, k: number, depth: number, w0: number, w1: number, w2: number, w3: number): boolean {
  const x0 = w0 ^ t[k]!;
  if (depth <= 32) return x0 >>> (32 - depth) !== 0;
  if (x0 !== 0) return true;
  const x1 = w1 ^ t[k + 1]!;
  if (depth <= 64) return x1 >>> (64 - depth) !== 0;
  if (x1 !== 0) return true;
  const x2 = w2 ^ t[k + 2]!;
  if (depth <= 96) return x2 >>> (96 - depth) !== 0;
  return x2 !== 0 || (w3 ^ t[k + 3]!) >>> (128 - depth) !== 0;
}

/** Words behind the root, the default route first; nodes begin after them, on a cache line. */
const HEADER_WORDS = 16;
/** Units of nodes the array has room for when it is made. */
const UNITS_INITIAL = 8;

export class Fib6 extends Fib6View {
  readonly shared: boolean;
  /** Called after the array was replaced by a larger one: readers elsewhere must be told. */
  onGrow: (() => void) | null = null;
  /** Nodes in use. */
  nodes = 0;
  /** Position of the first node. */
  private readonly nodesAt: number;
  /** Prefixes that are in: the heap of the root, then one of 32 bits for each unit. */
  private bits: Int32Array;
  /** Words of `t` ever used. */
  private top: number;
  private readonly freePlain: number[] = [];
  private readonly freeKeyed: number[] = [];
  /** Nodes that wait for readers, keyed ones inverted. */
  private readonly retired: number[] = [];
  /** Of those, how many are free already. */
  private retiredAt = 0;
  /** Positions of the slots passed on the way down by the removal under way, and the bits at which they end. */
  private readonly path: number[] = [];
  private readonly pathEnds: number[] = [];
  /** The prefix of the operation under way. */
  private readonly p = new Int32Array(4);

  constructor(shape: Fib6Shape, shared = false) {
    const nodesAt = (1 << shape.rootBits) + HEADER_WORDS;
    super(tableWords(nodesAt + UNITS_INITIAL * UNIT_WORDS, shared), shape);
    this.shared = shared;
    this.nodesAt = nodesAt;
    this.bits = new Int32Array(((2 << shape.rootBits) >>> 5) + UNITS_INITIAL);
    this.top = nodesAt;
  }

  /** Bytes the table occupies, the writer's part included. */
  get bytes(): number {
    return this.t.byteLength + this.bits.byteLength;
  }

  /** Nodes that wait for readers. */
  get retiredCount(): number {
    return this.retired.length - this.retiredAt;
  }

  /** Length of the longest prefix that contains an address and is shorter than `below` bits; -1 when there is none. For control, not for packets. */
  match(w0: number, w1: number, w2: number, w3: number, below = 129): number {
    const { t, p } = this;
    this.take(w0, w1, w2, w3);
    let best = this.longestIn(0, 0, Math.min(below - 1, this.rootBits));
    let e = t[w0 >>> this.rootShift]!;
    let depth = this.rootBits;
    while (e < 0) {
      const base = e & OFFSET;
      if (depth >= this.plainBits) depth = t[base + N_DEPTH]!;
      if (below <= depth + 1 || ((e & SKIP) !== 0 && this.common(base, depth) !== depth)) break;
      const plen = this.longestIn(base, depth, Math.min(below - 1, depth + STRIDE));
      if (plen > 0) best = plen;
      e = t[base + ((p[depth >>> 5]! >>> (28 - (depth & 31))) & (SLOTS - 1))]!;
      depth += STRIDE;
    }
    if (best > 0 || below === 0) return best > 0 ? best : -1;
    return t[this.defaultAt] === 0 ? -1 : 0;
  }

  /** Adds a prefix, or changes its answer. `value` is 1..FIB6_VALUE_MAX; bits beyond `plen` are 0. */
  insert(w0: number, w1: number, w2: number, w3: number, plen: number, value: number): void {
    if (plen === 0) {
      this.t[this.defaultAt] = value;
      return;
    }
    this.take(w0, w1, w2, w3);
    let base = 0;
    let depth = 0;
    let end = this.rootBits;
    while (plen > end) {
      const slot = this.slotOf(base, depth, end);
      const e = this.t[slot]!;
      if (end < this.plainBits) {
        base = e < 0 ? e & OFFSET : this.addPlain(slot);
        depth = end;
      } else {
        const next = e < 0 ? e & OFFSET : 0;
        const nextDepth = next === 0 ? 0 : this.t[next + N_DEPTH]!;
        const same = next === 0 ? 0 : this.common(next, nextDepth);
        if (next !== 0 && same === nextDepth && plen > nextDepth) {
          base = next;
          depth = nextDepth;
        } else {
          // Where the prefix leaves the path, or ends on it, there has to be a node.
          depth = levelOf(next === 0 ? plen - 1 : Math.min(same, plen - 1));
          base = this.split(slot, next, depth, end);
        }
      }
      end = depth + STRIDE;
    }
    const bit = this.heapOf(base) + this.placeOf(depth, plen);
    this.bits[bit >>> 5] = this.bits[bit >>> 5]! | (1 << (bit & 31));
    this.paintPrefix(base, depth, end, plen, value);
  }

  /**
   * Takes a prefix out. `cover` is the answer of the prefix of `match(..., plen)` bits; 0 without one, and when that is the default route, which leaves
   * do not repeat. Does nothing for a prefix that is not there.
   */
  remove(w0: number, w1: number, w2: number, w3: number, plen: number, cover: number): void {
    if (plen === 0) {
      this.t[this.defaultAt] = 0;
      return;
    }
    this.take(w0, w1, w2, w3);
    const { path, pathEnds } = this;
    path.length = 0;
    pathEnds.length = 0;
    let base = 0;
    let depth = 0;
    let end = this.rootBits;
    while (plen > end) {
      const slot = this.slotOf(base, depth, end);
      const e = this.t[slot]!;
      if (e >= 0) return;
      base = e & OFFSET;
      depth = end < this.plainBits ? end : this.t[base + N_DEPTH]!;
      if (plen <= depth || (depth > end && this.common(base, depth) !== depth)) return;
      path.push(slot);
      pathEnds.push(end);
      end = depth + STRIDE;
    }
    const bit = this.heapOf(base) + this.placeOf(depth, plen);
    if (!this.isSet(bit)) return;
    this.bits[bit >>> 5] = this.bits[bit >>> 5]! & ~(1 << (bit & 31));
    this.paintPrefix(base, depth, end, plen, cover);
    this.fold();
  }

  /** Every reader has passed a quiet point since the `n` oldest of the nodes that wait were taken out: they may be used again. */
  reclaim(n = this.retiredCount): void {
    const { retired } = this;
    for (const end = Math.min(this.retiredAt + n, retired.length); this.retiredAt < end; this.retiredAt++) {
      const at = retired[this.retiredAt]!;
      if (at < 0) this.freeKeyed.push(~at);
      else this.freePlain.push(at);
    }
    if (this.retiredAt * 2 < retired.length) return;
    retired.splice(0, this.retiredAt);
    this.retiredAt = 0;
  }

  private take(w0: number, w1: number, w2: number, w3: number): void {
    const p = this.p;
    p[0] = w0;
    p[1] = w1;
    p[2] = w2;
    p[3] = w3;
  }

  /** Position of the slot the prefix under way takes in the node at `base`, whose slots are indexed by bits `depth`..`end`. */
  private slotOf(base: number, depth: number, end: number): number {
    if (base === 0) return this.p[0]! >>> (32 - end);
    return base + ((this.p[depth >>> 5]! >>> (28 - (depth & 31))) & (SLOTS - 1));
  }

  /** Number of the first bit of the heap of the node at `base` (0: the root). */
  private heapOf(base: number): number {
    return base === 0 ? 0 : (2 << this.rootBits) + (((base - this.nodesAt) / UNIT_WORDS) << 5);
  }

  /** Place of the first `plen` bits of the prefix under way in the heap of the node at `depth` that they end in. */
  private placeOf(depth: number, plen: number): number {
    const n = plen - depth;
    return (1 << n) + (n === 0 ? 0 : (this.p[depth >>> 5]! >>> (32 - (depth & 31) - n)) & ((1 << n) - 1));
  }

  private isSet(bit: number): boolean {
    return ((this.bits[bit >>> 5]! >>> (bit & 31)) & 1) !== 0;
  }

  /** Length of the longest prefix of at most `most` bits in the node at `base` that contains the address under way; 0 without one. */
  private longestIn(base: number, depth: number, most: number): number {
    const heap = this.heapOf(base);
    for (let plen = most; plen > depth; plen--) if (this.isSet(heap + this.placeOf(depth, plen))) return plen;
    return 0;
  }

  /** Leading bits, at most `depth`, in which the prefix under way agrees with the key of the node at `base`. */
  private common(base: number, depth: number): number {
    const t = this.t;
    let n = 0;
    for (let i = 0; i < 4 && n < depth; i++) {
      const x = this.p[i]! ^ t[base + N_KEY + i]!;
      n += Math.clz32(x);
      if (x !== 0) break;
    }
    return Math.min(n, depth);
  }

  /** Puts a plain node where the leaf at `slot` is. May replace `t`. Returns its position. */
  private addPlain(slot: number): number {
    const base = this.alloc(this.freePlain, UNIT_WORDS);
    this.t.fill(this.t[slot]!, base, base + SLOTS);
    this.link(slot, base | CHILD);
    return base;
  }

  /**
   * Puts a keyed node at `depth` on the path of the prefix under way, between `slot`, whose parent's slots end at `end`, and the node
   * `next` there now (0: a leaf). May replace `t`. Returns the node's position.
   */
  private split(slot: number, next: number, depth: number, end: number): number {
    const base = this.alloc(this.freeKeyed, KEYED_WORDS);
    const below = next === 0 ? 0 : this.copyOf(next);
    const { t } = this;
    const value = t[next === 0 ? slot : next + N_MISS]!;
    t.fill(value, base, base + SLOTS);
    t[base + N_MISS] = value;
    t[base + N_DEPTH] = depth;
    for (let i = 0; i < 4; i++) t[base + N_KEY + i] = this.p[i]! & ip6MaskWord(depth, i);
    if (below !== 0) {
      const w = t[below + N_KEY + (depth >>> 5)]!;
      t[base + ((w >>> (28 - (depth & 31))) & (SLOTS - 1))] = childWord(below, t[below + N_DEPTH]!, depth + STRIDE);
    }
    this.link(slot, childWord(base, depth, end));
    return base;
  }

  /**
   * Puts a copy in the place of the keyed node at `base`, which is taken out. For once there is a node above it, its miss follows prefixes which end there, and
   * a reader who came when there was none, and differs from the key above those prefixes, must not see that.
   */
  private copyOf(base: number): number {
    const copy = this.alloc(this.freeKeyed, KEYED_WORDS);
    this.t.copyWithin(copy, base, base + KEYED_WORDS);
    this.bits[this.heapOf(copy) >>> 5] = this.bits[this.heapOf(base) >>> 5]!;
    this.bits[this.heapOf(base) >>> 5] = 0;
    this.retired.push(~base);
    this.nodes--;
    return copy;
  }

  /** Gives `value` to what the prefix under way covers in the node at `base`, whose slots are indexed by bits `depth`..`end`, but for longer prefixes. */
  private paintPrefix(base: number, depth: number, end: number, plen: number, value: number): void {
    const levels = end - plen;
    const first = base + (((this.slotOf(base, depth, end) - base) >>> levels) << levels);
    this.paint(this.heapOf(base), this.placeOf(depth, plen), levels, first, end, value);
  }

  /**
   * Gives `value` to the `1 << levels` slots from `first` on, subtrees included, but for those of longer prefixes: the slots, which end at bit `end`, of the
   * prefix number `at` in the heap of bits that begins at `heap`.
   */
  private paint(heap: number, at: number, levels: number, first: number, end: number, value: number): void {
    if (levels > 5 || !this.isBare(heap, at, levels)) {
      const bit = heap + (at << 1);
      const pair = this.bits[bit >>> 5]! >>> (bit & 31);
      const half = levels - 1;
      if ((pair & 1) === 0) this.paint(heap, at << 1, half, first, end, value);
      if ((pair & 2) === 0) this.paint(heap, (at << 1) + 1, half, first + (1 << half), end, value);
      return;
    }
    const { t } = this;
    for (let slot = first; slot < first + (1 << levels); slot++) {
      const e = t[slot]!;
      if (e < 0) this.paintNode(e & OFFSET, end, value);
      else t[slot] = value;
    }
  }

  /** Are there no prefixes up to `levels` (at most 5) levels below the prefix number `at` of a heap? */
  private isBare(heap: number, at: number, levels: number): boolean {
    for (let k = 1; k <= levels; k++) {
      const bit = heap + (at << k);
      if ((this.bits[bit >>> 5]! << (32 - (1 << k) - (bit & 31))) >>> (32 - (1 << k)) !== 0) return false;
    }
    return true;
  }

  private paintNode(base: number, end: number, value: number): void {
    let depth = end;
    if (end >= this.plainBits) {
      depth = this.t[base + N_DEPTH]!;
      this.t[base + N_MISS] = value;
    }
    this.paint(this.heapOf(base), 1, STRIDE, base, depth + STRIDE, value);
  }

  /** Takes out nodes on `path`, deepest first, that say no more than one word could. */
  private fold(): void {
    const { t, path, pathEnds } = this;
    for (let i = path.length - 1; i >= 0; i--) {
      const slot = path[i]!;
      const end = pathEnds[i]!;
      const base = t[slot]! & OFFSET;
      const isPlain = end < this.plainBits;
      if (this.bits[this.heapOf(base) >>> 5] !== 0) return;
      const only = this.onlyChild(base);
      if (only < 0 || (only > 0 && isPlain)) return;
      if (only > 0) this.link(slot, childWord(only, t[only + N_DEPTH]!, end));
      else t[slot] = t[isPlain ? base : base + N_MISS]!;
      this.retired.push(isPlain ? base : ~base);
      this.nodes--;
    }
  }

  /** The one child of a node; 0: none; -1: more. */
  private onlyChild(base: number): number {
    let child = 0;
    for (let i = base; i < base + SLOTS; i++) {
      const e = this.t[i]!;
      if (e >= 0) continue;
      if (child !== 0) return -1;
      child = e & OFFSET;
    }
    return child;
  }

  private link(slot: number, e: number): void {
    if (this.shared) Atomics.store(this.t, slot, e);
    else this.t[slot] = e;
  }

  private alloc(free: number[], words: number): number {
    let base = free.pop();
    if (base === undefined) {
      base = this.top;
      if (base + words > this.t.length) this.grow();
      this.top = base + words;
    }
    this.nodes++;
    return base;
  }

  private grow(): void {
    const more = Math.max((this.t.length / UNIT_WORDS) >>> 1, UNITS_INITIAL);
    const larger = tableWords(this.t.length + more * UNIT_WORDS, this.shared);
    larger.set(this.t);
    const bits = new Int32Array(this.bits.length + more);
    bits.set(this.bits);
    this.bits = bits;
    this.t = larger;
    this.onGrow?.();
  }
}

/** The level, a depth at which nodes may lie, whose slots are indexed by bit `bit` among others. */
function levelOf(bit: number): number {
  return bit - (bit & (STRIDE - 1));
}

/** A word that leads to the node at `base`, `depth` bits down, from slots that end at `end`. */
function childWord(base: number, depth: number, end: number): number {
  return base | CHILD | (depth > end ? SKIP : 0);
}
