/**
 * source-filter.ts — which sources of a group somebody wants to hear, and the sum of what many want.
 * Read first: RFC 9776 §3 (RFC 9777 §4 says the same of IPv6).
 *
 * Theory of operation. A filter is a mode and a set: INCLUDE wants the set's sources and no others, EXCLUDE all but them. INCLUDE of nobody is
 * no membership. A GroupFilter is what an interface wants of one group: the sum of the filters of its members (sockets, the host itself). It counts,
 * for each source, the members that include it and those that exclude it, so that a member's change costs what the change is about;
 * `filter` is worked out from the counts: with an excluder among the members, EXCLUDE of what all excluders exclude and nobody includes,
 * otherwise INCLUDE of what anybody includes.
 *
 * An address is a number for IPv4 and a bigint of 128 bits for IPv6: a value that compares, sorts and is a key. This is the control plane; packet paths
 * compare words.
 *
 * Invariant: `excluders` <= `members`; a source is in the counts while one of its two is above 0.
 * Not here: limits (the transports refuse what is too long), reports (mcast/host.ts).
 *
 * @rfc 9776 3.2 yes
 * @rfc 9777 4.2 yes
 */

export type McastAddr = number | bigint;

export const MCAST_INCLUDE = 1;
export const MCAST_EXCLUDE = 2;
export type FilterMode = typeof MCAST_INCLUDE | typeof MCAST_EXCLUDE;

export interface SourceFilter<A extends McastAddr> {
  readonly mode: FilterMode;
  readonly sources: ReadonlySet<A>;
}

const EMPTY: ReadonlySet<never> = new Set<never>();
/** Everything: what a membership without a filter wants. */
export const ANY_SOURCE: SourceFilter<never> = { mode: MCAST_EXCLUDE, sources: EMPTY };
/** Nothing: no membership. */
export const NO_SOURCE: SourceFilter<never> = { mode: MCAST_INCLUDE, sources: EMPTY };

/** Does the filter let `source` through? */
export function filterPasses<A extends McastAddr>(f: SourceFilter<A>, source: A): boolean {
  return (f.mode === MCAST_INCLUDE) === f.sources.has(source);
}

/** No source gets through. */
export const filterIsEmpty = <A extends McastAddr>(f: SourceFilter<A>): boolean => f.mode === MCAST_INCLUDE && f.sources.size === 0;

export function filterEquals<A extends McastAddr>(a: SourceFilter<A>, b: SourceFilter<A>): boolean {
  if (a === b) return true;
  if (a.mode !== b.mode || a.sources.size !== b.sources.size) return false;
  for (const s of a.sources) if (!b.sources.has(s)) return false;
  return true;
}

interface SourceCount {
  include: number;
  exclude: number;
}

export class GroupFilter<A extends McastAddr> {
  members = 0;
  private excluders = 0;
  /** Null while no member names a source, which is nearly always. */
  private counts: Map<A, SourceCount> | null = null;
  /** The sum of the members' filters. */
  filter: SourceFilter<A> = NO_SOURCE;

  /** A member that wanted `was` (null: it was none) wants `is` (null: it leaves). Returns the sum before. */
  change(was: SourceFilter<A> | null, is: SourceFilter<A> | null): SourceFilter<A> {
    const before = this.filter;
    if (was !== null) this.count(was, -1);
    if (is !== null) this.count(is, 1);
    this.filter = this.sum();
    return before;
  }

  /** Sources members name. */
  get sources(): number {
    return this.counts?.size ?? 0;
  }

  /** Members that include the source, and that exclude it; ifmcstat shows them. */
  get modes(): { readonly exclude: number; readonly include: number } {
    return { exclude: this.excluders, include: this.members - this.excluders };
  }

  private count(f: SourceFilter<A>, by: 1 | -1): void {
    this.members += by;
    if (f.mode === MCAST_EXCLUDE) this.excluders += by;
    for (const s of f.sources) {
      const counts = (this.counts ??= new Map<A, SourceCount>());
      let c = counts.get(s);
      if (c === undefined) counts.set(s, (c = { include: 0, exclude: 0 }));
      if (f.mode === MCAST_INCLUDE) c.include += by;
      else c.exclude += by;
      if (c.include === 0 && c.exclude === 0) counts.delete(s);
    }
    if (this.counts?.size === 0) this.counts = null;
  }

  private sum(): SourceFilter<A> {
    const { counts, excluders } = this;
    if (counts === null) return excluders > 0 ? ANY_SOURCE : NO_SOURCE;
    const sources = new Set<A>();
    for (const [s, c] of counts) if (excluders > 0 ? c.exclude === excluders && c.include === 0 : c.include > 0) sources.add(s);
    return { mode: excluders > 0 ? MCAST_EXCLUDE : MCAST_INCLUDE, sources };
  }
}
