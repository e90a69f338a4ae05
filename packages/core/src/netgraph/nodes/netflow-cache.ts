/**
 * netflow-cache.ts — NetflowCache: the flows that are under way, of one version of IP.
 * Read first: netflow-packet.ts; ng_netflow(4) on why a flow ends.
 *
 * Theory of operation. Flows are in 65536 buckets, in each the one that had a packet last is last. A flow ends when it is too old (active timeout), when its TCP
 * connection ends, when its counter would overflow; when it has been silent for the inactive timeout and is short, which is what scans look like; and,
 * silent and longer, when there are more flows than two to a bucket. What ends is found on the way to another flow, and by `scan`, once a second.
 *
 * Invariants: `used` flows are in the buckets and not more than the limit. A flow that has ended is used again for another.
 */
import { TH_FIN, TH_RST } from '../../wire/tcp.js';
import { NetflowKey } from './netflow-packet.js';

const BUCKETS = 65_536;
/** Above two to a bucket, silent flows end however long they are. */
const CROWDED = BUCKETS * 2;
/** Packets of a flow that is short. */
const SMALL = 4;
/** Bytes a counter of 32 bits holds before another packet could overflow it. */
const BYTES_MAX = 0xffff_ffff - 65_535;

export class NetflowEntry {
  readonly key = new NetflowKey();
  /** Whole seconds since the kernel began. */
  first = 0;
  last = 0;
  tcpFlags = 0;
  packets = 0;
  bytes = 0;
  // From the routing table.
  outputIf = 0;
  srcMask = 0;
  dstMask = 0;
  /** Words of the gateway; of IPv4 the last. */
  n0 = 0;
  n1 = 0;
  n2 = 0;
  n3 = 0;
  next: NetflowEntry | null = null;
  prev: NetflowEntry | null = null;
}

/** What the cache needs of the node. */
export interface NetflowCacheUser {
  readonly inactiveSeconds: number;
  readonly activeSeconds: number;
  readonly maxFlows: number;
  /** A new flow: what the routing table says of it. */
  route(entry: NetflowEntry): void;
  /** A flow has ended; it is the cache's again afterwards. */
  ended(entry: NetflowEntry): void;
}

export class NetflowCache {
  used = 0;
  /** Flows that were not kept because there were too many. */
  allocFailed = 0;
  activeExpiries = 0;
  inactiveExpiries = 0;
  private readonly user: NetflowCacheUser;
  private heads: (NetflowEntry | null)[] = [];
  private tails: (NetflowEntry | null)[] = [];
  private free: NetflowEntry | null = null;

  constructor(user: NetflowCacheUser) {
    this.user = user;
  }

  /** Counts a packet. */
  add(key: NetflowKey, seconds: number): void {
    if (this.heads.length === 0) {
      this.heads = new Array<NetflowEntry | null>(BUCKETS).fill(null);
      this.tails = new Array<NetflowEntry | null>(BUCKETS).fill(null);
    }
    const bucket = key.hash;
    const found = this.find(bucket, key, seconds);
    if (found === null) {
      this.insert(bucket, key, seconds);
      return;
    }
    found.bytes += key.bytes;
    found.packets += key.packets;
    found.tcpFlags |= key.tcpFlags;
    found.last = seconds;
    if ((key.tcpFlags & (TH_FIN | TH_RST)) !== 0 || this.isAged(found, seconds) || found.bytes >= BYTES_MAX) {
      this.activeExpiries++;
      this.end(bucket, found);
    } else if (found.next !== null) {
      this.unlink(bucket, found);
      this.append(bucket, found);
    }
  }

  /** The flow, from the newest; what has ended on the way is taken out. */
  private find(bucket: number, key: NetflowKey, seconds: number): NetflowEntry | null {
    for (let entry: NetflowEntry | null = this.tails[bucket]!; entry !== null;) {
      if (isSame(entry.key, key)) return entry;
      const { prev }: NetflowEntry = entry;
      if ((this.isInactive(entry, seconds) && entry.packets <= SMALL) || this.isAged(entry, seconds)) {
        this.activeExpiries++;
        this.end(bucket, entry);
      }
      entry = prev;
    }
    return null;
  }

  private insert(bucket: number, key: NetflowKey, seconds: number): void {
    if (this.used >= this.user.maxFlows) {
      this.allocFailed++;
      return;
    }
    const entry = this.free ?? new NetflowEntry();
    this.free = entry.next;
    copyKey(entry.key, key);
    entry.first = seconds;
    entry.last = seconds;
    entry.tcpFlags = key.tcpFlags;
    entry.packets = key.packets;
    entry.bytes = key.bytes;
    entry.outputIf = 0;
    entry.srcMask = 0;
    entry.dstMask = 0;
    entry.n0 = 0;
    entry.n1 = 0;
    entry.n2 = 0;
    entry.n3 = 0;
    this.user.route(entry);
    this.used++;
    this.append(bucket, entry);
  }

  /** Ends what has been silent, or lived, for too long. */
  scan(seconds: number): void {
    if (this.used === 0) return;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      for (let entry: NetflowEntry | null = this.heads[bucket]!; entry !== null;) {
        const { next }: NetflowEntry = entry;
        const inactive = this.isInactive(entry, seconds);
        if (this.used <= CROWDED && !inactive) break;
        if ((inactive && (entry.packets <= SMALL || this.used > CROWDED)) || this.isAged(entry, seconds)) {
          this.inactiveExpiries++;
          this.end(bucket, entry);
        }
        entry = next;
      }
    }
  }

  /** Ends everything. */
  flush(): void {
    for (let bucket = 0; this.used > 0 && bucket < BUCKETS; bucket++) {
      for (let entry: NetflowEntry | null = this.heads[bucket]!; entry !== null; entry = this.heads[bucket]!) this.end(bucket, entry);
    }
  }

  private isInactive(entry: NetflowEntry, seconds: number): boolean {
    return seconds - entry.last > this.user.inactiveSeconds;
  }

  private isAged(entry: NetflowEntry, seconds: number): boolean {
    return seconds - entry.first > this.user.activeSeconds;
  }

  private end(bucket: number, entry: NetflowEntry): void {
    this.unlink(bucket, entry);
    this.used--;
    this.user.ended(entry);
    entry.next = this.free;
    this.free = entry;
  }

  private append(bucket: number, entry: NetflowEntry): void {
    const last = this.tails[bucket]!;
    entry.prev = last;
    entry.next = null;
    if (last === null) this.heads[bucket] = entry;
    else last.next = entry;
    this.tails[bucket] = entry;
  }

  private unlink(bucket: number, entry: NetflowEntry): void {
    const { prev, next } = entry;
    if (prev === null) this.heads[bucket] = next;
    else prev.next = next;
    if (next === null) this.tails[bucket] = prev;
    else next.prev = prev;
    entry.prev = null;
    entry.next = null;
  }
}

function isSame(a: NetflowKey, b: NetflowKey): boolean {
  return a.s3 === b.s3 && a.d3 === b.d3 && a.sport === b.sport && a.dport === b.dport && a.proto === b.proto && a.tos === b.tos && a.inputIf === b.inputIf && a.fib === b.fib
    && a.version === b.version && (a.version === 4 || (a.s0 === b.s0 && a.s1 === b.s1 && a.s2 === b.s2 && a.d0 === b.d0 && a.d1 === b.d1 && a.d2 === b.d2));
}

function copyKey(to: NetflowKey, from: NetflowKey): void {
  to.version = from.version;
  to.fib = from.fib;
  to.s0 = from.s0;
  to.s1 = from.s1;
  to.s2 = from.s2;
  to.s3 = from.s3;
  to.d0 = from.d0;
  to.d1 = from.d1;
  to.d2 = from.d2;
  to.d3 = from.d3;
  to.sport = from.sport;
  to.dport = from.dport;
  to.proto = from.proto;
  to.tos = from.tos;
  to.inputIf = from.inputIf;
}
