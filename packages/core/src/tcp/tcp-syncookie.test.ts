/**
 * tcp-syncookie.test.ts — a cookie says what the SYN said, to whom it was given, while it is fresh.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { US_PER_SEC } from '../base/time.js';
import { TcpEnds } from './tcp-ends.js';
import { SyncookieFacts, Syncookies } from './tcp-syncookie.js';

const IRS = 0x7fff_fff0;
const ends = (fport = 40_000): TcpEnds => new TcpEnds().set4(0x0a000001, fport, 0x0a000002, 80);
const facts = new SyncookieFacts();

/** What comes back of an MSS, a window scale and SACK. */
function through(mss: number, wscale: number, sack: boolean): [number, number, boolean] {
  const c = new Syncookies(new Prng(3));
  const iss = c.make(0, ends(), IRS, mss, wscale, sack);
  expect(c.open(0, ends(), IRS, iss, facts)).toBe(true);
  return [facts.mss, facts.wscale, facts.sack];
}

describe('SYN cookies', () => {
  it.each([
    [1_460, 7, true, 1_460, 7], [8_960, 14, true, 1_460, 8], [1_459, 5, false, 1_452, 4], [1_220, 0, true, 1_200, 0], [535, 1, false, 216, 1], [0, -1, false, 216, -1], [1_380, 3, true, 1_360, 2],
  ])('mss %i wscale %i sack %s is mss %i wscale %i', (mss, wscale, sack, mssBack, wscaleBack) => {
    expect(through(mss, wscale, sack as boolean)).toEqual([mssBack, wscaleBack, sack]);
  });

  it('are believed from whom they were given to, for the SYN they answer', () => {
    const c = new Syncookies(new Prng(3));
    const iss = c.make(0, ends(), IRS, 1_460, 7, true);
    expect([
      c.open(0, ends(), IRS, iss, facts), c.open(0, ends(40_001), IRS, iss, facts), c.open(0, ends(), IRS + 1, iss, facts), c.open(0, ends(), IRS, iss + 256, facts),
      c.open(0, ends(), IRS, iss ^ 0x20, facts), new Syncookies(new Prng(4)).open(0, ends(), IRS, iss, facts),
    ]).toEqual([true, false, false, false, false, false]);
  });

  it('guessed at random are right once in 2^24', () => {
    const c = new Syncookies(new Prng(3));
    c.make(0, ends(), IRS, 1_460, 7, true);
    const guess = new Prng(9);
    let hits = 0;
    for (let i = 0; i < 20_000; i++) if (c.open(0, ends(), IRS, guess.u32() | 0, facts)) hits++;
    expect(hits).toBe(0);
  });

  it('are good for 15 to 30 seconds', () => {
    const goodFor = (made: number): number[] => [14, 15, 16, 29, 30, 31, 100].filter((s) => {
      const c = new Syncookies(new Prng(3));
      c.make(0, ends(), IRS, 1_460, 7, true);
      const iss = c.make(made * US_PER_SEC, ends(), IRS, 1_460, 7, true);
      return c.open((made + s) * US_PER_SEC, ends(), IRS, iss, facts);
    });
    // Made when the key was new: it ends as the second one after it is drawn.
    expect(goodFor(0)).toEqual([14, 15, 16, 29]);
    expect(goodFor(14)).toEqual([14, 15]);
  });

  it('of a vnet that never made one are nobody\'s', () => {
    expect(new Syncookies(new Prng(3)).open(0, ends(), IRS, 0, facts)).toBe(false);
  });
});
