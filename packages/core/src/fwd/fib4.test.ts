/**
 * fib4.test.ts — the compiled table against a list of prefixes and a loop.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ip4MaskOf } from '../wire/addr.js';
import { FIB4_VALUE_MAX, Fib4, Fib4View, fib4Shape } from './fib4.js';
import type { Fib4Shape } from './fib4.js';

/** Longest match by looking at every prefix. */
class NaiveLpm {
  readonly routes = new Map<string, { readonly prefix: number; readonly plen: number; readonly value: number }>();

  set(prefix: number, plen: number, value: number): void {
    this.routes.set(`${prefix}/${plen}`, { prefix, plen, value });
  }

  delete(prefix: number, plen: number): boolean {
    return this.routes.delete(`${prefix}/${plen}`);
  }

  /** [plen, value] of the longest prefix no longer than `max` that contains `dst`; [-1, 0] for none. */
  match(dst: number, max = 32): readonly [number, number] {
    let best: readonly [number, number] = [-1, 0];
    for (const r of this.routes.values()) {
      if (r.plen > max || r.plen <= best[0] || ((dst ^ r.prefix) & ip4MaskOf(r.plen)) !== 0) continue;
      best = [r.plen, r.value];
    }
    return best;
  }
}

const SMALL: Fib4Shape = { rootBits: 8, stride: 6 };
const MIDDLE: Fib4Shape = { rootBits: 16, stride: 8 };
const SPARSE: Fib4Shape = { rootBits: 16, stride: 4 };
const LARGE: Fib4Shape = { rootBits: 20, stride: 4 };
const HUGE: Fib4Shape = { rootBits: 24, stride: 4 };

/** Prefixes that overlap often: few bits vary, at all depths. */
const prefixArb = fc
  .tuple(fc.constantFrom(0x0a000000, 0x0a010000, 0x0a0101c0, 0xfffffff0, 0), fc.integer({ min: 0, max: 32 }), fc.nat(0xffffffff), fc.nat(31))
  .map(([base, plen, noise, shift]) => ({ prefix: ((base ^ (noise & (0xf << shift))) & ip4MaskOf(plen)) >>> 0, plen }));
/** Answers that 16 bits hold, and sometimes one that they do not. */
const valueArb = fc.oneof({ weight: 50, arbitrary: fc.integer({ min: 1, max: 40 }) }, { weight: 1, arbitrary: fc.constantFrom(0x7fff, 0x8000, FIB4_VALUE_MAX) });
const opArb = fc.tuple(prefixArb, valueArb, fc.boolean(), fc.nat());

function edges(prefix: number, plen: number): number[] {
  const last = (prefix | ~ip4MaskOf(plen)) >>> 0;
  return [prefix, last, (prefix - 1) >>> 0, (last + 1) >>> 0];
}

function agree(fib: Fib4, naive: NaiveLpm, dsts: readonly number[]): void {
  const batch = new Int32Array(dsts.length);
  fib.lookupBatch(Int32Array.from(dsts), batch, 0, dsts.length);
  for (const [i, dst] of dsts.entries()) {
    const [plen, value] = naive.match(dst);
    if (fib.match(dst) === plen && fib.lookup(dst) === value && batch[i] === value) continue;
    expect([fib.match(dst), fib.lookup(dst), batch[i]], `dst ${dst.toString(16)}`).toEqual([plen, value, value]);
  }
}

/** Applies operations to both, comparing at the edges of every prefix seen; ends with taking everything out. */
function differ(shape: Fib4Shape, ops: readonly (readonly [{ prefix: number; plen: number }, number, boolean, number])[]): void {
  const fib = new Fib4(shape);
  const naive = new NaiveLpm();
  const remove = (prefix: number, plen: number): void => {
    if (!naive.delete(prefix, plen)) return;
    const [coverPlen, cover] = naive.match(prefix, plen - 1);
    expect(fib.match(prefix, plen), 'length of the cover').toBe(coverPlen);
    fib.remove(prefix, plen, cover);
    fib.reclaim();
  };
  const seen: number[] = [];
  for (const [{ prefix, plen }, value, add, pick] of ops) {
    if (add || naive.routes.size === 0) {
      naive.set(prefix, plen, value);
      fib.insert(prefix, plen, value);
      seen.push(...edges(prefix, plen));
    } else {
      const victim = [...naive.routes.values()][pick % naive.routes.size];
      if (victim !== undefined) remove(victim.prefix, victim.plen);
    }
    agree(fib, naive, seen.slice(-40));
  }
  agree(fib, naive, seen);
  for (const r of [...naive.routes.values()]) {
    remove(r.prefix, r.plen);
    agree(fib, naive, edges(r.prefix, r.plen));
  }
  expect(fib.nodes, 'nodes left').toBe(0);
  expect(fib.t.subarray(0, 1 << shape.rootBits).every((e) => e === 0), 'an empty root').toBe(true);
}

describe('Fib4', () => {
  it.each([
    ['small', SMALL, 300],
    ['middle', MIDDLE, 20],
    ['sparse', SPARSE, 20],
    ['large', LARGE, 2],
    ['huge', HUGE, 1],
  ] as const)('agrees with the naive match under random inserts and deletes: %s', (_name, shape, numRuns) => {
    fc.assert(fc.property(fc.array(opArb, { minLength: 1, maxLength: 60 }), (ops) => differ(shape, ops)), { numRuns });
  });

  it('finds nothing in an empty table and everything under a default route', () => {
    const fib = new Fib4(SMALL);
    expect(fib.lookup(0)).toBe(0);
    expect(fib.lookup(0xffffffff)).toBe(0);
    fib.insert(0, 0, FIB4_VALUE_MAX);
    for (const dst of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]) expect(fib.lookup(dst)).toBe(FIB4_VALUE_MAX);
    fib.remove(0, 0, 0);
    expect(fib.lookup(0x80000000)).toBe(0);
  });

  it('removing a prefix that is not there changes nothing', () => {
    const fib = new Fib4(SMALL);
    fib.insert(0x0a000000, 8, 1);
    const before = fib.t.slice();
    fib.remove(0x0a000000, 24, 1);
    fib.remove(0x0b000000, 8, 0);
    expect(fib.t).toEqual(before);
  });

  it('keeps two halves of a folded-looking node apart, because each can go alone', () => {
    const fib = new Fib4(SMALL);
    fib.insert(0x0a000000, 9, 5);
    fib.insert(0x0a800000, 9, 5);
    fib.insert(0x0a000000, 10, 6);
    fib.remove(0x0a000000, 10, 5);
    expect(fib.nodes).toBe(1);
    fib.remove(0x0a000000, 9, 0);
    expect(fib.lookup(0x0a000001)).toBe(0);
    expect(fib.lookup(0x0a800001)).toBe(5);
    fib.remove(0x0a800000, 9, 0);
    expect(fib.nodes).toBe(0);
  });

  it('uses a freed node again only after reclaim', () => {
    const fib = new Fib4(SMALL);
    fib.insert(0x0a000001, 32, 1);
    expect(fib.nodes).toBe(4);
    fib.remove(0x0a000001, 32, 0);
    expect(fib.nodes).toBe(0);
    expect(fib.retiredCount).toBe(4);
    const length = fib.t.length;
    fib.reclaim();
    for (let i = 0; i < 1000; i++) {
      fib.insert(0x0b000000 + i, 32, 1);
      fib.remove(0x0b000000 + i, 32, 0);
      fib.reclaim();
    }
    expect(fib.t.length).toBe(length);
  });

  it('costs some 2 KiB for what a lab vnet has: loopback and two connected networks', () => {
    const fib = new Fib4(fib4Shape(0, null));
    fib.insert(0x7f000001, 32, 1);
    fib.insert(0xc0000200, 24, 2);
    fib.insert(0xc0000201, 32, 3);
    fib.insert(0, 0, 4);
    expect(fib.bytes).toBeLessThanOrEqual(2_400);
  });

  it('gives a reader made from the bare array the same answers, and the writer says when it moved', () => {
    const fib = new Fib4(SMALL, true);
    let moves = 0;
    fib.onGrow = () => {
      moves++;
    };
    for (let i = 0; i < 200; i++) fib.insert((i << 24) >>> 0, 16, i + 1);
    expect(moves).toBeGreaterThan(0);
    expect(fib.t.buffer).toBeInstanceOf(SharedArrayBuffer);
    const reader = new Fib4View(new Int16Array(fib.t.buffer), SMALL);
    for (let i = 0; i < 200; i++) expect(reader.lookup(((i << 24) | 7) >>> 0)).toBe(i + 1);
  });
});

describe('fib4Shape', () => {
  it('grows at once and shrinks late', () => {
    const small = fib4Shape(256, null);
    expect(small.rootBits).toBe(8);
    const middle = fib4Shape(257, small);
    expect(middle).toMatchObject({ rootBits: 16, stride: 8 });
    expect(fib4Shape(65, middle)).toBe(middle);
    expect(fib4Shape(64, middle)).toBe(small);
    const sparse = fib4Shape(4_097, middle);
    expect(sparse).toMatchObject({ rootBits: 16, stride: 4 });
    expect(fib4Shape(1_024, sparse)).toBe(middle);
    const large = fib4Shape(32_769, sparse);
    expect(large.rootBits).toBe(20);
    expect(fib4Shape(8_193, large)).toBe(large);
    expect(fib4Shape(8_192, large)).toBe(sparse);
    expect(fib4Shape(0, large)).toBe(small);
    const huge = fib4Shape(262_145, large);
    expect(huge.rootBits).toBe(24);
    expect(fib4Shape(65_537, huge)).toBe(huge);
    expect(fib4Shape(65_536, huge).rootBits).toBe(20);
  });
});
