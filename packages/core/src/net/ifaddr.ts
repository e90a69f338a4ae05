/**
 * ifaddr.ts — an address of an interface, as the layers below its family know it.
 * Read first: ifaddr(9).
 */
import type { Ifnet } from './ifnet.js';

/** Implemented by InIfaddr (IPv4) and In6Ifaddr (IPv6). */
export interface IfAddr {
  readonly af: number;
  readonly ifp: Ifnet;
}
