/**
 * quiescence.test.ts — grace periods over words: both sides on one thread, step by step.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  GracePeriods, QUIET, QUIET_DEAD, QUIET_RING, QuiescentReader, quiescenceWords, READER_ABSENT, READER_DEAD, READER_OFFLINE, READER_ONLINE,
} from './quiescence.js';
import { watchingAtomics } from './test-atomics.js';

let writer: GracePeriods;

beforeEach(() => {
  writer = new GracePeriods(quiescenceWords(3));
});

const reader = (): QuiescentReader => new QuiescentReader(writer.words, writer.claim());

describe('grace periods', () => {
  it('pass at once while nobody reads', () => {
    expect(writer.passed(writer.begin())).toBe(true);
    const r = reader();
    expect([writer.state(r.slot), writer.passed(writer.begin())]).toEqual([READER_OFFLINE, true]);
  });

  it('wait for a quiescent point of every reader that was online, and for no other', () => {
    const [a, b, c] = [reader(), reader(), reader()];
    expect([a.online(), b.online()]).toEqual([QUIET, QUIET]);
    const period = writer.begin();
    expect(writer.passed(period)).toBe(false);
    expect(c.online()).toBe(QUIET); // it came when the thing was out already
    expect(a.quiesce()).toBe(QUIET);
    expect(writer.passed(period)).toBe(false);
    expect(b.offline()).toBe(QUIET);
    expect(writer.passed(period)).toBe(true);
    expect(writer.passed(writer.begin())).toBe(false);
  });

  it('an older period has passed when a younger one has, over the end of the numbers', () => {
    const r = reader();
    r.online();
    Atomics.store(writer.words, 0, 0x7fff_fffe);
    r.quiesce();
    const periods = [writer.begin(), writer.begin(), writer.begin()];
    expect(periods).toEqual([0x7fff_ffff, -0x8000_0000, -0x7fff_ffff]);
    expect(periods.map((p) => writer.passed(p))).toEqual([false, false, false]);
    r.quiesce();
    expect(periods.map((p) => writer.passed(p))).toEqual([true, true, true]);
  });

  it('a reader that slept through half of all numbers is waited for like any other', () => {
    const r = reader();
    r.online();
    r.offline();
    Atomics.store(writer.words, 0, -0x8000_0000 + 10);
    const seen: boolean[] = [];
    // Between its STATE and its ACK.
    watchingAtomics(['compareExchange'], () => seen.push(writer.passed(writer.begin())), () => r.online(), 'behind');
    expect(seen).toEqual([false]);
  });

  it('readers ring only while somebody waits, and only when they passed something', () => {
    const r = reader();
    r.online();
    writer.wait(true);
    expect(r.quiesce()).toBe(QUIET);
    writer.begin();
    expect([r.quiesce(), r.quiesce(), r.offline(), r.online()]).toEqual([QUIET_RING, QUIET, QUIET_RING, QUIET_RING]);
    writer.wait(false);
    writer.begin();
    expect([r.quiesce(), r.offline()]).toEqual([QUIET, QUIET]);
  });

  it('a beat for every batch', () => {
    const r = reader();
    r.online();
    const before = writer.beat(r.slot);
    r.quiesce();
    r.quiesce();
    expect(writer.beat(r.slot) - before).toBe(2);
  });
});

describe('slots', () => {
  it('are given out once, come back, and end', () => {
    const [a, b, c] = [writer.claim(), writer.claim(), writer.claim()];
    expect([a, b, c, writer.claim()]).toEqual([1, 2, 3, 0]);
    writer.release(b);
    expect([writer.state(b), writer.claim()]).toEqual([READER_ABSENT, b]);
  });

  it('one that may be reading is not given up', () => {
    const r = reader();
    r.online();
    expect(() => writer.release(r.slot)).toThrow('may be reading');
    expect(writer.state(r.slot)).toBe(READER_ONLINE);
  });

  it('the dead are not waited for, and their slot can be had', () => {
    const r = reader();
    r.online();
    const period = writer.begin();
    expect(writer.passed(period)).toBe(false);
    writer.bury(r.slot);
    expect([writer.passed(period), writer.state(r.slot)]).toEqual([true, READER_DEAD]);
    const next = reader();
    expect([next.slot, next.online()]).toEqual([r.slot, QUIET]);
  });

  it('who was thought dead hears of it at the next quiescent point, asleep or not', () => {
    const [a, b] = [reader(), reader()];
    a.online();
    writer.bury(a.slot);
    writer.bury(b.slot);
    expect([a.quiesce(), a.isOnline, b.online(), b.isOnline]).toEqual([QUIET_DEAD, false, QUIET_DEAD, false]);
    const c = reader();
    c.online();
    writer.bury(c.slot);
    expect([c.offline(), writer.state(c.slot)]).toEqual([QUIET_DEAD, READER_DEAD]);
    writer.release(c.slot);
    expect(writer.state(c.slot)).toBe(READER_ABSENT);
  });
});

describe('a reader out of order', () => {
  it.each<[string, (r: QuiescentReader) => void, RegExp]>([
    ['online twice', (r) => [r.online(), r.online()], /online twice/],
    ['offline twice', (r) => [r.online(), r.offline(), r.offline()], /offline twice/],
    ['a quiescent point while offline', (r) => {
      writer.begin();
      r.quiesce();
    }, /quiescent point of a reader that is offline/],
  ])('%s fails', (_name, run, text) => {
    expect(() => run(reader())).toThrow(text);
  });
});

it('without shared memory there is one thread, and the words are an ordinary array', () => {
  const shared = globalThis.SharedArrayBuffer;
  try {
    Reflect.deleteProperty(globalThis, 'SharedArrayBuffer');
    const words = quiescenceWords(2);
    expect(words.buffer).toBeInstanceOf(ArrayBuffer);
    const alone = new GracePeriods(words);
    const r = new QuiescentReader(words, alone.claim());
    r.online();
    const period = alone.begin();
    expect([alone.passed(period), r.quiesce(), alone.passed(period)]).toEqual([false, QUIET, true]);
  } finally {
    globalThis.SharedArrayBuffer = shared;
  }
  expect(quiescenceWords(1).buffer).toBeInstanceOf(SharedArrayBuffer);
});
