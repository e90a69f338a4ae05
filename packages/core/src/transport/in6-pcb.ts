/**
 * in6-pcb.ts — In6Pcb `inp`: one end of an IPv6 conversation, and addresses as sockets give and take them.
 * Read first: transport/inpcb.ts; RFC 3493 §3.3, RFC 3542; freebsd `sys/netinet/in_pcb.h` (inp_vflag), `sys/netinet6/in6_pcb.c`.
 *
 * Theory of operation. An In6Pcb is an InPcb with 128-bit ends beside the 32-bit ones: what both families share (routing table, reuse, the
 * ports, the user) is there once. Which ends count says `v4` and `v6`: a pcb that listens on :: takes IPv4, too, unless IPV6_V6ONLY is set, and
 * is in the tables of both; one with a v4-mapped end is an IPv4 pcb from then on and is in InPcbTable only. So the lookup of IPv4 does not know
 * that there is another family.
 *
 * Ends are words in zoned form (wire/addr6.ts), as everywhere outside packets. Sockets name addresses in plain form with a scope id.
 * Invariants: at least one of `v4` and `v6`; `connected` is about the family that is left then.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, ENXIO } from '../base/errno.js';
import { Ip6OutputOpts } from '../inet6/ip6-output.js';
import type { Net } from '../net/net.js';
import { ip6LowWord, ip6NeedsZone, ip6OfWords, ip6Plain, ip6Word, ip6ZoneOf, ip6Zoned } from '../wire/addr6.js';
import { InPcb } from './inpcb.js';
import type { Membership } from './mcast-membership.js';
import { PcbLink } from './pcb-hash.js';

/** An IPv6 address as sockets are told it: plain form, and the index of the interface whose zone is meant (0: none named). */
export interface Ip6Name {
  readonly addr: Uint8Array;
  readonly scopeId: number;
}

export const IN6ADDR_ANY: Ip6Name = Object.freeze({ addr: new Uint8Array(16), scopeId: 0 });

export class In6Pcb extends InPcb {
  declare chainNext: In6Pcb | null;
  declare chainPrev: In6Pcb | null;
  /** Local and foreign end, zoned words. */
  l0 = 0;
  l1 = 0;
  l2 = 0;
  l3 = 0;
  f0 = 0;
  f1 = 0;
  f2 = 0;
  f3 = 0;
  /** Which families it is an end of. */
  v4 = false;
  v6 = true;
  /** IPV6_V6ONLY */
  v6only = true;
  /** IPV6_UNICAST_HOPS; -1: the interface's. */
  hops = -1;
  /** IPV6_TCLASS; -1: none set. */
  tclass = -1;
  /** IPV6_CHECKSUM: offset of the checksum in the payload of a raw socket, -1 none. */
  cksum = -1;
  /** ICMP6_FILTER: a bit per type, set for those that pass; null: all pass. */
  icmp6Filter: Uint32Array | null = null;
  /** IPV6_USE_MIN_MTU: -1 multicasts only, 0 never, 1 always. */
  minMtu = -1;
  /** Interface (IPV6_PKTINFO), multicast parameters and the rest of what output is told; null until one is set. */
  out6: Ip6OutputOpts | null = null;
  /** IPV6_PKTINFO: source address, zoned; null: none. */
  pktSource: Uint8Array | null = null;
  /** Groups it joined; null until the first. */
  groups6: Membership<bigint>[] | null = null;
  /** Its places in the tables of IPv6. */
  readonly portLink6 = new PcbLink<In6Pcb>(this);
  readonly demuxLink6 = new PcbLink<In6Pcb>(this);

  get isUnbound6(): boolean {
    return (this.l0 | this.l1 | this.l2 | this.l3) === 0;
  }

  /** Sets the local end to zoned bytes. */
  setLocal(addr: Uint8Array): void {
    this.l0 = ip6Word(addr, 0);
    this.l1 = ip6Word(addr, 1);
    this.l2 = ip6Word(addr, 2);
    this.l3 = ip6Word(addr, 3);
  }

  setForeign(addr: Uint8Array): void {
    this.f0 = ip6Word(addr, 0);
    this.f1 = ip6Word(addr, 1);
    this.f2 = ip6Word(addr, 2);
    this.f3 = ip6Word(addr, 3);
  }

  /** Local and foreign end in zoned form; v4-mapped when the pcb is one of IPv4. */
  get local(): Uint8Array {
    return this.v6 || this.laddr === 0 ? ip6OfWords(this.l0, this.l1, this.l2, this.l3) : mappedOf(this.laddr);
  }

  get foreign(): Uint8Array {
    return this.v6 ? ip6OfWords(this.f0, this.f1, this.f2, this.f3) : mappedOf(this.faddr);
  }

  /** The options for output, made when first set. */
  options(): Ip6OutputOpts {
    return (this.out6 ??= new Ip6OutputOpts());
  }
}

/** ::ffff:a.b.c.d */
export function mappedOf(addr: number): Uint8Array {
  return ip6OfWords(0, 0, 0xffff, addr | 0);
}

/** The IPv4 address in a v4-mapped one, host order. */
export function mappedAddr(addr: Uint8Array): number {
  return ip6LowWord(addr);
}

/** What `in6Embed` answers: zoned bytes, or why not. */
export type In6Embedded = { readonly error: 0; readonly addr: Uint8Array } | { readonly error: Errno; readonly addr: null };

/**
 * The zoned form of what a socket named. ENXIO: no such interface; EADDRNOTAVAIL: not 16 bytes. Without a scope id the address stays without
 * zone, and whoever needs one finds it (IPV6_PKTINFO, IPV6_MULTICAST_IF) or finds no route.
 */
export function in6Embed(net: Net, sa: Ip6Name): In6Embedded {
  if (sa.addr.length !== 16) return { error: EADDRNOTAVAIL, addr: null };
  if (sa.scopeId === 0 || !ip6NeedsZone(sa.addr)) return { error: 0, addr: ip6Plain(sa.addr) };
  if (net.ifByIndex(sa.scopeId) === null) return { error: ENXIO, addr: null };
  return { error: 0, addr: ip6Zoned(sa.addr, sa.scopeId) };
}

/** What a socket is told of zoned bytes. */
export function in6Recover(addr: Uint8Array): Ip6Name {
  return { addr: ip6Plain(addr), scopeId: ip6ZoneOf(addr) };
}
