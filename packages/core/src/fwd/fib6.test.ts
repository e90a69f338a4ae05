/**
 * fib6.test.ts — the compiled IPv6 table against a list of prefixes and a loop.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { FIB6_VALUE_MAX, Fib6, Fib6View, fib6Shape } from './fib6.js';
import type { Fib6Shape } from './fib6.js';

const SMALL: Fib6Shape = { rootBits: 4, plainBits: 4 };
const LARGE: Fib6Shape = { rootBits: 16, plainBits: 64 };

type Words = readonly [number, number, number, number];

const maskWord = (n: number): number => (n <= 0 ? 0 : n >= 32 ? -1 : ~(0xffff_ffff >>> n));
const masked = (w: Words, plen: number): Words => [w[0] & maskWord(plen), w[1] & maskWord(plen - 32), w[2] & maskWord(plen - 64), w[3] & maskWord(plen - 96)];
const text = (w: Words): string => w.map((x) => (x >>> 0).toString(16).padStart(8, '0')).join(':');

/** Longest match by looking at every prefix. */
class NaiveLpm {
  readonly routes = new Map<string, { readonly prefix: Words; readonly plen: number; value: number }>();

  set(prefix: Words, plen: number, value: number): void {
    this.routes.set(`${text(prefix)}/${plen}`, { prefix, plen, value });
  }

  delete(prefix: Words, plen: number): boolean {
    return this.routes.delete(`${text(prefix)}/${plen}`);
  }

  /** [plen, value] of the longest prefix no longer than `max` that contains `dst`; [-1, 0] for none. */
  match(dst: Words, max = 128): readonly [number, number] {
    let best: readonly [number, number] = [-1, 0];
    for (const r of this.routes.values()) {
      if (r.plen > max || r.plen <= best[0] || text(masked(dst, r.plen)) !== text(r.prefix)) continue;
      best = [r.plen, r.value];
    }
    return best;
  }
}

/** Addresses that share long beginnings and part at every depth. */
const wordsArb = fc
  .tuple(
    fc.constantFrom<Words>(
      [0x20010db8, 0, 0, 1], [0x20010db8, 0x00010002, 0, 0], [0xfe800003 | 0, 0, 0x020000ff, 0xfe000001 | 0], [0, 0, 0, 1], [0xff020000 | 0, 0, 0, 1], [-1, -1, -1, -1],
    ),
    fc.array(fc.integer({ min: 0, max: 127 }), { maxLength: 3 }),
  )
  .map(([base, flips]): Words => {
    const w: [number, number, number, number] = [...base];
    for (const bit of flips) w[bit >>> 5]! ^= 1 << (31 - (bit & 31));
    return w;
  });
const prefixArb = fc.tuple(wordsArb, fc.oneof(fc.integer({ min: 0, max: 128 }), fc.constantFrom(0, 10, 32, 48, 64, 96, 127, 128))).map(([w, plen]) => ({ prefix: masked(w, plen), plen }));
const opArb = fc.tuple(prefixArb, fc.integer({ min: 1, max: 40 }), fc.boolean(), fc.nat());

/** The last address of a prefix, and one that differs from it in its last bit. */
function edges(prefix: Words, plen: number): Words[] {
  const last = prefix.map((w, i) => w | ~maskWord(plen - 32 * i)) as unknown as Words;
  const beyond: [number, number, number, number] = [...prefix];
  if (plen > 0) beyond[(plen - 1) >>> 5]! ^= 1 << (31 - ((plen - 1) & 31));
  return [prefix, last, beyond];
}

function agree(fib: Fib6, naive: NaiveLpm, dsts: readonly Words[]): void {
  const batch = new Int32Array(dsts.length);
  fib.lookupBatch(Int32Array.from(dsts.flat()), batch, 0, dsts.length);
  expect([...batch]).toEqual(dsts.map((dst) => fib.lookup(...dst)));
  for (const dst of dsts) {
    const got = [fib.match(...dst), fib.lookup(...dst)];
    expect(got, text(dst)).toEqual(naive.match(dst));
  }
}

function add(fib: Fib6, naive: NaiveLpm, prefix: Words, plen: number, value: number): void {
  fib.insert(...prefix, plen, value);
  naive.set(prefix, plen, value);
}

function remove(fib: Fib6, naive: NaiveLpm, prefix: Words, plen: number): void {
  if (!naive.delete(prefix, plen)) return;
  const [coverPlen, cover] = naive.match(prefix, plen - 1);
  expect(fib.match(...prefix, plen), `cover of ${text(prefix)}/${plen}`).toBe(coverPlen);
  fib.remove(...prefix, plen, coverPlen <= 0 ? 0 : cover);
}

describe('Fib6', () => {
  it.each([
    ['small', SMALL],
    ['large', LARGE],
  ] as const)('agrees with the naive table: %s', (_name, shape) => {
    fc.assert(
      fc.property(fc.array(opArb, { minLength: 1, maxLength: 60 }), (ops) => {
        const fib = new Fib6(shape);
        const naive = new NaiveLpm();
        const seen: Words[] = [];
        for (const [{ prefix, plen }, value, drop, pick] of ops) {
          const present = [...naive.routes.values()];
          const victim = present[pick % Math.max(1, present.length)];
          if (drop && victim !== undefined) {
            remove(fib, naive, victim.prefix, victim.plen);
            if (pick % 2 === 0) fib.reclaim();
          } else {
            add(fib, naive, prefix, plen, value);
          }
          seen.push(...edges(prefix, plen));
          agree(fib, naive, seen);
          expect(fib.nodes).toBeLessThanOrEqual((2 + (shape.plainBits - shape.rootBits) / 4) * naive.routes.size);
        }
        for (const r of [...naive.routes.values()]) remove(fib, naive, r.prefix, r.plen);
        agree(fib, naive, seen);
        expect(fib.nodes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('does nothing for a removal of what is not there', () => {
    const fib = new Fib6(SMALL);
    const naive = new NaiveLpm();
    add(fib, naive, [0x20010db8, 0, 0, 0], 32, 7);
    add(fib, naive, [0x20010db8, 0x10000, 0, 0], 64, 8);
    const before = [...fib.t];
    for (const plen of [0, 3, 31, 33, 48, 63, 65, 128]) fib.remove(...masked([0x20010db8, 0x10000, 0, 0], plen), plen, 0);
    fib.remove(0x20010db9, 0, 0, 0, 32, 0);
    expect([...fib.t]).toEqual(before);
  });

  it('skips bits on which nothing branches', () => {
    const fib = new Fib6(SMALL);
    fib.insert(0, 0, 0, 1, 128, 1);
    fib.insert(0x20010db8, 0, 0, 0, 64, 2);
    fib.insert(0x20010db8, 0, 0, 1, 128, 3);
    expect(fib.nodes).toBe(3);
    expect(fib.bytes).toBeLessThan(1_100);
  });

  it('holds the largest answer under every length', () => {
    const fib = new Fib6(SMALL);
    for (let plen = 0; plen <= 128; plen++) fib.insert(...masked([-1, -1, -1, -1], plen), plen, FIB6_VALUE_MAX - plen);
    for (let plen = 0; plen < 128; plen++) {
      const w: [number, number, number, number] = [-1, -1, -1, -1];
      w[plen >>> 5]! ^= 1 << (31 - (plen & 31));
      expect(fib.lookup(...w)).toBe(FIB6_VALUE_MAX - plen);
      expect(fib.match(...w)).toBe(plen);
    }
    expect(fib.lookup(-1, -1, -1, -1)).toBe(FIB6_VALUE_MAX - 128);
  });

  it('grows by thousands of routes and gives everything back; a view on another thread reads the same', () => {
    const rng = new Prng(6);
    const naive = new NaiveLpm();
    const fib = new Fib6(LARGE, true);
    let grown = 0;
    fib.onGrow = () => grown++;
    const prefixes: (readonly [Words, number])[] = [];
    for (let i = 0; i < 5_000; i++) {
      const plen = [29, 32, 36, 40, 44, 48, 48, 56, 64][rng.u32() % 9]!;
      const w = masked([0x20000000 | (rng.u32() & 0x0fff_ffff), rng.u32() | 0, rng.u32() | 0, rng.u32() | 0], plen);
      prefixes.push([w, plen]);
      fib.insert(...w, plen, i + 1);
      naive.set(w, plen, i + 1);
    }
    expect(grown).toBeGreaterThan(0);
    expect(fib.t.buffer).toBeInstanceOf(SharedArrayBuffer);
    const view = new Fib6View(fib.t, fib);
    for (const [w, plen] of prefixes.filter((_, i) => i % 50 === 0)) {
      const at: Words = edges(w, plen)[1]!;
      expect(view.lookup(...at)).toBe(naive.match(at)[1]);
    }
    // No prefix here contains another often, so the naive table answers the covers of those that do.
    for (const r of [...naive.routes.values()].sort((a, b) => b.plen - a.plen)) fib.remove(...r.prefix, r.plen, 0);
    expect([fib.nodes, fib.retiredCount > 0]).toEqual([0, true]);
    fib.reclaim();
    const bytes = fib.bytes;
    for (const [w, plen] of prefixes) fib.insert(...w, plen, 1);
    expect(fib.bytes).toBe(bytes);
  });
});

describe('fib6Shape', () => {
  it('changes late in both directions', () => {
    const small = fib6Shape(0, null);
    expect(small.rootBits).toBe(4);
    expect(fib6Shape(1_024, small)).toBe(small);
    const large = fib6Shape(1_025, small);
    expect(large.rootBits).toBe(16);
    expect(fib6Shape(300, large)).toBe(large);
    expect(fib6Shape(256, large).rootBits).toBe(4);
  });
});
