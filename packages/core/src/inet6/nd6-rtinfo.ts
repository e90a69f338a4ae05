/**
 * nd6-rtinfo.ts — routes that routers advertise for prefixes behind them.
 * Read first: RFC 4191 §2.3, §3.1 (a type C host), §3.2.
 *
 * Each router's word for a prefix is kept with its preference and end. Of those for one prefix the best whose router is probably reachable
 * is a route; the others wait for it to go. A route set by hand is never replaced. FreeBSD has nothing of this; `net.inet6.ip6.accept_rtinfo` switches it off.
 * Option for ::/0: it speaks of the router as a default router, in place of the message's header (nd6-ra-input.ts).
 *
 * @rfc 4191 2.3 yes
 * @rfc 4191 3.1 yes
 */
import type { Micros } from '../base/time.js';
import { NEVER, US_PER_SEC } from '../base/time.js';
import { AF_INET6 } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTF_GATEWAY } from '../net/route/nexthop.js';
import type { RouteSpec6 } from '../net/route/route-spec.js';
import { ip6Equals, ip6IsLinkLocal, ip6IsMulticast } from '../wire/addr6.js';
import { ND_RA_FLAG_RTPREF_MASK } from '../wire/icmp6.js';
import { ND6_INFINITE_LIFETIME } from './in6-ifaddr.js';
import { maskedAddr } from './nd6-prefix.js';
import { ndRouterReachable, rtpref } from './nd6-router.js';
import type { NdRtr } from './nd6-rtr.js';

/** The reserved preference: such an option is ignored. */
const PREF_RESERVED = 0x10;

export interface NdRtinfo {
  readonly ifp: Ifnet;
  /** The router, zoned. */
  readonly addr: Uint8Array;
  readonly prefix: Uint8Array;
  readonly plen: number;
  preference: number;
  expireAt: Micros;
  installed: boolean;
}

/** A route information option at `at`, `len` bytes long. */
export function ndRtinfoInput(rtr: NdRtr, ifp: Ifnet, router: Uint8Array, v: DataView, at: number, len: number): void {
  const plen = v.getUint8(at + 2);
  const flags = v.getUint8(at + 3);
  if (plen > 128 || len > 24 || len < (plen === 0 ? 8 : plen <= 64 ? 16 : 24) || (flags & ND_RA_FLAG_RTPREF_MASK) === PREF_RESERVED || plen === 0) return;
  const bytes = Uint8Array.from({ length: 16 }, (_, i) => (8 + i < len ? v.getUint8(at + 8 + i) : 0));
  const prefix = maskedAddr(bytes, plen);
  if (ip6IsLinkLocal(prefix) || ip6IsMulticast(prefix)) return;
  const lifetime = v.getUint32(at + 4);
  const have = rtr.rtinfo.find((r) => r.ifp === ifp && ip6Equals(r.addr, router) && r.plen === plen && ip6Equals(r.prefix, prefix));
  if (lifetime === 0) {
    if (have !== undefined) remove(rtr, have);
    return;
  }
  const expireAt = lifetime === ND6_INFINITE_LIFETIME ? NEVER : rtr.kern.engine.now + lifetime * US_PER_SEC;
  if (have !== undefined) {
    have.expireAt = expireAt;
    have.preference = rtpref(flags);
  } else if (rtr.rtinfo.filter((r) => r.ifp === ifp).length < rtr.tun.maxifrtinfo) {
    rtr.rtinfo.push({ ifp, addr: router, prefix, plen, preference: rtpref(flags), expireAt, installed: false });
  } else {
    rtr.stats.full++;
  }
}

/** Installs the best of each prefix. */
export function ndRtinfoSelect(rtr: NdRtr): void {
  for (const r of rtr.rtinfo.slice()) {
    const rivals = rtr.rtinfo.filter((o) => o.plen === r.plen && o.ifp.fib === r.ifp.fib && ip6Equals(o.prefix, r.prefix));
    if (rivals[0] !== r) continue;
    const now = rivals.find((o) => o.installed) ?? null;
    const usable = rivals.filter((o) => ndRouterReachable(rtr, o));
    const top = Math.max(...(usable.length > 0 ? usable : rivals).map((o) => o.preference));
    const best = (usable.length > 0 ? usable : rivals).filter((o) => o.preference === top);
    if (now !== null && best.includes(now)) continue;
    if (now !== null) uninstall(rtr, now);
    const chosen = best[0] as NdRtinfo;
    if (rtr.in6Net.routes.find(chosen.ifp.fib, AF_INET6, chosen.prefix, chosen.plen) === null) chosen.installed = rtr.in6Net.routes.add(specOf(chosen)) === 0;
  }
}

/** Forgets what `router` has said on `ifp`, or everybody when null. */
export function ndRtinfoPurge(rtr: NdRtr, ifp: Ifnet, router: Uint8Array | null): void {
  for (const r of rtr.rtinfo.filter((o) => o.ifp === ifp && (router === null || ip6Equals(o.addr, router)))) remove(rtr, r);
}

export function ndRtinfoNext(rtr: NdRtr): Micros {
  return rtr.rtinfo.reduce((next, r) => Math.min(next, r.expireAt), NEVER);
}

export function ndRtinfoExpire(rtr: NdRtr): void {
  const { now } = rtr.kern.engine;
  const gone = rtr.rtinfo.filter((r) => r.expireAt <= now);
  for (const r of gone) remove(rtr, r);
  if (gone.length > 0) ndRtinfoSelect(rtr);
}

function specOf(r: NdRtinfo): RouteSpec6 {
  return { family: 'inet6', fib: r.ifp.fib, dst: r.prefix, plen: r.plen, gateway: r.addr, ifp: r.ifp, flags: RTF_GATEWAY };
}

function remove(rtr: NdRtr, r: NdRtinfo): void {
  rtr.rtinfo.splice(rtr.rtinfo.indexOf(r), 1);
  if (r.installed) uninstall(rtr, r);
}

function uninstall(rtr: NdRtr, r: NdRtinfo): void {
  r.installed = false;
  rtr.in6Net.routes.delete(specOf(r));
}
