/**
 * nd6-control.ts — neighbours as tools see and set them: ndp -a, -s, -d, -c.
 * Read first: ndp(8); nd6.ts.
 *
 * An entry we answer for (`ndp -s HOST MAC proxy`) is static and a member of the host's solicited-node group comes with it: questions about the
 * host reach us. Everything here runs in thread context.
 *
 * @rfc 4861 7.2.8 partial "answers are not delayed at random; as in FreeBSD"
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOBUFS, ENOENT, EPERM, ESRCH } from '../base/errno.js';
import { US_PER_SEC } from '../base/time.js';
import type { Ifnet } from '../net/ifnet.js';
import { LLE_IFADDR, LLE_PUB, LLE_STATE_NAMES } from '../net/llentry.js';
import { RTF_GATEWAY } from '../net/route/nexthop.js';
import { macHi, macLo, macOf } from '../wire/addr.js';
import { ip6SolicitedNode, ip6Word, ip6ZoneOf, ip6Zoned } from '../wire/addr6.js';
import { in6JoinGroup } from './in6-control.js';
import type { Nd6 } from './nd6.js';

/** One neighbour, as ndp(8) shows it. */
export interface NdEntry {
  readonly ifp: Ifnet;
  /** Zoned. */
  readonly addr: Uint8Array;
  /** Null while unresolved. */
  readonly lladdr: Uint8Array | null;
  readonly state: (typeof LLE_STATE_NAMES)[number];
  readonly router: boolean;
  readonly permanent: boolean;
  readonly published: boolean;
  /** An address of the interface itself. */
  readonly own: boolean;
  /** Seconds until its state changes by time; null for permanent entries. */
  readonly expiresIn: number | null;
  /** Questions sent since the last answer. */
  readonly asked: number;
}

export interface NdSetOptions {
  /** The interface; absent: that of the zone, or the one on whose link the address is. */
  readonly ifp?: Ifnet;
  /** Overwritten by what is heard. */
  readonly temporary?: boolean;
  /** Answer others' questions about it; such an entry is never temporary. */
  readonly proxy?: boolean;
}

/** Neighbours of one interface or of all, by interface and address. */
export function nd6List(nd: Nd6, only: Ifnet | null = null): NdEntry[] {
  const { now } = nd.kern.engine;
  const out: NdEntry[] = [];
  for (const ifp of only === null ? nd.ip6.net.ifnets : [only]) {
    for (const lle of nd.tableOf(ifp)?.entries() ?? []) {
      out.push({
        ifp, addr: lle.addr, lladdr: lle.isValid ? macOf(lle.macHi, lle.macLo) : null, state: LLE_STATE_NAMES[lle.state], router: lle.router,
        permanent: lle.isStatic, published: (lle.flags & LLE_PUB) !== 0, own: (lle.flags & LLE_IFADDR) !== 0,
        expiresIn: lle.isStatic || !lle.timer.pending ? null : Math.ceil((lle.timer.deadline - now) / US_PER_SEC), asked: lle.asked,
      });
    }
  }
  return out;
}

/** The interface on whose link `addr` is: its zone's, or by route; null when it is behind a router or nowhere. */
export function nd6InterfaceOf(nd: Nd6, addr: Uint8Array, fib = 0): Ifnet | null {
  const zone = ip6ZoneOf(addr);
  if (zone !== 0) return nd.ip6.net.ifByIndex(zone);
  const nh = nd.ip6.routes.lookup6(fib, ip6Word(addr, 0), ip6Word(addr, 1), ip6Word(addr, 2), ip6Word(addr, 3), 0);
  if (nh === null || (nh.flags & RTF_GATEWAY) !== 0) return null;
  const ifp = nh.gwIfp ?? nh.ifp;
  return nd.tableOf(ifp) === null ? null : ifp;
}

/** `ndp -s`. EINVAL: bad link address; ESRCH: no interface for it; EPERM: an own address. */
export function nd6Set(nd: Nd6, addr: Uint8Array, lladdr: Uint8Array, options: NdSetOptions = {}): Errno {
  const ifp = options.ifp ?? nd6InterfaceOf(nd, addr);
  const t = ifp === null ? null : nd.tableOf(ifp);
  if (ifp === null || t === null) return ESRCH;
  if (lladdr.length !== ifp.lladdr.length || ((lladdr[0] ?? 1) & 1) !== 0) return EINVAL;
  const z = ip6Zoned(addr, ifp.index);
  const [w0, w1, w2, w3] = [ip6Word(z, 0), ip6Word(z, 1), ip6Word(z, 2), ip6Word(z, 3)];
  const had = t.lookup(w0, w1, w2, w3);
  if (had !== null && (had.flags & LLE_IFADDR) !== 0) return EPERM;
  if (had !== null && had.isStatic) t.delete(had);
  if (options.temporary !== true || options.proxy === true) {
    t.setStatic(w0, w1, w2, w3, macHi(lladdr), macLo(lladdr), options.proxy === true ? LLE_PUB : 0);
    if (options.proxy === true) in6JoinGroup(nd.ip6.in6Net, ifp, ip6SolicitedNode(z));
    return 0;
  }
  const lle = t.lookup(w0, w1, w2, w3) ?? t.create(w0, w1, w2, w3);
  if (lle === null) return ENOBUFS;
  t.confirm(lle, macHi(lladdr), macLo(lladdr), true);
  return 0;
}

/** `ndp -d`. ENOENT: no such entry; EPERM: an own address. */
export function nd6Delete(nd: Nd6, addr: Uint8Array, only: Ifnet | null = null): Errno {
  const zone = ip6ZoneOf(addr);
  let found: Errno = ENOENT;
  for (const ifp of only === null ? nd.ip6.net.ifnets : [only]) {
    if (zone !== 0 && zone !== ifp.index) continue;
    const t = nd.tableOf(ifp);
    const z = ip6Zoned(addr, ifp.index);
    const lle = t?.lookup(ip6Word(z, 0), ip6Word(z, 1), ip6Word(z, 2), ip6Word(z, 3)) ?? null;
    if (t === null || lle === null) continue;
    if ((lle.flags & LLE_IFADDR) !== 0) {
      found = EPERM;
      continue;
    }
    t.delete(lle);
    return 0;
  }
  return found;
}

/** `ndp -c`: every entry but own addresses, of one interface or of all. How many. */
export function nd6FlushAll(nd: Nd6, only: Ifnet | null = null): number {
  let n = 0;
  for (const ifp of only === null ? nd.ip6.net.ifnets : [only]) {
    const t = nd.tableOf(ifp);
    for (const lle of t?.entries() ?? []) {
      if ((lle.flags & LLE_IFADDR) !== 0) continue;
      t?.delete(lle);
      n++;
    }
  }
  return n;
}
