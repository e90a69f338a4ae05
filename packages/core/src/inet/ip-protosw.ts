/**
 * ip-protosw.ts — the protocol switch of IPv4 and of IPv6: who takes packets of which protocol number.
 * Read first: freebsd `sys/netinet/ip_input.c` ip_protox.
 *
 * A number is one byte, and a vnet knows a handful of protocols: a byte table leads to a short list, which costs an idle vnet a fraction of a list
 * of 256. Place 0 of the list is nobody.
 *
 * Not here: what a protocol does (IpProto in ip-var.ts, Ip6Proto in inet6/ip6-var.ts).
 */
import { IPPROTO_MAX } from '../wire/ipproto.js';
import type { IpProto } from './ip-var.js';

export class IpProtosw<P = IpProto> {
  private readonly place = new Uint8Array(IPPROTO_MAX);
  private handlers: readonly (P | null)[] = [null];

  /** The protocol with that number (0..255), or null. */
  get(proto: number): P | null {
    return this.handlers[this.place[proto]!]!;
  }

  /** Puts a protocol in, or with null takes it out. */
  set(proto: number, handler: P | null): void {
    const at = this.place[proto]!;
    if (at > 0) this.handlers = this.handlers.map((h, i) => (i === at ? handler : h));
    else if (handler !== null) {
      this.place[proto] = this.handlers.length;
      this.handlers = this.handlers.concat(handler);
    }
  }

  /** Protocols that are in. */
  get count(): number {
    return this.handlers.filter((h) => h !== null).length;
  }
}
