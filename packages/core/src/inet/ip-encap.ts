/**
 * ip-encap.ts — who gets a packet that has another packet inside: gif, gre, stf, or a raw socket.
 * Read first: freebsd `sys/netinet/ip_encap.c`.
 *
 * Theory of operation. One protocol may carry the packets of several kinds of tunnel (41, IPv6 in IPv4, those of gif and of stf), and
 * only the kind knows which are its own. So kinds do not register with the protocol switch but here: each is asked in order of
 * registration whether it takes the packet, those that know both ends before those that know one. What nobody takes is for raw
 * sockets, or answered as an unknown protocol.
 *
 * Invariant: a protocol is in the switch exactly while somebody is registered for it.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ICMP_UNREACH, ICMP_UNREACH_PROTOCOL } from '../wire/icmp4.js';
import { IP4_P } from '../wire/ip4.js';
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

export class IpEncap implements IpProto {
  private readonly ip: Ip;
  private readonly handlers = new Map<number, readonly EncapHandler[]>();

  constructor(ip: Ip) {
    this.ip = ip;
  }

  attach(proto: number, handler: EncapHandler): void {
    this.handlers.set(proto, [...(this.handlers.get(proto) ?? []), handler]);
    this.ip.register(proto, this);
  }

  detach(proto: number, handler: EncapHandler): void {
    const left = (this.handlers.get(proto) ?? []).filter((h) => h !== handler);
    if (left.length > 0) this.handlers.set(proto, left);
    else {
      this.handlers.delete(proto);
      this.ip.register(proto, null);
    }
  }

  input(ifp: Ifnet, m: PacketBuffer, hlen: number): void {
    const list = this.handlers.get(m.view.getUint8(m.off + IP4_P)) ?? [];
    for (let i = 0; i < list.length; i++) {
      const handler = list[i]!;
      if (m.len >= handler.minLength && handler.take(ifp, m, hlen)) return;
    }
    const { ip } = this;
    if (ip.raw !== null && ip.raw.deliver(m)) return;
    if (list.at(-1)?.unclaimed === 'nogif') ip.stats.nogif++;
    else {
      ip.stats.noproto++;
      ip.stats.delivered--;
    }
    ip.icmpError(ifp, m, ICMP_UNREACH, ICMP_UNREACH_PROTOCOL, 0);
  }
}
