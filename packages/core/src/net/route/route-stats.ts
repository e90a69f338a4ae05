/**
 * route-stats.ts — what routing counts: `netstat -rs`.
 * Read first: FreeBSD's net/route.h (struct rtstat); netstat(1).
 *
 * FreeBSD's "uses of a wildcard route" is not here: nothing has counted it there for decades.
 */
import type { CounterGroup } from '../../kern/counters.js';

/** `struct rtstat` */
export class RouteStats {
  badredirect = 0;
  dynamic = 0;
  newgateway = 0;
  unreach = 0;
}

/** The group `netstat -s` leaves out and `netstat -rs` shows. */
export const ROUTING_GROUP = 'routing';

export const ROUTING_COUNTERS: CounterGroup<RouteStats> = {
  name: ROUTING_GROUP,
  rows: [
    { key: 'badredirect', text: '{} bad routing redirect{s}' },
    { key: 'dynamic', text: '{} dynamically created route{s}' },
    { key: 'newgateway', text: '{} new gateway{s} due to redirects' },
    { key: 'unreach', text: '{} destination{s} found unreachable' },
  ],
};
