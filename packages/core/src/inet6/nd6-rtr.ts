/**
 * nd6-rtr.ts — class NdRtr: router discovery of one vnet, on hosts: who is told what, and the one timer.
 * Read first: RFC 4861 §6.3; RFC 4862 §5.5; FreeBSD's netinet6/nd6_rtr.c, nd6_timer.
 *
 * Theory of operation. Advertisements and solicitations of routers come in thread context (icmp6.ts): they change addresses and routes. What an advertisement says is taken by nd6-ra-input.ts and ends in lists: routers (nd6-router.ts), prefixes and their
 * addresses (nd6-slaac.ts), routes (nd6-rtinfo.ts), DNS (nd6-dns.ts). Solicitations are sent by nd6-rtsol.ts. Everything that is kept has an
 * end; one timer is armed for the earliest, and `service` does what is due, in thread context. A host without lifetimes has no timer running.
 *
 * A neighbour that stops answering, or says that it is no router, changes the choice of the default router and which prefixes are used.
 * Invariants: after `destroy` no router, route, timer, packet or registration is left.
 * Not here: the router's side (nd6-rtadv.ts).
 *
 * @rfc 4861 6.3.2 yes
 * @rfc 4861 6.3.5 yes
 */
import type { Micros } from '../base/time.js';
import { NEVER, US_PER_SEC } from '../base/time.js';
import type { AuditRow } from '../kern/audit.js';
import { Callout } from '../kern/callout.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import type { IfaddrEvent, UpDownEvent } from '../net/net.js';
import { ND_ROUTER_ADVERT, ND_ROUTER_SOLICIT } from '../wire/icmp6.js';
import { in6ExpireAddr } from './in6-control.js';
import { IN6_IFF_AUTOCONF, In6Ifaddr } from './in6-ifaddr.js';
import { ND6_IFF_ACCEPT_RTADV } from './in6-ifinfo.js';
import type { In6Net } from './in6-net.js';
import { ndDnsExpire, ndDnsNext } from './nd6-dns.js';
import type { NdDns } from './nd6-dns.js';
import type { NdLlEntry } from './nd6-lltable.js';
import { nd6OnlinkCheck } from './nd6-onlink.js';
import { nd6RaInput } from './nd6-ra-input.js';
import { nd6RsInput } from './nd6-rs-input.js';
import { nd6PrefixRemove } from './nd6-prefix.js';
import { ndRouterLookup, ndRouterRemove, ndRouterSelect } from './nd6-router.js';
import type { NdRouter } from './nd6-router.js';
import { ndRtinfoExpire, ndRtinfoNext, ndRtinfoPurge, ndRtinfoSelect } from './nd6-rtinfo.js';
import type { NdRtinfo } from './nd6-rtinfo.js';
import { ND6_RTR_COUNTERS, ND6_RTR_SYSCTLS, Nd6RtrStats, Nd6RtrTunables } from './nd6-rtr-var.js';
import { Rtsol } from './nd6-rtsol.js';
import { nd6LifetimesExpire, nd6LifetimesNext, nd6SlaacDuplicated } from './nd6-slaac.js';
import type { Nd6, NdRouterHooks } from './nd6.js';

/** RFC 8981 §3.8, seconds. */
const DESYNC_MAX = 600;
/** When thread context has no room for the timer's work, it is tried again after this. */
const RETRY_US = US_PER_SEC;

const NDRTR_AUDIT: readonly AuditRow<NdRtr>[] = [
  { name: 'IPv6 routers', count: (r) => r.routers.length },
  { name: 'routes of IPv6 routers', count: (r) => r.rtinfo.length },
  { name: 'DNS entries of IPv6 routers', count: (r) => r.dns.length },
  { name: 'interfaces that solicit routers', count: (r) => r.rtsol.count },
];

/** The router's side, when there is one: it compares what others advertise with what it does itself. */
export interface NdRtadvdHooks {
  /** `m` stays the caller's. */
  heard(ifp: Ifnet, m: PacketBuffer, off: number): void;
  /** Somebody looks for routers. Packet path. */
  solicited(ifp: Ifnet): void;
  purge(ifp: Ifnet): void;
  destroy(): void;
}


export class NdRtr implements NdRouterHooks {
  readonly nd: Nd6;
  readonly in6Net: In6Net;
  readonly kern: VnetKern;
  readonly stats = new Nd6RtrStats();
  readonly tun = new Nd6RtrTunables();
  /** By preference. */
  readonly routers: NdRouter[] = [];
  readonly rtinfo: NdRtinfo[] = [];
  readonly dns: NdDns[] = [];
  readonly rtsol: Rtsol;
  /** Made by who wants to advertise. */
  rtadvd: NdRtadvdHooks | null = null;
  private desync = -1;
  private readonly timer: Callout;
  private checkPending = false;
  private ending = false;
  private serving = false;

  constructor(nd: Nd6) {
    const { kern } = nd;
    const { net, in6Net } = nd.ip6;
    this.nd = nd;
    this.in6Net = in6Net;
    this.kern = kern;
    this.rtsol = new Rtsol(this);
    this.timer = new Callout(kern, () => {
      if (!kern.defer(() => this.service())) kern.engine.calloutReset(this.timer, RETRY_US);
    });
    kern.counters.attach(ND6_RTR_COUNTERS, this.stats);
    kern.sysctl.attach(ND6_RTR_SYSCTLS, this.tun);
    kern.audit.attach(NDRTR_AUDIT, this);
    nd.rtr = this;
    nd.icmp6.handle(ND_ROUTER_ADVERT, this);
    nd.icmp6.handle(ND_ROUTER_SOLICIT, this);
    net.ifaddrEvent.attach(this, NdRtr.onIfaddr);
    net.upDownEvent.attach(this, NdRtr.onUpDown);
    net.linkEvent.attach(this, NdRtr.onLink);
  }

  /** Icmp6Handler */
  icmp6Input(type: number, ifp: Ifnet, m: PacketBuffer, off: number): void {
    if (type === ND_ROUTER_SOLICIT) nd6RsInput(this, ifp, m, off);
    else nd6RaInput(this, ifp, m, off);
  }

  private static onIfaddr(this: void, rtr: NdRtr, e: IfaddrEvent): void {
    if (e.ifa instanceof In6Ifaddr) rtr.rearm();
  }

  private static onUpDown(this: void, rtr: NdRtr, e: UpDownEvent): void {
    if (e.up) rtr.interfaceReady(e.ifp);
    else rtr.rtsol.stop(e.ifp);
  }

  private static onLink(this: void, rtr: NdRtr, ifp: Ifnet): void {
    rtr.interfaceReady(ifp);
  }

  /** Undoes the constructor. */
  destroy(): void {
    this.ending = true;
    const { net } = this.nd.ip6;
    for (const list of [net.ifaddrEvent, net.upDownEvent, net.linkEvent]) list.detach(this);
    for (const ifp of new Set([...this.routers, ...this.rtinfo, ...this.dns].map((x) => x.ifp))) this.purge(ifp);
    this.rtsol.destroy();
    this.rtadvd?.destroy();
    this.kern.engine.calloutStop(this.timer);
    this.nd.icmp6.handle(ND_ROUTER_ADVERT, null);
    this.nd.icmp6.handle(ND_ROUTER_SOLICIT, null);
    this.nd.rtr = null;
    this.kern.sysctl.detach(this.tun);
    this.kern.counters.detach(this.stats);
  }

  /** What the preferred lifetime of temporary addresses is short of others', in seconds, so that not all hosts change theirs at once (RFC 8981). */
  get desyncS(): number {
    if (this.desync < 0) this.desync = this.in6Net.rng.below(Math.min(DESYNC_MAX, Math.max(1, Math.floor(this.tun.temppltime / 10))));
    return this.desync;
  }

  /** Are advertisements taken on `ifp`? */
  accepts(ifp: Ifnet): boolean {
    const ii = this.in6Net.ifinfo(ifp);
    return ii !== null && !ii.isDisabled && (ii.ndFlags & ND6_IFF_ACCEPT_RTADV) !== 0;
  }

  /** Does this host take others for its routers? */
  get usesRouters(): boolean {
    return this.nd.ip6.tun.forwarding === 0 || this.tun.rfc6204w3 !== 0;
  }

  /** The interface is up, its link too, or its flags have changed: perhaps it is time to look for routers. */
  interfaceReady(ifp: Ifnet): void {
    if (this.accepts(ifp) && ifp.isUp && this.usesRouters) this.rtsol.start(ifp);
    else this.rtsol.stop(ifp);
  }

  /** NdRouterHooks */
  flagsChanged(ifp: Ifnet, before: number): void {
    const ii = this.in6Net.ifinfo(ifp);
    if (ii !== null && ii.ndFlags !== before) this.interfaceReady(ifp);
  }

  /** NdRouterHooks. May be called from a packet path. */
  routerChanged(lle: NdLlEntry): void {
    if (this.routers.length === 0 && this.rtinfo.length === 0) return;
    const { ifp, addr } = lle;
    const isRouter = lle.router;
    if (!isRouter) {
      this.kern.defer(() => {
        const dr = ndRouterLookup(this, ifp, addr);
        if (dr !== null) ndRouterRemove(this, dr);
        ndRtinfoPurge(this, ifp, addr);
      });
    }
    this.checkSoon();
  }

  /** NdRouterHooks: ndp -R. The next advertisements bring them back. */
  flushRouters(): void {
    for (const dr of this.routers.slice()) ndRouterRemove(this, dr);
    this.check();
    this.rearm();
  }

  /** NdRouterHooks: ndp -P. Prefixes that routers advertised, and the addresses that came of them. */
  flushPrefixes(): void {
    for (const pr of this.in6Net.prefixes.filter((p) => p.raDerived)) {
      for (const ia of this.in6Net.addrs.filter((a) => a.prefix === pr && (a.flags & IN6_IFF_AUTOCONF) !== 0)) in6ExpireAddr(this.in6Net, ia);
      if (pr.addrs === 0) nd6PrefixRemove(this.in6Net, pr);
    }
    this.check();
    this.rearm();
  }

  /** NdRouterHooks: a temporary address has another try at once, a stable one with the next number (RFC 7217). May be called from a packet path. */
  duplicated(ia: In6Ifaddr): void {
    if ((ia.flags & IN6_IFF_AUTOCONF) === 0) return;
    this.kern.defer(() => {
      if (this.nd.rtr === this) nd6SlaacDuplicated(this, ia);
    });
  }

  /** NdRouterHooks: the interface leaves (nd6_purge). */
  purge(ifp: Ifnet): void {
    this.rtsol.stop(ifp);
    this.rtadvd?.purge(ifp);
    if (!this.routers.some((r) => r.ifp === ifp) && this.rtinfo.length === 0 && this.dns.length === 0) return;
    for (const dr of this.routers.filter((r) => r.ifp === ifp)) ndRouterRemove(this, dr);
    ndRtinfoPurge(this, ifp, null);
    for (const d of this.dns.filter((x) => x.ifp === ifp)) this.dns.splice(this.dns.indexOf(d), 1);
    this.checkSoon();
  }

  /** Routers or neighbours have changed: choose, and see which prefixes are used. */
  check(): void {
    ndRouterSelect(this);
    ndRtinfoSelect(this);
    nd6OnlinkCheck(this);
  }

  private checkSoon(): void {
    if (this.checkPending || this.ending || this.kern.isShuttingDown) return;
    this.checkPending = this.kern.defer(() => {
      this.checkPending = false;
      if (this.nd.rtr !== this) return;
      this.check();
      this.rearm();
    });
  }

  /** Arms the timer for the earliest end of anything; nothing is left: stops it. */
  rearm(): void {
    if (this.serving) return;
    const { engine } = this.kern;
    const next = this.nextDeadline();
    if (next === NEVER) engine.calloutStop(this.timer);
    else if (!this.timer.pending || this.timer.deadline !== next) engine.calloutReset(this.timer, Math.max(0, next - engine.now));
  }

  private nextDeadline(): Micros {
    let next = Math.min(nd6LifetimesNext(this), ndRtinfoNext(this), ndDnsNext(this), this.rtsol.nextAt);
    for (const dr of this.routers) next = Math.min(next, dr.expireAt);
    return next;
  }

  /** Does what is due. Thread context. */
  private service(): void {
    if (this.nd.rtr !== this) return;
    const { now } = this.kern.engine;
    this.serving = true;
    try {
      const gone = this.routers.filter((dr) => dr.expireAt <= now);
      for (const dr of gone) ndRouterRemove(this, dr);
      ndRtinfoExpire(this);
      ndDnsExpire(this);
      nd6LifetimesExpire(this);
      if (gone.length > 0) this.check();
      this.rtsol.service();
    } finally {
      this.serving = false;
    }
    this.rearm();
  }
}
