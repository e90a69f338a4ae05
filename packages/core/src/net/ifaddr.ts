/**
 * ifaddr.ts — an address of an interface, as the layers below its family know it.
 * Read first: ifaddr(9).
 */
import { AF_INET6 } from './ifnet.js';
import type { Ifnet } from './ifnet.js';

/** The virtual host of CARP an address belongs to (net/carp). */
export interface CarpOwner {
  /** 1..255 */
  readonly vhid: number;
  /** Is this host the one that has it now? Otherwise its addresses are somebody else's. */
  readonly isMaster: boolean;
  /** Its link address. */
  readonly macHi: number;
  readonly macLo: number;
}

/** Implemented by InIfaddr (IPv4) and In6Ifaddr (IPv6). */
export interface IfAddr {
  readonly af: number;
  readonly ifp: Ifnet;
  /** Null for an ordinary address. */
  carp: CarpOwner | null;
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

/** Is it this host's at this moment? Not while another one is the master of its vhid. */
export function ifaIsUsable(ifa: IfAddr): boolean {
  return ifa.carp === null || ifa.carp.isMaster;
}

/** Is `next` a better choice than `was`: ordinary before virtual, a master's before a backup's? */
export function ifaPreferred(was: IfAddr, next: IfAddr): boolean {
  return was.carp !== null && (next.carp === null || (next.carp.isMaster && !was.carp.isMaster));
}
