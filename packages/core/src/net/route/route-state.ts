/**
 * route-state.ts — what the parts of the routing code share: the state behind RouteTables, seen from below.
 */
import type { Net } from '../net.js';
import type { NexthopStore } from './nexthop-store.js';
import type { Rib, Rib4 } from './rib.js';
import type { Rib6 } from './rib6.js';
import type { RouteSpec } from './route-spec.js';

export interface RouteState {
  readonly net: Net;
  readonly store: NexthopStore;
  /** Number of FIBs. */
  readonly fibs: number;
  /** Non-zero: gateways to one prefix are collected into a multipath route. */
  readonly multipath: number;
  /** The table of a family and FIB for reading; null while it is empty. `fib` is 0..fibs-1. */
  rib(family: 'inet', fib: number): Rib4 | null;
  rib(family: 'inet6', fib: number): Rib6 | null;
  rib(family: RouteSpec['family'], fib: number): Rib | null;
  /** The same for writing: made when it was empty. */
  ribForWrite(family: RouteSpec['family'], fib: number): Rib;
  /** Every table there is. */
  ribs(): Rib[];
  /** A path that dies at `us` was put in. */
  expiresAt(us: number): void;
  /** A multipath route was put in: senders have to hash their flows. */
  multipathUsed(): void;
}
