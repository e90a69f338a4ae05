/**
 * mld6.ts — class Mld: which IPv6 groups this host listens to, told to the routers of its links; and, where it is such a router, who listens to what.
 * Read first: net/mcast/host.ts and net/mcast/querier.ts, which do the thinking; inet/igmp.ts, the same for IPv4; RFC 9777; mld(4).
 *
 * Every group is told but all nodes (ff02::1) and those of the reserved and interface-local scopes (§6): solicited-node groups are, so that a bridge that
 * snoops lets neighbour discovery through. Groups and sources are plain addresses here, as one number each: a link is one zone.
 *
 * Life: made (PROTO_MC) before IPv6, which it waits for (`attach`); let go of by IPv6, and destroyed after everything that joins groups.
 *
 * @rfc 9777 9 yes
 * @rfc 3810 yes
 * @rfc 2710 yes
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EINVAL } from '../base/errno.js';
import type { Prng } from '../base/prng.js';
import type { Micros } from '../base/time.js';
import type { AuditRow } from '../kern/audit.js';
import type { CalloutOwner } from '../kern/callout.js';
import type { Engine } from '../kern/engine.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ifAllmulti } from '../net/if.js';
import type { Ifnet } from '../net/ifnet.js';
import type { GroupRecord } from '../net/mcast/group-record.js';
import { GROUPS, SOURCES } from '../net/mcast/host.js';
import type { McastHost, McastHostPort, McastVersion } from '../net/mcast/host.js';
import { McastLinks, isMcastLink } from '../net/mcast/links.js';
import type { McastQuerier, McastQuerierPort, McastQuery, QuerierOptions } from '../net/mcast/querier.js';
import type { SourceFilter } from '../net/mcast/source-filter.js';
import type { Net } from '../net/net.js';
import { IP6_SCOPE_INTFACELOCAL, IP6_SCOPE_LINKLOCAL, ip6BigOf, ip6OfBig, ip6Plain } from '../wire/addr6.js';
import { MLDV2_LISTENER_REPORT, MLD_LISTENER_DONE, MLD_LISTENER_QUERY, MLD_LISTENER_REPORT } from '../wire/icmp6.js';
import type { Icmp6, Icmp6Handler } from './icmp6.js';
import { IN6_IFF_ANYCAST, IN6_IFF_NOTREADY } from './in6-ifaddr.js';
import { in6JoinGroup, in6LeaveGroup } from './in6-mcast.js';
import type { In6GroupReporter } from './in6-net.js';
import type { Ip6OutputOpts } from './ip6-output.js';
import type { Ip6 } from './ip6.js';
import { mldInput } from './mld6-input.js';
import { ALL_NODES, ALL_ROUTERS, ALL_V2_ROUTERS, mldOutputOpts, mldSendDone, mldSendOld, mldSendQuery, mldSendReport } from './mld6-output.js';
import { MLD_COUNTERS, MLD_SYSCTLS, MldStats, MldTunables } from './mld6-var.js';

const US_PER_S = 1_000_000;
const TYPES = [MLD_LISTENER_QUERY, MLD_LISTENER_REPORT, MLD_LISTENER_DONE, MLDV2_LISTENER_REPORT];

const MLD_AUDIT: readonly AuditRow<Mld>[] = [
  { name: 'IPv6 groups told to routers', count: (g) => g.links.list().reduce((n, l) => n + (l.host?.groups.size ?? 0), 0) },
  { name: 'IPv6 queriers', count: (g) => g.links.list().filter((l) => l.querier !== null).length },
  { name: 'IPv6 groups heard by queriers', count: (g) => g.links.list().reduce((n, l) => n + (l.querier?.groups.size ?? 0), 0) },
];

export class Mld implements In6GroupReporter, Icmp6Handler, McastHostPort<bigint>, McastQuerierPort<bigint> {
  readonly net: Net;
  readonly engine: Engine;
  readonly owner: CalloutOwner;
  readonly links: McastLinks<bigint>;
  readonly stats = new MldStats();
  readonly tun = new MldTunables();
  ip6: Ip6 | null = null;
  /** Told when what a link wants of a group has changed: multicast forwarding. */
  mroute: { listenersChanged(ifp: Ifnet, group: bigint): void } | null = null;
  private icmp6: Icmp6 | null = null;
  private made: { readonly rng: Prng; readonly opts: Ip6OutputOpts } | null = null;

  constructor(net: Net) {
    this.net = net;
    this.owner = net.kern;
    this.engine = net.kern.engine;
    this.links = new McastLinks<bigint>(net, this);
    net.kern.audit.attach(MLD_AUDIT, this);
    net.kern.counters.attach(MLD_COUNTERS, this.stats);
    net.kern.sysctl.attach(MLD_SYSCTLS, this.tun);
  }

  /** IPv6 is there. */
  attach(ip6: Ip6, icmp6: Icmp6): void {
    this.ip6 = ip6;
    this.icmp6 = icmp6;
    ip6.in6Net.groupReporter = this;
    for (const type of TYPES) icmp6.handle(type, this);
  }

  /** IPv6 goes: nothing is sent any more. */
  detach(): void {
    if (this.ip6 === null) return;
    for (const { ifp } of this.links.list()) this.setQuerier(ifp, null);
    for (const type of TYPES) this.icmp6?.handle(type, null);
    this.ip6.in6Net.groupReporter = null;
    this.ip6 = null;
    this.icmp6 = null;
  }

  destroy(): void {
    this.links.destroy();
    this.net.kern.sysctl.detach(this.tun);
    this.net.kern.counters.detach(this.stats);
  }

  hostOf(ifp: Ifnet): McastHost<bigint> | null {
    return this.links.hostOf(ifp);
  }

  querierOf(ifp: Ifnet): McastQuerier<bigint> | null {
    return this.links.querierOf(ifp);
  }

  /** The host's side of an interface, made when it is not there yet; null where nothing is told. */
  hostFor(ifp: Ifnet): McastHost<bigint> | null {
    return this.ip6 === null ? null : this.links.hostFor(ifp);
  }

  /** Makes, with null unmakes, a querier on `ifp`. EINVAL: no multicast there, or loopback; EADDRNOTAVAIL: no IPv6. Thread context. */
  setQuerier(ifp: Ifnet, options: QuerierOptions | null): Errno {
    this.engine.assertThread();
    const in6Net = this.ip6?.in6Net ?? null;
    if (in6Net === null || in6Net.ifinfo(ifp) === null) return EADDRNOTAVAIL;
    if (!isMcastLink(ifp)) return EINVAL;
    if (this.querierOf(ifp) !== null) {
      for (const group of [ALL_ROUTERS, ALL_V2_ROUTERS]) in6LeaveGroup(in6Net, ifp, ip6OfBig(group));
      ifAllmulti(ifp, false);
      this.links.dropQuerier(ifp);
    }
    if (options === null) return 0;
    const querier = this.links.makeQuerier(ifp, options);
    ifAllmulti(ifp, true);
    for (const group of [ALL_ROUTERS, ALL_V2_ROUTERS]) in6JoinGroup(in6Net, ifp, ip6OfBig(group));
    querier.start();
    return 0;
  }

  /** Does MLD want messages to groups nobody has joined, from this interface? Packet path. */
  hears(ifp: Ifnet): boolean {
    return this.querierOf(ifp) !== null;
  }

  /** Icmp6Handler */
  icmp6Input(_type: number, ifp: Ifnet, m: PacketBuffer, off: number): void {
    mldInput(this, ifp, m, off);
  }

  /** In6GroupReporter */
  changed(ifp: Ifnet, group: bigint, was: SourceFilter<bigint>, is: SourceFilter<bigint>): void {
    if (this.reportable(group)) this.hostFor(ifp)?.changed(group, was, is);
  }

  /** Raw sockets get every valid message. Owns `m`. */
  toRaw(m: PacketBuffer, off: number): void {
    if (this.icmp6 === null) m.free();
    else this.icmp6.toRaw(m, off);
  }

  // McastHostPort and McastQuerierPort

  get rng(): Prng {
    return this.parts().rng;
  }

  get outputOpts(): Ip6OutputOpts {
    return this.parts().opts;
  }

  reportable(group: bigint): boolean {
    return Number((group >> 112n) & 0xfn) > IP6_SCOPE_INTFACELOCAL && group !== ALL_NODES;
  }

  tracked(group: bigint): boolean {
    return Number((group >> 112n) & 0xfn) > IP6_SCOPE_LINKLOCAL;
  }

  newest(): McastVersion {
    return this.tun.v2enable !== 0 ? SOURCES : GROUPS;
  }

  follows(version: McastVersion): boolean {
    return version === GROUPS && this.tun.v1enable !== 0;
  }

  usesAllow(): boolean {
    return this.tun.useAllow !== 0;
  }

  sourceQueryGapUs(): Micros {
    return this.tun.gsrdelay * US_PER_S;
  }

  report(ifp: Ifnet, records: readonly GroupRecord<bigint>[]): void {
    mldSendReport(this, ifp, records);
  }

  reportOld(ifp: Ifnet, _version: number, group: bigint): void {
    mldSendOld(this, ifp, group);
  }

  leaveOld(ifp: Ifnet, group: bigint): void {
    mldSendDone(this, ifp, group);
  }

  /** The link-local address messages go out with. */
  address(ifp: Ifnet): bigint | null {
    const ia = this.ip6?.in6Net.linkLocalOf(ifp, IN6_IFF_NOTREADY | IN6_IFF_ANYCAST) ?? null;
    return ia === null ? null : ip6BigOf(ip6Plain(ia.addr));
  }

  query(ifp: Ifnet, q: McastQuery<bigint>, options: Readonly<QuerierOptions>): void {
    mldSendQuery(this, ifp, q, options);
  }

  listenersChanged(ifp: Ifnet, group: bigint): void {
    this.mroute?.listenersChanged(ifp, group);
  }

  private parts(): { readonly rng: Prng; readonly opts: Ip6OutputOpts } {
    return (this.made ??= { rng: this.engine.rng.split(`mld/${this.net.kern.id}/${this.net.kern.name}`), opts: mldOutputOpts() });
  }
}
