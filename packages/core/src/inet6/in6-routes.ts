/**
 * in6-routes.ts — the routes that come with an IPv6 address: its prefix, and itself by way of the loopback interface.
 * Read first: net/route/route-ifaddrs.ts.
 *
 * A prefix is on the link of its interface, whichever of the addresses there is the route's source; a point-to-point link's far
 * end is a prefix of 128 bits. The host route of an own address is static, pinned, and announced.
 */
import type { Errno } from '../base/errno.js';
import type { Nexthop } from '../net/route/nexthop.js';
import type { RTM_ADD, RTM_CHANGE, RTM_DELETE } from '../net/rtsock.js';
import type { In6Ifaddr } from './in6-ifaddr.js';
import type { In6Net } from './in6-net.js';

/** The next hop for a packet to these words, in zoned form; null without a route. Packet path. */
export function in6Lookup(in6Net: In6Net, fib: number, w0: number, w1: number, w2: number, w3: number, flowid: number): Nexthop | null {
  return in6Net.routes.lookup6(fib, w0, w1, w2, w3, flowid);
}

/** Adds or deletes the route to a prefix on the link of `ia`'s interface. */
export function in6PrefixRoute(in6Net: In6Net, type: typeof RTM_ADD | typeof RTM_DELETE, ia: In6Ifaddr, dst: Uint8Array, plen: number): Errno {
  return in6Net.routes.ifaPrefix6(type, ia, ia.ifp, dst, plen);
}

/** Adds, deletes or hands over to `ia` the host route of its address. */
export function in6SelfRoute(in6Net: In6Net, type: typeof RTM_ADD | typeof RTM_DELETE | typeof RTM_CHANGE, ia: In6Ifaddr): Errno {
  return in6Net.routes.ifaLoopback(type, ia);
}
