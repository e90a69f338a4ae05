/**
 * frag6.ts — class Frag6: IPv6 fragments are put together again.
 * Read first: RFC 8200 §4.5; RFC 5722 (overlaps); RFC 6946 (atomic fragments); RFC 7112 (first fragments); RFC 3168 §5.3 (ECN); inet/ip-reass.ts,
 * which does the same for IPv4; FreeBSD's netinet6/frag6.c.
 *
 * Theory of operation. Fragments with the same source, destination and identification wait in one Ip6q, sorted by offset. They never overlap, so a
 * datagram is whole when the bytes that are there equal the end that the last fragment told: no walk is needed to see it. It is then copied,
 * once, into one packet without a fragment header. A queue lives `fraglifetime_ms`; when it dies and holds the beginning of the datagram, the
 * sender is told. A fragment that is the whole datagram (an atomic one) never meets a queue: its header is cut out.
 *
 * Overlap rule. A fragment at the place and with the length of one that is there is a duplicate of the network: it is dropped, the
 * queue goes on. Any other overlap, and a last fragment that contradicts what is there, condemns the datagram: its fragments are dropped
 * without a word, and the empty queue stays until its time is up, so that what still arrives of it is dropped too.
 *
 * Bounds: `maxfrags` fragments, `maxfragpackets` queues, `maxfragbucketsize` queues of a hash bucket (who comes too late is dropped: the datagrams
 * that wait have a claim), `maxfragsperpacket` fragments of a datagram. The hash is keyed, its table made with the first fragment.
 *
 * Invariants: `nfrags` is the sum over all queues; a queue is in its bucket and on the age list exactly while it lives; the age list is sorted by
 * expiry; the timer is armed while it is not empty. A condemned queue holds no packets.
 *
 * @rfc 8200 4.5 yes
 * @rfc 5722 4 yes
 * @rfc 6946 4 yes
 * @rfc 7112 5 yes
 * @rfc 3168 5.3 yes
 * @rfc 8021 2 yes
 */
import { US_PER_MS } from '../base/time.js';
import type { Micros } from '../base/time.js';
import { freeChain } from '../inet/ip-fragment.js';
import { Callout } from '../kern/callout.js';
import { CSUM_L4_VALID, M_FRAGMENTED, copyBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6W0Zoned } from '../wire/addr6.js';
import { ICMP6_PARAMPROB_FRAGHDRCHAIN, ICMP6_PARAMPROB_HEADER, ICMP6_PARAM_PROB, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_REASSEMBLY } from '../wire/icmp6.js';
import {
  IP6F_IDENT, IP6F_MORE_FRAG, IP6F_OFFLG, IP6F_OFF_MASK, IP6_DST, IP6_FRAG_HDR_LEN, IP6_HDR_LEN, IP6_PLEN, IP6_SRC, IPV6_MAXPACKET, ip6Class, ip6ExtLen, ip6IsExt,
} from '../wire/ip6.js';
import { IPPROTO_ICMPV6, IPPROTO_NONE, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';
import { IP6REASS_NHASH, Ip6q, UNFRGLEN_NONE, bucketSize, frag6End, frag6Len, frag6More, frag6Off } from './frag6-queue.js';
import type { In6Ifstat } from './ip6-ifstat.js';
import { ip6PrevHdr } from './ip6-exthdr.js';
import type { Ip6 } from './ip6.js';

/** Packets of the pool one fragment in so many may hold (FreeBSD: nmbclusters / 32). */
const POOL_SHARE = 32;
const DEFAULT_LIFETIME_MS = 60_000;
const ECN_MASK = 3;
const ECN_CE = 3;
/** ECN is in the low bits of the traffic class, which ends in the upper half of the second byte. */
const ECN_SHIFT = 4;
const TCP_HDR_MIN = 20;
const UDP_HDR = 8;

const NO_COUNTS = new Uint16Array(0);
const NO_KEY = new Int32Array(0);

export class Frag6 {
  /** Words of source and destination of the fragment under way; made with the first one. */
  private key = NO_KEY;
  maxfrags: number;
  maxfragpackets: number;
  maxfragsperpacket = 64;
  maxfragbucketsize: number;
  lifetimeMs = DEFAULT_LIFETIME_MS;
  /** Fragments and queues waiting now. */
  nfrags = 0;
  npackets = 0;
  /**
   * Of the packet that `input` has just answered: number of the header that was behind the fragment header, and its place. Headers before may
   * differ from fragment to fragment; those of the first count.
   */
  nxt = 0;
  off = 0;
  private readonly ip6: Ip6;
  private readonly seed: number;
  private buckets: (Ip6q | null)[] = [];
  private counts: Uint16Array = NO_COUNTS;
  private oldest: Ip6q | null = null;
  private youngest: Ip6q | null = null;
  private readonly timer: Callout;

  constructor(ip6: Ip6) {
    const { kern } = ip6.net;
    this.ip6 = ip6;
    this.seed = kern.engine.rng.split(`frag6/${kern.name}`).u32();
    this.maxfrags = Math.floor(kern.engine.pool.smallMax / POOL_SHARE);
    this.maxfragpackets = Math.min(this.maxfrags, IP6REASS_NHASH * 50);
    this.maxfragbucketsize = bucketSize(this.maxfragpackets);
    this.timer = new Callout(kern, () => {
      this.timedOut();
    });
  }

  /** Takes `m`, whose fragment header is at `off`. The datagram, without that header, when it is whole now (`nxt` is set), else null. Owns `m`. */
  input(ifp: Ifnet, m: PacketBuffer, off: number): PacketBuffer | null {
    const { stats } = this.ip6;
    const st = this.ifstat(ifp, m);
    if (off + IP6_FRAG_HDR_LEN > m.len) {
      stats.tooshort++;
      st.reassFail++;
      m.free();
      return null;
    }
    const v = m.view;
    const offlg = v.getUint16(m.off + off + IP6F_OFFLG);
    const len = m.len - off - IP6_FRAG_HDR_LEN;
    if ((offlg & IP6F_MORE_FRAG) !== 0 && (len & 7) !== 0) {
      st.reassFail++;
      return this.refuse(ifp, m, ICMP6_PARAMPROB_HEADER, IP6_PLEN);
    }
    stats.fragments++;
    st.reassReqd++;
    if ((offlg & (IP6F_OFF_MASK | IP6F_MORE_FRAG)) === 0) return this.atomic(m, off, st);
    if (len === 0) {
      stats.fragdropped++;
      st.reassFail++;
      return this.refuse(ifp, m, ICMP6_PARAMPROB_HEADER, IP6_PLEN);
    }
    if (this.maxfrags >= 0 && this.nfrags >= this.maxfrags) return this.dropOne(m, st);
    m.nhoff = m.off + off;
    if ((offlg & IP6F_OFF_MASK) === 0 && !isChainWhole(m)) {
      stats.fragdropped++;
      st.reassFail++;
      return this.refuse(ifp, m, ICMP6_PARAMPROB_FRAGHDRCHAIN, 0);
    }
    return this.take(ifp, m, off, st);
  }

  /** Frees everything. */
  drain(): void {
    while (this.oldest !== null) {
      this.ip6.stats.fragdropped += this.oldest.nfrag;
      this.remove(this.oldest);
    }
  }

  /** `ifp` goes away: its fragments stay, without saying where they came in. */
  departed(ifp: Ifnet): void {
    for (let q = this.oldest; q !== null; q = q.younger) {
      for (let m = q.head; m !== null; m = m.next) if (m.rcvif === ifp.index) m.rcvif = 0;
    }
  }

  /** The limit of queues was lowered: the oldest give way. */
  enforce(): void {
    while (this.maxfragpackets >= 0 && this.npackets > this.maxfragpackets && this.oldest !== null) {
      this.ip6.stats.fragoverflow += this.oldest.nfrag;
      this.give(this.oldest);
    }
  }

  /** Counters of the interface that has the destination. */
  private ifstat(ifp: Ifnet, m: PacketBuffer): In6Ifstat {
    const { in6Net } = this.ip6;
    const v = m.view;
    const d = m.off + IP6_DST;
    const ia = in6Net.addrOf(ip6W0Zoned(v, d, ifp.index), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12));
    return (in6Net.ifinfo(ia === null ? ifp : ia.ifp) ?? in6Net.ifinfo(ifp)!).stats.ip6;
  }

  private refuse(ifp: Ifnet, m: PacketBuffer, code: number, pointer: number): null {
    this.ip6.icmp6Error(ifp, m, ICMP6_PARAM_PROB, code, pointer);
    return null;
  }

  private dropOne(m: PacketBuffer, st: In6Ifstat): null {
    this.ip6.stats.fragdropped++;
    st.reassFail++;
    m.free();
    return null;
  }

  /** The datagram is whole already: what is before the header moves over it. */
  private atomic(m: PacketBuffer, off: number, st: In6Ifstat): PacketBuffer {
    this.ip6.stats.atomicfrags++;
    st.reassOk++;
    m.flags |= M_FRAGMENTED;
    this.nxt = m.view.getUint8(m.off + off);
    this.off = off;
    m.view.setUint8(m.off + ip6PrevHdr(m, off), this.nxt);
    m.buf.copyWithin(m.off + IP6_FRAG_HDR_LEN, m.off, m.off + off);
    m.adj(IP6_FRAG_HDR_LEN);
    m.view.setUint16(m.off + IP6_PLEN, m.len - IP6_HDR_LEN);
    return m;
  }

  /** A fragment proper finds its queue, or makes one. */
  private take(ifp: Ifnet, m: PacketBuffer, off: number, st: In6Ifstat): PacketBuffer | null {
    const v = m.view;
    const ident = v.getInt32(m.nhoff + IP6F_IDENT);
    const bucket = this.hash(ifp, m, ident);
    let q: Ip6q | null = this.buckets[bucket] ?? null;
    while (q !== null && !q.is(this.key, ident)) q = q.hashNext;
    const isNew = q === null;
    if (q === null) {
      if (this.maxfragpackets >= 0 && ((this.counts[bucket] ?? 0) >= this.maxfragbucketsize || this.npackets >= this.maxfragpackets)) return this.dropOne(m, st);
      q = this.makeQueue(ident, bucket, ip6Class(v, m.off) & ECN_MASK);
    } else if (q.condemned || (q.nfrag > 0 && !joinEcn(q, ip6Class(v, m.off) & ECN_MASK))) return this.dropOne(m, st);
    const fragoff = frag6Off(m);
    if (fragoff === 0 && q.unfrglen === UNFRGLEN_NONE) {
      q.unfrglen = off - IP6_HDR_LEN;
      q.nxt = v.getUint8(m.nhoff);
      if (!isNew) this.expunge(q, ifp);
    }
    if (Math.max(q.unfrglen, 0) + frag6End(m) > IPV6_MAXPACKET) {
      if (isNew) this.remove(q);
      return this.refuse(ifp, m, ICMP6_PARAMPROB_HEADER, off + IP6F_OFFLG);
    }
    return this.insert(q, ifp, m, st);
  }

  /** The first fragment has told how long the headers are: fragments with which the datagram would be too long go. */
  private expunge(q: Ip6q, ifp: Ifnet): void {
    let before: PacketBuffer | null = null;
    let m = q.head;
    while (m !== null) {
      const next: PacketBuffer | null = m.next;
      if (q.unfrglen + frag6End(m) > IPV6_MAXPACKET) {
        if (before === null) q.head = next;
        else before.next = next;
        if (next === null) q.tail = before;
        q.nfrag--;
        this.nfrags--;
        q.bytes -= frag6Len(m);
        if (!frag6More(m)) q.end = -1;
        m.next = null;
        this.refuse(ifp, m, ICMP6_PARAMPROB_HEADER, m.nhoff - m.off + IP6F_OFFLG);
      } else before = m;
      m = next;
    }
  }

  /** Puts `m` where it belongs in `q`, or refuses it; the whole datagram when nothing is missing any more. */
  private insert(q: Ip6q, ifp: Ifnet, m: PacketBuffer, st: In6Ifstat): PacketBuffer | null {
    const fragoff = frag6Off(m);
    const end = frag6End(m);
    let before: PacketBuffer | null = q.tail;
    let after: PacketBuffer | null = null;
    if (before !== null && frag6Off(before) >= fragoff) {
      before = null;
      after = q.head;
      while (after !== null && frag6Off(after) < fragoff) {
        before = after;
        after = after.next;
      }
      if (after !== null && frag6Off(after) === fragoff && frag6End(after) === end) return this.dropOne(m, st);
    }
    if ((before !== null && frag6End(before) > fragoff) || (after !== null && frag6Off(after) < end)) return this.condemn(q, m, st);
    if (frag6More(m) ? q.end >= 0 && end >= q.end : q.end >= 0 || after !== null) return this.condemn(q, m, st);
    if (!frag6More(m)) q.end = end;
    m.next = after;
    if (before === null) q.head = m;
    else before.next = m;
    if (after === null) q.tail = m;
    q.nfrag++;
    this.nfrags++;
    q.bytes += end - fragoff;
    if (q.bytes === q.end) return this.assemble(q, ifp, st);
    if (q.nfrag > this.maxfragsperpacket) {
      this.ip6.stats.fragdropped += q.nfrag;
      this.give(q);
    }
    return null;
  }

  /** The fragments contradict each other: nothing of this datagram is believed, now or later. */
  private condemn(q: Ip6q, m: PacketBuffer, st: In6Ifstat): null {
    this.ip6.stats.fragoverlap += q.nfrag;
    this.release(q);
    q.condemned = true;
    return this.dropOne(m, st);
  }

  /** Copies the fragments into one packet and frees the queue; null when there is no packet to be had. */
  private assemble(q: Ip6q, ifp: Ifnet, st: In6Ifstat): PacketBuffer | null {
    const first = q.head as PacketBuffer;
    const hlen = IP6_HDR_LEN + q.unfrglen;
    const m = first.pool.alloc(hlen + q.end);
    if (m === null) {
      this.ip6.stats.fragdropped += q.nfrag;
      st.reassFail++;
      this.remove(q);
      return null;
    }
    m.copyMeta(first);
    copyBytes(m, m.off, first, first.off, hlen);
    let vouched = CSUM_L4_VALID;
    for (let f: PacketBuffer | null = first; f !== null; f = f.next) {
      vouched &= f.csumFlags;
      copyBytes(m, m.off + hlen + frag6Off(f), f, f.nhoff + IP6_FRAG_HDR_LEN, frag6Len(f));
    }
    m.csumFlags = vouched;
    m.rcvif = ifp.index;
    m.flags |= M_FRAGMENTED;
    m.nhoff = 0;
    this.nxt = q.nxt;
    this.off = hlen;
    const v = m.view;
    v.setUint16(m.off + IP6_PLEN, m.len - IP6_HDR_LEN);
    if (q.ecn === ECN_CE) v.setUint8(m.off + 1, v.getUint8(m.off + 1) | (ECN_CE << ECN_SHIFT));
    v.setUint8(m.off + ip6PrevHdr(m, hlen), q.nxt);
    this.remove(q);
    this.ip6.stats.reassembled++;
    st.reassOk++;
    return m;
  }

  /** Fills `key` and answers the bucket. */
  private hash(ifp: Ifnet, m: PacketBuffer, ident: number): number {
    const v = m.view;
    if (this.key.length === 0) this.key = new Int32Array(8);
    let h = Math.imul(ident ^ this.seed, 0x85ebca6b);
    for (let i = 0; i < 8; i++) {
      const at = m.off + IP6_SRC + 4 * i;
      const w = (i & 3) === 0 ? ip6W0Zoned(v, at, ifp.index) : v.getInt32(at);
      this.key[i] = w;
      h = Math.imul((h ^ (h >>> 15)) + w, 0xc2b2ae35);
    }
    return (h ^ (h >>> 16)) & (IP6REASS_NHASH - 1);
  }

  private makeQueue(ident: number, bucket: number, ecn: number): Ip6q {
    if (this.buckets.length === 0) {
      this.buckets = new Array<Ip6q | null>(IP6REASS_NHASH).fill(null);
      this.counts = new Uint16Array(IP6REASS_NHASH);
    }
    const q = new Ip6q(this.key, ident, bucket, this.now + this.lifetimeMs * US_PER_MS, ecn);
    q.hashNext = this.buckets[bucket] ?? null;
    this.buckets[bucket] = q;
    this.counts[bucket]!++;
    this.npackets++;
    this.age(q);
    return q;
  }

  private get now(): Micros {
    return this.ip6.net.kern.engine.now;
  }

  /** Links by expiry; almost always at the young end, unless the lifetime was made shorter. */
  private age(q: Ip6q): void {
    let before = this.youngest;
    while (before !== null && before.expireAt > q.expireAt) before = before.older;
    q.older = before;
    q.younger = before === null ? this.oldest : before.younger;
    if (q.younger === null) this.youngest = q;
    else q.younger.older = q;
    if (before !== null) before.younger = q;
    else {
      this.oldest = q;
      this.rearm();
    }
  }

  private release(q: Ip6q): void {
    freeChain(q.head);
    this.nfrags -= q.nfrag;
    q.head = null;
    q.tail = null;
    q.nfrag = 0;
  }

  /** The queue goes; a sender whose first fragment is here is told (frag6_freef). */
  private give(q: Ip6q): void {
    const first = q.head;
    const ifp = first === null || frag6Off(first) !== 0 ? null : this.ip6.net.ifByIndex(first.rcvif);
    if (first !== null && ifp !== null) {
      q.head = first.next;
      first.next = null;
      first.nhoff = 0;
      this.ip6.icmp6Error(ifp, first, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_REASSEMBLY, 0);
    }
    this.remove(q);
  }

  private remove(q: Ip6q): void {
    this.release(q);
    let p: Ip6q | null = null;
    for (let e = this.buckets[q.bucket] ?? null; e !== q && e !== null; e = e.hashNext) p = e;
    if (p === null) this.buckets[q.bucket] = q.hashNext;
    else p.hashNext = q.hashNext;
    this.counts[q.bucket]!--;
    this.npackets--;
    if (q.younger === null) this.youngest = q.older;
    else q.younger.older = q.older;
    if (q.older !== null) q.older.younger = q.younger;
    else {
      this.oldest = q.younger;
      this.rearm();
    }
  }

  private rearm(): void {
    const { engine } = this.ip6.net.kern;
    if (this.oldest === null) engine.calloutStop(this.timer);
    else engine.calloutReset(this.timer, Math.max(0, this.oldest.expireAt - engine.now));
  }

  private timedOut(): void {
    for (let q = this.oldest; q !== null && q.expireAt <= this.now; q = this.oldest) {
      this.ip6.stats.fragtimeout += q.nfrag;
      this.give(q);
    }
    this.rearm();
  }
}

/** CE is not lost; marked and not-ECT fragments of one datagram do not go together. */
function joinEcn(q: Ip6q, ecn: number): boolean {
  if (ecn === ECN_CE) {
    if (q.ecn === 0) return false;
    q.ecn = ECN_CE;
  }
  return ecn !== 0 || q.ecn === 0;
}

/** Are all headers of the datagram in its first fragment `m`, that of the protocol included? */
function isChainWhole(m: PacketBuffer): boolean {
  const v = m.view;
  const end = m.off + m.len;
  let nxt = v.getUint8(m.nhoff);
  let at = m.nhoff + IP6_FRAG_HDR_LEN;
  while (ip6IsExt(nxt)) {
    const len = ip6ExtLen(v, at, end, nxt);
    if (len < 0) return false;
    nxt = v.getUint8(at);
    at += len;
  }
  return nxt === IPPROTO_NONE || at + headerMin(nxt) <= end;
}

function headerMin(proto: number): number {
  if (proto === IPPROTO_TCP) return TCP_HDR_MIN;
  return proto === IPPROTO_UDP || proto === IPPROTO_ICMPV6 ? UDP_HDR : 1;
}
