/**
 * fib6.ts — longest-prefix match for IPv6, compiled into one flat array of 32-bit words.
 * Read first: fwd/fib4.ts; Nilsson and Karlsson, "IP-address lookup using LC-tries" (path compression); RFC 4291 §2.3.
 *
 * Theory of operation. A multibit trie with the answers pushed to the leaves, as for IPv4, whose nodes take 4 bits each, so
 * that an index never straddles two words of an address. Bits on which nothing branches are skipped: a node says how many
 * bits lie above it and which they are, and whoever arrives over skipped bits compares them. A /64 or a /128 in a small
 * table costs one or two nodes, not sixteen or thirty-two, and n routes never take more than 2n nodes.
 *
 *     word >= 0   leaf:  what the longest prefix here leads to; 0: the default route
 *     word <  0   child: position of a node in the same array, with the sign bit set, and with bit 30 when bits are skipped
 *
 *     node:  miss | depth | key (4 words) | 16 slots
 *
 * `depth` is the number of bits above the node, `key` those bits, `miss` the answer for an address that differs from `key`
 * in them: that of the longest prefix no longer than `depth` that contains the node. The default route is the one word
 * behind the root, as for IPv4.
 *
 * The length of the prefix a leaf belongs to is in `plens`, one byte for each word, which only the writer and `match` read:
 * an insert overwrites exactly the leaves (and misses) of shorter prefixes, a delete exactly its own, which get the covering
 * prefix's answer back. The caller names the cover. A node all of whose slots repeat its miss is folded away, and so is one
 * that only leads to another with the same miss.
 *
 * One writer, any number of readers on other threads when made `shared`, by the rules of fib4.ts: a new node is complete
 * before it is linked, a word is replaced by one store, and nodes taken out wait in `retired` until the owner says
 * `reclaim()`. A reader of an array that has been outgrown sees a consistent older table.
 *
 * Invariants: a leaf's prefix contains its slot and is the longest such; every node but the root has two different things to
 * say below it; a child reached without the skip bit begins where its parent's slots end.
 */
import { ip6MaskWord } from '../wire/addr6.js';

/** Largest answer a leaf can hold: a next hop's index or a group's code (nhop-table.ts). 0 is "no route". */
export const FIB6_VALUE_MAX = 0x1ff_ffff;
const CHILD = 0x8000_0000 | 0;
const SKIP = 0x4000_0000;
const OFFSET = 0x3fff_ffff;
const STRIDE = 4;
const SLOTS = 1 << STRIDE;
/** Words of a node. */
const N_MISS = 0;
const N_DEPTH = 1;
const N_KEY = 2;
const N_SLOTS = 6;
const NODE_WORDS = N_SLOTS + SLOTS;

/** Bits that index the root: a multiple of 4. */
export interface Fib6Shape {
  readonly rootBits: number;
}

const SHAPES: readonly (Fib6Shape & { readonly routesMax: number })[] = [
  { rootBits: 4, routesMax: 1_024 },
  { rootBits: 16, routesMax: Infinity },
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
  protected readonly rootShift: number;
  /** Position of the default route. */
  protected readonly defaultAt: number;

  constructor(t: Int32Array, shape: Fib6Shape) {
    this.t = t;
    this.rootBits = shape.rootBits;
    this.rootShift = 32 - shape.rootBits;
    this.defaultAt = 1 << shape.rootBits;
  }

  /** The answer of the longest prefix that contains the address of these words; 0 when none does. Packet path. */
  lookup(w0: number, w1: number, w2: number, w3: number): number {
    for (;;) {
      const e = this.t[this.leafAt(w0, w1, w2, w3)]!;
      // The writer may have put a node there since it was seen to be a leaf.
      if (e >= 0) return e;
    }
  }

  /** Position of the word that answers for an address. */
  protected leafAt(w0: number, w1: number, w2: number, w3: number): number {
    const t = this.t;
    let at = w0 >>> this.rootShift;
    let e = t[at]!;
    let depth = this.rootBits;
    while (e < 0) {
      const node = e & OFFSET;
      if ((e & SKIP) !== 0) {
        depth = t[node + N_DEPTH]!;
        if (differs(t, node + N_KEY, depth, w0, w1, w2, w3)) {
          at = node + N_MISS;
          e = t[at]!;
          break;
        }
      }
      const w = depth < 64 ? (depth < 32 ? w0 : w1) : depth < 96 ? w2 : w3;
      at = node + N_SLOTS + ((w >>> (28 - (depth & 31))) & 15);
      e = t[at]!;
      depth += STRIDE;
    }
    return e === 0 ? this.defaultAt : at;
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
/** Nodes the array has room for when it is made. */
const NODES_INITIAL = 4;

export class Fib6 extends Fib6View {
  readonly shared: boolean;
  /** Called after the array was replaced by a larger one: readers elsewhere must be told. */
  onGrow: (() => void) | null = null;
  /** Nodes in use. */
  nodes = 0;
  /** For each word of `t` that is a leaf or a miss, the length of the prefix it belongs to; 0 where that is the default route's. */
  private plens: Uint8Array;
  /** Words of `t` ever used. */
  private top: number;
  /** Nodes free for use; each holds the position of the next in its first word. 0: none (0 is the root). */
  private freeHead = 0;
  private readonly retired: number[] = [];
  /** Of those, how many are used again. */
  private retiredAt = 0;
  /** Positions of the slots passed on the way down by the operation under way. */
  private readonly path: number[] = [];
  /** The prefix of the operation under way. */
  private readonly p = new Int32Array(4);

  constructor(shape: Fib6Shape, shared = false) {
    const nodesAt = (1 << shape.rootBits) + HEADER_WORDS;
    super(makeWords(nodesAt + NODES_INITIAL * NODE_WORDS, shared), shape);
    this.shared = shared;
    this.plens = new Uint8Array(this.t.length);
    this.top = nodesAt;
  }

  /** Bytes the table occupies. */
  get bytes(): number {
    return this.t.byteLength + this.plens.byteLength;
  }

  /** Nodes that wait for readers. */
  get retiredCount(): number {
    return this.retired.length - this.retiredAt;
  }

  /** Length of the longest prefix that contains an address; -1 when none does. For control, not for packets. */
  match(w0: number, w1: number, w2: number, w3: number): number {
    const at = this.leafAt(w0, w1, w2, w3);
    return this.t[at] === 0 ? -1 : this.plens[at]!;
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
      const next = e < 0 ? e & OFFSET : 0;
      const nextDepth = next === 0 ? 0 : this.t[next + N_DEPTH]!;
      const same = next === 0 ? 0 : this.common(next, nextDepth);
      if (next !== 0 && same === nextDepth && plen > nextDepth) {
        base = next;
        depth = nextDepth;
      } else {
        // Where the prefix leaves the path, or ends on it, there has to be a node.
        depth = this.levelOf(next === 0 ? plen - 1 : Math.min(same, plen - 1));
        base = this.split(slot, next, depth, end);
      }
      end = depth + STRIDE;
    }
    const bits = end - plen;
    this.paint(this.firstSlot(base, depth, end, bits), 1 << bits, plen, value);
  }

  /**
   * Takes a prefix out. `coverPlen` and `coverValue` describe the longest remaining prefix that contains it; 0, 0 when there is
   * none. Does nothing for a prefix that is not there.
   */
  remove(w0: number, w1: number, w2: number, w3: number, plen: number, coverPlen: number, coverValue: number): void {
    if (plen === 0) {
      this.t[this.defaultAt] = 0;
      return;
    }
    this.take(w0, w1, w2, w3);
    const path = this.path;
    path.length = 0;
    let base = 0;
    let depth = 0;
    let end = this.rootBits;
    while (plen > end) {
      const slot = this.slotOf(base, depth, end);
      const e = this.t[slot]!;
      if (e >= 0) return;
      base = e & OFFSET;
      depth = this.t[base + N_DEPTH]!;
      if (plen <= depth || this.common(base, depth) !== depth) return;
      path.push(slot);
      end = depth + STRIDE;
    }
    const bits = end - plen;
    // A cover of length 0 is the default route, which leaves do not repeat.
    this.unpaint(this.firstSlot(base, depth, end, bits), 1 << bits, plen, coverPlen, coverPlen === 0 ? 0 : coverValue);
    this.fold();
  }

  /** Every reader has passed a quiet point since the `n` oldest of the nodes that wait were taken out: they may be used again. */
  reclaim(n = this.retiredCount): void {
    const { retired } = this;
    for (const end = Math.min(this.retiredAt + n, retired.length); this.retiredAt < end; this.retiredAt++) {
      const base = retired[this.retiredAt]!;
      this.t[base] = this.freeHead;
      this.freeHead = base;
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

  /** The level, a depth at which nodes may lie, whose slots are indexed by bit `bit` among others. */
  private levelOf(bit: number): number {
    return bit - (bit & (STRIDE - 1));
  }

  /** Position of the slot the prefix under way takes in the node at `base`, whose slots are indexed by bits `depth`..`end`. */
  private slotOf(base: number, depth: number, end: number): number {
    if (base === 0) return this.p[0]! >>> (32 - end);
    return base + N_SLOTS + ((this.p[depth >>> 5]! >>> (28 - (depth & 31))) & (SLOTS - 1));
  }

  /** Position of the first of the `1 << bits` slots that the prefix under way covers. */
  private firstSlot(base: number, depth: number, end: number, bits: number): number {
    const first = base === 0 ? 0 : base + N_SLOTS;
    return first + (((this.slotOf(base, depth, end) - first) >>> bits) << bits);
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

  /**
   * Puts a node at `depth` on the path of the prefix under way, between `slot`, whose parent's slots end at `end`, and the node
   * `next` there now (0: a leaf). May replace `t`. Returns the node's position.
   */
  private split(slot: number, next: number, depth: number, end: number): number {
    const entry = next === 0 ? slot : next + N_MISS;
    const plen = this.plens[entry]!;
    const value = this.t[entry]!;
    const base = this.alloc();
    const { t, plens } = this;
    t.fill(value, base + N_SLOTS, base + NODE_WORDS);
    plens.fill(plen, base, base + NODE_WORDS);
    t[base + N_MISS] = value;
    t[base + N_DEPTH] = depth;
    for (let i = 0; i < 4; i++) t[base + N_KEY + i] = this.p[i]! & ip6MaskWord(depth, i);
    if (next !== 0) {
      const w = t[next + N_KEY + (depth >>> 5)]!;
      t[base + N_SLOTS + ((w >>> (28 - (depth & 31))) & (SLOTS - 1))] = childWord(next, t[next + N_DEPTH]!, depth + STRIDE);
    }
    t[slot] = childWord(base, depth, end);
    return base;
  }

  /** Gives `value` to those of `n` slots from `first` on, subtrees included, that belong to prefixes of at most `plen` bits. */
  private paint(first: number, n: number, plen: number, value: number): void {
    const { t, plens } = this;
    for (let i = first; i < first + n; i++) {
      const e = t[i]!;
      if (e < 0) {
        const base = e & OFFSET;
        this.paint(base + N_MISS, 1, plen, value);
        this.paint(base + N_SLOTS, SLOTS, plen, value);
      } else if (plens[i]! <= plen) {
        t[i] = value;
        plens[i] = plen;
      }
    }
  }

  /** Gives the cover to those of `n` slots from `first` on, subtrees included, that belong to a prefix of exactly `plen` bits. */
  private unpaint(first: number, n: number, plen: number, coverPlen: number, cover: number): void {
    const { t, plens } = this;
    for (let i = first; i < first + n; i++) {
      const e = t[i]!;
      if (e < 0) {
        const base = e & OFFSET;
        this.unpaint(base + N_MISS, 1, plen, coverPlen, cover);
        this.unpaint(base + N_SLOTS, SLOTS, plen, coverPlen, cover);
      } else if (plens[i] === plen) {
        t[i] = cover;
        plens[i] = coverPlen;
      }
    }
  }

  /** Takes out nodes on `path`, deepest first, that say no more than one word could. */
  private fold(): void {
    const { t, plens } = this;
    for (let i = this.path.length - 1; i >= 0; i--) {
      const slot = this.path[i]!;
      const base = t[slot]! & OFFSET;
      const only = this.onlyChild(base);
      if (only < 0) return;
      if (only === 0) {
        plens[slot] = plens[base + N_MISS]!;
        t[slot] = t[base + N_MISS]!;
      } else {
        const end = i === 0 ? this.rootBits : t[(t[this.path[i - 1]!]! & OFFSET) + N_DEPTH]! + STRIDE;
        t[slot] = childWord(only, t[only + N_DEPTH]!, end);
      }
      this.retired.push(base);
      this.nodes--;
    }
  }

  /** The one child of a node whose other slots, and the child's miss, repeat its miss; 0: all slots do; -1: the node is needed. */
  private onlyChild(base: number): number {
    const { t, plens } = this;
    const miss = t[base + N_MISS]!;
    const missPlen = plens[base + N_MISS]!;
    let child = 0;
    for (let i = base + N_SLOTS; i < base + NODE_WORDS; i++) {
      const e = t[i]!;
      let at = i;
      if (e < 0) {
        if (child !== 0) return -1;
        child = e & OFFSET;
        at = child + N_MISS;
      }
      if (t[at] !== miss || plens[at] !== missPlen) return -1;
    }
    return child;
  }

  private alloc(): number {
    let base = this.freeHead;
    if (base !== 0) {
      this.freeHead = this.t[base]!;
    } else {
      base = this.top;
      if (base + NODE_WORDS > this.t.length) this.grow();
      this.top = base + NODE_WORDS;
    }
    this.nodes++;
    return base;
  }

  private grow(): void {
    const length = this.t.length + Math.max(this.t.length >>> 1, NODES_INITIAL * NODE_WORDS);
    const larger = makeWords(length, this.shared);
    larger.set(this.t);
    const plens = new Uint8Array(length);
    plens.set(this.plens);
    this.t = larger;
    this.plens = plens;
    this.onGrow?.();
  }
}

/** A word that leads to the node at `base`, `depth` bits down, from slots that end at `end`. */
function childWord(base: number, depth: number, end: number): number {
  return base | CHILD | (depth > end ? SKIP : 0);
}

function makeWords(n: number, shared: boolean): Int32Array {
  return new Int32Array(shared ? new SharedArrayBuffer(n * 4) : new ArrayBuffer(n * 4));
}
