/**
 * arp-lltable.test.ts — the neighbour table as a table: look-ups against a Map, bounds, and what is left after destroy.
 * The states of an entry are tested with ARP's messages (inet/arp.test.ts).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quietEnv } from '../env/env.js';
import { Engine } from '../kern/engine.js';
import { VnetKern } from '../kern/vnet-kern.js';
import { IFT_ETHER, Ifnet } from '../net/ifnet.js';
import { LLE_IFADDR, LLE_INCOMPLETE, LLE_STALE, LlParams } from '../net/llentry.js';
import type { LlProtocol } from '../net/llentry.js';
import { ArpLlTable } from './arp-lltable.js';
import type { ArpLlEntry } from './arp-lltable.js';

class Silent implements LlProtocol<ArpLlEntry> {
  asked = 0;
  drops = 0;

  solicit(): number {
    this.asked++;
    return 0;
  }

  flush(): void {}

  unreachable(): void {}

  event(): void {}

  dropped(n: number): void {
    this.drops += n;
  }
}

function table(): { t: ArpLlTable; params: LlParams<ArpLlEntry>; engine: Engine; kern: VnetKern; protocol: Silent } {
  const engine = new Engine(quietEnv(1));
  const kern = new VnetKern(engine, 1, 'v');
  const protocol = new Silent();
  const params = new LlParams(kern, protocol, engine.rng.split('test'));
  const ifp = new Ifnet({ transmit: (_ifp, m) => (m.free(), 0) }, 'em', 0, 'em0', IFT_ETHER, 0, 1500);
  return { t: new ArpLlTable(ifp, params), params, engine, kern, protocol };
}

describe('ArpLlTable', () => {
  it('finds what was put in and nothing else, whatever the order of insertions and removals', () => {
    const addr = fc.oneof(fc.integer({ min: 0xc0000200, max: 0xc0000240 }), fc.integer({ min: 0, max: 0xffffffff }));
    fc.assert(
      fc.property(fc.array(fc.record({ addr, remove: fc.boolean(), fixed: fc.boolean() }), { maxLength: 200 }), (ops) => {
        const { t, kern } = table();
        const model = new Map<number, ArpLlEntry>();
        for (const op of ops) {
          const have = t.lookup(op.addr);
          expect(have).toBe(model.get(op.addr) ?? null);
          if (op.remove && have !== null) {
            t.remove(have);
            model.delete(op.addr);
          } else if (have === null) {
            const made = op.fixed ? t.setStatic(op.addr, 2, 3, 0) : t.create(op.addr);
            if (made !== null) model.set(op.addr, made);
          }
        }
        expect(t.count).toBe(model.size);
        for (const [a, lle] of model) expect(t.lookup(a)).toBe(lle);
        expect(t.entries().map((e) => e.addr)).toEqual([...model.keys()].sort((a, b) => a - b));
        t.destroy();
        expect([t.count, kern.calloutsArmed]).toEqual([0, 0]);
      }),
      { seed: 20260101, numRuns: 200 },
    );
  });

  it('makes room by giving up the oldest unresolved entry, then the oldest stale one; static ones do not count', () => {
    const { t, params } = table();
    params.maxEntries = 3;
    t.setStatic(9, 1, 1, 0);
    const stale = t.create(1);
    t.confirm(stale!, 2, 2, false);
    t.create(2);
    t.create(3);
    t.create(4);
    expect(t.entries().map((e) => [e.addr, e.state])).toEqual([[1, LLE_STALE], [3, LLE_INCOMPLETE], [4, LLE_INCOMPLETE], [9, expect.anything()]]);
    for (const a of [3, 4]) t.confirm(t.lookup(a)!, 2, a, true);
    t.create(5);
    expect(t.entries().map((e) => e.addr)).toEqual([3, 4, 5, 9]);
    t.confirm(t.lookup(5)!, 2, 5, true);
    expect(t.create(6)).toBeNull();
    expect(t.refused).toBe(1);
    t.destroy();
  });

  it('a packet is held, replaced by younger ones, and dropped with the entry; the account comes out even', () => {
    const { t, params, engine, protocol } = table();
    params.maxHold = 2;
    const lle = t.create(1)!;
    for (let i = 0; i < 5; i++) t.hold(lle, engine.pool.alloc(10)!);
    expect([lle.held, params.held, engine.pool.inUse, protocol.drops]).toEqual([2, 2, 2, 3]);
    params.maxHold = 0;
    t.hold(lle, engine.pool.alloc(10)!);
    t.destroy();
    expect([params.held, engine.pool.inUse]).toEqual([0, 0]);
    expect(protocol.drops).toBe(6);
  });

  it('prefixFree forgets neighbours of a network, static ones only when told', () => {
    const { t } = table();
    t.create(0xc0000205);
    t.create(0xc6336405);
    t.setStatic(0xc0000206, 1, 1, 0);
    t.prefixFree(0xc0000200, 0xffffff00, false);
    expect(t.entries().map((e) => e.addr)).toEqual([0xc0000206, 0xc6336405]);
    t.setStatic(0xc0000201, 1, 1, LLE_IFADDR);
    t.prefixFree(0xc0000200, 0xffffff00, true);
    expect(t.entries().map((e) => e.addr)).toEqual([0xc0000201, 0xc6336405]);
    t.destroy();
  });
});
