/**
 * alias.ts — AliasInstance: packet aliasing (network address translation) as libalias does it.
 * Read first: libalias(3); alias-link.ts for what a link is.
 *
 * Theory of operation. An instance has an alias address and a table of links. `aliasOut` gives a packet that leaves the inside the alias as its source and
 * remembers the link; `aliasIn` gives a packet from outside the host it belongs to as its destination. Both work on the packet in its slot, with `m.off` at
 * the IP header, pending checksums and super-segments included, and answer with PKT_ALIAS_*; `aliasDrops` says which of these the caller must
 * drop. Nothing here owns a packet, sends one or drops one: ng_nat(4) and ipfw's nat do.
 *
 * Redirections are permanent links that the administrator makes: a port, an address, a protocol, each perhaps only for one host outside, each
 * perhaps answered by a pool of servers in turn. Ports and addresses of the calls are unsigned, 0 for "any" or, as an alias, for the instance's address.
 *
 * Fragments: out, all of them get the alias; in, the one with the header shows the others the way, and one that comes before it is unresolved.
 * Not here: transparent proxies (LibAliasProxyRule), PPTP and SCTP, holes in firewalls, keeping unresolved fragments (reassemble before aliasing).
 */
import type { Prng } from '../../base/prng.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { IP4_DST, IP4_HDR_LEN, IP4_SRC, IP_MF, IP_OFFMASK, ip4Hl, ip4Id, ip4Len, ip4Off, ip4P, ip4Version } from '../../wire/ip4.js';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import { AliasDb } from './alias-db.js';
import type { AliasClock } from './alias-db.js';
import { icmpAliasIn, icmpAliasOut } from './alias-icmp.js';
import type { AliasLink } from './alias-link.js';
import { portsAliasIn, portsAliasOut } from './alias-ports.js';
import { putAddr } from './alias-rewrite.js';
import type { AliasCounts } from './alias-table.js';
import {
  ALIAS_PORT_BASE, LINK_ADDR, LINK_PERMANENT, NO_PORT, PKT_ALIAS_ERROR, PKT_ALIAS_FOUND_HEADER_FRAGMENT, PKT_ALIAS_IGNORED, PKT_ALIAS_OK, PKT_ALIAS_PROXY_ONLY,
  PKT_ALIAS_RESET_ON_ADDR_CHANGE, PKT_ALIAS_REVERSE, PKT_ALIAS_UNREGISTERED_CGN, PKT_ALIAS_UNREGISTERED_ONLY, PKT_ALIAS_UNRESOLVED_FRAGMENT,
} from './alias-var.js';
import type { AliasResult } from './alias-var.js';

export type { AliasClock } from './alias-db.js';
export type { AliasLink, AliasServer } from './alias-link.js';
export type { AliasCounts } from './alias-table.js';

/** A port redirected: what comes to `alias`:`aliasPort` from `remote`:`remotePort` is for `local`:`localPort`. */
export interface AliasPortRedirect {
  readonly proto: number;
  readonly local: number;
  readonly localPort: number;
  readonly alias: number;
  readonly aliasPort: number;
  readonly remote: number;
  readonly remotePort: number;
}

export class AliasInstance {
  private readonly db: AliasDb;

  /** @param clock the Engine. @param rng a stream of the instance's own. */
  constructor(clock: AliasClock, rng: Prng) {
    this.db = new AliasDb(clock, rng);
  }

  /** PKT_ALIAS_* modes. */
  get mode(): number {
    return this.db.mode;
  }

  /** The alias address, unsigned; 0: none yet. */
  get address(): number {
    return this.db.address >>> 0;
  }

  /** Links there may be. */
  get linksMax(): number {
    return this.db.table.linksMax;
  }

  set linksMax(n: number) {
    this.db.table.linksMax = n;
  }

  /** Links there are, those whose time is up and nobody has noticed included. */
  get count(): number {
    return this.db.table.count;
  }

  /** Links refused because there was no room. */
  get refused(): number {
    return this.db.table.refused;
  }

  /** By kind: what ng_nat's `libaliasinfo` shows. */
  get counts(): Readonly<AliasCounts> {
    return this.db.table.counts;
  }

  /** The line that libalias logs when PKT_ALIAS_LOG is set. */
  statsLine(): string {
    const c = this.counts;
    const total = c.icmpLinkCount + c.udpLinkCount + c.tcpLinkCount + c.sctpLinkCount + c.pptpLinkCount + c.protoLinkCount + c.fragmentIdLinkCount + c.fragmentPtrLinkCount;
    return `icmp=${c.icmpLinkCount}, udp=${c.udpLinkCount}, tcp=${c.tcpLinkCount}, sctp=${c.sctpLinkCount}, pptp=${c.pptpLinkCount}, proto=${c.protoLinkCount}, `
      + `frag_id=${c.fragmentIdLinkCount} frag_ptr=${c.fragmentPtrLinkCount} / tot=${total}`;
  }

  setAddress(addr: number): void {
    const { db } = this;
    if ((db.mode & PKT_ALIAS_RESET_ON_ADDR_CHANGE) !== 0 && db.address !== (addr | 0)) db.table.clear(false);
    db.address = addr | 0;
  }

  /** Where incoming packets of no link go: 0 where they say, 255.255.255.255 to the alias address itself. */
  setTarget(addr: number): void {
    this.db.target = addr | 0;
  }

  /** Sets the modes in `mask` to those in `flags`; answers with all. */
  setMode(flags: number, mask: number): number {
    const { db } = this;
    db.mode = (flags & mask) | (db.mode & ~mask);
    return db.mode;
  }

  /** Alias ports are drawn from `low` to `high`; a `low` of 0 sets the usual range. */
  setPortRange(low: number, high: number): void {
    this.db.portLow = low === 0 ? ALIAS_PORT_BASE : low;
    this.db.portCount = low === 0 ? ALIAS_PORT_BASE : high - low + 1;
  }

  /** Null: neither TCP nor UDP, or no room. */
  redirectPort(r: AliasPortRedirect): AliasLink | null {
    if (r.proto !== IPPROTO_TCP && r.proto !== IPPROTO_UDP) return null;
    return permanent(this.db.add(r.proto, r.local | 0, r.localPort, r.remote | 0, r.remotePort, r.alias | 0, r.aliasPort));
  }

  /** Everything that comes to `alias` is for `local`, and what `local` sends comes from `alias`. */
  redirectAddr(local: number, alias: number): AliasLink | null {
    return permanent(this.db.add(LINK_ADDR, local | 0, 0, 0, 0, alias | 0, 0));
  }

  /** Packets of protocol `proto` that come to `alias` from `remote` are for `local`. */
  redirectProto(local: number, remote: number, alias: number, proto: number): AliasLink | null {
    return permanent(this.db.add(proto, local | 0, NO_PORT, remote | 0, NO_PORT, alias | 0, 0));
  }

  /** One more server for a redirection; its own host answers no more. */
  addServer(lnk: AliasLink, addr: number, port: number): void {
    const server = { addr: addr | 0, port };
    if (lnk.pool !== null) {
      lnk.pool.servers.push(server);
      return;
    }
    if (lnk.live) this.db.table.hideOut(lnk);
    lnk.pool = { servers: [server], next: 0 };
  }

  /** The redirection serves the next connection and is then gone. False: it does not say for whom. */
  redirectDynamic(lnk: AliasLink): boolean {
    if (lnk.partial) return false;
    lnk.flags &= ~LINK_PERMANENT;
    return true;
  }

  /** Connections that came through it stay. */
  redirectDelete(lnk: AliasLink): void {
    this.db.table.remove(lnk);
  }

  /** Forgets every link, redirections too. */
  destroy(): void {
    this.db.table.clear(true);
  }

  /** A packet from outside. */
  aliasIn(m: PacketBuffer): AliasResult {
    return (this.db.mode & PKT_ALIAS_REVERSE) !== 0 ? this.out(m, true) : this.in(m);
  }

  /** A packet from inside. Without `create` only what belongs to a link is aliased. */
  aliasOut(m: PacketBuffer, create = true): AliasResult {
    return (this.db.mode & PKT_ALIAS_REVERSE) !== 0 ? this.in(m) : this.out(m, create);
  }

  private in(m: PacketBuffer): AliasResult {
    const { db } = this;
    db.table.sweep(db.now);
    if (!isWhole(m)) return PKT_ALIAS_IGNORED;
    const v = m.view;
    const src = v.getInt32(m.off + IP4_SRC);
    const alias = v.getInt32(m.off + IP4_DST);
    const off = ip4Off(v, m.off);
    if ((off & IP_OFFMASK) !== 0) return this.laterFragment(m, src, alias);
    const result = this.inByProto(m, src, alias);
    if ((off & IP_MF) === 0 || (result === PKT_ALIAS_IGNORED && db.denies())) return result;
    const lnk = db.fragmentIn(alias, ip4Id(v, m.off), src, true);
    if (lnk === null) return PKT_ALIAS_ERROR;
    lnk.fragAddr = v.getInt32(m.off + IP4_DST);
    return PKT_ALIAS_FOUND_HEADER_FRAGMENT;
  }

  private inByProto(m: PacketBuffer, src: number, alias: number): AliasResult {
    const { db } = this;
    const proto = ip4P(m.view, m.off);
    if (proto === IPPROTO_TCP || proto === IPPROTO_UDP) return portsAliasIn(db, m, proto);
    if (proto === IPPROTO_ICMP) return icmpAliasIn(db, m);
    if ((db.mode & PKT_ALIAS_PROXY_ONLY) !== 0) return PKT_ALIAS_OK;
    const lnk = db.protoIn(proto, alias, src);
    if (lnk === null) return db.denies() ? PKT_ALIAS_IGNORED : PKT_ALIAS_ERROR;
    putAddr(m.view, m.off, IP4_DST, db.originalOf(lnk));
    return PKT_ALIAS_OK;
  }

  private laterFragment(m: PacketBuffer, src: number, alias: number): AliasResult {
    const lnk = this.db.fragmentIn(alias, ip4Id(m.view, m.off), src, false);
    if (lnk === null) return PKT_ALIAS_UNRESOLVED_FRAGMENT;
    putAddr(m.view, m.off, IP4_DST, lnk.fragAddr);
    return PKT_ALIAS_OK;
  }

  private out(m: PacketBuffer, create: boolean): AliasResult {
    const { db } = this;
    db.table.sweep(db.now);
    if (!isWhole(m)) return PKT_ALIAS_IGNORED;
    const src = m.view.getInt32(m.off + IP4_SRC);
    const { address } = db;
    if (!this.isToBeAliased(src)) db.address = src;
    const result = this.outByProto(m, src, create);
    db.address = address;
    return result;
  }

  private outByProto(m: PacketBuffer, src: number, create: boolean): AliasResult {
    const { db } = this;
    const v = m.view;
    if ((ip4Off(v, m.off) & IP_OFFMASK) !== 0) {
      putAddr(v, m.off, IP4_SRC, db.aliasAddress(src));
      return PKT_ALIAS_OK;
    }
    const proto = ip4P(v, m.off);
    if (proto === IPPROTO_TCP || proto === IPPROTO_UDP) return portsAliasOut(db, m, proto, create);
    if (proto === IPPROTO_ICMP) return icmpAliasOut(db, m, create);
    if ((db.mode & PKT_ALIAS_PROXY_ONLY) !== 0) return PKT_ALIAS_OK;
    if (!create) return PKT_ALIAS_IGNORED;
    const lnk = db.protoOut(proto, src, v.getInt32(m.off + IP4_DST));
    if (lnk === null) return PKT_ALIAS_ERROR;
    putAddr(v, m.off, IP4_SRC, db.aliasOf(lnk));
    return PKT_ALIAS_OK;
  }

  /** Modes may leave sources as they are: then each is its own alias. */
  private isToBeAliased(src: number): boolean {
    const { mode } = this.db;
    if ((mode & (PKT_ALIAS_UNREGISTERED_ONLY | PKT_ALIAS_UNREGISTERED_CGN)) !== 0) return isPrivate(src) || ((mode & PKT_ALIAS_UNREGISTERED_CGN) !== 0 && isCgn(src));
    return (mode & PKT_ALIAS_PROXY_ONLY) === 0;
  }
}

function permanent(lnk: AliasLink | null): AliasLink | null {
  if (lnk !== null) lnk.flags |= LINK_PERMANENT;
  return lnk;
}

/** Does the packet hold the IPv4 datagram that its header speaks of? */
function isWhole(m: PacketBuffer): boolean {
  if (m.len < IP4_HDR_LEN || ip4Version(m.view, m.off) !== 4) return false;
  const hl = ip4Hl(m.view, m.off);
  const len = ip4Len(m.view, m.off);
  return hl >= IP4_HDR_LEN && hl <= len && len <= m.len;
}

/** RFC 1918. */
function isPrivate(addr: number): boolean {
  return addr >>> 24 === 10 || addr >>> 20 === 0xac1 || addr >>> 16 === 0xc0a8;
}

/** RFC 6598, 100.64/10. */
function isCgn(addr: number): boolean {
  return addr >>> 22 === 0x191;
}
