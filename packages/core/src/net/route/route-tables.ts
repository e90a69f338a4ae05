/**
 * route-tables.ts — class RouteTables: the routing tables (FIBs) of one vnet, and the only door to them.
 * Read first: route(4), setfib(2).
 *
 * Theory of operation. A FIB is a Rib4 (rib.ts) and a Rib6 (rib6.ts), each made when its first route comes: a vnet may have 65535
 * FIBs and pays for those it uses. Next hops are shared by all FIBs of the vnet (nexthop-store.ts). Control calls (`add`, `delete`, `change`,
 * address changes) run in thread context, one after the other, and report through routing messages; look-ups run on
 * packet paths and only read compiled tables.
 *
 * Life of a route: see rtentry.ts. `gen4` and `gen6` are what a cached look-up is good for; `Nexthop.valid` tells that the object itself
 * is dead. IPv6 addresses are in zoned form throughout. One callout serves all temporary routes and does its work in thread context.
 *
 * Invariants: after `destroy` no route, next hop, callout or registration is left. Not here: the byte format of messages.
 */
import type { Errno } from '../../base/errno.js';
import { EINPROGRESS, EINVAL, EPERM, ESRCH } from '../../base/errno.js';
import type { Micros } from '../../base/time.js';
import { NEVER, US_PER_SEC } from '../../base/time.js';
import { AddrSet } from '../../fwd/addr-set.js';
import { AddrSet6 } from '../../fwd/addr-set6.js';
import type { Fwd4 } from '../../fwd/forward.js';
import type { Fwd6 } from '../../fwd/forward6.js';
import type { AuditRow } from '../../kern/audit.js';
import { Callout } from '../../kern/callout.js';
import { sysctlInt, sysctlRead } from '../../kern/sysctl.js';
import type { SysctlGroup } from '../../kern/sysctl.js';
import { isIfAddr6 } from '../ifaddr.js';
import type { IfAddr, IfAddr6 } from '../ifaddr.js';
import { AF_INET, AF_INET6 } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import { RTM_ADD, RTM_CHANGE, RTM_DELETE } from '../rtsock.js';
import type { IfAddr4 } from './ifa-lookup.js';
import { ifa6ofIfpforaddr } from './ifa-lookup6.js';
import type { Nexthop } from './nexthop.js';
import { RTF_DYNAMIC, RTF_GATEWAY, RTF_PINNED } from './nexthop.js';
import { NexthopStore } from './nexthop-store.js';
import { Rib4 } from './rib.js';
import type { Rib } from './rib.js';
import { Rib6 } from './rib6.js';
import { checkSpec, routeAdd, routeChange, routeDelete, throughIf, usingIfa, walkDelete, walkResource } from './route-ctl.js';
import { rtIfaLoopback, rtIfaPrefix, rtIfaPrefix6 } from './route-ifaddrs.js';
import { ROUTE_MEMORY_OIDS } from './route-memory.js';
import { rtErrormsg, rtRoutemsg } from './route-msg.js';
import { RtLife } from './rt-life.js';
import { rtRedirect } from './rt-redirect.js';
import type { Redirect } from './rt-redirect.js';
import { ROUTING_COUNTERS, RouteStats } from './route-stats.js';
import type { RouteSpec } from './route-spec.js';
import type { RouteState } from './route-state.js';
import type { Rtentry, Rtentry4, Rtentry6 } from './rtentry.js';

export type { RouteSpec, RouteSpec4, RouteSpec6 } from './route-spec.js';

/** Most FIBs a vnet can have. */
export const RT_MAXFIBS = 65_535;

const NET_SYSCTL: SysctlGroup<RouteTables> = {
  prefix: 'net',
  oids: [
    {
      leaf: 'fibs', type: 'int', unit: '', min: 0, max: 0xffff_ffff, help: 'Number of routing tables; cannot shrink',
      get: (r) => r.fibs,
      set: (r, value) => r.setFibs(Number(value)),
    },
    sysctlInt<RouteTables, 'addAddrAllfibs'>('add_addr_allfibs', 'addAddrAllfibs', 'bool', 0, 1, 'Routes of interface addresses go to every routing table'),
  ],
};

const NET_ROUTE_SYSCTL: SysctlGroup<RouteTables> = {
  prefix: 'net.route',
  oids: [
    sysctlInt<RouteTables, 'multipath'>('multipath', 'multipath', 'bool', 0, 1, 'Collect gateways to one prefix into a multipath route'),
    sysctlRead<RouteTables>('hash_outbound', 'int', 'bool', 'A multipath route exists or existed: senders hash their flows', (r) => r.hashOutbound),
    ...ROUTE_MEMORY_OIDS,
  ],
};

const ROUTE_AUDIT: readonly AuditRow<RouteTables>[] = [
  { name: 'routes', count: (r) => r.routeCount },
  { name: 'next hops', count: (r) => r.store.count },
  { name: 'next hop groups', count: (r) => r.store.groupCount },
  { name: 'routes waiting for readers', count: (r) => r.life.dying + r.life.waiting },
];

export class RouteTables implements RouteState {
  readonly net: Net;
  /** Number of FIBs (`net.fibs`); FIB numbers are 0..fibs-1. */
  fibs = 1;
  /** `net.add_addr_allfibs` */
  addAddrAllfibs = 0;
  /** `net.route.multipath` */
  multipath = 1;
  /** `net.route.hash_outbound`: 1 once a multipath route was installed; senders then set `m.flowid`. */
  hashOutbound = 0;
  /** Salt of the flow hash (fwd/flow-hash.ts) in this vnet. */
  readonly flowSalt: number;
  /** Own addresses and broadcast addresses, as packet paths without the complete stack see them; inet fills it. */
  readonly own: AddrSet;
  /** Own IPv6 addresses in zoned form; inet6 fills it. */
  readonly own6: AddrSet6;
  readonly store: NexthopStore;
  readonly life: RtLife;
  readonly stats = new RouteStats();
  /** `net.inet.icmp.dynamic_rt_msg`: are routes that redirects make announced as RTM_ADD and RTM_DELETE? */
  dynamicRtMsg = 0;
  /** By FIB; there is always one. */
  private readonly ribs4: (Rib4 | undefined)[] = [undefined];
  private readonly ribs6: (Rib6 | undefined)[] = [undefined];
  private expiry: Callout | null = null;
  private nextExpiry: Micros = NEVER;
  private destroyed = false;

  constructor(net: Net) {
    this.net = net;
    const shared = net.shared.datapath?.isShared === true;
    this.own = new AddrSet(shared);
    this.own6 = new AddrSet6(shared);
    this.store = new NexthopStore(net.kern.engine.readers, shared);
    this.life = new RtLife(net.kern, this.store, net.shared.witness.rtentry, (rt) => this.ribOf(rt)?.compile(rt));
    this.flowSalt = net.kern.engine.rng.split(`flow ${net.kern.id}`).u32();
    net.mtuEvent.attach(this, RouteTables.onMtu);
    net.kern.audit.attach(ROUTE_AUDIT, this);
    net.kern.counters.attach(ROUTING_COUNTERS, this);
    net.kern.sysctl.attach(NET_SYSCTL, this);
    net.kern.sysctl.attach(NET_ROUTE_SYSCTL, this);
  }

  private static onMtu(this: void, routes: RouteTables, ifp: Ifnet): void {
    routes.store.republish(ifp);
  }

  /** Routes of all FIBs. */
  get routeCount(): number {
    return this.ribs().reduce((n, rib) => n + rib.count, 0);
  }

  /** Takes every route out without a message and undoes what the constructor registered. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    walkDelete(this, () => true, true, null);
    if (this.expiry !== null) this.net.kern.engine.calloutStop(this.expiry);
    this.net.mtuEvent.detach(this);
    this.net.kern.counters.detach(this);
    this.net.kern.sysctl.detach(this);
  }

  /** Grows the number of FIBs to `n`, taken into 1..RT_MAXFIBS. EPERM when it would shrink. */
  setFibs(n: number): Errno {
    const want = Math.min(Math.max(Math.trunc(n), 1), RT_MAXFIBS);
    if (want < this.fibs) return EPERM;
    const first = this.fibs;
    this.fibs = want;
    if (this.addAddrAllfibs !== 0) for (let fib = first; fib < want; fib++) this.copyPinned(first, fib);
    return 0;
  }

  /**
   * The next hop for a packet to `dst`; null when there is no route. `flowid` picks the path of a multipath route. Packet
   * path: allocates nothing. Blackhole and reject routes have a next hop too: look at its flags.
   */
  lookup4(fib: number, dst: number, flowid: number): Nexthop | null {
    const rib = this.ribs4[fib];
    const nh = rib === undefined ? null : this.store.select(rib.fib.lookup(dst), flowid);
    if (nh === null) this.stats.unreach++;
    return nh;
  }

  /** The same for the IPv6 destination of these words, in zoned form. Packet path. */
  lookup6(fib: number, w0: number, w1: number, w2: number, w3: number, flowid: number): Nexthop | null {
    const rib = this.ribs6[fib];
    const nh = rib === undefined ? null : this.store.select(rib.fib.lookup(w0, w1, w2, w3), flowid);
    if (nh === null) this.stats.unreach++;
    return nh;
  }

  /** Changes with every change of the FIB: what a cached look-up is good for. */
  gen4(fib: number): number {
    return this.ribs4[fib]?.gen ?? 0;
  }

  /** The same for IPv6. */
  gen6(fib: number): number {
    return this.ribs6[fib]?.gen ?? 0;
  }

  /** The compiled tables of a FIB, for forward4 and verdict4; the next hop of index `idx` is `nexthop(idx)`. */
  fwd4(fib: number): Fwd4 {
    return (this.ribs4[fib] ?? this.makeRib4(fib)).fwd;
  }

  /** The same for forward6 and verdict6. */
  fwd6(fib: number): Fwd6 {
    return (this.ribs6[fib] ?? this.makeRib6(fib)).fwd;
  }

  nexthop(idx: number): Nexthop | null {
    return this.store.hops[idx] ?? null;
  }

  /** Next hops in use, by index. */
  nexthops(): Nexthop[] {
    return this.store.list();
  }

  /**
   * RTM_ADD. EEXIST the prefix has a route (or that path already), ENETUNREACH gateway not on a connected network, EINVAL FIB,
   * prefix length or gateway missing, EOPNOTSUPP blackhole or reject without a loopback address, E2BIG, ENOBUFS.
   */
  add(spec: RouteSpec): Errno {
    return this.control(RTM_ADD, routeAdd, spec);
  }

  /** RTM_DELETE. ESRCH no such route, not by that gateway, or several paths and no gateway given; EADDRINUSE a connected route. */
  delete(spec: RouteSpec): Errno {
    return this.control(RTM_DELETE, routeDelete, spec);
  }

  /**
   * RTM_CHANGE. ESRCH no such route or path; the errors of `add`. The route is changed when nobody uses it: EINPROGRESS when somebody does, and then
   * `done` is told how it ended.
   */
  change(spec: RouteSpec, done?: (error: Errno) => void): Errno {
    this.net.kern.engine.assertThread();
    const bad = checkSpec(this, spec);
    if (bad === 0 && this.life.updateOngoing) {
      // Without a reference meanwhile: that would keep the update from ending.
      this.life.whenNoUpdate(() => void this.change(spec, done));
      return EINPROGRESS;
    }
    const rt = bad === 0 ? this.findSpec(spec) : null;
    if (rt === null) {
      const error = bad || ESRCH;
      if (spec.silent !== true) rtErrormsg(this.net, RTM_CHANGE, spec, error);
      done?.(error);
      return error;
    }
    let result: Errno = EINPROGRESS;
    this.updating(rt, (error) => {
      const was = result;
      result = error || (this.findSpec(spec) === rt ? this.control(RTM_CHANGE, routeChange, spec) : ESRCH);
      if (was === EINPROGRESS) done?.(result);
    });
    return result;
  }

  /** Runs `change` while nobody else has `rt`: at once, or when the last reader is out. Told ESRCH when `rt` has left the table by then. Thread context. */
  updating(rt: Rtentry, change: (error: Errno) => void): void {
    const { life } = this;
    life.updatePrepare(rt, (error) => {
      try {
        change(error);
      } finally {
        if (error === 0) life.updateFinish(rt);
      }
    });
  }

  /**
   * rtalloc1: the route for `dst` (IPv6: in zoned form) with a reference, for who gives it back with `life.unref`; null when there is none. One that is being
   * updated is a miss; a thread that can wait calls `rtallocWait`.
   */
  rtalloc(fib: number, dst: number | Uint8Array): Rtentry | null {
    const rt = typeof dst === 'number' ? this.get4(fib, dst) : this.get6(fib, dst);
    if (rt === null || !this.life.isAcquirable(rt)) {
      this.stats.unreach++;
      return null;
    }
    this.life.ref(rt);
    return rt;
  }

  /** The same in thread context: while the route is being updated, `then` is called later, with what is there after the update. */
  rtallocWait(fib: number, dst: number | Uint8Array, then: (rt: Rtentry | null) => void): void {
    this.net.kern.engine.assertThread();
    const rt = typeof dst === 'number' ? this.get4(fib, dst) : this.get6(fib, dst);
    if (rt !== null && rt.updating && !this.life.isAcquirable(rt)) this.life.whenNoUpdate(() => this.rtallocWait(fib, dst, then));
    else then(this.rtalloc(fib, dst));
  }

  /** The route a packet to `dst` would take (`route get`); null when there is none. */
  get4(fib: number, dst: number): Rtentry4 | null {
    return this.ribs4[fib]?.match(dst) ?? null;
  }

  /** The same for an IPv6 address in zoned form. */
  get6(fib: number, dst: Uint8Array): Rtentry6 | null {
    return this.ribs6[fib]?.match(dst) ?? null;
  }

  /** The route with exactly this prefix. */
  find(fib: number, af: typeof AF_INET, dst: number, plen: number): Rtentry4 | null;
  find(fib: number, af: typeof AF_INET6, dst: Uint8Array, plen: number): Rtentry6 | null;
  find(fib: number, af: number, dst: number | Uint8Array, plen: number): Rtentry | null {
    if (plen < 0) return null;
    if (typeof dst === 'number') return af === AF_INET && plen <= 32 ? (this.ribs4[fib]?.find(dst, plen) ?? null) : null;
    return af === AF_INET6 && plen <= 128 ? (this.ribs6[fib]?.find(dst, plen) ?? null) : null;
  }

  /** Routes of a FIB in the order netstat prints them: by address, then the longest prefix first. */
  list(fib: number, af: typeof AF_INET): Rtentry4[];
  list(fib: number, af: typeof AF_INET6): Rtentry6[];
  list(fib: number, af: number): Rtentry[] {
    if (af === AF_INET6) return this.ribs6[fib]?.sorted() ?? [];
    return af === AF_INET ? (this.ribs4[fib]?.sorted() ?? []) : [];
  }

  /** Adds (RTM_ADD) or deletes (RTM_DELETE) the prefix route of an address; see route-ifaddrs.ts. */
  ifaPrefix(type: typeof RTM_ADD | typeof RTM_DELETE, ifa: IfAddr4, ifp: Ifnet, dst: number, plen: number): Errno {
    this.net.kern.engine.assertThread();
    const error = rtIfaPrefix(this, this.addAddrAllfibs !== 0, type, ifa, ifp, dst, plen);
    if (type === RTM_DELETE) this.drain('rt_ifaprefix');
    return error;
  }

  /** The same for the prefix `dst`/`plen`, in zoned form, on the link of `ifp`; any address there will do for `ifa`. */
  ifaPrefix6(type: typeof RTM_ADD | typeof RTM_DELETE, ifa: IfAddr6, ifp: Ifnet, dst: Uint8Array, plen: number): Errno {
    this.net.kern.engine.assertThread();
    const error = rtIfaPrefix6(this, this.addAddrAllfibs !== 0, type, ifa, ifp, dst, plen);
    if (type === RTM_DELETE) this.drain('rt_ifaprefix');
    return error;
  }

  /** Adds, deletes or hands over the loopback route of an own address. */
  ifaLoopback(type: typeof RTM_ADD | typeof RTM_DELETE | typeof RTM_CHANGE, ifa: IfAddr4 | IfAddr6): Errno {
    this.net.kern.engine.assertThread();
    const error = rtIfaLoopback(this, type, ifa);
    if (type !== RTM_ADD) this.drain('rt_ifaloopback');
    return error;
  }

  /**
   * The address is deleted, or its interface goes down: routes that use it as source go silently; on down static ones stay.
   * A deleted IPv6 address takes no routes along: those that used it get another source.
   */
  ifaDown(ifa: IfAddr, deleted: boolean): void {
    this.net.kern.engine.assertThread();
    if (deleted && isIfAddr6(ifa)) walkResource(this, ifa);
    else walkDelete(this, usingIfa(ifa, deleted), false, null);
    this.drain('rt_ifadown');
  }

  /** Removes every path through `ifp` without a message: the interface goes. */
  flushIf(ifp: Ifnet): void {
    this.net.kern.engine.assertThread();
    walkDelete(this, throughIf(ifp), true, null);
    this.drain('rt_flushif');
  }

  /** A router says how a destination is better reached: rt-redirect.ts. Thread context. */
  redirect(r: Redirect, done: (error: Errno) => void): void {
    this.net.kern.engine.assertThread();
    if (this.destroyed || r.ifp.net !== this.net) done(EINVAL);
    else rtRedirect(this, r, done);
  }

  /**
   * ICMPv6 says in the name of the router `author` that `dst` is better reached through `gateway`, or directly on the link of `ifp` without one, which it
   * has checked; addresses in zoned form. May be called from a packet path. False: refused at once.
   */
  redirect6(fib: number, dst: Uint8Array, gateway: Uint8Array | null, author: Uint8Array, ifp: Ifnet, lifetimeUs: Micros): boolean {
    return this.net.kern.defer(() => {
      const ifa = ifp.net === this.net ? ifa6ofIfpforaddr(ifp, gateway ?? dst) : null;
      const way = gateway === null ? { linkIfp: ifp, flags: RTF_DYNAMIC } : { gateway, flags: RTF_GATEWAY | RTF_DYNAMIC };
      const spec: RouteSpec = { fib, family: 'inet6', dst, plen: 128, ifp, ...way };
      if (ifa !== null) this.redirect({ spec: { ...spec, ifa }, author, ifp, timeout: Math.ceil(lifetimeUs / US_PER_SEC) }, () => undefined);
    });
  }

  /** Host routes that redirects made. */
  get dynamicCount(): number {
    return this.ribs().reduce((n, rib) => n + rib.dynamic, 0);
  }

  /** `net.inet.icmp.redirtimeout` is `to` seconds now: routes that live by it die as much earlier or later; with 0 never. */
  redirectTimeoutChanged(from: number, to: number): void {
    for (const rt of this.ribs4.flatMap((rib) => rib?.hosts() ?? [])) {
      const paths = rt.nexthops.map((p) => ((p.nh.flags & RTF_DYNAMIC) === 0 || p.expireUs === 0 ? p : { ...p, expireUs: to === 0 ? 0 : Math.max(1, p.expireUs + (to - from) * US_PER_SEC) }));
      rt.nexthops = paths;
      for (const p of paths) if (p.expireUs > 0) this.expiresAt(p.expireUs);
    }
  }

  /** See RouteState. */
  rib(family: 'inet', fib: number): Rib4 | null;
  rib(family: 'inet6', fib: number): Rib6 | null;
  rib(family: RouteSpec['family'], fib: number): Rib | null;
  rib(family: RouteSpec['family'], fib: number): Rib | null {
    return (family === 'inet' ? this.ribs4[fib] : this.ribs6[fib]) ?? null;
  }

  /** The route with exactly the prefix of `spec`. */
  findSpec(spec: RouteSpec): Rtentry | null {
    return this.rib(spec.family, spec.fib)?.findSpec(spec) ?? null;
  }

  private ribOf(rt: Rtentry): Rib | null {
    return this.rib(rt.af === AF_INET ? 'inet' : 'inet6', rt.fib);
  }

  ribForWrite(family: RouteSpec['family'], fib: number): Rib {
    return this.rib(family, fib) ?? (family === 'inet' ? this.makeRib4(fib) : this.makeRib6(fib));
  }

  ribs(): Rib[] {
    return [...this.ribs4, ...this.ribs6].filter((rib) => rib !== undefined);
  }

  expiresAt(us: Micros): void {
    if (us >= this.nextExpiry || this.destroyed) return;
    const engine = this.net.kern.engine;
    this.nextExpiry = us;
    this.expiry ??= new Callout(this.net.kern, () => void this.net.kern.defer(() => this.expire()));
    engine.calloutReset(this.expiry, Math.max(0, us - engine.now));
  }

  multipathUsed(): void {
    this.hashOutbound = 1;
  }

  private makeRib4(fib: number): Rib4 {
    const rib = new Rib4(fib, this.life, this.own);
    this.ribs4[fib] = rib;
    return rib;
  }

  private makeRib6(fib: number): Rib6 {
    const rib = new Rib6(fib, this.life, this.own6);
    this.ribs6[fib] = rib;
    return rib;
  }

  private control(type: number, run: (state: RouteState, spec: RouteSpec) => Errno, spec: RouteSpec): Errno {
    this.net.kern.engine.assertThread();
    const error = checkSpec(this, spec) || run(this, spec);
    if (error === 0 && type !== RTM_ADD) this.drain('rt_ctl');
    if (error !== 0 && spec.silent !== true) rtErrormsg(this.net, type, spec, error);
    return error;
  }

  /** Routes have been changed or taken out: whoever still uses one is waited for before it is freed. */
  private drain(where: string): void {
    this.net.shared.witness.rtentry.wait(where);
  }

  /** Deletes the paths whose time has come and arms the callout for the next one. */
  private expire(): void {
    if (this.destroyed) return;
    const now = this.net.kern.engine.now;
    let next = NEVER;
    this.nextExpiry = NEVER;
    const due = (_rt: Rtentry, path: { readonly expireUs: Micros }): boolean => {
      if (path.expireUs > now) next = Math.min(next, path.expireUs);
      return path.expireUs > 0 && path.expireUs <= now;
    };
    walkDelete(this, due, false, (rt, nh) => {
      if ((nh.flags & RTF_DYNAMIC) === 0 || this.dynamicRtMsg !== 0) rtRoutemsg(this.net, RTM_DELETE, rt, nh);
    });
    this.drain('rt_expire');
    if (next !== NEVER) this.expiresAt(next);
  }

  /** Copies the connected routes of the FIBs below `sources`, the lowest FIB first, to the new FIB `to`. */
  private copyPinned(sources: number, to: number): void {
    for (const family of ['inet', 'inet6'] as const) {
      for (let from = 0; from < sources; from++) {
        for (const rt of this.rib(family, from)?.all() ?? []) {
          const nh = rt.nexthops[0]?.nh;
          if (nh === undefined || (nh.flags & RTF_PINNED) === 0) continue;
          const rib = this.ribForWrite(family, to);
          if (rib.same(rt) !== null) continue;
          const copy = rib.copyOf(rt, to);
          copy.value = rt.value;
          rib.insert(copy);
        }
      }
    }
  }
}
