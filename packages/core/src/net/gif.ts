/**
 * gif.ts — gif(4): a tunnel interface that carries IP packets, or as a bridge member Ethernet frames, in IP packets.
 * Read first: net/tunnel-softc.ts; RFC 2003 (IP in IP), RFC 3378 (EtherIP); gif(4); freebsd `sys/net/if_gif.c`.
 *
 * Theory of operation. Output puts what it carries behind an outer header and gives it to the vnet's GifCarrier (inet/in-gif.ts). What a
 * packet carries is told by its first four bits: 3 for EtherIP, 4 for IPv4, 6 for IPv6.
 *
 * Not here: the outer headers (inet/in-gif.ts, inet6/in6-tunnel.ts); the `ignore_source` and `send_rev_ethip_ver` options.
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, EINVAL, ENOBUFS } from '../base/errno.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { M_BCAST, M_MCAST, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import {
  ETHER_HDR_LEN, ETHER_TCI, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN, etherIsBroadcast, etherIsMulticast, etherIsTagType, etherTagPop,
} from '../wire/ether.js';
import { ETHERIP_HDR_LEN, ETHERIP_VERSION, etheripCheck, etheripEmit } from '../wire/etherip.js';
import { IPVERSION } from '../wire/ip4.js';
import { IP6_HDR_LEN, IPV6_VERSION } from '../wire/ip6.js';
import { IPPROTO_ETHERIP, IPPROTO_IPV4, IPPROTO_IPV6 } from '../wire/ipproto.js';
import type { IfClonerSpec } from './if-clone.js';
import { ifDemux } from './if-demux.js';
import { IFF_LINK1, IFT_GIF } from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';
import { ecnEgress, ecnIngress, ipTos } from './tunnel-ecn.js';
import { TunnelSoftc, TunnelVnet, nestingOid, refuse, tunnelCreate, tunnelDestroy } from './tunnel-softc.js';
import type { TunnelCarrier } from './tunnel-softc.js';

const GIF_MTU_MIN = 1_280;
const GIF_MTU_MAX = 8_192;

/** What carries a vnet's gifs. */
export interface GifCarrier extends TunnelCarrier {
  /** Puts an outer header with this protocol and TOS before `m` and sends it from `sc.src` to `sc.dst`. Owns `m`. */
  output(sc: GifSoftc, m: PacketBuffer, proto: number, tos: number): Errno;
}

/** The gifs of a vnet. */
export class GifVnet extends TunnelVnet<GifCarrier> {}

const GIF_SYSCTLS: SysctlGroup<GifVnet> = { prefix: 'net.link.gif', oids: [nestingOid()] };

/** The gifs of `net`, null where there is no gif cloner. */
export function gifVnet(net: Net): GifVnet | null {
  const v = net.drivers.get('gif');
  return v instanceof GifVnet ? v : null;
}

export class GifSoftc extends TunnelSoftc<GifCarrier> {
  constructor(net: Net, xname: string, unit: number) {
    super(net, gifVnet(net), 'gif', unit, xname, IFT_GIF, GIF_MTU_MIN, gifDemux);
  }

  setMtu(_ifp: Ifnet, mtu: number): Errno {
    return mtu < GIF_MTU_MIN || mtu > GIF_MTU_MAX ? EINVAL : 0;
  }

  input(m: PacketBuffer, tos: number): void {
    if (m.len === 0 || !ecnEgress(m, tos, this.isEcnFull)) this.up.error(m);
    else this.up.enqueue(m);
  }

  protected output(carrier: GifCarrier, m: PacketBuffer): Errno {
    if (this.ifp.bridge !== null) {
      if (!m.prepend(ETHERIP_HDR_LEN)) return refuse(m, ENOBUFS);
      etheripEmit(m.view, m.off);
      return carrier.output(this, m, IPPROTO_ETHERIP, 0);
    }
    const version = m.len === 0 ? 0 : m.buf[m.off]! >> 4;
    if (version !== IPVERSION && (version !== IPV6_VERSION || m.len < IP6_HDR_LEN)) return refuse(m, EAFNOSUPPORT);
    return carrier.output(this, m, version === IPVERSION ? IPPROTO_IPV4 : IPPROTO_IPV6, ecnIngress(ipTos(m), this.isEcnFull));
  }

  protected override get linkLen(): number {
    return this.ifp.bridge === null ? 0 : ETHER_HDR_LEN;
  }

  private get isEcnFull(): boolean {
    return (this.ifp.flags & IFF_LINK1) !== 0;
  }
}

/** What came out of the tunnel goes up: IP packets to IP, frames to the bridge. */
function gifDemux(ifp: Ifnet, m: PacketBuffer): void {
  if (m.buf[m.off]! >> 4 !== ETHERIP_VERSION) ifDemux(ifp, m);
  else if (ifp.bridge === null || etheripCheck(m.view, m.off, m.len) !== 0) {
    ifp.data.noproto++;
    m.free();
  } else {
    m.adj(ETHERIP_HDR_LEN);
    toBridge(ifp, m);
  }
}

/** The bridge takes the frame, or answers that it is not for others: a gif has no protocols above Ethernet. */
function toBridge(ifp: Ifnet, m: PacketBuffer): void {
  const v = m.view;
  if (etherIsMulticast(v, m.off)) {
    m.flags |= etherIsBroadcast(v, m.off) ? M_BCAST : M_MCAST;
    ifp.data.imcasts++;
  }
  const type = v.getUint16(m.off + ETHER_TYPE);
  if (etherIsTagType(type) && m.len >= ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN) {
    m.vtag = v.getUint16(m.off + ETHER_TCI);
    m.vproto = type;
    m.flags |= M_VLANTAG;
    etherTagPop(v, m.off);
    m.adj(ETHER_VLAN_ENCAP_LEN);
  }
  ifp.bridge?.input(ifp, m)?.free();
}

export const gifCloner: IfClonerSpec = {
  name: 'gif',
  create: (net, _cloner, xname, unit, _params, like) => tunnelCreate(new GifSoftc(net, xname, unit), net, like),
  destroy: tunnelDestroy,
  attach(net) {
    const vnet = new GifVnet();
    net.drivers.set('gif', vnet);
    net.kern.sysctl.attach(GIF_SYSCTLS, vnet);
  },
  detach(net) {
    const vnet = gifVnet(net);
    if (vnet !== null) net.kern.sysctl.detach(vnet);
    net.drivers.delete('gif');
  },
};
