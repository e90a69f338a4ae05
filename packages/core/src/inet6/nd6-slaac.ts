/**
 * nd6-slaac.ts — prefixes that routers advertise, the addresses that come of them, and the ends of both.
 * Read first: RFC 4861 §6.3.4; RFC 4862 §5.5.3, §5.5.4; RFC 8981 §3.4; FreeBSD's netinet6/nd6_rtr.c prelist_update, nd6.c nd6_timer.
 *
 * Theory of operation. A prefix option goes into the prefix list; with the on-link flag its lifetime is the prefix's. With the autonomous flag the
 * first one makes an address, later ones change the lifetimes of every address that came of it:
 *
 *    valid lifetime advertised          remaining          what becomes of it
 *    more than two hours, or more than remains             as advertised
 *    less                               at most two hours  as it is (nobody can take an address away with one message)
 *    less                               more               two hours
 *
 * The preferred lifetime is as advertised. An address is DEPRECATED when that is over and removed when the valid one is, and so is a prefix
 * that no address refers to; one that has addresses goes off-link. A temporary address never lives longer than `tempvltime`, and
 * has a successor REGEN_ADVANCE before it is deprecated.
 *
 * @rfc 4861 6.3.4 yes
 * @rfc 4862 5.5.3 yes
 * @rfc 4862 5.5.4 yes
 * @rfc 8981 3.4 yes
 * @rfc 8981 3.5 yes
 */
import type { Micros } from '../base/time.js';
import { NEVER, US_PER_SEC } from '../base/time.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6Format, ip6Plain } from '../wire/addr6.js';
import { in6Aifaddr, in6ExpireAddr } from './in6-control.js';
import { IN6_IFF_AUTOCONF, IN6_IFF_DEPRECATED, IN6_IFF_DUPLICATED, IN6_IFF_NOTREADY, IN6_IFF_TEMPORARY, ND6_INFINITE_LIFETIME } from './in6-ifaddr.js';
import type { In6Ifaddr } from './in6-ifaddr.js';
import { ND6_IFF_STABLEADDR } from './in6-ifinfo.js';
import { in6Ifid, in6TempIfid } from './in6-ifid.js';
import { hasManual, nd6OnlinkCheck } from './nd6-onlink.js';
import { maskedAddr, nd6PrefixLookup, nd6PrefixOfflink, nd6PrefixOnlink, nd6PrefixRemove, nd6PrelistAdd } from './nd6-prefix.js';
import type { NdPrefix } from './nd6-prefix.js';
import type { NdRouter } from './nd6-router.js';
import type { NdRtr } from './nd6-rtr.js';

const TWOHOUR = 7_200;
const IFID_BITS = 64;
/** RFC 8981 §3.8, in seconds. */
const REGEN_ADVANCE = 5;
const TEMP_TRIES = 3;
/** RFC 7217 §7. */
const IDGEN_RETRIES = 3;

/** A prefix information option, read. */
export interface NdPrefixInfo {
  /** Host bits clear. */
  readonly prefix: Uint8Array;
  readonly plen: number;
  readonly onlink: boolean;
  readonly auto: boolean;
  /** Seconds. */
  readonly vltime: number;
  readonly pltime: number;
}

/** Takes a prefix option of `dr`'s message (null: no default router). `delay`: everybody has heard it, and verification begins later. */
export function nd6PrelistUpdate(rtr: NdRtr, ifp: Ifnet, info: NdPrefixInfo, dr: NdRouter | null, delay: boolean): void {
  const pr = nd6PrefixLookup(rtr.in6Net, ifp, info.prefix, info.plen) ?? addPrefix(rtr, ifp, info);
  if (pr === null) return;
  pr.rafOnlink ||= info.onlink;
  pr.rafAuto ||= info.auto;
  if (info.onlink) {
    setPrefixLifetimes(rtr, pr, info.vltime, info.pltime);
    if (!pr.onlink && !pr.detached && info.vltime > 0) nd6PrefixOnlink(rtr.in6Net, pr);
  }
  if (dr !== null) pr.routers.add(dr);
  if (info.auto && info.pltime <= info.vltime) updateAddresses(rtr, pr, info, delay);
  if (info.onlink && info.vltime === 0) expirePrefix(rtr, pr);
}

function setPrefixLifetimes(rtr: NdRtr, pr: NdPrefix, vltime: number, pltime: number): void {
  pr.vltime = vltime;
  pr.pltime = pltime;
  pr.updatedAt = rtr.kern.engine.now;
}

function addPrefix(rtr: NdRtr, ifp: Ifnet, info: NdPrefixInfo): NdPrefix | null {
  if (info.vltime === 0 || (!info.onlink && !info.auto)) return null;
  if (rtr.in6Net.prefixes.filter((p) => p.ifp === ifp && p.raDerived).length >= rtr.tun.maxifprefixes) {
    rtr.stats.full++;
    return null;
  }
  const pr = nd6PrelistAdd(rtr.in6Net, ifp, info.prefix, info.plen, info.onlink);
  pr.raDerived = true;
  pr.rafAuto = info.auto;
  // One that is not on the link is there for its addresses only, and goes with the last of them.
  setPrefixLifetimes(rtr, pr, info.onlink ? info.vltime : 0, info.onlink ? info.pltime : 0);
  return pr;
}

/** RFC 4862 §5.5.3 (d) and (e). */
function updateAddresses(rtr: NdRtr, pr: NdPrefix, info: NdPrefixInfo, delay: boolean): void {
  const { now } = rtr.kern.engine;
  let matched = false;
  for (const ia of rtr.in6Net.addrsOf(pr.ifp)) {
    if (ia.prefix !== pr || (ia.flags & IN6_IFF_AUTOCONF) === 0) continue;
    matched = true;
    const left = secondsLeft(ia, ia.vltime, now);
    let vltime = info.vltime;
    let from = now;
    if (vltime <= TWOHOUR && vltime <= left) {
      vltime = Math.min(left, TWOHOUR);
      // What is left stays as it is to the microsecond: many messages must neither lengthen nor shorten it.
      if (left <= TWOHOUR) from = ia.updatedAt + (ia.vltime - left) * US_PER_SEC;
    }
    let { pltime } = info;
    if ((ia.flags & IN6_IFF_TEMPORARY) !== 0) {
      const age = Math.floor((now - ia.createdAt) / US_PER_SEC);
      vltime = Math.min(vltime, Math.max(0, rtr.tun.tempvltime - age));
      pltime = Math.min(pltime, Math.max(0, rtr.tun.temppltime - rtr.desyncS - age));
    }
    ia.vltime = vltime;
    ia.pltime = Math.min(pltime, vltime);
    ia.updatedAt = from;
    if (!ia.isDeprecated(now)) ia.flags &= ~IN6_IFF_DEPRECATED;
  }
  if (!matched && info.vltime > 0) addAddress(rtr, pr, info, delay);
}

/** Whole seconds of a lifetime that are left, ND6_INFINITE_LIFETIME for ever. */
function secondsLeft(ia: In6Ifaddr, lifetime: number, now: Micros): number {
  if (lifetime === ND6_INFINITE_LIFETIME) return lifetime;
  return Math.max(0, lifetime - Math.floor((now - ia.updatedAt) / US_PER_SEC));
}

/** A new address of the prefix, and a temporary one beside it. */
function addAddress(rtr: NdRtr, pr: NdPrefix, info: NdPrefixInfo, delay: boolean): void {
  const { in6Net, kern } = rtr;
  if (pr.plen !== IFID_BITS) {
    if (rtr.nd.tun.debug !== 0) kern.log('info', `in6_ifadd: wrong prefixlen for ${pr.ifp.xname} (prefix=${pr.plen} ifid=${IFID_BITS})`);
    return;
  }
  const ifid = in6Ifid(in6Net, pr.ifp, pr.prefix);
  if (ifid === null) return;
  const addr = pr.prefix.slice();
  addr.set(ifid, 8);
  if (in6Net.addrOnIf(addr, pr.ifp) !== null) {
    kern.log('info', `in6_ifadd: ${ip6Format(ip6Plain(addr))} is already configured`);
    return;
  }
  const lifetimes = { vltime: info.vltime, pltime: info.pltime };
  if (in6Aifaddr(in6Net, pr.ifp, { addr, plen: pr.plen, flags: IN6_IFF_AUTOCONF, dadDelay: delay, ...lifetimes }) !== 0) return;
  const ia = in6Net.addrOnIf(addr, pr.ifp);
  if (ia === null) return;
  if (rtr.tun.useTempaddr !== 0) addTemporary(rtr, ia, delay);
  nd6OnlinkCheck(rtr);
}

/** A temporary address beside `pub`, unless its preferred time would be no time. */
function addTemporary(rtr: NdRtr, pub: In6Ifaddr, delay: boolean): void {
  const { now } = rtr.kern.engine;
  const vltime = Math.min(secondsLeft(pub, pub.vltime, now), rtr.tun.tempvltime);
  const pltime = Math.min(secondsLeft(pub, pub.pltime, now), rtr.tun.temppltime - rtr.desyncS);
  if (pltime <= REGEN_ADVANCE) return;
  const addr = maskedAddr(pub.addr, pub.plen);
  for (let i = 0; i < TEMP_TRIES; i++) {
    addr.set(in6TempIfid(rtr.in6Net), 8);
    if (rtr.in6Net.addrOfBytes(addr) !== null) continue;
    in6Aifaddr(rtr.in6Net, pub.ifp, { addr, plen: pub.plen, flags: IN6_IFF_AUTOCONF | IN6_IFF_TEMPORARY, vltime, pltime, dadDelay: delay });
    return;
  }
}

/** `ia`, which came of an advertisement, is somebody else's: another one takes its place where the identifier can be another. Thread context. */
export function nd6SlaacDuplicated(rtr: NdRtr, ia: In6Ifaddr): void {
  const pr = ia.prefix;
  if (pr === null) return;
  const of = rtr.in6Net.addrsOf(ia.ifp).filter((o) => o.prefix === pr && (o.flags & IN6_IFF_AUTOCONF) !== 0);
  if ((ia.flags & IN6_IFF_TEMPORARY) !== 0) {
    const pub = of.find((o) => (o.flags & (IN6_IFF_TEMPORARY | IN6_IFF_DUPLICATED)) === 0);
    const tried = of.filter((o) => (o.flags & IN6_IFF_TEMPORARY) !== 0 && (o.flags & IN6_IFF_DUPLICATED) !== 0).length;
    if (pub !== undefined && tried < TEMP_TRIES) addTemporary(rtr, pub, false);
    return;
  }
  const flags = rtr.in6Net.ifinfo(ia.ifp)?.ndFlags ?? 0;
  if ((flags & ND6_IFF_STABLEADDR) === 0 || of.length > IDGEN_RETRIES) return;
  const { now } = rtr.kern.engine;
  addAddress(rtr, pr, { prefix: pr.prefix, plen: pr.plen, onlink: pr.rafOnlink, auto: true, vltime: secondsLeft(ia, ia.vltime, now), pltime: secondsLeft(ia, ia.pltime, now) }, false);
}

/** When something ends next; NEVER: nothing does. */
export function nd6LifetimesNext(rtr: NdRtr): Micros {
  const { now } = rtr.kern.engine;
  let next = NEVER;
  for (const ia of rtr.in6Net.addrs) next = Math.min(next, addressNext(ia, now));
  for (const pr of rtr.in6Net.prefixes) if (pr.validUntil > now) next = Math.min(next, pr.validUntil);
  return next;
}

function addressNext(ia: In6Ifaddr, now: Micros): Micros {
  let next = ia.vltime === ND6_INFINITE_LIFETIME ? NEVER : ia.updatedAt + ia.vltime * US_PER_SEC;
  if (ia.pltime === ND6_INFINITE_LIFETIME || (ia.flags & IN6_IFF_DEPRECATED) !== 0) return next;
  const deprecatedAt = ia.updatedAt + ia.pltime * US_PER_SEC;
  next = Math.min(next, deprecatedAt);
  if ((ia.flags & IN6_IFF_TEMPORARY) !== 0 && !ia.regenerated) next = Math.min(next, deprecatedAt - REGEN_ADVANCE * US_PER_SEC);
  return Math.max(next, now);
}

/** Ends what is over. Thread context. */
export function nd6LifetimesExpire(rtr: NdRtr): void {
  const { in6Net } = rtr;
  const { now } = rtr.kern.engine;
  for (const ia of in6Net.addrs.slice()) {
    if ((ia.flags & IN6_IFF_TEMPORARY) !== 0 && !ia.regenerated && addressNext(ia, now) <= now) regenerate(rtr, ia);
    if (ia.isInvalid(now)) in6ExpireAddr(in6Net, ia);
    else if (ia.isDeprecated(now)) ia.flags |= IN6_IFF_DEPRECATED;
    else if ((ia.flags & IN6_IFF_AUTOCONF) !== 0) ia.flags &= ~IN6_IFF_DEPRECATED;
  }
  for (const pr of in6Net.prefixes.slice()) expirePrefix(rtr, pr);
}

/** When the valid lifetime of `pr` is over: it goes, or its route while addresses refer to it. */
function expirePrefix(rtr: NdRtr, pr: NdPrefix): void {
  if (pr.validUntil > rtr.kern.engine.now) return;
  if (pr.addrs === 0) nd6PrefixRemove(rtr.in6Net, pr);
  else if (pr.onlink && !hasManual(rtr, pr)) nd6PrefixOfflink(rtr.in6Net, pr);
}

/** A temporary address comes to its end: the next one, beside the same public address. */
function regenerate(rtr: NdRtr, ia: In6Ifaddr): void {
  ia.regenerated = true;
  if (rtr.tun.useTempaddr === 0) return;
  const unfit = IN6_IFF_TEMPORARY | IN6_IFF_NOTREADY | IN6_IFF_DEPRECATED;
  const pub = rtr.in6Net.addrsOf(ia.ifp).find((o) => o.prefix === ia.prefix && (o.flags & IN6_IFF_AUTOCONF) !== 0 && (o.flags & unfit) === 0);
  if (pub !== undefined) addTemporary(rtr, pub, false);
}
