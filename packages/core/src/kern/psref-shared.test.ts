/**
 * psref-shared.test.ts — passive references of workers: the contract, both sides on one thread.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { PASSIVE_REFS_MAX, PassiveHolder, PassiveRef, TARGET_DRAINING, TARGET_FREE, TARGET_LIVE } from '../fwd/passive.js';
import { QUIET, QUIET_RING, QuiescentReader } from '../fwd/quiescence.js';
import { quietEnv } from '../env/env.js';
import { CTX_SOFTINT } from './context.js';
import { Engine } from './engine.js';
import { SharedPsrefClass } from './psref-shared.js';

let engine: Engine;
let cls: SharedPsrefClass;
let told: string[];

beforeEach(() => {
  engine = new Engine(quietEnv(1));
  cls = new SharedPsrefClass(engine, 'test', 40);
  told = [];
  cls.targetInit(33);
});

interface Worker {
  readonly reader: QuiescentReader;
  readonly refs: PassiveHolder;
}

const worker = (): Worker => {
  const reader = new QuiescentReader(engine.readers.periods.words, engine.readers.add());
  reader.online();
  return { reader, refs: new PassiveHolder(cls.words, cls.targets, reader) };
};
const destroy = (): boolean => cls.targetDestroy(33, 'w', () => void told.push('gone'));

describe('a target', () => {
  it('is destroyed at once without workers, and can be used again', () => {
    expect([destroy(), told, cls.state(33)]).toEqual([true, ['gone'], TARGET_FREE]);
    cls.targetInit(33);
    expect([destroy(), told]).toEqual([true, ['gone', 'gone']]);
    cls.destroy();
  });

  it('is destroyed when the batches are over and all references are back, also over a sleep', () => {
    const [a, b] = [worker(), worker()];
    const [one, two, copy] = [new PassiveRef(), new PassiveRef(), new PassiveRef()];
    a.refs.acquire(one, 33);
    expect(destroy()).toBe(false);
    b.refs.acquire(two, 33); // found it in the batch that is not over
    a.reader.quiesce();
    a.reader.offline();
    b.reader.quiesce();
    engine.runTurn(1);
    expect([told, cls.state(33), cls.count(33), cls.draining]).toEqual([[], TARGET_DRAINING, 2, 1]);
    expect(() => b.refs.acquire(new PassiveRef(), 33)).toThrow('already destroyed');
    b.refs.copy(copy, two);
    b.refs.release(two, 33);
    expect(b.reader.quiesce()).toBe(QUIET_RING); // who waits looks
    engine.runTurn(2);
    a.reader.online();
    a.refs.release(one, 33);
    a.reader.quiesce();
    engine.runTurn(3);
    expect(told).toEqual([]);
    b.refs.release(copy, 33);
    expect([b.reader.quiesce(), b.reader.quiesce()]).toEqual([QUIET_RING, QUIET]);
    engine.runTurn(4);
    expect([told, cls.state(33), cls.draining, engine.readers.waiting]).toEqual([['gone'], TARGET_FREE, 0, 0]);
    for (const w of [a, b]) w.refs.assertNone();
  });

  it('does not wait for the references of a worker that died', () => {
    const [a, b] = [worker(), worker()];
    const other = new PassiveRef();
    cls.targetInit(1);
    a.refs.acquire(new PassiveRef(), 33);
    a.refs.acquire(new PassiveRef(), 1);
    b.refs.acquire(other, 1);
    destroy();
    b.reader.quiesce();
    engine.readers.bury(a.reader.slot);
    engine.runTurn(1);
    expect([told, cls.count(33), cls.count(1)]).toEqual([['gone'], 0, 1]);
  });

  it.each<[string, () => void, RegExp]>([
    ['is not destroyed by two', () => {
      worker();
      destroy();
      destroy();
    }, /destroyed twice at a time \(w\)/],
    ['is not destroyed when it is not there', () => cls.targetDestroy(1, 'w', () => undefined), /already destroyed \(w\)/],
    ['is not made twice', () => cls.targetInit(33), /in use/],
    ['is not destroyed in softint', () => engine.runAs(engine.lwps.softint, CTX_SOFTINT, destroy), /must not wait/],
    ['keeps its class', () => cls.destroy(), /destroyed while in use/],
  ])('%s', (_name, run, text) => {
    expect(run).toThrow(text);
    expect(told).toEqual([]);
  });
});

it.each<[string, (a: Worker, b: Worker, ref: PassiveRef) => void, RegExp]>([
  ['twice', (a, _b, ref) => {
    a.refs.acquire(ref, 33);
    a.refs.acquire(ref, 33);
  }, /acquiring twice/],
  ['while asleep', (a, _b, ref) => {
    a.reader.offline();
    a.refs.acquire(ref, 33);
  }, /offline/],
  ['to what is not there', (a, _b, ref) => a.refs.acquire(ref, 2), /already destroyed/],
  ['too often', (a) => {
    for (let i = 0; i <= PASSIVE_REFS_MAX; i++) a.refs.acquire(new PassiveRef(), 33);
  }, /too many/],
  ['given back twice', (a, _b, ref) => {
    a.refs.acquire(ref, 33);
    a.refs.release(ref, 33);
    a.refs.release(ref, 33);
  }, /unused/],
  ['given back by another', (a, b, ref) => {
    a.refs.acquire(ref, 33);
    b.refs.release(ref, 33);
  }, /another worker/],
  ['given back for another', (a, _b, ref) => {
    a.refs.acquire(ref, 33);
    a.refs.release(ref, 34);
  }, /another target/],
  ['copied from another', (a, b, ref) => {
    a.refs.acquire(ref, 33);
    b.refs.copy(new PassiveRef(), ref);
  }, /not ours/],
  ['copied onto another', (a, _b, ref) => {
    a.refs.acquire(ref, 33);
    a.refs.copy(ref, ref);
  }, /acquiring twice/],
  ['kept at the end', (a, _b, ref) => {
    a.refs.acquire(ref, 33);
    a.refs.assertNone();
  }, /a worker ends with 1 passive reference$/],
])('a reference %s fails', (_name, run, text) => {
  const [a, b] = [worker(), worker()];
  expect(() => run(a, b, new PassiveRef())).toThrow(text);
});

it('held speaks for its own worker', () => {
  const [a, b] = [worker(), worker()];
  expect(cls.state(33)).toBe(TARGET_LIVE);
  a.refs.acquire(new PassiveRef(), 33);
  expect([a.refs.held(33), b.refs.held(33)]).toEqual([true, false]);
});
