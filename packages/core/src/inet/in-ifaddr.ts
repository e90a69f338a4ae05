/**
 * in-ifaddr.ts — InIfaddr `ia`: an IPv4 address of an interface.
 * Read first: freebsd `sys/netinet/in_var.h` (struct in_ifaddr); RFC 3021 for /31.
 *
 * Everything about an address is fixed when it is set; SIOCAIFADDR with an address that is there already replaces the
 * object. `flags` holds IFA_ROUTE: this address owns the connected route of its prefix (several addresses may share a
 * prefix; at most one of them per FIB owns the route).
 * Not here: adding and deleting (in-control.ts).
 *
 * @rfc 3021 yes
 */
import type { CarpOwner } from '../net/ifaddr.js';
import { AF_INET, IFF_LOOPBACK, IFF_POINTOPOINT } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import type { IfAddr4 } from '../net/route/ifa-lookup.js';

/** The connected route of the prefix is there and points at this address. */
export const IFA_ROUTE = 0x1;

export class InIfaddr implements IfAddr4 {
  readonly af = AF_INET;
  readonly ifp: Ifnet;
  readonly addr: number;
  readonly mask: number;
  readonly plen: number;
  /** Directed broadcast address; null on interfaces without broadcast. */
  readonly broadcast: number | null;
  /** Far end of a point-to-point link; null otherwise. */
  readonly dstaddr: number | null;
  /** IFA_* */
  flags = 0;
  /** Virtual host id of CARP (1..255) it was set with, 0 for an ordinary address. */
  readonly vhid: number;
  carp: CarpOwner | null = null;
  /** Packets to it are for this host: always, but for an address of CARP, which is so while this host is the master. */
  usable = false;
  /** The next address object with the same address, on another interface (InNet's hash). */
  hashNext: InIfaddr | null = null;

  constructor(ifp: Ifnet, addr: number, mask: number, plen: number, broadcast: number | null, dstaddr: number | null, vhid: number) {
    this.ifp = ifp;
    this.addr = addr;
    this.mask = mask;
    this.plen = plen;
    this.broadcast = broadcast;
    this.dstaddr = dstaddr;
    this.vhid = vhid;
  }

  /** Network number of its prefix. */
  get subnet(): number {
    return (this.addr & this.mask) >>> 0;
  }

  get hasRoute(): boolean {
    return (this.flags & IFA_ROUTE) !== 0;
  }

  /** Destination of its connected route: the far end, itself on a loopback interface, the network otherwise. */
  get rtPrefix(): number {
    if ((this.ifp.flags & IFF_POINTOPOINT) !== 0) return this.dstaddr ?? 0;
    if ((this.ifp.flags & IFF_LOOPBACK) !== 0) return this.addr;
    return this.subnet;
  }

  /** Prefix length of its connected route. */
  get rtPlen(): number {
    return (this.ifp.flags & (IFF_POINTOPOINT | IFF_LOOPBACK)) !== 0 ? 32 : this.plen;
  }

  /** Does it want a host route to itself by way of the loopback interface? Not where the connected route is one already. */
  get needsLoopbackRoute(): boolean {
    if ((this.ifp.flags & IFF_LOOPBACK) !== 0 || this.addr === 0) return false;
    if ((this.ifp.flags & IFF_POINTOPOINT) !== 0) return this.dstaddr !== this.addr;
    return this.plen !== 32;
  }

  /** Is `dst` the broadcast address of its network? With `lowest` the network number counts too (RFC 1122 §3.2.1.3). */
  isBroadcast(dst: number, lowest: boolean): boolean {
    if (this.plen === 32) return false;
    return dst === this.broadcast || (lowest && this.plen !== 31 && dst === this.subnet);
  }
}
