/**
 * links.ts — McastLinks: the host's and the querier's side of every link, for one family.
 *
 * Theory of operation. A McastHost is made with the first group that has to be told on a link, or the first query; a McastQuerier when an administrator wants
 * one. An interface that comes up tells everything anew; one that leaves the vnet is forgotten, with its timers. A vnet that tells nothing
 * has no table.
 */
import { IFF_LOOPBACK, IFF_MULTICAST } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import type { IfnetEvent, Net, UpDownEvent } from '../net.js';
import { McastHost } from './host.js';
import type { McastHostPort } from './host.js';
import { McastQuerier } from './querier.js';
import type { McastQuerierPort, QuerierOptions } from './querier.js';
import type { McastAddr } from './source-filter.js';

/** What is kept of a link. */
export interface McastLink<A extends McastAddr> {
  readonly ifp: Ifnet;
  host: McastHost<A> | null;
  querier: McastQuerier<A> | null;
}

/** Groups can be told of, and asked for, there. */
export const isMcastLink = (ifp: Ifnet): boolean => (ifp.flags & (IFF_LOOPBACK | IFF_MULTICAST)) === IFF_MULTICAST;

export class McastLinks<A extends McastAddr> {
  private readonly port: McastHostPort<A> & McastQuerierPort<A>;
  private links: Map<Ifnet, McastLink<A>> | null = null;
  private readonly net: Net;

  constructor(net: Net, port: McastHostPort<A> & McastQuerierPort<A>) {
    this.port = port;
    this.net = net;
    net.departureEvent.attach(this, McastLinks.onDeparture);
    net.upDownEvent.attach(this, McastLinks.onUpDown);
  }

  destroy(): void {
    for (const { ifp } of this.list()) this.forget(ifp);
    this.net.departureEvent.detach(this);
    this.net.upDownEvent.detach(this);
  }

  private static onDeparture<A extends McastAddr>(this: void, links: McastLinks<A>, e: IfnetEvent): void {
    if (!e.renaming) links.forget(e.ifp);
  }

  private static onUpDown<A extends McastAddr>(this: void, links: McastLinks<A>, { ifp, up }: UpDownEvent): void {
    if (!up) return;
    links.hostOf(ifp)?.tellAgain();
    links.querierOf(ifp)?.start();
  }

  list(): McastLink<A>[] {
    return this.links === null ? [] : [...this.links.values()];
  }

  hostOf(ifp: Ifnet): McastHost<A> | null {
    return this.links?.get(ifp)?.host ?? null;
  }

  querierOf(ifp: Ifnet): McastQuerier<A> | null {
    return this.links?.get(ifp)?.querier ?? null;
  }

  /** The host's side, made when it is not there yet; null where nothing is told. */
  hostFor(ifp: Ifnet): McastHost<A> | null {
    return isMcastLink(ifp) ? (this.entry(ifp).host ??= new McastHost<A>(ifp, this.port)) : null;
  }

  makeQuerier(ifp: Ifnet, options: QuerierOptions): McastQuerier<A> {
    return (this.entry(ifp).querier = new McastQuerier<A>(ifp, this.port, options));
  }

  dropQuerier(ifp: Ifnet): void {
    const link = this.links?.get(ifp);
    if (link === undefined) return;
    link.querier?.destroy();
    link.querier = null;
  }

  private entry(ifp: Ifnet): McastLink<A> {
    const links = (this.links ??= new Map<Ifnet, McastLink<A>>());
    let link = links.get(ifp);
    if (link === undefined) links.set(ifp, (link = { ifp, host: null, querier: null }));
    return link;
  }

  private forget(ifp: Ifnet): void {
    const link = this.links?.get(ifp);
    if (link === undefined) return;
    link.host?.destroy();
    link.querier?.destroy();
    this.links?.delete(ifp);
    if (this.links?.size === 0) this.links = null;
  }
}
