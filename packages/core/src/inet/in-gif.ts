/**
 * in-gif.ts — IPv4 as the carrier of gif tunnels.
 * Read first: net/gif.ts; RFC 2003; freebsd `sys/netinet/in_gif.c`.
 *
 * Theory of operation. Made after IP, it takes protocol 4 (IP in IP) and 97 (EtherIP) in the protocol switch and becomes the
 * transport of the vnet's gifs. A packet belongs to the gif whose addresses are its own, swapped; unless the gif has LINK2, it must also come
 * in on the interface its source is reached through (ingress filtering). What belongs to no gif is for raw sockets, or answered as
 * an unknown protocol. Outer packets may be fragmented: DF is not set.
 */
import type { Errno } from '../base/errno.js';
import { ENOBUFS } from '../base/errno.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { gifVnet } from '../net/gif.js';
import type { GifSoftc, GifTransport } from '../net/gif.js';
import { IFF_LINK2 } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { ICMP_UNREACH, ICMP_UNREACH_PROTOCOL } from '../wire/icmp4.js';
import { IP4_HDR_LEN, ip4Dst, ip4Emit, ip4Src, ip4Tos } from '../wire/ip4.js';
import { IPPROTO_ETHERIP, IPPROTO_IPV4 } from '../wire/ipproto.js';
import { InIfaddr } from './in-ifaddr.js';
import type { Ip, IpProto } from './ip.js';

const GIF_TTL = 30;
const TTL_MAX = 255;

const GIF_SYSCTLS: SysctlGroup<InGif> = {
  prefix: 'net.inet.ip',
  oids: [sysctlInt<InGif, 'ttl'>('gifttl', 'ttl', '', 1, TTL_MAX, 'Time to live of the packets that carry tunnels')],
};

export class InGif implements GifTransport, IpProto {
  /** `net.inet.ip.gifttl` */
  ttl = GIF_TTL;
  private readonly ip: Ip;
  private readonly unregister: () => void;

  constructor(ip: Ip) {
    this.ip = ip;
    const { net } = ip;
    const vnet = gifVnet(net);
    if (vnet !== null) vnet.transport = this;
    ip.register(IPPROTO_IPV4, this);
    ip.register(IPPROTO_ETHERIP, this);
    net.kern.sysctl.attach(GIF_SYSCTLS, this);
    this.unregister = net.ifaddrEvent.register(({ ifa }) => {
      if (ifa instanceof InIfaddr) gifVnet(net)?.recheck(ifa.addr);
    });
  }

  /** Undoes the constructor; tunnels are left without a carrier. */
  destroy(): void {
    const { net } = this.ip;
    const vnet = gifVnet(net);
    if (vnet !== null && vnet.transport === this) vnet.transport = null;
    this.ip.register(IPPROTO_IPV4, null);
    this.ip.register(IPPROTO_ETHERIP, null);
    net.kern.sysctl.detach(this);
    this.unregister();
  }

  isLocal(addr: number): boolean {
    return this.ip.inNet.isLocal(addr);
  }

  output(sc: GifSoftc, m: PacketBuffer, proto: number, tos: number): Errno {
    if (!m.prepend(IP4_HDR_LEN)) {
      m.free();
      return ENOBUFS;
    }
    ip4Emit(m.view, m.off, IP4_HDR_LEN, tos, m.len, 0, 0, this.ttl, proto, sc.src, sc.dst);
    return this.ip.output(m);
  }

  input(ifp: Ifnet, m: PacketBuffer, hlen: number): void {
    const { ip } = this;
    const v = m.view;
    const sc = gifVnet(ip.net)?.find(ip4Dst(v, m.off), ip4Src(v, m.off)) ?? null;
    if (sc === null || !sc.ifp.isUp || ((sc.ifp.flags & IFF_LINK2) === 0 && !this.cameByRoute(ifp, sc))) {
      this.nobody(ifp, m);
      return;
    }
    const tos = ip4Tos(v, m.off);
    m.adj(hlen);
    sc.input(m, tos);
  }

  /** Is the far end reached through the interface its packet came in on? */
  private cameByRoute(ifp: Ifnet, sc: GifSoftc): boolean {
    const nh = this.ip.routes.lookup4(sc.ifp.tunnelFib, sc.dst, 0);
    return nh !== null && nh.ifp === ifp;
  }

  private nobody(ifp: Ifnet, m: PacketBuffer): void {
    const { ip } = this;
    if (ip.raw !== null && ip.raw.deliver(m)) return;
    ip.stats.nogif++;
    ip.icmpError(ifp, m, ICMP_UNREACH, ICMP_UNREACH_PROTOCOL, 0);
  }
}
