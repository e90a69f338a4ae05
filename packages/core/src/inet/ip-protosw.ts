/**
 * ip-protosw.ts — the protocol switch of IPv4 and of IPv6: who takes packets of which protocol number; ICMPv6's, by type.
 * Read first: freebsd `sys/netinet/ip_input.c` ip_protox.
 *
 * A number is one byte, and a vnet knows a handful: a byte table leads to a short list. The table is the same for all vnets (a number has the
 * place it got when the first of them took it), the list is the vnet's. Place 0 of the list is nobody.
 *
 * Not here: what a protocol does (IpProto in ip-var.ts, Ip6Proto in inet6/ip6-var.ts).
 */
import type { IpProto } from './ip-var.js';

/** The places of numbers, for any number of switches. */
export class ProtoPlaces {
  private readonly place = new Uint8Array(256);
  private used = 0;

  /** 0: it has none. */
  of(number: number): number {
    return this.place[number]!;
  }

  /** … or gets one now. */
  take(number: number): number {
    const place = this.place[number]!;
    return place > 0 ? place : (this.place[number] = ++this.used);
  }
}

export class IpProtosw<P = IpProto> {
  private readonly places: ProtoPlaces;
  private handlers: readonly (P | null)[] = [null];

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
    this.handlers = Array.from({ length: Math.max(at + 1, this.handlers.length) }, (_, i) => (i === at ? handler : (this.handlers[i] ?? null)));
  }

  /** Protocols that are in. */
  get count(): number {
    return this.handlers.filter((h) => h !== null).length;
  }
}
