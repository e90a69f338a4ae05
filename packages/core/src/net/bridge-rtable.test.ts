/**
 * bridge-rtable.test.ts — the learning table against a Map, by random operations.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeRtable, IFBAF_DYNAMIC, IFBAF_STATIC } from './bridge-rtable.js';

describe('the learning table', () => {
  it('is a Map of (address, VLAN) whatever is done to it', () => {
    const op = fc.record({
      what: fc.constantFrom('learn', 'learn', 'learn', 'learn', 'remove', 'removeAddress', 'age', 'flushPort', 'move'),
      hi: fc.integer({ min: 0, max: 3 }), lo: fc.integer({ min: -10, max: 10 }), vlan: fc.integer({ min: 0, max: 2 }),
      port: fc.integer({ min: 0, max: 3 }), flags: fc.constantFrom(IFBAF_DYNAMIC, IFBAF_DYNAMIC, IFBAF_STATIC), expire: fc.integer({ min: 0, max: 100 }),
    });
    fc.assert(fc.property(fc.integer(), fc.array(op, { minLength: 100, maxLength: 400 }), (key, ops) => {
      const max = 120;
      const table = new BridgeRtable(key, max);
      const model = new Map<string, { port: number; flags: number; expire: number }>();
      const forget = (gone: (k: string, e: { port: number; flags: number; expire: number }) => boolean): void => {
        for (const [k, e] of model) if (gone(k, e)) model.delete(k);
      };
      for (const { what, hi, lo, vlan, port, flags, expire } of ops) {
        const k = `${hi}/${lo >>> 0}/${vlan}`;
        const slot = table.find(hi, lo >>> 0, vlan);
        expect(slot >= 0).toBe(model.has(k));
        if (what === 'learn' && slot < 0) {
          const fits = model.size < max;
          expect(table.insert(hi, lo, vlan, port, flags, expire)).toBe(fits);
          if (fits) model.set(k, { port, flags, expire });
        } else if (what === 'remove' && slot >= 0) {
          table.removeAt(slot);
          model.delete(k);
        } else if (what === 'move' && slot >= 0) {
          table.move(slot, port);
          model.get(k)!.port = port;
        } else if (what === 'removeAddress') {
          table.removeAddress(hi, lo);
          forget((key2) => key2.startsWith(`${hi}/${lo >>> 0}/`));
        } else if (what === 'age') {
          table.age(expire);
          forget((_k, e) => e.flags === IFBAF_DYNAMIC && e.expire <= expire);
        } else if (what === 'flushPort') {
          table.flush(false, port);
          forget((_k, e) => e.flags === IFBAF_DYNAMIC && e.port === port);
        }
      }
      const listed = table.list().map((e): [string, object] => [`${e.hi}/${e.lo}/${e.vlan}`, { port: e.port, flags: e.flags, expire: e.expire }]);
      expect(new Map(listed)).toEqual(model);
      expect(table.count).toBe(model.size);
      for (let p = 0; p < 4; p++) expect(table.portCount[p] ?? 0).toBe([...model.values()].filter((e) => e.port === p).length);
    }));
  });

  it('lists newest first', () => {
    const table = new BridgeRtable(7, 1_000);
    for (let i = 1; i <= 100; i++) table.insert(2, i, 0, 0, IFBAF_DYNAMIC, 0);
    expect(table.list().map((e) => e.lo)).toEqual(Array.from({ length: 100 }, (_, i) => 100 - i));
  });

  it('forgets dynamic entries only, and only as many as it must, when its limit is lowered', () => {
    const table = new BridgeRtable(7, 100);
    for (let i = 0; i < 50; i++) table.insert(2, i, 0, 0, i < 10 ? IFBAF_STATIC : IFBAF_DYNAMIC, 1_000);
    table.setMax(30, 0);
    expect(table.count).toBe(30);
    table.setMax(5, 0);
    expect(table.list().map((e) => e.flags)).toEqual(new Array(10).fill(IFBAF_STATIC));
  });
});
