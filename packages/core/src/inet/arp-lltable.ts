/**
 * arp-lltable.ts — ArpLlTable: neighbours by IPv4 address.
 * Read first: net/lltable.ts, whose machine it is.
 */
import type { NeighbourMirror } from '../net/datapath/neighbour-mirror.js';
import { LlEntry } from '../net/llentry.js';
import { LL_HASH_MUL, LlTable } from '../net/lltable.js';

export class ArpLlEntry extends LlEntry {
  /** Host order; `key` is the same as a signed number. */
  addr = 0;
}

export class ArpLlTable extends LlTable<ArpLlEntry> {
  /** The entry of `addr`, in whatever state, or null. Packet path. */
  lookup(addr: number): ArpLlEntry | null {
    const { slots } = this;
    const mask = slots.length - 1;
    const key = addr | 0;
    for (let i = Math.imul(key, LL_HASH_MUL) >>> this.shift; ; i = (i + 1) & mask) {
      const lle = slots[i];
      if (lle === null || lle === undefined) return null;
      if (lle.key === key) return lle;
    }
  }

  /** A new INCOMPLETE entry for `addr`, which has none; null when the table is full of neighbours in use. */
  create(addr: number): ArpLlEntry | null {
    const lle = this.obtain();
    return lle === null ? null : this.begin(named(lle, addr));
  }

  /** Makes or replaces the static entry of `addr` with `flags` (LLE_STATIC is implied). Packets that waited are sent. */
  setStatic(addr: number, macHi: number, macLo: number, flags: number): ArpLlEntry {
    return this.settle(this.lookup(addr) ?? named(this.make(), addr), macHi, macLo, flags);
  }

  /** Forgets the neighbours inside addr/mask; static ones too when `statics`, own addresses never. */
  prefixFree(addr: number, mask: number, statics: boolean): void {
    this.forget((lle) => ((lle.addr ^ addr) & mask) === 0, statics);
  }

  protected reflect(mirror: NeighbourMirror, lle: ArpLlEntry): void {
    mirror.reflect4(this.ifp.index, lle.key, lle);
  }

  protected make(): ArpLlEntry {
    return new ArpLlEntry(this.ifp, this.params.kern, this.expired);
  }

  protected compare(a: ArpLlEntry, b: ArpLlEntry): number {
    return a.addr - b.addr;
  }
}

function named(lle: ArpLlEntry, addr: number): ArpLlEntry {
  lle.addr = addr;
  lle.key = addr | 0;
  return lle;
}
