/**
 * plug.test.ts — Linux's plug: its commands and its hazards.
 */
import { describe, expect, it } from 'vitest';
import { EINVAL, ENOBUFS } from '../base/errno.js';
import { Plug, TCQ_PLUG_BUFFER, TCQ_PLUG_LIMIT, TCQ_PLUG_RELEASE_INDEFINITE, TCQ_PLUG_RELEASE_ONE } from './plug.js';
import { FRAME, PlugBench } from './test-plug.js';

class Bench extends PlugBench<Plug> {
  constructor(limitBytes = 48_448) {
    super((kern, sink) => new Plug(kern, sink, limitBytes));
  }

  buffer = (): number => this.plug.change(TCQ_PLUG_BUFFER, 0);
  releaseOne = (): number => this.plug.change(TCQ_PLUG_RELEASE_ONE, 0);
  releaseAll = (): number => this.plug.change(TCQ_PLUG_RELEASE_INDEFINITE, 0);
  limit = (bytes: number): number => this.plug.change(TCQ_PLUG_LIMIT, bytes);

  /** Everything that was allocated has been given back, or is held and counted. */
  get balance(): number {
    return this.engine.pool.inUse - this.plug.packets;
  }
}

describe('the commands', () => {
  it('it is plugged from the first', () => {
    const b = new Bench();
    expect(b.put('abc')).toEqual([0, 0, 0]);
    expect([b.out(), b.plug.packets, b.plug.bytes, b.balance]).toEqual(['', 3, 3 * FRAME, 0]);
  });

  it('BUFFER ends an epoch and RELEASE_ONE lets exactly that go, while the next one fills', () => {
    const b = new Bench();
    b.put('aaa');
    b.buffer();
    b.put('bb');
    b.releaseOne();
    expect(b.out()).toBe('aaa');
    b.put('b');
    b.buffer();
    expect(b.out()).toBe('');
    b.put('c');
    b.releaseOne();
    expect([b.out(), b.plug.packets]).toEqual(['bbb', 1]);
  });

  it('RELEASE_ONE without a closed epoch lets nothing go', () => {
    const b = new Bench();
    b.put('a');
    b.releaseOne();
    expect(b.out()).toBe('');
    b.buffer();
    b.releaseOne();
    expect(b.out()).toBe('a');
  });

  it('RELEASE_INDEFINITE lets everything through, in order, until the next BUFFER', () => {
    const b = new Bench();
    b.put('a');
    b.buffer();
    b.put('b');
    b.releaseAll();
    b.put('c');
    expect([b.out(), b.put('d'), b.taken()]).toEqual(['abc', [0], 'd']);
    b.buffer();
    b.put('e');
    b.releaseOne();
    expect(b.out()).toBe('');
    b.buffer();
    b.releaseOne();
    expect(b.out()).toBe('e');
  });

  it('the limit is in bytes; the newest frame is dropped, and what is there already stays', () => {
    const b = new Bench(2 * FRAME + 1);
    expect(b.put('abc')).toEqual([0, 0, ENOBUFS]);
    expect(b.put('d', 1)).toEqual([0]);
    b.limit(1);
    expect([b.put('e', 1), b.plug.packets, b.plug.stats.dropPackets, b.plug.stats.dropBytes]).toEqual([[ENOBUFS], 3, 2, FRAME + 1]);
    b.buffer();
    b.releaseOne();
    expect([b.out(), b.balance]).toEqual(['abd', 0]);
    b.releaseAll();
    b.out();
    expect(b.put('f')).toEqual([ENOBUFS]);
  });

  it('a frame that was dropped is counted in no epoch', () => {
    const b = new Bench(2 * FRAME);
    b.put('abc');
    b.buffer();
    b.limit(10 * FRAME);
    b.put('d');
    b.releaseOne();
    expect(b.out()).toBe('ab');
  });

  it('another action is refused', () => {
    expect(new Bench().plug.change(4, 0)).toBe(EINVAL);
  });

  it('what is let go leaves in the netisr, a batch at a time', () => {
    const b = new Bench(1_000_000);
    b.put('a'.repeat(200));
    b.releaseAll();
    expect(b.taken()).toBe('');
    expect(b.plug.netisrRun(64)).toBe(64);
    expect([b.taken().length, b.plug.packets]).toEqual([64, 136]);
    expect(b.out()).toHaveLength(136);
  });
});

describe('the hazards', () => {
  it('A: BUFFER twice without a RELEASE_ONE forgets the older epoch, and the queue lags for good', () => {
    const b = new Bench();
    b.put('aaa');
    b.buffer();
    b.put('b');
    b.buffer();
    b.put('c');
    b.releaseOne();
    expect(b.out()).toBe('a');
    b.buffer();
    b.releaseOne();
    expect([b.out(), b.plug.packets]).toEqual(['a', 3]);
    b.releaseAll();
    expect(b.out()).toBe('abc');
  });

  it('B: down frees the frames and keeps the counts, so frames of the open epoch are let go', () => {
    const b = new Bench();
    b.put('aaa');
    b.buffer();
    b.plug.reset();
    expect([b.plug.packets, b.plug.pktsLastEpoch, b.plug.stats.purgedPackets, b.plug.stats.dropPackets]).toEqual([0, 3, 3, 0]);
    b.put('bbbb');
    b.releaseOne();
    expect(b.out()).toBe('bbb');
  });

  it('B: a permission is used up by each attempt that finds no frame', () => {
    const b = new Bench();
    b.put('aaa');
    b.buffer();
    b.plug.reset();
    b.releaseOne();
    expect([b.out(), b.plug.pktsToRelease]).toEqual(['', 2]);
    b.put('b');
    expect([b.out(), b.plug.pktsToRelease]).toEqual(['b', 0]);
  });

  it('C: RELEASE_INDEFINITE and BUFFER before the queue is drained leave frames that nobody counts', () => {
    const b = new Bench();
    b.put('aa');
    b.releaseAll();
    b.buffer();
    b.put('b');
    b.buffer();
    b.releaseOne();
    expect([b.out(), b.plug.packets]).toEqual(['a', 2]);
  });
});

describe('its end', () => {
  it('frees what is held, also what was about to leave, and takes nothing any more', () => {
    const b = new Bench();
    b.put('ab');
    b.releaseAll();
    b.plug.destroy();
    expect([b.put('c'), b.out(), b.engine.pool.inUse, b.plug.stats.purgedPackets]).toEqual([[ENOBUFS], '', 0, 2]);
  });

  it('what came by an interface that leaves goes, the others keep their places', () => {
    const b = new Bench();
    b.put('a', FRAME, 1);
    b.put('b', FRAME, 2);
    b.put('a', FRAME, 1);
    b.put('c', FRAME, 3);
    b.plug.purgeFrom(1);
    expect([b.plug.packets, b.plug.bytes, b.balance]).toEqual([2, 2 * FRAME, 0]);
    b.releaseAll();
    expect(b.out()).toBe('bc');
  });
});
