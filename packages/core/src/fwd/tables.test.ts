/**
 * tables.test.ts — the small flat tables: address sets, next hops and groups, flow hashes.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddrSet } from './addr-set.js';
import { AddrSet6 } from './addr-set6.js';
import { flowHash4 } from './flow-hash.js';
import { NHOP_GROUP, NHOP_VALID, NhopTable } from './nhop-table.js';
import { watchingAtomics } from './test-atomics.js';

describe('AddrSet', () => {
  it('behaves as a counted set', () => {
    const op = fc.tuple(fc.boolean(), fc.constantFrom(...Array.from({ length: 60 }, (_, i) => (0xc0000200 + i * 7919) >>> 0)));
    fc.assert(
      fc.property(fc.array(op, { maxLength: 400 }), (ops) => {
        const set = new AddrSet();
        const model = new Map<number, number>();
        for (const [add, addr] of ops) {
          const n = model.get(addr) ?? 0;
          if (add) {
            set.add(addr);
            model.set(addr, n + 1);
          } else {
            set.delete(addr);
            if (n > 0) model.set(addr, n - 1);
          }
        }
        for (const [addr, n] of model) expect(set.has(addr)).toBe(n > 0);
        expect(set.size).toBe([...model.values()].filter((n) => n > 0).length);
      }),
    );
  });

  it('never holds 0.0.0.0 or 255.255.255.255, and stays small under churn', () => {
    const set = new AddrSet();
    for (const addr of [0, 0xffffffff]) {
      set.add(addr);
      expect(set.has(addr)).toBe(false);
      set.delete(addr);
    }
    for (let i = 1; i <= 10_000; i++) {
      set.add(i);
      set.delete(i);
    }
    expect(set.has(0xffffffff)).toBe(false);
    expect(set.words.length).toBe(16);
    expect(set.size).toBe(0);
  });
});

describe('AddrSet6', () => {
  it('behaves as a counted set', () => {
    const addrs = Array.from({ length: 60 }, (_, i) => [i % 3 === 0 ? 0 : 0x20010db8, i % 5, Math.imul(i, 0x9e3779b1) | 0, i % 7] as const);
    const op = fc.tuple(fc.boolean(), fc.nat(addrs.length - 1));
    fc.assert(
      fc.property(fc.array(op, { maxLength: 400 }), (ops) => {
        const set = new AddrSet6();
        const model = new Map<number, number>();
        for (const [add, i] of ops) {
          if (addrs[i]!.every((w) => w === 0)) continue;
          const n = model.get(i) ?? 0;
          if (add) set.add(...addrs[i]!);
          else set.delete(...addrs[i]!);
          model.set(i, add ? n + 1 : Math.max(0, n - 1));
        }
        for (const [i, n] of model) expect(set.has(...addrs[i]!)).toBe(n > 0);
        expect(set.size).toBe([...model.values()].filter((n) => n > 0).length);
      }),
    );
  });

  it('never holds :: or the address of all ones, costs nothing while empty, and stays small under churn', () => {
    const set = new AddrSet6();
    for (const w of [0, -1]) {
      set.add(w, w, w, w);
      expect(set.has(w, w, w, w)).toBe(false);
      set.delete(w, w, w, w);
    }
    expect(set.words.length).toBe(0);
    for (let i = 1; i <= 10_000; i++) {
      set.add(0x20010db8, 0, 0, i);
      set.delete(0x20010db8, 0, 0, i);
    }
    expect([set.words.length, set.size]).toEqual([16, 0]);
    expect(set.has(-1, -1, -1, -1)).toBe(false);
  });
});

describe('NhopTable', () => {
  it('keeps next hops while it grows', () => {
    const t = new NhopTable();
    for (let i = 1; i <= 300; i++) t.setHop(i, NHOP_VALID, i * 2, 1500 + i, (0xc0000000 + i) >>> 0, i, -i, 7);
    for (let i = 1; i <= 300; i++) expect([t.flags(i), t.ifIndex(i), t.gateway(i), t.mtu(i)]).toEqual([NHOP_VALID, i * 2, (0xc0000000 + i) >>> 0, 1500 + i]);
    for (let i = 1; i <= 300; i++) expect([0, 1, 2, 3].map((n) => t.gateway6(i, n))).toEqual([(0xc0000000 + i) | 0, i, -i, 7]);
    t.clearHop(7);
    expect([t.flags(7), t.gateway6(7, 3)]).toEqual([0, 0]);
  });

  it('shared, a record ends with an exchange, behind which other threads see all of it', () => {
    const t = new NhopTable(true);
    t.setHop(1, NHOP_VALID, 0, 0, 0);
    t.setGroup(0, [1]);
    const seen: number[][] = [];
    const look = (): unknown => seen.push([t.ifIndex(1), t.mtu(1), t.gateway6(1, 3), ...t.members.subarray(t.groups[1], (t.groups[1] ?? 0) + 2)]);
    watchingAtomics(['exchange'], look, () => {
      t.setHop(1, NHOP_VALID, 7, 1_500, 1, 2, 3, 4);
      t.setGroup(0, [1, 1]);
    });
    expect(seen.map((words) => words.slice(0, 3))).toEqual([[7, 1_500, 4], [7, 1_500, 4]]);
    expect([seen[1]?.slice(3), t.flags(1), t.select(NHOP_GROUP, 1)]).toEqual([[1, 1], NHOP_VALID, 1]);
  });

  it('selects a group member by flow, and survives regrouping for ever', () => {
    const t = new NhopTable();
    expect(t.select(5, 99)).toBe(5);
    for (let i = 0; i < 1000; i++) {
      t.setGroup(0, [1, 2, 2]);
      t.setGroup(1 + (i % 3), [3, 4]);
      if (i % 2 === 0) t.clearGroup(1 + (i % 3));
      expect([0, 1, 2, 3, 0xffffffff].map((flow) => t.select(NHOP_GROUP, flow))).toEqual([1, 2, 2, 1, 1]);
    }
    expect(t.members.length).toBeLessThan(64);
  });
});

describe('flowHash4', () => {
  it('is one number per flow, never 0, and spreads over few slots', () => {
    const slots = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) {
      const h = flowHash4(0x0a000001, 0x0a000002, 17, 1024 + i, 53, 7);
      expect(h).toBeGreaterThan(0);
      expect(h).toBe(flowHash4(0x0a000001, 0x0a000002, 17, 1024 + i, 53, 7));
      slots[h % 4] = (slots[h % 4] ?? 0) + 1;
    }
    for (const n of slots) expect(Math.abs(n - 1000)).toBeLessThan(150);
    expect(flowHash4(1, 2, 17, 3, 4, 7)).not.toBe(flowHash4(1, 2, 17, 3, 4, 8));
  });
});
