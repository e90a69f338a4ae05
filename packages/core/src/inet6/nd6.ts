/**
 * nd6.ts — class Nd6: neighbour discovery of one vnet. Link addresses of IPv6 neighbours, and the door for its other parts.
 * Read first: RFC 4861 §5, §7; ndp(8); net/lltable.ts for the states of an entry; inet/arp.ts, which does the same for IPv4.
 *
 * Theory of operation. Each interface with link addresses has an NdLlTable, kept in its IPv6 data (`In6Ifinfo.lltable`). `output` is the packet
 * path: a `fast` entry costs one look-up. Otherwise the packet waits in the entry while questions are sent, in order and bounded; when nobody
 * answers, its sender gets an ICMPv6 error (address unreachable), and for `nd6_wait` seconds senders get EHOSTDOWN at once, EHOSTUNREACH
 * behind a router, while one question a second goes out. An own address has a static entry that says so.
 * Messages are taken and sent by nd6-nbr.ts and nd6-redirect.ts; own addresses are verified by nd6-dad.ts. Routers (nd6-rtr.ts) hang in `rtr`.
 *
 * Routing messages, to who listens: RTM_ADD when a neighbour is learned or set, RTM_CHANGE when it moved, RTM_DELETE when it is forgotten or
 * deleted, RTM_MISS when it does not answer; with RTF_LLDATA.
 * Invariants: after `destroy` no entry, timer, held packet or registration is left.
 * Deviation: FreeBSD forgets a neighbour that does not answer at once and asks again for every packet; NetBSD's rule is kept here, as in ARP.
 *
 * @rfc 4861 5 yes
 * @rfc 4861 7.2.1 yes
 * @rfc 4861 7.3.1 yes
 * @rfc 4861 7.3.3 yes
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EHOSTDOWN, EHOSTUNREACH, ENETDOWN, ENOBUFS } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import type { LogLevel } from '../env/env.js';
import type { AuditRow } from '../kern/audit.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { etherOutput } from '../net/ether.js';
import { ifaIsUsable } from '../net/ifaddr.js';
import { LINK_STATE_UP } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import {
  LLE_EV_ADDED, LLE_EV_CHANGED, LLE_EV_EXPIRED, LLE_EV_MISSED, LLE_IFADDR, LLE_INCOMPLETE, LlParams,
} from '../net/llentry.js';
import type { LlProtocol } from '../net/llentry.js';
import type { Nexthop } from '../net/route/nexthop.js';
import { RTF_DONE, RTF_HOST, RTF_LLDATA, RTF_UP } from '../net/route/nexthop.js';
import { RTM_ADD, RTM_CHANGE, RTM_DELETE, RTM_MISS } from '../net/rtsock.js';
import type { IfaddrEvent, UpDownEvent } from '../net/net.js';
import { macOf } from '../wire/addr.js';
import { ip6SolicitedNode, ip6W0Zoned, ip6Word, IP6_W0_LINKLOCAL_GROUP, ip6W0IsLinkLocal } from '../wire/addr6.js';
import { ETHERTYPE_IPV6 } from '../wire/ether.js';
import {
  ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR, ND_NA_FLAG_OVERRIDE, ND_NA_FLAG_ROUTER, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_SOLICIT, ND_REDIRECT,
  ND_ROUTER_ADVERT,
} from '../wire/icmp6.js';
import { IP6_SRC } from '../wire/ip6.js';
import type { Icmp6, Icmp6Handler } from './icmp6.js';
import { in6LeaveGroup, sockaddrOf } from './in6-control.js';
import { IN6_IFF_ANYCAST, IN6_IFF_NOTREADY, In6Ifaddr } from './in6-ifaddr.js';
import { In6Ifinfo, ND6_IFF_ACCEPT_RTADV } from './in6-ifinfo.js';
import type { In6LlTable } from './in6-ifinfo.js';
import type { In6NdHooks } from './in6-net.js';
import type { Ip6, Ip6Resolver } from './ip6.js';
import { Nd6Dad } from './nd6-dad.js';
import { in6IfUp } from './nd6-flags.js';
import { NdLlTable } from './nd6-lltable.js';
import type { NdLlEntry } from './nd6-lltable.js';
import { ND_REDIRECT_ROUTER } from './nd6-msg.js';
import type { NdRouter } from './nd6-router.js';
import { isPublished, nd6NaInput, nd6NaOutput, nd6NsInput, nd6NsOutput } from './nd6-nbr.js';
import { nd6RedirectInput, nd6RedirectOutput } from './nd6-redirect.js';
import { Nd6Unsolicited } from './nd6-unsolicited.js';
import { ND6_COUNTERS, ND6_IP6_SYSCTLS, ND6_LL_SYSCTLS, ND6_SYSCTLS, Nd6Stats, Nd6Tunables } from './nd6-var.js';

/** RFC 4861 §10, and FreeBSD's life of an unused entry. */
const MAX_MULTICAST_SOLICIT = 3;
const MAX_UNICAST_SOLICIT = 3;
const GC_SECONDS = 86_400;
const TYPES = [ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT, ND_REDIRECT];

/** A default router, as ndp(8) shows it. */
export interface NdRouterView {
  readonly ifp: Ifnet;
  /** Link-local, zoned. */
  readonly addr: Uint8Array;
  /** ND_RA_FLAG_* */
  readonly flags: number;
  readonly expireAt: Micros;
}

/** What the list of routers wants to know of neighbours, and what tools want of it. */
export interface NdRouterHooks {
  /** Default routers, by preference. */
  readonly routers?: readonly NdRouter[];
  /** `ndp -R`, `ndp -P`: forget all routers; all prefixes that came from them. */
  flushRouters?(): void;
  flushPrefixes?(): void;
  /** A neighbour said that it is a router, or is not any longer. */
  routerChanged(lle: NdLlEntry): void;
  /** ND6_IFF_* of an interface changed. */
  flagsChanged?(ifp: Ifnet, before: number): void;
  /** An address of ours turned out to be somebody else's. */
  duplicated?(ia: In6Ifaddr): void;
  /** The interface leaves. */
  purge(ifp: Ifnet): void;
}

const ND6_AUDIT: readonly AuditRow<LlParams<NdLlEntry>>[] = [
  { name: 'IPv6 neighbours', count: (p) => p.entries },
  { name: 'packets waiting for IPv6 neighbours', packets: true, count: (p) => p.held },
];

export class Nd6 implements Ip6Resolver, Icmp6Handler, In6NdHooks, LlProtocol<NdLlEntry> {
  readonly ip6: Ip6;
  readonly icmp6: Icmp6;
  readonly kern: VnetKern;
  private counted: Nd6Stats | null = null;
  readonly tun = new Nd6Tunables();
  readonly params: LlParams<NdLlEntry>;
  readonly dad: Nd6Dad;
  rtr: NdRouterHooks | null = null;
  readonly unsolicited: Nd6Unsolicited;
  private readonly unpublished = (lle: NdLlEntry): void => {
    in6LeaveGroup(this.ip6.in6Net, lle.ifp, ip6SolicitedNode(lle.addr));
  };

  constructor(ip6: Ip6, icmp6: Icmp6) {
    const { net, in6Net } = ip6;
    const { kern } = net;
    this.ip6 = ip6;
    this.icmp6 = icmp6;
    this.kern = kern;
    this.params = new LlParams<NdLlEntry>(kern, this, kern.engine.rng.split(`nd6/${kern.name}`));
    this.params.maxAge = GC_SECONDS;
    this.params.maxTries = MAX_MULTICAST_SOLICIT;
    this.params.unicastTries = MAX_UNICAST_SOLICIT;
    this.dad = new Nd6Dad(this);
    this.unsolicited = new Nd6Unsolicited(this);
    kern.counters.attach(ND6_COUNTERS, this);
    kern.audit.attach(ND6_AUDIT, this.params);
    kern.sysctl.attach(ND6_LL_SYSCTLS, this.params);
    kern.sysctl.attach(ND6_SYSCTLS, this.tun);
    kern.sysctl.attach(ND6_IP6_SYSCTLS, this.tun);
    ip6.nd = this;
    in6Net.setNd(this);
    for (const ia of in6Net.addrs) this.addressEvent(ia, true);
    for (const type of TYPES) icmp6.handle(type, this);
    net.ifaddrEvent.attach(this, Nd6.onIfaddr);
    net.lladdrEvent.attach(this, Nd6.onLladdr);
    net.upDownEvent.attach(this, Nd6.onUpDown);
    net.linkEvent.attach(this, Nd6.onLink);
  }

  /** Made with the first count. */
  get stats(): Nd6Stats {
    return (this.counted ??= new Nd6Stats());
  }

  /** Undoes the constructor; every entry goes. */
  destroy(): void {
    const { in6Net, net } = this.ip6;
    for (const list of [net.ifaddrEvent, net.lladdrEvent, net.upDownEvent, net.linkEvent]) list.detach(this);
    this.dad.destroy();
    this.unsolicited.destroy();
    for (const type of TYPES) this.icmp6.handle(type, null);
    in6Net.setNd(null);
    this.kern.sysctl.detach(this.params);
    this.kern.sysctl.detach(this.tun);
    this.kern.counters.detach(this);
    this.ip6.nd = null;
  }

  private static onIfaddr(this: void, nd: Nd6, e: IfaddrEvent): void {
    if (e.ifa instanceof In6Ifaddr) nd.addressEvent(e.ifa, e.added);
  }

  private static onLladdr(this: void, nd: Nd6, ifp: Ifnet): void {
    nd.refreshOwn(ifp);
    nd.unsolicited.lladdrChanged(ifp);
  }

  private static onUpDown(this: void, nd: Nd6, e: UpDownEvent): void {
    if (e.up) nd.refreshOwn(e.ifp);
  }

  private static onLink(this: void, nd: Nd6, ifp: Ifnet): void {
    if (ifp.linkState === LINK_STATE_UP) in6IfUp(nd.ip6.in6Net, ifp);
  }

  /** Icmp6Handler */
  icmp6Input(type: number, ifp: Ifnet, m: PacketBuffer, off: number): void {
    if (type === ND_NEIGHBOR_SOLICIT) nd6NsInput(this, ifp, m, off);
    else if (type === ND_NEIGHBOR_ADVERT) nd6NaInput(this, ifp, m, off);
    else nd6RedirectInput(this, ifp, m, off);
  }

  /** Ip6Resolver */
  redirect(ifp: Ifnet, m: PacketBuffer, nh: Nexthop): boolean {
    return nd6RedirectOutput(this, ifp, m, nh);
  }

  /** In6NdHooks */
  lltable(ifp: Ifnet, ii: In6Ifinfo): In6LlTable | null {
    return ifp.lladdr.length === 0 ? null : new NdLlTable(ifp, this.params, ii, this.unpublished);
  }

  /** In6NdHooks */
  dadStart(ia: In6Ifaddr, delay: boolean): void {
    this.dad.start(ia, delay);
  }

  /** In6NdHooks */
  dadStop(ia: In6Ifaddr): void {
    this.dad.stop(ia);
    this.unsolicited.stop(ia);
  }

  /** In6NdHooks */
  announce(ia: In6Ifaddr): void {
    const { ifp } = ia;
    nd6NaOutput(this, ifp, IP6_W0_LINKLOCAL_GROUP | ifp.index, 0, 0, 1, ia.k0, ia.k1, ia.k2, ia.k3, this.routerFlag(ifp) + ND_NA_FLAG_OVERRIDE, true, null);
  }

  /** The address may be used from now on. */
  addressReady(ia: In6Ifaddr): void {
    this.unsolicited.addressReady(ia);
  }

  /** Somebody else has the address. */
  addressDuplicated(ia: In6Ifaddr): void {
    this.rtr?.duplicated?.(ia);
  }

  /** Default routers, by preference (the default router list of ndp -r). */
  get routers(): readonly NdRouter[] {
    return this.rtr?.routers ?? [];
  }

  /** In6NdHooks */
  flagsChanged(ifp: Ifnet, before: number): void {
    this.rtr?.flagsChanged?.(ifp, before);
  }

  /** In6NdHooks */
  purge(ifp: Ifnet): void {
    this.rtr?.purge(ifp);
  }

  /** Neighbours of `ifp`; null when it has none. Packet path. */
  tableOf(ifp: Ifnet): NdLlTable | null {
    const ii = ifp.inet6;
    if (!(ii instanceof In6Ifinfo)) return null;
    const t = ii.lltable;
    return t instanceof NdLlTable ? t : null;
  }

  /** Ip6Resolver */
  output(ifp: Ifnet, m: PacketBuffer, h0: number, h1: number, h2: number, h3: number, gateway: boolean): Errno {
    const t = this.tableOf(ifp);
    if (t === null) {
      m.free();
      return ENETDOWN;
    }
    const lle = t.lookup(h0, h1, h2, h3);
    if (lle !== null && lle.fast) return etherOutput(ifp, m, lle.macHi, lle.macLo, ETHERTYPE_IPV6);
    if (lle === null) return this.firstPacket(t, m, h0, h1, h2, h3);
    return this.outputSlow(t, lle, m, gateway);
  }

  private outputSlow(t: NdLlTable, lle: NdLlEntry, m: PacketBuffer, gateway: boolean): Errno {
    const { ifp } = t;
    if ((lle.flags & LLE_IFADDR) !== 0) return this.ip6.loop.enqueue(ifp, m) ? 0 : ENOBUFS;
    if (lle.isValid) {
      t.use(lle);
      return etherOutput(ifp, m, lle.macHi, lle.macLo, ETHERTYPE_IPV6);
    }
    if (lle.state === LLE_INCOMPLETE) {
      t.hold(lle, m);
      return 0;
    }
    t.retry(lle);
    this.stats.dropped++;
    this.refuse(m);
    return gateway ? EHOSTUNREACH : EHOSTDOWN;
  }

  private firstPacket(t: NdLlTable, m: PacketBuffer, h0: number, h1: number, h2: number, h3: number): Errno {
    const lle = t.create(h0, h1, h2, h3);
    if (lle === null) {
      this.stats.tablefull++;
      this.stats.dropped++;
      m.free();
      return ENOBUFS;
    }
    t.hold(lle, m);
    const error = t.start(lle);
    // With no address to ask from yet (they are being verified) the packet waits for the next try.
    if (error === 0 || error === EADDRNOTAVAIL) return 0;
    t.remove(lle);
    return error;
  }

  /** A packet whose next hop does not answer: its sender is told, whoever that is. Owns `m`. */
  private refuse(m: PacketBuffer): void {
    this.ip6.icmp6Error(m.rcvif === 0 ? null : this.ip6.net.ifByIndex(m.rcvif), m, ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADDR, 0);
  }

  /** LlProtocol */
  solicit(lle: NdLlEntry, unicast: boolean): Errno {
    return nd6NsOutput(this, lle, unicast);
  }

  /** LlProtocol */
  flush(lle: NdLlEntry, held: PacketBuffer): void {
    let m: PacketBuffer | null = held;
    while (m !== null) {
      const next: PacketBuffer | null = m.next;
      m.next = null;
      etherOutput(lle.ifp, m, lle.macHi, lle.macLo, ETHERTYPE_IPV6);
      m = next;
    }
  }

  /** LlProtocol */
  unreachable(_lle: NdLlEntry, held: PacketBuffer): void {
    let m: PacketBuffer | null = held;
    while (m !== null) {
      const next: PacketBuffer | null = m.next;
      m.next = null;
      this.stats.dropped++;
      this.refuse(m);
      m = next;
    }
  }

  /** LlProtocol */
  dropped(n: number): void {
    this.stats.dropped += n;
  }

  /** LlProtocol */
  event(lle: NdLlEntry, event: number): void {
    if (event === LLE_EV_EXPIRED) this.stats.timeouts++;
    if (lle.router && (event === LLE_EV_EXPIRED || event === LLE_EV_MISSED)) this.rtr?.routerChanged(lle);
    const { rtsock } = this.ip6.net;
    if (rtsock === null || !rtsock.listening || (event === LLE_EV_EXPIRED && !lle.isValid)) return;
    const { ifp } = lle;
    const type = event === LLE_EV_ADDED ? RTM_ADD : event === LLE_EV_CHANGED ? RTM_CHANGE : event === LLE_EV_MISSED ? RTM_MISS : RTM_DELETE;
    const up = type === RTM_ADD || type === RTM_CHANGE ? RTF_UP : 0;
    rtsock.post({
      type, ifIndex: ifp.index, ifName: ifp.xname, flags: RTF_HOST | RTF_LLDATA | RTF_DONE | up, fib: ifp.fib,
      dst: sockaddrOf(lle.addr),
      gateway: { family: 'link', index: ifp.index, name: ifp.xname, lladdr: lle.isValid ? macOf(lle.macHi, lle.macLo) : new Uint8Array(0) },
    });
  }

  /** The address with these words on `ifp` itself, in whatever state. Packet path. */
  ownOn(ifp: Ifnet, w0: number, w1: number, w2: number, w3: number): In6Ifaddr | null {
    let ia = this.ip6.in6Net.addrOf(w0, w1, w2, w3);
    while (ia !== null && (ia.ifp !== ifp || !ia.is(w0, w1, w2, w3))) ia = ia.hashNext;
    return ia;
  }

  /** The entry by which we answer for somebody else. */
  published(ifp: Ifnet, w0: number, w1: number, w2: number, w3: number): NdLlEntry | null {
    const lle = this.tableOf(ifp)?.lookup(w0, w1, w2, w3) ?? null;
    return isPublished(lle) ? lle : null;
  }

  /** ND_NA_FLAG_ROUTER when this host is one, on this interface. */
  routerFlag(ifp: Ifnet): number {
    if (this.ip6.tun.forwarding === 0) return 0;
    const ii = this.ip6.in6Net.ifinfo(ifp);
    return this.tun.norbitRaif !== 0 && ii !== null && (ii.ndFlags & ND6_IFF_ACCEPT_RTADV) !== 0 ? 0 : ND_NA_FLAG_ROUTER;
  }

  /** Source address of the first packet that waits, when it may ask. */
  holdSource(lle: NdLlEntry): In6Ifaddr | null {
    const m = lle.heldHead;
    if (m === null) return null;
    const v = m.view;
    const s = m.off + IP6_SRC;
    const ia = this.ownOn(lle.ifp, ip6W0Zoned(v, s, lle.ifp.index), v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12));
    return ia !== null && ia.isReady && (ia.flags & IN6_IFF_ANYCAST) === 0 ? ia : null;
  }

  /** An address of `ifp` to speak to d0..d3 from: of its scope, on its network when there is one; null: none may be used yet. */
  sourceOn(ifp: Ifnet, d0: number, d1: number, d2: number, d3: number): In6Ifaddr | null {
    const linkLocal = this.ip6.in6Net.linkLocalOf(ifp, IN6_IFF_NOTREADY | IN6_IFF_ANYCAST);
    if (linkLocal !== null && (ip6W0IsLinkLocal(d0) || d0 >>> 24 === 0xff)) return linkLocal;
    let first: In6Ifaddr | null = null;
    const { addrs } = ifp;
    for (let i = 0; i < addrs.length; i++) {
      const ia = addrs[i]!;
      if (!(ia instanceof In6Ifaddr) || (ia.flags & (IN6_IFF_NOTREADY | IN6_IFF_ANYCAST)) !== 0 || ip6W0IsLinkLocal(ia.k0) || !ifaIsUsable(ia)) continue;
      if (inPrefix(d0, d1, d2, d3, ia.addr, ia.plen)) return ia;
      first ??= ia;
    }
    return first ?? linkLocal;
  }

  /** Is w0..w3 on the link of `ifp`, as far as prefixes tell: nd6_is_addr_neighbor. */
  isNeighbour(ifp: Ifnet, w0: number, w1: number, w2: number, w3: number): boolean {
    if (ip6W0IsLinkLocal(w0)) return true;
    const { prefixes } = this.ip6.in6Net;
    for (let i = 0; i < prefixes.length; i++) {
      const pr = prefixes[i]!;
      if (pr.ifp === ifp && pr.rafOnlink && inPrefix(w0, w1, w2, w3, pr.prefix, pr.plen)) return true;
    }
    for (const ifa of ifp.addrs) if (ifa instanceof In6Ifaddr && ifa.dstaddr !== null && inPrefix(w0, w1, w2, w3, ifa.dstaddr, 128)) return true;
    return (this.tableOf(ifp)?.lookup(w0, w1, w2, w3) ?? null) !== null;
  }

  /**
   * A message of `type` (and `code`, of a redirect) named the link address of w0..w3 (zoned), which nobody asked for: nd6_cache_lladdr. Makes or
   * changes its entry, STALE. The router flag follows the message: set by an advertisement or a redirect to a router, cleared for
   * who solicits routers.
   */
  cacheLladdr(ifp: Ifnet, w0: number, w1: number, w2: number, w3: number, hi: number, lo: number, type: number, code: number): NdLlEntry | null {
    const t = this.tableOf(ifp);
    if (t === null || (w0 | w1 | w2 | w3) === 0) return null;
    let lle = t.lookup(w0, w1, w2, w3);
    if (lle !== null && lle.isStatic) return lle;
    const isNew = lle === null;
    lle ??= t.create(w0, w1, w2, w3);
    if (lle === null) {
      this.stats.tablefull++;
      return null;
    }
    if (lle.isValid && (lle.macHi !== hi || lle.macLo !== lo)) this.stats.moved++;
    t.confirm(lle, hi, lo, false);
    if (type === ND_ROUTER_ADVERT || (type === ND_REDIRECT && code === ND_REDIRECT_ROUTER)) this.setRouter(lle, true);
    else if (type !== ND_NEIGHBOR_SOLICIT && type !== ND_REDIRECT) this.setRouter(lle, false);
    else if (isNew) lle.router = false;
    return lle;
  }

  /** The neighbour's flag, and who wants to know. */
  setRouter(lle: NdLlEntry, router: boolean): void {
    if (lle.router === router) return;
    lle.router = router;
    this.rtr?.routerChanged(lle);
  }

  /** A log line a neighbour can cause: with nd6_debug, rate limited, in FreeBSD's words. */
  log(level: LogLevel, text: string): void {
    if (this.tun.debug !== 0) this.ip6.logLimited(level, text);
  }

  /** An upper layer heard from w0..w3 on `ifp`: no need to ask whether it is there. */
  reachabilityHint(ifp: Ifnet, w0: number, w1: number, w2: number, w3: number): void {
    const t = this.tableOf(ifp);
    const lle = t?.lookup(w0, w1, w2, w3) ?? null;
    if (t === null || lle === null || lle.hints >= this.tun.maxnudhint) return;
    lle.hints++;
    t.hint(lle);
  }

  /** An own address came or went: its static entry. */
  private addressEvent(ia: In6Ifaddr, added: boolean): void {
    const t = this.tableOf(ia.ifp);
    if (t === null) return;
    const lle = t.lookup(ia.k0, ia.k1, ia.k2, ia.k3);
    const isKnown = lle !== null && (lle.flags & LLE_IFADDR) !== 0;
    if (added) this.establish(ia);
    else if (isKnown) t.remove(lle);
  }

  /** The interface came up, or has another link address: own entries follow. */
  private refreshOwn(ifp: Ifnet): void {
    for (const ifa of ifp.addrs) if (ifa instanceof In6Ifaddr) this.establish(ifa);
  }

  private establish(ia: In6Ifaddr): void {
    if (ia.vhid !== 0) return;
    this.tableOf(ia.ifp)?.setStatic(ia.k0, ia.k1, ia.k2, ia.k3, ia.ifp.macHi, ia.ifp.macLo, LLE_IFADDR);
  }
}

/** Are the words inside net/plen? */
function inPrefix(w0: number, w1: number, w2: number, w3: number, net: Uint8Array, plen: number): boolean {
  return sameBits(w0, ip6Word(net, 0), plen) && sameBits(w1, ip6Word(net, 1), plen - 32) && sameBits(w2, ip6Word(net, 2), plen - 64) && sameBits(w3, ip6Word(net, 3), plen - 96);
}

/** The first `bits` of two words; 0 or fewer: all alike, 32 or more: the whole word. */
function sameBits(a: number, b: number, bits: number): boolean {
  return bits <= 0 || (a ^ b) >>> (bits >= 32 ? 0 : 32 - bits) === 0;
}
