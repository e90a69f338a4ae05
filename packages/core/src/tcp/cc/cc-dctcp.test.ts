/**
 * cc-dctcp.test.ts — DCTCP: how alpha follows the marks, and what it does to the window.
 */
import { describe, expect, it } from 'vitest';
import { CC_ECN, CC_NDUPACK, CC_RTO } from './cc.js';
import { ccDctcp } from './cc-dctcp.js';
import { TestConn } from './test-cc.js';

/** A window of ten segments is acknowledged, the last `marked` of them with ECE. */
function round(tp: TestConn, cc: ReturnType<typeof ccDctcp.make>, marked: number): void {
  for (let i = 0; i < 10; i++) {
    tp.sndUna += 1000;
    cc.ecnAck?.(tp, 1000, i >= 10 - marked);
    tp.sndNxt += 1000;
  }
}

function alphas(marked: number, rounds: number, first = 1024): number[] {
  const tp = new TestConn();
  tp.ccVars.dctcpAlpha = first;
  tp.sndNxt = 10_000;
  const cc = ccDctcp.make(tp);
  const seen: number[] = [];
  round(tp, cc, marked);
  for (let i = 0; i < rounds; i++) {
    round(tp, cc, marked);
    seen.push((cc as unknown as { alpha: number }).alpha);
  }
  return seen;
}

describe('DCTCP', () => {
  // alpha - alpha/16 + marked/acked * 64, in whole 1024ths
  it.each([
    ['nothing', 0, [960, 900, 844, 792]],
    ['half', 5, [989, 960, 932, 906]],
    ['everything', 10, [1024, 1024, 1024, 1024]],
  ])('moves α towards the fraction that was marked: %s', (_, marked, expected) => {
    expect(alphas(marked, 4)).toEqual(expected);
  });

  it('comes down to no marks at all, and up to all', () => {
    expect(alphas(0, 200).at(-1)).toBe(0);
    expect(alphas(10, 200, 0).at(-1)).toBeGreaterThan(1000);
  });

  it.each([
    ['a mark, all marked', CC_ECN, 1024, { cwnd: 10_000, ssthresh: 10_000 }],
    ['a mark, a quarter marked', CC_ECN, 256, { cwnd: 17_500, ssthresh: 17_500 }],
    ['a mark, none marked', CC_ECN, 0, { cwnd: 20_000, ssthresh: 20_000 }],
    ['loss', CC_NDUPACK, 256, { cwnd: 20_000, ssthresh: 10_000 }],
    ['a timeout', CC_RTO, 256, { cwnd: 1000, ssthresh: 10_000 }],
  ] as const)('answers %s', (_, signal, alpha, expected) => {
    const tp = new TestConn();
    tp.ccVars.dctcpAlpha = alpha;
    tp.cwnd = 20_000;
    ccDctcp.make(tp).congSignal(tp, signal);
    expect({ cwnd: tp.cwnd, ssthresh: tp.ssthresh }).toEqual(expected);
  });
});
