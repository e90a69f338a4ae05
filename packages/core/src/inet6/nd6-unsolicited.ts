/**
 * nd6-unsolicited.ts — advertisements nobody asked for, and answers that are given later.
 * Read first: RFC 4861 §7.2.6 and §7.2.7, RFC 9131.
 *
 * Theory of operation. When the link address of an interface has changed, its addresses are advertised to all nodes with the override flag, three
 * times, `retrans` milliseconds apart. With `nd6_rfc9131` a new address is advertised to all routers without the override flag, as often: they
 * know it before the first packet to it arrives. One Announcement per address; a new reason begins it again.
 * Answers about anycast addresses wait a random time below a second, so that those of several nodes do not come together; at most DELAYED_MAX
 * wait, what is more is answered at once.
 *
 * Invariants: an announcement is in `announcements`, an answer in `delayed`, exactly while its timer is armed.
 *
 * @rfc 4861 7.2.6 yes
 * @rfc 4861 7.2.7 yes
 * @rfc 9131 6 partial "one sysctl, off by default, for hosts and routers"
 */
import { LazyMap, LazySet } from '../base/lazy-map.js';
import { US_PER_MS, US_PER_SEC } from '../base/time.js';
import type { AuditRow } from '../kern/audit.js';
import { Callout } from '../kern/callout.js';
import type { Ifnet } from '../net/ifnet.js';
import { IP6_W0_LINKLOCAL_GROUP, ip6W0IsLinkLocal } from '../wire/addr6.js';
import { ND_NA_FLAG_OVERRIDE } from '../wire/icmp6.js';
import type { In6Ifaddr } from './in6-ifaddr.js';
import { IN6_IFF_ANYCAST } from './in6-ifaddr.js';
import { nd6NaOutput } from './nd6-nbr.js';
import type { Nd6 } from './nd6.js';

/** RFC 4861 §10: MAX_NEIGHBOR_ADVERTISEMENT, MAX_ANYCAST_DELAY_TIME. */
const ADVERTISEMENTS = 3;
const ANYCAST_DELAY = US_PER_SEC;
const DELAYED_MAX = 64;
/** Last word of ff02::1 and ff02::2. */
const ALL_NODES = 1;
const ALL_ROUTERS = 2;

class Announcement {
  readonly ia: In6Ifaddr;
  readonly timer: Callout;
  left = ADVERTISEMENTS;
  group = ALL_NODES;

  constructor(un: Nd6Unsolicited, nd: Nd6, ia: In6Ifaddr) {
    this.ia = ia;
    this.timer = new Callout(nd.kern, () => {
      un.announceNext(this);
    });
  }
}

class DelayedAnswer {
  readonly ia: In6Ifaddr;
  readonly timer: Callout;
  readonly to: readonly [number, number, number, number];
  readonly flags: number;
  readonly lladdr: boolean;

  constructor(un: Nd6Unsolicited, nd: Nd6, ia: In6Ifaddr, to: readonly [number, number, number, number], flags: number, lladdr: boolean) {
    this.ia = ia;
    this.to = to;
    this.flags = flags;
    this.lladdr = lladdr;
    this.timer = new Callout(nd.kern, () => {
      un.answerNow(this);
    });
  }
}

const UNSOLICITED_AUDIT: readonly AuditRow<Nd6Unsolicited>[] = [{ name: 'IPv6 advertisements to be sent', count: (u) => u.waiting }];

export class Nd6Unsolicited {
  private readonly nd: Nd6;
  private readonly announcements = new LazyMap<In6Ifaddr, Announcement>();
  private readonly delayed = new LazySet<DelayedAnswer>();

  constructor(nd: Nd6) {
    this.nd = nd;
    nd.kern.audit.attach(UNSOLICITED_AUDIT, this);
  }

  destroy(): void {
    for (const a of [...this.announcements.values()]) this.stop(a.ia);
    for (const d of [...this.delayed]) this.stop(d.ia);
  }

  get waiting(): number {
    return this.announcements.size + this.delayed.size;
  }

  /** The interface has another link address. */
  lladdrChanged(ifp: Ifnet): void {
    for (const ia of this.nd.ip6.in6Net.addrsOf(ifp)) this.announce(ia, ALL_NODES);
  }

  /** The address can be used from now on. */
  addressReady(ia: In6Ifaddr): void {
    if (this.nd.tun.rfc9131 !== 0 && !ip6W0IsLinkLocal(ia.k0)) this.announce(ia, ALL_ROUTERS);
  }

  /** The address goes. */
  stop(ia: In6Ifaddr): void {
    const { engine } = this.nd.kern;
    const a = this.announcements.get(ia);
    if (a !== undefined) {
      engine.calloutStop(a.timer);
      this.announcements.delete(ia);
    }
    for (const d of [...this.delayed]) {
      if (d.ia !== ia) continue;
      engine.calloutStop(d.timer);
      this.delayed.delete(d);
    }
  }

  /** Answers about the anycast address `ia`, later. False: too many wait already. */
  answerLater(ia: In6Ifaddr, d0: number, d1: number, d2: number, d3: number, flags: number, lladdr: boolean): boolean {
    if (this.delayed.size >= DELAYED_MAX) return false;
    const d = new DelayedAnswer(this, this.nd, ia, [d0, d1, d2, d3], flags, lladdr);
    this.delayed.add(d);
    this.nd.kern.engine.calloutReset(d.timer, this.nd.params.rng.below(ANYCAST_DELAY));
    return true;
  }

  answerNow(d: DelayedAnswer): void {
    this.delayed.delete(d);
    const { ia, to } = d;
    nd6NaOutput(this.nd, ia.ifp, to[0], to[1], to[2], to[3], ia.k0, ia.k1, ia.k2, ia.k3, d.flags, d.lladdr, null);
  }

  announceNext(a: Announcement): void {
    const { nd } = this;
    const { ia } = a;
    const { ifp } = ia;
    const override = a.group === ALL_NODES ? ND_NA_FLAG_OVERRIDE : 0;
    nd6NaOutput(nd, ifp, IP6_W0_LINKLOCAL_GROUP | ifp.index, 0, 0, a.group, ia.k0, ia.k1, ia.k2, ia.k3, nd.routerFlag(ifp) + override, true, null);
    a.left--;
    if (a.left === 0) this.announcements.delete(ia);
    else nd.kern.engine.calloutReset(a.timer, (nd.ip6.in6Net.ifinfo(ifp)?.retrans ?? 0) * US_PER_MS);
  }

  private announce(ia: In6Ifaddr, group: number): void {
    if (!ia.isReady || (ia.flags & IN6_IFF_ANYCAST) !== 0 || ia.vhid !== 0 || !ia.ifp.isUp || !ia.ifp.isRunning || ia.ifp.lladdr.length === 0) return;
    const a = this.announcements.get(ia) ?? new Announcement(this, this.nd, ia);
    a.left = ADVERTISEMENTS;
    a.group = group;
    this.announcements.set(ia, a);
    this.announceNext(a);
  }
}
