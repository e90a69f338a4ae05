/**
 * querier.ts — McastQuerier: the router's side of IGMP and MLD on one link: asks, and remembers who listens to what.
 * Read first: RFC 9776 §6 and §7.3, RFC 9777 §7 and §8.3; RFC 2236 §3 for the older version.
 *
 * Theory of operation. Of all routers of a link the one with the lowest address asks (§6.6.2); the others listen, and take over when nothing has
 * been heard of it for the "other querier present interval". The one that asks begins with a few queries in quick succession.
 * For each group it keeps a filter with timers (the table of §6.4): in INCLUDE mode the sources somebody wants, each with the time it is
 * wanted until; in EXCLUDE mode the time of the group, the sources that somebody wants by name (timer runs) and those that nobody wants (timer is
 * 0). A report that takes something away makes the querier ask whether others still want it (last member query), a few times, with what is asked about lowered to the
 * time that takes. A member of an older version makes the group work as if all were that old.
 *
 *            IS_EX, TO_EX                             group timer runs out
 *   INCLUDE ──────────────▶ EXCLUDE  ──────────────────────────────────────▶ INCLUDE of what still runs, or the group is gone
 *
 * Invariants: a group that wants nothing is not in the table. Each group has one timer, armed for the earliest of its moments. Groups and sources are bounded;
 * what does not fit is counted, and where there is no room for a source list everything is let through (EXCLUDE of nothing).
 * Not here: bytes and addresses (the family's McastQuerierPort); forwarding (mroute.ts).
 *
 * @rfc 9776 6 yes
 * @rfc 9776 7.3 yes
 * @rfc 9777 7 yes
 * @rfc 9777 8.3 yes
 */
import { NEVER } from '../../base/time.js';
import type { Micros } from '../../base/time.js';
import { Callout } from '../../kern/callout.js';
import type { CalloutOwner } from '../../kern/callout.js';
import type { Engine } from '../../kern/engine.js';
import type { Ifnet } from '../ifnet.js';
import {
  ALLOW_NEW_SOURCES, BLOCK_OLD_SOURCES, CHANGE_TO_EXCLUDE_MODE, CHANGE_TO_INCLUDE_MODE, MODE_IS_EXCLUDE, MODE_IS_INCLUDE,
} from './group-record.js';
import { GROUPS, ORIGINAL, SOURCES } from './host.js';
import type { McastVersion } from './host.js';
import { ANY_SOURCE, MCAST_EXCLUDE, MCAST_INCLUDE } from './source-filter.js';
import type { McastAddr, SourceFilter } from './source-filter.js';

const US_PER_S = 1_000_000;

/** What an administrator may set of a querier. */
export interface QuerierOptions {
  version: McastVersion;
  robustness: number;
  queryIntervalS: number;
  responseIntervalS: number;
  /** Between last member queries. */
  lastMemberIntervalS: number;
  /** Nobody else is behind this interface: who leaves is gone at once. */
  fastLeave: boolean;
  groupsMax: number;
  sourcesMax: number;
}

export const QUERIER_DEFAULTS: Readonly<QuerierOptions> = {
  version: SOURCES, robustness: 2, queryIntervalS: 125, responseIntervalS: 10, lastMemberIntervalS: 1, fastLeave: false, groupsMax: 1_024, sourcesMax: 512,
};

/** A query as it is sent. `group` null: for everything. */
export interface McastQuery<A extends McastAddr> {
  readonly group: A | null;
  readonly sources: readonly A[];
  /** S: routers shall not lower their timers. */
  readonly suppress: boolean;
  readonly responseUs: Micros;
}

export interface McastQuerierPort<A extends McastAddr> {
  readonly engine: Engine;
  readonly owner: CalloutOwner;
  /** Is this group kept? Not those of the link itself, which nobody forwards. */
  tracked(group: A): boolean;
  /** Our address on the link, by which queriers are elected; null: none, then we do not ask. */
  address(ifp: Ifnet): A | null;
  query(ifp: Ifnet, q: McastQuery<A>, options: Readonly<QuerierOptions>): void;
  /** What the link wants of `group` is another thing now. */
  listenersChanged(ifp: Ifnet, group: A): void;
}

export class QuerierStats {
  queriesSent = 0;
  queriesHeard = 0;
  reports = 0;
  leaves = 0;
  /** Groups, and source lists, there was no room for. */
  groupsFull = 0;
  sourcesFull = 0;
}

/** What a link wants of one group. */
export class RouterGroup<A extends McastAddr> {
  readonly group: A;
  mode: typeof MCAST_INCLUDE | typeof MCAST_EXCLUDE = MCAST_INCLUDE;
  /** EXCLUDE: until when. */
  until: Micros = 0;
  /** Until when each source is wanted; 0 in EXCLUDE mode: not wanted. */
  readonly sources = new Map<A, Micros>();
  /** Until when a member of an older version counts as present. */
  originalUntil: Micros = 0;
  groupsUntil: Micros = 0;
  /** Who reported last. */
  lastReporter: A | null = null;
  /** Last member queries still to be sent, for the group and for sources, and when. */
  queriesLeft = 0;
  readonly sourceQueries = new Map<A, number>();
  nextQuery: Micros = NEVER;
  readonly timer: Callout;

  constructor(group: A, owner: CalloutOwner, run: (g: RouterGroup<A>) => void) {
    this.group = group;
    this.timer = new Callout(owner, () => run(this));
  }

  /** What the link wants, as a filter. */
  filter(): SourceFilter<A> {
    if (this.mode === MCAST_EXCLUDE && this.sources.size === 0) return ANY_SOURCE;
    const sources = new Set<A>();
    for (const [s, until] of this.sources) if (this.mode === MCAST_INCLUDE || until === 0) sources.add(s);
    return { mode: this.mode, sources };
  }

  /** Is a packet from `source` wanted? */
  wants(source: A): boolean {
    const until = this.sources.get(source);
    return this.mode === MCAST_INCLUDE ? until !== undefined : until !== 0;
  }
}

export class McastQuerier<A extends McastAddr> {
  readonly ifp: Ifnet;
  readonly options: QuerierOptions;
  readonly stats = new QuerierStats();
  readonly groups = new Map<A, RouterGroup<A>>();
  /** The other querier, while there is one with a lower address. */
  other: A | null = null;
  private readonly port: McastQuerierPort<A>;
  private readonly ask: Callout;
  private readonly otherPresent: Callout;
  private startupLeft = 0;
  /** In force: the other querier's while there is one. */
  private robustness: number;
  private queryIntervalS: number;

  constructor(ifp: Ifnet, port: McastQuerierPort<A>, options: QuerierOptions) {
    this.ifp = ifp;
    this.port = port;
    this.options = options;
    this.robustness = options.robustness;
    this.queryIntervalS = options.queryIntervalS;
    this.ask = new Callout(port.owner, () => this.askAll());
    this.otherPresent = new Callout(port.owner, () => this.start());
  }

  /** Do we ask on this link? */
  get isQuerier(): boolean {
    return this.other === null;
  }

  /** Begins, or begins anew: as the querier, until a lower address is heard. */
  start(): void {
    this.other = null;
    this.robustness = this.options.robustness;
    this.queryIntervalS = this.options.queryIntervalS;
    this.port.engine.calloutStop(this.otherPresent);
    this.startupLeft = this.robustness;
    this.askAll();
  }

  destroy(): void {
    const { engine } = this.port;
    engine.calloutStop(this.ask);
    engine.calloutStop(this.otherPresent);
    for (const g of [...this.groups.values()]) this.remove(g);
  }

  /** Does the link want packets from `source` to `group`? */
  wants(group: A, source: A): boolean {
    return this.groups.get(group)?.wants(source) ?? false;
  }

  /**
   * A query came in from `from`. With `suppress` off, who listens lowers its timers as the asker does. `robustness` and `queryIntervalS` are what it says of
   * itself, 0 for nothing.
   */
  heardQuery(from: A, q: McastQuery<A>, robustness: number, queryIntervalS: number): void {
    this.stats.queriesHeard++;
    const ours = this.port.address(this.ifp);
    if (ours !== null && from > ours) return;
    if (ours === from) return;
    if (this.other === null || from <= this.other) {
      this.other = from;
      this.port.engine.calloutStop(this.ask);
      for (const g of this.groups.values()) this.stopAsking(g);
      this.robustness = robustness > 0 ? robustness : this.options.robustness;
      this.queryIntervalS = queryIntervalS > 0 ? queryIntervalS : this.options.queryIntervalS;
    }
    const presentS = this.robustness * this.queryIntervalS + q.responseUs / (2 * US_PER_S);
    this.port.engine.calloutReset(this.otherPresent, presentS * US_PER_S);
    if (q.suppress || q.group === null) return;
    const g = this.groups.get(q.group);
    if (g === undefined) return;
    const soon = this.now + this.robustness * q.responseUs;
    if (q.sources.length === 0) g.until = Math.min(g.until, soon);
    else for (const s of q.sources) this.lower(g, s, soon);
    this.arm(g);
  }

  /** A report of an older version. */
  heardOld(from: A, group: A, version: typeof ORIGINAL | typeof GROUPS): void {
    this.stats.reports++;
    const g = this.groupFor(group);
    if (g === null) return;
    if (version === ORIGINAL) g.originalUntil = this.now + this.gmi();
    else g.groupsUntil = this.now + this.gmi();
    g.lastReporter = from;
    this.isExclude(g, []);
    this.settle(g);
  }

  /** A member of an older version leaves: as TO_IN of nothing. */
  heardLeave(group: A): void {
    this.stats.leaves++;
    const g = this.groups.get(group);
    if (g === undefined || g.originalUntil > this.now) return;
    this.toInclude(g, []);
    this.settle(g);
  }

  /** One record of a report. Records of a type we do not know are ignored (§4.2.12). */
  heardRecord(from: A, type: number, group: A, sources: readonly A[]): void {
    if (type < MODE_IS_INCLUDE || type > BLOCK_OLD_SOURCES) return;
    const wantsNothing = (type === CHANGE_TO_INCLUDE_MODE || type === MODE_IS_INCLUDE || type === ALLOW_NEW_SOURCES) && sources.length === 0;
    const g = wantsNothing || type === BLOCK_OLD_SOURCES ? (this.groups.get(group) ?? null) : this.groupFor(group);
    if (g === null) return;
    if (type !== BLOCK_OLD_SOURCES) g.lastReporter = from;
    const version = this.versionOf(g);
    const list = sources.length > this.options.sourcesMax ? this.tooMany(sources) : sources;
    if (type === MODE_IS_INCLUDE || type === ALLOW_NEW_SOURCES) this.include(g, list);
    else if (type === MODE_IS_EXCLUDE) this.isExclude(g, list);
    else if (type === CHANGE_TO_EXCLUDE_MODE) this.toExclude(g, version === SOURCES ? list : []);
    else if (type === CHANGE_TO_INCLUDE_MODE) {
      if (version === ORIGINAL && sources.length === 0) return;
      this.toInclude(g, list);
    } else if (version === SOURCES) this.block(g, list);
    this.settle(g);
  }

  /** What the members of a group can: the oldest of them counts (§7.3.2). */
  versionOf(g: RouterGroup<A>): McastVersion {
    if (g.originalUntil > this.now) return ORIGINAL;
    return g.groupsUntil > this.now ? GROUPS : SOURCES;
  }

  private get now(): Micros {
    return this.port.engine.now;
  }

  private gmi(): Micros {
    return (this.robustness * this.queryIntervalS + this.options.responseIntervalS) * US_PER_S;
  }

  /** How long the last member queries take. */
  private lmqt(): Micros {
    return this.options.fastLeave ? 0 : this.robustness * this.options.lastMemberIntervalS * US_PER_S;
  }

  private tooMany(sources: readonly A[]): readonly A[] {
    this.stats.sourcesFull++;
    return sources.slice(0, this.options.sourcesMax);
  }

  private groupFor(group: A): RouterGroup<A> | null {
    const there = this.groups.get(group);
    if (there !== undefined) return there;
    if (!this.port.tracked(group)) return null;
    if (this.groups.size >= this.options.groupsMax) {
      this.stats.groupsFull++;
      return null;
    }
    const g = new RouterGroup<A>(group, this.port.owner, (due) => this.run(due));
    this.groups.set(group, g);
    return g;
  }

  private remove(g: RouterGroup<A>): void {
    this.port.engine.calloutStop(g.timer);
    this.groups.delete(g.group);
  }

  /** IS_IN and ALLOW, in either mode: these sources are wanted for another while. */
  private include(g: RouterGroup<A>, sources: readonly A[]): void {
    for (const s of sources) {
      if (!g.sources.has(s) && g.sources.size >= this.options.sourcesMax) this.stats.sourcesFull++;
      else g.sources.set(s, this.now + this.gmi());
    }
  }

  private isExclude(g: RouterGroup<A>, sources: readonly A[]): void {
    this.becomeExclude(g, sources, this.now + this.gmi());
    g.until = this.now + this.gmi();
  }

  /** Into (or anew in) EXCLUDE mode with what is excluded; what is new there and was not excluded before is wanted until `fresh`. */
  private becomeExclude(g: RouterGroup<A>, sources: readonly A[], fresh: Micros): void {
    const listed = new Set<A>(sources);
    const was = g.mode;
    g.mode = MCAST_EXCLUDE;
    for (const s of [...g.sources.keys()]) if (!listed.has(s)) g.sources.delete(s);
    for (const s of listed) if (!g.sources.has(s)) g.sources.set(s, was === MCAST_INCLUDE ? 0 : fresh);
  }

  private toExclude(g: RouterGroup<A>, sources: readonly A[]): void {
    // New sources run as long as the group did before this report (the table's "Group Timer" is the old one).
    const fresh = g.mode === MCAST_EXCLUDE ? g.until : this.now;
    this.becomeExclude(g, sources, fresh);
    this.askSources(g, sources.filter((s) => (g.sources.get(s) ?? 0) > 0));
    g.until = this.now + this.gmi();
  }

  private toInclude(g: RouterGroup<A>, sources: readonly A[]): void {
    const listed = new Set<A>(sources);
    const others = [...g.sources].filter(([s, until]) => until > 0 && !listed.has(s)).map(([s]) => s);
    this.include(g, sources);
    this.askSources(g, others);
    if (g.mode === MCAST_EXCLUDE) this.askGroup(g);
  }

  private block(g: RouterGroup<A>, sources: readonly A[]): void {
    if (g.mode === MCAST_EXCLUDE) {
      for (const s of sources) {
        if (g.sources.has(s)) continue;
        if (g.sources.size >= this.options.sourcesMax) this.stats.sourcesFull++;
        else g.sources.set(s, g.until);
      }
    }
    this.askSources(g, sources.filter((s) => (g.sources.get(s) ?? 0) > 0));
  }

  private lower(g: RouterGroup<A>, source: A, to: Micros): void {
    const until = g.sources.get(source);
    if (until !== undefined && until > to) g.sources.set(source, to);
  }

  /** Q(G): does anybody still want the group? */
  private askGroup(g: RouterGroup<A>): void {
    if (!this.isQuerier) return;
    g.until = Math.min(g.until, this.now + this.lmqt());
    if (this.options.fastLeave) return;
    g.queriesLeft = this.robustness;
    g.nextQuery = this.now;
  }

  /** Q(G, S): and these sources? */
  private askSources(g: RouterGroup<A>, sources: readonly A[]): void {
    if (!this.isQuerier || sources.length === 0) return;
    const soon = Math.max(1, this.now + this.lmqt());
    for (const s of sources) {
      if ((g.sources.get(s) ?? 0) <= soon) continue;
      this.lower(g, s, soon);
      if (!this.options.fastLeave) g.sourceQueries.set(s, this.robustness);
    }
    if (g.sourceQueries.size > 0) g.nextQuery = this.now;
  }

  private stopAsking(g: RouterGroup<A>): void {
    g.queriesLeft = 0;
    g.sourceQueries.clear();
    g.nextQuery = NEVER;
  }

  /** After a report: questions due are asked, the timer is set, and whoever forwards is told. */
  private settle(g: RouterGroup<A>): void {
    this.run(g);
    this.port.listenersChanged(this.ifp, g.group);
  }

  /** What is due of a group. */
  private run(g: RouterGroup<A>): void {
    if (g.nextQuery <= this.now) this.askMembers(g);
    const changed = this.expire(g);
    if (g.mode === MCAST_INCLUDE && g.sources.size === 0) this.remove(g);
    else this.arm(g);
    if (changed) this.port.listenersChanged(this.ifp, g.group);
  }

  /** The last member queries of §6.6.3: for the group, for sources that nobody has spoken for since, and for those somebody has. */
  private askMembers(g: RouterGroup<A>): void {
    const soon = this.now + this.lmqt();
    if (g.queriesLeft > 0) {
      g.queriesLeft--;
      this.send({ group: g.group, sources: [], suppress: g.until > soon, responseUs: this.options.lastMemberIntervalS * US_PER_S });
    }
    const [unsure, known]: [A[], A[]] = [[], []];
    for (const [s, n] of g.sourceQueries) {
      const until = g.sources.get(s) ?? 0;
      if (until > 0) (until > soon ? known : unsure).push(s);
      if (n > 1) g.sourceQueries.set(s, n - 1);
      else g.sourceQueries.delete(s);
    }
    for (const [list, suppress] of [[known, true], [unsure, false]] as const) {
      if (list.length > 0) this.send({ group: g.group, sources: list, suppress, responseUs: this.options.lastMemberIntervalS * US_PER_S });
    }
    const again = g.queriesLeft > 0 || g.sourceQueries.size > 0;
    g.nextQuery = again ? this.now + this.options.lastMemberIntervalS * US_PER_S : NEVER;
  }

  /** Timers that have run out (§6.2.2, §6.3, §6.5). True: the link wants something else now. */
  private expire(g: RouterGroup<A>): boolean {
    let changed = false;
    if (g.mode === MCAST_EXCLUDE && g.until <= this.now) {
      changed = true;
      g.mode = MCAST_INCLUDE;
      for (const [s, until] of [...g.sources]) if (until === 0) g.sources.delete(s);
    }
    for (const [s, until] of [...g.sources]) {
      if (until === 0 || until > this.now) continue;
      changed = true;
      if (g.mode === MCAST_EXCLUDE) g.sources.set(s, 0);
      else g.sources.delete(s);
    }
    return changed;
  }

  private arm(g: RouterGroup<A>): void {
    let next = g.mode === MCAST_EXCLUDE ? Math.min(g.until, g.nextQuery) : g.nextQuery;
    for (const until of g.sources.values()) if (until > 0 && until < next) next = until;
    if (next === NEVER) this.port.engine.calloutStop(g.timer);
    else this.port.engine.calloutReset(g.timer, Math.max(0, next - this.now));
  }

  private askAll(): void {
    const { options } = this;
    this.send({ group: null, sources: [], suppress: false, responseUs: options.responseIntervalS * US_PER_S });
    if (this.startupLeft > 0) this.startupLeft--;
    this.port.engine.calloutReset(this.ask, (this.startupLeft > 0 ? options.queryIntervalS / 4 : options.queryIntervalS) * US_PER_S);
  }

  private send(q: McastQuery<A>): void {
    if (!this.isQuerier || this.port.address(this.ifp) === null) return;
    this.stats.queriesSent++;
    this.port.query(this.ifp, q, this.options);
  }
}
