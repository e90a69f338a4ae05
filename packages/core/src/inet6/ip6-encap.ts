/**
 * ip6-encap.ts — tunnels whose packets come in IPv6: which of them takes a packet.
 * Read first: inet/ip-encap.ts, which does the same for IPv4; freebsd `sys/netinet6/ip6_encap.c`.
 *
 * A protocol number has a handler for each kind of tunnel; they are asked in the order in which they came. What nobody takes is for raw
 * sockets, or answered as an unknown protocol.
 *
 * Invariant: an Ip6Encap is in the switch exactly while it has a handler.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6Unclaimed } from './ip6-input.js';
import type { Ip6Proto } from './ip6-var.js';
import type { Ip6 } from './ip6.js';

/** A kind of tunnel, for one or more protocols. */
export interface Encap6Handler {
  /** Takes `m` (see Ip6Proto.input) when it belongs to a tunnel of its kind. False: it is still the caller's. */
  take6(ifp: Ifnet, m: PacketBuffer, off: number): boolean;
}

/** One protocol. */
class Ip6Encap implements Ip6Proto {
  handlers: readonly Encap6Handler[];
  private readonly ip6: Ip6;
  private readonly proto: number;

  constructor(ip6: Ip6, proto: number, first: Encap6Handler) {
    this.ip6 = ip6;
    this.proto = proto;
    this.handlers = [first];
  }

  input(ifp: Ifnet, m: PacketBuffer, off: number): void {
    const { handlers } = this;
    for (let i = 0; i < handlers.length; i++) if (handlers[i]!.take6(ifp, m, off)) return;
    this.ip6.stats.nogif++;
    ip6Unclaimed(this.ip6, ifp, m, this.proto, off);
  }
}

/** Asks `handler` for packets of `proto`, after those that are asked already. */
export function encap6Attach(ip6: Ip6, proto: number, handler: Encap6Handler): void {
  const there = ip6.protos.get(proto);
  if (there instanceof Ip6Encap) there.handlers = there.handlers.concat(handler);
  else ip6.register(proto, new Ip6Encap(ip6, proto, handler));
}

export function encap6Detach(ip6: Ip6, proto: number, handler: Encap6Handler): void {
  const there = ip6.protos.get(proto);
  if (!(there instanceof Ip6Encap)) return;
  there.handlers = there.handlers.filter((h) => h !== handler);
  if (there.handlers.length === 0) ip6.register(proto, null);
}
