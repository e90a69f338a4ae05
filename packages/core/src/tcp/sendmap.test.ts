/**
 * sendmap.test.ts — the sendmap's counters are what its ranges add up to, whatever happens to them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SR_LOST, SR_SACKED, Sendmap, SentRangePool, checkSendmap } from './sendmap.js';
import type { SentRange } from './sendmap.js';

const show = (map: Sendmap): string => {
  const words: string[] = [];
  for (let r = map.head; r !== null; r = r.next) words.push(`${r.seq}:${r.end}${(r.flags & SR_SACKED) !== 0 ? 'S' : (r.flags & SR_LOST) !== 0 ? 'L' : ''}`);
  return words.join(' ');
};

function at(map: Sendmap, seq: number): SentRange {
  let r = map.head;
  while (r !== null && r.seq !== seq) r = r.next;
  expect(r, `range at ${seq}`).not.toBeNull();
  return r as SentRange;
}

describe('the sendmap', () => {
  it('joins what the peer has, and leaves the holes', () => {
    const map = new Sendmap(new SentRangePool());
    map.append(0, 10_000, 0, 1);
    map.split(map.split(at(map, 0), 1000), 2000);
    map.split(at(map, 2000), 3000);
    map.markSacked(at(map, 1000));
    expect(show(map)).toBe('0:1000 1000:2000S 2000:3000 3000:10000');
    map.markSacked(at(map, 3000));
    map.markLost(at(map, 2000));
    expect(show(map)).toBe('0:1000 1000:2000S 2000:3000L 3000:10000S');
    map.markSacked(at(map, 2000));
    expect(show(map)).toBe('0:1000 1000:10000S');
    checkSendmap(map, 0, 10_000);
  });

  it('makes one of small ranges that are to be sent again, up to a full segment', () => {
    const map = new Sendmap(new SentRangePool());
    for (let seq = 0; seq < 1000; seq += 100) map.append(seq, seq + 100, 0, seq);
    map.markSacked(at(map, 700));
    map.markAllLost(false);
    map.mergeLost(at(map, 0), 450);
    map.mergeLost(at(map, 400), 450);
    map.mergeLost(at(map, 800), 450);
    expect(show(map)).toBe('0:400L 400:700L 700:800S 800:1000L');
    expect(map.tail).toBe(at(map, 800));
    checkSendmap(map, 0, 1000);
  });

  it('keeps the order of transmission when a mark was a mistake', () => {
    const map = new Sendmap(new SentRangePool());
    map.append(0, 1000, 0, 1);
    map.append(1000, 2000, 0, 2);
    map.append(2000, 3000, 0, 3);
    map.markLost(at(map, 1000));
    map.markLost(at(map, 0));
    map.clearAllLost();
    const order: number[] = [];
    for (let r = map.oldest; r !== null; r = r.newer) order.push(r.seq);
    expect(order).toEqual([0, 1000, 2000]);
    checkSendmap(map, 0, 3000);
  });
});

/** The same, byte by byte: what each byte is, and when it was sent last. */
interface Byte {
  state: 'flying' | 'sacked' | 'lost';
  sent: number;
}

type Op = { op: string; a: number; b: number };

const ops = fc.array(fc.record({
  op: fc.constantFrom('send', 'send', 'sack', 'sack', 'lose', 'resend', 'ack', 'timeout', 'renege', 'undo'),
  a: fc.nat(1000),
  b: fc.nat(1000),
}), { minLength: 1, maxLength: 80 });

class Twin {
  readonly pool = new SentRangePool();
  readonly map = new Sendmap(this.pool);
  bytes: Byte[] = [];
  /** The numbers cross zero and the sign. */
  una: number;
  nxt: number;
  now = 0;

  constructor(iss: number) {
    this.una = iss;
    this.nxt = iss;
  }

  run({ op, a, b }: Op): void {
    this.now++;
    const n = this.bytes.length;
    if (op === 'send') return this.send(1 + (a % 20));
    if (n === 0) return;
    if (op === 'ack') return this.ack(a % (n + 1));
    if (op === 'timeout' || op === 'renege') return this.timeout(op === 'renege');
    if (op === 'undo') {
      this.map.clearAllLost();
      for (const x of this.bytes) if (x.state === 'lost') x.state = 'flying';
      return;
    }
    if (op === 'resend') return this.resend();
    const from = a % n;
    this.mark(from, Math.min(n, from + 1 + (b % 10)), op === 'sack');
  }

  private send(n: number): void {
    this.map.append(this.nxt, (this.nxt + n) | 0, 0, this.now);
    this.nxt = (this.nxt + n) | 0;
    for (let i = 0; i < n; i++) this.bytes.push({ state: 'flying', sent: this.now });
  }

  private ack(n: number): void {
    this.una = (this.una + n) | 0;
    this.map.ackTo(this.una);
    this.bytes.splice(0, n);
  }

  private timeout(reneged: boolean): void {
    this.map.markAllLost(reneged);
    for (const x of this.bytes) if (reneged || x.state !== 'sacked') x.state = 'lost';
  }

  private resend(): void {
    const r = this.map.firstLost();
    const first = this.bytes.findIndex((x) => x.state === 'lost');
    expect(r === null ? -1 : (r.seq - this.una) | 0).toBe(first);
    if (r === null) return;
    const from = (r.seq - this.una) | 0;
    for (let i = from; i < from + r.length; i++) this.bytes[i] = { state: 'flying', sent: this.now };
    this.map.resent(r, this.now);
  }

  /** Marks the bytes [from, to), splitting what has to be. */
  private mark(from: number, to: number, sacked: boolean): void {
    let r = this.map.head;
    while (r !== null) {
      const lo = (r.seq - this.una) | 0;
      const hi = (r.end - this.una) | 0;
      if (lo >= to) break;
      if (hi > from && r.inFlight) {
        if (lo < from) r = this.map.split(r, (this.una + from) | 0);
        if (hi > to) this.map.split(r, (this.una + to) | 0);
        if (sacked) r = this.map.markSacked(r);
        else this.map.markLost(r);
      } else if (hi > from && sacked && (r.flags & SR_LOST) !== 0 && lo >= from && hi <= to) {
        r = this.map.markSacked(r);
      }
      r = r.next;
    }
    for (let i = from; i < to; i++) {
      const x = this.bytes[i] as Byte;
      if (x.state === 'flying') x.state = sacked ? 'sacked' : 'lost';
    }
    // a lost range is marked whole or not at all; the model follows
    for (let q = this.map.head; q !== null; q = q.next) {
      for (let i = (q.seq - this.una) | 0; i < ((q.end - this.una) | 0); i++) if ((q.flags & SR_SACKED) !== 0) (this.bytes[i] as Byte).state = 'sacked';
    }
  }

  check(): void {
    checkSendmap(this.map, this.una, this.nxt);
    const count = (state: Byte['state']): number => this.bytes.filter((x) => x.state === state).length;
    expect({ sacked: this.map.sackedBytes, lost: this.map.lostBytes }).toEqual({ sacked: count('sacked'), lost: count('lost') });
    for (let r = this.map.head; r !== null; r = r.next) {
      if (r.inFlight) expect(r.xmitUs).toBe((this.bytes[(r.seq - this.una) | 0] as Byte).sent);
    }
  }
}

describe('the sendmap and a model of bytes', () => {
  it('agree after any sequence of events', () => {
    fc.assert(fc.property(fc.constantFrom(0, 0x7fff_ff80, -100, 123_456), ops, (iss, sequence) => {
      const twin = new Twin(iss | 0);
      for (const op of sequence) {
        twin.run(op);
        twin.check();
      }
      twin.map.clear();
      expect(twin.pool.inUse).toBe(0);
    }), { numRuns: 300 });
  });
});
