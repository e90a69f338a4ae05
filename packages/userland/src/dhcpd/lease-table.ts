/**
 * lease-table.ts — the leases of a DHCP server: which address is whose, until when, and which one somebody new gets.
 * Read first: RFC 2131 §4.3.1; dhcpd.leases(5).
 *
 * Theory of operation. A lease exists for every address that has been offered once, so there are never more than addresses in ranges and reservations. One that has ended stays, so
 * that the client gets it again; who is new gets an address nobody has had, then the one that has been free for longest. When there is none, the oldest offer that nobody took up
 * within OFFER_HELD_US is taken back, and then what was abandoned ABANDONED_HELD_US ago: a flood of questions or of refusals holds addresses for that long and no longer.
 *
 * Invariants: a client has at most one lease in a network that is not abandoned; an address has at most one lease.
 */
import { DHCP4_INFINITE } from '@netloom/core/wire';
import type { ConfRange } from './dhcpd-conf.js';

const US_PER_SEC = 1_000_000;
/** An offer is kept for its client at least so long. */
const OFFER_HELD_US = 5 * US_PER_SEC;
/** What was abandoned is left alone at least so long. */
const ABANDONED_HELD_US = 600 * US_PER_SEC;

export type LeaseState = 'offered' | 'active' | 'expired' | 'released' | 'abandoned';

export interface Lease {
  readonly addr: number;
  readonly network: string;
  /** The client's identity; '' for one that somebody else was seen with. */
  client: string;
  mac: Uint8Array;
  clientId: Uint8Array | null;
  hostname: string;
  state: LeaseState;
  /** Microseconds since boot. */
  startUs: number;
  endUs: number;
  /** From a reservation. */
  fixed: boolean;
  /** What the relay said of where the client is (option 82). */
  agent: Uint8Array | null;
}

export class LeaseTable {
  private readonly byAddr = new Map<number, Lease>();
  private readonly byClient = new Map<string, Lease>();
  /** Where the search for an address nobody has had goes on, by range. */
  private readonly cursors = new Map<ConfRange, number>();
  /** Ranges without an address for anybody new, and when that may change by itself: a flood costs no search. */
  private readonly fullUntil = new Map<ConfRange, number>();
  /** Addresses that reservations name. */
  private readonly reserved: ReadonlySet<number>;

  constructor(reserved: ReadonlySet<number>) {
    this.reserved = reserved;
  }

  get size(): number {
    return this.byAddr.size;
  }

  /** Sorted by address, with the states they have at `now`. */
  list(now: number): Lease[] {
    return [...this.byAddr.values()].map((l) => this.settle(l, now)).sort((a, b) => a.addr - b.addr);
  }

  at(addr: number, now: number): Lease | null {
    const lease = this.byAddr.get(addr);
    return lease === undefined ? null : this.settle(lease, now);
  }

  of(network: string, client: string, now: number): Lease | null {
    const lease = this.byClient.get(`${network} ${client}`);
    return lease === undefined ? null : this.settle(lease, now);
  }

  /** May `client` have `addr`, as far as leases go? */
  isFree(addr: number, client: string, now: number): boolean {
    const lease = this.at(addr, now);
    return lease === null || (lease.state !== 'abandoned' && (lease.client === client || lease.state === 'expired' || lease.state === 'released'));
  }

  /** An address for somebody new out of these ranges, or null. */
  pick(ranges: readonly ConfRange[], now: number): number | null {
    for (const range of ranges) {
      let at = this.cursors.get(range) ?? range.lo;
      while (at <= range.hi && (this.byAddr.has(at) || this.reserved.has(at))) at++;
      this.cursors.set(range, at);
      if (at <= range.hi) return at;
    }
    const open = ranges.filter((r) => now >= (this.fullUntil.get(r) ?? 0));
    const best = open.length === 0 ? null : this.pickUsed(open, now);
    return best?.addr ?? null;
  }

  private pickUsed(ranges: readonly ConfRange[], now: number): Lease | null {
    const inRange = (l: Lease): boolean => !this.reserved.has(l.addr) && ranges.some((r) => l.addr >= r.lo && l.addr <= r.hi);
    let best: Lease | null = null;
    let bestRank = RANK_NEVER;
    let nextUs = Infinity;
    for (const lease of this.byAddr.values()) {
      if (!inRange(lease)) continue;
      const rank = rankOf(this.settle(lease, now), now);
      nextUs = Math.min(nextUs, takeableUs(lease));
      if (rank > bestRank || rank === RANK_NEVER) continue;
      if (rank === bestRank && best !== null && lease.endUs >= best.endUs) continue;
      best = lease;
      bestRank = rank;
    }
    if (best === null) for (const range of ranges) this.fullUntil.set(range, nextUs);
    return best;
  }

  /** The client has done with the lease. */
  free(lease: Lease, now: number): void {
    lease.state = 'released';
    lease.endUs = now;
    this.fullUntil.clear();
  }

  /** Binds `addr` to a client, whatever either had before in this network. */
  bind(lease: Lease): Lease {
    const before = this.byAddr.get(lease.addr);
    if (before !== undefined) this.unindex(before);
    const had = this.byClient.get(`${lease.network} ${lease.client}`);
    if (had !== undefined && had.addr !== lease.addr) {
      this.unindex(had);
      had.client = '';
      this.free(had, lease.startUs);
    }
    this.byAddr.set(lease.addr, lease);
    this.byClient.set(`${lease.network} ${lease.client}`, lease);
    return lease;
  }

  /** Somebody else uses the address: it is nobody's until `untilUs`. */
  abandon(lease: Lease, now: number, untilUs: number): void {
    this.unindex(lease);
    this.fullUntil.clear();
    Object.assign(lease, { client: '', clientId: null, hostname: '', state: 'abandoned', startUs: now, endUs: untilUs });
  }

  private unindex(lease: Lease): void {
    const key = `${lease.network} ${lease.client}`;
    if (this.byClient.get(key) === lease) this.byClient.delete(key);
  }

  private settle(lease: Lease, now: number): Lease {
    if (lease.state !== 'expired' && lease.state !== 'released' && lease.endUs <= now) lease.state = 'expired';
    return lease;
  }
}

const RANK_NEVER = 9;

/** How willingly a lease is taken for somebody else: 0 most. */
function rankOf({ state, startUs }: Lease, now: number): number {
  if (state === 'expired' || state === 'released') return 0;
  if (state === 'offered' && now - startUs >= OFFER_HELD_US) return 1;
  return state === 'abandoned' && now - startUs >= ABANDONED_HELD_US ? 2 : RANK_NEVER;
}

/** When a lease that nobody touches may be taken for somebody else. */
function takeableUs({ state, startUs, endUs }: Lease): number {
  if (state === 'offered') return Math.min(endUs, startUs + OFFER_HELD_US);
  return state === 'abandoned' ? Math.min(endUs, startUs + ABANDONED_HELD_US) : endUs;
}

/** When a lease of so many seconds that begins now ends. */
export function leaseEndUs(now: number, seconds: number): number {
  return seconds === DHCP4_INFINITE ? Infinity : now + seconds * US_PER_SEC;
}
