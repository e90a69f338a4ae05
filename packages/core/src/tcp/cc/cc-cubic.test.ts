/**
 * cc-cubic.test.ts — CUBIC against RFC 9438's curve, in whole numbers.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CC_ECN, CC_NDUPACK, CC_RTO, CC_RTO_ERR } from './cc.js';
import { ccCubic, cubeRoot, cubicDelta, cubicK } from './cc-cubic.js';
import { TestConn } from './test-cc.js';

const RTT_US = 100_000;

/** One round trip: everything in the window is acknowledged, segment by segment. */
function round(tp: TestConn, cc: ReturnType<typeof ccCubic.make>, rttUs = RTT_US): void {
  const segments = Math.floor(tp.cwnd / tp.maxseg);
  for (let i = 0; i < segments; i++) {
    tp.nowUs += Math.floor(rttUs / segments);
    cc.ackReceived(tp, tp.maxseg);
  }
}

/** A connection that lost a segment with a window of `cwnd`, and has recovered. */
function recovered(cwnd: number): { tp: TestConn; cc: ReturnType<typeof ccCubic.make> } {
  const tp = new TestConn();
  const cc = ccCubic.make(tp);
  tp.cwnd = cwnd;
  tp.ssthresh = cwnd;
  cc.congSignal(tp, CC_NDUPACK);
  tp.pipe = tp.ssthresh;
  cc.postRecovery(tp);
  return { tp, cc };
}

describe('the curve of RFC 9438', () => {
  it.each([[0, 0], [1, 1], [7, 1], [8, 2], [26, 2], [27, 3], [999_999, 99], [1_000_000, 100], [Number.MAX_SAFE_INTEGER, 208_063]])('has %i for the cube root of %i', (x, root) => {
    expect(cubeRoot(x)).toBe(root);
  });

  it('has the cube root of every number', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (x) => {
      const r = BigInt(cubeRoot(x));
      return r * r * r <= BigInt(x) && ((r + 1n) ** 3n > BigInt(x) || r === 208_063n);
    }));
  });

  // K = cbrt(W_max * 0.3 / 0.4) s, in 1/1024 s
  it.each([
    [10, 2004],
    [100, 4318],
    [1000, 9303],
    [10_000, 20_044],
    [100_000, 43_183],
  ])('of a window of %i segments reaches its plateau after %i ticks', (segments, ticks) => {
    expect(cubicK(segments * 1000 - segments * 700, 1000)).toBe(ticks);
  });

  it('is 0.4 t³ segments, to a byte', () => {
    for (const maxseg of [536, 1448, 8948, 65_483]) {
      for (const ticks of [0, 1, 512, 1024, 4318, 10_240, 131_072, 208_063]) {
        const exact = Number((2n * BigInt(maxseg) * BigInt(ticks) ** 3n) / (5n * 2n ** 30n));
        expect(cubicDelta(ticks, maxseg)).toBeLessThanOrEqual(exact);
        expect(exact - cubicDelta(ticks, maxseg)).toBeLessThanOrEqual(1);
        expect(cubicDelta(-ticks, maxseg)).toBe(0 - cubicDelta(ticks, maxseg));
      }
    }
  });

  // W_cubic(t) = 0.4 (t - K)³ + 1000, K = cbrt(750) = 9.0856 s
  it('is followed from the loss to the plateau and beyond', () => {
    const { tp, cc } = recovered(1_000_000);
    const at: Record<number, number> = {};
    for (let second = 1; second <= 15; second++) {
      for (let i = 0; i < 10; i++) round(tp, cc);
      at[second] = Math.round(tp.cwnd / tp.maxseg);
    }
    for (const [t, w] of Object.entries(at)) {
      const model = 0.4 * (Number(t) - 9.0856) ** 3 + 1000;
      expect(Math.abs(w - model), `t=${t}`).toBeLessThan(8);
    }
    expect(at).toMatchObject({ 9: 999, 15: 1080 });
  });
});

describe('CUBIC', () => {
  it('takes 0.7 of the window on loss, and remembers less of it when the plateau was not regained', () => {
    const { tp, cc } = recovered(100_000);
    expect({ cwnd: tp.cwnd, ssthresh: tp.ssthresh }).toEqual({ cwnd: 70_000, ssthresh: 70_000 });
    expect(cc).toMatchObject({ wMax: 100_000, cwndPrior: 100_000 });
    tp.cwnd = 90_000;
    cc.congSignal(tp, CC_ECN);
    expect({ cwnd: tp.cwnd, ssthresh: tp.ssthresh }).toEqual({ cwnd: 63_000, ssthresh: 63_000 });
    expect(cc).toMatchObject({ wMax: 76_500, cwndPrior: 90_000 });
  });

  it('never goes below two segments', () => {
    const { tp } = recovered(2000);
    expect(tp.ssthresh).toBe(2000);
  });

  it('grows as NewReno would where that is faster: by 9/17 segment per round trip, then by one', () => {
    const { tp, cc } = recovered(10_000);
    const windows: number[] = [];
    for (let i = 0; i < 12; i++) {
      round(tp, cc, 1000);
      windows.push(Math.round(tp.cwnd / 100) / 10);
    }
    // 12 ms into the curve W_cubic is where it began
    expect(windows.slice(0, 6)).toEqual([7.5, 8, 8.4, 8.9, 9.4, 9.9]);
    expect(windows.slice(6)).toEqual([10.7, 11.6, 12.5, 13.4, 14.4, 15.3]);
  });

  it('begins the curve anew on its plateau after a timeout', () => {
    const tp = new TestConn();
    const cc = ccCubic.make(tp);
    tp.cwnd = 100_000;
    cc.congSignal(tp, CC_RTO);
    expect({ cwnd: tp.cwnd, ssthresh: tp.ssthresh }).toEqual({ cwnd: 1000, ssthresh: 70_000 });
    while (tp.cwnd < tp.ssthresh) round(tp, cc);
    round(tp, cc);
    expect(cc).toMatchObject({ wMax: 70_000, k: 0 });
  });

  it('takes back what it learnt from a timeout that was none', () => {
    const { tp, cc } = recovered(100_000);
    for (let i = 0; i < 20; i++) round(tp, cc);
    const before = structuredClone({ ...cc });
    const { cwnd, ssthresh } = tp;
    cc.congSignal(tp, CC_RTO);
    cc.congSignal(tp, CC_RTO_ERR);
    Object.assign(tp, { cwnd, ssthresh });
    expect(cc).toMatchObject({ wMax: before['wMax' as never], k: before['k' as never], epochUs: before['epochUs' as never], fresh: false });
  });

  it('does not count time in which the window was not used', () => {
    const used = recovered(1_000_000);
    const idle = recovered(1_000_000);
    for (let i = 0; i < 10; i++) round(used.tp, used.cc);
    for (let i = 0; i < 10; i++) {
      round(idle.tp, idle.cc);
      if (i === 4) idle.tp.nowUs += 60_000_000;
    }
    expect(Math.abs(used.tp.cwnd - idle.tp.cwnd)).toBeLessThan(2000);
  });

  it('never grows by more than half a window in a round trip', () => {
    fc.assert(fc.property(fc.integer({ min: 10, max: 5000 }), fc.integer({ min: 1, max: 500_000 }), (segments, rttUs) => {
      const { tp, cc } = recovered(segments * 1000);
      tp.srttUs = rttUs;
      for (let i = 0; i < 5; i++) {
        const before = tp.cwnd;
        round(tp, cc, rttUs);
        expect(tp.cwnd).toBeLessThanOrEqual(before + (before >> 1) + 1000);
        expect(tp.cwnd).toBeGreaterThanOrEqual(before);
      }
    }), { numRuns: 30 });
  });
});
