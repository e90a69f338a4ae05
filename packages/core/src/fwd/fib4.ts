/**
 * fib4.ts — longest-prefix match for IPv4, compiled into one flat array of words.
 * Read first: Gupta, Lin, McKeown, "Routing lookups in hardware at memory access speeds" (DIR-24-8); RFC 4632 §5.1.
 *
 * Theory of operation. A multibit trie with the answers pushed to the leaves. The first `rootBits` of an address index the
 * root; from there each node takes `stride` bits, until a word that is not negative is met: that is the answer.
 *
 *     word >= 0   leaf:  what the longest prefix here leads to; 0: no prefix contains these addresses
 *     word <  0   child: ~n, the slots of node n begin at (1 << rootBits) + (n << stride)
 *
 * Words have 16 bits as long as answers and node numbers fit, which halves the memory that look-ups miss in; the first one that does not
 * makes the table anew with 32 bits.
 *
 * The writer also keeps a bit for every prefix that is in: those of up to `rootBits` bits as a binary heap (prefix p of n bits is bit
 * 2^n + p), and the longer ones in a small heap of the node whose slots they cover. So an insert knows which slots belong to longer
 * prefixes, and the longest shorter prefix (`cover`) is found without asking anybody. A removal gives the slots the cover's answer back, which the
 * caller knows; the table needs no second copy of the routes. A node that holds neither prefix nor child is folded away.
 *
 * Shapes: a small table (8 root bits, then 6) costs 512 bytes and 128 a node; larger ones start with 16, 20 or 24 bits and
 * go on with 8 or 4. `fib4Shape` names the right shape for a number of routes; the owner builds a new table when it changes.
 *
 * One writer, any number of readers on other threads when made `shared`. They rely on four things. A node repeats its parent's answer before it
 * is linked, and the link is an Atomics.store: whoever sees it sees the node (the reader's second load depends on the first, which is order enough on ARM too). A
 * word is replaced by one store. Nodes taken out keep their words, waiting in `retired` until the owner says `reclaim()`, after every reader has
 * passed a quiet point. An array that has been outgrown is left as it is: who reads it sees a consistent older table.
 *
 * Invariants: a leaf's prefix contains its slot and is the longest such; a node exists only while a prefix longer than the
 * bits above it lies inside it. Not here: what a value means (nhop-table.ts), the routes themselves (net/route/rib.ts).
 */
import { tableHalfWords, tableWords } from './shared-words.js';

/** Largest answer a leaf can hold: a next hop's index or a group's code (nhop-table.ts). 0 is "no route". */
export const FIB4_VALUE_MAX = 0x1ff_ffff;
/** Largest answer, and largest node number, of a table with 16-bit words. */
const NARROW_MAX = 0x7fff;

/** The words of a table. */
export type Fib4Words = Int16Array | Int32Array;

/** Root bits and bits per node; `stride` divides `32 - rootBits` and is at least 4. */
export interface Fib4Shape {
  readonly rootBits: number;
  readonly stride: number;
}

const SHAPES: readonly (Fib4Shape & { readonly routesMax: number })[] = [
  { rootBits: 8, stride: 6, routesMax: 256 },
  { rootBits: 16, stride: 8, routesMax: 4_096 },
  { rootBits: 16, stride: 4, routesMax: 32_768 },
  { rootBits: 20, stride: 4, routesMax: 262_144 },
  { rootBits: 24, stride: 4, routesMax: Infinity },
];

/**
 * The shape for `routes` routes. With the present one, an answer that differs from it is worth a rebuild: a table shrinks
 * only when it holds a quarter of what its shape is for, so that it does not swing at a limit.
 */
export function fib4Shape(routes: number, present: Fib4Shape | null): Fib4Shape {
  let want = 0;
  while (routes > SHAPES[want]!.routesMax) want++;
  if (present === null) return SHAPES[want]!;
  const have = SHAPES.findIndex((s) => s.rootBits === present.rootBits && s.stride === present.stride);
  if (have > want && routes * 4 > SHAPES[have - 1]!.routesMax) return present;
  return have === want ? present : SHAPES[want]!;
}

/** Addresses that are looked up at once. */
const GROUP = 8;

/** The reading side: all a datapath worker needs, made from the array and the shape it was told. */
export class Fib4View {
  t: Fib4Words;
  readonly rootBits: number;
  readonly stride: number;
  protected readonly rootShift: number;
  protected readonly nodeMask: number;
  /** Position of the first node. */
  protected readonly nodesAt: number;

  constructor(t: Fib4Words, shape: Fib4Shape) {
    this.t = t;
    this.rootBits = shape.rootBits;
    this.stride = shape.stride;
    this.rootShift = 32 - shape.rootBits;
    this.nodeMask = (1 << shape.stride) - 1;
    this.nodesAt = 1 << shape.rootBits;
  }

  /** The answer of the longest prefix that contains `dst`; 0 when none does. Packet path. */
  lookup(dst: number): number {
    const e = this.t[dst >>> this.rootShift]!;
    return e < 0 ? this.descend(e, dst) : e;
  }

  /** The first word that a look-up of `dst` reads. */
  first(dst: number): number {
    return this.t[dst >>> this.rootShift]!;
  }

  /**
   * `lookup` of the addresses `from` to `to` - 1. The loads of several do not wait for each other, nor for a branch that depends on one of them, so that the
   * processor has them under way at the same time. Packet path.
   */
  lookupBatch(dsts: Int32Array, out: Int32Array, from: number, to: number): void {
    const whole = to - ((to - from) & (GROUP - 1));
    if (this.rootBits === 24) {
      roots24(this.t, dsts, out, from, whole);
      for (let i = groupWithChild(out, from, whole); i < whole; i = groupWithChild(out, i + GROUP, whole)) {
        for (let k = i; k < i + GROUP; k++) if (out[k]! < 0) out[k] = this.descend(out[k]!, dsts[k]!);
      }
    } else {
      for (let i = from; i < whole; i += GROUP) this.eight(dsts, out, i);
    }
    for (let i = whole; i < to; i++) out[i] = this.lookup(dsts[i]!);
  }

  /**
   * Eight of a smaller table, level by level, until none of their words is a child. `c` is -1 for a child and 0 for a leaf, which stays what it is: a branch
   * would be guessed wrong half of the time. Written out, because what a loop seldom calls is not inlined.
   */
  private eight(dsts: Int32Array, out: Int32Array, i: number): void {
    const { t, stride, nodeMask, nodesAt } = this;
    let shift = this.rootShift;
    let e0 = t[dsts[i]! >>> shift]!;
    let e1 = t[dsts[i + 1]! >>> shift]!;
    let e2 = t[dsts[i + 2]! >>> shift]!;
    let e3 = t[dsts[i + 3]! >>> shift]!;
    let e4 = t[dsts[i + 4]! >>> shift]!;
    let e5 = t[dsts[i + 5]! >>> shift]!;
    let e6 = t[dsts[i + 6]! >>> shift]!;
    let e7 = t[dsts[i + 7]! >>> shift]!;
    while ((e0 | e1 | e2 | e3 | e4 | e5 | e6 | e7) < 0) {
      shift -= stride;
      const c0 = e0 >> 31;
      e0 = (t[(nodesAt + (~e0 << stride) + ((dsts[i]! >>> shift) & nodeMask)) & c0]! & c0) | (e0 & ~c0);
      const c1 = e1 >> 31;
      e1 = (t[(nodesAt + (~e1 << stride) + ((dsts[i + 1]! >>> shift) & nodeMask)) & c1]! & c1) | (e1 & ~c1);
      const c2 = e2 >> 31;
      e2 = (t[(nodesAt + (~e2 << stride) + ((dsts[i + 2]! >>> shift) & nodeMask)) & c2]! & c2) | (e2 & ~c2);
      const c3 = e3 >> 31;
      e3 = (t[(nodesAt + (~e3 << stride) + ((dsts[i + 3]! >>> shift) & nodeMask)) & c3]! & c3) | (e3 & ~c3);
      const c4 = e4 >> 31;
      e4 = (t[(nodesAt + (~e4 << stride) + ((dsts[i + 4]! >>> shift) & nodeMask)) & c4]! & c4) | (e4 & ~c4);
      const c5 = e5 >> 31;
      e5 = (t[(nodesAt + (~e5 << stride) + ((dsts[i + 5]! >>> shift) & nodeMask)) & c5]! & c5) | (e5 & ~c5);
      const c6 = e6 >> 31;
      e6 = (t[(nodesAt + (~e6 << stride) + ((dsts[i + 6]! >>> shift) & nodeMask)) & c6]! & c6) | (e6 & ~c6);
      const c7 = e7 >> 31;
      e7 = (t[(nodesAt + (~e7 << stride) + ((dsts[i + 7]! >>> shift) & nodeMask)) & c7]! & c7) | (e7 & ~c7);
    }
    out[i] = e0;
    out[i + 1] = e1;
    out[i + 2] = e2;
    out[i + 3] = e3;
    out[i + 4] = e4;
    out[i + 5] = e5;
    out[i + 6] = e6;
    out[i + 7] = e7;
  }

  /** The answer for `dst` below the child word `e` of the root. */
  protected descend(e: number, dst: number): number {
    const t = this.t;
    const { stride, nodeMask, nodesAt } = this;
    let shift = this.rootShift;
    while (e < 0) {
      shift -= stride;
      e = t[nodesAt + (~e << stride) + ((dst >>> shift) & nodeMask)]!;
    }
    return e;
  }
}

/**
 * Root words, of whole groups. These loads mostly miss in the caches, and nothing is asked of them here: a branch that is guessed wrong would end all that are under way. The constant shift, and
 * few rounds of the loop, leave room for more of them.
 */
function roots24(t: Fib4Words, dsts: Int32Array, out: Int32Array, i: number, end: number): void {
  for (; i < end; i += GROUP) {
    out[i] = t[dsts[i]! >>> 8]!;
    out[i + 1] = t[dsts[i + 1]! >>> 8]!;
    out[i + 2] = t[dsts[i + 2]! >>> 8]!;
    out[i + 3] = t[dsts[i + 3]! >>> 8]!;
    out[i + 4] = t[dsts[i + 4]! >>> 8]!;
    out[i + 5] = t[dsts[i + 5]! >>> 8]!;
    out[i + 6] = t[dsts[i + 6]! >>> 8]!;
    out[i + 7] = t[dsts[i + 7]! >>> 8]!;
  }
}

/** The first group from `i` on in which a word is a child; `end`: none. */
function groupWithChild(out: Int32Array, i: number, end: number): number {
  for (; i < end; i += GROUP) if ((out[i]! | out[i + 1]! | out[i + 2]! | out[i + 3]! | out[i + 4]! | out[i + 5]! | out[i + 6]! | out[i + 7]!) < 0) return i;
  return end;
}

/** Nodes the array has room for when it is made. */
const firstRoom = (rootBits: number): number => Math.max(12, (1 << rootBits) >>> 12);
/** Stands for the root where a node is asked for. */
const ROOT = -1;

export class Fib4 extends Fib4View {
  readonly shared: boolean;
  /** Called after the array was replaced by a larger or a wider one: readers elsewhere must be told. */
  onGrow: (() => void) | null = null;
  /** Nodes in use. */
  nodes = 0;
  /** Prefixes that are in: the heap of the root, then one of `2 << stride` bits for each node. */
  private bits: Int32Array;
  /** For each node, the prefixes in its heap and the nodes below it. */
  private uses: Uint16Array;
  /** Nodes the arrays have room for, and nodes ever used. */
  private room: number;
  private top = 0;
  private readonly free: number[] = [];
  private readonly retired: number[] = [];
  /** Of those, how many are free already. */
  private retiredAt = 0;
  /** Slots and nodes passed on the way down by the removal under way. */
  private readonly pathSlots: number[] = [];
  private readonly pathNodes: number[] = [];

  constructor(shape: Fib4Shape, shared = false) {
    const room = firstRoom(shape.rootBits);
    super(makeWords((1 << shape.rootBits) + (room << shape.stride), shared, false), shape);
    this.shared = shared;
    this.room = room;
    this.bits = new Int32Array((1 << (shape.rootBits - 4)) + (room << (shape.stride - 4)));
    this.uses = new Uint16Array(room);
  }

  /** Bytes the table occupies, the writer's part included. */
  get bytes(): number {
    return this.t.byteLength + this.bits.byteLength + this.uses.byteLength;
  }

  /** Nodes that wait for readers. */
  get retiredCount(): number {
    return this.retired.length - this.retiredAt;
  }

  /** Length of the longest prefix that contains `dst` and is shorter than `below` bits; -1 when there is none. For control, not for packets. */
  match(dst: number, below = 33): number {
    let best = -1;
    let depth = this.rootBits;
    let e = this.t[dst >>> this.rootShift]!;
    while (e < 0 && below > depth + 1) {
      const node = ~e;
      const heap = this.heapOf(node);
      const end = depth + this.stride;
      for (let plen = Math.min(below - 1, end); plen > depth; plen--) {
        if (!this.isSet(heap + this.placeOf(dst, plen, depth))) continue;
        best = plen;
        break;
      }
      e = this.t[this.slotOf(node, dst, end)]!;
      depth = end;
    }
    if (best >= 0) return best;
    for (let plen = Math.min(below - 1, this.rootBits); plen >= 0; plen--) if (this.isSet(this.placeOf(dst, plen, 0))) return plen;
    return -1;
  }

  /** Adds `prefix`/`plen`, or changes its answer. `value` is 1..FIB4_VALUE_MAX; host bits of `prefix` are 0. */
  insert(prefix: number, plen: number, value: number): void {
    if (value > NARROW_MAX && this.t instanceof Int16Array) this.replace(this.room, true);
    let node = ROOT;
    let above = 0;
    let depth = this.rootBits;
    while (plen > depth) {
      const slot = this.slotOf(node, prefix, depth);
      const e = this.t[slot]!;
      if (e < 0) {
        node = ~e;
      } else {
        const child = this.alloc(e);
        this.link(slot, child);
        if (node !== ROOT) this.uses[node] = this.uses[node]! + 1;
        node = child;
      }
      above = depth;
      depth += this.stride;
    }
    const heap = this.heapOf(node);
    const place = this.placeOf(prefix, plen, above);
    const bit = heap + place;
    if (!this.isSet(bit)) {
      this.bits[bit >>> 5] = this.bits[bit >>> 5]! | (1 << (bit & 31));
      if (node !== ROOT) this.uses[node] = this.uses[node]! + 1;
    }
    this.paint(heap, place, depth - plen, this.firstSlot(node, prefix, plen, depth), value);
  }

  /** Takes `prefix`/`plen` out; `cover` is the answer of the prefix of `match(prefix, plen)` bits, 0 without one. Does nothing for a prefix that is not there. */
  remove(prefix: number, plen: number, cover: number): void {
    const { pathSlots, pathNodes } = this;
    pathSlots.length = 0;
    pathNodes.length = 0;
    let node = ROOT;
    let above = 0;
    let depth = this.rootBits;
    while (plen > depth) {
      const slot = this.slotOf(node, prefix, depth);
      const e = this.t[slot]!;
      if (e >= 0) return;
      node = ~e;
      pathSlots.push(slot);
      pathNodes.push(node);
      above = depth;
      depth += this.stride;
    }
    const heap = this.heapOf(node);
    const place = this.placeOf(prefix, plen, above);
    const bit = heap + place;
    if (!this.isSet(bit)) return;
    this.bits[bit >>> 5] = this.bits[bit >>> 5]! & ~(1 << (bit & 31));
    this.paint(heap, place, depth - plen, this.firstSlot(node, prefix, plen, depth), cover);
    if (node === ROOT) return;
    this.uses[node] = this.uses[node]! - 1;
    this.fold();
  }

  /** Every reader has passed a quiet point since the `n` oldest of the nodes that wait were taken out: they may be used again. */
  reclaim(n = this.retiredCount): void {
    const { retired, free } = this;
    const end = Math.min(this.retiredAt + n, retired.length);
    while (this.retiredAt < end) free.push(retired[this.retiredAt++]!);
    if (this.retiredAt * 2 < retired.length) return;
    retired.splice(0, this.retiredAt);
    this.retiredAt = 0;
  }

  /** Position of the slot that `prefix` takes in `node`, whose slots end at bit `depth`. */
  private slotOf(node: number, prefix: number, depth: number): number {
    const index = prefix >>> (32 - depth);
    return node === ROOT ? index : this.nodesAt + (node << this.stride) + (index & this.nodeMask);
  }

  /** Position of the first slot that `prefix`/`plen` covers in `node`, whose slots end at bit `depth`. */
  private firstSlot(node: number, prefix: number, plen: number, depth: number): number {
    const bits = depth - plen;
    return this.slotOf(node, plen === 0 ? 0 : ((prefix >>> (32 - plen)) << (32 - plen)) >>> 0, depth) & (-1 << bits);
  }

  /** Number of the first bit of a node's heap. */
  private heapOf(node: number): number {
    return node === ROOT ? 0 : (2 << this.rootBits) + (node << (this.stride + 1));
  }

  /** Place of the first `plen` bits of `addr` in the heap of the node that they end in, below `above` bits. */
  private placeOf(addr: number, plen: number, above: number): number {
    const n = plen - above;
    return (1 << n) + (plen === 0 ? 0 : (addr >>> (32 - plen)) & ((1 << n) - 1));
  }

  private isSet(bit: number): boolean {
    return ((this.bits[bit >>> 5]! >>> (bit & 31)) & 1) !== 0;
  }

  /**
   * Gives `value` to the `1 << levels` slots from `first` on, subtrees included, but for those of longer prefixes: the slots of the prefix
   * number `at` in the heap of bits that begins at `heap`.
   */
  private paint(heap: number, at: number, levels: number, first: number, value: number): void {
    if (levels > 5 || !this.isBare(heap, at, levels)) {
      const bit = heap + (at << 1);
      const pair = this.bits[bit >>> 5]! >>> (bit & 31);
      const half = levels - 1;
      if ((pair & 1) === 0) this.paint(heap, at << 1, half, first, value);
      if ((pair & 2) === 0) this.paint(heap, (at << 1) + 1, half, first + (1 << half), value);
      return;
    }
    const { t } = this;
    for (let slot = first; slot < first + (1 << levels); slot++) {
      const e = t[slot]!;
      if (e < 0) this.paintNode(~e, value);
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

  private paintNode(node: number, value: number): void {
    this.paint(this.heapOf(node), 1, this.stride, this.nodesAt + (node << this.stride), value);
  }

  /** Takes out the nodes of the path, deepest first, in which there is nothing left: all their slots say the same. */
  private fold(): void {
    const { pathSlots, pathNodes, t, uses } = this;
    for (let i = pathNodes.length - 1; i >= 0; i--) {
      const node = pathNodes[i]!;
      if (uses[node] !== 0) return;
      t[pathSlots[i]!] = t[this.nodesAt + (node << this.stride)]!;
      this.retired.push(node);
      this.nodes--;
      if (i > 0) uses[pathNodes[i - 1]!] = uses[pathNodes[i - 1]!]! - 1;
    }
  }

  /** A node all of whose slots are `entry`. May replace `t`. */
  private alloc(entry: number): number {
    let node = this.free.pop();
    if (node === undefined) {
      node = this.top;
      if (node === this.room || (node > NARROW_MAX && this.t instanceof Int16Array)) this.grow(node);
      this.top = node + 1;
    }
    const at = this.nodesAt + (node << this.stride);
    this.t.fill(entry, at, at + (1 << this.stride));
    this.nodes++;
    return node;
  }

  private link(slot: number, node: number): void {
    if (this.shared) Atomics.store(this.t, slot, ~node);
    else this.t[slot] = ~node;
  }

  /** Makes room for the node number `node`: twice as much; a larger array grows by half, or by an eighth of the root. */
  private grow(node: number): void {
    const more = Math.min(this.room, Math.max(this.room >>> 1, 1 << Math.max(0, this.rootBits - this.stride - 3)));
    this.replace(node < this.room ? this.room : this.room + more, node > NARROW_MAX || this.t instanceof Int32Array);
  }

  /** Moves to arrays with room for `room` nodes. */
  private replace(room: number, wide: boolean): void {
    const t = makeWords(this.nodesAt + (room << this.stride), this.shared, wide);
    t.set(this.t);
    const bits = new Int32Array((1 << (this.rootBits - 4)) + (room << (this.stride - 4)));
    bits.set(this.bits);
    const uses = new Uint16Array(room);
    uses.set(this.uses);
    this.bits = bits;
    this.uses = uses;
    this.room = room;
    this.t = t;
    this.onGrow?.();
  }
}

const makeWords = (n: number, shared: boolean, wide: boolean): Fib4Words => (wide ? tableWords(n, shared) : tableHalfWords(n, shared));
