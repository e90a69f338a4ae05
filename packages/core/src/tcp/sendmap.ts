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
 *     by sequence   head ⇄ [SACKED] ⇄ [LOST] ⇄ [in flight] ⇄ [SACKED] ⇄ [in flight] ⇄ tail
 *     by time                           oldest ⇄ [in flight] ⇄ [in flight] ⇄ newest
 *
 * The ranges in flight are besides in a list in the order of their transmission: loss detection by time (tcp-rack.ts) looks only at those that were
 * sent before the newest one known to have arrived. Neighbours that are SACKED become one range, so that the length of the list is bounded by the
 * transmissions in flight and the holes, not by the acknowledgements.
 *
 * Ranges come from a free list of the vnet's. Invariants (`checkSendmap`): the ranges are contiguous and cover [sndUna, sndNxt); the counters are those
 * of the ranges that are so marked; none is both SACKED and LOST; exactly those that are neither are in the list by time, oldest first; no two
 * neighbours are SACKED.
 * Not here: who marks (tcp-recovery.ts and what it calls).
 *
 * @rfc 6675 4 partial "Update and SetPipe are the marks and the counters; IsLost is in tcp-sack.ts, NextSeg in tcp-output.ts"
 */
import { assert } from '../base/assert.js';
import { seqDiff, seqGeq, seqGt, seqLeq, seqLt } from '../base/seqnum.js';
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
  /** When it was sent last, and which transmission of the connection that was: several can be made in a microsecond. */
  xmitUs: Micros = 0;
  xmitNo = 0;
  prev: SentRange | null = null;
  next: SentRange | null = null;
  /** Neighbours in the order of transmission, while in flight. */
  older: SentRange | null = null;
  newer: SentRange | null = null;

  get length(): number {
    return seqDiff(this.end, this.seq);
  }

  get inFlight(): boolean {
    return (this.flags & (SR_SACKED | SR_LOST)) === 0;
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
  /** Ends of the list by time. */
  oldest: SentRange | null = null;
  newest: SentRange | null = null;
  sackedBytes = 0;
  lostBytes = 0;
  /** SACKED ranges; the holes before them are as many at most. */
  sackedRuns = 0;
  count = 0;
  /** Transmissions so far, int32. */
  private xmits = 0;
  /** No LOST range is before this one; null: ask from the head. */
  private lostHint: SentRange | null = null;

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
    this.stamp(r, now);
    r.prev = this.tail;
    r.next = null;
    if (this.tail === null) this.head = r;
    else this.tail.next = r;
    this.tail = r;
    this.count++;
    this.timeAppend(r);
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

  /** Makes a boundary at `at` inside `r`, which is not SACKED; `r` keeps what is before it. Answers what is behind it. */
  split(r: SentRange, at: number): SentRange {
    const n = this.pool.take();
    n.seq = at;
    n.end = r.end;
    n.flags = r.flags & ~SR_SYN;
    n.sends = r.sends;
    n.xmitUs = r.xmitUs;
    n.xmitNo = r.xmitNo;
    r.end = at;
    r.flags &= ~SR_FIN;
    n.prev = r;
    n.next = r.next;
    if (r.next === null) this.tail = n;
    else r.next.prev = n;
    r.next = n;
    this.count++;
    if (r.inFlight) this.timeInsertAfter(n, r);
    return n;
  }

  markLost(r: SentRange): void {
    if (!r.inFlight) return;
    this.timeRemove(r);
    r.flags |= SR_LOST;
    this.lostBytes += r.length;
    if (this.lostHint !== null && seqLt(r.seq, this.lostHint.seq)) this.lostHint = r;
  }

  /** The peer has `r`. Answers the range that it is in now: neighbours that the peer has, too, become one. */
  markSacked(r: SentRange): SentRange {
    if ((r.flags & SR_SACKED) !== 0) return r;
    if (!this.unmarkLost(r)) this.timeRemove(r);
    r.flags |= SR_SACKED;
    this.sackedBytes += r.length;
    this.sackedRuns++;
    const { prev, next } = r;
    if (next !== null && (next.flags & SR_SACKED) !== 0) this.join(r, next);
    if (prev === null || (prev.flags & SR_SACKED) === 0) return r;
    this.join(prev, r);
    return prev;
  }

  /** The peer has dropped what it had selectively acknowledged, or is believed to (RFC 2018 §8): all of that is lost. */
  forgetSacked(): void {
    for (let r = this.head; r !== null; r = r.next) {
      if ((r.flags & SR_SACKED) === 0) continue;
      r.flags = (r.flags & ~SR_SACKED) | SR_LOST;
      this.sackedBytes -= r.length;
      this.sackedRuns--;
      this.lostBytes += r.length;
    }
    this.lostHint = null;
  }

  /** `r` was not lost after all, and is in flight as it was. */
  clearLost(r: SentRange): void {
    if (!this.unmarkLost(r)) return;
    let before = this.newest;
    while (before !== null && seqGt(before.xmitNo, r.xmitNo)) before = before.older;
    if (before === null) this.timePrepend(r);
    else this.timeInsertAfter(r, before);
  }

  /** None of what is LOST is. */
  clearAllLost(): void {
    for (let r = this.firstLost(); r !== null; r = this.firstLost()) this.clearLost(r);
  }

  /** `r` has been sent again. */
  resent(r: SentRange, now: Micros): void {
    if (!this.unmarkLost(r)) this.timeRemove(r);
    r.flags = (r.flags | SR_RETRANS) & ~SR_TLP;
    r.sends++;
    this.stamp(r, now);
    this.timeAppend(r);
  }

  /** Everything in flight is to be sent again; with `reneged` also what the peer had. */
  markAllLost(reneged: boolean): void {
    for (let r = this.oldest; r !== null; r = this.oldest) this.markLost(r);
    this.lostHint = null;
    if (reneged) this.forgetSacked();
  }

  /** The first range that is to be sent again. */
  firstLost(): SentRange | null {
    if (this.lostBytes === 0) return null;
    let r = this.lostHint ?? this.head;
    while (r !== null && (r.flags & SR_LOST) === 0) r = r.next;
    this.lostHint = r;
    return r;
  }

  /** What follows `r`, which is LOST, becomes part of it as long as it is LOST, too, and all is `max` bytes at most: small segments go again as a full one. */
  mergeLost(r: SentRange, max: number): void {
    if ((r.flags & SR_SYN) !== 0) return;
    for (let n = r.next; n !== null && (n.flags & SR_LOST) !== 0 && r.length + n.length <= max; n = r.next) {
      r.end = n.end;
      r.flags |= n.flags & (SR_FIN | SR_RETRANS);
      r.sends = Math.max(r.sends, n.sends);
      r.next = n.next;
      if (n.next === null) this.tail = r;
      else n.next.prev = r;
      if (this.lostHint === n) this.lostHint = r;
      this.count--;
      this.pool.give(n);
    }
  }

  clear(): void {
    while (this.head !== null) this.remove(this.head);
  }

  private stamp(r: SentRange, now: Micros): void {
    r.xmitUs = now;
    this.xmits = (this.xmits + 1) | 0;
    r.xmitNo = this.xmits;
  }

  /** Was it LOST? Takes the mark off, and leaves it out of the list by time. */
  private unmarkLost(r: SentRange): boolean {
    if ((r.flags & SR_LOST) === 0) return false;
    r.flags &= ~SR_LOST;
    this.lostBytes -= r.length;
    return true;
  }

  /** `b`, which follows `a` and is SACKED as it is, becomes part of it. */
  private join(a: SentRange, b: SentRange): void {
    a.end = b.end;
    a.flags |= b.flags & (SR_FIN | SR_RETRANS);
    a.next = b.next;
    if (b.next === null) this.tail = a;
    else b.next.prev = a;
    if (this.lostHint === b) this.lostHint = a;
    this.sackedRuns--;
    this.count--;
    this.pool.give(b);
  }

  private remove(r: SentRange): void {
    if ((r.flags & SR_SACKED) !== 0) {
      this.sackedBytes -= r.length;
      this.sackedRuns--;
    } else if ((r.flags & SR_LOST) !== 0) {
      this.lostBytes -= r.length;
    } else {
      this.timeRemove(r);
    }
    if (this.lostHint === r) this.lostHint = null;
    if (r.prev === null) this.head = r.next;
    else r.prev.next = r.next;
    if (r.next === null) this.tail = r.prev;
    else r.next.prev = r.prev;
    this.count--;
    this.pool.give(r);
  }

  private timeAppend(r: SentRange): void {
    r.older = this.newest;
    r.newer = null;
    if (this.newest === null) this.oldest = r;
    else this.newest.newer = r;
    this.newest = r;
  }

  private timePrepend(r: SentRange): void {
    r.newer = this.oldest;
    r.older = null;
    if (this.oldest === null) this.newest = r;
    else this.oldest.older = r;
    this.oldest = r;
  }

  private timeInsertAfter(r: SentRange, before: SentRange): void {
    r.older = before;
    r.newer = before.newer;
    if (before.newer === null) this.newest = r;
    else before.newer.older = r;
    before.newer = r;
  }

  private timeRemove(r: SentRange): void {
    if (r.older === null) this.oldest = r.newer;
    else r.older.newer = r.newer;
    if (r.newer === null) this.newest = r.older;
    else r.newer.older = r.older;
    r.older = null;
    r.newer = null;
  }
}

/** Asserts the invariants; for simulations and tests. */
export function checkSendmap(map: Sendmap, sndUna: number, sndNxt: number): void {
  let at = sndUna;
  let sacked = 0;
  let lost = 0;
  let runs = 0;
  let count = 0;
  let flying = 0;
  for (let r = map.head; r !== null; r = r.next) {
    assert(r.seq === at, 'sendmap has a gap');
    assert(seqLeq(r.seq, r.end) && r.length > 0, 'sendmap has an empty range');
    assert((r.flags & (SR_LOST | SR_SACKED)) !== (SR_LOST | SR_SACKED), 'a range is both sacked and lost');
    if ((r.flags & SR_SACKED) !== 0) {
      assert(r.prev === null || (r.prev.flags & SR_SACKED) === 0, 'two neighbours are sacked');
      sacked += r.length;
      runs++;
    } else if ((r.flags & SR_LOST) !== 0) {
      lost += r.length;
    } else {
      flying++;
    }
    at = r.end;
    count++;
  }
  assert(at === sndNxt, 'sendmap does not end at sndNxt');
  assert(sacked === map.sackedBytes && lost === map.lostBytes && runs === map.sackedRuns && count === map.count, 'sendmap counters are wrong');
  let last: SentRange | null = null;
  for (let r = map.oldest; r !== null; r = r.newer) {
    assert(r.inFlight && r.older === last, 'the list by time has a range that is not in flight');
    assert(last === null || (last.xmitUs <= r.xmitUs && seqLeq(last.xmitNo, r.xmitNo)), 'the list by time is not in order');
    last = r;
    flying--;
  }
  assert(flying === 0 && map.newest === last, 'the list by time lacks a range in flight');
}
