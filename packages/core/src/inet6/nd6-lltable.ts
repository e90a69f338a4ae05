/**
 * nd6-lltable.ts — NdLlTable: neighbours by IPv6 address.
 * Read first: net/lltable.ts, whose machine it is; RFC 4861 §5.1 (neighbour cache), §6.3.2 (the times of a link).
 *
 * Addresses are in zoned form, as four words. The interface says how long a neighbour counts as reachable, how often one is asked, and whether
 * it is probed at all (In6Ifinfo: routers set the times, `ndp -i IF nud` the flag).
 *
 * @rfc 4861 7.3.2 yes
 */
import type { NeighbourMirror } from '../net/datapath/neighbour-mirror.js';
import type { Ifnet } from '../net/ifnet.js';
import { LLE_PUB, LlEntry } from '../net/llentry.js';
import type { LlParams } from '../net/llentry.js';
import { LL_HASH_MUL, LL_NUD_NONE, LL_NUD_PROBE, LlTable } from '../net/lltable.js';
import { ip6Compare, ip6InPrefix, ip6OfWords } from '../wire/addr6.js';
import { ND6_IFF_PERFORMNUD } from './in6-ifinfo.js';
import type { In6Ifinfo, In6LlTable } from './in6-ifinfo.js';

export class NdLlEntry extends LlEntry {
  k0 = 0;
  k1 = 0;
  k2 = 0;
  k3 = 0;
  /** It said that it is a router. */
  router = false;
  /** Hints of upper layers since it was last asked. */
  hints = 0;

  /** The address, zoned. A copy. */
  get addr(): Uint8Array {
    return ip6OfWords(this.k0, this.k1, this.k2, this.k3);
  }
}

export class NdLlTable extends LlTable<NdLlEntry> implements In6LlTable {
  private readonly ii: In6Ifinfo;
  private readonly unpublished: (lle: NdLlEntry) => void;

  /** @param unpublished an entry we answered for is gone. */
  constructor(ifp: Ifnet, params: LlParams<NdLlEntry>, ii: In6Ifinfo, unpublished: (lle: NdLlEntry) => void) {
    super(ifp, params);
    this.ii = ii;
    this.unpublished = unpublished;
  }

  /** The entry of these words, in whatever state, or null. Packet path. */
  lookup(w0: number, w1: number, w2: number, w3: number): NdLlEntry | null {
    const { slots } = this;
    const mask = slots.length - 1;
    for (let i = Math.imul(mix(w0, w1, w2, w3), LL_HASH_MUL) >>> this.shift; ; i = (i + 1) & mask) {
      const lle = slots[i];
      if (lle === null || lle === undefined) return null;
      if (lle.k3 === w3 && lle.k2 === w2 && lle.k1 === w1 && lle.k0 === w0) return lle;
    }
  }

  /** A new INCOMPLETE entry for these words, which have none; null when the table is full of neighbours in use. */
  create(w0: number, w1: number, w2: number, w3: number): NdLlEntry | null {
    const lle = this.obtain();
    return lle === null ? null : this.begin(named(lle, w0, w1, w2, w3));
  }

  /** Makes or replaces the static entry with `flags` (LLE_STATIC is implied). Packets that waited are sent. */
  setStatic(w0: number, w1: number, w2: number, w3: number, macHi: number, macLo: number, flags: number): NdLlEntry {
    return this.settle(this.lookup(w0, w1, w2, w3) ?? named(this.make(), w0, w1, w2, w3), macHi, macLo, flags);
  }

  /** In6LlTable */
  prefixFree(addr: Uint8Array, plen: number, statics: boolean): void {
    this.forget((lle) => ip6InPrefix(lle.addr, addr, plen), statics);
  }

  override remove(lle: NdLlEntry): void {
    const published = lle.linked && (lle.flags & LLE_PUB) !== 0;
    super.remove(lle);
    if (published) this.unpublished(lle);
  }

  protected reflect(mirror: NeighbourMirror, lle: NdLlEntry): void {
    mirror.reflect6(this.ifp.index, lle.k0, lle.k1, lle.k2, lle.k3, lle);
  }

  protected make(): NdLlEntry {
    return new NdLlEntry(this.ifp, this.params.kern, this.expired);
  }

  protected compare(a: NdLlEntry, b: NdLlEntry): number {
    return ip6Compare(a.addr, b.addr);
  }

  protected override retrans(): number {
    return this.ii.retrans;
  }

  protected override reachable(): number {
    return this.ii.basereachable;
  }

  protected override nud(): number {
    return (this.ii.ndFlags & ND6_IFF_PERFORMNUD) !== 0 ? LL_NUD_PROBE : LL_NUD_NONE;
  }
}

function named(lle: NdLlEntry, w0: number, w1: number, w2: number, w3: number): NdLlEntry {
  lle.k0 = w0;
  lle.k1 = w1;
  lle.k2 = w2;
  lle.k3 = w3;
  lle.key = mix(w0, w1, w2, w3);
  lle.router = false;
  lle.hints = 0;
  return lle;
}

/** Addresses of one link differ in few bits of words 2 and 3. */
function mix(w0: number, w1: number, w2: number, w3: number): number {
  return w3 ^ Math.imul(w2, 0x85ebca6b) ^ Math.imul(w1, 0xc2b2ae35) ^ w0;
}
