/**
 * bridge-snoop.ts — BridgeSnoop: a bridge that looks into IGMP and MLD to send multicasts only where they are wanted. Off unless an administrator wants it.
 * Read first: RFC 4541 §2.1 (IPv4), §3 (IPv6).
 *
 * Theory of operation. Every multicast frame the bridge would flood is looked at (`look`). Routers are behind ports where queries, PIM hellos, multicast router
 * advertisements or DVMRP came in; members behind ports where reports did. Both are forgotten when nothing renews them, and members sooner when
 * a querier asks for their group and they do not answer. Then (§2.1.1 forwarding of control messages, §2.1.2 of data):
 *
 *   queries, everything that is no IP, 224.0.0.0/24, ff01::/16, ff02::/16   to every port
 *   reports and leaves                                                      to router ports only, so that hosts do not suppress each other's
 *   a group somebody has joined                                             to its members' ports and router ports
 *   a group nobody has joined                                               to router ports, or with `mcflood` to every port
 *
 * As long as no querier is there nobody would renew a membership: then everything is flooded, as it is for a while after the spanning tree has moved
 * something. A querier on the bridge itself counts; the bridge's own protocols see every frame in any case.
 * A group is known by its network address and VLAN. Source filters are not looked at: a port that wants any source gets all of the group's.
 *
 * Invariants: the table is bounded; a report that does not fit makes its group one that is flooded for as long as it is full.
 * Not here: a proxy that answers for members, report suppression: reports of version 3 are passed on one by one.
 *
 * @rfc 4541 2.1.1 partial "leaves are not answered by the bridge; the querier's question is watched instead"
 * @rfc 4541 2.1.2 yes
 * @rfc 4541 3 yes
 */
import type { Micros } from '../base/time.js';
import { Callout } from '../kern/callout.js';
import type { CalloutOwner } from '../kern/callout.js';
import type { Engine } from '../kern/engine.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ip6W0IsLinkLocal } from '../wire/addr6.js';
import { ETHERTYPE_IP, ETHERTYPE_IPV6, ETHER_HDR_LEN } from '../wire/ether.js';
import {
  MLDV2_GRPREC_HDRLEN, MLDV2_LISTENER_REPORT, MLDV2_MISC, MLDV2_NUMGRPS, MLDV2_QQI, MLDV2_QUERY_MINLEN, MLDV2_REPORT_MINLEN, MLD_ADDR, MLD_LISTENER_DONE,
  MLD_LISTENER_QUERY, MLD_LISTENER_REPORT, MLD_MAXDELAY, MLD_MINLEN, mldCodeValue,
} from '../wire/icmp6.js';
import {
  IGMP_CODE, IGMP_DVMRP, IGMP_GRPREC_HDRLEN, IGMP_HOST_LEAVE_MESSAGE, IGMP_HOST_MEMBERSHIP_QUERY, IGMP_MINLEN, IGMP_V1_HOST_MEMBERSHIP_REPORT,
  IGMP_V2_HOST_MEMBERSHIP_REPORT, IGMP_V3_HOST_MEMBERSHIP_REPORT, IGMP_V3_MISC, IGMP_V3_NUMGRPS, IGMP_V3_QQI, IGMP_V3_QUERY_MINLEN, IGMP_V3_REPORT_MINLEN,
  igmpCheck, igmpCodeValue, igmpGroup, igmpRecordLen, igmpType,
} from '../wire/igmp.js';
import { IP4_P, ip4Check, ip4Dst, ip4Hl, ip4IsFragment, ip4Len, ip4Src } from '../wire/ip4.js';
import { IP6EXT_LEN, IP6_DST, IP6_HDR_LEN, IP6_NXT, IP6_SRC, ip6Check, ip6Plen } from '../wire/ip6.js';
import { IPPROTO_HOPOPTS, IPPROTO_ICMPV6, IPPROTO_IGMP, IPPROTO_PIM } from '../wire/ipproto.js';
import type { BridgePort } from './bridge-forward.js';
import { ALLOW_NEW_SOURCES, CHANGE_TO_EXCLUDE_MODE, CHANGE_TO_INCLUDE_MODE, MODE_IS_EXCLUDE, MODE_IS_INCLUDE } from './mcast/group-record.js';

const US_PER_S = 1_000_000;
const US_PER_TENTH = 100_000;
const US_PER_MS = 1_000;
/** RFC 9776 §8.4, §8.5 with default values: how long a report, and a router, is believed. */
const MEMBER_S = 260;
const ROUTER_S = 255;
/** Multicast router advertisement, RFC 4286. */
const IGMP_MRD_ADVERT = 0x30;
const ICMP6_MRD_ADVERT = 151;
/** Robustness a querier that does not say is taken to have. */
const RV_INIT = 2;
const AGEING_US = 30 * US_PER_S;
export const SNOOP_GROUPS_MAX = 1_024;
/** 224.0.0.0/24 as a number of 24 bits. */
const LOCAL_GROUPS = 0xe00000;

/** Groups, and what is behind the bridge's own interface, by this index. */
const SELF = -1;

export class SnoopStats {
  queries = 0;
  reports = 0;
  leaves = 0;
  /** Messages that were not well formed: passed on like others. */
  bad = 0;
  /** Groups there was no room for. */
  full = 0;
  /** Frames that did not go to every port. */
  narrowed = 0;
  /** … to a group nobody has joined. */
  unknown = 0;
}

/** A group in a VLAN. IPv4 addresses are in the last word, with the others 0. */
export class SnoopGroup {
  readonly vlan: number;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  /** Until when members are behind a port, by its index. */
  readonly ports = new Map<number, Micros>();
  next: SnoopGroup | null = null;

  constructor(vlan: number, w0: number, w1: number, w2: number, w3: number) {
    this.vlan = vlan;
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
  }
}

export class BridgeSnoop {
  readonly stats = new SnoopStats();
  /** Groups nobody has joined go to every port. */
  floodUnknown = false;
  /** Who leaves is gone at once: one host behind each port. */
  fastLeave = false;
  groupsMax = SNOOP_GROUPS_MAX;
  private readonly engine: Engine;
  private readonly chains = new Map<number, SnoopGroup>();
  private groupCount = 0;
  /** Until when a router is behind a port, by its index; SELF is this host. */
  private readonly routers = new Map<number, Micros>();
  /** Ports that lead to a router whatever is heard. */
  private readonly fixedRouters = new Set<number>();
  private memberUs = MEMBER_S * US_PER_S;
  private floodUntil: Micros = -1;
  private readonly ageing: Callout;
  /** Of the frame in hand: the group it is for, null for none that is known. */
  private group: SnoopGroup | null = null;

  constructor(engine: Engine, owner: CalloutOwner) {
    this.engine = engine;
    this.ageing = new Callout(owner, () => this.age());
  }

  destroy(): void {
    this.flush();
  }

  /** Takes over what an administrator has set of `other`. */
  setLike(other: BridgeSnoop): void {
    this.floodUnknown = other.floodUnknown;
    this.fastLeave = other.fastLeave;
    this.groupsMax = other.groupsMax;
  }

  /** Groups known. */
  get count(): number {
    return this.groupCount;
  }

  /**
   * A frame (`m.off` at its Ethernet header) came in on `port`, or, null, is sent by this host. False: it goes to every port. True: only to
   * those that `passes`. Packet path.
   */
  look(port: BridgePort | null, m: PacketBuffer, vlan: number): boolean {
    const narrow = this.classify(port === null ? SELF : port.index, m, vlan);
    if (narrow) this.stats.narrowed++;
    return narrow;
  }

  /** Does the frame looked at last go to `port`? Packet path. */
  passes(port: BridgePort): boolean {
    const now = this.engine.now;
    if ((this.routers.get(port.index) ?? 0) > now || this.fixedRouters.has(port.index)) return true;
    return this.group !== null && (this.group.ports.get(port.index) ?? 0) > now;
  }

  /** The port leaves the bridge. */
  portGone(port: BridgePort): void {
    this.routers.delete(port.index);
    this.fixedRouters.delete(port.index);
    for (const g of this.groups()) g.ports.delete(port.index);
  }

  setRouterPort(port: BridgePort, on: boolean): void {
    if (on) this.fixedRouters.add(port.index);
    else this.fixedRouters.delete(port.index);
  }

  isFixedRouter(port: BridgePort): boolean {
    return this.fixedRouters.has(port.index);
  }

  /** Microseconds a router is still believed to be behind `port`, 0 for none. */
  routerFor(port: BridgePort): Micros {
    return Math.max(0, (this.routers.get(port.index) ?? 0) - this.engine.now);
  }

  /** The spanning tree has moved something: members may be elsewhere. */
  topologyChanged(): void {
    this.floodUntil = this.engine.now + this.memberUs;
  }

  /** Everything learned is forgotten. */
  flush(): void {
    this.engine.calloutStop(this.ageing);
    this.chains.clear();
    this.groupCount = 0;
    this.routers.clear();
  }

  groups(): SnoopGroup[] {
    const all: SnoopGroup[] = [];
    for (const head of this.chains.values()) for (let g: SnoopGroup | null = head; g !== null; g = g.next) all.push(g);
    return all;
  }

  private classify(from: number, m: PacketBuffer, vlan: number): boolean {
    const v = m.view;
    const at = m.off + ETHER_HDR_LEN;
    const len = m.len - ETHER_HDR_LEN;
    const type = m.len >= ETHER_HDR_LEN ? v.getUint16(m.off + 12) : 0;
    this.group = null;
    if (type === ETHERTYPE_IP) return (v.getUint8(m.off) & 0xfe) === 0 && ip4Check(v, at, len, true) === 0 && this.classify4(from, v, at, vlan);
    if (type === ETHERTYPE_IPV6) return v.getUint16(m.off) === 0x3333 && ip6Check(v, at, len) === 0 && this.classify6(from, v, at, vlan);
    return false;
  }

  private classify4(from: number, v: DataView, at: number, vlan: number): boolean {
    const proto = v.getUint8(at + IP4_P);
    const dst = ip4Dst(v, at);
    if (dst >>> 28 !== 0xe) return false;
    if (proto === IPPROTO_IGMP && !ip4IsFragment(v, at)) return this.igmp(from, v, at, vlan);
    if (dst >>> 8 === LOCAL_GROUPS) {
      if (proto === IPPROTO_PIM) this.routerAt(from);
      return false;
    }
    return this.data(vlan, 0, 0, 0, dst | 0);
  }

  private classify6(from: number, v: DataView, at: number, vlan: number): boolean {
    const d = at + IP6_DST;
    const nxt = v.getUint8(at + IP6_NXT);
    if (nxt === IPPROTO_HOPOPTS && ip6Plen(v, at) >= 16 && v.getUint8(at + IP6_HDR_LEN) === IPPROTO_ICMPV6) {
      const icmp = at + IP6_HDR_LEN + ((v.getUint8(at + IP6_HDR_LEN + IP6EXT_LEN) + 1) << 3);
      const end = at + IP6_HDR_LEN + ip6Plen(v, at);
      if (icmp + MLDV2_REPORT_MINLEN <= end) {
        const narrow = this.mld(from, v, at, icmp, end - icmp, vlan);
        if (narrow !== null) return narrow;
      }
    }
    const scope = v.getUint8(d + 1) & 15;
    if (scope <= 2) {
      if (nxt === IPPROTO_PIM) this.routerAt(from);
      return false;
    }
    return this.data(vlan, v.getInt32(d), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12));
  }

  /** A packet for a group. */
  private data(vlan: number, w0: number, w1: number, w2: number, w3: number): boolean {
    if (!this.works()) return false;
    const g = this.find(vlan, w0, w1, w2, w3);
    if (g === null) {
      this.stats.unknown++;
      if (this.floodUnknown || this.groupCount >= this.groupsMax) return false;
    }
    this.group = g;
    return true;
  }

  /** Is there a querier, and does nothing say that all shall be flooded? */
  private works(): boolean {
    const now = this.engine.now;
    if (this.floodUntil > now) return false;
    if (this.fixedRouters.size > 0) return true;
    for (const until of this.routers.values()) if (until > now) return true;
    return false;
  }

  private routerAt(from: number): void {
    this.routers.set(from, this.engine.now + ROUTER_S * US_PER_S);
    this.armAgeing();
  }

  private igmp(from: number, v: DataView, ip: number, vlan: number): boolean {
    const hl = ip4Hl(v, ip);
    const at = ip + hl;
    const len = ip4Len(v, ip) - hl;
    if (igmpCheck(v, at, len) !== 0) {
      this.stats.bad++;
      return false;
    }
    const type = igmpType(v, at);
    const group = igmpGroup(v, at);
    if (type === IGMP_HOST_MEMBERSHIP_QUERY) {
      const v3 = len >= IGMP_V3_QUERY_MINLEN;
      const code = v.getUint8(at + IGMP_CODE);
      const responseUs = (v3 ? igmpCodeValue(code) : code || 100) * US_PER_TENTH;
      const misc = v3 ? v.getUint8(at + IGMP_V3_MISC) : 0;
      if (ip4Src(v, ip) !== 0) this.routerAt(from);
      this.query(group === 0 ? null : this.find(vlan, 0, 0, 0, group | 0), responseUs, misc, v3 ? igmpCodeValue(v.getUint8(at + IGMP_V3_QQI)) : 0);
      return false;
    }
    if (type === IGMP_DVMRP || type === IGMP_MRD_ADVERT) {
      this.routerAt(from);
      return false;
    }
    if (type === IGMP_V1_HOST_MEMBERSHIP_REPORT || type === IGMP_V2_HOST_MEMBERSHIP_REPORT) this.report(from, vlan, 0, 0, 0, group | 0);
    else if (type === IGMP_HOST_LEAVE_MESSAGE) this.leave(from, vlan, 0, 0, 0, group | 0);
    else if (type === IGMP_V3_HOST_MEMBERSHIP_REPORT) {
      let record = at + IGMP_V3_REPORT_MINLEN;
      for (let left = v.getUint16(at + IGMP_V3_NUMGRPS); left > 0; left--) {
        this.record(from, vlan, v.getUint8(record), v.getUint16(record + 2), 0, 0, 0, v.getInt32(record + 4));
        record += Math.max(IGMP_GRPREC_HDRLEN, igmpRecordLen(v, record, at + len));
      }
    } else return ip4Dst(v, ip) >>> 8 === LOCAL_GROUPS ? false : this.data(vlan, 0, 0, 0, ip4Dst(v, ip) | 0);
    return this.works() && len >= IGMP_MINLEN;
  }

  /** Null: no MLD. */
  private mld(from: number, v: DataView, ip: number, at: number, len: number, vlan: number): boolean | null {
    const type = v.getUint8(at);
    if (type === ICMP6_MRD_ADVERT) {
      this.routerAt(from);
      return false;
    }
    if (type === MLDV2_LISTENER_REPORT) {
      this.mldRecords(from, v, at, len, vlan);
      return this.works();
    }
    if (type !== MLD_LISTENER_QUERY && type !== MLD_LISTENER_REPORT && type !== MLD_LISTENER_DONE) return null;
    if (len < MLD_MINLEN) {
      this.stats.bad++;
      return false;
    }
    const g = at + MLD_ADDR;
    const w0 = v.getInt32(g);
    const w1 = v.getInt32(g + 4);
    const w2 = v.getInt32(g + 8);
    const w3 = v.getInt32(g + 12);
    if (type === MLD_LISTENER_QUERY) {
      const v2 = len >= MLDV2_QUERY_MINLEN;
      const code = v.getUint16(at + MLD_MAXDELAY);
      if (ip6W0IsLinkLocal(v.getInt32(ip + IP6_SRC))) this.routerAt(from);
      const of = (w0 | w1 | w2 | w3) === 0 ? null : this.find(vlan, w0, w1, w2, w3);
      this.query(of, (v2 ? mldCodeValue(code) : code) * US_PER_MS, v2 ? v.getUint8(at + MLDV2_MISC) : 0, v2 ? igmpCodeValue(v.getUint8(at + MLDV2_QQI)) : 0);
      return false;
    }
    if (type === MLD_LISTENER_REPORT) this.report(from, vlan, w0, w1, w2, w3);
    else this.leave(from, vlan, w0, w1, w2, w3);
    return this.works();
  }

  private mldRecords(from: number, v: DataView, at: number, len: number, vlan: number): void {
    const end = at + len;
    let r = at + MLDV2_REPORT_MINLEN;
    for (let left = v.getUint16(at + MLDV2_NUMGRPS); left > 0; left--) {
      if (r + MLDV2_GRPREC_HDRLEN > end) {
        this.stats.bad++;
        return;
      }
      const nsrc = v.getUint16(r + 2);
      this.record(from, vlan, v.getUint8(r), nsrc, v.getInt32(r + 4), v.getInt32(r + 8), v.getInt32(r + 12), v.getInt32(r + 16));
      r += MLDV2_GRPREC_HDRLEN + 16 * nsrc + 4 * v.getUint8(r + 1);
    }
  }

  private record(from: number, vlan: number, type: number, nsrc: number, w0: number, w1: number, w2: number, w3: number): void {
    if (type === MODE_IS_EXCLUDE || type === CHANGE_TO_EXCLUDE_MODE) this.report(from, vlan, w0, w1, w2, w3);
    else if (nsrc > 0 && (type === MODE_IS_INCLUDE || type === CHANGE_TO_INCLUDE_MODE || type === ALLOW_NEW_SOURCES)) this.report(from, vlan, w0, w1, w2, w3);
    else if (type === CHANGE_TO_INCLUDE_MODE) this.leave(from, vlan, w0, w1, w2, w3);
  }

  private report(from: number, vlan: number, w0: number, w1: number, w2: number, w3: number): void {
    this.stats.reports++;
    if ((w0 | w1 | w2) === 0 ? w3 >>> 8 === LOCAL_GROUPS : ((w0 >>> 16) & 15) <= 2) return; // flooded whatever is joined
    let g = this.find(vlan, w0, w1, w2, w3);
    if (g === null) {
      if (this.groupCount >= this.groupsMax) {
        this.stats.full++;
        return;
      }
      g = new SnoopGroup(vlan, w0, w1, w2, w3);
      const h = hashOf(vlan, w0, w1, w2, w3);
      g.next = this.chains.get(h) ?? null;
      this.chains.set(h, g);
      this.groupCount++;
    }
    g.ports.set(from, this.engine.now + this.memberUs);
    this.armAgeing();
  }

  private leave(from: number, vlan: number, w0: number, w1: number, w2: number, w3: number): void {
    this.stats.leaves++;
    if (this.fastLeave) this.find(vlan, w0, w1, w2, w3)?.ports.delete(from);
  }

  /** A query, for `g` or, null, for everything or for a group nobody is known of. Members that do not answer one for their group are forgotten. */
  private query(g: SnoopGroup | null, responseUs: Micros, misc: number, qqiS: number): void {
    this.stats.queries++;
    const now = this.engine.now;
    const robustness = (misc & 7) || RV_INIT;
    if (g === null) {
      if (qqiS > 0) this.memberUs = robustness * qqiS * US_PER_S + responseUs;
      if (this.floodUntil > now) this.floodUntil = Math.min(this.floodUntil, now + responseUs + US_PER_S);
      return;
    }
    if ((misc & 8) !== 0) return;
    const soon = now + robustness * responseUs;
    for (const [port, until] of g.ports) if (until > soon) g.ports.set(port, soon);
  }

  private find(vlan: number, w0: number, w1: number, w2: number, w3: number): SnoopGroup | null {
    let g = this.chains.get(hashOf(vlan, w0, w1, w2, w3)) ?? null;
    while (g !== null && !(g.w3 === w3 && g.vlan === vlan && g.w0 === w0 && g.w1 === w1 && g.w2 === w2)) g = g.next;
    return g;
  }

  private armAgeing(): void {
    if (!this.ageing.pending) this.engine.calloutReset(this.ageing, AGEING_US);
  }

  private age(): void {
    const now = this.engine.now;
    for (const [port, until] of this.routers) if (until <= now) this.routers.delete(port);
    const kept = this.groups();
    this.chains.clear();
    this.groupCount = 0;
    for (const g of kept) {
      for (const [port, until] of g.ports) if (until <= now) g.ports.delete(port);
      if (g.ports.size === 0) continue;
      const h = hashOf(g.vlan, g.w0, g.w1, g.w2, g.w3);
      g.next = this.chains.get(h) ?? null;
      this.chains.set(h, g);
      this.groupCount++;
    }
    if (this.groupCount > 0 || this.routers.size > 0) this.armAgeing();
  }
}

function hashOf(vlan: number, w0: number, w1: number, w2: number, w3: number): number {
  return Math.imul(w0 ^ w2 ^ vlan, 0x9e3779b1) ^ Math.imul(w1, 0x85ebca6b) ^ w3;
}

