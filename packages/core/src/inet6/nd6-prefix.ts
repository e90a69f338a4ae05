/**
 * nd6-prefix.ts — NdPrefix `pr` and the prefix list: which prefixes are on which link.
 * Read first: RFC 4861 §5.1, §6.3.4; RFC 5942; freebsd `sys/netinet6/nd6_rtr.c` nd6_prelist_add, nd6_prefix_onlink.
 *
 * Theory of operation. A prefix comes with an address set by hand or from a router's advertisement. While it is on-link a connected route leads
 * to it through its interface. Of several entries with one prefix (several interfaces) one is on-link and owns the route; when it goes, another
 * that wants to takes over. An address refers to the entry of its prefix (`addrs`); one set by hand takes its prefix with it when
 * it was the last.
 *
 * Invariants: `onlink` exactly while the route of the entry is in the table.
 * Not here: router advertisements and lifetimes (nd6-slaac.ts), which prefixes are detached (nd6-onlink.ts).
 *
 * @rfc 5942 4 yes
 */
import type { Errno } from '../base/errno.js';
import { EEXIST, EADDRNOTAVAIL } from '../base/errno.js';
import { LazySet } from '../base/lazy-map.js';
import type { Micros } from '../base/time.js';
import { NEVER, US_PER_SEC } from '../base/time.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTM_ADD, RTM_DELETE } from '../net/rtsock.js';
import { ip6Equals, ip6InPrefix, ip6MaskOf } from '../wire/addr6.js';
import type { In6Ifaddr } from './in6-ifaddr.js';
import { ND6_INFINITE_LIFETIME } from './in6-ifaddr.js';
import type { In6Net } from './in6-net.js';
import type { NdRouter } from './nd6-router.js';

export class NdPrefix {
  readonly ifp: Ifnet;
  /** Zoned, host bits clear. */
  readonly prefix: Uint8Array;
  readonly plen: number;
  /** Flags of the advertisement: on this link; for autoconfiguration. */
  rafOnlink = true;
  rafAuto = false;
  vltime = ND6_INFINITE_LIFETIME;
  pltime = ND6_INFINITE_LIFETIME;
  updatedAt: Micros = 0;
  /** Its route is in the table, by way of `routeIfa`. */
  onlink = false;
  routeIfa: In6Ifaddr | null = null;
  /** No router that advertised it is reachable: not used while another prefix has one. */
  detached = false;
  /** It came from an advertisement, not with an address set by hand. */
  raDerived = false;
  /** Routers that advertise it. */
  readonly routers = new LazySet<NdRouter>();
  /** Addresses that refer to it. */
  addrs = 0;

  constructor(ifp: Ifnet, addr: Uint8Array, plen: number) {
    this.ifp = ifp;
    this.prefix = maskedAddr(addr, plen);
    this.plen = plen;
  }

  /** When its valid lifetime is over; NEVER: not at all. */
  get validUntil(): Micros {
    return this.vltime === ND6_INFINITE_LIFETIME ? NEVER : this.updatedAt + this.vltime * US_PER_SEC;
  }
}

/** `addr` with the bits beyond `plen` cleared. A copy. */
export function maskedAddr(addr: Uint8Array, plen: number): Uint8Array {
  const mask = ip6MaskOf(plen);
  return addr.map((b, i) => b & mask[i]!);
}

/** The entry of the prefix `addr`/`plen` on `ifp`, or null. */
export function nd6PrefixLookup(in6Net: In6Net, ifp: Ifnet, addr: Uint8Array, plen: number): NdPrefix | null {
  return in6Net.prefixes.find((pr) => pr.ifp === ifp && pr.plen === plen && ip6InPrefix(addr, pr.prefix, plen)) ?? null;
}

/** Adds an entry and, when it is to be, makes it on-link; an error in that leaves the entry there without a route. */
export function nd6PrelistAdd(in6Net: In6Net, ifp: Ifnet, addr: Uint8Array, plen: number, onlink: boolean): NdPrefix {
  const pr = new NdPrefix(ifp, addr, plen);
  pr.rafOnlink = onlink;
  pr.updatedAt = in6Net.net.kern.engine.now;
  in6Net.prefixes = in6Net.prefixes.concat(pr);
  if (onlink) nd6PrefixOnlink(in6Net, pr);
  return pr;
}

/** Takes an entry out; whoever has the same prefix elsewhere may have its route. */
export function nd6PrefixRemove(in6Net: In6Net, pr: NdPrefix): void {
  if (!in6Net.prefixes.includes(pr)) return;
  in6Net.prefixes = in6Net.prefixes.filter((other) => other !== pr);
  if (pr.onlink) nd6PrefixOfflink(in6Net, pr);
}

/** Puts the route in. EEXIST: it is there, or another interface has it; EADDRNOTAVAIL: no address on the interface. */
export function nd6PrefixOnlink(in6Net: In6Net, pr: NdPrefix): Errno {
  if (pr.onlink) return EEXIST;
  if (in6Net.prefixes.some((o) => o !== pr && o.onlink && samePrefix(o, pr))) return EEXIST;
  const ifa = sourceOn(in6Net, pr.ifp);
  if (ifa === null) return EADDRNOTAVAIL;
  const error = in6Net.routes.ifaPrefix6(RTM_ADD, ifa, ifa.ifp, pr.prefix, pr.plen);
  if (error !== 0) return error;
  pr.onlink = true;
  pr.routeIfa = ifa;
  return 0;
}

/** Takes the route out, or hands it to another entry with the same prefix. */
export function nd6PrefixOfflink(in6Net: In6Net, pr: NdPrefix): void {
  const ifa = pr.routeIfa;
  if (!pr.onlink || ifa === null) return;
  in6Net.routes.ifaPrefix6(RTM_DELETE, ifa, ifa.ifp, pr.prefix, pr.plen);
  pr.onlink = false;
  pr.routeIfa = null;
  const heir = in6Net.prefixes.find((o) => o !== pr && !o.onlink && o.rafOnlink && !o.detached && samePrefix(o, pr));
  if (heir !== undefined) nd6PrefixOnlink(in6Net, heir);
  in6Net.ifinfo(pr.ifp)?.lltable?.prefixFree(pr.prefix, pr.plen, true);
}

/** The address goes: routes that have it as their source get another one of the interface (RouteTables.ifaDown); without one there is no route. */
export function nd6PrefixNewSource(in6Net: In6Net, ia: In6Ifaddr): void {
  for (const pr of in6Net.prefixes) {
    if (pr.routeIfa !== ia) continue;
    const heir = sourceOn(in6Net, pr.ifp);
    if (heir === null) nd6PrefixOfflink(in6Net, pr);
    else pr.routeIfa = heir;
  }
}

/** An address of `ifp` for a route, one that may be used if there is one. */
function sourceOn(in6Net: In6Net, ifp: Ifnet): In6Ifaddr | null {
  return in6Net.addrsOf(ifp).find((ia) => ia.isReady) ?? in6Net.addrsOf(ifp)[0] ?? null;
}

function samePrefix(a: NdPrefix, b: NdPrefix): boolean {
  return a.plen === b.plen && ip6Equals(a.prefix, b.prefix) && a.ifp.fib === b.ifp.fib;
}
