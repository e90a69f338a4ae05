/**
 * tcp-isn.test.ts — numbers of one four-tuple grow with time, those of others have nothing to do with them.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { seqLt } from '../base/seqnum.js';
import { US_PER_SEC } from '../base/time.js';
import { TcpEnds } from './tcp-ends.js';
import { TcpIsn } from './tcp-isn.js';

const A = 0x0a000001;
const B = 0x0a000002;
const ends = (): TcpEnds => new TcpEnds().set4(A, 40_000, B, 80);

describe('initial sequence numbers', () => {
  it('of one four-tuple tick every 4 µs, also after the clock wrapped', () => {
    const isn = new TcpIsn(new Prng(7));
    const at = (now: number): number => isn.isn(now, ends());
    expect((at(1_000_000) - at(0)) | 0).toBe(250_000);
    expect([at(4) - at(0), at(3) - at(0)]).toEqual([1, 0]);
    const days = 5 * 86_400 * US_PER_SEC;
    expect(seqLt(at(days), at(days + 1000))).toBe(true);
  });

  it('differ with each end, the family and the key', () => {
    const isn = new TcpIsn(new Prng(7));
    const incs = [
      ends(), new TcpEnds().set4(A + 1, 40_000, B, 80), new TcpEnds().set4(A, 40_001, B, 80), new TcpEnds().set4(A, 40_000, B + 1, 80),
      new TcpEnds().set4(A, 40_000, B, 81), new TcpEnds().setForeign6(1, 2, 3, 4, 40_000).setLocal6(5, 6, 7, 8, 80),
      new TcpEnds().setForeign6(5, 6, 7, 8, 40_000).setLocal6(1, 2, 3, 4, 80),
    ];
    const all = [...incs.map((inc) => isn.isn(0, inc)), new TcpIsn(new Prng(8)).isn(0, ends())];
    expect(new Set(all).size).toBe(all.length);
  });

  it('tell nothing about the timestamps, whose offset is constant', () => {
    const isn = new TcpIsn(new Prng(7));
    expect(isn.tsOffset(ends())).toBe(isn.tsOffset(ends()));
    expect(isn.tsOffset(ends())).not.toBe(isn.isn(0, ends()));
    expect(isn.tsOffset(ends())).not.toBe(isn.tsOffset(new TcpEnds().set4(A, 40_001, B, 80)));
  });

  it('say in the log whose they are', () => {
    expect(ends().text()).toBe('TCP: [10.0.0.1]:40000 to [10.0.0.2]:80');
    expect(new TcpEnds().setForeign6(0x20010db8, 0, 0, 1, 40_000).setLocal6(0x20010db8, 0, 0, 2, 80).text()).toBe('TCP: [2001:db8::1]:40000 to [2001:db8::2]:80');
  });
});
