/**
 * in6-routes.ts — the routes that come with an IPv6 address: its prefix, and itself by way of the loopback interface.
 * Read first: net/route/route-ifaddrs.ts.
 */
import type { Errno } from '../base/errno.js';
import { EEXIST, ESRCH } from '../base/errno.js';
import { RTF_GATEWAY } from '../net/route/nexthop.js';
import { Nexthop } from '../net/route/nexthop.js';
import { RTM_ADD } from '../net/rtsock.js';
import type { RTM_CHANGE, RTM_DELETE } from '../net/rtsock.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6InPrefix, ip6OfWords } from '../wire/addr6.js';
import type { In6Ifaddr } from './in6-ifaddr.js';
import type { In6Net } from './in6-net.js';

// Until the routing tables know IPv6: a list.
interface Entry { dst: Uint8Array; plen: number; nh: Nexthop }
const tables = new WeakMap<object, Entry[]>();
const tableOf = (n: In6Net): Entry[] => {
  let t = tables.get(n);
  if (t === undefined) tables.set(n, (t = []));
  return t;
};

export function in6Lookup(in6Net: In6Net, _fib: number, w0: number, w1: number, w2: number, w3: number, _flowid: number): Nexthop | null {
  const a = ip6OfWords(w0, w1, w2, w3);
  let best: Entry | null = null;
  for (const e of tableOf(in6Net)) if (ip6InPrefix(a, e.dst, e.plen) && (best === null || e.plen > best.plen)) best = e;
  return best?.nh ?? null;
}

function ctl(in6Net: In6Net, type: number, dst: Uint8Array, plen: number, ifp: Ifnet, linkIfp: Ifnet, ifa: In6Ifaddr): Errno {
  const t = tableOf(in6Net);
  const at = t.findIndex((e) => e.plen === plen && ip6InPrefix(dst, e.dst, plen));
  if (type === RTM_ADD) {
    if (at >= 0) return EEXIST;
    t.push({ dst, plen, nh: new Nexthop({ ifp, gw4: 0, gw6: null, gwIfp: linkIfp, flags: 0 & RTF_GATEWAY, ifa, mtu: 0 }, 1) });
    return 0;
  }
  if (at < 0) return ESRCH;
  t.splice(at, 1);
  return 0;
}

export function in6PrefixRoute(in6Net: In6Net, type: typeof RTM_ADD | typeof RTM_DELETE, ia: In6Ifaddr, dst: Uint8Array, plen: number): Errno {
  return ctl(in6Net, type, dst, plen, ia.ifp, ia.ifp, ia);
}

export function in6SelfRoute(in6Net: In6Net, type: typeof RTM_ADD | typeof RTM_DELETE | typeof RTM_CHANGE, ia: In6Ifaddr): Errno {
  return ctl(in6Net, type, ia.addr, 128, in6Net.net.loif ?? ia.ifp, ia.ifp, ia);
}
