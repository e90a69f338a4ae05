/**
 * router.ts — McastRouter: which multicasts of one family this host passes on, and where to.
 * Read first: multicast(4), RFC 4605 §4.3; freebsd `sys/netinet/ip_mroute.c` for the counters.
 *
 * Theory of operation. Three things decide, in this order. A static route names a group (and perhaps a source), the interface its packets have to come in on, and outputs with
 * TTL thresholds; one with a source beats one without. A proxy passes what comes from upstream to the downstream links whose listeners want it, and what comes from a
 * downstream link upstream and to the other downstream links; only where this host is the querier, so that of two proxies on a link one forwards. Its packets
 * have to come from where the route to their source leads (the RPF check). Everything else is not passed on.
 * What was decided is kept in the cache (mfc.ts), which forgets a flow after `MFC_IDLE_S`, and a group when its listeners or routes have changed.
 *
 * While there is anything to route or a querier to feed the router hangs in IP (`activate`); on a host it costs nothing.
 *
 * Invariants: a departing interface is in nothing here. Outputs never include the interface a packet came in on.
 * Not here: packets (inet/ip-mroute.ts, inet6/ip6-mroute.ts), routing daemons: there is no upcall, everything is known here.
 *
 * @rfc 4605 4.3 yes
 */
import type { Errno } from '../../base/errno.js';
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENOSPC } from '../../base/errno.js';
import { Callout } from '../../kern/callout.js';
import type { CounterGroup } from '../../kern/counters.js';
import type { Ifnet } from '../ifnet.js';
import { FlowKey, Mfc, MfcEntry, Vif } from './mfc.js';
import type { MfcOut } from './mfc.js';
import { McastProxy } from './proxy.js';
import type { McastProxyPort } from './proxy.js';
import type { QuerierOptions } from './querier.js';
import type { McastAddr } from './source-filter.js';

const US_PER_S = 1_000_000;
/** A flow without packets for so long is forgotten. */
const MFC_IDLE_S = 210;
/** Defaults and greatest values of the limits. */
const MFC_MAX = 1_024;
const ROUTES_MAX = 256;
export const VIFS_MAX = 32;

/** `struct mrtstat`, without its prefix. */
export class MrtStats {
  mfcLookups = 0;
  mfcMisses = 0;
  upcalls = 0;
  upqOvflw = 0;
  upqSockfull = 0;
  cacheCleanups = 0;
  noRoute = 0;
  badTunnel = 0;
  cantTunnel = 0;
  wrongIf = 0;
  dropSel = 0;
  qOverflow = 0;
  pkt2large = 0;
}

/** Texts of `netstat -gs`. */
export const MRT_COUNTERS: CounterGroup<MrtStats> = {
  name: 'mroute',
  rows: [
    { key: 'mfcLookups', text: '{} multicast forwarding cache lookup{s}' },
    { key: 'mfcMisses', text: '{} multicast forwarding cache miss{es}' },
    { key: 'upcalls', text: '{} upcall{s} to multicast routing daemon' },
    { key: 'upqOvflw', text: '{} upcall queue overflow{s}' },
    { key: 'upqSockfull', text: '{} upcall{s} dropped due to full socket buffer' },
    { key: 'cacheCleanups', text: '{} cache cleanup{s}' },
    { key: 'noRoute', text: '{} datagram{s} with no route for origin' },
    { key: 'badTunnel', text: '{} datagram{s} arrived with bad tunneling' },
    { key: 'cantTunnel', text: '{} datagram{s} could not be tunneled' },
    { key: 'wrongIf', text: '{} datagram{s} arrived on wrong interface' },
    { key: 'dropSel', text: '{} datagram{s} selectively dropped' },
    { key: 'qOverflow', text: '{} datagram{s} dropped due to queue overflow' },
    { key: 'pkt2large', text: '{} datagram{s} dropped for being too large' },
  ],
};

export interface McastRoute<A extends McastAddr> {
  readonly group: A;
  /** Null: any. */
  readonly source: A | null;
  readonly from: Ifnet;
  readonly to: readonly { readonly ifp: Ifnet; readonly threshold: number }[];
}

/** What a family does for its router. */
export interface McastRouterPort<A extends McastAddr> extends McastProxyPort<A> {
  setQuerier(ifp: Ifnet, options: QuerierOptions | null): Errno;
  /** May packets to the group leave their link at all? */
  routable(group: A): boolean;
  /** The address in these words. */
  ofWords(w0: number, w1: number, w2: number, w3: number): A;
  /** The interface the route to a source leads through. */
  rpf(source: A, fib: number): Ifnet | null;
  /** Hangs the router into IP, or takes it out. */
  activate(on: boolean): void;
}

export class McastRouter<A extends McastAddr> {
  readonly port: McastRouterPort<A>;
  readonly stats = new MrtStats();
  readonly key = new FlowKey();
  mfcMax = MFC_MAX;
  proxy: McastProxy<A> | null = null;
  private routeList: readonly McastRoute<A>[] = [];
  private vifList: readonly Vif[] = [];
  private mfc: Mfc | null = null;
  private cleanup: Callout | null = null;

  constructor(port: McastRouterPort<A>) {
    this.port = port;
  }

  get routes(): readonly McastRoute<A>[] {
    return this.routeList;
  }

  get vifs(): readonly Vif[] {
    return this.vifList;
  }

  entries(): MfcEntry[] {
    return this.mfc?.list() ?? [];
  }

  get entryCount(): number {
    return this.mfc?.count ?? 0;
  }

  /** EINVAL: a group that is never passed on, no outputs, or one that is the input; EEXIST: that route is there; ENOSPC: too many routes or interfaces. */
  addRoute(r: McastRoute<A>): Errno {
    if (!this.port.routable(r.group) || r.to.length === 0 || r.to.some((o) => o.ifp === r.from)) return EINVAL;
    if (this.routeList.some((other) => sameFlow(other, r))) return EEXIST;
    if (this.routeList.length >= ROUTES_MAX) return ENOSPC;
    if (!this.addVifs([r.from, ...r.to.map((o) => o.ifp)])) return ENOSPC;
    this.routeList = [...this.routeList, r];
    this.settle();
    return 0;
  }

  /** EADDRNOTAVAIL: no such route. */
  removeRoute(group: A, source: A | null): Errno {
    const kept = this.routeList.filter((r) => r.group !== group || r.source !== source);
    if (kept.length === this.routeList.length) return EADDRNOTAVAIL;
    this.routeList = kept;
    this.settle();
    return 0;
  }

  /** Makes, or with null unmakes, the proxy. EINVAL: an interface twice, or no downstream. Queriers on the downstream links are made by the caller. Thread context. */
  setProxy(upstream: Ifnet | null, downstreams: readonly Ifnet[]): Errno {
    if (upstream !== null && (downstreams.length === 0 || downstreams.includes(upstream) || new Set(downstreams).size !== downstreams.length)) return EINVAL;
    if (upstream !== null && !this.addVifs([upstream, ...downstreams])) return ENOSPC;
    this.proxy?.destroy();
    this.proxy = upstream === null ? null : new McastProxy<A>(this.port, upstream, downstreams);
    this.proxy?.refresh();
    this.settle();
    return 0;
  }

  /** A querier came or went. */
  queriersChanged(): void {
    this.settle();
  }

  /** A link wants something else of `group`. */
  listenersChanged(ifp: Ifnet, group: A): void {
    const { proxy } = this;
    if (proxy === null || !proxy.downstreams.includes(ifp)) return;
    this.forgetGroup(group);
    proxy.changed(group);
  }

  /** `ifp` leaves the vnet. */
  departed(ifp: Ifnet): void {
    if (!this.vifList.some((v) => v.ifp === ifp)) return;
    const { proxy } = this;
    if (proxy !== null && proxy.upstream === ifp) {
      proxy.joined.clear();
      proxy.destroy();
      this.proxy = null;
    } else if (proxy !== null) proxy.downstreams = proxy.downstreams.filter((d) => d !== ifp);
    this.routeList = this.routeList.filter((r) => r.from !== ifp).map((r) => ({ ...r, to: r.to.filter((o) => o.ifp !== ifp) })).filter((r) => r.to.length > 0);
    this.mfc?.removeWhere((e) => e.parent.ifp === ifp || e.outs.some((o) => o.vif.ifp === ifp));
    this.vifList = this.vifList.filter((v) => v.ifp !== ifp);
    this.settle();
  }

  destroy(): void {
    this.routeList = [];
    this.proxy?.destroy();
    this.proxy = null;
    this.vifList = [];
    this.mfc = null;
    if (this.cleanup !== null) this.port.engine.calloutStop(this.cleanup);
    this.port.activate(false);
  }

  /**
   * Where the flow in `this.key` goes from `ifp`, or null: nowhere. Counts; the caller sends to `outs` and counts there. A flow that is new is decided on here, which
   * allocates its entry.
   */
  lookup(ifp: Ifnet, bytes: number, fib: number): MfcEntry | null {
    if (this.vifList.length === 0) return null;
    this.stats.mfcLookups++;
    const e = this.mfc?.find(this.key) ?? this.decide(ifp, fib);
    if (e === null) return null;
    if (e.parent.ifp !== ifp) {
      this.stats.wrongIf++;
      e.wrongIf++;
      return null;
    }
    e.used = this.port.engine.now;
    e.packets++;
    e.bytes += bytes;
    e.parent.pktIn++;
    return e;
  }

  private decide(ifp: Ifnet, fib: number): MfcEntry | null {
    const { key, port, stats } = this;
    stats.mfcMisses++;
    const group = port.ofWords(key.g0, key.g1, key.g2, key.g3);
    const source = port.ofWords(key.s0, key.s1, key.s2, key.s3);
    if (!port.routable(group)) return null;
    const route = this.routeFor(group, source);
    const verdict = route === null ? this.decideProxy(ifp, group, source, fib) : { from: route.from, to: route.to };
    if (verdict === null) return null;
    const parent = this.vifOf(verdict.from);
    if (parent === null) return null;
    const outs: MfcOut[] = [];
    for (const { ifp: to, threshold } of verdict.to) {
      const vif = this.vifOf(to);
      if (vif !== null) outs.push({ vif, threshold });
    }
    const mfc = (this.mfc ??= new Mfc());
    if (mfc.count >= this.mfcMax) {
      stats.upqOvflw++;
      return null;
    }
    const e = new MfcEntry(key, parent, outs, port.engine.now);
    mfc.add(e);
    this.armCleanup();
    return e;
  }

  private routeFor(group: A, source: A): McastRoute<A> | null {
    let any: McastRoute<A> | null = null;
    for (const r of this.routeList) {
      if (r.group !== group) continue;
      if (r.source === source) return r;
      if (r.source === null) any = r;
    }
    return any;
  }

  private decideProxy(ifp: Ifnet, group: A, source: A, fib: number): { readonly from: Ifnet; readonly to: McastRoute<A>['to'] } | null {
    const { proxy, port, stats } = this;
    if (proxy === null || (ifp !== proxy.upstream && !proxy.downstreams.includes(ifp))) return null;
    const from = port.rpf(source, fib);
    if (from === null) {
      stats.noRoute++;
      return null;
    }
    const to = proxy.downstreams.filter((d) => {
      const q = port.querierOf(d);
      return d !== from && q !== null && q.isQuerier && q.wants(group, source);
    });
    if (from !== proxy.upstream) to.push(proxy.upstream);
    return { from, to: to.map((d) => ({ ifp: d, threshold: 1 })) };
  }

  private vifOf(ifp: Ifnet): Vif | null {
    return this.vifList.find((v) => v.ifp === ifp) ?? null;
  }

  /** All or none. */
  private addVifs(ifps: readonly Ifnet[]): boolean {
    const fresh = [...new Set(ifps)].filter((ifp) => this.vifOf(ifp) === null);
    if (this.vifList.length + fresh.length > VIFS_MAX) return false;
    for (const ifp of fresh) {
      let index = 0;
      while (this.vifList.some((v) => v.index === index)) index++;
      this.vifList = [...this.vifList, new Vif(ifp, index)].sort((a, b) => a.index - b.index);
    }
    return true;
  }

  /** After a change: what was decided is decided anew, interfaces nobody uses are let go. */
  private settle(): void {
    const { proxy } = this;
    const used = new Set<Ifnet>(this.routeList.flatMap((r) => [r.from, ...r.to.map((o) => o.ifp)]));
    if (proxy !== null) for (const ifp of [proxy.upstream, ...proxy.downstreams]) used.add(ifp);
    this.mfc = null;
    if (this.cleanup !== null) this.port.engine.calloutStop(this.cleanup);
    this.vifList = this.vifList.filter((v) => used.has(v.ifp));
    this.port.activate(this.vifList.length > 0);
  }

  private forgetGroup(group: A): void {
    const { port } = this;
    this.mfc?.removeWhere((e) => port.ofWords(e.g0, e.g1, e.g2, e.g3) === group);
  }

  private armCleanup(): void {
    const cleanup = (this.cleanup ??= new Callout(this.port.owner, () => this.clean()));
    if (!cleanup.pending) this.port.engine.calloutReset(cleanup, MFC_IDLE_S * US_PER_S);
  }

  private clean(): void {
    const idle = this.port.engine.now - MFC_IDLE_S * US_PER_S;
    this.stats.cacheCleanups += this.mfc?.removeWhere((e) => e.used <= idle) ?? 0;
    if (this.entryCount > 0) this.armCleanup();
  }
}

const sameFlow = <A extends McastAddr>(a: McastRoute<A>, b: McastRoute<A>): boolean => a.group === b.group && a.source === b.source;
