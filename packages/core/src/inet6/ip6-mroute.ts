/**
 * ip6-mroute.ts — class In6Mroute: IPv6 multicasts are passed on.
 * Read first: net/mcast/router.ts, which decides; inet/ip-mroute.ts, the same for IPv4; RFC 4291 §2.7, RFC 4007 §9.
 *
 * A copy for each output whose threshold the hop limit exceeds, with the hop limit lowered; the original goes its way to this host. Groups of the link and below, and
 * packets from link-local sources, are never passed on, nor is what comes from this host itself.
 *
 * @rfc 4007 9 partial "the zone of a group is its link's up to link-local scope; wider scopes are not bounded"
 */
import type { Errno } from '../base/errno.js';
import type { CalloutOwner } from '../kern/callout.js';
import type { Engine } from '../kern/engine.js';
import type { AuditRow } from '../kern/audit.js';
import { M_BCAST, M_BRIDGE_INPUT, M_LOOP, M_MCAST, M_PROMISC, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import type { McastQuerier, QuerierOptions } from '../net/mcast/querier.js';
import { McastRouter } from '../net/mcast/router.js';
import type { McastRouterPort } from '../net/mcast/router.js';
import type { SourceFilter } from '../net/mcast/source-filter.js';
import type { IfnetEvent } from '../net/net.js';
import { IP6_SCOPE_LINKLOCAL, ip6OfBig, ip6W0IsLinkLocal } from '../wire/addr6.js';
import { IP6_DST, IP6_HLIM, IP6_SRC } from '../wire/ip6.js';
import { in6ChangeFilter, in6JoinGroup, in6LeaveGroup } from './in6-mcast.js';
import { ip6Send } from './ip6-output.js';
import type { Ip6Mrouter } from './ip6-var.js';
import type { Ip6 } from './ip6.js';
import type { Mld } from './mld6.js';

const LINK_FLAGS = M_BCAST | M_VLANTAG | M_PROMISC | M_BRIDGE_INPUT | M_LOOP;

const MROUTE6_AUDIT: readonly AuditRow<In6Mroute>[] = [
  { name: 'IPv6 multicast routes', count: (r) => r.routeCount },
  { name: 'IPv6 multicast flows', count: (r) => r.entryCount },
];

export class In6Mroute implements Ip6Mrouter, McastRouterPort<bigint> {
  readonly engine: Engine;
  readonly owner: CalloutOwner;
  readonly mld: Mld;
  private made: McastRouter<bigint> | null = null;
  private ip6: Ip6 | null = null;

  constructor(mld: Mld) {
    const { net } = mld;
    this.mld = mld;
    this.engine = net.kern.engine;
    this.owner = net.kern;
    mld.mroute = this;
    net.kern.audit.attach(MROUTE6_AUDIT, this);
    net.departureEvent.attach(this, In6Mroute.onDeparture);
  }

  attach(ip6: Ip6): void {
    this.ip6 = ip6;
  }

  private static onDeparture(this: void, mroute: In6Mroute, e: IfnetEvent): void {
    if (!e.renaming) mroute.departed(e.ifp);
  }

  /** IP goes: nothing is routed any more. */
  detach(): void {
    this.made?.destroy();
    if (this.ip6 !== null) this.ip6.mrouter = null;
    this.ip6 = null;
  }

  destroy(): void {
    this.mld.mroute = null;
    this.mld.net.departureEvent.detach(this);
  }

  /** The tables; made by who asks first. */
  get router(): McastRouter<bigint> {
    return (this.made ??= new McastRouter<bigint>(this));
  }

  get routeCount(): number {
    return this.made?.routes.length ?? 0;
  }

  get entryCount(): number {
    return this.made?.entryCount ?? 0;
  }

  /** What a link wants of `group` has changed. */
  listenersChanged(ifp: Ifnet, group: bigint): void {
    this.made?.listenersChanged(ifp, group);
  }

  /** Ip6Mrouter. Packet path. */
  hears(ifp: Ifnet): boolean {
    return this.mld.hears(ifp);
  }

  /** Ip6Mrouter. Packet path. */
  forward(ifp: Ifnet, m: PacketBuffer): void {
    const { ip6, router } = this;
    if (ip6 === null || router.vifs.length === 0 || (m.flags & M_LOOP) !== 0 || !this.takeKey(ip6, m)) return;
    const hlim = m.view.getUint8(m.off + IP6_HLIM);
    if (hlim <= 1) return;
    const e = router.lookup(ifp, m.len, m.fib);
    if (e === null) return;
    const { key } = router;
    const { outs } = e;
    const { g0, g1, g2, g3 } = key;
    for (let i = 0; i < outs.length; i++) {
      const { vif, threshold } = outs[i]!;
      if (hlim <= threshold) continue;
      if (m.len > vif.ifp.mtu && m.gsoSize === 0) {
        router.stats.pkt2large++;
        continue;
      }
      const n = m.pool.copy(m);
      if (n === null) {
        router.stats.qOverflow++;
        return;
      }
      n.view.setUint8(n.off + IP6_HLIM, hlim - 1);
      n.flags = (n.flags & ~LINK_FLAGS) | M_MCAST;
      n.hops = 0;
      n.pcp = -1;
      if (ip6Send(ip6, vif.ifp, n, g0, g1, g2, g3, false) === 0) vif.pktOut++;
    }
  }

  /** Source and group of `m`; false for what never leaves its link, and for our own. */
  private takeKey(ip6: Ip6, m: PacketBuffer): boolean {
    const v = m.view;
    const { key } = this.router;
    const s = m.off + IP6_SRC;
    const d = m.off + IP6_DST;
    if ((v.getUint8(d + 1) & 15) <= IP6_SCOPE_LINKLOCAL) return false;
    key.s0 = v.getInt32(s);
    key.s1 = v.getInt32(s + 4);
    key.s2 = v.getInt32(s + 8);
    key.s3 = v.getInt32(s + 12);
    key.g0 = v.getInt32(d);
    key.g1 = v.getInt32(d + 4);
    key.g2 = v.getInt32(d + 8);
    key.g3 = v.getInt32(d + 12);
    if (ip6W0IsLinkLocal(key.s0) || (key.s0 | key.s1 | key.s2 | key.s3) === 0) return false;
    return !ip6.in6Net.isLocal(key.s0, key.s1, key.s2, key.s3);
  }

  // McastRouterPort

  querierOf(ifp: Ifnet): McastQuerier<bigint> | null {
    return this.mld.querierOf(ifp);
  }

  /** Makes, changes, or with null unmakes the querier of an interface. Errors as Mld.setQuerier. */
  setQuerier(ifp: Ifnet, options: QuerierOptions | null): Errno {
    const error = this.mld.setQuerier(ifp, options);
    if (this.made === null) this.activate(false);
    else this.made.queriersChanged();
    return error;
  }

  routable(group: bigint): boolean {
    return group >> 120n === 0xffn && Number((group >> 112n) & 0xfn) > IP6_SCOPE_LINKLOCAL;
  }

  ofWords(w0: number, w1: number, w2: number, w3: number): bigint {
    return (BigInt(w0 >>> 0) << 96n) | (BigInt(w1 >>> 0) << 64n) | (BigInt(w2 >>> 0) << 32n) | BigInt(w3 >>> 0);
  }

  rpf(source: bigint, fib: number): Ifnet | null {
    const word = (shift: bigint): number => Number((source >> shift) & 0xffff_ffffn) | 0;
    return this.ip6 === null ? null : (this.ip6.routes.lookup6(fib, word(96n), word(64n), word(32n), word(0n), 0)?.ifp ?? null);
  }

  join(ifp: Ifnet, group: bigint, filter: SourceFilter<bigint>): Errno {
    return in6JoinGroup(this.in6Net, ifp, ip6OfBig(group), filter);
  }

  leave(ifp: Ifnet, group: bigint, filter: SourceFilter<bigint>): Errno {
    return in6LeaveGroup(this.in6Net, ifp, ip6OfBig(group), filter);
  }

  change(ifp: Ifnet, group: bigint, was: SourceFilter<bigint>, is: SourceFilter<bigint>): Errno {
    return in6ChangeFilter(this.in6Net, ifp, ip6OfBig(group), was, is);
  }

  activate(on: boolean): void {
    if (this.ip6 !== null) this.ip6.mrouter = on || this.mld.links.list().some((l) => l.querier !== null) ? this : null;
  }

  private get in6Net(): Ip6['in6Net'] {
    return (this.ip6 as Ip6).in6Net;
  }

  private departed(ifp: Ifnet): void {
    if (this.made === null) return;
    this.made.departed(ifp);
    if (this.ip6 !== null) this.activate(this.router.vifs.length > 0);
  }
}
