/**
 * in6-src.ts — which of our addresses a packet goes out with.
 * Read first: RFC 6724 §4, §5; RFC 4007 §9; FreeBSD's netinet6/in6_src.c, in6_selectsrc.
 *
 * Theory of operation. Every address of the vnet is a candidate that is ready, of one node, not detached, and, for a destination with a zone, in that
 * zone. One pass keeps the best so far: `better` goes through the rules in their order and tells the number of the one that decided, which is
 * counted. The look-ups of labels are made only when a rule gets that far.
 *
 * The answer is one object per Ip6, valid until the next question. Nothing is allocated; words are in zoned form.
 *
 * @rfc 6724 4 yes
 * @rfc 6724 5 partial "rules 4 (home addresses) and 5.5 (prefixes of the next hop) do not apply: there is no Mobile IPv6, and prefixes are not kept by router"
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EHOSTUNREACH, ENETUNREACH } from '../base/errno.js';
import { IFF_UP } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { RTF_BLACKHOLE, RTF_HOST, RTF_REJECT } from '../net/route/nexthop.js';
import type { Nexthop } from '../net/route/nexthop.js';
import { IP6_SCOPE_GLOBAL, IP6_SCOPE_INTFACELOCAL, IP6_SCOPE_LINKLOCAL, IP6_SCOPE_SITELOCAL, ip6PutWords, ip6W0IsLinkLocal, ip6W0NeedsZone } from '../wire/addr6.js';
import { IN6_IFF_ANYCAST, IN6_IFF_DETACHED, IN6_IFF_NOTREADY, IN6_IFF_PREFER_SOURCE, IN6_IFF_TEMPORARY } from './in6-ifaddr.js';
import type { In6Ifaddr } from './in6-ifaddr.js';
import { ND6_IFF_NO_PREFER_IFACE, ND6_IFF_PREFER_SOURCE } from './in6-ifinfo.js';
import type { Ip6OutputOpts } from './ip6-output.js';
import type { RuleKey } from './ip6-var.js';
import type { Ip6 } from './ip6.js';

/** What `in6SelectSrc` found. */
export class SourceChoice6 {
  error: Errno = 0;
  ia: In6Ifaddr | null = null;
  /** The interface that packets leave by, when the destination was looked up. */
  ifp: Ifnet | null = null;
}

const NOT_A_CANDIDATE = IN6_IFF_NOTREADY | IN6_IFF_ANYCAST | IN6_IFF_DETACHED;
const RULE_KEYS: Readonly<Record<number, RuleKey>> = {
  0: 'rule0', 1: 'rule1', 2: 'rule2', 3: 'rule3', 5: 'rule5', 6: 'rule6', 7: 'rule7', 8: 'rule8', 9: 'rule9', 10: 'rule10', 14: 'rule14',
};

/** Scope of an address by its words. */
export function in6Scope(w0: number, w1: number, w2: number, w3: number): number {
  if (w0 >>> 24 === 0xff) return (w0 >>> 16) & 15;
  if (ip6W0IsLinkLocal(w0)) return IP6_SCOPE_LINKLOCAL;
  if (w0 >>> 22 === 0x3fb) return IP6_SCOPE_SITELOCAL;
  return (w0 | w1 | w2) === 0 && w3 === 1 ? IP6_SCOPE_INTFACELOCAL : IP6_SCOPE_GLOBAL;
}

/** Zone in word 0 of an address in zoned form; 0 for one that needs none. */
export function in6Zone(w0: number): number {
  return ip6W0NeedsZone(w0) ? w0 & 0xffff : 0;
}

/** Writes an own address in the form of packets. */
export function in6PutPlain(v: DataView, at: number, ia: In6Ifaddr): void {
  ip6PutWords(v, at, ia.k0, ia.k1, ia.k2, ia.k3);
}

/**
 * The source towards the destination with these words, in `fib`. EHOSTUNREACH, ENETUNREACH: there is no way; EADDRNOTAVAIL: no address fits. `opts` may name the
 * interface and what is preferred.
 */
export function in6SourceFor(ip6: Ip6, d0: number, d1: number, d2: number, d3: number, fib: number, opts: Ip6OutputOpts | null): SourceChoice6 {
  const c = ip6.choice;
  c.ia = null;
  c.error = 0;
  const isGroup = d0 >>> 24 === 0xff;
  const zone = in6Zone(d0);
  c.ifp = named(isGroup, opts);
  if (c.ifp === null && isGroup && zone !== 0) c.ifp = ip6.net.ifByIndex(zone);
  if (c.ifp === null) {
    const nh = ip6.routes.lookup6(fib, d0, d1, d2, d3, 0);
    c.error = in6NoWay(nh);
    if (nh === null || c.error !== 0) return c;
    c.ifp = nh.gwIfp ?? nh.ifp;
  }
  c.ia = in6SelectSrc(ip6, c.ifp, d0, d1, d2, d3, opts === null ? -1 : opts.preferTempaddr);
  if (c.ia === null) c.error = EADDRNOTAVAIL;
  return c;
}

/** Why nothing of our own is sent by `nh`: there is no route, or it rejects or swallows packets; 0 when it leads somewhere. */
export function in6NoWay(nh: Nexthop | null): Errno {
  if (nh === null) return EHOSTUNREACH;
  if ((nh.flags & (RTF_REJECT | RTF_BLACKHOLE)) === 0) return 0;
  return (nh.flags & RTF_HOST) !== 0 ? EHOSTUNREACH : ENETUNREACH;
}

/** The interface that the sender has named. */
function named(isGroup: boolean, opts: Ip6OutputOpts | null): Ifnet | null {
  if (opts === null) return null;
  return isGroup && opts.mcastIfp !== null ? opts.mcastIfp : opts.ifp;
}

/** The best address for packets to these words that leave by `ifp`, or null. `preferTemp`: 1 yes, 0 no, -1 as net.inet6.ip6.prefer_tempaddr says. */
export function in6SelectSrc(ip6: Ip6, ifp: Ifnet, d0: number, d1: number, d2: number, d3: number, preferTemp: number): In6Ifaddr | null {
  const { addrs } = ip6.in6Net;
  const { stats, tun, selection } = ip6;
  const { now } = ip6.net.kern.engine;
  selection.begin(ifp, d0, d1, d2, d3, preferTemp < 0 ? tun.preferTempaddr !== 0 : preferTemp !== 0);
  let best: In6Ifaddr | null = null;
  let rule = 0;
  for (let i = 0; i < addrs.length; i++) {
    const ia = addrs[i]!;
    if ((ia.flags & NOT_A_CANDIDATE) !== 0 || !selection.inZone(ia) || (tun.useDeprecated === 0 && ia.isDeprecated(now))) continue;
    if (best === null) {
      best = ia;
      continue;
    }
    const by = selection.compare(ip6, best, ia);
    if (by > 0) best = ia;
    if (by !== 0) rule = Math.abs(by);
    if (by === 1) break;
  }
  if (best === null) {
    stats.sourcesNone++;
    return null;
  }
  stats.sourcesRule++;
  stats[RULE_KEYS[rule] ?? 'rule0']++;
  return best;
}

/** One question: the destination, and what has been found out about it. One object per Ip6. */
export class Selection {
  private ifp: Ifnet | null = null;
  private d0 = 0;
  private d1 = 0;
  private d2 = 0;
  private d3 = 0;
  private scope = 0;
  private zone = 0;
  private preferTemp = false;
  private readonly bytes = new Uint8Array(16);
  private readonly view = new DataView(this.bytes.buffer);

  begin(ifp: Ifnet, d0: number, d1: number, d2: number, d3: number, preferTemp: boolean): void {
    this.ifp = ifp;
    this.d0 = d0;
    this.d1 = d1;
    this.d2 = d2;
    this.d3 = d3;
    this.scope = in6Scope(d0, d1, d2, d3);
    this.zone = this.scope === IP6_SCOPE_LINKLOCAL || (this.scope === IP6_SCOPE_INTFACELOCAL && d0 >>> 24 === 0xff) ? in6Zone(d0) || ifp.index : 0;
    this.preferTemp = preferTemp;
  }

  /** RFC 4007 §9: an address of another zone is no source for a destination of this one; ::1 only for ourselves. */
  inZone(ia: In6Ifaddr): boolean {
    if (this.zone !== 0) return ia.ifp.index === this.zone;
    if (ip6W0IsLinkLocal(ia.k0) && this.scope > IP6_SCOPE_LINKLOCAL) return ia.ifp === this.ifp;
    return (ia.k0 | ia.k1 | ia.k2) !== 0 || ia.k3 !== 1 || this.scope === IP6_SCOPE_INTFACELOCAL;
  }

  /** Number of the rule that decides: negative `best` stays, positive `ia` is better; 0 none does, `best` stays. */
  compare(ip6: Ip6, best: In6Ifaddr, ia: In6Ifaddr): number {
    if (best.is(this.d0, this.d1, this.d2, this.d3)) return -1;
    if (ia.is(this.d0, this.d1, this.d2, this.d3)) return 1;
    const scopes = this.compareScopes(best, ia);
    if (scopes !== 0) return scopes;
    const { now } = ip6.net.kern.engine;
    const deprecated = pick(3, !best.isDeprecated(now), !ia.isDeprecated(now));
    if (deprecated !== 0) return deprecated;
    const outgoing = this.compareInterfaces(ip6, best, ia);
    if (outgoing !== 0) return outgoing;
    const label = ip6.policies.lookup(this.addr(this.d0, this.d1, this.d2, this.d3))?.label ?? null;
    if (label !== null) {
      const labels = pick(6, this.label(ip6, best) === label, this.label(ip6, ia) === label);
      if (labels !== 0) return labels;
    }
    return this.compareRest(ip6, best, ia);
  }

  /** Rule 2: the smallest scope that is large enough. */
  private compareScopes(best: In6Ifaddr, ia: In6Ifaddr): number {
    const a = in6Scope(best.k0, best.k1, best.k2, best.k3);
    const b = in6Scope(ia.k0, ia.k1, ia.k2, ia.k3);
    if (a === b) return 0;
    if (a < b) return a < this.scope ? 2 : -2;
    return b < this.scope ? -2 : 2;
  }

  /** Rule 5, unless both interfaces have been excepted from it. */
  private compareInterfaces(ip6: Ip6, best: In6Ifaddr, ia: In6Ifaddr): number {
    const { in6Net } = ip6;
    const flags = (in6Net.ifinfo(best.ifp)?.ndFlags ?? 0) & (in6Net.ifinfo(ia.ifp)?.ndFlags ?? 0);
    return (flags & ND6_IFF_NO_PREFER_IFACE) !== 0 ? 0 : pick(5, best.ifp === this.ifp, ia.ifp === this.ifp);
  }

  /** Rules 7 to 14. */
  private compareRest(ip6: Ip6, best: In6Ifaddr, ia: In6Ifaddr): number {
    const temporary = pick(7, ((best.flags & IN6_IFF_TEMPORARY) !== 0) === this.preferTemp, ((ia.flags & IN6_IFF_TEMPORARY) !== 0) === this.preferTemp);
    if (temporary !== 0) return temporary;
    const alive = pick(8, (best.ifp.flags & IFF_UP) !== 0, (ia.ifp.flags & IFF_UP) !== 0);
    if (alive !== 0) return alive;
    const virtual = pick(9, best.vhid === 0, ia.vhid === 0);
    if (virtual !== 0) return virtual;
    const preferred = pick(10, isPreferred(ip6, best), isPreferred(ip6, ia));
    return preferred !== 0 ? preferred : this.compareMatch(best, ia);
  }

  /** Rule 8 of the RFC: the longest prefix in common. */
  private compareMatch(best: In6Ifaddr, ia: In6Ifaddr): number {
    const a = this.matchLen(best);
    const b = this.matchLen(ia);
    if (a === b) return 0;
    return b > a ? 14 : -14;
  }

  private matchLen(ia: In6Ifaddr): number {
    let n = Math.clz32(ia.k0 ^ this.d0);
    if (n === 32) n += Math.clz32(ia.k1 ^ this.d1);
    if (n === 64) n += Math.clz32(ia.k2 ^ this.d2);
    if (n === 96) n += Math.clz32(ia.k3 ^ this.d3);
    return n;
  }

  private label(ip6: Ip6, ia: In6Ifaddr): number | null {
    return ip6.policies.lookup(this.addr(ia.k0, ia.k1, ia.k2, ia.k3))?.label ?? null;
  }

  private addr(w0: number, w1: number, w2: number, w3: number): Uint8Array {
    ip6PutWords(this.view, 0, w0, w1, w2, w3);
    return this.bytes;
  }
}

function pick(rule: number, best: boolean, other: boolean): number {
  if (best === other) return 0;
  return best ? -rule : rule;
}

function isPreferred(ip6: Ip6, ia: In6Ifaddr): boolean {
  return (ia.flags & IN6_IFF_PREFER_SOURCE) !== 0 || ((ip6.in6Net.ifinfo(ia.ifp)?.ndFlags ?? 0) & ND6_IFF_PREFER_SOURCE) !== 0;
}
