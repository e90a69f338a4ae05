/**
 * workqueue.test.ts — works run in thread context, in order, once; who waits is told; what is destroyed does nothing more.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { quietEnv } from '../env/env.js';
import { CTX_SOFTINT, CTX_THREAD } from './context.js';
import { Engine } from './engine.js';
import { VnetKern } from './vnet-kern.js';
import { Work, Workqueue } from './workqueue.js';

let engine: Engine;
let kern: VnetKern;
let seen: string[];

beforeEach(() => {
  engine = new Engine(quietEnv(1));
  kern = new VnetKern(engine, 1, 'v');
  seen = [];
});

const named = (name: string): Work => new Work(() => void seen.push(`${name} in ${engine.context === CTX_THREAD ? 'thread' : 'softint'}`));

describe('a work queue', () => {
  it.each([[false, ['a', 'b', 'c']], [true, ['c', 'b', 'a']]])('lifo %s: does its works in that order, in thread context', (lifo, order) => {
    const wq = new Workqueue(kern, 'test', lifo);
    engine.enter(CTX_SOFTINT);
    for (const name of ['a', 'b', 'c']) expect(wq.enqueue(named(name))).toBe(true);
    engine.leave(0);
    expect([wq.length, engine.deferredCount, seen]).toEqual([3, 1, []]);
    engine.runTurn(1);
    expect(seen).toEqual(order.map((name) => `${name} in thread`));
    expect([wq.length, wq.done]).toEqual([0, 3]);
  });

  it('takes a work again when its function has begun, and not before', () => {
    const wq = new Workqueue(kern, 'test');
    let again = 2;
    const work = new Work(() => {
      seen.push('once');
      if (again-- > 0) wq.enqueue(work);
    });
    wq.enqueue(work);
    expect(() => wq.enqueue(work)).toThrow('workqueue test: work enqueued twice');
    engine.runTurn(1);
    expect(seen).toEqual(['once', 'once', 'once']);
  });

  it('tells who waits: at once when nothing is queued, after the work, and a work never waits for itself', () => {
    const wq = new Workqueue(kern, 'test');
    const work = new Work(() => {
      seen.push('work');
      wq.wait(work, () => seen.push('itself'));
    });
    engine.enter(CTX_THREAD);
    wq.wait(work, () => seen.push('idle'));
    wq.enqueue(work);
    wq.wait(work, () => seen.push('waiter'));
    engine.leave(0);
    engine.runTurn(1);
    expect(seen).toEqual(['idle', 'work', 'itself', 'waiter']);
    engine.enter(CTX_SOFTINT);
    expect(() => wq.wait(work, () => undefined)).toThrow('a packet path must not wait');
  });

  it('refuses what the engine cannot defer, and does nothing after destroy', () => {
    const wq = new Workqueue(kern, 'test');
    const { defer } = engine;
    engine.defer = () => false;
    expect(wq.enqueue(named('a'))).toBe(false);
    engine.defer = defer;
    const work = named('b');
    engine.enter(CTX_THREAD);
    expect(wq.enqueue(work)).toBe(true);
    wq.wait(work, () => seen.push('told'));
    wq.destroy();
    engine.leave(0);
    expect(wq.enqueue(named('c'))).toBe(false);
    engine.runTurn(1);
    expect([seen, wq.length, work.queued]).toEqual([['told'], 0, false]);
  });

  it('goes on with the next work after one that threw', () => {
    const wq = new Workqueue(kern, 'test');
    wq.enqueue(new Work(() => {
      throw new Error('broken');
    }));
    wq.enqueue(named('next'));
    expect(() => engine.runTurn(1)).toThrow('broken');
    engine.runTurn(2);
    expect(seen).toEqual(['next in thread']);
  });
});
