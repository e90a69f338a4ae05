/**
 * igmp.ts — class Igmp: which IPv4 groups this host listens to, told to the routers of its links; and, where it is such a router, who listens to what.
 * Read first: net/mcast/host.ts and net/mcast/querier.ts, which do the thinking for IPv4 and IPv6 alike; RFC 9776; igmp(4).
 *
 * Theory of operation. InNet says what an interface wants (`changed`); messages come from IP (`input`). Both find the interface's McastHost, which is made
 * with the first group that has to be told, or the first query, and its McastQuerier, made when an administrator wants one there. A querier needs to hear reports
 * to groups nobody here has joined: IP asks `hears`.
 *
 * Life: made (PROTO_MC) before IP, which it waits for (`attach`); let go of by IP, and destroyed after everything that joins groups.
 * Invariants: nothing is told on loopback interfaces and those that know no multicast; all hosts (224.0.0.1) never. An interface that leaves is forgotten,
 * with its timers.
 *
 * @rfc 9776 8 yes
 * @rfc 3376 yes
 * @rfc 2236 yes
 * @rfc 1112 yes
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
import { GROUPS, ORIGINAL, SOURCES } from '../net/mcast/host.js';
import type { McastHost, McastHostPort, McastVersion } from '../net/mcast/host.js';
import { McastLinks, isMcastLink } from '../net/mcast/links.js';
import type { McastQuerier, McastQuerierPort, McastQuery, QuerierOptions } from '../net/mcast/querier.js';
import type { SourceFilter } from '../net/mcast/source-filter.js';
import type { Net } from '../net/net.js';
import { INADDR_ALLHOSTS_GROUP, INADDR_ALLRPTS_GROUP, INADDR_ALLRTRS_GROUP, ip4IsLocalGroup } from '../wire/addr.js';
import { IPPROTO_IGMP } from '../wire/ipproto.js';
import { igmpInput } from './igmp-input.js';
import { IgmpOutput, igmpSendLeave, igmpSendOld, igmpSendQuery, igmpSendReport } from './igmp-output.js';
import { IGMP_COUNTERS, IGMP_SYSCTLS, IgmpStats, IgmpTunables } from './igmp-var.js';
import { inJoinGroup, inLeaveGroup } from './in-mcast.js';
import type { InGroupReporter } from './in-net.js';
import type { Ip, IpProto } from './ip.js';

const US_PER_S = 1_000_000;

const IGMP_AUDIT: readonly AuditRow<Igmp>[] = [
  { name: 'IPv4 groups told to routers', count: (g) => g.links.list().reduce((n, l) => n + (l.host?.groups.size ?? 0), 0) },
  { name: 'IPv4 queriers', count: (g) => g.links.list().filter((l) => l.querier !== null).length },
  { name: 'IPv4 groups heard by queriers', count: (g) => g.links.list().reduce((n, l) => n + (l.querier?.groups.size ?? 0), 0) },
];

export class Igmp implements IpProto, InGroupReporter, McastHostPort<number>, McastQuerierPort<number> {
  readonly net: Net;
  readonly engine: Engine;
  readonly owner: CalloutOwner;
  readonly links: McastLinks<number>;
  readonly stats = new IgmpStats();
  readonly tun = new IgmpTunables();
  ip: Ip | null = null;
  /** Told when what a link wants of a group has changed: multicast forwarding. */
  mroute: { listenersChanged(ifp: Ifnet, group: number): void } | null = null;
  private made: { readonly rng: Prng; readonly output: IgmpOutput } | null = null;

  constructor(net: Net) {
    this.net = net;
    this.owner = net.kern;
    this.engine = net.kern.engine;
    net.kern.audit.attach(IGMP_AUDIT, this);
    net.kern.counters.attach(IGMP_COUNTERS, this.stats);
    net.kern.sysctl.attach(IGMP_SYSCTLS, this.tun);
    this.links = new McastLinks<number>(net, this);
  }

  /** IP is there. */
  attach(ip: Ip): void {
    this.ip = ip;
    ip.inNet.groupReporter = this;
    ip.register(IPPROTO_IGMP, this);
  }

  /** IP goes: nothing is sent any more. */
  detach(): void {
    if (this.ip === null) return;
    for (const { ifp } of this.links.list()) this.setQuerier(ifp, null);
    this.ip.register(IPPROTO_IGMP, null);
    this.ip.inNet.groupReporter = null;
    this.ip = null;
  }

  destroy(): void {
    this.links.destroy();
    this.net.kern.sysctl.detach(this.tun);
    this.net.kern.counters.detach(this.stats);
  }

  hostOf(ifp: Ifnet): McastHost<number> | null {
    return this.links.hostOf(ifp);
  }

  querierOf(ifp: Ifnet): McastQuerier<number> | null {
    return this.links.querierOf(ifp);
  }

  /** The host's side of an interface, made when it is not there yet; null where nothing is told. */
  hostFor(ifp: Ifnet): McastHost<number> | null {
    return this.ip === null ? null : this.links.hostFor(ifp);
  }

  /**
   * Makes, with null unmakes, a querier on `ifp`. EINVAL: no multicast there, or loopback; EADDRNOTAVAIL: no IPv4. Thread context.
   */
  setQuerier(ifp: Ifnet, options: QuerierOptions | null): Errno {
    this.engine.assertThread();
    const inNet = this.ip?.inNet ?? null;
    if (inNet === null || inNet.ifinfo(ifp) === null) return EADDRNOTAVAIL;
    if (!isMcastLink(ifp)) return EINVAL;
    if (this.querierOf(ifp) !== null) {
      for (const group of [INADDR_ALLRTRS_GROUP, INADDR_ALLRPTS_GROUP]) inLeaveGroup(inNet, ifp, group);
      ifAllmulti(ifp, false);
      this.links.dropQuerier(ifp);
    }
    if (options === null) return 0;
    const querier = this.links.makeQuerier(ifp, options);
    ifAllmulti(ifp, true);
    for (const group of [INADDR_ALLRTRS_GROUP, INADDR_ALLRPTS_GROUP]) inJoinGroup(inNet, ifp, group);
    querier.start();
    return 0;
  }

  /** Does IGMP want messages to groups nobody has joined, from this interface? Packet path. */
  hears(ifp: Ifnet): boolean {
    return this.querierOf(ifp) !== null;
  }

  /** IpProto */
  input(ifp: Ifnet, m: PacketBuffer, hlen: number): void {
    igmpInput(this, ifp, m, hlen);
  }

  /** InGroupReporter */
  changed(ifp: Ifnet, group: number, was: SourceFilter<number>, is: SourceFilter<number>): void {
    if (this.reportable(group)) this.hostFor(ifp)?.changed(group, was, is);
  }

  /** Raw sockets get every valid message. Owns `m`. */
  toRaw(m: PacketBuffer): void {
    const raw = this.ip?.raw ?? null;
    if (raw === null || !raw.deliver(m)) m.free();
  }

  // McastHostPort and McastQuerierPort

  get rng(): Prng {
    return this.parts().rng;
  }

  get output(): IgmpOutput {
    return this.parts().output;
  }

  reportable(group: number): boolean {
    return group !== INADDR_ALLHOSTS_GROUP && (this.tun.sendlocal !== 0 || !ip4IsLocalGroup(group));
  }

  tracked(group: number): boolean {
    return !ip4IsLocalGroup(group);
  }

  newest(): McastVersion {
    return this.tun.defaultVersion === 1 ? ORIGINAL : this.tun.defaultVersion === 2 ? GROUPS : SOURCES;
  }

  follows(version: McastVersion): boolean {
    return version === ORIGINAL ? this.tun.v1enable !== 0 : this.tun.v2enable !== 0;
  }

  usesAllow(): boolean {
    return true;
  }

  sourceQueryGapUs(): Micros {
    return this.tun.gsrdelay * US_PER_S;
  }

  report(ifp: Ifnet, records: readonly GroupRecord<number>[]): void {
    igmpSendReport(this, ifp, records);
  }

  reportOld(ifp: Ifnet, version: typeof ORIGINAL | typeof GROUPS, group: number): void {
    igmpSendOld(this, ifp, version, group);
  }

  leaveOld(ifp: Ifnet, group: number): void {
    igmpSendLeave(this, ifp, group);
  }

  address(ifp: Ifnet): number | null {
    return this.ip?.inNet.firstAddr(ifp)?.addr ?? null;
  }

  query(ifp: Ifnet, q: McastQuery<number>, options: Readonly<QuerierOptions>): void {
    igmpSendQuery(this, ifp, q, options);
  }

  listenersChanged(ifp: Ifnet, group: number): void {
    this.mroute?.listenersChanged(ifp, group);
  }

  private parts(): { readonly rng: Prng; readonly output: IgmpOutput } {
    return (this.made ??= { rng: this.engine.rng.split(`igmp/${this.net.kern.id}/${this.net.kern.name}`), output: new IgmpOutput() });
  }
}
