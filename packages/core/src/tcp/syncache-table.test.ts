/**
 * syncache-table.test.ts — against a plain list: what is found, who is oldest, who is due, and what it costs.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { HalfOpen } from './half-open.js';
import { TcpEnds } from './tcp-ends.js';
import { SCF_IPV6, SC_BYTES, SC_NONE, SyncacheTable } from './syncache-table.js';

const BUCKETS = 16;
const inc = (n: number): TcpEnds => new TcpEnds().set4(0x0a000000 + n, 1_024 + n, 0x0a0000fe, 80, n & 7);

describe('the table of half-open connections', () => {
  it('keeps what it is told', () => {
    const t = new SyncacheTable(BUCKETS, new Prng(1));
    const six = new TcpEnds().setForeign6(1, 2, 3, 4, 65_535).setLocal6(5, 6, 7, -8, 80);
    const e = t.insert(t.bucketOf(six), six);
    const said = {
      irs: -1, iss: 0x7fffffff, tsRecent: -5, wnd: 65_535, peerMss: 8_960, rcvScale: 14, sndScale: 13, sack: true, ts: true, ecn: true, signature: true, noopt: true,
      fib: 65_535, ttl: 255, tos: 254,
    };
    t.store(e, Object.assign(new HalfOpen(), six, said));
    t.requeue(e, 3, -7);
    t.setSentUs(e, -1_000);
    const read = new HalfOpen();
    t.load(e, read, 2 ** 32 + 5);
    expect(read).toMatchObject({ ...said, f0: 1, l3: -8, fport: 65_535, lport: 80, isV6: true, tries: 3, ageUs: 1_005 });
    t.store(e, Object.assign(new HalfOpen(), six));
    t.load(e, read, 0);
    expect(read).toMatchObject({ sndScale: -1, rcvScale: 0, sack: false, ts: false, ecn: false, signature: false, noopt: false, ttl: -1, tos: 0 });
    expect([t.irs(e), t.iss(e), t.wnd(e), t.flags(e), t.tries(e), t.dueMs(e)]).toEqual([0, 0, 0, SCF_IPV6, 3, -7]);
    const out = new TcpEnds();
    t.endsOf(e, out);
    expect(out).toEqual(six);
    expect(SC_BYTES).toBeLessThanOrEqual(100);
  });

  it('agrees with a list over 5,000 random steps', () => {
    const rng = new Prng(5);
    const t = new SyncacheTable(BUCKETS, new Prng(1));
    /** Newest first. */
    let list: { n: number; e: number; due: number }[] = [];
    let clock = 0x7fff_0000;
    for (let step = 0; step < 5_000; step++) {
      const n = rng.below(300);
      const at = inc(n);
      const bucket = t.bucketOf(at);
      const known = list.find((x) => x.n === n);
      expect(t.find(bucket, at)).toBe(known?.e ?? SC_NONE);
      clock = (clock + 1) | 0;
      if (known === undefined) {
        const e = t.insert(bucket, at);
        t.requeue(e, 1, (clock + 1_000) | 0);
        list = [{ n, e, due: (clock + 1_000) | 0 }, ...list];
      } else if (rng.chance(0.5)) {
        const tries = 1 + rng.below(13);
        known.due = (clock + 1_000 * tries) | 0;
        t.requeue(known.e, tries, known.due);
      } else {
        t.remove(known.e);
        list = list.filter((x) => x !== known);
      }
      expect(t.count).toBe(list.length);
      const mates = list.filter((x) => t.bucketOf(inc(x.n)) === bucket);
      expect([t.lengthOf(bucket), t.oldestOf(bucket)]).toEqual([mates.length, mates.at(-1)?.e ?? SC_NONE]);
      const due = list.reduce((best: number | null, x) => (best === null || ((x.due - best) | 0) < 0 ? x.due : best), null);
      expect(t.first() === SC_NONE ? null : t.dueMs(t.first())).toBe(due);
    }
  });

  it('gives back what a flood took', () => {
    const t = new SyncacheTable(512, new Prng(1));
    const idle = t.bytes;
    for (let n = 0; n < 15_360; n++) t.insert(t.bucketOf(inc(n)), inc(n));
    expect(t.bytes - idle).toBeLessThan(2 * 15_360 * SC_BYTES);
    const all: number[] = [];
    t.each((e) => all.push(e));
    expect(all.length).toBe(15_360);
    for (const e of all) t.remove(e);
    expect([t.count, t.bytes, t.first()]).toEqual([0, idle, SC_NONE]);
    expect(t.insert(0, inc(1))).toBe(0);
  });
});
