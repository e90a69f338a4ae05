/**
 * rib6.ts — Rib6: the IPv6 routes of one FIB, and the forwarding table compiled from them.
 * Read first: rib.ts, whose theory of operation this is; fwd/fib6.ts.
 *
 * Prefixes are in zoned form, four words. Keys of the maps are the words of the masked prefix as a string of eight characters.
 */
import { ip6MaskWord, ip6Word } from '../../wire/addr6.js';
import type { AddrSet6 } from '../../fwd/addr-set6.js';
import { Fib6, fib6Shape } from '../../fwd/fib6.js';
import { Fwd6 } from '../../fwd/forward6.js';
import type { RtLife } from './rt-life.js';
import { AF_INET6 } from '../ifnet.js';
import { Rib } from './rib.js';
import type { CompiledTable } from './rib.js';
import type { RouteSpec } from './route-spec.js';
import { Rtentry6 } from './rtentry.js';
import type { RtPath } from './rtentry.js';

export class Rib6 extends Rib<Rtentry6, string> {
  readonly af = AF_INET6;
  private readonly own: AddrSet6;
  private compiled: Fwd6<Fib6> | null = null;

  constructor(fibnum: number, life: RtLife, own: AddrSet6) {
    super(fibnum, life, 128);
    this.own = own;
  }

  /** The compiled tables; `fwd.fib` is `fib`. Packet path. */
  get fwd(): Fwd6<Fib6> {
    return this.compiled ?? this.build();
  }

  get fib(): Fib6 {
    return this.fwd.fib;
  }

  get table(): CompiledTable | null {
    return this.compiled?.fib ?? null;
  }

  protected build(): Fwd6<Fib6> {
    const fwd = new Fwd6(new Fib6(fib6Shape(this.count, null), this.store.table.shared), this.store.table, this.own);
    this.compiled = fwd;
    for (const rt of this.all()) this.compile(rt);
    return fwd;
  }

  /** The route with exactly this prefix. */
  find(dst: Uint8Array, plen: number): Rtentry6 | null {
    return this.routesOf(plen)?.get(keyOfWords(ip6Word(dst, 0), ip6Word(dst, 1), ip6Word(dst, 2), ip6Word(dst, 3), plen)) ?? null;
  }

  /** The route of the longest prefix that contains `dst`. */
  match(dst: Uint8Array): Rtentry6 | null {
    const plen = this.fib.match(ip6Word(dst, 0), ip6Word(dst, 1), ip6Word(dst, 2), ip6Word(dst, 3));
    return plen < 0 ? null : this.find(dst, plen);
  }

  findSpec(spec: RouteSpec): Rtentry6 | null {
    return spec.family === 'inet6' ? this.find(spec.dst, spec.plen) : null;
  }

  entryFor(spec: RouteSpec, paths: readonly RtPath[]): Rtentry6 | null {
    if (spec.family !== 'inet6') return null;
    const { fib, dst, plen } = spec;
    const word = (i: number): number => ip6Word(dst, i) & ip6MaskWord(plen, i);
    return new Rtentry6(fib, word(0), word(1), word(2), word(3), plen, paths);
  }

  copyOf(rt: Rtentry6, fib: number): Rtentry6 {
    return new Rtentry6(fib, rt.w0, rt.w1, rt.w2, rt.w3, rt.plen, rt.nexthops);
  }

  same(rt: Rtentry6): Rtentry6 | null {
    return this.routesOf(rt.plen)?.get(this.keyOf(rt, rt.plen)) ?? null;
  }

  sorted(): Rtentry6[] {
    return this.all().sort((a, b) => unsigned(a.w0, b.w0) || unsigned(a.w1, b.w1) || unsigned(a.w2, b.w2) || unsigned(a.w3, b.w3) || b.plen - a.plen);
  }

  protected keyOf(rt: Rtentry6, plen: number): string {
    return keyOfWords(rt.w0, rt.w1, rt.w2, rt.w3, plen);
  }

  compile(rt: Rtentry6): void {
    const fib = this.compiled?.fib;
    if (fib === undefined) return;
    fib.insert(rt.w0, rt.w1, rt.w2, rt.w3, rt.plen, rt.compiled);
    this.reuse(fib);
  }

  protected uncompile(rt: Rtentry6): void {
    const { fib } = this;
    const plen = fib.match(rt.w0, rt.w1, rt.w2, rt.w3, rt.plen);
    const cover = plen <= 0 ? 0 : (this.routesOf(plen)?.get(this.keyOf(rt, plen))?.compiled ?? 0);
    fib.remove(rt.w0, rt.w1, rt.w2, rt.w3, rt.plen, cover);
    this.reuse(fib);
  }

  protected reshape(): boolean {
    const { fib, fwd } = this;
    const shape = fib6Shape(this.count, fib);
    if (shape === fib) return false;
    fwd.fib = new Fib6(shape, fib.shared);
    for (const rt of this.all()) this.compile(rt);
    return true;
  }
}

function unsigned(a: number, b: number): number {
  return (a >>> 0) - (b >>> 0);
}

function keyOfWords(w0: number, w1: number, w2: number, w3: number, plen: number): string {
  const a = w0 & ip6MaskWord(plen, 0);
  const b = w1 & ip6MaskWord(plen, 1);
  const c = w2 & ip6MaskWord(plen, 2);
  const d = w3 & ip6MaskWord(plen, 3);
  return String.fromCharCode(a >>> 16, a & 0xffff, b >>> 16, b & 0xffff, c >>> 16, c & 0xffff, d >>> 16, d & 0xffff);
}
