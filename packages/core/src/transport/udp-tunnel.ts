/**
 * udp-tunnel.ts — ports of UDP that a tunnel of the kernel has, and no socket.
 * Read first: transport/udp.ts, inet/in-gre.ts; freebsd `udp_set_kernel_tunneling` in `sys/netinet/udp_usrreq.c`.
 *
 * Theory of operation. A pcb whose user hands each datagram on at once, the checksum, when there was one, verified. It holds its port against
 * sockets and is held out of it by them, as any pcb. A super-segment is several datagrams and is handed on as several, each with its headers
 * in front; offload state that is about what is inside the datagram is left alone.
 *
 * Not here: who shares a port (inet/in-gre.ts, udp-vxlan.ts).
 */
import type { Errno } from '../base/errno.js';
import type { UdpTunnelDoor, UdpTunnelPort } from '../inet/in-gre.js';
import { GSO_UDP_L4 } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { segment } from '../net/offload.js';
import { ip4Hl } from '../wire/ip4.js';
import { UDP_HDR_LEN } from '../wire/udp.js';
import type { InPcb, PcbUser } from './inpcb.js';
import { datagramsIn } from './udp.js';
import type { Udp } from './udp.js';

/** Gets a datagram at its payload, the IP header at `m.nhoff`, and owns it. False: there was no room for it. */
type Receive = (m: PacketBuffer) => boolean;

/** A port of `udp` for a tunnel, from `bind` to `close`. */
export class UdpTunnelPcb implements PcbUser {
  readonly inp: InPcb;
  private readonly udp: Udp;
  private readonly receive: Receive;
  /** Was there room for every piece so far? */
  private taken = true;
  private readonly each = (piece: PacketBuffer): void => {
    piece.adj(ip4Hl(piece.view, piece.off) + UDP_HDR_LEN);
    if (!this.receive(piece)) this.taken = false;
  };

  constructor(udp: Udp, fib: number, receive: Receive) {
    this.udp = udp;
    this.receive = receive;
    this.inp = udp.attach(this, fib);
  }

  /** EADDRNOTAVAIL, EADDRINUSE as bind(2). */
  bind(addr: number, port: number): Errno {
    return this.udp.bind(this.inp, addr, port);
  }

  close(): void {
    this.udp.detach(this.inp);
  }

  pcbInput(m: PacketBuffer): boolean {
    if (m.gsoSize === 0 || m.gsoType !== GSO_UDP_L4 || m.csumStart >= m.off) return this.receive(m);
    const datagrams = datagramsIn(m, m.len);
    this.taken = true;
    m.prepend(m.off - m.nhoff);
    const pieces = segment(m.pool, m, this.each, 0);
    return this.taken && pieces === datagrams;
  }

  pcbError(_error: Errno): void {
    // A tunnel goes on: errors are about one packet of it.
  }
}

/** The ports of `udp` for tunnels. */
export function udpTunnelDoor(udp: Udp): UdpTunnelDoor {
  return {
    open(addr: number, port: number, input: (m: PacketBuffer) => void): { error: Errno; port: UdpTunnelPort | null } {
      const pcb = new UdpTunnelPcb(udp, 0, (m) => {
        input(m);
        return true;
      });
      pcb.inp.bindAny = true;
      const error = pcb.bind(addr, port);
      if (error === 0) return { error, port: pcb };
      pcb.close();
      return { error, port: null };
    },
  };
}
