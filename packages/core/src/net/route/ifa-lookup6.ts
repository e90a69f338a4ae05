/**
 * ifa-lookup6.ts — which IPv6 address of which interface is meant: by address, by network, by far end.
 * Read first: ifa-lookup.ts; ifaddr(9).
 *
 * Addresses are in zoned form, so a link-local address is on the network of its own link only. Unlike for IPv4 the network
 * of an address on a point-to-point interface counts: its prefix is on the link. None is on the packet path.
 */
import { ip6Equals, ip6InPrefix } from '../../wire/addr6.js';
import { isIfAddr6 } from '../ifaddr.js';
import type { IfAddr6 } from '../ifaddr.js';
import { IFF_POINTOPOINT } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';

/** The address `addr`. */
export function ifa6Ifwithaddr(net: Net, addr: Uint8Array): IfAddr6 | null {
  for (const ifp of net.ifnets) for (const ifa of ifp.addrs) if (isIfAddr6(ifa) && ip6Equals(ifa.addr, addr)) return ifa;
  return null;
}

/** The address of a point-to-point interface in `fib` whose far end is `dst`. */
export function ifa6Ifwithdstaddr(net: Net, dst: Uint8Array, fib: number): IfAddr6 | null {
  for (const ifp of net.ifnets) {
    if ((ifp.flags & IFF_POINTOPOINT) === 0 || ifp.fib !== fib) continue;
    for (const ifa of ifp.addrs) if (isIfAddr6(ifa) && isFarEnd(ifa, dst)) return ifa;
  }
  return null;
}

/** The address in `fib` on whose network `addr` is; the longest prefix wins, then the first found. */
export function ifa6Ifwithnet(net: Net, addr: Uint8Array, fib: number): IfAddr6 | null {
  let best: IfAddr6 | null = null;
  for (const ifp of net.ifnets) {
    if (ifp.fib !== fib) continue;
    for (const ifa of ifp.addrs) if (isIfAddr6(ifa) && ip6InPrefix(addr, ifa.addr, ifa.plen) && (best === null || ifa.plen > best.plen)) best = ifa;
  }
  return best;
}

/** The best address of `ifp` as a source towards `addr`: itself or its far end, then its network, then the first one. */
export function ifa6ofIfpforaddr(ifp: Ifnet, addr: Uint8Array): IfAddr6 | null {
  let first: IfAddr6 | null = null;
  let best: IfAddr6 | null = null;
  for (const ifa of ifp.addrs) {
    if (!isIfAddr6(ifa)) continue;
    first ??= ifa;
    if (ip6Equals(ifa.addr, addr) || isFarEnd(ifa, addr)) return ifa;
    if (ip6InPrefix(addr, ifa.addr, ifa.plen) && (best === null || ifa.plen > best.plen)) best = ifa;
  }
  return best ?? first;
}

function isFarEnd(ifa: IfAddr6, addr: Uint8Array): boolean {
  const far = ifa.dstaddr ?? null;
  return far !== null && ip6Equals(far, addr);
}
