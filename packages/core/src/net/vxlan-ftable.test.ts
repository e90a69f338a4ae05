/**
 * vxlan-ftable.test.ts — the table of a vxlan equals a map, after any sequence of calls.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VXLAN_FE_DYNAMIC, VXLAN_FE_STATIC, VxlanFtable } from './vxlan-ftable.js';

const MAX = 40;
const address = fc.nat(60);
const step = fc.oneof(
  fc.record({ do: fc.constant('learn' as const), mac: address, addr: fc.nat(3), at: fc.nat(100) }),
  fc.record({ do: fc.constant('add' as const), mac: address, addr: fc.nat(3), at: fc.nat(100) }),
  fc.record({ do: fc.constant('remove' as const), mac: address, addr: fc.nat(3), at: fc.nat(100) }),
  fc.record({ do: fc.constantFrom('expire' as const, 'flush' as const, 'flushall' as const), mac: address, addr: fc.nat(3), at: fc.nat(100) }),
);

interface Known {
  addr: number;
  type: number;
  expire: number;
}

/** What the table should do, in a Map. */
class Model {
  readonly map = new Map<number, Known>();

  run(s: { readonly do: string; readonly mac: number; readonly addr: number; readonly at: number }): void {
    const known = this.map.get(s.mac);
    const forget = (test: (k: Known) => boolean): void => {
      for (const [mac, k] of this.map) if (test(k)) this.map.delete(mac);
    };
    if (s.do === 'learn' && known !== undefined) Object.assign(known, { expire: s.at, addr: known.type === VXLAN_FE_DYNAMIC ? s.addr : known.addr });
    else if (s.do === 'learn' && this.map.size < MAX) this.map.set(s.mac, { addr: s.addr, type: VXLAN_FE_DYNAMIC, expire: s.at });
    else if (s.do === 'add' && known === undefined && this.map.size < MAX) this.map.set(s.mac, { addr: s.addr, type: VXLAN_FE_STATIC, expire: Infinity });
    else if (s.do === 'remove') this.map.delete(s.mac);
    else if (s.do === 'expire') forget((k) => k.type === VXLAN_FE_DYNAMIC && k.expire <= s.at);
    else if (s.do === 'flush') forget((k) => k.type === VXLAN_FE_DYNAMIC);
    else if (s.do === 'flushall') this.map.clear();
  }
}

/** The `n`th address: both halves vary. */
const hiOf = (n: number): number => (n & 7) * 0x0200;
const loOf = (n: number): number => Math.imul(n, 0x9e3779b1);

function apply(t: VxlanFtable, s: { readonly do: string; readonly mac: number; readonly addr: number; readonly at: number }): void {
  const [hi, lo] = [hiOf(s.mac), loOf(s.mac)];
  const slot = t.find(hi, lo);
  if (s.do === 'learn') t.learn(hi, lo, s.addr, 4789, s.at);
  else if (s.do === 'add' && slot < 0) t.insert(hi, lo, s.addr, 4789, VXLAN_FE_STATIC, Infinity);
  else if (s.do === 'remove' && slot >= 0) t.removeAt(slot);
  else if (s.do === 'expire') t.age(s.at);
  else if (s.do.startsWith('flush')) t.flush(s.do === 'flushall');
}

describe('VxlanFtable', () => {
  it('is a map with ageing and a bound', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(step, { maxLength: 300 }), (key, steps) => {
        const t = new VxlanFtable(key);
        t.max = MAX;
        const model = new Model();
        for (const s of steps) {
          apply(t, s);
          model.run(s);
          expect(t.count).toBe(model.map.size);
        }
        expect(t.dynamic).toBe([...model.map.values()].filter((k) => k.type === VXLAN_FE_DYNAMIC).length);
        expect(t.list()).toHaveLength(model.map.size);
        for (const [mac, k] of model.map) {
          const slot = t.find(hiOf(mac), loOf(mac));
          expect([t.addrAt(slot), t.portAt(slot)]).toEqual([k.addr, 4789]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keeps addresses and ports of every value', () => {
    const t = new VxlanFtable(1);
    expect(t.learn(0xffff, -1, 0xffff_ffff, 65_535, 9)).toBe(true);
    expect(t.list()).toEqual([{ hi: 0xffff, lo: 0xffff_ffff, addr: 0xffff_ffff, port: 65_535, type: VXLAN_FE_DYNAMIC, expire: 9 }]);
  });
});
