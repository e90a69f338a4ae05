/**
 * ip-reass.ts — putting fragments together again.
 * Read first: RFC 791 §3.2, RFC 815, RFC 1122 §3.3.2, RFC 5722 (overlaps; written for IPv6, kept here), RFC 3168 §5.3 (ECN).
 *
 * Theory of operation. Fragments with the same (source, destination, protocol, identification) wait in one Ipq, sorted by
 * offset. Because they never overlap, a datagram is whole when the bytes that are there equal the end the last fragment told:
 * no walk is needed to see it. It is then copied, once, into one packet. A queue lives `fragttl` seconds from its first
 * fragment; when it dies and holds the beginning of the datagram, the sender is told (time exceeded, code 1).
 *
 * Overlap rule. A fragment that repeats another exactly (offset, length, more-bit) is a duplicate of the network: it is dropped,
 * the queue goes on. Any other overlap, and a last fragment that contradicts what is there, condemns the datagram: its
 * fragments are dropped, and the empty queue stays until its time is up so that what still arrives of it is dropped too. An
 * honest sender never overlaps; who does means two hosts to see two different datagrams.
 *
 * Bounds: `maxfrags` fragments, `maxfragpackets` queues (the oldest gives way), `maxfragbucketsize` queues per hash bucket
 * (the bucket's oldest gives way), `maxfragsperpacket` per datagram. The hash is keyed, and made with the first fragment.
 *
 * Invariants: `nfrags` is the sum over all queues; a queue is in its bucket and on the age list exactly while it lives; the age
 * list is sorted by expiry; the timer is armed while it is not empty. A condemned queue holds no packets.
 * Deviation: the default of maxfragsperpacket is 64, not FreeBSD's 16, so that a 64 KB datagram fits through 1500-byte links.
 *
 * @rfc 791 3.2 yes
 * @rfc 1122 3.3.2 yes
 * @rfc 3168 5.3 yes
 */
import type { Errno } from '../base/errno.js';
import { US_PER_SEC } from '../base/time.js';
import type { Micros } from '../base/time.js';
import { Callout } from '../kern/callout.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup, SysctlOid } from '../kern/sysctl.js';
import { CSUM_IP_VALID, CSUM_L4_VALID, copyBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ICMP_TIMXCEED, ICMP_TIMXCEED_REASS } from '../wire/icmp4.js';
import {
  IP4_LEN, IP4_OFF, IP4_TOS, IPTOS_ECN_CE, IPTOS_ECN_MASK, IPTOS_ECN_NOTECT, IP_MAXPACKET, IP_MF, MAXTTL, ip4Dst, ip4FragOff, ip4Hl,
  ip4Id, ip4Off, ip4P, ip4PutSum, ip4Src, ip4Tos,
} from '../wire/ip4.js';
import { freeChain } from './ip-fragment.js';
import type { Ip } from './ip.js';

const HASH_SIZE = 1_024;
/** Packets of the pool one fragment in so many may hold (FreeBSD: nmbclusters / 32). */
const POOL_SHARE = 32;
const FRAGS_MAX = 65_536;

/** The fragments of one datagram. */
class Ipq {
  readonly src: number;
  readonly dst: number;
  readonly idProto: number;
  readonly bucket: number;
  readonly expireAt: Micros;
  /** Sorted by offset, linked through `next`. */
  head: PacketBuffer | null = null;
  tail: PacketBuffer | null = null;
  nfrags = 0;
  /** Payload bytes present. */
  bytes = 0;
  /** Where the payload ends; -1 until the last fragment came. */
  end = -1;
  /** ECN bits of the datagram so far. */
  ecn = 0;
  condemned = false;
  hashNext: Ipq | null = null;
  older: Ipq | null = null;
  younger: Ipq | null = null;

  constructor(src: number, dst: number, idProto: number, bucket: number, expireAt: Micros) {
    this.src = src;
    this.dst = dst;
    this.idProto = idProto;
    this.bucket = bucket;
    this.expireAt = expireAt;
  }
}

const NO_COUNTS = new Uint16Array(0);

export class IpReass {
  maxfrags: number;
  /** Queues; 0: fragments are not accepted. */
  maxfragpackets: number;
  maxfragsperpacket = 64;
  maxfragbucketsize: number;
  /** Seconds a queue lives. */
  fragttl = 30;
  /** Fragments and queues waiting now. */
  nfrags = 0;
  nqueues = 0;
  private readonly ip: Ip;
  private readonly seed: number;
  private buckets: (Ipq | null)[] = [];
  private counts: Uint16Array = NO_COUNTS;
  private oldest: Ipq | null = null;
  private youngest: Ipq | null = null;
  private readonly timer: Callout;

  constructor(ip: Ip) {
    const { kern } = ip.net;
    this.ip = ip;
    this.seed = kern.engine.rng.split(`ip-reass/${kern.name}`).u32();
    this.maxfrags = Math.floor(kern.engine.pool.smallMax / POOL_SHARE);
    this.maxfragpackets = Math.min(this.maxfrags, HASH_SIZE * 50);
    this.maxfragbucketsize = Math.max(1, Math.floor(this.maxfragpackets / (HASH_SIZE / 2)));
    this.timer = new Callout(kern, () => {
      this.timedOut();
    });
  }

  /** Takes the fragment `m` (header valid, trimmed). The whole datagram when it was the one that was missing, else null. Owns `m`. */
  input(ifp: Ifnet, m: PacketBuffer): PacketBuffer | null {
    const { stats } = this.ip;
    if (this.maxfragpackets === 0 || this.maxfragsperpacket === 0 || this.nfrags >= this.maxfrags) {
      stats.fragments++;
      return this.dropOne(m);
    }
    const v = m.view;
    const len = m.len - ip4Hl(v, m.off);
    const more = (ip4Off(v, m.off) & IP_MF) !== 0;
    const end = ip4FragOff(v, m.off) + len;
    if (len === 0 || (more && (len & 7) !== 0)) {
      stats.toosmall++;
      return this.dropOne(m);
    }
    if (end > IP_MAXPACKET) {
      stats.toolong++;
      return this.dropOne(m);
    }
    stats.fragments++;
    const q = this.find(m) ?? this.makeQueue(m);
    return this.add(q, ifp, m, len, end, more);
  }

  /** Frees everything. */
  drain(): void {
    while (this.oldest !== null) this.drop(this.oldest);
  }

  /** `ifp` goes away: its fragments stay, without saying where they came in. */
  departed(ifp: Ifnet): void {
    for (let q = this.oldest; q !== null; q = q.younger) {
      for (let m = q.head; m !== null; m = m.next) if (m.rcvif === ifp.index) m.rcvif = 0;
    }
  }

  /** Puts `m` where it belongs in `q`, or refuses it; the whole datagram when nothing is missing any more. */
  private add(q: Ipq, ifp: Ifnet, m: PacketBuffer, len: number, end: number, more: boolean): PacketBuffer | null {
    if (q.condemned) return this.dropOne(m);
    const v = m.view;
    const ecn = ip4Tos(v, m.off) & IPTOS_ECN_MASK;
    if (q.nfrags > 0 && (ecn === IPTOS_ECN_NOTECT) !== (q.ecn === IPTOS_ECN_NOTECT)) return this.dropOne(m);
    let before: PacketBuffer | null = q.tail;
    let after: PacketBuffer | null = null;
    const off = end - len;
    if (before !== null && ip4FragOff(before.view, before.off) >= off) {
      before = null;
      after = q.head;
      while (after !== null && ip4FragOff(after.view, after.off) < off) {
        before = after;
        after = after.next;
      }
      if (after !== null && isSame(after, off, len, more)) return this.dropOne(m);
    }
    if ((before !== null && fragEnd(before) > off) || (after !== null && ip4FragOff(after.view, after.off) < end)) return this.condemn(q, m);
    const known = q.end >= 0;
    if (more ? known && end >= q.end : known || after !== null) return this.condemn(q, m);
    if (!more) q.end = end;
    if (ecn === IPTOS_ECN_CE || q.nfrags === 0) q.ecn = ecn;
    m.next = after;
    if (before === null) q.head = m;
    else before.next = m;
    if (after === null) q.tail = m;
    q.nfrags++;
    this.nfrags++;
    q.bytes += len;
    if (q.bytes === q.end) return this.assemble(q, ifp);
    if (q.nfrags > this.maxfragsperpacket) this.drop(q);
    return null;
  }

  /** Copies the fragments into one packet and frees the queue; null when the datagram is too long or there is no packet. */
  private assemble(q: Ipq, ifp: Ifnet): PacketBuffer | null {
    const first = q.head as PacketBuffer;
    const hlen = ip4Hl(first.view, first.off);
    const total = hlen + q.end;
    if (total > IP_MAXPACKET) {
      this.ip.stats.toolong++;
      this.drop(q);
      return null;
    }
    const m = first.pool.alloc(total);
    if (m === null) {
      this.drop(q);
      return null;
    }
    m.copyMeta(first);
    copyBytes(m, m.off, first, first.off, hlen);
    let vouched = CSUM_L4_VALID;
    for (let f: PacketBuffer | null = first; f !== null; f = f.next) {
      const fhl = ip4Hl(f.view, f.off);
      vouched &= f.csumFlags;
      copyBytes(m, m.off + hlen + ip4FragOff(f.view, f.off), f, f.off + fhl, f.len - fhl);
    }
    m.csumFlags = CSUM_IP_VALID | vouched;
    m.rcvif = ifp.index;
    const v = m.view;
    v.setUint8(m.off + IP4_TOS, (ip4Tos(v, m.off) & ~IPTOS_ECN_MASK) | q.ecn);
    v.setUint16(m.off + IP4_LEN, total);
    v.setUint16(m.off + IP4_OFF, 0);
    ip4PutSum(v, m.off, hlen);
    this.remove(q);
    this.ip.stats.reassembled++;
    return m;
  }

  private dropOne(m: PacketBuffer): null {
    this.ip.stats.fragdropped++;
    m.free();
    return null;
  }

  /** The fragments contradict each other: nothing of this datagram is believed, now or later. */
  private condemn(q: Ipq, m: PacketBuffer): null {
    const { stats } = this.ip;
    stats.fragoverlap++;
    stats.fragdropped += q.nfrags;
    this.release(q);
    q.condemned = true;
    return this.dropOne(m);
  }

  private drop(q: Ipq): void {
    this.ip.stats.fragdropped += q.nfrags;
    this.remove(q);
  }

  private hash(src: number, dst: number, idProto: number): number {
    let h = Math.imul(src ^ this.seed, 0x85ebca6b);
    h = Math.imul((h ^ (h >>> 15)) + dst, 0xc2b2ae35);
    h = Math.imul((h ^ (h >>> 13)) + idProto, 0x9e3779b1);
    return (h ^ (h >>> 16)) & (HASH_SIZE - 1);
  }

  private find(m: PacketBuffer): Ipq | null {
    if (this.nqueues === 0) return null;
    const v = m.view;
    const src = ip4Src(v, m.off);
    const dst = ip4Dst(v, m.off);
    const idProto = (ip4P(v, m.off) << 16) | ip4Id(v, m.off);
    let q = this.buckets[this.hash(src, dst, idProto)] ?? null;
    while (q !== null && (q.src !== src || q.dst !== dst || q.idProto !== idProto)) q = q.hashNext;
    return q;
  }

  /** A queue for the datagram `m` is a piece of; the oldest gives way when there are too many. */
  private makeQueue(m: PacketBuffer): Ipq {
    if (this.buckets.length === 0) {
      this.buckets = new Array<Ipq | null>(HASH_SIZE).fill(null);
      this.counts = new Uint16Array(HASH_SIZE);
    }
    const v = m.view;
    const src = ip4Src(v, m.off);
    const dst = ip4Dst(v, m.off);
    const idProto = (ip4P(v, m.off) << 16) | ip4Id(v, m.off);
    const b = this.hash(src, dst, idProto);
    if ((this.counts[b] as number) >= this.maxfragbucketsize) this.dropOldestIn(b);
    else if (this.nqueues >= this.maxfragpackets && this.oldest !== null) this.drop(this.oldest);
    const q = new Ipq(src, dst, idProto, b, this.ip.net.kern.engine.now + this.fragttl * US_PER_SEC);
    q.hashNext = this.buckets[b] ?? null;
    this.buckets[b] = q;
    this.counts[b] = (this.counts[b] as number) + 1;
    this.nqueues++;
    this.age(q);
    return q;
  }

  /** Links by expiry; almost always at the young end, unless `fragttl` was made smaller. */
  private age(q: Ipq): void {
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

  /** A bucket's list begins with its youngest queue. */
  private dropOldestIn(b: number): void {
    let last = this.buckets[b] ?? null;
    while (last !== null && last.hashNext !== null) last = last.hashNext;
    if (last !== null) this.drop(last);
  }

  private release(q: Ipq): void {
    freeChain(q.head);
    this.nfrags -= q.nfrags;
    q.head = null;
    q.tail = null;
    q.nfrags = 0;
  }

  private remove(q: Ipq): void {
    this.release(q);
    let p: Ipq | null = null;
    for (let e = this.buckets[q.bucket] ?? null; e !== q && e !== null; e = e.hashNext) p = e;
    if (p === null) this.buckets[q.bucket] = q.hashNext;
    else p.hashNext = q.hashNext;
    this.counts[q.bucket] = (this.counts[q.bucket] as number) - 1;
    this.nqueues--;
    if (q.younger === null) this.youngest = q.older;
    else q.younger.older = q.older;
    if (q.older !== null) q.older.younger = q.younger;
    else {
      this.oldest = q.younger;
      this.rearm();
    }
  }

  private rearm(): void {
    const { engine } = this.ip.net.kern;
    if (this.oldest === null) engine.calloutStop(this.timer);
    else engine.calloutReset(this.timer, Math.max(0, this.oldest.expireAt - engine.now));
  }

  private timedOut(): void {
    const { now } = this.ip.net.kern.engine;
    for (let q = this.oldest; q !== null && q.expireAt <= now; q = this.oldest) this.expire(q);
    this.rearm();
  }

  /** RFC 1122 §3.3.2: the sender is told when the first fragment is there. */
  private expire(q: Ipq): void {
    this.ip.stats.fragtimeout += q.nfrags;
    const first = q.head;
    if (first !== null && ip4FragOff(first.view, first.off) === 0) {
      q.head = first.next;
      first.next = null;
      this.ip.icmpError(null, first, ICMP_TIMXCEED, ICMP_TIMXCEED_REASS, 0);
    }
    this.remove(q);
  }
}

/** Offset of the byte behind the fragment. */
function fragEnd(m: PacketBuffer): number {
  return ip4FragOff(m.view, m.off) + m.len - ip4Hl(m.view, m.off);
}

function isSame(m: PacketBuffer, off: number, len: number, more: boolean): boolean {
  const v = m.view;
  return ip4FragOff(v, m.off) === off && m.len - ip4Hl(v, m.off) === len && ((ip4Off(v, m.off) & IP_MF) !== 0) === more;
}

/** -1 asks for no limit but the fragments'; the bucket limit follows, as in FreeBSD. */
function setMaxfragpackets(r: IpReass, value: number | string): Errno {
  const n = Number(value);
  r.maxfragpackets = n < 0 ? FRAGS_MAX : n;
  if (n !== 0) r.maxfragbucketsize = Math.max(1, Math.floor(r.maxfragpackets / (HASH_SIZE / 2)));
  return 0;
}

const MAXFRAGPACKETS: SysctlOid<IpReass> = {
  leaf: 'maxfragpackets', type: 'int', unit: 'packets', min: -1, max: FRAGS_MAX,
  help: 'Maximum number of IPv4 fragment reassembly queue entries; 0 refuses fragments, -1 is no limit',
  get: (r) => r.maxfragpackets,
  set: setMaxfragpackets,
};

export const REASS_SYSCTLS: SysctlGroup<IpReass> = {
  prefix: 'net.inet.ip',
  oids: [
    MAXFRAGPACKETS,
    sysctlInt('maxfrags', 'maxfrags', 'packets', 0, FRAGS_MAX, 'Maximum number of IPv4 fragments allowed across all reassembly queues'),
    sysctlInt('maxfragsperpacket', 'maxfragsperpacket', 'packets', 0, IP_MAXPACKET >>> 3, 'Maximum number of IPv4 fragments allowed per packet'),
    sysctlInt('maxfragbucketsize', 'maxfragbucketsize', 'packets', 1, FRAGS_MAX - 1, 'Maximum number of IPv4 fragment reassembly queue entries per bucket'),
    sysctlInt('fragttl', 'fragttl', 's', 1, MAXTTL, 'IP fragment life time on reassembly queue'),
    sysctlRead('curfrags', 'int', 'packets', 'Current number of IPv4 fragments across all reassembly queues', (r) => r.nfrags),
    sysctlRead('fragpackets', 'int', 'packets', 'Current number of IPv4 fragment reassembly queue entries', (r) => r.nqueues),
    sysctlRead('reass_hashsize', 'int', '', 'Size of IP fragment reassembly hashtable', () => HASH_SIZE),
  ],
};
