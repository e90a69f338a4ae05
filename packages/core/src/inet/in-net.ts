/**
 * in-net.ts — class InNet: the IPv4 addresses of one vnet, and what IPv4 keeps per interface.
 * Read first: freebsd `sys/netinet/in.c`, `in_var.h`; RFC 1122 §3.3.1 (own addresses), §3.3.6 (broadcasts).
 *
 * Theory of operation. Addresses are kept three ways: in order of addition (`addrs`), by address in a hash whose chains hold
 * the same address on several interfaces (the latest first), and as two flat sets that packet paths ask: `local`, the own
 * unicast addresses, and `routes.own`, which has the broadcast addresses of own networks as well. Setting and removing goes
 * through in-control.ts and ends here in `link` and `unlink`, which keep the three alike.
 *
 * InNet is IPv4's Domain: it makes the per-interface data (multicast groups, the neighbour table that ARP hangs there), takes
 * connected routes away when an interface goes down, gives them back when it comes up, and removes addresses when it leaves.
 *
 * Invariants: an InIfaddr is in `addrs` exactly while it is in `ifp.addrs`; `local` and `own` count what the hash holds, which is the addresses
 * that are `usable`: an address of CARP is in the hash only while this host is the master of its vhid.
 * Not here: the order of messages when an address comes or goes (in-control.ts), joining groups (in-mcast.ts), IGMP, sockets' multicast options.
 *
 * @rfc 1122 3.3.6 yes
 */
import { AddrSet } from '../fwd/addr-set.js';
import type { Errno } from '../base/errno.js';
import { LazyMap } from '../base/lazy-map.js';
import type { AuditRow } from '../kern/audit.js';
import { EventHandlerList } from '../kern/eventhandler.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { ifaPreferred } from '../net/ifaddr.js';
import { AF_INET, IFF_BROADCAST, IFF_LOOPBACK } from '../net/ifnet.js';
import type { IfAfData, Ifnet } from '../net/ifnet.js';
import type { GroupFilter, SourceFilter } from '../net/mcast/source-filter.js';
import type { Domain, Net } from '../net/net.js';
import type { RouteTables } from '../net/route/route-tables.js';
import { INADDR_BROADCAST, ip4IsExperimental, ip4IsLinkLocal, ip4IsLoopback, ip4IsMulticast, ip4IsThisNet } from '../wire/addr.js';
import { inIfdown, inIfup, inPurge } from './in-control.js';
import { InIfaddr } from './in-ifaddr.js';

/** What InNet asks of a table of neighbours; ARP's implements it. */
export interface InLlTable {
  /** Forgets the neighbours inside addr/mask; static entries too when `statics`. */
  prefixFree(addr: number, mask: number, statics: boolean): void;
  /** Frees everything, timers and held packets: the interface leaves. */
  destroy(): void;
}

/** What InNet asks of CARP; net/carp's Carp implements it. */
export interface InCarpHook {
  mayAttach(af: number, ifp: Ifnet, vhid: number): Errno;
  attach(ifa: InIfaddr, vhid: number): Errno;
  detach(ifa: InIfaddr, keep: boolean): void;
}

/** What tells the routers of a link about groups; IGMP implements it. */
export interface InGroupReporter {
  /** What `ifp` wants of `group` was `was` and is `is`. */
  changed(ifp: Ifnet, group: number, was: SourceFilter<number>, is: SourceFilter<number>): void;
}

/** What IPv4 keeps with an interface (`ifp.inet`). */
export class InIfinfo implements IfAfData {
  readonly af = AF_INET;
  readonly ifp: Ifnet;
  /** Neighbours; null for interfaces without ARP or before ARP is there. */
  lltable: InLlTable | null = null;
  /** Multicast groups joined on the interface, and what their members want to hear. See in-mcast.ts. */
  readonly groups = new LazyMap<number, GroupFilter<number>>();

  constructor(ifp: Ifnet) {
    this.ifp = ifp;
  }
}

/** Tunables of addresses (`net.inet.ip.*`, the part that lives in in.c). */
export class InTunables {
  /** Refuse a second address of a prefix instead of keeping it without a route. */
  noSamePrefix = 0;
  /** The network number is a broadcast address too. */
  broadcastLowest = 0;
  /** Forward and accept 240/4 and 0/8. */
  allowNet240 = 0;
  allowNet0 = 0;
  /** Sources of one group, of one socket. */
  mcastSourcesPerGroup = 512;
  mcastSourcesPerSocket = 128;
}

/** No packet could name more. */
const MCAST_SOURCES_MAX = 16_384;

const IN_MCAST_SYSCTL: SysctlGroup<InTunables> = {
  prefix: 'net.inet.ip.mcast',
  oids: [
    sysctlInt<InTunables, 'mcastSourcesPerGroup'>('maxgrpsrc', 'mcastSourcesPerGroup', 'sources', 0, MCAST_SOURCES_MAX, 'Max source filters per group'),
    sysctlInt<InTunables, 'mcastSourcesPerSocket'>('maxsocksrc', 'mcastSourcesPerSocket', 'sources', 0, MCAST_SOURCES_MAX, 'Max source filters per socket'),
  ],
};

const IN_SYSCTL: SysctlGroup<InTunables> = {
  prefix: 'net.inet.ip',
  oids: [
    sysctlInt<InTunables, 'noSamePrefix'>('no_same_prefix', 'noSamePrefix', 'bool', 0, 1, 'Refuse to create same prefixes on different interfaces'),
    sysctlInt<InTunables, 'broadcastLowest'>('broadcast_lowest', 'broadcastLowest', 'bool', 0, 1, 'Treat lowest address on a subnet (host 0) as broadcast'),
    sysctlInt<InTunables, 'allowNet240'>('allow_net240', 'allowNet240', 'bool', 0, 1, 'Allow forwarding of and ICMP response to Experimental addresses, aka Class E (240/4)'),
    sysctlInt<InTunables, 'allowNet0'>('allow_net0', 'allowNet0', 'bool', 0, 1, 'Allow forwarding of and ICMP response to addresses in network 0/8'),
  ],
};

const IN_AUDIT: readonly AuditRow<InNet>[] = [
  { name: 'IPv4 addresses', count: (n) => n.addrs.length },
  { name: 'IPv4 groups of interfaces', count: (n) => n.net.ifnets.reduce((sum, ifp) => sum + (n.ifinfo(ifp)?.groups.size ?? 0), 0) },
  { name: 'interface watchers of transports', count: (n) => n.purgeUpperEvent.count },
];

export class InNet implements Domain {
  readonly af = AF_INET;
  readonly net: Net;
  readonly routes: RouteTables;
  readonly tun = new InTunables();
  /** Every address of the vnet, in order of addition (V_in_ifaddrhead). */
  readonly addrs: InIfaddr[] = [];
  /** Own unicast addresses. */
  readonly local = new AddrSet();
  /** Upper layers (sockets, IGMP) that hold references to an interface drop them (in_ifdetach). */
  readonly purgeUpperEvent = new EventHandlerList<Ifnet>();
  /** Where addresses with a vhid are registered; null without CARP. */
  carp: InCarpHook | null = null;
  /** Tells routers of groups; null before IGMP is there and after it is gone. */
  groupReporter: InGroupReporter | null = null;
  /** Makes the neighbour table of an interface; set by ARP through `setLltable`. */
  private makeLltable: ((ifp: Ifnet) => InLlTable | null) | null = null;
  /** Keys are addresses as signed numbers, which engines keep unboxed. */
  private readonly hash = new LazyMap<number, InIfaddr>();

  /** Registers the domain: interfaces attached from now on have `ifinfo`; those there already get it at once. */
  constructor(net: Net, routes: RouteTables) {
    this.net = net;
    this.routes = routes;
    net.domains = net.domains.concat(this);
    for (const ifp of net.ifnets) ifp.inet = this.ifattach(ifp);
    net.kern.audit.attach(IN_AUDIT, this);
    net.kern.sysctl.attach(IN_SYSCTL, this.tun);
    net.kern.sysctl.attach(IN_MCAST_SYSCTL, this.tun);
  }

  /** Removes every address (in_ifscrub_all), then unregisters the domain. */
  destroy(): void {
    for (const ifp of this.net.ifnets) {
      inPurge(this, ifp);
      const data = ifp.inet;
      if (data !== null) this.ifdetach(ifp, data);
      ifp.inet = null;
    }
    this.net.domains = this.net.domains.filter((d) => d !== this);
    this.net.kern.sysctl.detach(this.tun);
  }

  /** ARP comes (or goes, with null): interfaces get (or lose) their neighbour tables. */
  setLltable(make: ((ifp: Ifnet) => InLlTable | null) | null): void {
    this.makeLltable = make;
    for (const ifp of this.net.ifnets) {
      const ii = this.ifinfo(ifp);
      if (ii === null) continue;
      ii.lltable?.destroy();
      ii.lltable = make?.(ifp) ?? null;
    }
  }

  /** The interface's IPv4 data; null when it is not attached. */
  ifinfo(ifp: Ifnet): InIfinfo | null {
    const data = ifp.inet;
    return data instanceof InIfinfo ? data : null;
  }

  /**
   * The address `addr` on whichever interface (the latest one when on several, the others along `hashNext`), or null. Packet
   * path: the flat set answers first, because most packets of a router are for somebody else.
   */
  addrOf(addr: number): InIfaddr | null {
    return this.local.has(addr) || addr === 0 ? (this.hash.get(addr | 0) ?? null) : null;
  }

  /** One of our addresses, on any interface? Broadcast and multicast are not. Packet path. */
  isLocal(dst: number): boolean {
    return this.local.has(dst);
  }

  /** 255.255.255.255, 0.0.0.0, or a broadcast address of one of `ifp`'s networks. Packet path. */
  isBroadcast(dst: number, ifp: Ifnet): boolean {
    if (dst === INADDR_BROADCAST || dst === 0) return true;
    if ((ifp.flags & IFF_BROADCAST) === 0) return false;
    const lowest = this.tun.broadcastLowest !== 0;
    const addrs = ifp.addrs;
    for (let i = 0; i < addrs.length; i++) {
      const ia = addrs[i]!;
      if (ia instanceof InIfaddr && ia.isBroadcast(dst, lowest)) return true;
    }
    return false;
  }

  /** The address `addr` of `ifp` itself, or null; also one that CARP does not let be used now. */
  addrOnIf(addr: number, ifp: Ifnet): InIfaddr | null {
    for (const ifa of ifp.addrs) if (ifa instanceof InIfaddr && ifa.addr === addr) return ifa;
    return null;
  }

  /** Addresses of one interface in order of addition. */
  addrsOf(ifp: Ifnet): InIfaddr[] {
    return ifp.addrs.filter((ifa) => ifa instanceof InIfaddr);
  }

  /** The interface's first address, or null. */
  firstAddr(ifp: Ifnet): InIfaddr | null {
    for (const ifa of ifp.addrs) if (ifa instanceof InIfaddr) return ifa;
    return null;
  }

  /**
   * The address to use as source towards `dst` in `fib`: `dst` itself when it is ours, the route's address otherwise, any
   * address but loopback ones when the route has none. Null when there is no route or no address.
   */
  ifaForDst(fib: number, dst: number): InIfaddr | null {
    const nh = this.routes.lookup4(fib, dst, 0);
    if (nh === null) return null;
    if ((nh.ifp.flags & IFF_LOOPBACK) !== 0) {
      const own = this.addrOf(dst);
      if (own !== null) return own;
    }
    if (nh.ifa instanceof InIfaddr) return nh.ifa;
    return this.bestAddr(nh.ifp) ?? this.findLocal(fib, (nh.ifp.flags & IFF_LOOPBACK) !== 0);
  }

  /** The interface's first address that may be used, an ordinary one before one of CARP; or null. */
  bestAddr(ifp: Ifnet): InIfaddr | null {
    let best: InIfaddr | null = null;
    for (const ifa of ifp.addrs) if (ifa instanceof InIfaddr && ifa.usable && (best === null || ifaPreferred(best, ifa))) best = ifa;
    return best;
  }

  /** The first address of a FIB that is not in 127/8; a loopback one only when `loopbackOk` and nothing else is there. */
  findLocal(fib: number, loopbackOk: boolean): InIfaddr | null {
    let loopback: InIfaddr | null = null;
    for (const ia of this.addrs) {
      if (!ia.usable || (ia.ifp.fib !== fib && this.routes.addAddrAllfibs === 0)) continue;
      if (!ip4IsLoopback(ia.addr)) return ia;
      if (loopbackOk) loopback = ia;
    }
    return loopback;
  }

  /** May a router pass packets to or from `addr`? Not for loopback, link-local, multicast and reserved blocks. */
  canForward(addr: number): boolean {
    if (ip4IsMulticast(addr) || ip4IsLinkLocal(addr) || ip4IsLoopback(addr)) return false;
    if (ip4IsExperimental(addr)) return this.tun.allowNet240 !== 0;
    return !ip4IsThisNet(addr) || this.tun.allowNet0 !== 0;
  }

  /** Is `group` joined on `ifp`? Packet path. */
  isMember(ifp: Ifnet, group: number): boolean {
    const data = ifp.inet;
    return data instanceof InIfinfo && data.groups.has(group);
  }

  /** Puts a new address into every place that knows addresses; one of CARP is not `usable` yet. */
  link(ia: InIfaddr): void {
    ia.ifp.addrs = ia.ifp.addrs.concat(ia);
    this.addrs.push(ia);
    if (ia.carp === null) this.makeUsable(ia);
    this.countBroadcasts(ia, true);
  }

  /** From now on packets to `ia` are for this host. */
  makeUsable(ia: InIfaddr): void {
    if (ia.usable) return;
    ia.usable = true;
    ia.hashNext = this.hash.get(ia.addr | 0) ?? null;
    this.hash.set(ia.addr | 0, ia);
    this.local.add(ia.addr);
    this.routes.own.add(ia.addr);
  }

  /** … and no longer. */
  makeUnusable(ia: InIfaddr): void {
    if (!ia.usable) return;
    ia.usable = false;
    this.unhash(ia);
    this.local.delete(ia.addr);
    this.routes.own.delete(ia.addr);
  }

  /** Takes an address out again; the object itself stays good for those who handle its end. */
  unlink(ia: InIfaddr): void {
    ia.ifp.addrs = ia.ifp.addrs.filter((other) => other !== ia);
    this.addrs.splice(this.addrs.indexOf(ia), 1);
    this.makeUnusable(ia);
    this.countBroadcasts(ia, false);
  }

  /** See Domain. */
  ifattach(ifp: Ifnet): InIfinfo {
    const ii = new InIfinfo(ifp);
    ii.lltable = this.makeLltable?.(ifp) ?? null;
    return ii;
  }

  ifdetach(ifp: Ifnet, data: IfAfData): void {
    inPurge(this, ifp);
    if (!(data instanceof InIfinfo)) return;
    data.lltable?.destroy();
    data.lltable = null;
    data.groups.clear();
  }

  ifup(ifp: Ifnet): void {
    inIfup(this, ifp);
  }

  ifdown(ifp: Ifnet): void {
    inIfdown(this, ifp);
  }

  purgeAddrs(ifp: Ifnet): void {
    inPurge(this, ifp);
  }

  purgeUpper(ifp: Ifnet): void {
    const { softnet } = this.net.kern.engine;
    softnet.acquire('in_ifdetach');
    try {
      this.purgeUpperEvent.invoke(ifp);
    } finally {
      softnet.release('in_ifdetach');
    }
    this.ifinfo(ifp)?.groups.clear();
  }

  private unhash(ia: InIfaddr): void {
    const key = ia.addr | 0;
    const head = this.hash.get(key) ?? null;
    if (head === ia) {
      if (ia.hashNext === null) this.hash.delete(key);
      else this.hash.set(key, ia.hashNext);
    } else {
      let at = head;
      while (at !== null && at.hashNext !== ia) at = at.hashNext;
      if (at !== null) at.hashNext = ia.hashNext;
    }
    ia.hashNext = null;
  }

  /** Both forms are always in the set: what is for nobody else must never be forwarded by a path that sees only the set. */
  private countBroadcasts(ia: InIfaddr, add: boolean): void {
    if (ia.broadcast === null || ia.plen === 32) return;
    for (const addr of ia.plen === 31 ? [ia.broadcast] : [ia.broadcast, ia.subnet]) {
      if (add) this.routes.own.add(addr);
      else this.routes.own.delete(addr);
    }
  }
}
