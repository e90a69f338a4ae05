/**
 * rib.ts — Rib4: the routes of one FIB, by prefix, and the forwarding table compiled from them.
 * Read first: freebsd `sys/net/route/route_var.h` (struct rib_head); fwd/fib4.ts.
 *
 * Theory of operation. Routes are kept by prefix length, each length a map from prefix to Rtentry: exact match is one map,
 * the covering route of a prefix is found by asking the shorter lengths, longest first. Every change goes into the
 * compiled table at once; the table is rebuilt in another shape when the number of routes has outgrown it. Longest match is
 * asked of the compiled table only, and its answer names the length, so the Rtentry is one map look-up away.
 *
 * A Rib4 holds one reference on the value of each route in it (nexthop-store.ts).
 * Invariants: `count` = routes in the maps; each of them is `up` and compiled with its `value`.
 */
import { ip4MaskOf } from '../../wire/addr.js';
import type { AddrSet } from '../../fwd/addr-set.js';
import { Fib4, fib4EntryPlen, fib4Shape } from '../../fwd/fib4.js';
import { Fwd4 } from '../../fwd/forward.js';
import type { NexthopStore } from './nexthop-store.js';
import type { Rtentry, RtPath } from './rtentry.js';

export class Rib4 {
  readonly fibnum: number;
  readonly store: NexthopStore;
  /** The compiled tables; `fwd.fib` is `fib`. */
  readonly fwd: Fwd4;
  fib: Fib4;
  count = 0;
  /** Changes with every change of a route. */
  gen = 1;
  /** By prefix length; keys are the prefix as a signed number, which engines keep unboxed. */
  private readonly byLen: (Map<number, Rtentry> | null)[] = new Array<null>(33).fill(null);

  constructor(fibnum: number, store: NexthopStore, own: AddrSet) {
    this.fibnum = fibnum;
    this.store = store;
    this.fib = new Fib4(fib4Shape(0, null));
    this.fwd = new Fwd4(this.fib, store.table, own);
  }

  /** The route with exactly this prefix. */
  find(dst: number, plen: number): Rtentry | null {
    return this.byLen[plen]?.get(dst & ip4MaskOf(plen)) ?? null;
  }

  /** The route of the longest prefix that contains `dst`. */
  match(dst: number): Rtentry | null {
    const entry = this.fib.entry(dst);
    return entry === 0 ? null : this.find(dst, fib4EntryPlen(entry));
  }

  /** Puts in a route whose prefix is not there yet. Takes a reference on its value. */
  insert(rt: Rtentry): void {
    const map = this.byLen[rt.plen] ?? new Map<number, Rtentry>();
    this.byLen[rt.plen] = map;
    map.set(rt.dst | 0, rt);
    this.store.hold(rt.value);
    rt.up = true;
    this.count++;
    this.gen++;
    if (!this.reshape()) this.fib.insert(rt.dst, rt.plen, rt.value);
  }

  /** Takes a route out and gives its reference back. */
  remove(rt: Rtentry): void {
    const map = this.byLen[rt.plen];
    map?.delete(rt.dst | 0);
    if (map?.size === 0) this.byLen[rt.plen] = null;
    rt.up = false;
    this.count--;
    this.gen++;
    if (!this.reshape()) {
      const cover = this.cover(rt.dst, rt.plen);
      this.fib.remove(rt.dst, rt.plen, cover?.plen ?? 0, cover?.value ?? 0);
      this.fib.reclaim();
    }
    this.store.release(rt.value);
  }

  /** Gives a route in the table other paths. */
  update(rt: Rtentry, paths: readonly RtPath[], value: number): void {
    const old = rt.value;
    this.store.hold(value);
    rt.nexthops = paths;
    rt.value = value;
    this.gen++;
    this.fib.insert(rt.dst, rt.plen, value);
    this.store.release(old);
  }

  /** Every route, in no particular order; a copy, so that the caller may change the table. */
  all(): Rtentry[] {
    const list: Rtentry[] = [];
    for (const map of this.byLen) if (map !== null) for (const rt of map.values()) list.push(rt);
    return list;
  }

  /** Every route by address, then the longest prefix first: the order a walk of FreeBSD's radix tree has. */
  sorted(): Rtentry[] {
    return this.all().sort((a, b) => a.dst - b.dst || b.plen - a.plen);
  }

  private cover(dst: number, plen: number): Rtentry | null {
    for (let len = plen - 1; len >= 0; len--) {
      const rt = this.byLen[len]?.get(dst & ip4MaskOf(len));
      if (rt !== undefined) return rt;
    }
    return null;
  }

  /** Builds the table anew when the number of routes asks for another shape. */
  private reshape(): boolean {
    const shape = fib4Shape(this.count, this.fib);
    if (shape === this.fib) return false;
    const fib = new Fib4(shape, this.fib.shared);
    for (const map of this.byLen) if (map !== null) for (const rt of map.values()) fib.insert(rt.dst, rt.plen, rt.value);
    this.fib = fib;
    this.fwd.fib = fib;
    return true;
  }
}
