/**
 * base.test.ts — error numbers, the generator, sequence numbers, assertions.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError, assert, unreachable } from './assert.js';
import * as errno from './errno.js';
import { Prng, fnv1a } from './prng.js';
import { seqAdd, seqDiff, seqGeq, seqGt, seqLeq, seqLt, seqMax, seqMin } from './seqnum.js';

describe('errno', () => {
  const constants = Object.entries(errno as Record<string, unknown>).filter((e): e is [string, number] => typeof e[1] === 'number' && e[0] !== 'ENOTSUP');

  it('has a name and a text for every constant', () => {
    expect(constants.length).toBeGreaterThan(45);
    for (const [name, number] of constants) {
      expect(errno.errnoName(number)).toBe(name);
      expect(errno.strerror(number)).not.toMatch(/Unknown/);
    }
    expect(new Set(constants.map((c) => c[1])).size).toBe(constants.length);
  });

  it.each([
    [0, 'No error: 0'],
    [errno.ENXIO, 'Device not configured'],
    [errno.EADDRNOTAVAIL, "Can't assign requested address"],
    [errno.EHOSTUNREACH, 'No route to host'],
    [errno.EAGAIN, 'Resource temporarily unavailable'],
    [errno.EOPNOTSUPP, 'Operation not supported'],
    [9999, 'Unknown error: 9999'],
  ])('says of %i what FreeBSD says', (number, text) => {
    expect(errno.strerror(number)).toBe(text);
  });

  it('makes up a name for a number it does not know', () => {
    expect(errno.errnoName(9999)).toBe('E9999');
  });
});

describe('Prng', () => {
  it('gives the stream of its seed', () => {
    const first = (seed: number): number[] => {
      const r = new Prng(seed);
      return [r.u32(), r.u32(), r.u32()];
    };
    expect(first(7)).toEqual(first(7));
    expect(first(7)).not.toEqual(first(8));
    expect(first(0x1_0000_0007)).toEqual(first(7));
  });

  it('is xoshiro128**, seeded by splitmix32', () => {
    const mul = (a: number, b: number): number => Number((BigInt(a) * BigInt(b)) & 0xffff_ffffn);
    const rotl = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;
    const spread = (x: number): number => {
      let z = (x + 0x9e3779b9) >>> 0;
      z = mul(z ^ (z >>> 16), 0x85ebca6b);
      z = mul((z ^ (z >>> 13)) >>> 0, 0xc2b2ae35);
      return (z ^ (z >>> 16)) >>> 0;
    };
    const r = new Prng(12345);
    let [a, b, c, d] = [0, 0, 0, 0];
    a = spread(12345);
    b = spread(a);
    c = spread(b);
    d = (spread(c) | 1) >>> 0;
    for (let i = 0; i < 50; i++) {
      expect(r.u32()).toBe(mul(rotl(mul(b, 5), 7), 9));
      const t = b << 9;
      [c, d] = [c ^ a, d ^ b];
      [b, a] = [b ^ c, a ^ d];
      [a, b, c, d] = [a >>> 0, b >>> 0, (c ^ t) >>> 0, rotl(d, 11)];
    }
  });

  it('gives children that depend on the seed and the name, not on what was drawn', () => {
    const r = new Prng(7);
    const before = r.split('arp').u32();
    for (let i = 0; i < 100; i++) r.u32();
    expect(r.split('arp').u32()).toBe(before);
    expect(r.split('ip').u32()).not.toBe(before);
    expect(new Prng(8).split('arp').u32()).not.toBe(before);
  });

  it('is uniform enough: 256 buckets of the low and of the high byte', () => {
    const r = new Prng(20260101);
    for (const shift of [0, 24]) {
      const buckets = new Array<number>(256).fill(0);
      for (let i = 0; i < 256 * 400; i++) buckets[(r.u32() >>> shift) & 255]!++;
      const chi2 = buckets.reduce((sum, n) => sum + (n - 400) ** 2 / 400, 0);
      expect(chi2).toBeGreaterThan(170);
      expect(chi2).toBeLessThan(350);
    }
  });

  it('stays in the range asked for', () => {
    const seed = 20260102;
    fc.assert(fc.property(fc.integer({ min: 1, max: 0x1_0000_0000 }), fc.nat(), (n, s) => {
      const r = new Prng(s);
      const parallel = new Prng(s);
      for (let i = 0; i < 20; i++) {
        const v = r.below(n);
        expect(v).toBe(Number((BigInt(parallel.u32()) * BigInt(n)) >> 32n));
        expect(Number.isInteger(v) && v >= 0 && v < n).toBe(true);
      }
    }), { seed, numRuns: 200 });
  });

  it('takes chances of nothing and of everything literally', () => {
    const r = new Prng(1);
    for (let i = 0; i < 1000; i++) {
      expect(r.chance(0)).toBe(false);
      expect(r.chance(1)).toBe(true);
    }
    let hits = 0;
    for (let i = 0; i < 10_000; i++) if (r.chance(0.25)) hits++;
    expect(Math.abs(hits - 2_500)).toBeLessThan(150);
  });

  it('hashes as FNV-1a does', () => {
    expect(fnv1a('')).toBe(0x811c9dc5);
    expect(fnv1a('a')).toBe(0xe40c292c);
    expect(fnv1a('foobar')).toBe(0xbf9cf968);
  });
});

describe('sequence numbers', () => {
  it.each([
    [0, 0, 0], [1, 0, 1], [0, 1, -1], [0, 0xffff_ffff, 1], [0xffff_ffff, 0, -1], [5, 0xffff_fff0, 21],
    [0x7fff_ffff, 0, 0x7fff_ffff], [0x8000_0001, 0, -0x7fff_ffff],
  ])('%i is %i plus %i', (a, b, d) => {
    expect(seqDiff(a, b)).toBe(d);
    expect(seqAdd(b, d)).toBe(a);
    expect(seqLt(a, b)).toBe(d < 0);
    expect(seqLeq(a, b)).toBe(d <= 0);
    expect(seqGt(a, b)).toBe(d > 0);
    expect(seqGeq(a, b)).toBe(d >= 0);
    expect(seqMax(a, b)).toBe(d >= 0 ? a : b);
    expect(seqMin(a, b)).toBe(d >= 0 ? b : a);
  });
});

describe('assert', () => {
  it('throws InvariantError, which has its name and message', () => {
    expect(() => assert(true, 'fine')).not.toThrow();
    expect(() => assert(false, 'broken')).toThrow(InvariantError);
    expect(() => unreachable('here')).toThrow('here');
    expect(new InvariantError('x').name).toBe('InvariantError');
  });
});
