/**
 * mfc.ts — the multicast forwarding cache: for a source, a group and the interface packets come in on, where copies go.
 * Read first: multicast(4) "Forwarding Cache"; freebsd `sys/netinet/ip_mroute.h` (struct mfc, struct vif).
 *
 * Theory of operation. An entry is made by the first packet of a flow (router.ts works out where it goes) and forgotten when no packet has come
 * for a while, or when what it was worked out from has changed. Addresses are four words, IPv4 addresses in the last one, so that a packet's look-up allocates nothing.
 * An entry without outputs is one, too: a flow nobody wants costs one look-up a packet.
 *
 * Invariants: every interface of an entry is attached; the table is bounded.
 * Not here: deciding (router.ts), sending (the family's ip-mroute).
 */
import type { Micros } from '../../base/time.js';
import type { Ifnet } from '../ifnet.js';

/** An interface that takes part (`netstat -g` calls it a virtual interface). */
export class Vif {
  readonly ifp: Ifnet;
  /** Number in listings. */
  readonly index: number;
  pktIn = 0;
  pktOut = 0;

  constructor(ifp: Ifnet, index: number) {
    this.ifp = ifp;
    this.index = index;
  }
}

/** An output, and the TTL a packet must exceed to leave there. */
export interface MfcOut {
  readonly vif: Vif;
  readonly threshold: number;
}

export class MfcEntry {
  /** Source and group, words. */
  readonly s0: number;
  readonly s1: number;
  readonly s2: number;
  readonly s3: number;
  readonly g0: number;
  readonly g1: number;
  readonly g2: number;
  readonly g3: number;
  /** Where its packets come in. */
  readonly parent: Vif;
  readonly outs: readonly MfcOut[];
  packets = 0;
  bytes = 0;
  wrongIf = 0;
  used: Micros;
  next: MfcEntry | null = null;

  constructor(key: FlowKey, parent: Vif, outs: readonly MfcOut[], now: Micros) {
    this.s0 = key.s0;
    this.s1 = key.s1;
    this.s2 = key.s2;
    this.s3 = key.s3;
    this.g0 = key.g0;
    this.g1 = key.g1;
    this.g2 = key.g2;
    this.g3 = key.g3;
    this.parent = parent;
    this.outs = outs;
    this.used = now;
  }
}

/** Source and group of the packet in hand; one object per router, filled before a look-up. */
export class FlowKey {
  s0 = 0;
  s1 = 0;
  s2 = 0;
  s3 = 0;
  g0 = 0;
  g1 = 0;
  g2 = 0;
  g3 = 0;
}

export class Mfc {
  private readonly chains = new Map<number, MfcEntry>();
  private entries = 0;

  get count(): number {
    return this.entries;
  }

  /** The entry of `key`'s flow, or null. Packet path. */
  find(key: FlowKey): MfcEntry | null {
    let e = this.chains.get(hashOf(key.s0 ^ key.s2, key.s1 ^ key.s3, key.g0 ^ key.g2, key.g1 ^ key.g3)) ?? null;
    while (e !== null && !matches(e, key)) e = e.next;
    return e;
  }

  add(e: MfcEntry): void {
    const h = hashOf(e.s0 ^ e.s2, e.s1 ^ e.s3, e.g0 ^ e.g2, e.g1 ^ e.g3);
    e.next = this.chains.get(h) ?? null;
    this.chains.set(h, e);
    this.entries++;
  }

  /** Forgets entries; returns how many. */
  removeWhere(which: (e: MfcEntry) => boolean): number {
    const all = this.list();
    const kept = all.filter((e) => !which(e));
    if (kept.length < all.length) {
      this.chains.clear();
      this.entries = 0;
      for (const e of kept) this.add(e);
    }
    return all.length - kept.length;
  }

  list(): MfcEntry[] {
    const all: MfcEntry[] = [];
    for (const head of this.chains.values()) for (let e: MfcEntry | null = head; e !== null; e = e.next) all.push(e);
    return all;
  }
}

function matches(e: MfcEntry, k: FlowKey): boolean {
  return e.g3 === k.g3 && e.s3 === k.s3 && e.g0 === k.g0 && e.g1 === k.g1 && e.g2 === k.g2 && e.s0 === k.s0 && e.s1 === k.s1 && e.s2 === k.s2;
}

function hashOf(a: number, b: number, c: number, d: number): number {
  return Math.imul(a ^ c, 0x9e3779b1) ^ Math.imul(b ^ d, 0x85ebca6b) ^ d;
}
