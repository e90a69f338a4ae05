/**
 * rtcache.ts — class Rtcache: the route that somebody used last, good until its table changes: NetBSD's struct route.
 * Read first: NetBSD's `sys/net/route.c` (rtcache_validate, rtcache_lookup2, rtcache_copy); rt-life.ts; docs/adr/0036-readers-on-other-processors.md.
 *
 * Theory of operation. A cache has a destination, the route that was found for it, and the generation its table had then. `validate` answers the route while both are right, with a passive
 * reference (kern/psref.ts) that `unref` gives back: the holder may wait with it, and whoever changes or frees the route waits for the holder. A cache has one such reference, so who hands it on
 * gives the reference back first. Another generation, a route that left the table, one that is being updated: a miss, and `lookup` asks the table.
 *
 * Nothing of the product keeps one: a look-up in the compiled table takes less time than finding out whether a cache is good. It is what programs see of NetBSD's caches, and the contract for one who has to keep a route.
 *
 * Invariant: caches are not protected from each other's processors; one is its owner's, or its processor's.
 */
import { unreachable } from '../../base/assert.js';
import { Psref } from '../../kern/psref.js';
import { ip6Equals } from '../../wire/addr6.js';
import type { RouteTables } from './route-tables.js';
import type { Rtentry } from './rtentry.js';

export class Rtcache {
  /** Look-ups that the cache answered, and that the table did. */
  hits = 0;
  misses = 0;
  private readonly routes: RouteTables;
  private readonly ref = new Psref();
  private rt: Rtentry | null = null;
  private fib = 0;
  private gen = 0;
  private dst: number | Uint8Array | null = null;

  constructor(routes: RouteTables) {
    this.routes = routes;
  }

  /** rtcache_validate: the cached route, with a reference; null when it is not good any more. */
  validate(): Rtentry | null {
    const { rt, dst, routes } = this;
    if (rt === null || dst === null || this.gen !== this.genOf(dst) || !routes.life.isAcquirable(rt)) return null;
    routes.life.refPassive(rt, this.ref, 'rtcache_validate');
    return rt;
  }

  /** rtcache_lookup: the route for `dst` (IPv6: in zoned form), with a reference; null when there is none. */
  lookup(fib: number, dst: number | Uint8Array): Rtentry | null {
    if (this.ref.target !== null) unreachable('rtcache looked up while its route is referenced');
    const rt = fib === this.fib && this.isFor(dst) ? this.validate() : null;
    if (rt !== null) {
      this.hits++;
      return rt;
    }
    this.misses++;
    this.fib = fib;
    this.dst = typeof dst === 'number' ? dst : dst.slice();
    return this.init(dst);
  }

  /** rtcache_copy: from now on it has what `from` has, if that is good. Neither is referenced. */
  copy(from: Rtcache): void {
    this.free();
    const rt = from.validate();
    this.fib = from.fib;
    this.dst = from.dst;
    if (rt === null) return;
    this.rt = rt;
    this.gen = from.gen;
    from.unref(rt);
  }

  /** Gives the reference of `validate` or `lookup` back; null is nothing to give back. */
  unref(rt: Rtentry | null): void {
    if (rt !== null) this.routes.life.unrefPassive(rt, this.ref, 'rtcache_unref');
  }

  /** rtcache_free: it has nothing any more. Not while its route is referenced. */
  free(): void {
    if (this.ref.target !== null) unreachable('rtcache freed while its route is referenced');
    this.rt = null;
    this.dst = null;
  }

  private init(dst: number | Uint8Array): Rtentry | null {
    const { life } = this.routes;
    const rt = this.routes.rtalloc(this.fib, dst);
    this.rt = rt;
    if (rt === null) return null;
    this.gen = this.genOf(dst);
    life.refPassive(rt, this.ref, 'rtcache_lookup');
    life.unref(rt);
    return rt;
  }

  private genOf(dst: number | Uint8Array): number {
    return typeof dst === 'number' ? this.routes.gen4(this.fib) : this.routes.gen6(this.fib);
  }

  private isFor(dst: number | Uint8Array): boolean {
    const { dst: mine } = this;
    if (typeof dst === 'number' || typeof mine === 'number') return dst === mine;
    return mine !== null && ip6Equals(dst, mine);
  }
}
