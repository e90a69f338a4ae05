/**
 * in-gif.ts — IPv4 as the carrier of gif tunnels.
 * Read first: net/gif.ts, inet/in-tunnel.ts; RFC 2003, RFC 4213; freebsd `sys/netinet/in_gif.c`.
 *
 * Theory of operation. Protocols 4 (IP in IP), 41 (IPv6 in IP) and 97 (EtherIP). A packet belongs to the gif whose addresses are its
 * own, swapped; unless the gif has LINK2, it must also come in on the interface its source is reached through (ingress filtering).
 *
 * @rfc 2003 partial "the outer MTU is not lowered by ICMP errors from inside the path"
 * @rfc 4213 3 yes
 */
import type { Errno } from '../base/errno.js';
import { ENOBUFS } from '../base/errno.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { gifVnet } from '../net/gif.js';
import type { GifCarrier, GifSoftc, GifVnet } from '../net/gif.js';
import { IFF_LINK2 } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { refuse } from '../net/tunnel-softc.js';
import { IP4_HDR_LEN, ip4Dst, ip4Emit, ip4Src, ip4Tos } from '../wire/ip4.js';
import { IPPROTO_ETHERIP, IPPROTO_IPV4, IPPROTO_IPV6 } from '../wire/ipproto.js';
import { InTunnel, TTL_MAX } from './in-tunnel.js';
import type { Ip } from './ip.js';

const GIF_SYSCTLS: SysctlGroup<InGif> = {
  prefix: 'net.inet.ip',
  oids: [sysctlInt<InGif, 'ttl'>('gifttl', 'ttl', '', 1, TTL_MAX, 'Time to live of the packets that carry tunnels')],
};

export class InGif extends InTunnel<GifCarrier> implements GifCarrier {
  readonly minLength = IP4_HDR_LEN;
  readonly unclaimed = 'nogif';

  constructor(ip: Ip) {
    super(ip, [IPPROTO_IPV4, IPPROTO_IPV6, IPPROTO_ETHERIP]);
    const { vnet } = this;
    if (vnet !== null) vnet.carrier = this;
    ip.net.kern.sysctl.attach(GIF_SYSCTLS, this);
  }

  output(sc: GifSoftc, m: PacketBuffer, proto: number, tos: number): Errno {
    if (!m.prepend(IP4_HDR_LEN)) return refuse(m, ENOBUFS);
    ip4Emit(m.view, m.off, IP4_HDR_LEN, tos, m.len, 0, 0, this.ttl, proto, sc.src, sc.dst);
    return this.ip.output(m);
  }

  take(ifp: Ifnet, m: PacketBuffer, hlen: number): boolean {
    const v = m.view;
    const sc = this.vnet?.find(ip4Dst(v, m.off), ip4Src(v, m.off), 0) ?? null;
    if (sc === null || !sc.ifp.isUp || ((sc.ifp.flags & IFF_LINK2) === 0 && !this.ip.cameFrom(ifp, sc.dst, sc.ifp.tunnelFib))) return false;
    const tos = ip4Tos(v, m.off);
    m.adj(hlen);
    sc.input(m, tos);
    return true;
  }

  protected get vnet(): GifVnet | null {
    return gifVnet(this.ip.net);
  }
}
