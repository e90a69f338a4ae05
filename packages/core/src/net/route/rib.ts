/**
 * rib.ts — Rib: the routes of one family and FIB, by prefix, and the forwarding table compiled from them; Rib4 for IPv4.
 * Read first: freebsd `sys/net/route/route_var.h` (struct rib_head); fwd/fib4.ts.
 *
 * Theory of operation. Routes are kept by prefix length, each length a map from prefix to Rtentry: exact match is one map. Every change goes into the
 * compiled table at once; the table is rebuilt in another shape when the number of routes has outgrown it. A few routes are compiled when
 * somebody first looks something up: nobody does in an idle vnet. Longest match, and which route covers another, is
 * asked of the compiled table only, and its answer names the length, so the Rtentry is one map look-up away.
 *
 * Nodes of the compiled table that are not needed any more are used again when no datapath worker can be in them (kern/limbo.ts).
 *
 * A Rib holds one reference on the value of each route in it (nexthop-store.ts).
 * Invariants: `count` = routes in the maps; each of them is `up` and compiled with its `compiled`.
 */
import { ip4MaskOf } from '../../wire/addr.js';
import type { AddrSet } from '../../fwd/addr-set.js';
import { Fib4, fib4Shape } from '../../fwd/fib4.js';
import { Fwd4 } from '../../fwd/forward.js';
import { Limbo } from '../../kern/limbo.js';
import type { AF_INET6 } from '../ifnet.js';
import { AF_INET } from '../ifnet.js';
import { RTF_DYNAMIC } from './nexthop.js';
import type { NexthopStore } from './nexthop-store.js';
import type { RtLife } from './rt-life.js';
import type { RouteSpec } from './route-spec.js';
import { Rtentry4 } from './rtentry.js';
import type { Rtentry, RtPath } from './rtentry.js';

/** Routes that are not compiled before they are asked for. */
const UNCOMPILED_MAX = 16;

/** What a compiled table of either family does with the nodes it takes out. */
interface NodeOwner {
  readonly retiredCount: number;
  reclaim(n: number): void;
}

/** What a compiled table of either family says about itself. */
export interface CompiledTable {
  readonly rootBits: number;
  /** Nodes in use. */
  readonly nodes: number;
  /** Bytes it occupies, the writer's part included. */
  readonly bytes: number;
}

/** The routes of one prefix length. */
interface OfLength<R, K> {
  readonly plen: number;
  readonly routes: Map<K, R>;
}

/** `K`: what a prefix of a known length is looked up by. */
export abstract class Rib<R extends Rtentry = Rtentry, K = unknown> {
  readonly fibnum: number;
  readonly store: NexthopStore;
  readonly life: RtLife;
  count = 0;
  /** Routes that redirects made. */
  dynamic = 0;
  /** Changes with every change of a route. */
  gen = 1;
  /** Shortest first. */
  private lengths: readonly OfLength<R, K>[] = [];
  private readonly bits: number;
  /** One entry for each node that waits for workers: the table it is of. */
  private readonly leaving: Limbo<NodeOwner>;
  /** The table whose nodes went there last, and how many of them are there. */
  private leavingOf: NodeOwner | null = null;
  private leavingNodes = 0;

  constructor(fibnum: number, life: RtLife, bits: number) {
    this.fibnum = fibnum;
    this.life = life;
    this.store = life.store;
    this.bits = bits;
    this.leaving = new Limbo(life.store.readers, (of) => {
      of.reclaim(1);
      if (of === this.leavingOf) this.leavingNodes--;
    });
  }

  /** Nodes of compiled tables that wait for workers. */
  get leavingCount(): number {
    return this.leaving.length;
  }

  /** The route with exactly the prefix of `spec`. */
  abstract findSpec(spec: RouteSpec): R | null;
  /** A route with that prefix, not yet in the table; null when `spec` is of another family. */
  abstract entryFor(spec: RouteSpec, paths: readonly RtPath[]): R | null;
  /** The same prefix with the same paths, for the FIB `fib`. */
  abstract copyOf(rt: R, fib: number): R;
  /** Every route by address, then the longest prefix first: the order a walk of FreeBSD's radix tree has. */
  abstract sorted(): R[];
  /** The route of `rt`'s prefix here. */
  abstract same(rt: R): R | null;

  /** What `rt` is looked up by among the prefixes of `plen` bits. */
  protected abstract keyOf(rt: R, plen: number): K;
  abstract readonly af: typeof AF_INET | typeof AF_INET6;
  /** The compiled table, if there is one. */
  abstract readonly table: CompiledTable | null;
  /** Compiles all routes. */
  protected abstract build(): void;
  /** Puts `rt.compiled` into the compiled table, if there is one, for the first time or anew. */
  abstract compile(rt: R): void;
  /** Takes it out of the compiled table. */
  protected abstract uncompile(rt: R): void;
  /** Builds the table anew when the number of routes asks for another shape. */
  protected abstract reshape(): boolean;

  /** Puts in a route whose prefix is not there yet. Takes a reference on its value. */
  insert(rt: R): void {
    const routes = this.routesOf(rt.plen) ?? this.addLength(rt.plen);
    routes.set(this.keyOf(rt, rt.plen), rt);
    this.store.hold(rt.value);
    rt.compiled = rt.value;
    rt.up = true;
    this.count++;
    this.dynamic += isDynamic(rt);
    this.gen++;
    if (this.table === null) {
      if (this.count > UNCOMPILED_MAX) this.build();
    } else if (!this.reshape()) this.compile(rt);
  }

  /** Takes a route out; its reference is given back when no reader has it. */
  remove(rt: R): void {
    const routes = this.routesOf(rt.plen);
    routes?.delete(this.keyOf(rt, rt.plen));
    if (routes?.size === 0) this.lengths = this.lengths.filter((l) => l.routes !== routes);
    rt.up = false;
    this.count--;
    this.dynamic -= isDynamic(rt);
    this.gen++;
    if (this.table !== null && !this.reshape()) this.uncompile(rt);
    this.life.removed(rt);
  }

  /** Gives a route in the table other paths. */
  update(rt: R, paths: readonly RtPath[], value: number): void {
    const old = rt.value;
    this.dynamic -= isDynamic(rt);
    this.store.hold(value);
    rt.nexthops = paths;
    this.dynamic += isDynamic(rt);
    rt.value = value;
    this.gen++;
    if (rt.compiled === old) {
      rt.compiled = value;
      this.compile(rt);
    }
    this.life.retire(rt, old);
  }

  /** Every route, shortest prefixes first; a copy, so that the caller may change the table. */
  all(): R[] {
    return this.lengths.flatMap((l) => [...l.routes.values()]);
  }

  /** Host routes. */
  hosts(): R[] {
    return [...(this.routesOf(this.bits)?.values() ?? [])];
  }

  /** Nodes that `of` has just taken out are used again when no worker can be in them. */
  protected reuse(of: NodeOwner): void {
    if (of !== this.leavingOf) {
      this.leavingOf = of;
      this.leavingNodes = 0;
    }
    for (let n = of.retiredCount - this.leavingNodes; n > 0; n--) {
      this.leavingNodes++;
      this.leaving.put(of);
    }
  }

  /** Those with prefixes of `plen` bits. */
  protected routesOf(plen: number): Map<K, R> | null {
    for (const l of this.lengths) if (l.plen === plen) return l.routes;
    return null;
  }

  private addLength(plen: number): Map<K, R> {
    const added = { plen, routes: new Map<K, R>() };
    this.lengths = this.lengths.filter((l) => l.plen < plen).concat(added, this.lengths.filter((l) => l.plen > plen));
    return added.routes;
  }
}

function isDynamic(rt: Rtentry): number {
  return (rt.flags & RTF_DYNAMIC) === 0 ? 0 : 1;
}

/** Keys are prefixes as signed numbers, which engines keep unboxed. */
export class Rib4 extends Rib<Rtentry4, number> {
  readonly af = AF_INET;
  private readonly own: AddrSet;
  private compiled: Fwd4<Fib4> | null = null;

  constructor(fibnum: number, life: RtLife, own: AddrSet) {
    super(fibnum, life, 32);
    this.own = own;
  }

  /** The compiled tables; `fwd.fib` is `fib`. Packet path. */
  get fwd(): Fwd4<Fib4> {
    return this.compiled ?? this.build();
  }

  get fib(): Fib4 {
    return this.fwd.fib;
  }

  get table(): CompiledTable | null {
    return this.compiled?.fib ?? null;
  }

  protected build(): Fwd4<Fib4> {
    const fwd = new Fwd4(new Fib4(fib4Shape(this.count, null), this.store.table.shared), this.store.table, this.own);
    this.compiled = fwd;
    for (const rt of this.all()) this.compile(rt);
    return fwd;
  }

  /** The route with exactly this prefix. */
  find(dst: number, plen: number): Rtentry4 | null {
    return this.routesOf(plen)?.get(dst & ip4MaskOf(plen)) ?? null;
  }

  /** The route of the longest prefix that contains `dst`. */
  match(dst: number): Rtentry4 | null {
    const plen = this.fib.match(dst);
    return plen < 0 ? null : this.find(dst, plen);
  }

  findSpec(spec: RouteSpec): Rtentry4 | null {
    return spec.family === 'inet' ? this.find(spec.dst, spec.plen) : null;
  }

  entryFor(spec: RouteSpec, paths: readonly RtPath[]): Rtentry4 | null {
    return spec.family === 'inet' ? new Rtentry4(spec.fib, (spec.dst & ip4MaskOf(spec.plen)) >>> 0, spec.plen, paths) : null;
  }

  copyOf(rt: Rtentry4, fib: number): Rtentry4 {
    return new Rtentry4(fib, rt.dst, rt.plen, rt.nexthops);
  }

  same(rt: Rtentry4): Rtentry4 | null {
    return this.find(rt.dst, rt.plen);
  }

  sorted(): Rtentry4[] {
    return this.all().sort((a, b) => a.dst - b.dst || b.plen - a.plen);
  }

  protected keyOf(rt: Rtentry4, plen: number): number {
    return rt.dst & ip4MaskOf(plen);
  }

  compile(rt: Rtentry4): void {
    this.compiled?.fib.insert(rt.dst, rt.plen, rt.compiled);
  }

  protected uncompile(rt: Rtentry4): void {
    const { fib } = this;
    const plen = fib.match(rt.dst, rt.plen);
    fib.remove(rt.dst, rt.plen, plen < 0 ? 0 : (this.find(rt.dst, plen)?.compiled ?? 0));
    this.reuse(fib);
  }

  protected reshape(): boolean {
    const { fib, fwd } = this;
    const shape = fib4Shape(this.count, fib);
    if (shape === fib) return false;
    fwd.fib = new Fib4(shape, fib.shared);
    for (const rt of this.all()) this.compile(rt);
    return true;
  }
}
