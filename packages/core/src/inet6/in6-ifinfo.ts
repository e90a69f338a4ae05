/**
 * in6-ifinfo.ts — In6Ifinfo: what IPv6 keeps with an interface (`ifp.inet6`), and In6Multi, a group joined there.
 * Read first: RFC 4861 §6.3.2 (host variables); freebsd `sys/netinet6/nd6.h` (struct nd_ifinfo); ndp(8) -i.
 *
 * IPv6 is off (ND6_IFF_IFDISABLED) on every interface but loopback ones until an address is set, routers are accepted there, or somebody
 * clears the flag: an interface that comes up says nothing in IPv6 by itself.
 */
import { AF_INET6, IFF_LOOPBACK, IFT_BRIDGE, IFT_STF } from '../net/ifnet.js';
import type { IfAfData, Ifnet } from '../net/ifnet.js';
import { GroupFilter } from '../net/mcast/source-filter.js';
import { ip6OfWords, ip6Word, ip6ZonedW0 } from '../wire/addr6.js';
import { IPV6_DEFHLIM } from '../wire/ip6.js';
import { Ip6Ifstats } from './ip6-ifstat.js';

/** Flags of an interface, FreeBSD's values. */
export const ND6_IFF_PERFORMNUD = 0x1;
export const ND6_IFF_ACCEPT_RTADV = 0x2;
export const ND6_IFF_PREFER_SOURCE = 0x4;
export const ND6_IFF_IFDISABLED = 0x8;
export const ND6_IFF_DONT_SET_IFROUTE = 0x10;
export const ND6_IFF_AUTO_LINKLOCAL = 0x20;
export const ND6_IFF_NO_RADR = 0x40;
export const ND6_IFF_NO_PREFER_IFACE = 0x80;
export const ND6_IFF_NO_DAD = 0x100;
/** Identifiers of addresses are RFC 7217's; FreeBSD 15's flag. */
export const ND6_IFF_STABLEADDR = 0x800;

/** RFC 4861 §10, in milliseconds. */
export const REACHABLE_TIME = 30_000;
export const RETRANS_TIMER = 1_000;

/** A multicast group joined on an interface: its members and what they want to hear. */
export class In6Multi extends GroupFilter<bigint> {
  readonly ifp: Ifnet;
  /** The four words of its address in zoned form. */
  readonly k0: number;
  readonly k1: number;
  readonly k2: number;
  readonly k3: number;

  /** `addr`: plain or zoned. */
  constructor(ifp: Ifnet, addr: Uint8Array) {
    super();
    this.ifp = ifp;
    this.k0 = ip6ZonedW0(addr, ifp.index);
    this.k1 = ip6Word(addr, 1);
    this.k2 = ip6Word(addr, 2);
    this.k3 = ip6Word(addr, 3);
  }

  /** Zoned. A copy. */
  get addr(): Uint8Array {
    return ip6OfWords(this.k0, this.k1, this.k2, this.k3);
  }
}

/** What In6Net asks of a table of neighbours; ND's implements it. */
export interface In6LlTable {
  /** Forgets the neighbours inside addr/plen; static entries too when `statics`. */
  prefixFree(addr: Uint8Array, plen: number, statics: boolean): void;
  /** Frees everything, timers and held packets: the interface leaves. */
  destroy(): void;
}

export class In6Ifinfo implements IfAfData {
  readonly af = AF_INET6;
  readonly ifp: Ifnet;
  /** ND6_IFF_* */
  ndFlags: number;
  /** MTU a router has advertised, in bytes; 0 none. */
  linkMtu = 0;
  /** Hop limit of packets sent here that ask for no other. */
  chlim = IPV6_DEFHLIM;
  /** Milliseconds. */
  basereachable = REACHABLE_TIME;
  retrans = RETRANS_TIMER;
  /** Neighbours; null before ND is there. */
  lltable: In6LlTable | null = null;
  groups: In6Multi[] = [];
  private counted: Ip6Ifstats | null = null;

  constructor(ifp: Ifnet, autoLinklocal: boolean, acceptRtadv: boolean, noRadr: boolean, stableaddr = false) {
    this.ifp = ifp;
    const isLoopback = (ifp.flags & IFF_LOOPBACK) !== 0;
    const isBridge = ifp.type === IFT_BRIDGE;
    let flags = ND6_IFF_PERFORMNUD;
    if (!isLoopback) flags |= ND6_IFF_IFDISABLED;
    if (isLoopback || (autoLinklocal && !isBridge)) flags |= ND6_IFF_AUTO_LINKLOCAL;
    if (acceptRtadv && !isLoopback && !isBridge) flags = (flags | ND6_IFF_ACCEPT_RTADV) & ~ND6_IFF_IFDISABLED;
    if (noRadr && !isLoopback) flags |= ND6_IFF_NO_RADR;
    if (stableaddr && !isLoopback) flags |= ND6_IFF_STABLEADDR;
    // No neighbours, no groups: nobody would hear a probe.
    if (ifp.type === IFT_STF || ifp.takesAny) flags = (flags & ~ND6_IFF_AUTO_LINKLOCAL) | ND6_IFF_NO_DAD;
    // It says nothing by itself.
    if (ifp.takesAny) flags &= ~ND6_IFF_IFDISABLED;
    this.ndFlags = flags;
  }

  /** What has been counted here; made with the first count. */
  get stats(): Ip6Ifstats {
    return (this.counted ??= new Ip6Ifstats());
  }

  get isDisabled(): boolean {
    return (this.ndFlags & ND6_IFF_IFDISABLED) !== 0;
  }

  /** Largest packet in bytes that goes onto the link (IN6_LINKMTU). */
  get mtu(): number {
    return this.linkMtu !== 0 && this.linkMtu < this.ifp.mtu ? this.linkMtu : this.ifp.mtu;
  }

  /** The group `addr`, plain or zoned. */
  groupOf(addr: Uint8Array): In6Multi | null {
    return this.group(ip6ZonedW0(addr, this.ifp.index), ip6Word(addr, 1), ip6Word(addr, 2), ip6Word(addr, 3));
  }

  group(w0: number, w1: number, w2: number, w3: number): In6Multi | null {
    const { groups } = this;
    for (let i = 0; i < groups.length; i++) {
      const g = groups[i]!;
      if (g.k3 === w3 && g.k0 === w0 && g.k1 === w1 && g.k2 === w2) return g;
    }
    return null;
  }
}
