/**
 * hystart.test.ts — HyStart++ leaves slow start when round trips grow.
 */
import { expect, it } from 'vitest';
import { ccCubic } from './cc-cubic.js';
import { ccNewreno } from './cc-newreno.js';
import { TestConn } from './test-cc.js';

/** Rounds of ten samples of `rttUs` each, and what the window is after each round. */
function windows(algorithm: typeof ccCubic, rttsMs: readonly number[], enable = 1): { cwnd: number[]; ssthresh: number } {
  const tp = new TestConn();
  tp.ccVars.hystart = enable;
  tp.sndNxt = 10_000;
  const cc = algorithm.make(tp);
  const cwnd: number[] = [];
  for (const ms of rttsMs) {
    const end = tp.sndNxt;
    tp.sndNxt = end + 10_000;
    for (let i = 0; i < 10; i++) {
      tp.sndUna += 1000;
      cc.rttSample?.(tp, ms * 1000);
      cc.ackReceived(tp, 1000);
    }
    cwnd.push(tp.cwnd);
  }
  return { cwnd, ssthresh: tp.ssthresh };
}

it.each([ccCubic, ccNewreno])('leaves slow start when the round-trip time has grown for five rounds: $name', (algorithm) => {
  const seen = windows(algorithm, [40, 40, 40, 46, 46, 46, 46, 46, 46, 46]);
  expect(seen.cwnd.slice(0, 3)).toEqual([20_000, 30_000, 40_000]);
  expect(seen.cwnd[4]).toBeLessThan(55_000);
  expect(seen.ssthresh).toBeLessThan(70_000);
});

it('goes on when the growth was a false alarm', () => {
  expect(windows(ccCubic, [40, 40, 46, 40, 40, 40, 40, 40, 40, 40, 40]).ssthresh).toBe(windows(ccCubic, [40], 0).ssthresh);
});

it('is off unless asked for', () => {
  expect(windows(ccCubic, [40, 46, 60, 80], 0).cwnd).toEqual([20_000, 30_000, 40_000, 50_000]);
});
