/**
 * ip-mroute.ts — class InMroute: IPv4 multicasts are passed on.
 * Read first: net/mcast/router.ts, which decides; multicast(4); RFC 1112 §7, RFC 1812 §5.2.1.2.
 *
 * A copy for each output whose threshold the TTL exceeds, with the TTL lowered; the original goes its way to this host. Groups of the local network
 * (224.0.0.0/24) are never passed on, nor is what comes from this host itself, whose sockets choose their interface.
 * It hangs in IP while a route, a proxy or a querier is there: a querier must hear reports to groups this host has not joined.
 */
import type { Errno } from '../base/errno.js';
import type { CalloutOwner } from '../kern/callout.js';
import type { Engine } from '../kern/engine.js';
import type { AuditRow } from '../kern/audit.js';
import { CSUM_IP_VALID, M_BCAST, M_BRIDGE_INPUT, M_LOOP, M_MCAST, M_PROMISC, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import type { McastQuerier, QuerierOptions } from '../net/mcast/querier.js';
import { McastRouter } from '../net/mcast/router.js';
import type { McastRouterPort } from '../net/mcast/router.js';
import type { SourceFilter } from '../net/mcast/source-filter.js';
import type { IfnetEvent } from '../net/net.js';
import { ip4IsLocalGroup, ip4IsMulticast } from '../wire/addr.js';
import { ip4DecTtl, ip4Dst, ip4Src, ip4Ttl } from '../wire/ip4.js';
import type { Igmp } from './igmp.js';
import { inChangeFilter, inJoinGroup, inLeaveGroup } from './in-mcast.js';
import { ipSendSized } from './ip-output.js';
import type { Ip, IpMrouter } from './ip.js';

const LINK_FLAGS = M_BCAST | M_VLANTAG | M_PROMISC | M_BRIDGE_INPUT | M_LOOP;

const MROUTE_AUDIT: readonly AuditRow<InMroute>[] = [
  { name: 'IPv4 multicast routes', count: (r) => r.routeCount },
  { name: 'IPv4 multicast flows', count: (r) => r.entryCount },
];

export class InMroute implements IpMrouter, McastRouterPort<number> {
  readonly engine: Engine;
  readonly owner: CalloutOwner;
  readonly igmp: Igmp;
  private made: McastRouter<number> | null = null;
  private ip: Ip | null = null;

  constructor(igmp: Igmp) {
    const { net } = igmp;
    this.igmp = igmp;
    this.engine = net.kern.engine;
    this.owner = net.kern;
    igmp.mroute = this;
    net.kern.audit.attach(MROUTE_AUDIT, this);
    net.departureEvent.attach(this, InMroute.onDeparture);
  }

  attach(ip: Ip): void {
    this.ip = ip;
  }

  private static onDeparture(this: void, mroute: InMroute, e: IfnetEvent): void {
    if (!e.renaming) mroute.departed(e.ifp);
  }

  /** IP goes: nothing is routed any more. */
  detach(): void {
    this.made?.destroy();
    if (this.ip !== null) this.ip.mrouter = null;
    this.ip = null;
  }

  destroy(): void {
    this.igmp.mroute = null;
    this.igmp.net.departureEvent.detach(this);
  }

  /** The tables; made by who asks first. */
  get router(): McastRouter<number> {
    return (this.made ??= new McastRouter<number>(this));
  }

  get routeCount(): number {
    return this.made?.routes.length ?? 0;
  }

  get entryCount(): number {
    return this.made?.entryCount ?? 0;
  }

  /** What a link wants of `group` has changed. */
  listenersChanged(ifp: Ifnet, group: number): void {
    this.made?.listenersChanged(ifp, group);
  }

  /** IpMrouter. Packet path. */
  hears(ifp: Ifnet): boolean {
    return this.igmp.hears(ifp);
  }

  /** IpMrouter. Packet path. */
  forward(ifp: Ifnet, m: PacketBuffer): void {
    const { ip, router } = this;
    const group = ip4Dst(m.view, m.off);
    if (ip === null || router.vifs.length === 0 || (m.flags & M_LOOP) !== 0 || ip4IsLocalGroup(group)) return;
    const src = ip4Src(m.view, m.off);
    const { key } = router;
    key.s3 = src | 0;
    key.g3 = group | 0;
    const ttl = ip4Ttl(m.view, m.off);
    if (ttl <= 1 || src === 0 || ip.inNet.isLocal(src | 0)) return;
    const e = router.lookup(ifp, m.len, m.fib);
    if (e === null) return;
    const { outs } = e;
    for (let i = 0; i < outs.length; i++) {
      const { vif, threshold } = outs[i]!;
      if (ttl <= threshold) continue;
      const n = m.pool.copy(m);
      if (n === null) {
        router.stats.qOverflow++;
        return;
      }
      ip4DecTtl(n.view, n.off);
      n.flags = (n.flags & ~LINK_FLAGS) | M_MCAST;
      n.csumFlags &= ~CSUM_IP_VALID;
      n.hops = 0;
      n.pcp = -1;
      if (ipSendSized(ip, vif.ifp, n, group | 0, false, vif.ifp.mtu) === 0) vif.pktOut++;
      else router.stats.pkt2large++;
    }
  }

  // McastRouterPort

  querierOf(ifp: Ifnet): McastQuerier<number> | null {
    return this.igmp.querierOf(ifp);
  }

  /** Makes, changes, or with null unmakes the querier of an interface. Errors as Igmp.setQuerier. */
  setQuerier(ifp: Ifnet, options: QuerierOptions | null): Errno {
    const error = this.igmp.setQuerier(ifp, options);
    this.made?.queriersChanged();
    return error;
  }

  routable(group: number): boolean {
    return ip4IsMulticast(group) && !ip4IsLocalGroup(group);
  }

  ofWords(_w0: number, _w1: number, _w2: number, w3: number): number {
    return w3 >>> 0;
  }

  rpf(source: number, fib: number): Ifnet | null {
    return this.ip?.routes.lookup4(fib, source | 0, 0)?.ifp ?? null;
  }

  join(ifp: Ifnet, group: number, filter: SourceFilter<number>): Errno {
    return inJoinGroup(this.inNet, ifp, group, filter);
  }

  leave(ifp: Ifnet, group: number, filter: SourceFilter<number>): Errno {
    return inLeaveGroup(this.inNet, ifp, group, filter);
  }

  change(ifp: Ifnet, group: number, was: SourceFilter<number>, is: SourceFilter<number>): Errno {
    return inChangeFilter(this.inNet, ifp, group, was, is);
  }

  activate(on: boolean): void {
    if (this.ip !== null) this.ip.mrouter = on || this.igmp.links.list().some((l) => l.querier !== null) ? this : null;
  }

  private get inNet(): Ip['inNet'] {
    return (this.ip as Ip).inNet;
  }

  private departed(ifp: Ifnet): void {
    if (this.made === null) return;
    this.made.departed(ifp);
    if (this.ip !== null) this.activate(this.router.vifs.length > 0);
  }
}
