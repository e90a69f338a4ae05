/**
 * in6-net.ts — class In6Net: the IPv6 addresses of one vnet, and what IPv6 keeps per interface.
 * Read first: RFC 4291 §2.8 (own addresses), RFC 4007 (zones); freebsd `sys/netinet6/in6.c`, `in6_var.h`.
 *
 * Theory of operation. Addresses are kept in order of addition (`addrs`) and in a hash by their four words in zoned form
 * (wire/addr6.ts), whose chains hold the same address on several interfaces too. Setting and removing goes through in6-control.ts and ends
 * here in `link` and `unlink`, which keep both alike.
 *
 * In6Net is IPv6's Domain: it makes the per-interface data (In6Ifinfo: ND variables, groups, the neighbour table that ND hangs there), gives
 * an interface that comes up its link-local address, and removes addresses when it leaves. Routes of addresses stay when an interface goes
 * down: a look-up does not tell, the link does.
 *
 * Invariants: an In6Ifaddr is in `addrs` exactly while it is in `ifp.addrs`, and in the hash exactly while it is `usable`; a prefix of `prefixes` is of an interface attached here.
 * Not here: the order of messages when an address comes or goes (in6-control.ts), MLD, ND.
 *
 * @rfc 4007 6 yes
 */
import type { Errno } from '../base/errno.js';
import type { Prng } from '../base/prng.js';
import type { AuditRow } from '../kern/audit.js';
import { EventHandlerList } from '../kern/eventhandler.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { AF_INET6, IFF_LOOPBACK } from '../net/ifnet.js';
import type { IfAfData, Ifnet } from '../net/ifnet.js';
import type { SourceFilter } from '../net/mcast/source-filter.js';
import type { Domain, Net } from '../net/net.js';
import type { RouteTables } from '../net/route/route-tables.js';
import { ip6Word, ip6W0IsLinkLocal } from '../wire/addr6.js';
import { in6PurgeAddrs } from './in6-control.js';
import { In6Ifaddr } from './in6-ifaddr.js';
import { In6Ifinfo, ND6_IFF_IFDISABLED, ND6_IFF_NO_DAD } from './in6-ifinfo.js';
import type { In6LlTable } from './in6-ifinfo.js';
import { in6PurgeGroups } from './in6-mcast.js';
import { in6IfUp } from './nd6-flags.js';
import type { NdPrefix } from './nd6-prefix.js';
import { nd6PrefixRemove } from './nd6-prefix.js';

/** Tunables of addresses (`net.inet6.ip6.*`, the part that lives in in6.c and nd6.c). */
export class In6Tunables {
  /** Interfaces attached from now on get a link-local address when IPv6 is enabled there. */
  autoLinklocal = 1;
  /** … accept router advertisements. */
  acceptRtadv = 0;
  /** … and do not take their senders as default routers. */
  noRadr = 0;
  /** … have stable identifiers (RFC 7217). */
  useStableaddr = 0;
  /** Duplicate address detection: probes per address; 0 off. */
  dadCount = 1;
  /** Sources of one group, of one socket. */
  mcastSourcesPerGroup = 512;
  mcastSourcesPerSocket = 128;
}

/** No packet could name more. */
const MCAST_SOURCES_MAX = 4_096;

const IN6_MCAST_SYSCTL: SysctlGroup<In6Tunables> = {
  prefix: 'net.inet6.ip6.mcast',
  oids: [
    sysctlInt<In6Tunables, 'mcastSourcesPerGroup'>('maxgrpsrc', 'mcastSourcesPerGroup', 'sources', 0, MCAST_SOURCES_MAX, 'Max source filters per group'),
    sysctlInt<In6Tunables, 'mcastSourcesPerSocket'>('maxsocksrc', 'mcastSourcesPerSocket', 'sources', 0, MCAST_SOURCES_MAX, 'Max source filters per socket'),
  ],
};

const IN6_SYSCTL: SysctlGroup<In6Tunables> = {
  prefix: 'net.inet6.ip6',
  oids: [
    sysctlInt<In6Tunables, 'autoLinklocal'>('auto_linklocal', 'autoLinklocal', 'bool', 0, 1, 'Default value of per-interface flag for automatically adding an IPv6 link-local address to interfaces when attached'),
    sysctlInt<In6Tunables, 'acceptRtadv'>('accept_rtadv', 'acceptRtadv', 'bool', 0, 1, 'Default value of per-interface flag for accepting ICMPv6 RA messages'),
    sysctlInt<In6Tunables, 'noRadr'>('no_radr', 'noRadr', 'bool', 0, 1, 'Default value of per-interface flag to control whether routers sending ICMPv6 RA messages on that interface are added into the default router list'),
    sysctlInt<In6Tunables, 'useStableaddr'>('use_stableaddr', 'useStableaddr', 'bool', 0, 1, 'Default value of per-interface flag for RFC 7217 interface identifiers'),
    sysctlInt<In6Tunables, 'dadCount'>('dad_count', 'dadCount', 'probes', 0, 20, 'Number of ICMPv6 NS messages sent during duplicate address detection'),
  ],
};

const IN6_AUDIT: readonly AuditRow<In6Net>[] = [
  { name: 'IPv6 addresses', count: (n) => n.addrs.length },
  { name: 'IPv6 prefixes', count: (n) => n.prefixes.length },
  { name: 'IPv6 groups of interfaces', count: (n) => n.net.ifnets.reduce((sum, ifp) => sum + (n.ifinfo(ifp)?.groups.length ?? 0), 0) },
  { name: 'interface watchers of IPv6 transports', count: (n) => n.purgeUpperEvent.count },
];

/** What tells the routers of a link about groups; MLD implements it. Addresses are in plain form. */
export interface In6GroupReporter {
  /** What `ifp` wants of `group` was `was` and is `is`. */
  changed(ifp: Ifnet, group: bigint, was: SourceFilter<bigint>, is: SourceFilter<bigint>): void;
}

/** What In6Net tells neighbour discovery, when there is one. */
export interface In6NdHooks {
  /** The neighbour table of an interface. */
  lltable(ifp: Ifnet, ii: In6Ifinfo): In6LlTable | null;
  /** A new address that must be verified (IN6_IFF_TENTATIVE is set); `delay`: begin after a random delay. */
  dadStart(ia: In6Ifaddr, delay: boolean): void;
  /** The address goes: its verification ends. */
  dadStop(ia: In6Ifaddr): void;
  /** Tells the link that `ia` is here now (an unsolicited advertisement with the override flag), at the link address of its vhid when it has one. */
  announce?(ia: In6Ifaddr): void;
  /** ND6_IFF_* of an interface changed from `before`. */
  flagsChanged?(ifp: Ifnet, before: number): void;
  /** The interface leaves the vnet: routers, prefixes, what waits (nd6_purge). */
  purge(ifp: Ifnet): void;
}

/** What In6Net asks of CARP; net/carp's Carp implements it. */
export interface In6CarpHook {
  mayAttach(af: number, ifp: Ifnet, vhid: number): Errno;
  attach(ifa: In6Ifaddr, vhid: number): Errno;
  detach(ifa: In6Ifaddr, keep: boolean): void;
}

export class In6Net implements Domain {
  readonly af = AF_INET6;
  readonly net: Net;
  readonly routes: RouteTables;
  readonly tun = new In6Tunables();
  /** Every address of the vnet, in order of addition (V_in6_ifaddrhead). */
  addrs: readonly In6Ifaddr[] = [];
  /** The prefix list (V_nd_prefix). */
  prefixes: readonly NdPrefix[] = [];
  /**
   * The default interface (`ndp -I IF`, `ifconfig IF inet6 defaultif`): with no router, everything is on its link, and so, with `use_defaultzone`, is a link-local
   * destination whose zone nobody named. 0: none (V_nd6_defifindex).
   */
  defaultIfindex = 0;
  /** Upper layers (sockets) that hold references to an interface drop them (in6_ifdetach). */
  readonly purgeUpperEvent = new EventHandlerList<Ifnet>();
  nd: In6NdHooks | null = null;
  private randomness: Prng | null = null;
  /** Where addresses with a vhid are registered; null without CARP. */
  carp: In6CarpHook | null = null;
  /** Tells routers of groups; null before MLD is there and after it is gone. */
  groupReporter: In6GroupReporter | null = null;
  private readonly hash = new Map<number, In6Ifaddr>();

  /** Registers the domain: interfaces attached from now on have `ifinfo`; those there already get it at once. */
  constructor(net: Net, routes: RouteTables) {
    this.net = net;
    this.routes = routes;
    routes.store.linkMtu6 = (ifp) => this.ifinfo(ifp)?.mtu ?? ifp.mtu;
    net.domains = net.domains.concat(this);
    for (const ifp of net.ifnets) ifp.inet6 = this.ifattach(ifp);
    net.kern.audit.attach(IN6_AUDIT, this);
    net.kern.sysctl.attach(IN6_SYSCTL, this.tun);
    net.kern.sysctl.attach(IN6_MCAST_SYSCTL, this.tun);
  }

  /** Removes every address and prefix, then unregisters the domain. */
  destroy(): void {
    for (const ifp of this.net.ifnets) {
      const data = ifp.inet6;
      if (data !== null) this.ifdetach(ifp, data);
      ifp.inet6 = null;
    }
    this.net.domains = this.net.domains.filter((d) => d !== this);
    this.net.kern.sysctl.detach(this.tun);
  }

  /** Randomness of identifiers and delays. */
  get rng(): Prng {
    return (this.randomness ??= this.net.kern.engine.rng.split(`in6/${this.net.kern.name}`));
  }

  /** Neighbour discovery comes (or goes, with null): interfaces get (or lose) their neighbour tables. */
  setNd(nd: In6NdHooks | null): void {
    this.nd = nd;
    for (const ifp of this.net.ifnets) {
      const ii = this.ifinfo(ifp);
      if (ii === null) continue;
      ii.lltable?.destroy();
      ii.lltable = nd?.lltable(ifp, ii) ?? null;
    }
  }

  /** The interface's IPv6 data; null when it is not attached. Packet path. */
  ifinfo(ifp: Ifnet): In6Ifinfo | null {
    const data = ifp.inet6;
    return data instanceof In6Ifinfo ? data : null;
  }

  /** The address with these words (zoned form), on whichever interface; others along `hashNext` after `is`. Packet path. */
  addrOf(w0: number, w1: number, w2: number, w3: number): In6Ifaddr | null {
    let ia = this.hash.get(hashOf(w0, w1, w2, w3)) ?? null;
    while (ia !== null && !ia.is(w0, w1, w2, w3)) ia = ia.hashNext;
    return ia;
  }

  /** The same by bytes in zoned form. */
  addrOfBytes(addr: Uint8Array): In6Ifaddr | null {
    return this.addrOf(ip6Word(addr, 0), ip6Word(addr, 1), ip6Word(addr, 2), ip6Word(addr, 3));
  }

  /** The address `addr` (zoned) of a vhid another host is the master of: not in the hash; or null. */
  virtualAddr(addr: Uint8Array): In6Ifaddr | null {
    return this.addrs.find((ia) => !ia.usable && ia.is(ip6Word(addr, 0), ip6Word(addr, 1), ip6Word(addr, 2), ip6Word(addr, 3))) ?? null;
  }

  /** One of our unicast or anycast addresses, in whatever state? Packet path. */
  isLocal(w0: number, w1: number, w2: number, w3: number): boolean {
    return this.addrOf(w0, w1, w2, w3) !== null;
  }

  /** The address `addr` (zoned) of `ifp` itself, or null. */
  addrOnIf(addr: Uint8Array, ifp: Ifnet): In6Ifaddr | null {
    return this.addrsOf(ifp).find((ia) => ia.is(ip6Word(addr, 0), ip6Word(addr, 1), ip6Word(addr, 2), ip6Word(addr, 3))) ?? null;
  }

  /** Addresses of one interface in order of addition. */
  addrsOf(ifp: Ifnet): In6Ifaddr[] {
    return ifp.addrs.filter((ifa) => ifa instanceof In6Ifaddr);
  }

  /** The first link-local address of `ifp` with none of `ignoreFlags` (IN6_IFF_*), or null (in6ifa_ifpforlinklocal). Packet path. */
  linkLocalOf(ifp: Ifnet, ignoreFlags: number): In6Ifaddr | null {
    const { addrs } = ifp;
    for (let i = 0; i < addrs.length; i++) {
      const ia = addrs[i]!;
      if (ia instanceof In6Ifaddr && ip6W0IsLinkLocal(ia.k0) && (ia.flags & ignoreFlags) === 0) return ia;
    }
    return null;
  }

  /** Is the group with these words (zoned form) joined on `ifp`? Packet path. */
  isMember(ifp: Ifnet, w0: number, w1: number, w2: number, w3: number): boolean {
    const data = ifp.inet6;
    return data instanceof In6Ifinfo && data.group(w0, w1, w2, w3) !== null;
  }

  /** Are addresses of `ifp` to be verified (in6if_do_dad)? */
  doesDad(ifp: Ifnet): boolean {
    const ii = this.ifinfo(ifp);
    if (ii === null || (ifp.flags & IFF_LOOPBACK) !== 0) return false;
    return (ii.ndFlags & (ND6_IFF_IFDISABLED | ND6_IFF_NO_DAD)) === 0 && this.tun.dadCount > 0 && this.nd !== null;
  }

  /** Puts a new address into every place that knows addresses; one of CARP is not `usable` yet. */
  link(ia: In6Ifaddr): void {
    ia.ifp.addrs = ia.ifp.addrs.concat(ia);
    this.addrs = this.addrs.concat(ia);
    if (ia.carp === null) this.makeUsable(ia);
  }

  /** From now on packets to `ia` are for this host. */
  makeUsable(ia: In6Ifaddr): void {
    if (ia.usable) return;
    ia.usable = true;
    const key = hashOf(ia.k0, ia.k1, ia.k2, ia.k3);
    ia.hashNext = this.hash.get(key) ?? null;
    this.hash.set(key, ia);
    this.routes.own6.add(ia.k0, ia.k1, ia.k2, ia.k3);
  }

  /** Takes an address out again; the object itself stays good for those who handle its end. */
  unlink(ia: In6Ifaddr): void {
    ia.ifp.addrs = ia.ifp.addrs.filter((other) => other !== ia);
    this.addrs = this.addrs.filter((other) => other !== ia);
    this.makeUnusable(ia);
  }

  /** … and no longer. */
  makeUnusable(ia: In6Ifaddr): void {
    if (!ia.usable) return;
    ia.usable = false;
    const key = hashOf(ia.k0, ia.k1, ia.k2, ia.k3);
    let at = this.hash.get(key) ?? null;
    if (at === ia) {
      if (ia.hashNext === null) this.hash.delete(key);
      else this.hash.set(key, ia.hashNext);
    } else {
      while (at !== null && at.hashNext !== ia) at = at.hashNext;
      if (at !== null) at.hashNext = ia.hashNext;
    }
    ia.hashNext = null;
    this.routes.own6.delete(ia.k0, ia.k1, ia.k2, ia.k3);
  }

  /** See Domain. */
  ifattach(ifp: Ifnet): In6Ifinfo {
    const ii = new In6Ifinfo(ifp, this.tun.autoLinklocal !== 0, this.tun.acceptRtadv !== 0, this.tun.noRadr !== 0, this.tun.useStableaddr !== 0);
    ii.lltable = this.nd?.lltable(ifp, ii) ?? null;
    return ii;
  }

  ifdetach(ifp: Ifnet, data: IfAfData): void {
    in6PurgeAddrs(this, ifp);
    this.purgePrefixes(ifp);
    if (!(data instanceof In6Ifinfo)) return;
    data.lltable?.destroy();
    data.lltable = null;
    in6PurgeGroups(this, ifp);
    data.groups = [];
  }

  ifup(ifp: Ifnet): void {
    in6IfUp(this, ifp);
  }

  ifdown(_ifp: Ifnet): void {
    // Addresses and their routes stay.
  }

  purgeAddrs(ifp: Ifnet): void {
    in6PurgeAddrs(this, ifp);
  }

  /** in6_ifdetach_destroy: in a vnet that is being taken down the transports are gone, and neighbour discovery ends as a whole. */
  ifdetachDestroy(ifp: Ifnet): void {
    in6PurgeAddrs(this, ifp);
    in6PurgeGroups(this, ifp);
  }

  /** in6_ifdetach */
  purgeUpper(ifp: Ifnet): void {
    const { softnet } = this.net.kern.engine;
    softnet.acquire('in6_ifdetach');
    try {
      this.purgeUpperEvent.invoke(ifp);
    } finally {
      softnet.release('in6_ifdetach');
    }
    in6PurgeGroups(this, ifp);
    if (this.defaultIfindex === ifp.index) this.defaultIfindex = 0;
    this.nd?.purge(ifp);
    this.purgePrefixes(ifp);
  }

  private purgePrefixes(ifp: Ifnet): void {
    for (const pr of this.prefixes.filter((p) => p.ifp === ifp)) nd6PrefixRemove(this, pr);
  }
}

function hashOf(w0: number, w1: number, w2: number, w3: number): number {
  return Math.imul(w0 ^ w2, 0x9e3779b1) ^ Math.imul(w1 ^ w3, 0x85ebca6b) ^ w3;
}
