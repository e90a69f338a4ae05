/**
 * route-tables.ts — class RouteTables: the routing tables (FIBs) of one vnet, and the only door to them.
 */
import type { Errno } from '../../base/errno.js';
import { EOPNOTSUPP } from '../../base/errno.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import type { Nexthop } from './nexthop.js';
import type { RouteSpec } from './route-spec.js';
import type { Rtentry } from './rtentry.js';

export type { RouteSpec } from './route-spec.js';

/** Most FIBs a vnet can have. */
export const RT_MAXFIBS = 65_535;

export class RouteTables {
  readonly net: Net;
  /** Number of FIBs (`net.fibs`); FIB numbers are 0..fibs-1. */
  fibs = 1;
  /** `net.add_addr_allfibs`: prefix routes of addresses go to every FIB, not only to the interface's. */
  addAddrAllfibs = 0;
  /** `net.route.multipath` */
  multipath = 1;

  constructor(net: Net) {
    this.net = net;
  }

  destroy(): void {}

  /** Grows the number of FIBs. EINVAL outside 1..RT_MAXFIBS, EPERM when it would shrink. */
  setFibs(_n: number): Errno {
    return EOPNOTSUPP;
  }

  /** The next hop for a packet to `dst`; null when there is no route. Hot path: allocates nothing. `flowid` picks a path of a multipath route. */
  lookup4(_fib: number, _dst: number, _flowid: number): Nexthop | null {
    return null;
  }

  /** Changes whenever any route of the FIB changes: what a cached next hop is good for. */
  gen4(_fib: number): number {
    return 0;
  }

  add(_spec: RouteSpec): Errno {
    return EOPNOTSUPP;
  }

  delete(_spec: RouteSpec): Errno {
    return EOPNOTSUPP;
  }

  change(_spec: RouteSpec): Errno {
    return EOPNOTSUPP;
  }

  /** The route a packet to `dst` would take (`route get`); null when there is none. */
  get4(_fib: number, _dst: number): Rtentry | null {
    return null;
  }

  /** The route with exactly this prefix. */
  find(_fib: number, _af: number, _dst: number, _plen: number): Rtentry | null {
    return null;
  }

  /** Removes every path through `ifp` without a message: the interface goes. */
  flushIf(_ifp: Ifnet): void {}

  /** Routes of a FIB in the order netstat prints them: by address, then the longest prefix first. */
  list(_fib: number, _af: number): Rtentry[] {
    return [];
  }
}
