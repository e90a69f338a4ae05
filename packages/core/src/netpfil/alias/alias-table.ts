/**
 * alias-table.ts — AliasTable: the links of one instance, found from inside and from outside.
 * Read first: alias-link.ts; FreeBSD's netinet/libalias/alias_db.c.
 *
 * Theory of operation. Three hashes over one set of links: from inside by (source, its port, destination, its port, kind); from outside by (alias, its
 * port, destination, its port, kind) for full links, and by (alias, its port, kind) for partial ones, whose chains have the latest first. A packet from
 * outside costs one probe, whatever number of connections share an alias port; only when it belongs to none are the few partial links of the port
 * compared: a known destination beats a known port beats neither. The hashes are keyed, so that a peer cannot choose colliding ones.
 *
 * All links are in one Chain too, in the order in which the sweep looked at them. Each packet sweeps the first few: what has expired is removed, the
 * others go to the end, so that nothing needs a timer; an idle instance keeps what it has, which is bounded.
 *
 * Invariants: a live link is in the Chain, in exactly one of the hashes from outside, and in that from inside unless a pool answers for it. `count` is at
 * most `linksMax`. Nothing here allocates but `add`, and growing.
 * Not here: which port a link gets (alias.ts), bytes (alias-rewrite.ts).
 */
import { Chain } from '../../base/chain.js';
import { flowHash4 } from '../../fwd/flow-hash.js';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import type { AliasLink } from './alias-link.js';
import { ALIAS_LINKS_MAX, LINK_ADDR, LINK_FRAGMENT_ID, LINK_PARTIALLY_SPECIFIED, LINK_PERMANENT, LINK_UNKNOWN_DEST_ADDR, LINK_UNKNOWN_DEST_PORT } from './alias-var.js';

/** Buckets before the first growth; a power of two. */
const BUCKETS_MIN = 64;
/** Links looked at for each packet, and when there is no room for a new one. */
const SWEEP = 2;
const SWEEP_FULL = 64;

/** How many links of each kind there are; the words of ng_nat's libaliasinfo. */
export interface AliasCounts {
  icmpLinkCount: number;
  udpLinkCount: number;
  tcpLinkCount: number;
  sctpLinkCount: number;
  pptpLinkCount: number;
  protoLinkCount: number;
  fragmentIdLinkCount: number;
  fragmentPtrLinkCount: number;
  sockCount: number;
}

type Buckets = (AliasLink | null)[];

const buckets = (n: number): Buckets => Array.from({ length: n }, () => null);

export class AliasTable {
  linksMax = ALIAS_LINKS_MAX;
  /** Links refused because there were `linksMax`. */
  refused = 0;
  readonly counts: AliasCounts = {
    icmpLinkCount: 0, udpLinkCount: 0, tcpLinkCount: 0, sctpLinkCount: 0, pptpLinkCount: 0, protoLinkCount: 0, fragmentIdLinkCount: 0, fragmentPtrLinkCount: 0, sockCount: 0,
  };
  private readonly salt: number;
  private readonly all = new Chain<AliasLink>();
  private mask = 0;
  private out: Buckets = [];
  private full: Buckets = [];
  private partial: Buckets = [];

  constructor(salt: number) {
    this.salt = salt | 0;
  }

  get count(): number {
    return this.all.size;
  }

  links(): AliasLink[] {
    return [...this.all];
  }

  /** False: there is no room. */
  add(lnk: AliasLink, now: number): boolean {
    if (this.all.size >= this.linksMax) this.sweep(now, SWEEP_FULL);
    if (this.all.size >= this.linksMax) {
      this.refused++;
      return false;
    }
    if (this.mask === 0 || this.all.size > this.mask) this.grow();
    lnk.outHash = flowHash4(lnk.src, lnk.dst, lnk.type, lnk.srcPort, lnk.dstPort, this.salt) | 0;
    lnk.inHash = lnk.partial ? this.groupHash(lnk.type, lnk.alias, lnk.aliasPort) : this.fullHash(lnk.type, lnk.alias, lnk.aliasPort, lnk.dst, lnk.dstPort);
    lnk.live = true;
    this.linkOut(lnk);
    this.linkIn(lnk);
    this.all.add(lnk);
    this.tally(lnk.type, 1);
    return true;
  }

  /** Takes `lnk` out; one that is not in is left alone. */
  remove(lnk: AliasLink): void {
    if (!lnk.live) return;
    lnk.live = false;
    if (lnk.pool === null) this.unlinkOut(lnk);
    this.unlinkIn(lnk);
    this.all.delete(lnk);
    this.tally(lnk.type, -1);
  }

  /** A pool answers for `lnk`: it is no source of its own any more. */
  hideOut(lnk: AliasLink): void {
    this.unlinkOut(lnk);
  }

  /** Removes every link, or all but the permanent ones. */
  clear(permanentToo: boolean): void {
    for (const lnk of [...this.all]) if (permanentToo || (lnk.flags & LINK_PERMANENT) === 0) this.remove(lnk);
  }

  /** Looks at the links nobody has looked at longest. */
  sweep(now: number, n = SWEEP): void {
    for (let i = 0; i < n; i++) {
      const lnk = this.all.first;
      if (lnk === null) return;
      if (isExpired(lnk, now)) this.remove(lnk);
      else this.toEnd(lnk);
    }
  }

  /** The link from inside with exactly these ends, touched. */
  findOut(type: number, src: number, srcPort: number, dst: number, dstPort: number, now: number): AliasLink | null {
    if (this.mask === 0) return null;
    const h = flowHash4(src, dst, type, srcPort, dstPort, this.salt) | 0;
    for (let lnk: AliasLink | null = this.out[h & this.mask] ?? null; lnk !== null; lnk = lnk.outNext) {
      if (lnk.outHash === h && lnk.src === src && lnk.dst === dst && lnk.srcPort === srcPort && lnk.dstPort === dstPort && lnk.type === type) return this.use(lnk, now);
    }
    return null;
  }

  /** The full link from outside with exactly these ends, touched. */
  findFull(type: number, alias: number, aliasPort: number, dst: number, dstPort: number, now: number): AliasLink | null {
    const lnk = this.peekFull(type, alias, aliasPort, dst, dstPort);
    return lnk === null ? null : this.use(lnk, now);
  }

  /** The same, not touched: is the place taken? */
  peekFull(type: number, alias: number, aliasPort: number, dst: number, dstPort: number): AliasLink | null {
    if (this.mask === 0) return null;
    const h = this.fullHash(type, alias, aliasPort, dst, dstPort);
    for (let lnk: AliasLink | null = this.full[h & this.mask] ?? null; lnk !== null; lnk = lnk.inNext) {
      if (lnk.inHash === h && lnk.alias === alias && lnk.dst === dst && lnk.aliasPort === aliasPort && lnk.dstPort === dstPort && lnk.type === type) return lnk;
    }
    return null;
  }

  /** The partial link that fits best what comes from `dst`, or null. */
  findPartial(type: number, alias: number, aliasPort: number, dst: number, dstPort: number): AliasLink | null {
    if (this.mask === 0) return null;
    const h = this.groupHash(type, alias, aliasPort);
    let byPort: AliasLink | null = null;
    let any: AliasLink | null = null;
    for (let lnk: AliasLink | null = this.partial[h & this.mask] ?? null; lnk !== null; lnk = lnk.inNext) {
      if (lnk.inHash !== h || lnk.alias !== alias || lnk.aliasPort !== aliasPort || lnk.type !== type) continue;
      const unknown = lnk.flags & LINK_PARTIALLY_SPECIFIED;
      if (unknown === LINK_UNKNOWN_DEST_PORT && lnk.dst === dst) return lnk;
      if (unknown === LINK_UNKNOWN_DEST_ADDR && lnk.dstPort === dstPort) byPort ??= lnk;
      if (unknown === LINK_PARTIALLY_SPECIFIED) any ??= lnk;
    }
    return byPort ?? any;
  }

  /** `lnk` unless its time was up; then it is gone. */
  private use(lnk: AliasLink, now: number): AliasLink | null {
    if (isExpired(lnk, now)) {
      this.remove(lnk);
      return null;
    }
    lnk.stamp = now;
    return lnk;
  }

  private toEnd(lnk: AliasLink): void {
    this.all.delete(lnk);
    this.all.add(lnk);
  }

  private fullHash(type: number, alias: number, aliasPort: number, dst: number, dstPort: number): number {
    return flowHash4(alias, dst, type, aliasPort, dstPort, this.salt) | 0;
  }

  private groupHash(type: number, alias: number, aliasPort: number): number {
    return flowHash4(alias, 0, type, aliasPort, 0, this.salt) | 0;
  }

  private linkOut(lnk: AliasLink): void {
    if (lnk.pool !== null) return;
    const at = lnk.outHash & this.mask;
    // Of two redirections of one host the earlier answers for it: new ones go to the end.
    let last = this.out[at] ?? null;
    if (last === null) {
      this.out[at] = lnk;
      return;
    }
    while (last.outNext !== null) last = last.outNext;
    last.outNext = lnk;
  }

  private unlinkOut(lnk: AliasLink): void {
    const at = lnk.outHash & this.mask;
    let before: AliasLink | null = null;
    for (let l: AliasLink | null = this.out[at] ?? null; l !== null; before = l, l = l.outNext) {
      if (l !== lnk) continue;
      if (before === null) this.out[at] = lnk.outNext;
      else before.outNext = lnk.outNext;
      lnk.outNext = null;
      return;
    }
  }

  private linkIn(lnk: AliasLink): void {
    const table = lnk.partial ? this.partial : this.full;
    const at = lnk.inHash & this.mask;
    lnk.inNext = table[at] ?? null;
    table[at] = lnk;
  }

  private unlinkIn(lnk: AliasLink): void {
    const table = lnk.partial ? this.partial : this.full;
    const at = lnk.inHash & this.mask;
    let before: AliasLink | null = null;
    for (let l: AliasLink | null = table[at] ?? null; l !== null; before = l, l = l.inNext) {
      if (l !== lnk) continue;
      if (before === null) table[at] = lnk.inNext;
      else before.inNext = lnk.inNext;
      lnk.inNext = null;
      return;
    }
  }

  /** As many buckets as links, at least. */
  private grow(): void {
    const n = this.mask === 0 ? BUCKETS_MIN : (this.mask + 1) * 2;
    this.mask = n - 1;
    this.out = buckets(n);
    // Chains of partial links keep their order: the latest comes first again when it goes in last.
    const groups = this.partial.flatMap((head) => chainOf(head)).reverse();
    this.full = buckets(n);
    this.partial = buckets(n);
    for (const lnk of this.all) {
      lnk.outNext = null;
      if (lnk.partial) continue;
      this.linkOut(lnk);
      this.linkIn(lnk);
    }
    for (const lnk of groups) {
      this.linkIn(lnk);
      this.linkOut(lnk);
    }
  }

  private tally(type: number, n: number): void {
    const { counts } = this;
    if (type === IPPROTO_ICMP) counts.icmpLinkCount += n;
    else if (type === IPPROTO_UDP) counts.udpLinkCount += n;
    else if (type === IPPROTO_TCP) counts.tcpLinkCount += n;
    else if (type === LINK_FRAGMENT_ID) counts.fragmentIdLinkCount += n;
    else if (type !== LINK_ADDR) counts.protoLinkCount += n;
  }
}

function chainOf(head: AliasLink | null): AliasLink[] {
  const list: AliasLink[] = [];
  for (let lnk = head; lnk !== null; lnk = lnk.inNext) list.push(lnk);
  return list;
}

function isExpired(lnk: AliasLink, now: number): boolean {
  return (lnk.flags & LINK_PERMANENT) === 0 && now - lnk.stamp > lnk.expire;
}
