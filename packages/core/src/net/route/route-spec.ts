/**
 * route-spec.ts — what a caller says about a route it wants added, deleted or changed.
 * Read first: route(8), route(4) "rt_msghdr".
 */
import type { IfAddr } from '../ifaddr.js';
import type { Ifnet } from '../ifnet.js';

export type RouteSpec = RouteSpec4 | RouteSpec6;

export interface RouteSpec4 extends RouteTerms {
  readonly family: 'inet';
  /** Host-order destination; bits beyond `plen` are ignored. */
  readonly dst: number;
  /** 0..32; 32 is a host route, 0 the default route. */
  readonly plen: number;
  /**
   * IPv4 gateway. With RTF_GATEWAY it is a router; without, one of our own addresses that names the interface.
   * Null or absent: the destination is on the link of `ifp` (`-interface`), or, for delete and change, any gateway.
   */
  readonly gateway?: number | null;
}

export interface RouteSpec6 extends RouteTerms {
  readonly family: 'inet6';
  /** Destination, 16 bytes in zoned form; bits beyond `plen` are ignored. */
  readonly dst: Uint8Array;
  /** 0..128; 128 is a host route, 0 the default route. */
  readonly plen: number;
  /** IPv6 gateway, 16 bytes in zoned form; otherwise as for IPv4. */
  readonly gateway?: Uint8Array | null;
}

/** What both families say alike. */
export interface RouteTerms {
  readonly fib: number;
  /** Outgoing interface; the one a `link#N` gateway names unless `linkIfp` says otherwise. */
  readonly ifp?: Ifnet | undefined;
  /** Interface the `link#N` gateway names, when that is not `ifp`: the loopback route of an own address. */
  readonly linkIfp?: Ifnet | undefined;
  /** Source address for packets without one. */
  readonly ifa?: IfAddr | undefined;
  /** RTF_*; UP, HOST and DONE are implied. */
  readonly flags: number;
  /** Bytes; 0 takes a fixed MTU away again. */
  readonly mtu?: number;
  /** 1..RT_MAX_WEIGHT; 0 is the default of 1. */
  readonly weight?: number;
  /** Time on the engine's clock, in microseconds, at which the route dies; 0 or absent: never. A time in the past is now. */
  readonly expireUs?: number;
  /** The kernel's own (connected) route: RTF_PINNED. Only such calls may delete or replace it. */
  readonly pinned?: boolean;
  /** No routing message. */
  readonly silent?: boolean;
}

/** Is it a host route: a prefix of the whole address? */
export function isHostSpec(spec: RouteSpec): boolean {
  return spec.plen === (spec.family === 'inet' ? 32 : 128);
}
