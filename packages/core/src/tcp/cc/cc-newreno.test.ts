/**
 * cc-newreno.test.ts — how NewReno opens and closes the window.
 */
import { describe, expect, it } from 'vitest';
import { CC_ECN, CC_NDUPACK, CC_RTO, CcVars, SSTHRESH_INFINITE, initialWindow } from './cc.js';
import { ccNewreno } from './cc-newreno.js';
import { TestConn } from './test-cc.js';

const windows = (tp: TestConn) => ({ cwnd: tp.cwnd, ssthresh: tp.ssthresh });

describe('NewReno', () => {
  it('opens by two segments at most for an acknowledgement, and by a whole super-segment', () => {
    const tp = new TestConn();
    const cc = ccNewreno.make(tp);
    cc.ackReceived(tp, 1000);
    expect(tp.cwnd).toBe(11_000);
    cc.ackReceived(tp, 5000);
    expect(tp.cwnd).toBe(13_000);
    tp.ackedBurst = 4000;
    cc.ackReceived(tp, 5000);
    expect(tp.cwnd).toBe(17_000);
    tp.inRtoRecovery = true;
    cc.ackReceived(tp, 5000);
    expect(tp.cwnd).toBe(18_000);
  });

  it('does not open a window that did not limit the sender, nor beyond what a peer can offer', () => {
    const tp = new TestConn();
    const cc = ccNewreno.make(tp);
    tp.cwndLimited = false;
    cc.ackReceived(tp, 1000);
    expect(tp.cwnd).toBe(10_000);
    tp.cwndLimited = true;
    tp.cwndMax = 10_500;
    cc.ackReceived(tp, 1000);
    expect(tp.cwnd).toBe(10_500);
  });

  it('adds one segment per window in congestion avoidance', () => {
    const tp = new TestConn();
    tp.ssthresh = 5000;
    const cc = ccNewreno.make(tp);
    for (let i = 0; i < 9; i++) cc.ackReceived(tp, 1000);
    expect(tp.cwnd).toBe(10_000);
    cc.ackReceived(tp, 1000);
    expect(tp.cwnd).toBe(11_000);
    for (let i = 0; i < 11; i++) cc.ackReceived(tp, 1000);
    expect(tp.cwnd).toBe(12_000);
    tp.ccVars.rfc3465 = 0;
    cc.ackReceived(tp, 1000);
    expect(tp.cwnd).toBe(12_083);
  });

  it.each([
    ['loss', CC_NDUPACK, 10_000, { cwnd: 10_000, ssthresh: 5000 }],
    ['a mark', CC_ECN, 10_000, { cwnd: 5000, ssthresh: 5000 }],
    ['a timeout', CC_RTO, 10_000, { cwnd: 1000, ssthresh: 5000 }],
    ['loss in a small window', CC_NDUPACK, 3000, { cwnd: 3000, ssthresh: 2000 }],
    ['whole segments', CC_ECN, 7000, { cwnd: 3000, ssthresh: 3000 }],
  ] as const)('answers %s', (_, signal, cwnd, expected) => {
    const tp = new TestConn();
    tp.cwnd = cwnd;
    ccNewreno.make(tp).congSignal(tp, signal);
    expect(windows(tp)).toEqual(expected);
  });

  it('backs off less for a mark when asked to (RFC 8511)', () => {
    const tp = new TestConn();
    tp.ccVars.abe = 1;
    ccNewreno.make(tp).congSignal(tp, CC_ECN);
    expect(windows(tp)).toEqual({ cwnd: 8000, ssthresh: 8000 });
  });

  it('ends recovery without a burst', () => {
    const tp = new TestConn();
    const cc = ccNewreno.make(tp);
    cc.congSignal(tp, CC_NDUPACK);
    tp.pipe = 1500;
    cc.postRecovery(tp);
    expect(windows(tp)).toEqual({ cwnd: 2500, ssthresh: 5000 });
    tp.pipe = 6000;
    cc.postRecovery(tp);
    expect(windows(tp)).toEqual({ cwnd: 5000, ssthresh: 5000 });
  });

  it('restarts after idle with the initial window, and remembers three quarters', () => {
    const tp = new TestConn();
    tp.cwnd = 40_000;
    tp.ssthresh = 20_000;
    ccNewreno.make(tp).afterIdle(tp);
    expect(windows(tp)).toEqual({ cwnd: 10_000, ssthresh: 30_000 });
  });

  it('keeps an unknown ssthresh unknown when idle before anything was learnt', () => {
    const tp = new TestConn();
    ccNewreno.make(tp).afterIdle(tp);
    expect(windows(tp)).toEqual({ cwnd: 10_000, ssthresh: SSTHRESH_INFINITE });
  });
});

describe('the initial window (RFC 6928)', () => {
  it.each([
    [536, false, 5360],
    [1460, false, 14_600],
    [8960, false, 17_920],
    [65_483, false, 130_966],
    [1460, true, 1460],
  ])('is, for segments of %i (SYN again: %s), %i', (maxseg, again, bytes) => {
    expect(initialWindow(new CcVars(), maxseg, again)).toBe(bytes);
  });
});
