/**
 * bridge-hosts.ts — the hosts a bridge node knows: link address to link.
 *
 * Look-ups go through a table with a keyed hash. What `gettable` shows is in the order of the original's table: by the exclusive or of the
 * address's three words, newest first among equals, in a number of buckets that follows the number of hosts.
 */
import { MacTable } from '../../net/mac-table.js';
import type { BridgeLink } from './bridge-link.js';

/** Hosts a bridge remembers; more are taken for unknown. */
export const NG_BRIDGE_HOSTS_MAX = 65_536;
const BUCKETS_MIN = 32;
const BUCKETS_MAX = 16_384;
const TYPE_HOST = 1;

export class BridgeHost {
  readonly hi: number;
  readonly lo: number;
  link: BridgeLink;
  /** Seconds since it was learned here, and since it was heard of. */
  age = 0;
  staleness = 0;

  constructor(hi: number, lo: number, link: BridgeLink) {
    this.hi = hi;
    this.lo = lo;
    this.link = link;
  }
}

export class BridgeHosts extends MacTable {
  private buckets = BUCKETS_MIN;
  /** Hosts by their number in the table; holes are free numbers. */
  private readonly hosts: (BridgeHost | null)[] = [];
  private readonly free: number[] = [];

  constructor(key: number) {
    super(key, NG_BRIDGE_HOSTS_MAX, 0);
  }

  /** @param hi the first two octets, @param lo the other four, signed. */
  find(hi: number, lo: number): BridgeHost | null {
    const slot = this.slotOf(lo, hi);
    return slot < 0 ? null : this.hosts[this.numberAt(slot)]!;
  }

  /** False: there is no room. */
  insert(host: BridgeHost): boolean {
    const number = this.free.at(-1) ?? this.hosts.length;
    if (!this.add(host.lo, host.hi, number, TYPE_HOST, 0, 0)) return false;
    this.free.pop();
    this.hosts[number] = host;
    this.resize();
    return true;
  }

  /** Forgets the hosts of which `test` is true. */
  forget(test: (host: BridgeHost) => boolean): void {
    this.removeWhere((slot) => {
      const number = this.numberAt(slot);
      if (!test(this.hosts[number]!)) return false;
      this.hosts[number] = null;
      this.free.push(number);
      return true;
    });
    this.resize();
  }

  /** In the order in which they are shown. */
  list(): BridgeHost[] {
    const all = this.hosts.filter((h) => h !== null).reverse();
    return all.sort((a, b) => this.bucketOf(a) - this.bucketOf(b));
  }

  /** Once a second. */
  tick(maxStaleness: number): number {
    const before = this.count;
    this.forget((host) => {
      if (++host.staleness >= maxStaleness) return true;
      host.age = Math.min(host.age + 1, 65_535);
      return false;
    });
    return before - this.count;
  }

  private bucketOf({ hi, lo }: BridgeHost): number {
    const xor = hi ^ (lo >>> 16) ^ (lo & 0xffff);
    return (((xor & 255) << 8) | (xor >> 8)) & (this.buckets - 1);
  }

  private resize(): void {
    if (this.count > this.buckets && this.buckets < BUCKETS_MAX) this.buckets *= 2;
    else if (this.count < this.buckets >> 2 && this.buckets > BUCKETS_MIN) this.buckets >>= 2;
    this.buckets = Math.max(this.buckets, BUCKETS_MIN);
  }
}
