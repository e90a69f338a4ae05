/**
 * prison-stop.test.ts — the end of jails: what is at once, who is waited for, and for how long at most.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EAGAIN, EPERM } from '../base/errno.js';
import { US_PER_SEC } from '../base/time.js';
import { quietEnv } from '../env/env.js';
import { Engine } from './engine.js';
import { PrisonStop } from './prison-stop.js';
import type { Prison } from './prison.js';
import { PrisonTree } from './prison.js';
import { VnetKern } from './vnet-kern.js';

/** Jails a > b > c and e below a, and d; what happens to them is in `log`. */
class Yard {
  readonly log: string[] = [];
  readonly messages: string[] = [];
  readonly engine = new Engine({ ...quietEnv(1), log: (level, _vnet, text) => void this.messages.push(`${level}: ${text}`) });
  readonly kern = new VnetKern(this.engine, 0, 'vnet0');
  readonly tree = new PrisonTree<string>('vnet0');
  stuck = '';
  busy = false;
  readonly stop = new PrisonStop<string>(this.tree, this.kern, {
    stop: (p) => {
      this.log.push(`stop ${p.name}`);
      expect(p.parent?.children).toContain(p);
      if (p.name === this.stuck) throw new Error(`${p.name} is stuck`);
    },
    wait: (p) => void this.log.push(`wait ${p.name}`),
    finish: (p) => {
      this.log.push(`finish ${p.name}`);
      expect([p.attached.size, p.dying, p.children]).toEqual([0, true, []]);
    },
    busy: () => this.busy,
  });

  constructor() {
    for (const name of ['a', 'a.b', 'a.b.c', 'd', 'a.e']) this.tree.create(this.tree.prison0, { name, persist: true, attach: false });
  }

  jail(name: string): Prison<string> {
    const prison = this.tree.find(this.tree.prison0, name);
    if (prison === null) throw new Error(`no jail ${name}`);
    return prison;
  }

  get names(): string {
    return this.tree.prison0.descendants().map((p) => p.name).join(' ');
  }

  /** What happened since the last call. */
  get news(): string {
    return this.log.splice(0).join(', ');
  }
}

describe('nobody holds it', () => {
  it('ends processes and takes children first, youngest first, in one call', () => {
    const y = new Yard();
    for (const p of y.tree.prison0.descendants()) {
      p.attached.add({
        kill: () => {
          y.log.push(`kill ${p.name}`);
          expect(y.tree.create(p, { name: 'late', persist: true, attach: false }).error).toBe(EAGAIN);
          expect(y.stop.remove(p)).toBe(0);
        },
      });
    }
    expect(y.stop.remove(y.jail('a'))).toBe(0);
    expect(y.news).toBe('kill e, stop e, kill c, stop c, kill b, stop b, kill a, stop a, finish e, finish c, finish b, finish a');
    expect([y.names, y.engine.callouts.armed, y.messages]).toEqual(['d', 0, []]);
    expect(y.stop.remove(y.tree.prison0)).toBe(EPERM);
  });

  it('takes everything out although stopping one throws', () => {
    const y = new Yard();
    y.stuck = 'c';
    expect(() => y.stop.remove(y.jail('a'))).toThrow('c is stuck');
    expect(y.news).toBe('stop e, stop c, stop b, stop a, finish e, finish c, finish b, finish a');
    expect(y.names).toBe('d');
  });

  it('goes with its last child when nothing else uses it', () => {
    const y = new Yard();
    y.jail('a.b').persist = false;
    y.stop.remove(y.jail('a.b.c'));
    expect(y.news).toBe('stop c, finish c, stop b, finish b');
    expect(y.names).toBe('a e d');
  });
});

describe('somebody holds it', () => {
  it('is stopped at once, is dying, and goes with the last hold', () => {
    const y = new Yard();
    const first = y.jail('a.b.c').hold('process 7 (sleep)');
    const second = y.jail('a.b.c').hold('device tap0');
    y.engine.advance(US_PER_SEC);
    y.stop.remove(y.jail('a'));
    expect(y.news).toBe('stop e, stop c, stop b, stop a, finish e, wait c, wait b, wait a');
    y.engine.advance(3 * US_PER_SEC);
    expect(y.stop.dying().map((d) => [d.prison.name, d.holders, d.dyingUs, d.leftUs])).toEqual([
      ['a', ['jail a.b'], 2e6, 28e6], ['b', ['jail a.b.c'], 2e6, 28e6], ['c', ['process 7 (sleep)', 'device tap0'], 2e6, 28e6],
    ]);
    second();
    second();
    expect([y.news, y.names]).toEqual(['', 'a b c d']);
    first();
    expect(y.news).toBe('finish c, finish b, finish a');
    expect([y.names, y.stop.dying(), y.kern.calloutsArmed]).toEqual(['d', [], 0]);
    expect(y.messages).toEqual([
      'notice: jail 3 (a.b.c) is dying, held by process 7 (sleep), device tap0', 'notice: jail 2 (a.b) is dying, held by jail a.b.c', 'notice: jail 1 (a) is dying, held by jail a.b',
      'info: jail 3 (a.b.c) let go by device tap0 after 2.000 s', 'info: jail 3 (a.b.c) let go by process 7 (sleep) after 2.000 s', 'notice: jail 3 (a.b.c) is gone after 2.000 s',
      'notice: jail 2 (a.b) is gone after 2.000 s', 'notice: jail 1 (a) is gone after 2.000 s',
    ]);
  });

  it('goes when the moment is over in which no vnet may go', () => {
    const y = new Yard();
    const release = y.jail('d').hold('device tap0');
    y.stop.remove(y.jail('d'));
    expect(y.news).toBe('stop d, wait d');
    y.busy = true;
    release();
    expect([y.news, y.jail('d').dying]).toEqual(['', true]);
    y.busy = false;
    y.engine.runTurn(0);
    expect([y.news, y.engine.callouts.armed]).toEqual(['finish d', 0]);
  });

  it('is not prevented from living on by a hold, nor kept from being removed later', () => {
    const y = new Yard();
    const release = y.jail('d').hold('process 1');
    release();
    y.stop.remove(y.jail('d'));
    expect(y.news).toBe('stop d, finish d');
  });

  it('waits no longer than the limit, forces who is left, and says who it was', () => {
    const y = new Yard();
    const forced: string[] = [];
    const late = y.jail('a.b').hold('process 7 (sleep)', () => {
      forced.push('7');
      late();
      throw new Error('still there');
    });
    y.jail('a').hold('device tap0', () => void forced.push('tap0'));
    y.stop.remove(y.jail('a'));
    y.engine.runTurn(30 * US_PER_SEC - 1);
    expect([y.names, forced]).toEqual(['a b d', []]);
    expect(() => y.engine.runTurn(30 * US_PER_SEC)).toThrow('still there');
    y.engine.runTurn(30 * US_PER_SEC);
    expect([y.names, forced, y.kern.calloutsArmed]).toEqual(['d', ['7', 'tap0'], 0]);
    expect(y.messages.filter((m) => m.startsWith('warning'))).toEqual([
      'warning: jail 2 (a.b) no longer waits for process 7 (sleep), after 30.000 s', 'warning: jail 1 (a) no longer waits for device tap0, after 30.000 s',
    ]);
  });

  it('takes a new limit at once', () => {
    const y = new Yard();
    const node = y.kern.sysctl.find('security.jail.stop_limit_s');
    expect([node?.get(), node?.min, node?.max, node?.unit]).toEqual([30, 0, 3600, 's']);
    y.jail('d').hold('process 1');
    y.stop.remove(y.jail('d'));
    y.engine.runTurn(5 * US_PER_SEC);
    expect(node?.set(6)).toBe(0);
    expect(y.stop.dying()[0]?.leftUs).toBe(US_PER_SEC);
    y.engine.runTurn(6 * US_PER_SEC);
    expect(y.names).toBe('a b c e');
  });

  it('is forced when the kernel ends', () => {
    const y = new Yard();
    y.jail('a.b').hold('process 1');
    y.stop.remove(y.jail('a'));
    y.stop.destroy();
    expect([y.names, y.kern.calloutsArmed, y.kern.sysctl.find('security.jail.stop_limit_s')]).toEqual(['d', 0, null]);
  });
});

it('keeps its invariants whatever is made, held, let go and removed', () => {
  const op = fc.record({ what: fc.constantFrom('make', 'hold', 'let go', 'remove', 'wait'), at: fc.nat(40) });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
      const engine = new Engine(quietEnv(1));
      const kern = new VnetKern(engine, 0, 'vnet0');
      const tree = new PrisonTree<string>('');
      const phase = new Map<Prison<string>, 'stopped' | 'finished'>();
      const advance = (p: Prison<string>, from: string | undefined, to: 'stopped' | 'finished'): void => {
        expect([phase.get(p), to === 'finished' ? p.children.length + p.holds.size : 0]).toEqual([from, 0]);
        phase.set(p, to);
      };
      const stop = new PrisonStop<string>(tree, kern, {
        stop: (p) => advance(p, undefined, 'stopped'), wait: () => {}, finish: (p) => advance(p, 'stopped', 'finished'), busy: () => false,
      });
      const holds: (() => void)[] = [];
      for (const { what, at } of ops) {
        const all = tree.prison0.descendants();
        const p = all[at % Math.max(1, all.length)] ?? tree.prison0;
        if (what === 'make') tree.create(tree.prison0, { name: p === tree.prison0 ? `j${at}` : `${p.nameFrom(tree.prison0)}.j${at}`, persist: at % 3 > 0, attach: true });
        else if (what === 'hold') holds.push(p.hold(`${at}`));
        else if (what === 'let go') holds.splice(at % Math.max(1, holds.length), 1)[0]?.();
        else if (what === 'remove') stop.remove(p);
        else engine.runTurn(engine.now + at * US_PER_SEC);
        const dying = tree.prison0.descendants().filter((d) => d.dying);
        for (const d of dying) expect([phase.get(d), d.children.every((c) => c.dying), d.holds.size + d.children.length > 0]).toEqual(['stopped', true, true]);
        expect([stop.dying().map((d) => d.prison), kern.calloutsArmed]).toEqual([dying, dying.length]);
        for (const d of stop.dying()) expect(d.dyingUs).toBeLessThanOrEqual(30 * US_PER_SEC);
      }
      engine.runTurn(engine.now + 31 * US_PER_SEC);
      expect([stop.dying(), kern.calloutsArmed]).toEqual([[], 0]);
    }),
  );
});
