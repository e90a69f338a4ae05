/**
 * host.ts — McastHost: how a host tells the routers of one link which groups it listens to. IGMP and MLD are two codecs of it.
 * Read first: RFC 9776 §5 and §7.2 (IGMPv3), RFC 9777 §6 and §8.2 (MLDv2), RFC 2236 §3 and §6.
 *
 * Theory of operation. The family says what an interface wants of a group before and after a change (`changed`); here it becomes messages.
 * With a querier that can do sources (SOURCES: IGMPv3, MLDv2) a change is reported at once and again until it has been sent `robustness` times, at
 * random moments. A change of the mode sends the whole list; otherwise the sources that came and went. Changes that come in
 * between are merged: every report says what is true when it is sent (§5.1). Queries are answered with what is true then, at a random moment within the
 * time they allow; a query for everything by one timer of the interface, one for a group by the group's (§5.2).
 * An older querier was heard: until it has been silent long enough this host speaks its version. There each group has a timer, the report of another
 * host makes ours unnecessary, and who reported last says that it leaves (GROUPS: IGMPv2, MLDv1), or nobody does (ORIGINAL: IGMPv1).
 *
 *                        changed(): wants nothing -> something            query for it
 *         (not here) ─────────────────────────────────▶ member ────────────────────▶ `respond` is armed ──▶ report
 *              ▲                                          │  ▲                                               │
 *              └── `change` has sent RV leaves ◀──────────┘  └───────────────────────────────────────────────┘
 *
 * Invariants: a group is in `groups` while the interface wants something of it or still has to say that it does not. No timer runs after `destroy`.
 * Not here: bytes and addresses (the family's McastHostPort); who the members are (source-filter.ts).
 *
 * @rfc 9776 5.1 yes
 * @rfc 9776 5.2 yes
 * @rfc 9776 7.2 yes
 * @rfc 9777 6.1 yes
 * @rfc 9777 6.2 yes
 * @rfc 9777 8.2 yes
 */
import type { Micros } from '../../base/time.js';
import type { Prng } from '../../base/prng.js';
import { Callout } from '../../kern/callout.js';
import type { CalloutOwner } from '../../kern/callout.js';
import type { Engine } from '../../kern/engine.js';
import type { Ifnet } from '../ifnet.js';
import {
  ALLOW_NEW_SOURCES, BLOCK_OLD_SOURCES, CHANGE_TO_EXCLUDE_MODE, CHANGE_TO_INCLUDE_MODE, MODE_IS_EXCLUDE, MODE_IS_INCLUDE,
} from './group-record.js';
import type { GroupRecord } from './group-record.js';
import { MCAST_EXCLUDE, MCAST_INCLUDE, NO_SOURCE, filterEquals, filterIsEmpty, filterPasses } from './source-filter.js';
import type { McastAddr, SourceFilter } from './source-filter.js';

/** Generations of the protocol: what IGMP calls 1, 2, 3; MLD's versions 1 and 2 are GROUPS and SOURCES. */
export const ORIGINAL = 1;
export const GROUPS = 2;
export const SOURCES = 3;
export type McastVersion = typeof ORIGINAL | typeof GROUPS | typeof SOURCES;

const US_PER_S = 1_000_000;
/** Defaults of FreeBSD: robustness, query interval, response interval, unsolicited report interval (s). */
const RV_INIT = 2;
const QI_INIT_S = 125;
const QRI_INIT_S = 10;
const URI_INIT_S = 3;
/** Longest wait of an unsolicited report, and the time a query of ORIGINAL allows. */
const OLD_DELAY_US = 10 * US_PER_S;
/** Sources of queries remembered for one answer; more, and the group is answered whole. */
const QUERIED_MAX = 512;

/** What a family does for a McastHost. One object for all interfaces of a vnet. */
export interface McastHostPort<A extends McastAddr> {
  readonly engine: Engine;
  readonly owner: CalloutOwner;
  readonly rng: Prng;
  /** Are memberships of the group told at all? Not those of all hosts. */
  reportable(group: A): boolean;
  /** The newest generation the administrator wants, and whether an older querier is to be followed. */
  newest(): McastVersion;
  follows(version: McastVersion): boolean;
  /** A source list that begins or ends a membership is told as sources that come and go, not as a change of mode. */
  usesAllow(): boolean;
  /** Least time between two answers for sources of one group. */
  sourceQueryGapUs(): Micros;
  report(ifp: Ifnet, records: readonly GroupRecord<A>[]): void;
  reportOld(ifp: Ifnet, version: typeof ORIGINAL | typeof GROUPS, group: A): void;
  leaveOld(ifp: Ifnet, group: A): void;
}

/** A group the interface has told, or will tell, the routers of. */
export class HostGroup<A extends McastAddr> {
  readonly group: A;
  filter: SourceFilter<A> = NO_SOURCE;
  /** Answers a query. */
  readonly respond: Callout;
  /** Repeats a change. */
  readonly change: Callout;
  /** Sources a query asked for; null: for the group whole. */
  queried: Set<A> | null = null;
  /** Times the mode is still to be sent, and each source that came or went. */
  modeLeft = 0;
  sourcesLeft: Map<A, number> | null = null;
  /** Older versions: nobody has reported it after us, so that we say when we leave. Reports still to be sent unasked. */
  lastReporter = false;
  oldLeft = 0;
  lastSourceQuery: Micros = -Infinity;

  constructor(group: A, owner: CalloutOwner, respond: (g: HostGroup<A>) => void, change: (g: HostGroup<A>) => void) {
    this.group = group;
    this.respond = new Callout(owner, () => respond(this));
    this.change = new Callout(owner, () => change(this));
  }
}

export class McastHost<A extends McastAddr> {
  readonly ifp: Ifnet;
  readonly groups = new Map<A, HostGroup<A>>();
  robustness = RV_INIT;
  queryIntervalS = QI_INIT_S;
  responseIntervalS = QRI_INIT_S;
  readonly unsolicitedS = URI_INIT_S;
  /** Until when a querier of ORIGINAL, of GROUPS, counts as present. */
  originalUntil: Micros = -Infinity;
  groupsUntil: Micros = -Infinity;
  private readonly port: McastHostPort<A>;
  private readonly general: Callout;
  private readonly ageing: Callout;
  /** The version spoken at the last look. */
  private spoken: McastVersion;

  constructor(ifp: Ifnet, port: McastHostPort<A>) {
    this.ifp = ifp;
    this.port = port;
    this.spoken = port.newest();
    this.general = new Callout(port.owner, () => this.answerAll());
    this.ageing = new Callout(port.owner, () => this.lookAtVersion());
  }

  /** The engine's time, for listings. */
  get now(): Micros {
    return this.port.engine.now;
  }

  /** Spoken on the link at this moment. */
  get version(): McastVersion {
    const now = this.port.engine.now;
    const newest = this.port.newest();
    if (newest === ORIGINAL || (this.originalUntil > now && this.port.follows(ORIGINAL))) return ORIGINAL;
    return newest === GROUPS || (this.groupsUntil > now && this.port.follows(GROUPS)) ? GROUPS : SOURCES;
  }

  /** What the interface wants of `group` was `was` and is `is`. */
  changed(group: A, was: SourceFilter<A>, is: SourceFilter<A>): void {
    if (!this.port.reportable(group) || filterEquals(was, is)) return;
    this.lookAtVersion();
    let g = this.groups.get(group);
    if (g === undefined) this.groups.set(group, (g = this.newGroup(group)));
    g.filter = is;
    if (this.spoken === SOURCES) this.noteChange(g, was, is);
    else if (filterIsEmpty(was)) this.joinOld(g);
    else if (filterIsEmpty(is)) this.leaveOld(g);
  }

  /** A query for everything, to be answered within `us`. `version`: the querier's. */
  generalQuery(version: McastVersion, us: Micros): void {
    const allowed = this.heard(version) === ORIGINAL ? OLD_DELAY_US : us;
    if (this.spoken !== SOURCES) {
      for (const g of this.groups.values()) this.scheduleOld(g, allowed);
      return;
    }
    this.soonest(this.general, this.random(allowed));
  }

  /** A query for `group`, or for `sources` of it when there are any. False: refused, the last one for sources was too recent. */
  groupQuery(version: McastVersion, us: Micros, group: A, sources: readonly A[] = []): boolean {
    this.heard(version);
    const g = this.groups.get(group);
    if (g === undefined || filterIsEmpty(g.filter)) return true;
    const { engine } = this.port;
    if (this.spoken !== SOURCES) {
      this.scheduleOld(g, us);
      return true;
    }
    if (sources.length > 0) {
      if (engine.now - g.lastSourceQuery < this.port.sourceQueryGapUs()) return false;
      g.lastSourceQuery = engine.now;
    }
    const delay = this.random(us);
    if (this.general.pending && this.general.deadline < engine.now + delay) return true;
    if (!g.respond.pending) g.queried = sources.length > 0 ? new Set<A>(sources.slice(0, QUERIED_MAX)) : null;
    else if (sources.length === 0 || g.queried === null) g.queried = null;
    else for (const s of sources) g.queried.add(s);
    if (g.queried !== null && (sources.length > QUERIED_MAX || g.queried.size > QUERIED_MAX)) g.queried = null;
    this.soonest(g.respond, delay);
    return true;
  }

  /** What a querier says of itself. Zeros leave what is. */
  learn(robustness: number, queryIntervalS: number, responseIntervalS: number): void {
    if (robustness > 0) this.robustness = robustness;
    if (queryIntervalS > 0) this.queryIntervalS = queryIntervalS;
    if (responseIntervalS > 0) this.responseIntervalS = responseIntervalS;
  }

  /** Another host reports `group` with an older version: ours need not. `always`: also while we speak the newest. */
  otherReported(group: A, always: boolean): boolean {
    const g = this.groups.get(group);
    if (g === undefined || filterIsEmpty(g.filter)) return false;
    if (this.spoken === SOURCES && !always) return true;
    this.port.engine.calloutStop(g.respond);
    g.lastReporter = false;
    g.oldLeft = 0;
    return true;
  }

  /** The link works again, or the administrator wants another version: everything is told anew, unasked. */
  tellAgain(): void {
    this.lookAtVersion();
    if (this.groups.size === 0) return;
    if (this.spoken === SOURCES) this.soonest(this.general, this.random(this.unsolicitedS * US_PER_S));
    else for (const g of this.groups.values()) this.scheduleOld(g, OLD_DELAY_US);
  }

  destroy(): void {
    const { engine } = this.port;
    for (const g of this.groups.values()) this.forget(g);
    engine.calloutStop(this.general);
    engine.calloutStop(this.ageing);
  }

  private newGroup(group: A): HostGroup<A> {
    return new HostGroup<A>(group, this.port.owner, (g) => this.answerGroup(g), (g) => this.sendChange(g));
  }

  private forget(g: HostGroup<A>): void {
    this.port.engine.calloutStop(g.respond);
    this.port.engine.calloutStop(g.change);
    this.groups.delete(g.group);
  }

  /** In (0, us]. */
  private random(us: Micros): Micros {
    return this.port.rng.below(Math.max(1, Math.floor(us))) + 1;
  }

  /** Arms `c`, unless it is due sooner already. */
  private soonest(c: Callout, us: Micros): void {
    const { engine } = this.port;
    if (!c.pending || c.deadline > engine.now + us) engine.calloutReset(c, us);
  }

  /** A querier of this version is on the link. Returns the version we answer in. */
  private heard(version: McastVersion): McastVersion {
    const { engine } = this.port;
    const present = (this.robustness * this.queryIntervalS + this.responseIntervalS) * US_PER_S;
    if (version === ORIGINAL) this.originalUntil = engine.now + present;
    else if (version === GROUPS) this.groupsUntil = engine.now + present;
    if (version !== SOURCES) this.armAgeing();
    this.lookAtVersion();
    return this.spoken;
  }

  private armAgeing(): void {
    const { engine } = this.port;
    const next = Math.min(...[this.originalUntil, this.groupsUntil].filter((t) => t > engine.now));
    if (next !== Infinity) engine.calloutReset(this.ageing, next - engine.now);
  }

  /** Another version from now on: what was to be said in the old one is not. */
  private lookAtVersion(): void {
    const version = this.version;
    if (!this.ageing.pending) this.armAgeing();
    if (version === this.spoken) return;
    this.spoken = version;
    this.port.engine.calloutStop(this.general);
    for (const g of this.groups.values()) {
      this.port.engine.calloutStop(g.respond);
      this.port.engine.calloutStop(g.change);
      g.queried = null;
      g.modeLeft = 0;
      g.sourcesLeft = null;
      g.oldLeft = 0;
      if (filterIsEmpty(g.filter)) this.forget(g);
    }
  }

  private noteChange(g: HostGroup<A>, was: SourceFilter<A>, is: SourceFilter<A>): void {
    const asMode = was.mode !== is.mode || (!this.port.usesAllow() && (filterIsEmpty(was) || filterIsEmpty(is)));
    if (asMode) {
      g.modeLeft = this.robustness;
      g.sourcesLeft = null;
    } else {
      const left = (g.sourcesLeft ??= new Map<A, number>());
      for (const s of was.sources) if (!is.sources.has(s)) left.set(s, this.robustness);
      for (const s of is.sources) if (!was.sources.has(s)) left.set(s, this.robustness);
    }
    this.sendChange(g);
  }

  /** One report of a change, and the next one if there has to be one. */
  private sendChange(g: HostGroup<A>): void {
    if (this.spoken !== SOURCES) return this.repeatOld(g);
    const records = this.changeRecords(g);
    if (records.length > 0) this.port.report(this.ifp, records);
    if (g.modeLeft > 0 || g.sourcesLeft !== null) this.port.engine.calloutReset(g.change, this.random(this.unsolicitedS * US_PER_S));
    else if (filterIsEmpty(g.filter)) this.forget(g);
  }

  private changeRecords(g: HostGroup<A>): GroupRecord<A>[] {
    const { group, filter } = g;
    const left = g.sourcesLeft;
    const [allowed, blocked]: [A[], A[]] = [[], []];
    for (const [s, n] of left ?? []) {
      (filterPasses(filter, s) ? allowed : blocked).push(s);
      if (n > 1) left?.set(s, n - 1);
      else left?.delete(s);
    }
    if (left?.size === 0) g.sourcesLeft = null;
    if (g.modeLeft > 0) {
      g.modeLeft--;
      return [{ type: filter.mode === MCAST_INCLUDE ? CHANGE_TO_INCLUDE_MODE : CHANGE_TO_EXCLUDE_MODE, group, sources: sorted(filter.sources) }];
    }
    const records: GroupRecord<A>[] = [];
    if (allowed.length > 0) records.push({ type: ALLOW_NEW_SOURCES, group, sources: allowed.sort(ascending) });
    if (blocked.length > 0) records.push({ type: BLOCK_OLD_SOURCES, group, sources: blocked.sort(ascending) });
    return records;
  }

  /** Answers a query for everything. */
  private answerAll(): void {
    const records: GroupRecord<A>[] = [];
    for (const g of this.groups.values()) if (!filterIsEmpty(g.filter)) records.push(currentState(g));
    if (records.length > 0) this.port.report(this.ifp, records);
  }

  /** Answers a query for a group, or for sources of it (§5.2, the table). */
  private answerGroup(g: HostGroup<A>): void {
    if (this.spoken !== SOURCES) return this.answerOld(g);
    const { queried, filter, group } = g;
    g.queried = null;
    if (filterIsEmpty(filter)) return;
    if (queried === null) return this.port.report(this.ifp, [currentState(g)]);
    const sources = [...queried].filter((s) => filterPasses(filter, s)).sort(ascending);
    if (sources.length > 0) this.port.report(this.ifp, [{ type: MODE_IS_INCLUDE, group, sources }]);
  }

  private oldVersion(): typeof ORIGINAL | typeof GROUPS {
    return this.spoken === ORIGINAL ? ORIGINAL : GROUPS;
  }

  /** Joined while an older querier is there: reported now and again. */
  private joinOld(g: HostGroup<A>): void {
    g.oldLeft = this.robustness - 1;
    this.answerOld(g);
    if (g.oldLeft > 0) this.port.engine.calloutReset(g.change, this.random(OLD_DELAY_US));
  }

  private repeatOld(g: HostGroup<A>): void {
    if (g.oldLeft <= 0) return;
    g.oldLeft--;
    this.answerOld(g);
    if (g.oldLeft > 0) this.port.engine.calloutReset(g.change, this.random(OLD_DELAY_US));
  }

  private leaveOld(g: HostGroup<A>): void {
    if (this.spoken === GROUPS && g.lastReporter) this.port.leaveOld(this.ifp, g.group);
    this.forget(g);
  }

  private answerOld(g: HostGroup<A>): void {
    if (filterIsEmpty(g.filter)) return;
    g.lastReporter = true;
    this.port.reportOld(this.ifp, this.oldVersion(), g.group);
  }

  private scheduleOld(g: HostGroup<A>, us: Micros): void {
    if (filterIsEmpty(g.filter)) return;
    const { engine } = this.port;
    if (!g.respond.pending || g.respond.deadline > engine.now + us) engine.calloutReset(g.respond, this.random(us));
  }
}

function currentState<A extends McastAddr>(g: HostGroup<A>): GroupRecord<A> {
  return { type: g.filter.mode === MCAST_EXCLUDE ? MODE_IS_EXCLUDE : MODE_IS_INCLUDE, group: g.group, sources: sorted(g.filter.sources) };
}

function ascending(a: McastAddr, b: McastAddr): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const sorted = <A extends McastAddr>(set: ReadonlySet<A>): A[] => [...set].sort(ascending);
