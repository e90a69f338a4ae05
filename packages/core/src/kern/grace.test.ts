/**
 * grace.test.ts — Engine.grace: who goes on when datapath workers have passed, and where.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { QUIET_RING, QuiescentReader } from '../fwd/quiescence.js';
import { quietEnv } from '../env/env.js';
import { CONTEXT_NAMES, CTX_SOFTINT } from './context.js';
import { Engine } from './engine.js';
import { Limbo } from './limbo.js';
import { READERS_MAX } from './readers.js';

let engine: Engine;
let told: string[];
let wakes: number;

beforeEach(() => {
  wakes = 0;
  engine = new Engine({ ...quietEnv(1), wake: () => void wakes++ });
  told = [];
});

const tell = (what: string) => (): void => void told.push(`${what} in ${CONTEXT_NAMES[engine.context]}`);
const worker = (): QuiescentReader => {
  const r = new QuiescentReader(engine.readers.periods.words, engine.readers.add());
  r.online();
  return r;
};

describe('a grace period', () => {
  it('passes at once without workers, in any context, and with workers that sleep', () => {
    expect(engine.grace(tell('a'))).toBe(true);
    expect(engine.runAs(engine.lwps.softint, CTX_SOFTINT, () => engine.grace(tell('b')))).toBe(true);
    const r = worker();
    r.offline();
    expect(engine.grace(tell('c'))).toBe(true);
    expect([told, engine.readers.waiting, engine.readers.waited]).toEqual([['a in idle', 'b in softint', 'c in idle'], 0, 0]);
  });

  it('goes on as a thread when the last worker has passed and rung', () => {
    const [a, b] = [worker(), worker()];
    expect(engine.grace(tell('done'))).toBe(false);
    expect(a.quiesce()).toBe(QUIET_RING);
    engine.readersPassed();
    engine.runTurn(1);
    expect([told, wakes, engine.readers.waiting]).toEqual([[], 0, 1]);
    expect(b.offline()).toBe(QUIET_RING);
    engine.readersPassed();
    expect([told, wakes]).toEqual([[], 1]);
    engine.runTurn(2);
    expect([told, engine.readers.waiting, engine.readers.waited]).toEqual([['done in thread'], 0, 1]);
    engine.grace(tell('x'));
    a.quiesce();
    engine.readersPassed();
    expect(a.quiesce()).toBe(0); // nobody waits any more: no bell
  });

  it('a turn looks without a bell', () => {
    const r = worker();
    engine.grace(tell('done'));
    r.quiesce();
    engine.runTurn(1);
    expect(told).toEqual(['done in thread']);
  });

  it('one passage serves everybody who waited, in their order, and nobody who came later', () => {
    const r = worker();
    for (const what of ['a', 'b', 'c']) engine.grace(tell(what));
    r.quiesce();
    engine.grace(tell('d'));
    engine.runTurn(1);
    expect([told, engine.readers.waiting]).toEqual([['a in thread', 'b in thread', 'c in thread'], 1]);
  });

  it('a worker that dies or leaves lets everybody go on', () => {
    const [a, b] = [worker(), worker()];
    engine.grace(tell('done'));
    b.offline();
    engine.readers.remove(b.slot);
    engine.runTurn(1);
    expect([told, engine.readers.count]).toEqual([[], 1]);
    engine.readers.bury(a.slot);
    engine.runTurn(2);
    expect([told, engine.readers.count, engine.readers.online]).toEqual([['done in thread'], 0, false]);
  });
});

describe('a limbo', () => {
  const make = (): Limbo<string> => new Limbo(engine.readers, (what) => void told.push(what));

  it('frees at once without workers, and while all sleep', () => {
    const limbo = make();
    limbo.put('a');
    worker().offline();
    limbo.put('b');
    expect([told, limbo.length]).toEqual([['a', 'b'], 0]);
  });

  it('has one period at a time, for all that came before it', () => {
    const limbo = make();
    const r = worker();
    limbo.put('a');
    limbo.put('b');
    limbo.put('c');
    expect([told, limbo.length, engine.readers.waiting]).toEqual([[], 3, 1]);
    r.quiesce();
    engine.runTurn(1);
    expect([told, limbo.length, engine.readers.waiting]).toEqual([['a'], 2, 1]);
    r.quiesce();
    engine.runTurn(2);
    expect([told, limbo.length, engine.readers.waiting]).toEqual([['a', 'b', 'c'], 0, 0]);
  });

  it('a long call finds that a period has passed', () => {
    const limbo = make();
    const r = worker();
    limbo.put('first');
    for (let i = 0; i < 300; i++) {
      if (i === 100) r.quiesce();
      limbo.put(`${i}`);
    }
    expect([told, limbo.length, engine.readers.waiting]).toEqual([['first'], 300, 1]);
    r.offline();
    engine.runTurn(1);
    expect([told.length, limbo.length, engine.readers.waiting]).toEqual([301, 0, 0]);
    expect(told.slice(1)).toEqual(Array.from({ length: 300 }, (_, i) => `${i}`));
  });

  it('the last worker gone, nothing waits', () => {
    const limbo = make();
    const r = worker();
    limbo.put('a');
    engine.readers.bury(r.slot);
    engine.runTurn(1);
    limbo.put('b');
    expect([told, limbo.length]).toEqual([['a', 'b'], 0]);
  });
});

it('there are slots for READERS_MAX workers', () => {
  const slots = Array.from({ length: READERS_MAX + 1 }, () => engine.readers.add());
  expect([slots[0], slots[READERS_MAX - 1], slots[READERS_MAX], engine.readers.count]).toEqual([1, READERS_MAX, 0, READERS_MAX]);
});
