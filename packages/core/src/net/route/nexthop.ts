/**
 * nexthop.ts — Nexthop `nh`: where a packet goes after the routing table has been asked.
 * Read first: freebsd `sys/net/route/nhop.h`; route(4) for the flags.
 *
 * Theory of operation. A Nexthop is immutable but for its counters; changing a route gives it another one. Equal next hops
 * are one object, shared by many routes and counted by `refs` (nexthop-store.ts); the store drops it at zero, and then
 * `valid` is false for ever. Whoever keeps a Nexthop across packets must also keep `RouteTables.gen4(fib)` (`gen6`) from the time of
 * the look-up: a more specific route may have appeared although the old next hop is still good for others.
 *
 * Invariants: `idx` >= 1 while valid and unique among the valid ones of a vnet; `gwIfp` is null exactly for next hops with
 * an address as gateway.
 */
import { ip6Equals, ip6Word } from '../../wire/addr6.js';
import type { IfAddr } from '../ifaddr.js';
import type { Ifnet } from '../ifnet.js';

/** Route flags, FreeBSD's values (route(4)). */
export const RTF_UP = 0x1;
export const RTF_GATEWAY = 0x2;
export const RTF_HOST = 0x4;
export const RTF_REJECT = 0x8;
export const RTF_DYNAMIC = 0x10;
export const RTF_MODIFIED = 0x20;
export const RTF_DONE = 0x40;
export const RTF_XRESOLVE = 0x200;
export const RTF_LLINFO = 0x400;
/** The same bit, as the tools that manage neighbours spell it. */
export const RTF_LLDATA = 0x400;
export const RTF_STATIC = 0x800;
export const RTF_BLACKHOLE = 0x1000;
export const RTF_PROTO2 = 0x4000;
export const RTF_PROTO1 = 0x8000;
export const RTF_PROTO3 = 0x40000;
export const RTF_FIXEDMTU = 0x80000;
export const RTF_PINNED = 0x100000;
export const RTF_LOCAL = 0x200000;
export const RTF_BROADCAST = 0x400000;
export const RTF_MULTICAST = 0x800000;
export const RTF_STICKY = 0x10000000;

export interface NexthopKey {
  /** Family of the destinations it serves: AF_INET or AF_INET6. */
  readonly af: number;
  /** Interface packets leave through; the loopback interface for own addresses, blackhole and reject. */
  readonly ifp: Ifnet;
  /** Gateway, host-order IPv4; 0 when the gateway is a link. */
  readonly gw4: number;
  /** IPv6 gateway, 16 bytes in zoned form; null when the gateway is a link. */
  readonly gw6: Uint8Array | null;
  /** Interface the gateway `link#N` names; null when the gateway is an address. Differs from `ifp` for own addresses. */
  readonly gwIfp: Ifnet | null;
  /** RTF_* of the path: GATEWAY, HOST, REJECT, BLACKHOLE, BROADCAST, LOCAL, STATIC, PINNED, DYNAMIC, PROTO1..3 */
  readonly flags: number;
  /** Source address to use when the sender has none; null for a route through an interface without addresses. */
  readonly ifa: IfAddr | null;
  /** MTU of the path, 0 for the interface's. */
  readonly mtu: number;
}

/** A number that equal keys have in common; the index of an interface stays while routes lead through it. */
export function nexthopHash(key: NexthopKey): number {
  const { gw6 } = key;
  let h = key.af ^ key.gw4 ^ key.flags;
  const add = (word: number): void => void (h = Math.imul(h ^ (h >>> 15) ^ word, 0x9e3779b1));
  add(key.ifp.index);
  add(key.gwIfp?.index ?? 0);
  add(key.mtu);
  for (let i = 0; gw6 !== null && i < 4; i++) add(ip6Word(gw6, i));
  return h;
}

export class Nexthop implements NexthopKey {
  readonly af: number;
  readonly ifp: Ifnet;
  readonly gw4: number;
  readonly gw6: Uint8Array | null;
  /** The words of `gw6`, for packet paths; 0 without one. */
  readonly g0: number;
  readonly g1: number;
  readonly g2: number;
  readonly g3: number;
  readonly gwIfp: Ifnet | null;
  readonly flags: number;
  readonly ifa: IfAddr | null;
  readonly mtu: number;
  /** `nexthopHash` of these properties. */
  readonly hash: number;
  /** The next one in the same chain of the store's hash. */
  hashNext: Nexthop | null = null;
  /** Place in the vnet's array of next hops; what a compiled forwarding table stores. */
  readonly idx: number;
  /** Routes (or groups) that use it. */
  refs = 0;
  /** False once no route uses it: a cache that holds it must look up again. */
  valid = true;
  /** Packets sent through it (`netstat -rW` Use). */
  pksent = 0;

  constructor(key: NexthopKey, hash: number, idx: number) {
    this.hash = hash;
    this.af = key.af;
    this.ifp = key.ifp;
    this.gw4 = key.gw4;
    const gw6 = key.gw6;
    this.gw6 = gw6;
    this.g0 = gw6 === null ? 0 : ip6Word(gw6, 0);
    this.g1 = gw6 === null ? 0 : ip6Word(gw6, 1);
    this.g2 = gw6 === null ? 0 : ip6Word(gw6, 2);
    this.g3 = gw6 === null ? 0 : ip6Word(gw6, 3);
    this.gwIfp = key.gwIfp;
    this.flags = key.flags;
    this.ifa = key.ifa;
    this.mtu = key.mtu;
    this.idx = idx;
  }

  /** Has it exactly these properties? */
  is(key: NexthopKey): boolean {
    return this.ifa === key.ifa && this.ifp === key.ifp && this.gwIfp === key.gwIfp && this.af === key.af && this.flags === key.flags && this.mtu === key.mtu
      && this.gw4 === key.gw4 && (this.gw6 === null || key.gw6 === null ? this.gw6 === key.gw6 : ip6Equals(this.gw6, key.gw6));
  }

  /** The address to resolve on the link for a packet to `dst`. */
  hop4(dst: number): number {
    return (this.flags & RTF_GATEWAY) !== 0 ? this.gw4 : dst;
  }

  /** Largest datagram in bytes that fits: the route's MTU if it has one, never more than the interface's. */
  get pathMtu(): number {
    return this.mtu === 0 || this.mtu > this.ifp.mtu ? this.ifp.mtu : this.mtu;
  }
}
