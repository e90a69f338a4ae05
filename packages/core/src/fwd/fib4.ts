/**
 * fib4.ts — longest-prefix match for IPv4, compiled into one flat array of 32-bit words.
 * Read first: Gupta, Lin, McKeown, "Routing lookups in hardware at memory access speeds" (DIR-24-8); RFC 4632 §5.1.
 *
 * Theory of operation. A multibit trie with the answers pushed to the leaves. The first `rootBits` of an address index the
 * root; from there each node takes `stride` bits, until a word without the child mark is met: that is the answer.
 *
 *     word >= 0   leaf:  plen << 25 | value      the longest prefix here, and what it leads to; 0: the default route
 *     word <  0   child: position of a node in the same array, with the sign bit set
 *
 * The default route is the one word behind the root, 0 when there is none: it is the prefix that changes most often for the
 * most addresses, and this way it costs one store in the largest table.
 *
 * Because a leaf knows the length of its own prefix, an insert overwrites exactly the leaves of shorter prefixes, and a
 * delete exactly its own, which get the covering prefix's answer back. The caller names the cover, so the table needs no
 * second copy of the routes. A node all of whose slots say the same thing a slot of its parent could say is folded away.
 *
 * Shapes: a small table (8 root bits, then 6) costs 1 KiB and 256 bytes a node; a large one starts with 16 or 20 bits and
 * goes on with 4. `fib4Shape` names the right shape for a number of routes; the owner builds a new table when it changes.
 *
 * One writer, any number of readers on other threads when made `shared`: a new node repeats its parent's answer before it
 * is linked, a word is replaced by one store, and nodes taken out wait in `retired` until the owner says `reclaim()`, after
 * every reader has passed a quiet point. A reader of an array that has been outgrown sees a consistent older table.
 *
 * Invariants: a leaf's prefix contains its slot and is the longest such; a node exists only while a prefix longer than the
 * bits above it lies inside it. Not here: what a value means (nhop-table.ts), the routes themselves (net/route/rib.ts).
 */

/** Bits of a leaf's answer. */
export const FIB4_VALUE_BITS = 25;
/** Largest answer a leaf can hold. 0 is "no route". */
export const FIB4_VALUE_MAX = 0x1ff_ffff;
const CHILD = 0x8000_0000 | 0;
const OFFSET = 0x7fff_ffff;

/** Root bits and bits per node; `stride` divides `32 - rootBits`. */
export interface Fib4Shape {
  readonly rootBits: number;
  readonly stride: number;
}

const SHAPES: readonly (Fib4Shape & { readonly routesMax: number })[] = [
  { rootBits: 8, stride: 6, routesMax: 256 },
  { rootBits: 16, stride: 4, routesMax: 32_768 },
  { rootBits: 20, stride: 4, routesMax: Infinity },
];

/**
 * The shape for `routes` routes. With the present one, an answer that differs from it is worth a rebuild: a table shrinks
 * only when it holds a quarter of what its shape is for, so that it does not swing at a limit.
 */
export function fib4Shape(routes: number, present: Fib4Shape | null): Fib4Shape {
  let want = 0;
  while (routes > SHAPES[want]!.routesMax) want++;
  if (present === null) return SHAPES[want]!;
  const have = SHAPES.findIndex((s) => s.rootBits === present.rootBits);
  if (have > want && routes * 4 > SHAPES[have - 1]!.routesMax) return present;
  return have === want ? present : SHAPES[want]!;
}

/** The reading side: all a datapath worker needs, made from the array and the shape it was told. */
export class Fib4View {
  t: Int32Array;
  readonly rootBits: number;
  readonly stride: number;
  protected readonly rootShift: number;
  protected readonly nodeMask: number;
  /** Position of the default route. */
  protected readonly defaultAt: number;

  constructor(t: Int32Array, shape: Fib4Shape) {
    this.t = t;
    this.rootBits = shape.rootBits;
    this.stride = shape.stride;
    this.rootShift = 32 - shape.rootBits;
    this.nodeMask = (1 << shape.stride) - 1;
    this.defaultAt = 1 << shape.rootBits;
  }

  /** The answer of the longest prefix that contains `dst`; 0 when none does. */
  lookup(dst: number): number {
    return this.entry(dst) & FIB4_VALUE_MAX;
  }

  /** The leaf for `dst`: `plen << FIB4_VALUE_BITS | value`, 0 when no prefix contains it. */
  entry(dst: number): number {
    const t = this.t;
    const mask = this.nodeMask;
    const stride = this.stride;
    let shift = this.rootShift;
    let e = t[dst >>> shift]!;
    while (e < 0) {
      shift -= stride;
      e = t[(e & OFFSET) + ((dst >>> shift) & mask)]!;
    }
    return e === 0 ? t[this.defaultAt]! : e;
  }
}

/** Prefix length of a leaf. */
export const fib4EntryPlen = (entry: number): number => entry >>> FIB4_VALUE_BITS;
/** Answer of a leaf. */
export const fib4EntryValue = (entry: number): number => entry & FIB4_VALUE_MAX;

/** Words behind the root, the default route first; nodes begin after them, on a cache line. */
const HEADER_WORDS = 16;
/** Nodes the array has room for when it is made. */
const NODES_INITIAL = 12;

export class Fib4 extends Fib4View {
  readonly shared: boolean;
  /** Called after the array was replaced by a larger one: readers elsewhere must be told. */
  onGrow: (() => void) | null = null;
  /** Nodes in use. */
  nodes = 0;
  /** Words of `t` ever used. */
  private top: number;
  /** Nodes free for use; each holds the position of the next in its first word. 0: none (0 is the root). */
  private freeHead = 0;
  private readonly retired: number[] = [];
  /** Of those, how many are used again. */
  private retiredAt = 0;
  /** Positions of the slots passed on the way down by the operation under way. */
  private readonly path: number[] = [];

  constructor(shape: Fib4Shape, shared = false) {
    const nodesAt = (1 << shape.rootBits) + HEADER_WORDS;
    super(makeWords(nodesAt + (NODES_INITIAL << shape.stride), shared), shape);
    this.shared = shared;
    this.top = nodesAt;
  }

  /** Bytes the table occupies. */
  get bytes(): number {
    return this.t.byteLength;
  }

  /** Nodes that wait for readers. */
  get retiredCount(): number {
    return this.retired.length - this.retiredAt;
  }

  /** Adds `prefix`/`plen`, or changes its answer. `value` is 1..FIB4_VALUE_MAX; host bits of `prefix` are 0. */
  insert(prefix: number, plen: number, value: number): void {
    if (plen === 0) {
      this.t[this.defaultAt] = value;
      return;
    }
    let base = 0;
    let depth = this.rootBits;
    while (plen > depth) {
      const slot = base + ((prefix >>> (32 - depth)) & (base === 0 ? -1 : this.nodeMask));
      const e = this.t[slot]!;
      if (e < 0) {
        base = e & OFFSET;
      } else {
        base = this.alloc(e);
        this.t[slot] = base | CHILD;
      }
      depth += this.stride;
    }
    const bits = depth - plen;
    this.paint(this.firstSlot(base, prefix, depth, bits), 1 << bits, plen, (plen << FIB4_VALUE_BITS) | value);
  }

  /**
   * Takes `prefix`/`plen` out. `coverPlen` and `coverValue` describe the longest remaining prefix that contains it; 0, 0 when
   * there is none. Does nothing for a prefix that is not there.
   */
  remove(prefix: number, plen: number, coverPlen: number, coverValue: number): void {
    if (plen === 0) {
      this.t[this.defaultAt] = 0;
      return;
    }
    const path = this.path;
    path.length = 0;
    let base = 0;
    let depth = this.rootBits;
    while (plen > depth) {
      const slot = base + ((prefix >>> (32 - depth)) & (base === 0 ? -1 : this.nodeMask));
      const e = this.t[slot]!;
      if (e >= 0) return;
      path.push(slot);
      base = e & OFFSET;
      depth += this.stride;
    }
    const bits = depth - plen;
    const cover = coverPlen === 0 ? 0 : (coverPlen << FIB4_VALUE_BITS) | coverValue;
    this.unpaint(this.firstSlot(base, prefix, depth, bits), 1 << bits, plen, cover);
    this.fold(depth - this.stride);
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

  /** Position of the first of the `1 << bits` slots that `prefix` covers in the node at `base`, whose slots end at `depth`. */
  private firstSlot(base: number, prefix: number, depth: number, bits: number): number {
    const index = (prefix >>> (32 - depth)) & (base === 0 ? -1 : this.nodeMask);
    return base + ((index >>> bits) << bits);
  }

  /** Gives `entry` to those of `n` slots from `first` on, subtrees included, that belong to prefixes of at most `plen` bits. */
  private paint(first: number, n: number, plen: number, entry: number): void {
    const t = this.t;
    for (let i = first; i < first + n; i++) {
      const e = t[i]!;
      if (e < 0) this.paint(e & OFFSET, 1 << this.stride, plen, entry);
      else if (e >>> FIB4_VALUE_BITS <= plen) t[i] = entry;
    }
  }

  /** Gives `cover` to those of `n` slots from `first` on, subtrees included, that belong to a prefix of exactly `plen` bits. */
  private unpaint(first: number, n: number, plen: number, cover: number): void {
    const t = this.t;
    for (let i = first; i < first + n; i++) {
      const e = t[i]!;
      if (e < 0) this.unpaint(e & OFFSET, 1 << this.stride, plen, cover);
      else if (e >>> FIB4_VALUE_BITS === plen) t[i] = cover;
    }
  }

  /** Folds nodes on `path`, deepest first, whose slots all repeat one leaf of a prefix no longer than `depth` bits. */
  private fold(depth: number): void {
    const t = this.t;
    const size = 1 << this.stride;
    for (let i = this.path.length - 1; i >= 0; i--, depth -= this.stride) {
      const slot = this.path[i]!;
      const base = t[slot]! & OFFSET;
      const e = t[base]!;
      if (e < 0 || e >>> FIB4_VALUE_BITS > depth) return;
      for (let k = base + 1; k < base + size; k++) if (t[k] !== e) return;
      t[slot] = e;
      this.retired.push(base);
      this.nodes--;
    }
  }

  /** A node all of whose slots are `entry`. May replace `t`. */
  private alloc(entry: number): number {
    const size = 1 << this.stride;
    let base = this.freeHead;
    if (base !== 0) {
      this.freeHead = this.t[base]!;
    } else {
      base = this.top;
      if (base + size > this.t.length) this.grow();
      this.top = base + size;
    }
    this.t.fill(entry, base, base + size);
    this.nodes++;
    return base;
  }

  private grow(): void {
    const larger = makeWords(this.t.length + Math.max(this.t.length >>> 1, NODES_INITIAL << this.stride), this.shared);
    larger.set(this.t);
    this.t = larger;
    this.onGrow?.();
  }
}

function makeWords(n: number, shared: boolean): Int32Array {
  return new Int32Array(shared ? new SharedArrayBuffer(n * 4) : new ArrayBuffer(n * 4));
}
