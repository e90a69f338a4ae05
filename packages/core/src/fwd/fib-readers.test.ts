/**
 * fib-readers.test.ts — a reader of the compiled tables that is stopped before every load it makes, while the writer goes on: it answers what was right at some
 * moment of its look-up, as long as the nodes it may be in are not used again. And a table that changed is the table that is built at once.
 *
 * The reader is the real one; its array is wrapped, so that each load lets the writer do something first. When the table outgrows its array meanwhile, the
 * reader goes on in the old one.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { Fib4, Fib4View } from './fib4.js';
import type { Fib4Shape } from './fib4.js';
import { Fib6, Fib6View } from './fib6.js';
import type { Fib6Shape } from './fib6.js';

/** A prefix as a string of bits. */
type Bits = string;

/** One table, its prefixes and addresses as bits. */
interface Table {
  readonly width: number;
  readonly nodes: number;
  readonly retiredCount: number;
  insert(bits: Bits, value: number): void;
  remove(bits: Bits, cover: number): void;
  match(bits: Bits, below: number): number;
  reclaim(): void;
  /** Looks up with the arrays as they are now; `pause` is called before each load. */
  lookup(bits: Bits, pause: () => void): number;
}

const word = (bits: Bits, i: number): number => parseInt(bits.slice(32 * i, 32 * i + 32).padEnd(32, '0') || '0', 2) | 0;

/** `t`, but for what happens before an element is read. */
function paused<T extends Int16Array | Int32Array>(t: T, pause: () => void): T {
  return new Proxy(t, {
    get: (of, key) => {
      if (typeof key === 'string' && /^\d+$/.test(key)) pause();
      return Reflect.get(of, key, of) as unknown;
    },
  });
}

function table4(shape: Fib4Shape): Table {
  const fib = new Fib4(shape, true);
  return {
    width: 32,
    get nodes() {
      return fib.nodes;
    },
    get retiredCount() {
      return fib.retiredCount;
    },
    insert: (bits, value) => fib.insert(word(bits, 0) >>> 0, bits.length, value),
    remove: (bits, cover) => fib.remove(word(bits, 0) >>> 0, bits.length, cover),
    match: (bits, below) => fib.match(word(bits, 0) >>> 0, below),
    reclaim: () => fib.reclaim(),
    lookup: (bits, pause) => new Fib4View(paused(fib.t, pause), shape).lookup(word(bits, 0) >>> 0),
  };
}

function table6(shape: Fib6Shape): Table {
  const fib = new Fib6(shape, true);
  const words = (bits: Bits): [number, number, number, number] => [word(bits, 0), word(bits, 1), word(bits, 2), word(bits, 3)];
  return {
    width: 128,
    get nodes() {
      return fib.nodes;
    },
    get retiredCount() {
      return fib.retiredCount;
    },
    insert: (bits, value) => fib.insert(...words(bits), bits.length, value),
    // Leaves do not repeat the default route.
    remove: (bits, cover) => fib.remove(...words(bits), bits.length, fib.match(...words(bits), bits.length) <= 0 ? 0 : cover),
    match: (bits, below) => fib.match(...words(bits), below),
    reclaim: () => fib.reclaim(),
    lookup: (bits, pause) => new Fib6View(paused(fib.t, pause), shape).lookup(...words(bits)),
  };
}

const TABLES: readonly (readonly [string, () => Table])[] = [
  ['IPv4, 8 bits then 6', () => table4({ rootBits: 8, stride: 6 })],
  ['IPv4, 16 bits then 8', () => table4({ rootBits: 16, stride: 8 })],
  ['IPv4, 16 bits then 4', () => table4({ rootBits: 16, stride: 4 })],
  ['IPv4, 20 bits then 4', () => table4({ rootBits: 20, stride: 4 })],
  ['IPv6, small', () => table6({ rootBits: 4, plainBits: 4 })],
  ['IPv6, large', () => table6({ rootBits: 16, plainBits: 64 })],
];

/** Prefixes and addresses that part late and often: few bits are random. */
class Load {
  readonly table: Table;
  readonly rng: Prng;
  readonly routes = new Map<Bits, number>();
  private readonly trunks: readonly Bits[];
  private serial = 0;

  constructor(table: Table, seed: number) {
    this.table = table;
    this.rng = new Prng(seed);
    this.trunks = Array.from({ length: 3 }, () => Array.from({ length: table.width }, () => this.rng.below(2)).join(''));
  }

  address(): Bits {
    const trunk = this.trunks[this.rng.below(this.trunks.length)]!;
    const at = this.rng.below(this.table.width);
    return trunk.slice(0, at) + (trunk[at] === '0' ? '1' : '0') + trunk.slice(at + 1);
  }

  /** The answer of the longest prefix shorter than `below` bits that contains `bits`. */
  match(bits: Bits, below = Infinity): number {
    let best = -1;
    for (const p of this.routes.keys()) if (p.length > best && p.length < below && bits.startsWith(p)) best = p.length;
    return best < 0 ? 0 : this.routes.get(bits.slice(0, best))!;
  }

  /** Adds, changes or takes out a route. Answers are as good as never used twice. */
  change(): void {
    const { rng, routes, table } = this;
    if (routes.size > 12 || (routes.size > 0 && rng.below(2) === 0)) {
      const bits = [...routes.keys()][rng.below(routes.size)]!;
      routes.delete(bits);
      table.remove(bits, this.match(bits, bits.length));
    } else {
      const bits = this.address().slice(0, rng.below(20) === 0 ? 0 : 1 + rng.below(table.width));
      // Sometimes an answer that 16 bits do not hold.
      const value = 1 + (this.serial++ % 30_000) + (rng.below(400) === 0 ? 0x10_0000 : 0);
      routes.set(bits, value);
      table.insert(bits, value);
    }
  }
}

/** Look-ups in which the writer is busy; how many of them answered what was never right. */
function wrongAnswers(make: () => Table, seed: number, lookups: number, reclaimEarly: boolean): number {
  const load = new Load(make(), seed);
  const { table, rng } = load;
  let wrong = 0;
  let reused = 0;
  for (let n = 0; n < lookups; n++) {
    const dst = load.address();
    const right = new Set([load.match(dst)]);
    const answer = table.lookup(dst, () => {
      for (let k = rng.below(4); k > 0; k--) {
        load.change();
        right.add(load.match(dst));
        // A table with its default route apart reads that later than the leaf which refers to it.
        right.add(load.routes.get('') ?? 0);
        if (reclaimEarly) table.reclaim();
      }
    });
    if (!right.has(answer)) wrong++;
    reused += table.retiredCount;
    table.reclaim();
  }
  if (!reclaimEarly) expect(reused).toBeGreaterThan(0);
  return wrong;
}

describe.each(TABLES)('%s', (_name, make) => {
  it.each([1, 2, 3])('a reader stopped before any load answers what was right meanwhile, seed %i', (seed) => {
    expect(wrongAnswers(make, seed, 1_500, false)).toBe(0);
  });

  it('and would not if nodes were used again at once', () => {
    expect(wrongAnswers(make, 1, 6_000, true)).toBeGreaterThan(0);
  });

  it.each([11, 12])('is after many changes what it is when it is built at once, seed %i', (seed) => {
    const load = new Load(make(), seed);
    for (let n = 0; n < 600; n++) {
      load.change();
      load.table.reclaim();
      if (n % 20 !== 0) continue;
      const fresh = make();
      for (const [bits, value] of [...load.routes].sort(([a], [b]) => a.length - b.length)) fresh.insert(bits, value);
      expect(load.table.nodes).toBe(fresh.nodes);
      for (let k = 0; k < 50; k++) {
        const dst = load.address();
        const answer = load.match(dst);
        const below = load.rng.below(load.table.width + 2);
        expect([fresh.lookup(dst, () => undefined), load.table.lookup(dst, () => undefined)], dst).toEqual([answer, answer]);
        expect(load.table.match(dst, below), dst).toBe(fresh.match(dst, below));
      }
    }
  });
});
