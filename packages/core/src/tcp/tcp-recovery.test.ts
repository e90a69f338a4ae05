/**
 * tcp-recovery.test.ts — what is sent again, and when, after scripted losses and delays; random runs in which the invariants hold after every turn.
 * The path takes 10 ms each way; segments carry 1448 bytes; times are ms since the first segment, numbers are segments.
 */
import { describe, expect, it } from 'vitest';
import { Pair } from '../sim/tcp-pair.js';
import type { Fate, PairOptions } from '../sim/tcp-pair.js';

const MSS = 1448;
const MODES = { rack: {}, sack: { 'rack.enable': 0 }, newreno: { 'sack.enable': 0 } } as const;
type Mode = keyof typeof MODES;
const COUNTERS = ['sndrexmitpack', 'sndrexmitbad', 'rexmttimeo', 'tlpprobes', 'sack_recovery_episode', 'sack_rexmits', 'sack_lostrexmt', 'dsack_count'];

function open(sysctl: PairOptions['sysctl'], options: PairOptions = {}): Pair {
  return new Pair({ ...options, sysctl: { tso: 0, sendspace: 1 << 20, ...sysctl } }).connect();
}

/** Sends so many segments. Answers what was sent again, as `when first-last`, and the counters that are not 0. */
function story(p: Pair, segments: number): { again: string; counters: Record<string, number> } {
  expect(p.transfer(segments * MSS, 60_000_000)).toBeGreaterThanOrEqual(0);
  p.run(1_000_000);
  const again: string[] = [];
  for (const line of p.trace) {
    const [, ms, seq, star] = /^([\d.]+) (\d+):\d+(\*?)$/.exec(line) ?? [];
    if (star === '*') again.push(`${ms} ${Math.round(Number(seq) / MSS)}`);
  }
  const counters = Object.fromEntries(Object.entries(p.counters(...COUNTERS)).filter(([, n]) => n !== 0));
  return { again: again.join(', '), counters };
}

const drop = (...nth: number[]): Fate => (s) => (nth.includes(s.nth) ? 'drop' : 'pass');
/** Drops segment `n` as often as `times` says. */
function dropSegment(n: number, times: number): Fate {
  let left = times;
  return (s) => (s.seq === n * MSS && left-- > 0 ? 'drop' : 'pass');
}

const LOSSES: Record<string, () => Fate> = {
  'one in the middle': () => drop(12),
  'four in one flight': () => drop(12, 14, 15, 18),
  'one, and its retransmission': () => dropSegment(12, 2),
  'the last three': () => drop(77, 78, 79),
  'the last': () => drop(79),
};

const one = { sndrexmitpack: 1, sack_recovery_episode: 1, sack_rexmits: 1 };

/** RFC 8985; RFC 6675, whose loss of a retransmission and of a tail is for the timer; RFC 6582, one segment in a round trip. */
const EXPECTED: Record<Mode, Record<string, ReturnType<typeof story>>> = {
  rack: {
    'one in the middle': { again: '40.0 12', counters: one },
    'four in one flight': { again: '40.0 12, 40.0 14, 40.0 15, 40.0 18', counters: { sndrexmitpack: 4, sack_recovery_episode: 1, sack_rexmits: 4 } },
    'one, and its retransmission': { again: '40.0 12, 60.0 12', counters: { sndrexmitpack: 2, sack_recovery_episode: 1, sack_rexmits: 2, sack_lostrexmt: 1 } },
    'the last three': { again: '125.6 79, 145.6 77, 165.6 78', counters: { sndrexmitpack: 3, tlpprobes: 1, sack_recovery_episode: 1, sack_rexmits: 2 } },
    'the last': { again: '151.6 79', counters: { sndrexmitpack: 1, tlpprobes: 1 } },
  },
  sack: {
    'one in the middle': { again: '40.0 12', counters: one },
    'four in one flight': { again: '40.0 12, 40.0 14, 40.0 15, 40.0 18', counters: { sndrexmitpack: 4, sack_recovery_episode: 1, sack_rexmits: 4 } },
    'one, and its retransmission': { again: '40.0 12, 116.0 12', counters: { sndrexmitpack: 2, rexmttimeo: 1, sack_recovery_episode: 1, sack_rexmits: 1 } },
    'the last three': { again: '125.6 79, 197.4 77, 217.4 78', counters: { sndrexmitpack: 3, rexmttimeo: 1, tlpprobes: 1 } },
    'the last': { again: '151.6 79', counters: { sndrexmitpack: 1, tlpprobes: 1 } },
  },
  newreno: {
    'one in the middle': { again: '40.0 12', counters: { sndrexmitpack: 1 } },
    'four in one flight': { again: '40.0 12, 60.0 14, 80.0 15, 100.0 18', counters: { sndrexmitpack: 4 } },
    'one, and its retransmission': { again: '40.0 12, 126.5 12', counters: { sndrexmitpack: 2, rexmttimeo: 1 } },
    'the last three': { again: '151.8 77, 211.8 78, 271.8 79', counters: { sndrexmitpack: 3, rexmttimeo: 1 } },
    'the last': { again: '151.6 79', counters: { sndrexmitpack: 1, rexmttimeo: 1 } },
  },
};

describe.each(Object.keys(MODES) as Mode[])('%s', (mode) => {
  it.each(Object.keys(LOSSES))('lost: %s', (name) => {
    const p = open(MODES[mode]);
    p.data = (LOSSES[name] as () => Fate)();
    expect(story(p, 80)).toEqual(EXPECTED[mode][name]);
  });

  it('takes the reduction back when a segment was only late', () => {
    const p = open(MODES[mode]);
    p.data = (s) => (s.nth === 12 && !s.again ? 4_000 : 'pass');
    const { again, counters } = story(p, 80);
    expect({ again, bad: counters['sndrexmitbad'], timeouts: counters['rexmttimeo'] }).toEqual({ again: '40.0 12', bad: 1, timeouts: undefined });
    expect(p.client.info().sndSsthresh).toBe(0x3fff_ffff);
  });

  it.each([1, 0])('takes a timeout back when the path stood still for 200 ms (timestamps: %d)', (rfc1323) => {
    const p = open({ ...MODES[mode], rfc1323 });
    let until = 0;
    p.data = (s) => {
      if (s.nth === 10 && until === 0) until = p.net.now + 200_000;
      return p.net.now < until ? until - p.net.now : 'pass';
    };
    const { counters } = story(p, 80);
    expect(counters).toMatchObject({ sndrexmitpack: 1, sndrexmitbad: 1, rexmttimeo: 1 });
    expect(p.client.info().sndSsthresh).toBe(0x3fff_ffff);
  });
});

describe('RACK', () => {
  it('waits for what may be late, once it has seen that the path reorders', () => {
    const p = open({});
    let n = 0;
    p.data = (s) => (++n % 80 === 12 && !s.again ? 4_000 : 'pass');
    expect(story(p, 80).again).toBe('40.0 11');
    expect(p.client.tp.rec.reorderingSeen).toBe(true);
    p.trace.length = 0;
    expect(story(p, 400)).toMatchObject({ again: '', counters: { sndrexmitpack: 1 } });
  });

  it('has a window for reordering that grows with every report of a duplicate, and is as long as a round trip at most', () => {
    const p = open({});
    let n = 0;
    p.data = (s) => (++n % 40 === 12 && !s.again ? 19_000 : 'pass');
    story(p, 1_500);
    expect(p.client.tp.rec.reoWndMult).toBeGreaterThan(2);
    const before = p.counters('sndrexmitpack')['sndrexmitpack'];
    story(p, 400);
    expect(p.counters('sndrexmitpack')['sndrexmitpack']).toBe(before);
  });

  it('finds every loss of a flight of super-segments by its parts', () => {
    const p = open({ tso: 1 });
    p.data = (s) => (s.len > MSS && s.nth === 2 ? 'drop' : 'pass');
    expect(p.transfer(200 * MSS, 60_000_000)).toBeGreaterThan(0);
    expect(p.counters('rexmttimeo', 'sack_recovery_episode')).toEqual({ rexmttimeo: 0, sack_recovery_episode: 1 });
  });
});

describe('tail loss probe', () => {
  it('is new data when there is some, though the congestion window is full', () => {
    const p = open({});
    p.data = (s) => (s.nth < 10 ? 'drop' : 'pass');
    expect(p.transfer(30 * MSS, 60_000_000)).toBeGreaterThan(0);
    const probe = p.trace.findIndex((line) => line.endsWith(`${10 * MSS}:${11 * MSS}`));
    expect(probe).toBe(10);
    expect(p.counters('tlpprobes', 'rexmttimeo')).toEqual({ tlpprobes: 1, rexmttimeo: 0 });
  });

  it('reduces the window when it was what repaired the loss (RFC 8985 §7.4.2)', () => {
    const p = open({});
    p.data = drop(79);
    story(p, 80);
    expect(p.client.info().sndSsthresh).toBe(0x3fff_ffff);
    story(p, 10);
    expect(p.client.info().sndSsthresh).toBeLessThan(100 * MSS);
  });

  it.each([0, 5, 100])('does not take an acknowledgement delayed by 40 ms for a loss, on a link of %d µs', (delayUs) => {
    const p = open({}, { delayUs });
    for (let i = 0; i < 50; i++) {
      expect(p.transfer(100, 1_000_000)).toBeGreaterThanOrEqual(0);
      p.run(200_000);
    }
    expect(story(p, 1)).toEqual({ again: '', counters: {} });
  });
});

describe('without SACK', () => {
  it('sends new data for the first two duplicates (RFC 3042)', () => {
    const p = open({ 'sack.enable': 0 });
    p.data = (s) => (s.nth === 0 || (s.nth > 2 && s.nth < 10) ? 'drop' : 'pass');
    p.transfer(20 * MSS, 60_000_000);
    expect(p.trace.slice(10, 12).map((line) => line.split(' ')[1])).toEqual([`${10 * MSS}:${11 * MSS}`, `${11 * MSS}:${12 * MSS}`]);
  });

  it('keeps ssthresh when the same segment times out again (RFC 5681 §3.1)', () => {
    const p = open({ 'sack.enable': 0 });
    p.data = dropSegment(0, 4);
    p.acks = (s) => (s.ack === 0 && s.flags === 0x10 ? 'drop' : 'pass');
    story(p, 20);
    expect(p.counters('rexmttimeo')).toEqual({ rexmttimeo: 4 });
    expect(Math.round(p.client.info().sndSsthresh / MSS)).toBe(7);
  });
});

describe('every byte arrives, in order, and the scoreboard is right after every turn', () => {
  const FAULTS: Record<string, PairOptions> = {
    loss: { loss: 0.1 },
    reordering: { reorder: 0.1, jitterUs: 3_000 },
    all: { loss: 0.03, reorder: 0.05, duplicate: 0.05, corrupt: 0.02, jitterUs: 2_000 },
  };
  const VARIANTS: Record<string, Record<string, number | string>> = {
    rack: {},
    sack: { 'rack.enable': 0 },
    newreno: { 'sack.enable': 0 },
    'rack, super-segments': { tso: 1 },
    'rack, no timestamps': { rfc1323: 0 },
    'newreno, no timestamps': { 'sack.enable': 0, rfc1323: 0 },
    'dctcp, ECN': { 'ecn.enable': 1, 'cc.algorithm': 'dctcp' },
  };
  for (const [fault, link] of Object.entries(FAULTS)) {
    it.each(Object.keys(VARIANTS))(`${fault}: %s`, (variant) => {
      for (let seed = 1; seed <= 2; seed++) {
        const p = open(VARIANTS[variant], { ...link, seed, bitsPerSec: 100_000_000 });
        expect(p.transfer(150_000, 3_000_000_000), `seed ${seed}`).toBeGreaterThan(0);
      }
    });
  }
});
