/**
 * ifaddr.ts — an address of an interface, as the layers below its family know it.
 * Read first: ifaddr(9).
 */
import { AF_INET6 } from './ifnet.js';
import type { Ifnet } from './ifnet.js';

/** Implemented by InIfaddr (IPv4) and In6Ifaddr (IPv6). */
export interface IfAddr {
  readonly af: number;
  readonly ifp: Ifnet;
}

/** What the layers below IPv6 must know of an IPv6 address. Every IfAddr with `af` AF_INET6 is one. */
export interface IfAddr6 extends IfAddr {
  /** 16 bytes, in zoned form (wire/addr6.ts). */
  readonly addr: Uint8Array;
  /** 0..128 */
  readonly plen: number;
  /** Far end of a point-to-point link in zoned form; null or absent otherwise. */
  readonly dstaddr?: Uint8Array | null;
}

export function isIfAddr6(ifa: IfAddr): ifa is IfAddr6 {
  return ifa.af === AF_INET6;
}
