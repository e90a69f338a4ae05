/**
 * in-gre.ts — IPv4 as the carrier of gre tunnels, in IP (protocol 47) and in UDP.
 * Read first: net/gre.ts, inet/in-tunnel.ts; RFC 2784, RFC 8086; freebsd `sys/netinet/ip_gre.c`.
 *
 * Theory of operation. A packet belongs to the gre whose addresses are its own, swapped, and whose encapsulation is the one it came
 * in; in UDP the source port does not matter. Tunnels in UDP from one address share a port of the vnet's UDP, which is opened for the
 * first of them, whether the address is there yet or not, and closed with the last.
 * The outer header takes the inner one's type of service and, from IPv4, its identification.
 */
import type { Errno } from '../base/errno.js';
import { ENOBUFS } from '../base/errno.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { CSUM_L4 } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { GRE_ID_NEW, GRE_UDPENCAP, greVnet } from '../net/gre.js';
import type { GreCarrier, GreSoftc, GreVnet } from '../net/gre.js';
import type { Ifnet } from '../net/ifnet.js';
import type { TunnelSoftc } from '../net/tunnel-softc.js';
import { refuse } from '../net/tunnel-softc.js';
import { cksumFold, cksumPseudo4 } from '../wire/checksum.js';
import { GRE_HDR_LEN, GRE_UDPPORT } from '../wire/gre.js';
import { IP4_HDR_LEN, ip4Dst, ip4Emit, ip4Src, ip4Tos } from '../wire/ip4.js';
import { IPPROTO_GRE, IPPROTO_UDP } from '../wire/ipproto.js';
import { UDP_HDR_LEN, UDP_SUM, udpEmit } from '../wire/udp.js';
import { InTunnel, TTL_MAX } from './in-tunnel.js';
import { IP_FORWARDING } from './ip-output.js';
import type { Ip } from './ip.js';

const GRE_SYSCTLS: SysctlGroup<InGre> = {
  prefix: 'net.inet.ip',
  oids: [sysctlInt<InGre, 'ttl'>('grettl', 'ttl', '', 1, TTL_MAX, 'Time to live of the packets that carry GRE')],
};

/** A port that somebody in the kernel listens on. */
export interface UdpTunnelPort {
  close(): void;
}

/** What UDP does for a tunnel. */
export interface UdpTunnelDoor {
  /**
   * Opens port `port` of `addr`, ours or not. `input` gets each datagram at its payload, the IP header at `m.nhoff`, and owns it.
   * EADDRINUSE: somebody has the port.
   */
  open(addr: number, port: number, input: (m: PacketBuffer) => void): { readonly error: Errno; readonly port: UdpTunnelPort | null };
}

/** An open port and how many tunnels want it. */
interface Listener {
  readonly addr: number;
  readonly port: UdpTunnelPort;
  users: number;
}

export class InGre extends InTunnel<GreCarrier> implements GreCarrier {
  readonly minLength = IP4_HDR_LEN + GRE_HDR_LEN + IP4_HDR_LEN;
  readonly unclaimed = 'noproto';
  private readonly udp: UdpTunnelDoor;
  private listeners: readonly Listener[] = [];

  constructor(ip: Ip, udp: UdpTunnelDoor) {
    super(ip, [IPPROTO_GRE]);
    this.udp = udp;
    const { vnet } = this;
    if (vnet !== null) vnet.carrier = this;
    ip.net.kern.sysctl.attach(GRE_SYSCTLS, this);
  }

  override destroy(): void {
    super.destroy();
    for (const { port } of this.listeners) port.close();
    this.listeners = [];
  }

  output(sc: GreSoftc, m: PacketBuffer, tos: number, id: number, sport: number): Errno {
    const { src, dst } = sc;
    if (!m.prepend(sport === 0 ? IP4_HDR_LEN : IP4_HDR_LEN + UDP_HDR_LEN)) return refuse(m, ENOBUFS);
    const v = m.view;
    const proto = sport === 0 ? IPPROTO_GRE : IPPROTO_UDP;
    if (sport !== 0) {
      const ulen = m.len - IP4_HDR_LEN;
      m.csumStart = m.off + IP4_HDR_LEN;
      m.csumOffset = UDP_SUM;
      m.csumFlags = CSUM_L4;
      udpEmit(v, m.csumStart, sport, GRE_UDPPORT, ulen, cksumFold(cksumPseudo4(src, dst, IPPROTO_UDP, ulen)));
    }
    ip4Emit(v, m.off, IP4_HDR_LEN, tos, m.len, id === GRE_ID_NEW ? this.ip.id.next(0) : id, 0, this.ttl, proto, src, dst);
    return this.ip.output(m, IP_FORWARDING);
  }

  take(_ifp: Ifnet, m: PacketBuffer, hlen: number): boolean {
    const sc = this.tunnelOf(m, m.off, 0);
    if (sc === null) return false;
    const tos = ip4Tos(m.view, m.off);
    m.adj(hlen);
    sc.input(m, tos);
    return true;
  }

  listen(addr: number): Errno {
    const known = this.listeners.find((l) => l.addr === addr);
    if (known !== undefined) {
      known.users++;
      return 0;
    }
    const { error, port } = this.udp.open(addr, GRE_UDPPORT, (m) => {
      const sc = this.tunnelOf(m, m.nhoff, GRE_UDPENCAP);
      if (sc === null) m.free();
      else sc.input(m, ip4Tos(m.view, m.nhoff));
    });
    if (port !== null) this.listeners = [...this.listeners, { addr, port, users: 1 }];
    return error;
  }

  unlisten(addr: number): void {
    const known = this.listeners.find((l) => l.addr === addr);
    if (known === undefined || --known.users > 0) return;
    this.listeners = this.listeners.filter((l) => l !== known);
    known.port.close();
  }

  protected get vnet(): GreVnet | null {
    return greVnet(this.ip.net);
  }

  /** The tunnel, if it is up, that a packet with the outer header at `at` belongs to. */
  private tunnelOf(m: PacketBuffer, at: number, variant: number): TunnelSoftc<GreCarrier> | null {
    const sc = this.vnet?.find(ip4Dst(m.view, at), ip4Src(m.view, at), variant) ?? null;
    return sc !== null && sc.ifp.isUp ? sc : null;
  }
}
