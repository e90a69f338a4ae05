/**
 * ip-protosw.ts — the protocol switch of IPv4 and of IPv6: who takes packets of which protocol number; ICMPv6's, by type.
 * Read first: freebsd `sys/netinet/ip_input.c` ip_protox.
 *
 * A number is one byte, and a vnet knows a handful: a byte table leads to a short list. The table is the Kernel's (net/proto-places.ts),
 * the list the vnet's. Place 0 of the list is nobody.
 *
 * Not here: what a protocol does (IpProto in ip-var.ts, Ip6Proto in inet6/ip6-var.ts).
 */
import type { ProtoPlaces } from '../net/proto-places.js';
import type { IpProto } from './ip-var.js';

export class IpProtosw<P = IpProto> {
  private readonly places: ProtoPlaces;
  private handlers: (P | null)[] = [null];

  constructor(places: ProtoPlaces) {
    this.places = places;
  }

  /** The protocol with that number (0..255), or null. */
  get(number: number): P | null {
    const at = this.places.of(number);
    return at < this.handlers.length ? this.handlers[at]! : null;
  }

  /** Puts a protocol in, or with null takes it out. */
  set(number: number, handler: P | null): void {
    const at = this.places.take(number);
    if (at >= this.handlers.length) {
      // Room for every number that a vnet has ever taken: this one will take them all.
      const longer = new Array<P | null>(this.places.count + 1).fill(null);
      for (let i = 0; i < this.handlers.length; i++) longer[i] = this.handlers[i]!;
      this.handlers = longer;
    }
    this.handlers[at] = handler;
  }

  /** Protocols that are in. */
  get count(): number {
    return this.handlers.filter((h) => h !== null).length;
  }
}
