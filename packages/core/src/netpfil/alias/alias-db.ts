/**
 * alias-db.ts — AliasDb: which link a packet belongs to, and which it gets when it belongs to none.
 * Read first: alias-link.ts, alias-table.ts; FreeBSD's netinet/libalias/alias_db.c.
 *
 * Theory of operation. From inside: the link with exactly these ends; else a redirection of this host (most specific first), which then gets a full link
 * of its own with the redirection's alias; else a new link whose alias is that of the host (redirectAddr) or the default address. From
 * outside: the full link; else a redirection of the alias; else, unless incoming packets are denied, a new link to the *original address* of the alias:
 * the host of a redirectAddr, the target, or the alias itself.
 *
 * A new link's alias port is its own port when ports shall stay the same and nobody has it with the same far end; otherwise random ports of the range are
 * tried, a bounded number of times.
 *
 * Addresses are signed numbers. Differences from libalias: a far port of 0 in a packet matches nothing and makes nothing (there a spoofed packet with
 * port 0 takes over any connection of its alias port), the number of links is bounded, and a packet for which no link can be made is an error and not ignored.
 */
import type { Prng } from '../../base/prng.js';
import { US_PER_SEC } from '../../base/time.js';
import type { Micros } from '../../base/time.js';
import { IPPROTO_ICMP } from '../../wire/ipproto.js';
import { AliasLink } from './alias-link.js';
import { AliasTable } from './alias-table.js';
import {
  ALIAS_PORT_BASE, GET_NEW_PORT_MAX_ATTEMPTS, LINK_ADDR, LINK_FRAGMENT_ID, LINK_PERMANENT, NO_PORT, PKT_ALIAS_DENY_INCOMING, PKT_ALIAS_RESET_ON_ADDR_CHANGE,
  PKT_ALIAS_SAME_PORTS, PKT_ALIAS_USE_SOCKETS,
} from './alias-var.js';

/** Where the time comes from: the Engine. */
export interface AliasClock {
  readonly now: Micros;
}

/** Asks for a free alias port. */
const ANY_PORT = -1;
/** 255.255.255.255 as a target: the default address. */
const TARGET_ALIAS = -1;

export class AliasDb {
  mode = PKT_ALIAS_SAME_PORTS | PKT_ALIAS_USE_SOCKETS | PKT_ALIAS_RESET_ON_ADDR_CHANGE;
  /** The default alias; 0 before one is set: packets keep their address. */
  address = 0;
  /** Where incoming packets of no link go; 0: to the address they name, TARGET_ALIAS: to the default alias. */
  target = 0;
  portLow = ALIAS_PORT_BASE;
  portCount = ALIAS_PORT_BASE;
  readonly table: AliasTable;
  private readonly clock: AliasClock;
  private readonly rng: Prng;

  constructor(clock: AliasClock, rng: Prng) {
    this.clock = clock;
    this.rng = rng;
    this.table = new AliasTable(rng.u32());
  }

  /** Seconds. */
  get now(): number {
    return Math.floor(this.clock.now / US_PER_SEC);
  }

  denies(): boolean {
    return (this.mode & PKT_ALIAS_DENY_INCOMING) !== 0;
  }

  /** A link with these ends; null when there is no room or no alias port for it. */
  add(type: number, src: number, srcPort: number, dst: number, dstPort: number, alias: number, aliasPort: number): AliasLink | null {
    const port = aliasPort === ANY_PORT ? this.newPort(type, srcPort, dst, dstPort, alias) : aliasPort;
    if (port < 0) return null;
    const { now } = this;
    const lnk = new AliasLink(type, src, srcPort, dst, dstPort, alias, port, now);
    return this.table.add(lnk, now) ? lnk : null;
  }

  /** An alias port nobody has with this far end; -1 when none was found. */
  private newPort(type: number, srcPort: number, dst: number, dstPort: number, alias: number): number {
    let port = (this.mode & PKT_ALIAS_SAME_PORTS) !== 0 ? srcPort : this.randomPort();
    for (let i = 0; i < GET_NEW_PORT_MAX_ATTEMPTS; i++) {
      if (this.isFree(type, alias, port, dst, dstPort)) return port;
      port = this.randomPort();
    }
    return -1;
  }

  /** Links under the default alias may be known by its number or as 0. */
  private isFree(type: number, alias: number, port: number, dst: number, dstPort: number): boolean {
    if (this.isTaken(type, alias, port, dst, dstPort)) return false;
    const other = alias === 0 ? this.address : alias === this.address ? 0 : alias;
    return other === alias || !this.isTaken(type, other, port, dst, dstPort);
  }

  /** What waits for a connection must be the only one that waits there. */
  private isTaken(type: number, alias: number, port: number, dst: number, dstPort: number): boolean {
    if (dstPort === 0) return this.table.findPartial(type, alias, port, dst, 0) !== null;
    return this.table.peekFull(type, alias, port, dst, dstPort) !== null;
  }

  private randomPort(): number {
    return this.portLow + this.rng.below(this.portCount);
  }

  /** A full link in place of the partial `old`, which goes unless it is permanent. */
  private relink(old: AliasLink, src: number, srcPort: number, dst: number, dstPort: number): AliasLink | null {
    const lnk = this.add(old.type, src, srcPort, dst, dstPort, old.alias, old.aliasPort);
    if ((old.flags & LINK_PERMANENT) === 0) this.table.remove(old);
    return lnk;
  }

  /** From inside. `replace`: a redirection may become a link. */
  private findOut(type: number, src: number, srcPort: number, dst: number, dstPort: number, replace: boolean): AliasLink | null {
    const lnk = this.findOutFrom(type, src, src, srcPort, dst, dstPort, replace);
    if (lnk !== null || src !== this.address || src === 0) return lnk;
    return this.findOutFrom(type, 0, src, srcPort, dst, dstPort, replace);
  }

  /** `known`: how the source is written in the link, 0 for the default alias. */
  private findOutFrom(type: number, known: number, src: number, srcPort: number, dst: number, dstPort: number, replace: boolean): AliasLink | null {
    const { table, now } = this;
    let lnk = table.findOut(type, known, srcPort, dst, dstPort, now);
    if (lnk !== null || !replace) return lnk;
    lnk = table.findOut(type, known, srcPort, dst, 0, now) ?? table.findOut(type, known, srcPort, 0, dstPort, now) ?? table.findOut(type, known, srcPort, 0, 0, now);
    return lnk === null ? null : this.relink(lnk, src, srcPort, dst, dstPort);
  }

  /** From outside. `replace`: a redirection becomes a link; else it is answered as it is. */
  private findIn(type: number, alias: number, aliasPort: number, dst: number, dstPort: number, replace: boolean): AliasLink | null {
    const lnk = this.findInAt(type, alias, aliasPort, dst, dstPort, replace);
    if (lnk !== null || alias !== this.address || alias === 0) return lnk;
    return this.findInAt(type, 0, aliasPort, dst, dstPort, replace);
  }

  private findInAt(type: number, alias: number, aliasPort: number, dst: number, dstPort: number, replace: boolean): AliasLink | null {
    const { table } = this;
    const full = table.findFull(type, alias, aliasPort, dst, dstPort, this.now);
    if (full !== null) return full;
    const partial = table.findPartial(type, alias, aliasPort, dst, dstPort);
    if (partial === null || !replace) return partial;
    const { pool } = partial;
    if (pool === null) return this.relink(partial, partial.src, partial.srcPort, dst, dstPort);
    const server = pool.servers[pool.next]!;
    pool.next = (pool.next + 1) % pool.servers.length;
    return this.relink(partial, server.addr, server.port, dst, dstPort);
  }

  icmpIn(alias: number, id: number, dst: number, create: boolean): AliasLink | null {
    const lnk = this.findIn(IPPROTO_ICMP, alias, id, dst, NO_PORT, false);
    if (lnk !== null || !create || this.denies()) return lnk;
    return this.add(IPPROTO_ICMP, this.originalAddress(alias), id, dst, NO_PORT, alias, id);
  }

  icmpOut(src: number, id: number, dst: number, create: boolean): AliasLink | null {
    const lnk = this.findOut(IPPROTO_ICMP, src, id, dst, NO_PORT, false);
    return lnk !== null || !create ? lnk : this.add(IPPROTO_ICMP, src, id, dst, NO_PORT, this.aliasAddress(src), ANY_PORT);
  }

  /** TCP and UDP. */
  portIn(type: number, alias: number, aliasPort: number, dst: number, dstPort: number, create: boolean): AliasLink | null {
    if (dstPort === 0) return null;
    const lnk = this.findIn(type, alias, aliasPort, dst, dstPort, create);
    if (lnk !== null || !create || this.denies()) return lnk;
    return this.add(type, this.originalAddress(alias), aliasPort, dst, dstPort, alias, aliasPort);
  }

  portOut(type: number, src: number, srcPort: number, dst: number, dstPort: number, create: boolean): AliasLink | null {
    if (dstPort === 0) return null;
    const lnk = this.findOut(type, src, srcPort, dst, dstPort, create);
    return lnk !== null || !create ? lnk : this.add(type, src, srcPort, dst, dstPort, this.aliasAddress(src), ANY_PORT);
  }

  /** A connection that is expected from `dst`, whatever port it comes from: a helper has read of it in a control connection. */
  expect(type: number, src: number, srcPort: number, dst: number): AliasLink | null {
    return this.table.findOut(type, src, srcPort, dst, 0, this.now) ?? this.add(type, src, srcPort, dst, 0, this.aliasAddress(src), ANY_PORT);
  }

  /** Protocols without ports. */
  protoIn(type: number, alias: number, dst: number): AliasLink | null {
    const lnk = this.findIn(type, alias, 0, dst, NO_PORT, true);
    if (lnk !== null || this.denies()) return lnk;
    return this.add(type, this.originalAddress(alias), NO_PORT, dst, NO_PORT, alias, 0);
  }

  protoOut(type: number, src: number, dst: number): AliasLink | null {
    return this.findOut(type, src, NO_PORT, dst, NO_PORT, true) ?? this.add(type, src, NO_PORT, dst, NO_PORT, this.aliasAddress(src), 0);
  }

  /** The fragments of datagram `id` from `dst`: the link is made by the one with the header. */
  fragmentIn(alias: number, id: number, dst: number, create: boolean): AliasLink | null {
    const lnk = this.findIn(LINK_FRAGMENT_ID, alias, id, dst, NO_PORT, false);
    return lnk !== null || !create ? lnk : this.add(LINK_FRAGMENT_ID, 0, NO_PORT, dst, NO_PORT, alias, id);
  }

  /** Whom a packet of no link to `alias` is for. */
  originalAddress(alias: number): number {
    const lnk = this.findIn(LINK_ADDR, alias, 0, 0, 0, false);
    if (lnk === null) {
      if (this.target === 0) return alias;
      return this.target === TARGET_ALIAS ? this.address || alias : this.target;
    }
    const { pool } = lnk;
    if (pool === null) return lnk.src === 0 ? this.address || alias : lnk.src;
    const server = pool.servers[pool.next]!;
    pool.next = (pool.next + 1) % pool.servers.length;
    return server.addr;
  }

  /** As whom `src` appears outside. */
  aliasAddress(src: number): number {
    const lnk = this.findOut(LINK_ADDR, src, 0, 0, 0, false);
    if (lnk !== null && lnk.alias !== 0) return lnk.alias;
    return this.address || src;
  }

  /** The addresses of a link, with the default alias put in. */
  aliasOf(lnk: AliasLink): number {
    return lnk.alias || this.address;
  }

  originalOf(lnk: AliasLink): number {
    return lnk.src || this.address;
  }
}
