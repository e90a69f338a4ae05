/**
 * in-control.ts — setting and removing IPv4 addresses (SIOCAIFADDR, SIOCDIFADDR).
 */
import type { Errno } from '../base/errno.js';
import { EOPNOTSUPP } from '../base/errno.js';
import type { Ifnet } from '../net/ifnet.js';
import type { InNet } from './in-net.js';

/** What SIOCAIFADDR carries. Addresses are host-order numbers. */
export interface InAliasreq {
  readonly addr: number;
  /** Absent with `mask`: the network of the address's historical class. */
  readonly plen?: number;
  readonly mask?: number;
  /** Absent: derived from address and mask. */
  readonly broadcast?: number;
  /** Required on point-to-point interfaces. */
  readonly dstaddr?: number;
  readonly vhid?: number;
}

/**
 * SIOCAIFADDR: adds an address, or replaces it when `ifp` has it already. The first one brings the interface up.
 * EINVAL bad address, mask or far end; EDESTADDRREQ point-to-point without far end; EEXIST prefix there and
 * `net.inet.ip.no_same_prefix`; EPROTONOSUPPORT with a vhid; EBUSY while the vnet goes down.
 */
export function inAifaddr(_in: InNet, _ifp: Ifnet, _req: InAliasreq): Errno {
  return EOPNOTSUPP;
}

/** SIOCDIFADDR: removes `addr`, or the first address when null. EADDRNOTAVAIL when `ifp` has none such. */
export function inDifaddr(_in: InNet, _ifp: Ifnet, _addr: number | null): Errno {
  return EOPNOTSUPP;
}
