/**
 * callout.test.ts — timers: order, re-arming, stopping, charging; a property test against a sorted list.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../base/assert.js';
import { NEVER } from '../base/time.js';
import { Callout, CalloutQueue } from './callout.js';
import type { CalloutOwner } from './callout.js';

const SEED = 20260110;

/** A queue, timers named by letters, and what fired. */
function bench(names: string): { q: CalloutQueue; owner: CalloutOwner; fired: string[]; t: Record<string, Callout>; on: Map<string, () => void> } {
  const q = new CalloutQueue();
  const owner: CalloutOwner = { calloutsArmed: 0 };
  const fired: string[] = [];
  const t: Record<string, Callout> = {};
  const on = new Map<string, () => void>();
  for (const n of names) {
    t[n] = new Callout(owner, () => {
      fired.push(n);
      on.get(n)?.();
    });
  }
  return { q, owner, fired, t, on };
}

describe('CalloutQueue', () => {
  it('fires in the order of deadlines, then of arming', () => {
    const { q, fired, t } = bench('abcde');
    q.reset(t['a']!, 30);
    q.reset(t['b']!, 10);
    q.reset(t['c']!, 20);
    q.reset(t['d']!, 10);
    q.reset(t['e']!, 40);
    expect(q.nextDeadline).toBe(10);
    expect(q.run(30, 100)).toBe(4);
    expect(fired.join('')).toBe('bdca');
    expect(q.nextDeadline).toBe(40);
    expect(q.armed).toBe(1);
  });

  it('re-arms in place: one expiry, and the arming counts anew among equals', () => {
    const { q, owner, fired, t } = bench('ab');
    q.reset(t['a']!, 10);
    q.reset(t['b']!, 10);
    q.reset(t['a']!, 10);
    expect([q.armed, owner.calloutsArmed]).toEqual([2, 2]);
    q.run(10, 100);
    expect(fired.join('')).toBe('ba');
    q.reset(t['a']!, 50);
    q.reset(t['a']!, 20);
    expect(q.nextDeadline).toBe(20);
    q.reset(t['a']!, 60);
    expect(q.run(50, 100)).toBe(0);
    expect(q.run(60, 100)).toBe(1);
    expect(owner.calloutsArmed).toBe(0);
  });

  it('does not fire what is stopped, also from inside another that is due at the same time', () => {
    const { q, fired, t, on } = bench('abc');
    for (const n of 'abc') q.reset(t[n]!, 5);
    on.set('a', () => expect(q.stop(t['b']!)).toBe(true));
    q.run(5, 100);
    expect(fired.join('')).toBe('ac');
    expect(q.stop(t['b']!)).toBe(false);
    expect(t['b']!.pending).toBe(false);
  });

  it('lets a timer stop, re-arm and make due itself while it fires', () => {
    const { q, fired, t, on } = bench('ab');
    on.set('a', () => {
      expect(t['a']!.pending).toBe(false);
      expect(q.stop(t['a']!)).toBe(false);
      if (fired.length < 3) q.reset(t['a']!, 7);
    });
    q.reset(t['a']!, 5);
    q.reset(t['b']!, 6);
    q.run(7, 100);
    expect(fired.join('')).toBe('aba');
    expect(q.armed).toBe(0);
  });

  it('stops at its budget and goes on from there; one that re-arms at once cannot hold up a run', () => {
    const { q, fired, t, on } = bench('ab');
    on.set('a', () => q.reset(t['a']!, 0));
    q.reset(t['a']!, 0);
    q.reset(t['b']!, 0);
    expect(q.run(1, 10)).toBe(10);
    expect(fired.slice(0, 3).join('')).toBe('aba');
    expect(q.nextDeadline).toBe(0);
  });

  it('charges each owner, and knows whose timer threw', () => {
    const q = new CalloutQueue();
    const [x, y] = [{ calloutsArmed: 0 }, { calloutsArmed: 0 }];
    let ran = 0;
    const bad = new Callout(x, () => {
      throw new Error('bad');
    });
    q.reset(bad, 1);
    q.reset(new Callout(y, () => void ran++), 1);
    q.reset(new Callout(x, () => void ran++), 1);
    expect([x.calloutsArmed, y.calloutsArmed]).toEqual([2, 1]);
    expect(() => q.run(1, 100)).toThrow('bad');
    expect(q.current).toBe(x);
    expect(q.stopAllOf(x)).toBe(1);
    expect(q.run(1, 100)).toBe(1);
    expect(q.current).toBeNull();
    expect([ran, x.calloutsArmed, y.calloutsArmed, q.armed]).toEqual([1, 0, 0, 0]);
  });

  it('refuses a deadline that is no number, and may be armed for never', () => {
    const { q, t } = bench('a');
    expect(() => q.reset(t['a']!, NaN)).toThrow(InvariantError);
    q.reset(t['a']!, NEVER);
    expect([q.run(Number.MAX_SAFE_INTEGER, 1), q.nextDeadline, q.armed]).toEqual([0, NEVER, 1]);
  });

  it('does what a sorted list does, whatever is armed, moved, stopped and fired', () => {
    const op = fc.oneof(
      fc.record({ op: fc.constant('reset'), i: fc.nat(19), at: fc.nat(100) }),
      fc.record({ op: fc.constant('stop'), i: fc.nat(19), at: fc.constant(0) }),
      fc.record({ op: fc.constant('run'), i: fc.nat(8), at: fc.nat(100) }),
      fc.record({ op: fc.constant('stopAllOf'), i: fc.nat(2), at: fc.constant(0) }),
    );
    fc.assert(fc.property(fc.array(fc.nat(100), { minLength: 20, maxLength: 20 }), fc.array(op, { maxLength: 100 }), (first, rest) => {
      const ops = [...first.map((at, i) => ({ op: 'reset', i, at })), ...rest];
      const q = new CalloutQueue();
      const owners = [{ calloutsArmed: 0 }, { calloutsArmed: 0 }, { calloutsArmed: 0 }];
      const fired: number[] = [];
      const timers = Array.from({ length: 20 }, (_, i) => new Callout(owners[i % 3]!, () => void fired.push(i)));
      let model: { i: number; at: number; seq: number }[] = [];
      let seq = 0;
      for (const { op: what, i, at } of ops) {
        if (what === 'reset') {
          q.reset(timers[i]!, at);
          model = [...model.filter((m) => m.i !== i), { i, at, seq: seq++ }];
        } else if (what === 'stop') {
          expect(q.stop(timers[i]!)).toBe(model.some((m) => m.i === i));
          model = model.filter((m) => m.i !== i);
        } else if (what === 'stopAllOf') {
          expect(q.stopAllOf(owners[i]!)).toBe(model.filter((m) => m.i % 3 === i).length);
          model = model.filter((m) => m.i % 3 !== i);
        } else {
          const due = model.filter((m) => m.at <= at).sort((a, b) => a.at - b.at || a.seq - b.seq).slice(0, i);
          fired.length = 0;
          expect(q.run(at, i)).toBe(due.length);
          expect(fired).toEqual(due.map((m) => m.i));
          model = model.filter((m) => !due.includes(m));
        }
        expect(q.armed).toBe(model.length);
        expect(q.nextDeadline).toBe(Math.min(NEVER, ...model.map((m) => m.at)));
        timers.forEach((c, k) => expect(c.pending).toBe(model.some((m) => m.i === k)));
        owners.forEach((o, k) => expect(o.calloutsArmed).toBe(model.filter((m) => m.i % 3 === k).length));
      }
    }), { seed: SEED, numRuns: 300 });
  });
});
