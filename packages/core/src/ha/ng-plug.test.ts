/**
 * ng-plug.test.ts — ng_plug: both modes by their messages, and what is left when hooks and nodes go.
 */
import { describe, expect, test } from 'vitest';
import { EBUSY, EINVAL, ENOBUFS, EOPNOTSUPP } from '../base/errno.js';
import { NgBench, testFrame } from '../sim/ng-bench.js';
import { EpochPlug } from './epoch-plug.js';
import { ngPlugOf } from './ng-plug.js';

function bench(): NgBench {
  const b = new NgBench();
  b.mkpeer('.', 'plug', 'in', 'in');
  b.name('in', 'p');
  b.connect('.', 'p:', 'out', 'out');
  return b;
}

const say = (b: NgBench, ...frames: readonly number[]): number[] => frames.map((n) => b.send('in', testFrame(1, n)));
const heard = (b: NgBench): number[] => b.frames('out').map((frame) => frame[11]!);

describe('as Linux does', () => {
  test('it holds one way, by buffer and releaseone', () => {
    const b = bench();
    say(b, 1, 2);
    b.send('out', testFrame(2, 9));
    expect([heard(b), b.counts('in')]).toEqual([[], [1]]);
    b.ascii('p:', 'buffer');
    say(b, 3);
    b.ascii('p:', 'releaseone');
    expect(heard(b)).toEqual([1, 2]);
    expect(b.ascii('p:', 'getstats')).toBe('{ packets=1 octets=60 sentPackets=2 sentOctets=120 limitBytes=1514000 }');
    b.ascii('p:', 'releaseindefinite');
    say(b, 4);
    expect(heard(b)).toEqual([3, 4]);
  });

  test('the limit is in bytes', () => {
    const b = bench();
    b.ascii('p:', 'setlimit { bytes=120 }');
    expect(say(b, 1, 2, 3)).toEqual([0, 0, ENOBUFS]);
    expect(b.ascii('p:', 'getstats')).toContain('dropPackets=1 dropOctets=60 limitBytes=120');
    expect([b.asciiError('p:', 'setlimit { packets=5 }'), b.asciiError('p:', 'closeepoch'), b.asciiError('p:', 'release 0'), b.asciiError('p:', 'abandon')])
      .toEqual([EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP]);
  });
});

describe('by epochs', () => {
  test('everything passes until the first is closed; an open epoch is not released', () => {
    const b = bench();
    b.ascii('p:', 'setmode 1');
    say(b, 1);
    expect(heard(b)).toEqual([1]);
    expect(b.ascii('p:', 'closeepoch')).toBe('0');
    say(b, 2, 3);
    expect(b.ascii('p:', 'closeepoch')).toBe('1');
    say(b, 4);
    expect([b.asciiError('p:', 'release 2'), heard(b)]).toEqual([EINVAL, []]);
    b.advance(1_500);
    expect(b.ascii('p:', 'getstats')).toBe('{ mode=1 packets=3 octets=180 ageUs=1500 sentPackets=1 sentOctets=60 limitBytes=4194304 openEpoch=2 closedEpochs=1 }');
    b.ascii('p:', 'release 1');
    expect(heard(b)).toEqual([2, 3]);
    b.ascii('p:', 'abandon');
    say(b, 5);
    expect(heard(b)).toEqual([4, 5]);
    expect(b.asciiError('p:', 'buffer')).toBe(EOPNOTSUPP);
  });

  test('a program uses the plug itself', () => {
    const b = bench();
    b.ascii('p:', 'setmode 1');
    const plug = ngPlugOf(b.base.byName('p')!);
    if (!(plug instanceof EpochPlug)) throw new Error('no epochs');
    b.inside(() => plug.closeEpoch());
    say(b, 1);
    expect([heard(b), b.inside(() => plug.release(plug.closeEpoch())), heard(b)]).toEqual([[], 0, [1]]);
    expect(ngPlugOf(b.socket.node)).toBeNull();
  });

  test('limits in bytes and packets', () => {
    const b = bench();
    b.ascii('p:', 'setmode 1');
    b.ascii('p:', 'closeepoch');
    b.ascii('p:', 'setlimit { packets=2 }');
    expect(say(b, 1, 2, 3)).toEqual([0, 0, ENOBUFS]);
    expect(b.asciiError('p:', 'setlimit { packets=100000 }')).toBe(EINVAL);
    b.ascii('p:', 'setlimit { bytes=130 packets=10 }');
    expect(say(b, 4)).toEqual([ENOBUFS]);
  });
});

describe('modes, hooks and the end', () => {
  test('the mode changes while nothing is held', () => {
    const b = bench();
    say(b, 1);
    expect([b.asciiError('p:', 'setmode 1'), b.asciiError('p:', 'setmode 0'), b.asciiError('p:', 'setmode 2')]).toEqual([EBUSY, 0, EINVAL]);
    b.ascii('p:', 'releaseindefinite');
    expect(heard(b)).toEqual([1]);
    b.ascii('p:', 'setmode 1');
    b.ascii('p:', 'setmode 0');
    say(b, 2);
    expect(heard(b)).toEqual([]);
  });

  test('without `out` what was held is lost, and counted; other hooks there are none', () => {
    const b = bench();
    say(b, 1);
    expect(b.connect('.', 'p:', 'x', 'left')).toBe(EINVAL);
    b.rmhook('.', 'out');
    expect(b.ascii('p:', 'getstats')).toContain('purgedPackets=1 purgedOctets=60');
    expect(b.kernel.engine.pool.inUse).toBe(0);
  });

  test('a node that ends frees what it holds, and the audit has counted it', () => {
    const b = bench();
    say(b, 1, 2);
    expect(b.kernel.audit().unaccounted.packets).toBe(0);
    expect(b.base.packetsHeld).toBe(2);
    b.shutdown('p:');
    b.settle();
    expect([b.base.packetsHeld, b.kernel.engine.pool.inUse]).toEqual([0, 0]);
  });
});
