/**
 * epoch-plug.test.ts — frames by epochs: what may leave when, against a model too.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EINVAL, ENOBUFS } from '../base/errno.js';
import { EpochPlug } from './epoch-plug.js';
import type { EpochPlugLimits } from './epoch-plug.js';
import { FRAME, PlugBench } from './test-plug.js';

class Bench extends PlugBench<EpochPlug> {
  constructor(limits: Partial<EpochPlugLimits> = {}) {
    super((kern, sink) => new EpochPlug(kern, sink, limits));
  }
}

describe('epochs', () => {
  it('frames pass until the first epoch is closed', () => {
    const b = new Bench();
    b.put('ab');
    expect([b.taken(), b.plug.passes, b.plug.closedEpochs]).toEqual(['ab', true, 0]);
    expect([b.plug.closeEpoch(), b.plug.passes, b.put('c'), b.out()]).toEqual([0, false, [0], '']);
  });

  it('an epoch that is open, or has not begun, cannot be released', () => {
    const b = new Bench();
    expect(b.plug.release(0)).toBe(EINVAL);
    b.plug.closeEpoch();
    b.put('a');
    expect([b.plug.release(1), b.plug.release(2), b.plug.release(-1), b.plug.release(0.5), b.plug.release(NaN), b.out()]).toEqual([EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, '']);
    expect([b.plug.release(0), b.out()]).toEqual([0, '']);
  });

  it('several may be closed; one acknowledgement covers all before it, and one that is late nothing', () => {
    const b = new Bench();
    b.plug.closeEpoch();
    for (const letters of ['aaa', 'b', '', 'cc']) {
      b.put(letters);
      b.plug.closeEpoch();
    }
    b.put('d');
    expect([b.plug.open, b.plug.closedEpochs]).toEqual([5, 4]);
    expect(b.plug.heldByEpoch()).toEqual([1, 2, 4, 5].map((epoch, i) => ({ epoch, packets: [3, 1, 2, 1][i], bytes: [3, 1, 2, 1][i]! * FRAME })));
    b.plug.release(3);
    expect([b.out(), b.plug.closedEpochs]).toEqual(['aaab', 1]);
    b.plug.release(1);
    expect(b.out()).toBe('');
    b.plug.release(4);
    expect([b.out(), b.plug.packets]).toEqual(['cc', 1]);
  });

  it('hazard A is none: two epochs closed without a release', () => {
    const b = new Bench();
    b.plug.closeEpoch();
    b.put('aaa');
    b.plug.closeEpoch();
    b.put('b');
    b.plug.closeEpoch();
    b.put('c');
    b.plug.release(1);
    expect(b.out()).toBe('aaa');
    b.plug.release(2);
    expect([b.out(), b.plug.packets]).toEqual(['b', 1]);
  });

  it('hazard B is none: down frees the frames, is counted, and lets nothing of the open epoch go', () => {
    const b = new Bench();
    b.plug.closeEpoch();
    b.put('aaa');
    const epoch = b.plug.closeEpoch();
    b.plug.reset();
    b.put('bbb');
    b.plug.release(epoch);
    expect([b.out(), b.plug.packets, b.plug.stats.purgedPackets, b.plug.stats.purgedBytes]).toEqual(['', 3, 3, 3 * FRAME]);
    b.plug.release(b.plug.closeEpoch());
    expect(b.out()).toBe('bbb');
  });

  it('hazard C is none: given up, and closed again before the queue was drained', () => {
    const b = new Bench();
    b.plug.closeEpoch();
    b.put('aa');
    b.plug.abandon();
    b.plug.closeEpoch();
    b.put('b');
    expect([b.out(), b.plug.packets]).toEqual(['aa', 1]);
  });

  it('abandon lets everything go, in order, and a release of before it lets nothing go afterwards', () => {
    const b = new Bench();
    b.plug.closeEpoch();
    b.put('a');
    const stale = b.plug.closeEpoch();
    b.put('b');
    b.plug.abandon();
    b.put('c');
    expect([b.taken(), b.out(), b.plug.passes]).toEqual(['', 'abc', true]);
    b.plug.closeEpoch();
    b.put('d');
    expect([b.plug.release(stale), b.out(), b.plug.packets]).toEqual([0, '', 1]);
  });
});

describe('limits', () => {
  it('bytes and packets: the newest is dropped, and counted', () => {
    const b = new Bench({ bytesMax: 3 * FRAME, packetsMax: 4 });
    b.plug.closeEpoch();
    expect([b.put('abc'), b.put('d'), b.plug.stats.dropPackets, b.plug.stats.dropBytes]).toEqual([[0, 0, 0], [ENOBUFS], 1, FRAME]);
    b.plug.limits.bytesMax = 100 * FRAME;
    expect([b.put('ef'), b.plug.stats.dropPackets]).toEqual([[0, ENOBUFS], 2]);
    b.plug.release(b.plug.closeEpoch());
    expect(b.out()).toBe('abce');
  });

  it('how much is held, and since when', () => {
    const b = new Bench();
    b.plug.closeEpoch();
    expect(b.plug.ageUs).toBe(0);
    b.put('a');
    b.out(700);
    b.put('b', 60);
    b.out(300);
    expect([b.plug.packets, b.plug.bytes, b.plug.ageUs]).toEqual([2, FRAME + 60, 1_000]);
    b.plug.destroy();
    expect([b.plug.ageUs, b.engine.pool.inUse, b.put('c'), b.engine.pool.inUse]).toEqual([0, 0, [ENOBUFS], 0]);
  });
});

type Step = { readonly do: 'put'; readonly n: number } | { readonly do: 'close' | 'abandon' | 'down' | 'serve' } | { readonly do: 'release'; readonly back: number };

const steps = fc.array(fc.oneof<fc.Arbitrary<Step>[]>(
  fc.record({ do: fc.constant('put' as const), n: fc.constantFrom(1, 2, 3, 80) }),
  fc.record({ do: fc.constantFrom('close' as const, 'close' as const, 'serve' as const, 'down' as const, 'abandon' as const) }),
  fc.record({ do: fc.constant('release' as const), back: fc.integer({ min: -1, max: 3 }) }),
), { minLength: 10, maxLength: 60 });

describe('whatever is done to it', () => {
  it('no frame leaves before its epoch was released or given up, none twice, none out of order, and every one is accounted for', () => {
    fc.assert(fc.property(steps, (script) => {
      const left: number[] = [];
      const b = new PlugBench((kern) => new EpochPlug(kern, (m) => {
        left.push(m.view.getUint32(m.off));
        m.free();
        return 0;
      }, { packetsMax: 300 }));
      const { plug } = b;
      /** Epoch of each frame, and the epochs that somebody has said may go. */
      const epochs: number[] = [];
      let open = 0;
      let may = 0;
      let serial = 0;
      for (const step of script) {
        if (step.do === 'put') {
          for (let i = 0; i < step.n; i++) {
            const m = b.frame('x');
            m.view.setUint32(m.off, serial++);
            epochs.push(open);
            plug.output(m);
          }
        } else if (step.do === 'close') open = plug.closeEpoch() + 1;
        else if (step.do === 'abandon') {
          plug.abandon();
          may = open;
        } else if (step.do === 'release') {
          const asked = open - step.back;
          expect(plug.release(asked)).toBe(asked < 0 || asked >= open ? EINVAL : 0);
          if (asked < open) may = Math.max(may, asked);
        } else if (step.do === 'down') plug.reset();
        else b.out();
        for (const id of left) expect(epochs[id]).toBeLessThanOrEqual(may);
        expect(plug.released).toBe(may);
      }
      plug.abandon();
      b.out();
      expect(left).toEqual([...left].sort((x, y) => x - y));
      expect(new Set(left).size).toBe(left.length);
      const { sentPackets, dropPackets, purgedPackets } = plug.stats;
      expect([sentPackets, sentPackets + dropPackets + purgedPackets, plug.packets, b.engine.pool.inUse]).toEqual([left.length, serial, 0, 0]);
    }));
  });
});
