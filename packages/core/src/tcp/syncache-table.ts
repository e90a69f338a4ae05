/**
 * syncache-table.ts — where half-open connections are kept: records of words in one array.
 * Read first: tcp-syncache.ts.
 *
 * Theory of operation. A half-open connection costs SC_BYTES, and there is no object for it: entries are numbers, and what they say is read by
 * name (`t.irs(e)`), or all at once into a HalfOpen. A flood fills the array up to its limit and leaves nothing for the collector. The array doubles as it fills, and goes when the
 * table is empty after it grew. An entry is in two lists: that of its bucket, newest first, and one of those that wait equally often
 * (`tries`), and so equally long, oldest first: what is due next is at the head of one of them.
 *
 * Invariants: an entry is in the chain of its bucket and in the queue of its `tries`, or free. Chains have at most what the caller allows.
 * Not here: who gives way, what is sent.
 */
import type { Prng } from '../base/prng.js';
import { SipHash } from '../base/siphash.js';
import type { Micros } from '../base/time.js';
import type { HalfOpen } from './half-open.js';
import type { TcpEnds } from './tcp-ends.js';
import { TCP_MAXRXTSHIFT } from './tcp-timer.js';

/** No entry. */
export const SC_NONE = -1;

const F0 = 0;
const L0 = 4;
const PORTS = 8;
const IRS = 9;
const ISS = 10;
const TSREFLECT = 11;
/** Window announced and the peer's segment size, 16 bits each. */
const WND_MSS = 12;
/** SCF_*, then 4 bits each: our shift, the peer's. */
const FLAGS = 13;
/** Routing table, then 8 bits each: time to live, type of service. */
const FIB_TTL_TOS = 14;
const TRIES = 15;
/** When the SYN|ACK is sent again, in milliseconds modulo 2^32. */
const DUE_MS = 16;
/** Neighbours in the bucket, and in the queue. `NEXT` links the free, too. */
const NEXT = 17;
const PREV = 18;
const QNEXT = 19;
const QPREV = 20;
/** When it was sent last, in microseconds modulo 2^32. */
const SENT_US = 21;
/** Its bucket, so that an entry leaves without being hashed again. */
const BUCKET = 22;
const WORDS = 23;

/** What a half-open connection costs. */
export const SC_BYTES = 4 * WORDS;

/** Bits of an entry's flags. */
export const SCF_IPV6 = 0x01;
export const SCF_WINSCALE = 0x02;
export const SCF_TIMESTAMP = 0x04;
export const SCF_SACK = 0x08;
export const SCF_SIGNATURE = 0x10;
export const SCF_NOOPT = 0x20;
/** An ICMP error came for it. */
export const SCF_UNREACH = 0x40;
/** ECN was agreed upon. */
export const SCF_ECN = 0x80;

const ENTRIES_MIN = 16;
/** Queues by `tries`: the first SYN|ACK, and each retransmission. */
const QUEUES = TCP_MAXRXTSHIFT + 2;

export class SyncacheTable {
  count = 0;
  private readonly buckets: number;
  private readonly hash: SipHash;
  private w: Int32Array = new Int32Array(ENTRIES_MIN * WORDS);
  /** First and last entry, and length, of each bucket; first and last of each queue. */
  private readonly heads: Int32Array;
  private readonly tails: Int32Array;
  private readonly lengths: Int16Array;
  private readonly qheads = new Int32Array(QUEUES).fill(SC_NONE);
  private readonly qtails = new Int32Array(QUEUES).fill(SC_NONE);
  private free = SC_NONE;
  /** Records that were never used begin here. */
  private fresh = 0;

  /** @param buckets a power of 2. */
  constructor(buckets: number, rng: Prng) {
    this.buckets = buckets;
    this.hash = new SipHash().setRandomKey(rng);
    this.heads = new Int32Array(buckets).fill(SC_NONE);
    this.tails = new Int32Array(buckets).fill(SC_NONE);
    this.lengths = new Int16Array(buckets);
  }

  /** Bytes of the arrays. */
  get bytes(): number {
    return this.w.byteLength + this.heads.byteLength + this.tails.byteLength + this.lengths.byteLength + this.qheads.byteLength + this.qtails.byteLength;
  }

  bucketOf(inc: TcpEnds): number {
    return this.hash.run(inc.putEnds(this.hash)) & (this.buckets - 1);
  }

  lengthOf(bucket: number): number {
    return this.lengths[bucket]!;
  }

  /** The oldest entry of a bucket. */
  oldestOf(bucket: number): number {
    return this.tails[bucket]!;
  }

  find(bucket: number, inc: TcpEnds): number {
    const { w } = this;
    const ports = (inc.fport << 16) | inc.lport;
    for (let e = this.heads[bucket]!; e !== SC_NONE; e = w[e + NEXT]!) {
      if (
        w[e + PORTS] === ports && w[e + 3] === inc.f3 && w[e + L0 + 3] === inc.l3 && w[e + 2] === inc.f2 && w[e + 1] === inc.f1 && w[e] === inc.f0
        && w[e + L0 + 2] === inc.l2 && w[e + L0 + 1] === inc.l1 && w[e + L0] === inc.l0
      ) return e;
    }
    return SC_NONE;
  }

  /** A new entry for the ends of `inc`, at the head of its bucket and at the end of the queue of `tries` 0. What else it says is to be set. */
  insert(bucket: number, inc: TcpEnds): number {
    const e = this.take();
    const { w, heads } = this;
    const head = heads[bucket]!;
    w[e + F0] = inc.f0;
    w[e + F0 + 1] = inc.f1;
    w[e + F0 + 2] = inc.f2;
    w[e + F0 + 3] = inc.f3;
    w[e + L0] = inc.l0;
    w[e + L0 + 1] = inc.l1;
    w[e + L0 + 2] = inc.l2;
    w[e + L0 + 3] = inc.l3;
    w[e + PORTS] = (inc.fport << 16) | inc.lport;
    w[e + FLAGS] = inc.isV6 ? SCF_IPV6 : 0;
    w[e + FIB_TTL_TOS] = inc.fib << 16;
    w[e + BUCKET] = bucket;
    w[e + NEXT] = head;
    w[e + PREV] = SC_NONE;
    if (head === SC_NONE) this.tails[bucket] = e;
    else w[head + PREV] = e;
    heads[bucket] = e;
    this.lengths[bucket] = this.lengths[bucket]! + 1;
    this.count++;
    w[e + DUE_MS] = 0;
    this.queue(e, 0);
    return e;
  }

  remove(e: number): void {
    this.unqueue(e);
    const { w } = this;
    const bucket = w[e + BUCKET]!;
    const next = w[e + NEXT]!;
    const prev = w[e + PREV]!;
    if (prev === SC_NONE) this.heads[bucket] = next;
    else w[prev + NEXT] = next;
    if (next === SC_NONE) this.tails[bucket] = prev;
    else w[next + PREV] = prev;
    this.lengths[bucket] = this.lengths[bucket]! - 1;
    w[e + NEXT] = this.free;
    this.free = e;
    if (--this.count === 0 && w.length > ENTRIES_MIN * WORDS) {
      this.w = new Int32Array(ENTRIES_MIN * WORDS);
      this.fresh = 0;
      this.free = SC_NONE;
    }
  }

  /** Puts the entry, which has been sent `tries` times, behind all others of its kind; due at `dueMs`. */
  requeue(e: number, tries: number, dueMs: number): void {
    this.unqueue(e);
    this.w[e + DUE_MS] = dueMs;
    this.queue(e, tries);
  }

  /** The entry that is due first, SC_NONE when there is none. */
  first(): number {
    const { w, qheads } = this;
    let best = SC_NONE;
    for (let q = 0; q < QUEUES; q++) {
      const e = qheads[q]!;
      if (e !== SC_NONE && (best === SC_NONE || ((w[e + DUE_MS]! - w[best + DUE_MS]!) | 0) < 0)) best = e;
    }
    return best;
  }

  /** Fills in the ends of an entry. */
  endsOf(e: number, inc: TcpEnds): void {
    const { w } = this;
    const ports = w[e + PORTS]!;
    inc.setForeign6(w[e]!, w[e + 1]!, w[e + 2]!, w[e + 3]!, ports >>> 16).setLocal6(w[e + L0]!, w[e + L0 + 1]!, w[e + L0 + 2]!, w[e + L0 + 3]!, ports & 0xffff);
    inc.isV6 = (w[e + FLAGS]! & SCF_IPV6) !== 0;
    inc.fib = w[e + FIB_TTL_TOS]! >>> 16;
  }

  /** Calls `told` for every entry. */
  each(told: (e: number) => void): void {
    for (let q = 0; q < QUEUES; q++) {
      for (let e = this.qheads[q]!; e !== SC_NONE; ) {
        const next = this.w[e + QNEXT]!;
        told(e);
        e = next;
      }
    }
  }

  /** Keeps what `sc` says beside its ends. */
  store(e: number, sc: HalfOpen): void {
    const { w } = this;
    w[e + IRS] = sc.irs;
    w[e + ISS] = sc.iss;
    w[e + TSREFLECT] = sc.tsRecent;
    w[e + WND_MSS] = (sc.wnd << 16) | sc.peerMss;
    w[e + FLAGS] = flagsOf(sc) | (sc.rcvScale << 16) | (Math.max(sc.sndScale, 0) << 20);
    w[e + FIB_TTL_TOS] = (sc.fib << 16) | (Math.max(sc.ttl, 0) << 8) | sc.tos;
  }

  /** Fills in `sc` with what the entry says. */
  load(e: number, sc: HalfOpen, now: Micros): void {
    const { w } = this;
    const flags = w[e + FLAGS]!;
    this.endsOf(e, sc);
    sc.irs = w[e + IRS]!;
    sc.iss = w[e + ISS]!;
    sc.tsRecent = w[e + TSREFLECT]!;
    sc.wnd = w[e + WND_MSS]! >>> 16;
    sc.peerMss = w[e + WND_MSS]! & 0xffff;
    sc.rcvScale = (flags >>> 16) & 15;
    sc.sndScale = (flags & SCF_WINSCALE) !== 0 ? (flags >>> 20) & 15 : -1;
    sc.sack = (flags & SCF_SACK) !== 0;
    sc.ts = (flags & SCF_TIMESTAMP) !== 0;
    sc.ecn = (flags & SCF_ECN) !== 0;
    sc.signature = (flags & SCF_SIGNATURE) !== 0;
    sc.noopt = (flags & SCF_NOOPT) !== 0;
    sc.ttl = ((w[e + FIB_TTL_TOS]! >>> 8) & 0xff) || -1;
    sc.tos = w[e + FIB_TTL_TOS]! & 0xff;
    sc.tries = w[e + TRIES]!;
    sc.ageUs = Math.max(0, ((now | 0) - w[e + SENT_US]!) | 0);
  }

  irs(e: number): number {
    return this.w[e + IRS]!;
  }

  iss(e: number): number {
    return this.w[e + ISS]!;
  }

  wnd(e: number): number {
    return this.w[e + WND_MSS]! >>> 16;
  }

  setTsReflect(e: number, tsval: number): void {
    this.w[e + TSREFLECT] = tsval;
  }

  flags(e: number): number {
    return this.w[e + FLAGS]! & 0xffff;
  }

  setFlags(e: number, flags: number): void {
    this.w[e + FLAGS] = (this.w[e + FLAGS]! & ~0xffff) | flags;
  }

  /** How often its SYN|ACK was sent. */
  tries(e: number): number {
    return this.w[e + TRIES]!;
  }

  setSentUs(e: number, us: number): void {
    this.w[e + SENT_US] = us;
  }

  dueMs(e: number): number {
    return this.w[e + DUE_MS]!;
  }

  private queue(e: number, tries: number): void {
    const { w } = this;
    const q = Math.min(tries, QUEUES - 1);
    const tail = this.qtails[q]!;
    w[e + TRIES] = tries;
    w[e + QNEXT] = SC_NONE;
    w[e + QPREV] = tail;
    if (tail === SC_NONE) this.qheads[q] = e;
    else w[tail + QNEXT] = e;
    this.qtails[q] = e;
  }

  private unqueue(e: number): void {
    const { w } = this;
    const q = Math.min(w[e + TRIES]!, QUEUES - 1);
    const next = w[e + QNEXT]!;
    const prev = w[e + QPREV]!;
    if (prev === SC_NONE) this.qheads[q] = next;
    else w[prev + QNEXT] = next;
    if (next === SC_NONE) this.qtails[q] = prev;
    else w[next + QPREV] = prev;
  }

  /** A free record. */
  private take(): number {
    const e = this.free;
    if (e !== SC_NONE) {
      this.free = this.w[e + NEXT]!;
      return e;
    }
    if (this.fresh === this.w.length) {
      const larger = new Int32Array(2 * this.w.length);
      larger.set(this.w);
      this.w = larger;
    }
    this.fresh += WORDS;
    return this.fresh - WORDS;
  }
}

const flagsOf = (sc: HalfOpen): number =>
  (sc.isV6 ? SCF_IPV6 : 0) | (sc.sndScale >= 0 ? SCF_WINSCALE : 0) | (sc.ts ? SCF_TIMESTAMP : 0) | (sc.sack ? SCF_SACK : 0) | (sc.signature ? SCF_SIGNATURE : 0)
  | (sc.noopt ? SCF_NOOPT : 0) | (sc.ecn ? SCF_ECN : 0);
