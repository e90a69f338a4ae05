/**
 * engine.test.ts — turns: who is served when, how much, in which context; wake-ups; exceptions.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../base/assert.js';
import { NEVER } from '../base/time.js';
import { quietEnv } from '../env/env.js';
import { Callout } from './callout.js';
import type { CalloutOwner } from './callout.js';
import { CTX_IDLE, CTX_SOFTINT, CTX_THREAD } from './context.js';
import { Engine } from './engine.js';
import { NETISR_BATCH, Netisr } from './netisr.js';
import type { NetisrSource } from './netisr.js';

const SEED = 20260111;

/** A source with `packets` waiting, that tells of every packet. */
class Source implements NetisrSource {
  netisrQueued = false;
  packets: number;
  readonly netisrOwner: CalloutOwner = { calloutsArmed: 0 };
  private readonly seen: (s: Source) => void;

  constructor(packets: number, seen: (s: Source) => void = () => {}) {
    this.packets = packets;
    this.seen = seen;
  }

  netisrRun(max: number): number {
    let n = 0;
    for (; n < max && this.packets > 0; n++) {
      this.packets--;
      this.seen(this);
    }
    return n;
  }
}

function bench(): { e: Engine; wakes: () => number; log: string[] } {
  let wakes = 0;
  const e = new Engine({ ...quietEnv(1), wake: () => void wakes++ });
  return { e, wakes: () => wakes, log: [] };
}

describe('Netisr', () => {
  it('serves round-robin, a batch each, and the ones with more go to the back', () => {
    const n = new Netisr();
    const order: string[] = [];
    const make = (name: string, packets: number): Source => new Source(packets, () => {
      if (order.at(-1) !== name) order.push(name);
    });
    const [a, b, c] = [make('a', 3 * NETISR_BATCH), make('b', 10), make('c', NETISR_BATCH + 1)];
    for (const s of [a, b, c]) n.schedule(s);
    expect(n.pending).toBe(true);
    expect(n.run(1_000_000)).toBeGreaterThanOrEqual(4 * NETISR_BATCH + 11);
    expect(order).toEqual(['a', 'b', 'c', 'a', 'c', 'a']);
    expect(n.pending).toBe(false);
  });

  it('has a source once, however often it is scheduled', () => {
    const n = new Netisr();
    let calls = 0;
    const s: NetisrSource = {
      netisrQueued: false,
      netisrRun: () => {
        calls++;
        return 0;
      },
    };
    for (let i = 0; i < 5; i++) n.schedule(s);
    n.run(100);
    expect([calls, s.netisrQueued]).toEqual([1, false]);
  });

  it('ends a run at its budget, to a batch, and goes on where it was', () => {
    const n = new Netisr();
    const sources = [new Source(1_000), new Source(1_000)];
    for (const s of sources) n.schedule(s);
    expect(n.run(100)).toBe(2 * NETISR_BATCH);
    expect(n.pending).toBe(true);
    let done = 2 * NETISR_BATCH;
    while (n.pending) done += n.run(100);
    expect(done).toBeGreaterThanOrEqual(2_000);
    expect(sources.map((s) => s.packets)).toEqual([0, 0]);
  });

  it('ends a run although a source schedules itself and has nothing', () => {
    const n = new Netisr();
    const s: NetisrSource = {
      netisrQueued: false,
      netisrRun: () => {
        n.schedule(s);
        return 0;
      },
    };
    n.schedule(s);
    expect(n.run(50)).toBe(50);
  });

  it('keeps everybody scheduled when one throws, the one that threw too, and names its owner', () => {
    const n = new Netisr();
    const good = new Source(10);
    let left = 3;
    const bad = new Source(3, () => {
      if (--left === 1) throw new Error('bad packet');
    });
    n.schedule(bad);
    n.schedule(good);
    expect(() => n.run(100)).toThrow('bad packet');
    expect(n.current).toBe(bad.netisrOwner);
    expect([bad.netisrQueued, good.netisrQueued]).toEqual([true, true]);
    n.run(100);
    expect([bad.packets, good.packets, n.pending]).toEqual([0, 0, false]);
    expect(n.current).toBeNull();
  });

  it('keeps the order when it grows in the middle of its ring', () => {
    const n = new Netisr();
    const served: number[] = [];
    const add = (from: number, to: number): void => {
      for (let i = from; i < to; i++) n.schedule({ netisrQueued: false, netisrRun: () => served.push(i) * 0 + 1 });
    };
    add(0, 50);
    for (let i = 0; i < 40; i++) n.run(1);
    add(50, 300);
    n.run(1_000);
    expect(served).toEqual(Array.from({ length: 300 }, (_, i) => i));
  });

  it('is first in, first out for any number of sources that schedule each other', () => {
    fc.assert(fc.property(fc.array(fc.array(fc.nat(199), { maxLength: 4 }), { minLength: 1, maxLength: 200 }), (edges) => {
      const n = new Netisr();
      const served: number[] = [];
      const sources: NetisrSource[] = edges.map((next, i) => ({
        netisrQueued: false,
        netisrRun: () => {
          served.push(i);
          if (served.length < 500) for (const k of next) if (k < sources.length) add(k);
          return 1;
        },
      }));
      const model: number[] = [];
      const queued = new Set<number>();
      const add = (k: number): void => {
        n.schedule(sources[k]!);
        if (queued.has(k)) return;
        queued.add(k);
        model.push(k);
      };
      let at = 0;
      const serveOne = (): void => {
        queued.delete(model[at]!);
        n.run(1);
        expect(served[at]).toBe(model[at]);
        at++;
      };
      edges.forEach((_, i) => {
        add(i);
        if (i % 3 === 0) serveOne();
      });
      while (n.pending) serveOne();
      expect(served.length).toBe(model.length);
    }), { seed: SEED, numRuns: 60 });
  });
});

describe('Engine', () => {
  it('serves packets, then timers, then deferred work, each in its context', () => {
    const { e, log } = bench();
    const note = (what: string) => (): void => void log.push(`${what}${e.context}`);
    e.defer(note('d'));
    e.calloutReset(new Callout({ calloutsArmed: 0 }, note('t')), 0);
    e.schedule(new Source(1, note('p')));
    e.runTurn(0);
    expect(log).toEqual([`p${CTX_SOFTINT}`, `t${CTX_SOFTINT}`, `d${CTX_THREAD}`]);
    expect(e.context).toBe(CTX_IDLE);
    expect(e.idle).toBe(true);
  });

  it('does deferred work in order, and what it defers in the same turn, after the packets it caused', () => {
    const { e, log } = bench();
    e.defer(() => {
      log.push('1');
      e.defer(() => void log.push('3'));
      e.schedule(new Source(1, () => void log.push('packet')));
    });
    e.defer(() => void log.push('2'));
    e.runTurn(0);
    expect(log).toEqual(['1', '2', 'packet', '3']);
  });

  it('goes on when deferred work ends the owner of what waits behind it', () => {
    const { e, log } = bench();
    const owner: CalloutOwner = { calloutsArmed: 0 };
    e.defer(() => void e.forget(owner));
    e.defer(() => void log.push('of one that is gone'), owner);
    e.runTurn(0); // without an end, should the count of what waits be wrong
    expect([e.deferredCount, e.idle]).toEqual([0, true]);
    e.defer(() => void log.push('later'));
    e.runTurn(0);
    expect(log).toEqual(['later']);
  });

  it('says "now" when the budget ended before the work, and the next turn does the rest', () => {
    const { e } = bench();
    const s = new Source(3_000);
    e.schedule(s);
    e.advance(1_000);
    e.runTurn(1_000);
    expect(s.packets).toBeGreaterThan(0);
    expect(e.nextDeadline()).toBe(1_000);
    for (let i = 0; i < 3; i++) e.runTurn(1_000);
    expect([s.packets, e.nextDeadline()]).toEqual([0, NEVER]);
  });

  it('lets packets that never end starve neither timers nor deferred work', () => {
    const { e, log } = bench();
    const s = new Source(1, () => void s.packets++);
    e.schedule(s);
    e.calloutReset(new Callout({ calloutsArmed: 0 }, () => void log.push('timer')), 0);
    e.defer(() => void log.push('deferred'));
    e.runTurn(0);
    expect(log).toEqual(['timer', 'deferred']);
    expect(e.nextDeadline()).toBe(0);
  });

  it('asks to be woken once until the next turn, for packets, work and earlier deadlines only', () => {
    const { e, wakes } = bench();
    const [late, later] = [new Callout({ calloutsArmed: 0 }, () => {}), new Callout({ calloutsArmed: 0 }, () => {})];
    e.calloutReset(late, 1_000);
    e.schedule(new Source(1));
    e.defer(() => {});
    expect(wakes()).toBe(1);
    e.runTurn(0);
    expect(wakes()).toBe(1);
    e.calloutReset(later, 2_000);
    expect(wakes()).toBe(1);
    e.calloutReset(later, 500);
    e.calloutReset(later, 400);
    expect(wakes()).toBe(2);
    e.runTurn(0);
    e.defer(() => {});
    expect(wakes()).toBe(3);
    e.runTurn(0);
    e.schedule(new Source(1));
    expect(wakes()).toBe(4);
  });

  it('does not ask for a turn while it is in one', () => {
    const { e, wakes } = bench();
    e.schedule(new Source(1, () => {
      e.calloutReset(new Callout({ calloutsArmed: 0 }, () => {}), 5);
      e.defer(() => {});
      const other = new Source(1);
      e.schedule(other);
      e.runTurn(3);
      expect(other.packets).toBe(1);
    }));
    e.runTurn(0);
    expect(wakes()).toBe(1);
    expect([e.now, e.nextDeadline()]).toEqual([3, 5]);
  });

  it('never goes back in time', () => {
    const { e } = bench();
    e.advance(100);
    e.advance(50);
    e.runTurn(70);
    expect(e.now).toBe(100);
  });

  it('arms timers relative to now, and stops them', () => {
    const { e, log } = bench();
    const c = new Callout({ calloutsArmed: 0 }, () => void log.push(String(e.now)));
    e.advance(100);
    e.calloutReset(c, 50);
    expect(e.nextDeadline()).toBe(150);
    e.runTurn(149);
    e.runTurn(152);
    e.calloutReset(c, 1);
    expect(e.calloutStop(c)).toBe(true);
    e.runTurn(200);
    expect(log).toEqual(['152']);
  });

  it('bounds deferred work and counts what it refuses', () => {
    const { e } = bench();
    let done = 0;
    const work = (): void => void done++;
    for (let i = 0; i < 65_536; i++) expect(e.defer(work)).toBe(true);
    expect([e.defer(work), e.deferDrops]).toEqual([false, 1]);
    e.runTurn(0);
    expect([done, e.defer(work)]).toEqual([65_536, true]);
  });

  it.each(['packet', 'timer', 'work'] as const)('loses nothing but the %s that threw, and knows whose it was', (kind) => {
    const { e, log } = bench();
    const [x, y] = [{ calloutsArmed: 0 }, { calloutsArmed: 0 }];
    const bad = (): never => {
      throw new InvariantError(kind);
    };
    const source = (owner: CalloutOwner, fn: () => void): NetisrSource => ({
      netisrOwner: owner, netisrQueued: false,
      netisrRun: () => {
        fn();
        return 1;
      },
    });
    let thrown = false;
    const once = (): void => {
      if (thrown) return;
      thrown = true;
      bad();
    };
    e.schedule(source(x, kind === 'packet' ? once : () => {}));
    e.schedule(source(y, () => void log.push('packet')));
    e.calloutReset(new Callout(x, kind === 'timer' ? bad : () => {}), 0);
    e.calloutReset(new Callout(y, () => void log.push('timer')), 0);
    e.defer(kind === 'work' ? bad : () => {}, x);
    e.defer(() => void log.push('work'), y);
    expect(() => e.runTurn(0)).toThrow(kind);
    expect(e.takeCulprit()).toBe(x);
    expect(e.takeCulprit()).toBeNull();
    expect(e.context).toBe(CTX_IDLE);
    expect(e.nextDeadline()).toBe(0);
    e.runTurn(0);
    expect(log).toEqual(['packet', 'timer', 'work']);
    expect(e.nextDeadline()).toBe(NEVER);
  });

  it('forgets the timers and the work of somebody who is gone', () => {
    const { e, log } = bench();
    const [gone, here] = [{ calloutsArmed: 0 }, { calloutsArmed: 0 }];
    for (const owner of [gone, here]) {
      e.calloutReset(new Callout(owner, () => void log.push(owner === gone ? 'gone' : 'timer')), 5);
      e.defer(() => void log.push(owner === gone ? 'gone' : 'work'), owner);
    }
    expect(e.forget(gone)).toBe(1);
    e.runTurn(5);
    expect(log).toEqual(['timer', 'work']);
    expect(gone.calloutsArmed).toBe(0);
  });

  it('refuses to wait in a packet path only', () => {
    const { e, log } = bench();
    e.schedule(new Source(1, () => expect(() => e.assertThread()).toThrow(InvariantError)));
    e.defer(() => {
      e.assertThread();
      log.push('thread');
    });
    e.runTurn(0);
    e.assertThread();
    expect(log).toEqual(['thread']);
  });
});
