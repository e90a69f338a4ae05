/**
 * ifa-lookup.ts — which IPv4 address of which interface is meant: by address, by network, by far end.
 * Read first: ifaddr(9); freebsd `sys/net/if.c` ifa_ifwithaddr, ifa_ifwithnet, ifaof_ifpforaddr.
 *
 * The routing table resolves gateways with these and knows of an address no more than `IfAddr4`, which inet's InIfaddr is.
 * All walk the interfaces in order of attachment; none is on the packet path.
 */
import { ifaPreferred } from '../ifaddr.js';
import type { IfAddr } from '../ifaddr.js';
import { AF_INET, IFF_POINTOPOINT } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';

/** What the routing table must know of an IPv4 address. Every IfAddr with `af` AF_INET is one. */
export interface IfAddr4 extends IfAddr {
  readonly addr: number;
  readonly mask: number;
  /** 0..32 */
  readonly plen: number;
  /** Directed broadcast address; null when the interface has none. */
  readonly broadcast: number | null;
  /** Far end of a point-to-point link; null otherwise. */
  readonly dstaddr: number | null;
}

export function isIfAddr4(ifa: IfAddr): ifa is IfAddr4 {
  return ifa.af === AF_INET;
}

/** The address `addr`, or the one whose broadcast address it is. */
export function ifaIfwithaddr(net: Net, addr: number): IfAddr4 | null {
  for (const ifp of net.ifnets) for (const ifa of ifp.addrs) if (isIfAddr4(ifa) && (ifa.addr === addr || ifa.broadcast === addr)) return ifa;
  return null;
}

/** The address of a point-to-point interface in `fib` whose far end is `dst`. */
export function ifaIfwithdstaddr(net: Net, dst: number, fib: number): IfAddr4 | null {
  for (const ifp of net.ifnets) {
    if ((ifp.flags & IFF_POINTOPOINT) === 0 || ifp.fib !== fib) continue;
    for (const ifa of ifp.addrs) if (isIfAddr4(ifa) && ifa.dstaddr === dst) return ifa;
  }
  return null;
}

/** The address in `fib` on whose network `addr` is; the longest prefix wins, then what is not virtual, then the first found. */
export function ifaIfwithnet(net: Net, addr: number, fib: number): IfAddr4 | null {
  let best: IfAddr4 | null = null;
  for (const ifp of net.ifnets) {
    if (ifp.fib !== fib) continue;
    for (const ifa of ifp.addrs) {
      if (!isIfAddr4(ifa)) continue;
      if ((ifp.flags & IFF_POINTOPOINT) !== 0) {
        if (ifa.dstaddr === addr) return ifa;
        continue;
      }
      if (((ifa.addr ^ addr) & ifa.mask) === 0 && (best === null || ifa.plen > best.plen || (ifa.plen === best.plen && ifaPreferred(best, ifa)))) best = ifa;
    }
  }
  return best;
}

/** The best address of `ifp` as a source towards `addr`: itself or its far end, then its network, then the first one. */
export function ifaofIfpforaddr(ifp: Ifnet, addr: number): IfAddr4 | null {
  let first: IfAddr4 | null = null;
  let best: IfAddr4 | null = null;
  const ptp = (ifp.flags & IFF_POINTOPOINT) !== 0;
  for (const ifa of ifp.addrs) {
    if (!isIfAddr4(ifa)) continue;
    if (first === null || ifaPreferred(first, ifa)) first = ifa;
    if (ifa.addr === addr || ifa.dstaddr === addr) return ifa;
    if (!ptp && ((ifa.addr ^ addr) & ifa.mask) === 0 && (best === null || ifa.plen > best.plen || (ifa.plen === best.plen && ifaPreferred(best, ifa)))) best = ifa;
  }
  return best ?? first;
}
