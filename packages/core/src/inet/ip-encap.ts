/**
 * ip-encap.ts — who gets a packet that has another packet inside: gif, gre, stf, or a raw socket.
 * Read first: freebsd `sys/netinet/ip_encap.c`.
 *
 * Theory of operation. One protocol may carry the packets of several kinds of tunnel (41, IPv6 in IPv4, those of gif and of stf), and
 * only the kind knows which are its own. So a kind does not register with the protocol switch but here: each is asked, in order of
 * registration, whether it takes the packet, those that know both ends before those that know one. What nobody takes is for raw
 * sockets, or answered as an unknown protocol.
 *
 * Invariant: an IpEncap is in the switch exactly while it has a handler.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ICMP_UNREACH, ICMP_UNREACH_PROTOCOL } from '../wire/icmp4.js';
import type { Ip } from './ip.js';
import type { IpProto } from './ip-var.js';

/** A kind of tunnel, for one or more protocols. */
export interface EncapHandler {
  /** Bytes of the shortest packet it looks at, outer header included. */
  readonly minLength: number;
  /** What a packet counts as that nobody takes; the handler that was asked last says it. */
  readonly unclaimed: 'nogif' | 'noproto';
  /** Takes `m` (see IpProto.input) when it belongs to a tunnel of its kind. False: it is still the caller's. */
  take(ifp: Ifnet, m: PacketBuffer, hlen: number): boolean;
}

/** One protocol. */
class IpEncap implements IpProto {
  handlers: readonly EncapHandler[];
  private readonly ip: Ip;

  constructor(ip: Ip, first: EncapHandler) {
    this.ip = ip;
    this.handlers = [first];
  }

  input(ifp: Ifnet, m: PacketBuffer, hlen: number): void {
    const { handlers, ip } = this;
    for (let i = 0; i < handlers.length; i++) {
      const handler = handlers[i]!;
      if (m.len >= handler.minLength && handler.take(ifp, m, hlen)) return;
    }
    if (ip.raw !== null && ip.raw.deliver(m)) return;
    if (handlers.at(-1)?.unclaimed === 'nogif') ip.stats.nogif++;
    else {
      ip.stats.noproto++;
      ip.stats.delivered--;
    }
    ip.icmpError(ifp, m, ICMP_UNREACH, ICMP_UNREACH_PROTOCOL, 0);
  }
}

/** Asks `handler` for packets of `proto`, after those that are asked already. */
export function encapAttach(ip: Ip, proto: number, handler: EncapHandler): void {
  const there = ip.protos.get(proto);
  if (there instanceof IpEncap) there.handlers = there.handlers.concat(handler);
  else ip.register(proto, new IpEncap(ip, handler));
}

export function encapDetach(ip: Ip, proto: number, handler: EncapHandler): void {
  const there = ip.protos.get(proto);
  if (!(there instanceof IpEncap)) return;
  there.handlers = there.handlers.filter((h) => h !== handler);
  if (there.handlers.length === 0) ip.register(proto, null);
}
