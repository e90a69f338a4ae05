/**
 * route-tables.ts — class RouteTables: the routing tables (FIBs) of one vnet, and the only door to them.
 * Read first: route(4), setfib(2).
 *
 * Theory of operation. A FIB is a Rib4 (rib.ts), made when its first route comes: a vnet may have 65535 FIBs and pays for
 * those it uses. Next hops are shared by all FIBs of the vnet (nexthop-store.ts). Control calls (`add`, `delete`, `change`,
 * address changes) run in thread context, one after the other, and report through routing messages; look-ups run on
 * packet paths and only read compiled tables.
 *
 * Life of a route: see rtentry.ts. `gen4` is what a cached look-up is good for; `Nexthop.valid` tells that the object itself
 * is dead. One callout serves all temporary routes and does its work in thread context.
 *
 * Invariants: after `destroy` no route, next hop, callout or registration is left. Not here: the byte format of messages.
 */
import type { Errno } from '../../base/errno.js';
import { EPERM } from '../../base/errno.js';
import type { Micros } from '../../base/time.js';
import { NEVER } from '../../base/time.js';
import { AddrSet } from '../../fwd/addr-set.js';
import type { Fwd4 } from '../../fwd/forward.js';
import type { AuditRow } from '../../kern/audit.js';
import { Callout } from '../../kern/callout.js';
import { sysctlInt, sysctlRead } from '../../kern/sysctl.js';
import type { SysctlGroup } from '../../kern/sysctl.js';
import type { IfAddr } from '../ifaddr.js';
import { AF_INET } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import { RTM_ADD, RTM_CHANGE, RTM_DELETE } from '../rtsock.js';
import type { IfAddr4 } from './ifa-lookup.js';
import { ifaofIfpforaddr } from './ifa-lookup.js';
import type { Nexthop } from './nexthop.js';
import { RTF_DYNAMIC, RTF_GATEWAY, RTF_PINNED } from './nexthop.js';
import { NexthopStore } from './nexthop-store.js';
import { Rib4 } from './rib.js';
import { checkSpec, routeAdd, routeChange, routeDelete, throughIf, usingIfa, walkDelete } from './route-ctl.js';
import { rtIfaLoopback, rtIfaPrefix } from './route-ifaddrs.js';
import { rtErrormsg, rtRedirectmsg, rtRoutemsg } from './route-msg.js';
import type { RouteSpec } from './route-spec.js';
import type { RouteState } from './route-state.js';
import { Rtentry } from './rtentry.js';

export type { RouteSpec } from './route-spec.js';

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
  ],
};

const ROUTE_AUDIT: readonly AuditRow<RouteTables>[] = [
  { name: 'routes', count: (r) => r.routeCount },
  { name: 'next hops', count: (r) => r.store.count },
  { name: 'next hop groups', count: (r) => r.store.groupCount },
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
  readonly own = new AddrSet();
  readonly store = new NexthopStore();
  private readonly ribs: (Rib4 | undefined)[] = [];
  private readonly expiry: Callout;
  private nextExpiry: Micros = NEVER;
  private destroyed = false;
  private readonly unregister: () => void;

  constructor(net: Net) {
    this.net = net;
    this.flowSalt = net.kern.engine.rng.split(`flow ${net.kern.id}`).u32();
    this.expiry = new Callout(net.kern, () => void net.kern.defer(() => this.expire()));
    this.unregister = net.mtuEvent.register((ifp) => this.store.republish(ifp));
    net.kern.audit.attach(ROUTE_AUDIT, this);
    net.kern.sysctl.attach(NET_SYSCTL, this);
    net.kern.sysctl.attach(NET_ROUTE_SYSCTL, this);
  }

  /** Routes of all FIBs. */
  get routeCount(): number {
    return this.ribs.reduce((n, rib) => n + (rib?.count ?? 0), 0);
  }

  /** Takes every route out without a message and undoes what the constructor registered. */
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    walkDelete(this, () => true, true, null);
    this.net.kern.engine.calloutStop(this.expiry);
    this.unregister();
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
    const rib = this.ribs[fib];
    return rib === undefined ? null : this.store.select(rib.fib.lookup(dst), flowid);
  }

  /** Changes with every change of the FIB: what a cached look-up is good for. */
  gen4(fib: number): number {
    return this.ribs[fib]?.gen ?? 0;
  }

  /** The compiled tables of a FIB, for forward4 and verdict4; the next hop of index `idx` is `nexthop(idx)`. */
  fwd4(fib: number): Fwd4 {
    return this.ribForWrite(fib).fwd;
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

  /** RTM_CHANGE. ESRCH no such route or path; the errors of `add`. */
  change(spec: RouteSpec): Errno {
    return this.control(RTM_CHANGE, routeChange, spec);
  }

  /** The route a packet to `dst` would take (`route get`); null when there is none. */
  get4(fib: number, dst: number): Rtentry | null {
    return this.ribs[fib]?.match(dst) ?? null;
  }

  /** The route with exactly this prefix. */
  find(fib: number, af: number, dst: number, plen: number): Rtentry | null {
    if (af !== AF_INET || plen < 0 || plen > 32) return null;
    return this.ribs[fib]?.find(dst, plen) ?? null;
  }

  /** Routes of a FIB in the order netstat prints them: by address, then the longest prefix first. */
  list(fib: number, af: number): Rtentry[] {
    return af === AF_INET ? (this.ribs[fib]?.sorted() ?? []) : [];
  }

  /** Adds (RTM_ADD) or deletes (RTM_DELETE) the prefix route of an address; see route-ifaddrs.ts. */
  ifaPrefix(type: typeof RTM_ADD | typeof RTM_DELETE, ifa: IfAddr4, ifp: Ifnet, dst: number, plen: number): Errno {
    this.net.kern.engine.assertThread();
    const error = rtIfaPrefix(this, this.addAddrAllfibs !== 0, type, ifa, ifp, dst, plen);
    if (type === RTM_DELETE) this.drain('rt_ifaprefix');
    return error;
  }

  /** Adds, deletes or hands over the loopback route of an own address. */
  ifaLoopback(type: typeof RTM_ADD | typeof RTM_DELETE | typeof RTM_CHANGE, ifa: IfAddr4): Errno {
    this.net.kern.engine.assertThread();
    const error = rtIfaLoopback(this, type, ifa);
    if (type !== RTM_ADD) this.drain('rt_ifaloopback');
    return error;
  }

  /** The address is deleted, or its interface goes down: routes that use it as source go silently; on down static ones stay. */
  ifaDown(ifa: IfAddr, deleted: boolean): void {
    this.net.kern.engine.assertThread();
    walkDelete(this, usingIfa(ifa, deleted), false, null);
    this.drain('rt_ifadown');
  }

  /** Removes every path through `ifp` without a message: the interface goes. */
  flushIf(ifp: Ifnet): void {
    this.net.kern.engine.assertThread();
    walkDelete(this, throughIf(ifp), true, null);
    this.drain('rt_flushif');
  }

  /**
   * ICMP says that `dst` is better reached through `gateway` on `ifp`: a host route for `lifetimeUs` microseconds. May be called
   * from a packet path; the work is done in thread context, and announced with RTM_REDIRECT. False when refused at once.
   */
  redirect(fib: number, dst: number, gateway: number, ifp: Ifnet, lifetimeUs: Micros): boolean {
    return this.net.kern.defer(() => {
      const ifa = ifp.net === this.net ? ifaofIfpforaddr(ifp, gateway) : null;
      if (this.destroyed || ifa === null || this.find(fib, AF_INET, dst, 32) !== null) return;
      const expireUs = this.net.kern.engine.now + lifetimeUs;
      const spec: RouteSpec = { fib, family: 'inet', dst, plen: 32, gateway, ifp, ifa, flags: RTF_GATEWAY | RTF_DYNAMIC, expireUs, silent: true };
      if (checkSpec(this, spec) !== 0 || routeAdd(this, spec) !== 0) return;
      const rt = this.find(fib, AF_INET, dst, 32);
      const nh = rt?.nexthops[0]?.nh;
      if (rt !== null && nh !== undefined) rtRedirectmsg(this.net, rt, nh);
    });
  }

  /** See RouteState. */
  rib(fib: number): Rib4 | null {
    return this.ribs[fib] ?? null;
  }

  ribForWrite(fib: number): Rib4 {
    const have = this.ribs[fib];
    if (have !== undefined) return have;
    const rib = new Rib4(fib, this.store, this.own);
    this.ribs[fib] = rib;
    return rib;
  }

  expiresAt(us: Micros): void {
    if (us >= this.nextExpiry || this.destroyed) return;
    const engine = this.net.kern.engine;
    this.nextExpiry = us;
    engine.calloutReset(this.expiry, Math.max(0, us - engine.now));
  }

  multipathUsed(): void {
    this.hashOutbound = 1;
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
    walkDelete(this, due, false, (rt, nh) => rtRoutemsg(this.net, RTM_DELETE, rt, nh));
    this.drain('rt_expire');
    if (next !== NEVER) this.expiresAt(next);
  }

  /** Copies the connected routes of the FIBs below `sources`, the lowest FIB first, to the new FIB `to`. */
  private copyPinned(sources: number, to: number): void {
    for (let from = 0; from < sources; from++) {
      for (const rt of this.ribs[from]?.all() ?? []) {
        const nh = rt.nexthops[0]?.nh;
        if (nh === undefined || (nh.flags & RTF_PINNED) === 0 || this.find(to, AF_INET, rt.dst, rt.plen) !== null) continue;
        const copy = new Rtentry(to, rt.dst, rt.plen, rt.nexthops);
        copy.value = rt.value;
        this.ribForWrite(to).insert(copy);
      }
    }
  }
}
