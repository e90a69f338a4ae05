/**
 * in6-ifaddr.ts — In6Ifaddr `ia`: an IPv6 address of an interface.
 * Read first: RFC 4862 §5.5.4 (lifetimes); freebsd `sys/netinet6/in6_var.h` (struct in6_ifaddr).
 *
 * Address, far end and zone are fixed when it is set; lifetimes and IN6_IFF_* flags change while it lives. An address that refers to a prefix
 * of the prefix list (nd6-prefix.ts) keeps that prefix on-link.
 * Not here: adding and deleting (in6-control.ts), duplicate address detection (nd6-dad.ts).
 *
 * @rfc 4291 2 yes
 */
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';
import type { CarpOwner, IfAddr6 } from '../net/ifaddr.js';
import { AF_INET6 } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6Word } from '../wire/addr6.js';
import type { NdPrefix } from './nd6-prefix.js';

/** Flags of an address, FreeBSD's values. */
export const IN6_IFF_ANYCAST = 0x01;
export const IN6_IFF_TENTATIVE = 0x02;
export const IN6_IFF_DUPLICATED = 0x04;
export const IN6_IFF_DETACHED = 0x08;
export const IN6_IFF_DEPRECATED = 0x10;
export const IN6_IFF_NODAD = 0x20;
export const IN6_IFF_AUTOCONF = 0x40;
export const IN6_IFF_TEMPORARY = 0x80;
export const IN6_IFF_PREFER_SOURCE = 0x100;
/** Not to be used: tentative or duplicated. */
export const IN6_IFF_NOTREADY = IN6_IFF_TENTATIVE | IN6_IFF_DUPLICATED;

/** Seconds that mean "for ever". */
export const ND6_INFINITE_LIFETIME = 0xffff_ffff;

export class In6Ifaddr implements IfAddr6 {
  readonly af = AF_INET6;
  readonly ifp: Ifnet;
  readonly addr: Uint8Array;
  readonly plen: number;
  /** The four words of `addr`, as packet paths compare them. */
  readonly k0: number;
  readonly k1: number;
  readonly k2: number;
  readonly k3: number;
  /** Far end of a point-to-point link (plen 128 then), zoned; null otherwise. */
  dstaddr: Uint8Array | null = null;
  /** IN6_IFF_* */
  flags = 0;
  /** Seconds from `updatedAt`, or ND6_INFINITE_LIFETIME. */
  vltime = ND6_INFINITE_LIFETIME;
  pltime = ND6_INFINITE_LIFETIME;
  createdAt: Micros = 0;
  updatedAt: Micros = 0;
  /** Virtual host id of CARP (1..255) it was set with, 0 for an ordinary address. */
  vhid = 0;
  carp: CarpOwner | null = null;
  /** It is in In6Net's hash: always, but for an address of CARP, which is so while this host is the master of its vhid. */
  usable = false;
  /** The prefix it is of; null for one with plen 128. */
  prefix: NdPrefix | null = null;
  /** The host route to the far end, and the one to itself by way of the loopback interface, are there. */
  hasDstRoute = false;
  hasSelfRoute = false;
  /** Its groups are joined, and left with it. */
  hasGroups = false;
  /** Of a temporary address: its successor has been made. */
  regenerated = false;
  /** The next address object in the same chain of In6Net's hash. */
  hashNext: In6Ifaddr | null = null;

  constructor(ifp: Ifnet, addr: Uint8Array, plen: number) {
    this.ifp = ifp;
    this.addr = addr;
    this.plen = plen;
    this.k0 = ip6Word(addr, 0);
    this.k1 = ip6Word(addr, 1);
    this.k2 = ip6Word(addr, 2);
    this.k3 = ip6Word(addr, 3);
  }

  is(w0: number, w1: number, w2: number, w3: number): boolean {
    return this.k3 === w3 && this.k2 === w2 && this.k1 === w1 && this.k0 === w0;
  }

  /** May packets be sent from it and taken for it? Not while it is being verified, or has failed, or another host is the master of its vhid. */
  get isReady(): boolean {
    return this.usable && (this.flags & IN6_IFF_NOTREADY) === 0;
  }

  get isTentative(): boolean {
    return (this.flags & IN6_IFF_TENTATIVE) !== 0;
  }

  /** Its preferred lifetime is over: not for new conversations (RFC 4862 §5.5.4). */
  isDeprecated(now: Micros): boolean {
    return this.pltime !== ND6_INFINITE_LIFETIME && now >= this.updatedAt + this.pltime * US_PER_SEC;
  }

  /** Its valid lifetime is over. */
  isInvalid(now: Micros): boolean {
    return this.vltime !== ND6_INFINITE_LIFETIME && now >= this.updatedAt + this.vltime * US_PER_SEC;
  }
}
