/**
 * route-state.ts — what the parts of the routing code share: the state behind RouteTables, seen from below.
 */
import type { Net } from '../net.js';
import type { NexthopStore } from './nexthop-store.js';
import type { Rib4 } from './rib.js';

export interface RouteState {
  readonly net: Net;
  readonly store: NexthopStore;
  /** Number of FIBs. */
  readonly fibs: number;
  /** Non-zero: gateways to one prefix are collected into a multipath route. */
  readonly multipath: number;
  /** The table of a FIB for reading; null while it is empty. `fib` is 0..fibs-1. */
  rib(fib: number): Rib4 | null;
  /** The same for writing: made when it was empty. */
  ribForWrite(fib: number): Rib4;
  /** A path that dies at `us` was put in. */
  expiresAt(us: number): void;
  /** A multipath route was put in: senders have to hash their flows. */
  multipathUsed(): void;
}
