/**
 * proxy.ts — McastProxy: an upstream interface that listens for everybody downstream.
 * Read first: RFC 4605 §4.
 *
 * Theory of operation. What the downstream links want of a group (their queriers know) is summed as the filters of a host's sockets are, and the sum is this host's
 * membership on the upstream interface: whatever is upstream sees one host. Changes are collected and made in thread context, once for
 * all reports of a turn.
 *
 * Invariant: `joined` holds what has been joined upstream, and for groups with a sum that is not nothing.
 * Not here: forwarding of the packets (router.ts).
 *
 * @rfc 4605 4.1 yes
 * @rfc 4605 4.2 yes
 * @rfc 4605 4.3 yes
 */
import type { Errno } from '../../base/errno.js';
import type { CalloutOwner } from '../../kern/callout.js';
import type { Engine } from '../../kern/engine.js';
import type { Ifnet } from '../ifnet.js';
import type { McastQuerier } from './querier.js';
import { GroupFilter, filterEquals, filterIsEmpty } from './source-filter.js';
import type { McastAddr, SourceFilter } from './source-filter.js';

/** What a family does for a proxy. */
export interface McastProxyPort<A extends McastAddr> {
  readonly engine: Engine;
  readonly owner: CalloutOwner;
  querierOf(ifp: Ifnet): McastQuerier<A> | null;
  join(ifp: Ifnet, group: A, filter: SourceFilter<A>): Errno;
  leave(ifp: Ifnet, group: A, filter: SourceFilter<A>): Errno;
  change(ifp: Ifnet, group: A, was: SourceFilter<A>, is: SourceFilter<A>): Errno;
}

export class McastProxy<A extends McastAddr> {
  readonly upstream: Ifnet;
  downstreams: readonly Ifnet[];
  /** Joined upstream, and how. */
  readonly joined = new Map<A, SourceFilter<A>>();
  /** Groups upstream would not join. */
  refused = 0;
  private readonly port: McastProxyPort<A>;
  private readonly dirty = new Set<A>();
  private ended = false;

  constructor(port: McastProxyPort<A>, upstream: Ifnet, downstreams: readonly Ifnet[]) {
    this.port = port;
    this.upstream = upstream;
    this.downstreams = downstreams;
  }

  /** What a downstream link wants of `group` has changed. Any context. */
  changed(group: A): void {
    this.dirty.add(group);
    if (this.dirty.size > 1) return;
    if (!this.port.engine.defer(() => this.catchUp(), this.port.owner)) this.dirty.clear();
  }

  /** Everything is looked at again. Thread context. */
  refresh(): void {
    for (const group of this.joined.keys()) this.dirty.add(group);
    for (const ifp of this.downstreams) for (const group of this.port.querierOf(ifp)?.groups.keys() ?? []) this.dirty.add(group);
    this.catchUp();
  }

  /** Leaves everything. Thread context. */
  destroy(): void {
    this.ended = true;
    for (const [group, filter] of this.joined) this.port.leave(this.upstream, group, filter);
    this.joined.clear();
  }

  private catchUp(): void {
    const groups = [...this.dirty];
    this.dirty.clear();
    if (this.ended) return;
    for (const group of groups) this.follow(group);
  }

  private follow(group: A): void {
    const sum = new GroupFilter<A>();
    for (const ifp of this.downstreams) {
      const g = this.port.querierOf(ifp)?.groups.get(group);
      if (g !== undefined) sum.change(null, g.filter());
    }
    const is = sum.filter;
    const was = this.joined.get(group);
    if (was === undefined ? filterIsEmpty(is) : filterEquals(was, is)) return;
    if (was === undefined) this.took(group, is, this.port.join(this.upstream, group, is));
    else if (filterIsEmpty(is)) {
      this.port.leave(this.upstream, group, was);
      this.joined.delete(group);
    } else this.took(group, is, this.port.change(this.upstream, group, was, is));
  }

  private took(group: A, filter: SourceFilter<A>, error: Errno): void {
    if (error === 0) this.joined.set(group, filter);
    else this.refused++;
  }
}
