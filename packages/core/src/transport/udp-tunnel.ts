/**
 * udp-tunnel.ts — ports of UDP that a tunnel of the kernel has, and no socket.
 * Read first: transport/udp.ts, inet/in-gre.ts; freebsd `udp_set_kernel_tunneling` in `sys/netinet/udp_usrreq.c`.
 *
 * Theory of operation. A pcb whose user hands each datagram on at once. It holds its port against sockets and is held out of it by
 * them, as any pcb. A packet that is several datagrams (`gsoSize`) is handed on as several, each with its headers in front.
 */
import type { Errno } from '../base/errno.js';
import type { UdpTunnelDoor, UdpTunnelPort } from '../inet/in-gre.js';
import { GSO_NONE, copyBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PcbUser } from './inpcb.js';
import type { Udp } from './udp.js';

class TunnelUser implements PcbUser {
  private readonly receive: (m: PacketBuffer) => void;

  constructor(receive: (m: PacketBuffer) => void) {
    this.receive = receive;
  }

  pcbInput(m: PacketBuffer): boolean {
    if (m.gsoSize > 0 && m.gsoSize < m.len) return this.pieces(m);
    m.gsoSize = 0;
    m.gsoType = GSO_NONE;
    this.receive(m);
    return true;
  }

  pcbError(_error: Errno): void {
    // A tunnel goes on: errors are about one packet of it.
  }

  /** Hands on each datagram of several. False: there was no room for one. */
  private pieces(m: PacketBuffer): boolean {
    const headers = m.off - m.nhoff;
    let whole = true;
    for (let at = 0; at < m.len; at += m.gsoSize) {
      const n = Math.min(m.gsoSize, m.len - at);
      const piece = m.pool.alloc(headers + n);
      if (piece === null) {
        whole = false;
        break;
      }
      piece.copyMeta(m);
      piece.gsoSize = 0;
      piece.gsoType = GSO_NONE;
      copyBytes(piece, piece.off, m, m.nhoff, headers);
      copyBytes(piece, piece.off + headers, m, m.off + at, n);
      piece.nhoff = piece.off;
      piece.adj(headers);
      this.receive(piece);
    }
    m.free();
    return whole;
  }
}

/** The ports of `udp` for tunnels. */
export function udpTunnelDoor(udp: Udp): UdpTunnelDoor {
  return {
    open(addr: number, port: number, input: (m: PacketBuffer) => void): { error: Errno; port: UdpTunnelPort | null } {
      const inp = udp.attach(new TunnelUser(input), 0);
      inp.bindAny = true;
      const error = udp.bind(inp, addr, port);
      if (error === 0) return { error, port: { close: () => udp.detach(inp) } };
      udp.detach(inp);
      return { error, port: null };
    },
  };
}
