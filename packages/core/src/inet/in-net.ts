/**
 * in-net.ts — class InNet: the IPv4 addresses of one vnet, and what IPv4 keeps per interface.
 */
import type { Domain, Net } from '../net/net.js';
import { AF_INET } from '../net/ifnet.js';
import type { IfAfData, Ifnet } from '../net/ifnet.js';
import type { RouteTables } from '../net/route/route-tables.js';
import type { InIfaddr } from './in-ifaddr.js';

/** What InNet asks of a table of neighbours; ARP's implements it. */
export interface InLlTable {
  /** Forgets the neighbours inside addr/mask; static entries too when `statics`. */
  prefixFree(addr: number, mask: number, statics: boolean): void;
  /** Frees everything, timers and held packets: the interface leaves. */
  destroy(): void;
}

/** What IPv4 keeps with an interface (`ifp.afdata[AF_INET]`). */
export class InIfinfo implements IfAfData {
  readonly af = AF_INET;
  readonly ifp: Ifnet;
  /** Neighbours; null for interfaces without ARP or before ARP is there. */
  lltable: InLlTable | null = null;
  /** Multicast groups joined on the interface, with the number of joins. */
  readonly groups = new Map<number, number>();

  constructor(ifp: Ifnet) {
    this.ifp = ifp;
  }
}

export class InNet implements Domain {
  readonly af = AF_INET;
  readonly net: Net;
  readonly routes: RouteTables;
  /** Every address of the vnet, in order of addition (V_in_ifaddrhead). */
  readonly addrs: InIfaddr[] = [];
  /** Makes the neighbour table of an interface; set by ARP, null outside its life. */
  makeLltable: ((ifp: Ifnet) => InLlTable | null) | null = null;
  /** Upper layers (sockets, IGMP) that hold references to an interface drop them (in_ifdetach). */
  readonly purgeUpperHooks: ((ifp: Ifnet) => void)[] = [];

  constructor(net: Net, routes: RouteTables) {
    this.net = net;
    this.routes = routes;
  }

  /** Unregisters the domain; every address must be gone. */
  destroy(): void {}

  /** The interface's IPv4 data; null when it is not attached. */
  ifinfo(ifp: Ifnet): InIfinfo | null {
    const data = ifp.afdata[AF_INET];
    return data instanceof InIfinfo ? data : null;
  }

  /** The address `addr` on whichever interface (the most recent one when on several), or null. O(1). */
  addrOf(_addr: number): InIfaddr | null {
    return null;
  }

  /** One of our addresses, on any interface? Broadcast and multicast are not. Packet path. */
  isLocal(_dst: number): boolean {
    return false;
  }

  /** 255.255.255.255, 0.0.0.0, or a broadcast address of one of `ifp`'s networks. Packet path. */
  isBroadcast(_dst: number, _ifp: Ifnet): boolean {
    return false;
  }

  /** Is `dst` an address or a broadcast address of `ifp` itself? */
  addrOnIf(_addr: number, _ifp: Ifnet): InIfaddr | null {
    return null;
  }

  /** Addresses of one interface in order of addition. */
  addrsOf(_ifp: Ifnet): InIfaddr[] {
    return [];
  }

  /** The interface's first address, or null. */
  firstAddr(_ifp: Ifnet): InIfaddr | null {
    return null;
  }

  /** The address to use as source towards `dst` in `fib`; null when there is no route or no address. */
  ifaForDst(_fib: number, _dst: number): InIfaddr | null {
    return null;
  }

  /** May a router pass packets to or from `addr`? Not for loopback, link-local, multicast and reserved blocks. */
  canForward(_addr: number): boolean {
    return false;
  }

  /** Is `group` joined on `ifp`? Packet path. */
  isMember(_ifp: Ifnet, _group: number): boolean {
    return false;
  }

  ifattach(ifp: Ifnet): InIfinfo {
    return new InIfinfo(ifp);
  }

  ifdetach(_ifp: Ifnet, _data: IfAfData): void {}

  ifup(_ifp: Ifnet): void {}

  ifdown(_ifp: Ifnet): void {}

  purgeAddrs(_ifp: Ifnet): void {}

  purgeUpper(_ifp: Ifnet): void {}
}
