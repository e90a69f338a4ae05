/**
 * rtentry.ts — Rtentry `rt`: a prefix and the paths to it; Rtentry4 and Rtentry6, which know the prefix.
 * Read first: freebsd `sys/net/route/route_var.h`, `sys/net/route/nhgrp.h`.
 *
 * Theory of operation. The prefix never changes; `nexthops` is replaced as a whole when the route changes, so that a reader
 * holding the old array sees a consistent set. One element is an ordinary route, more are a multipath route, ordered by
 * next hop index. A path may be temporary; the route dies with its last path.
 *
 * Life cycle. A route is UP from the moment it is in the table until it is taken out; then it is freed, when no update is under way and nobody
 * has a reference. It is changed by somebody who has made it unacquirable first, `updating`, and waited for all others: rt-life.ts.
 * `refs` and passive references are of agents on processor 0. Datapath workers never see an Rtentry, only what has been compiled from it, which grace periods protect (nexthop-store.ts).
 *
 * Invariants: while RTF_UP, `nexthops` has at least one element and all of them are valid.
 */
import { ip6OfWords } from '../../wire/addr6.js';
import { AF_INET, AF_INET6 } from '../ifnet.js';
import type { PsrefTarget } from '../../kern/psref.js';
import type { Nexthop } from './nexthop.js';
import { RTF_HOST, RTF_UP } from './nexthop.js';

export const RT_DEFAULT_WEIGHT = 1;
/** Three bytes, as FreeBSD leaves the fourth to administrative distance. */
export const RT_MAX_WEIGHT = 0xff_ffff;
/** Most paths, and most slots, of a multipath route. */
export const RIB_MAX_MPATH_WIDTH = 64;

/** One path of a route. */
export interface RtPath {
  readonly nh: Nexthop;
  /** 1..RT_MAX_WEIGHT; share of the flows relative to the other paths. */
  readonly weight: number;
  /** Time in microseconds at which the path is deleted; 0 for a permanent one. */
  readonly expireUs: number;
}

/** What routes of both families have in common; every Rtentry is an Rtentry4 or an Rtentry6. */
export abstract class Rtentry {
  abstract readonly af: typeof AF_INET | typeof AF_INET6;
  readonly fib: number;
  /** 0..32 or 0..128 */
  readonly plen: number;
  nexthops: readonly RtPath[];
  /** In the table. */
  up = true;
  /** RTF_UPDATING: a change is under way and waits for readers; look-ups in softint miss. */
  updating = false;
  /** Out of the table and given up: it has no paths. */
  freed = false;
  /** References: of readers, not the table's. */
  refs = 0;
  /** Passive references (rtcache.ts); made with the first. */
  target: PsrefTarget | null = null;
  /** What the compiled table stores: a next hop's index or a group's code; one reference of the store's is held for it. */
  value = 0;
  /** What the compiled table has: `value`, or while an update waits a next hop that is none. */
  compiled = 0;

  constructor(fib: number, plen: number, nexthops: readonly RtPath[]) {
    this.fib = fib;
    this.plen = plen;
    this.nexthops = nexthops;
  }

  abstract get isHost(): boolean;

  get isMultipath(): boolean {
    return this.nexthops.length > 1;
  }

  /** RTF_* of the route with its first path, as netstat shows them: UP, HOST and the path's. */
  get flags(): number {
    return this.pathFlags(this.nexthops[0]?.nh ?? null);
  }

  /** RTF_* of the route with the path `nh`. */
  pathFlags(nh: Nexthop | null): number {
    return (this.up ? RTF_UP : 0) | (this.isHost ? RTF_HOST : 0) | (nh?.flags ?? 0);
  }
}

export class Rtentry4 extends Rtentry {
  readonly af = AF_INET;
  /** Host-order prefix with its host bits clear. */
  readonly dst: number;

  constructor(fib: number, dst: number, plen: number, nexthops: readonly RtPath[]) {
    super(fib, plen, nexthops);
    this.dst = dst;
  }

  get isHost(): boolean {
    return this.plen === 32;
  }
}

export class Rtentry6 extends Rtentry {
  readonly af = AF_INET6;
  /** The prefix in zoned form as four words, its host bits clear. */
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;

  constructor(fib: number, w0: number, w1: number, w2: number, w3: number, plen: number, nexthops: readonly RtPath[]) {
    super(fib, plen, nexthops);
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
  }

  get isHost(): boolean {
    return this.plen === 128;
  }

  /** The prefix in zoned form, 16 bytes of the caller's own. */
  get dst(): Uint8Array {
    return ip6OfWords(this.w0, this.w1, this.w2, this.w3);
  }
}
