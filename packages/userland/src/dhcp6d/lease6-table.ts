/**
 * lease6-table.ts — the leases of a DHCPv6 server: which address is whose, until when, and which one somebody new gets.
 * Read first: RFC 8415 §6.2 and §12 (identity associations).
 *
 * Theory of operation. A binding is of one subnet, one client (DUID) and one association (IAID), and has one address. A lease that has ended stays, so that the client gets it again; who is
 * new gets an address nobody has had, then the one that has been free for longest. What is only advertised is held for nobody, so questions alone take nothing away.
 * `ended` has the ended leases in the order they ended. Ends are found by `sweep`, at most once a second: a flood costs no search.
 *
 * Invariants: at most LEASES_MAX leases; a binding has at most one that is not abandoned; an address has at most one.
 */
import { DHCP6_INFINITE } from '@netloom/core/wire';
import type { Conf6Range } from './dhcp6d-conf.js';

const US_PER_SEC = 1_000_000;
export const LEASES_MAX = 65_536;

export type Lease6State = 'active' | 'expired' | 'released' | 'abandoned';

export interface Lease6 {
  readonly addr: bigint;
  readonly subnet: string;
  /** Null: somebody else was seen with the address. */
  duid: Uint8Array | null;
  iaid: number;
  state: Lease6State;
  /** Microseconds since boot. */
  startUs: number;
  endUs: number;
  /** From a reservation. */
  readonly fixed: boolean;
}

export class Lease6Table {
  private readonly byAddr = new Map<bigint, Lease6>();
  private readonly byClient = new Map<string, Lease6>();
  private readonly ended = new Map<bigint, Lease6>();
  /** Where the search for an address nobody has had goes on, by range. */
  private readonly cursors = new Map<Conf6Range, bigint>();
  private nextSweepUs = Infinity;
  /** Addresses that reservations name. */
  private readonly reserved: ReadonlySet<bigint>;

  constructor(reserved: ReadonlySet<bigint>) {
    this.reserved = reserved;
  }

  get size(): number {
    return this.byAddr.size;
  }

  /** Sorted by address, with the states they have at `now`. */
  list(now: number): Lease6[] {
    return [...this.byAddr.values()].map((l) => this.settle(l, now)).sort((a, b) => (a.addr < b.addr ? -1 : 1));
  }

  /** What the client's association has or had. */
  of(subnet: string, duid: Uint8Array, iaid: number, now: number): Lease6 | null {
    const lease = this.byClient.get(keyOf(subnet, duid, iaid));
    return lease === undefined ? null : this.settle(lease, now);
  }

  /** May this association have `addr`, as far as leases go? */
  isFree(addr: bigint, subnet: string, duid: Uint8Array, iaid: number, now: number): boolean {
    const lease = this.byAddr.get(addr);
    if (lease === undefined) return this.hasRoom(now);
    const { state } = this.settle(lease, now);
    return state === 'expired' || state === 'released' || (state === 'active' && this.of(subnet, duid, iaid, now) === lease);
  }

  /** Does anybody but reserved hosts get `addr` from these ranges? */
  isDynamic(ranges: readonly Conf6Range[], addr: bigint): boolean {
    return !this.reserved.has(addr) && ranges.some((r) => addr >= r.lo && addr <= r.hi);
  }

  /** An address for somebody new out of these ranges, and none of the server's `own`; or null. */
  pick(ranges: readonly Conf6Range[], own: readonly bigint[], now: number): bigint | null {
    this.sweep(now);
    if (this.byAddr.size < LEASES_MAX) {
      for (const range of ranges) {
        let at = this.cursors.get(range) ?? range.lo;
        while (at <= range.hi && (this.byAddr.has(at) || this.reserved.has(at) || own.includes(at))) at++;
        this.cursors.set(range, at);
        if (at <= range.hi) return at;
      }
    }
    for (const addr of this.ended.keys()) if (this.isDynamic(ranges, addr) && !own.includes(addr)) return addr;
    return null;
  }

  /** Binds `addr` to an association, whatever either had before. The address must be free for it. */
  bind(lease: Lease6 & { duid: Uint8Array }): void {
    const key = keyOf(lease.subnet, lease.duid, lease.iaid);
    const had = this.byClient.get(key);
    if (had !== undefined && had.addr !== lease.addr) {
      this.unindex(had);
      this.free(had, lease.startUs);
    }
    const before = this.byAddr.get(lease.addr);
    if (before !== undefined) this.unindex(before);
    else this.makeRoom();
    this.ended.delete(lease.addr);
    this.byAddr.set(lease.addr, lease);
    this.byClient.set(key, lease);
    this.nextSweepUs = Math.min(this.nextSweepUs, lease.endUs);
  }

  /** The client has done with the lease. */
  free(lease: Lease6, now: number): void {
    lease.state = 'released';
    lease.endUs = now;
    this.ended.set(lease.addr, lease);
  }

  /** Somebody else uses the address: it is nobody's until `untilUs`. */
  abandon(lease: Lease6, now: number, untilUs: number): void {
    this.unindex(lease);
    this.ended.delete(lease.addr);
    Object.assign(lease, { duid: null, iaid: 0, state: 'abandoned', startUs: now, endUs: untilUs } satisfies Partial<Lease6>);
    this.nextSweepUs = Math.min(this.nextSweepUs, untilUs);
  }

  private hasRoom(now: number): boolean {
    this.sweep(now);
    return this.byAddr.size < LEASES_MAX || this.ended.size > 0;
  }

  /** A full table forgets the lease that ended first. */
  private makeRoom(): void {
    const [oldest] = this.ended.values();
    if (this.byAddr.size < LEASES_MAX || oldest === undefined) return;
    this.unindex(oldest);
    this.ended.delete(oldest.addr);
    this.byAddr.delete(oldest.addr);
  }

  private sweep(now: number): void {
    if (now < this.nextSweepUs) return;
    let next = Infinity;
    for (const lease of this.byAddr.values()) {
      const { state } = this.settle(lease, now);
      if (state === 'active' || state === 'abandoned') next = Math.min(next, lease.endUs);
    }
    this.nextSweepUs = Math.max(next, now + US_PER_SEC);
  }

  private settle(lease: Lease6, now: number): Lease6 {
    if ((lease.state === 'active' || lease.state === 'abandoned') && lease.endUs <= now) {
      lease.state = 'expired';
      this.ended.set(lease.addr, lease);
    }
    return lease;
  }

  private unindex(lease: Lease6): void {
    if (lease.duid === null) return;
    const key = keyOf(lease.subnet, lease.duid, lease.iaid);
    if (this.byClient.get(key) === lease) this.byClient.delete(key);
  }
}

const keyOf = (subnet: string, duid: Uint8Array, iaid: number): string => `${subnet} ${iaid} ${duid.join('.')}`;

/** When a lease of so many seconds that begins now ends. */
export const lease6EndUs = (now: number, seconds: number): number => (seconds === DHCP6_INFINITE ? Infinity : now + seconds * US_PER_SEC);
