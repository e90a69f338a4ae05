/**
 * sendmap.ts — what has been sent and not yet acknowledged, and what became of it.
 * Read first: RFC 6675 §2 and §4 (the scoreboard, pipe), RFC 8985 §5 (per-segment state); freebsd `sys/netinet/tcp_stacks/tailq_hash.c`.
 *
 * Theory of operation. A list of ranges [seq, end) without gaps from sndUna to sndNxt, one for each transmission: a super-segment is one range until
 * a selective acknowledgement splits it. A range is in one of three conditions: in flight, SACKED (the peer has it), or LOST (to be sent again).
 * Sending a lost range again makes it one in flight; should that transmission be lost, too, it is LOST again. So
 *
 *     pipe = sndNxt − sndUna − sackedBytes − lostBytes
 *
 * is what is believed to be in the network, and output needs to know nothing else: lost ranges first, then new data, while pipe < cwnd.
 * Nothing is ever sent "from sndUna again": a timeout marks ranges and leaves sndNxt where it is.
 *
 * Ranges come from a free list of the vnet's. Invariants (`checkSendmap`): the ranges are contiguous and cover [sndUna, sndNxt); the two counters
 * are the sums of the lengths of the ranges that are so marked; none is both.
 * Not here: who marks (tcp-recovery.ts and what it calls).
 */
import { assert } from '../base/assert.js';
import { seqDiff, seqGeq, seqGt, seqLeq } from '../base/seqnum.js';
import type { Micros } from '../base/time.js';

/** The peer has it, and said so by SACK. */
export const SR_SACKED = 0x01;
/** It is to be sent again. */
export const SR_LOST = 0x02;
/** It has been sent more than once. */
export const SR_RETRANS = 0x04;
/** It ends with a FIN, or begins with a SYN. */
export const SR_FIN = 0x08;
export const SR_SYN = 0x10;
/** Its last transmission was a tail loss probe. */
export const SR_TLP = 0x20;

export class SentRange {
  /** Sequence numbers, int32. */
  seq = 0;
  end = 0;
  flags = 0;
  /** Transmissions so far. */
  sends = 0;
  /** When it was sent last. */
  xmitUs: Micros = 0;
  prev: SentRange | null = null;
  next: SentRange | null = null;

  get length(): number {
    return seqDiff(this.end, this.seq);
  }
}

/** Ranges that nobody uses. */
export class SentRangePool {
  private free: SentRange | null = null;
  /** Ranges in use. */
  inUse = 0;

  take(): SentRange {
    const r = this.free;
    this.inUse++;
    if (r === null) return new SentRange();
    this.free = r.next;
    r.next = null;
    return r;
  }

  give(r: SentRange): void {
    r.prev = null;
    r.next = this.free;
    this.free = r;
    this.inUse--;
  }
}

export class Sendmap {
  private readonly pool: SentRangePool;
  head: SentRange | null = null;
  tail: SentRange | null = null;
  sackedBytes = 0;
  lostBytes = 0;
  count = 0;

  constructor(pool: SentRangePool) {
    this.pool = pool;
  }

  /** [seq, end) has been sent for the first time. */
  append(seq: number, end: number, flags: number, now: Micros): void {
    const r = this.pool.take();
    r.seq = seq;
    r.end = end;
    r.flags = flags;
    r.sends = 1;
    r.xmitUs = now;
    r.prev = this.tail;
    r.next = null;
    if (this.tail === null) this.head = r;
    else this.tail.next = r;
    this.tail = r;
    this.count++;
  }

  /** Everything before `una` is acknowledged: takes it out. */
  ackTo(una: number): void {
    for (let r = this.head; r !== null; r = this.head) {
      if (seqGeq(r.seq, una)) return;
      if (seqGt(r.end, una)) {
        const cut = seqDiff(una, r.seq);
        if ((r.flags & SR_SACKED) !== 0) this.sackedBytes -= cut;
        if ((r.flags & SR_LOST) !== 0) this.lostBytes -= cut;
        r.seq = una;
        r.flags &= ~SR_SYN;
        return;
      }
      this.remove(r);
    }
  }

  /** Makes a boundary at `at` inside `r`; `r` keeps what is before it. */
  split(r: SentRange, at: number): SentRange {
    const n = this.pool.take();
    n.seq = at;
    n.end = r.end;
    n.flags = r.flags & ~SR_SYN;
    n.sends = r.sends;
    n.xmitUs = r.xmitUs;
    r.end = at;
    r.flags &= ~SR_FIN;
    n.prev = r;
    n.next = r.next;
    if (r.next === null) this.tail = n;
    else r.next.prev = n;
    r.next = n;
    this.count++;
    return n;
  }

  markLost(r: SentRange): void {
    if ((r.flags & (SR_LOST | SR_SACKED)) !== 0) return;
    r.flags |= SR_LOST;
    this.lostBytes += r.length;
  }

  markSacked(r: SentRange): void {
    if ((r.flags & SR_SACKED) !== 0) return;
    this.clearLost(r);
    r.flags |= SR_SACKED;
    this.sackedBytes += r.length;
  }

  /** The peer has dropped what it had selectively acknowledged, or is believed to (RFC 2018 §8). */
  clearSacked(r: SentRange): void {
    if ((r.flags & SR_SACKED) === 0) return;
    r.flags &= ~SR_SACKED;
    this.sackedBytes -= r.length;
  }

  clearLost(r: SentRange): void {
    if ((r.flags & SR_LOST) === 0) return;
    r.flags &= ~SR_LOST;
    this.lostBytes -= r.length;
  }

  /** `r` has been sent again. */
  resent(r: SentRange, now: Micros): void {
    this.clearLost(r);
    r.flags |= SR_RETRANS;
    r.sends++;
    r.xmitUs = now;
  }

  /** Everything the peer has not acknowledged is to be sent again; with `reneged` also what it had selectively. */
  markAllLost(reneged: boolean): void {
    for (let r = this.head; r !== null; r = r.next) {
      if (reneged) this.clearSacked(r);
      this.markLost(r);
    }
  }

  /** The first range that is to be sent again. */
  firstLost(): SentRange | null {
    if (this.lostBytes === 0) return null;
    let r = this.head;
    while (r !== null && (r.flags & SR_LOST) === 0) r = r.next;
    return r;
  }

  clear(): void {
    while (this.head !== null) this.remove(this.head);
  }

  private remove(r: SentRange): void {
    if ((r.flags & SR_SACKED) !== 0) this.sackedBytes -= r.length;
    if ((r.flags & SR_LOST) !== 0) this.lostBytes -= r.length;
    if (r.prev === null) this.head = r.next;
    else r.prev.next = r.next;
    if (r.next === null) this.tail = r.prev;
    else r.next.prev = r.prev;
    this.count--;
    this.pool.give(r);
  }
}

/** Asserts the invariants; for simulations and tests. */
export function checkSendmap(map: Sendmap, sndUna: number, sndNxt: number): void {
  let at = sndUna;
  let sacked = 0;
  let lost = 0;
  let count = 0;
  for (let r = map.head; r !== null; r = r.next) {
    assert(r.seq === at, 'sendmap has a gap');
    assert(seqLeq(r.seq, r.end) && r.length > 0, 'sendmap has an empty range');
    assert((r.flags & (SR_LOST | SR_SACKED)) !== (SR_LOST | SR_SACKED), 'a range is both sacked and lost');
    if ((r.flags & SR_SACKED) !== 0) sacked += r.length;
    if ((r.flags & SR_LOST) !== 0) lost += r.length;
    at = r.end;
    count++;
  }
  assert(at === sndNxt, 'sendmap does not end at sndNxt');
  assert(sacked === map.sackedBytes && lost === map.lostBytes && count === map.count, 'sendmap counters are wrong');
}
