/**
 * in6-tunnel.ts — IPv6 as the carrier of gif and gre tunnels.
 * Read first: inet/in-tunnel.ts, inet/in-gif.ts, inet/in-gre.ts, which do the same for IPv4; RFC 2473; freebsd `sys/netinet6/in6_gif.c`, `ip6_gre.c`.
 *
 * Theory of operation. Made after IPv6, it becomes the second carrier of the vnet's tunnels of its kind and is asked for the packets of their protocols:
 * 4 (IPv4), 41 (IPv6) and 97 (EtherIP) for gif, 47 for gre. A packet belongs to the tunnel whose addresses are its own, swapped; a gif without
 * LINK2 also wants it to come in on the interface its source is reached through. When an address comes or goes, tunnels whose source it is begin
 * or cease to run.
 *
 * The outer packet has the inner one's traffic class as the tunnel's ECN rule has it, the hop limit of the sysctl, and a flow label of the tunnel's. It is
 * cut to 1280 bytes when it does not fit: the inner packet's sender is not told (RFC 2473 §7.2, with the tunnel's MTU of 1280 bytes or more).
 *
 * @rfc 2473 3 yes
 * @rfc 2473 4.1.1 no "no tunnel encapsulation limit: nesting is bounded by net.link.gif.max_nesting and by the hops of a packet in this process"
 * @rfc 2473 6.2 yes
 * @rfc 2473 7.1 partial "an outer packet is always fragmented, as FreeBSD's"
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, ENOBUFS } from '../base/errno.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { gifVnet } from '../net/gif.js';
import type { GifCarrier, GifSoftc } from '../net/gif.js';
import { greVnet } from '../net/gre.js';
import type { GreCarrier, GreSoftc } from '../net/gre.js';
import { IFF_LINK2 } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import type { TunnelEnds6, TunnelSoftc, TunnelVnet } from '../net/tunnel-softc.js';
import { refuse } from '../net/tunnel-softc.js';
import type { IfaddrEvent } from '../net/net.js';
import { ip6W0Zoned, ip6PutWords } from '../wire/addr6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Class, ip6Emit } from '../wire/ip6.js';
import { IPPROTO_ETHERIP, IPPROTO_GRE, IPPROTO_IPV4, IPPROTO_IPV6 } from '../wire/ipproto.js';
import { In6Ifaddr } from './in6-ifaddr.js';
import { in6Zone } from './in6-src.js';
import { encap6Attach, encap6Detach } from './ip6-encap.js';
import type { Encap6Handler } from './ip6-encap.js';
import { IPV6_MINMTU, Ip6OutputOpts } from './ip6-output.js';
import type { Ip6 } from './ip6.js';

/** Hop limit of outer packets, and its limit. */
const TUNNEL_HLIM = 30;
const HLIM_MAX = 255;

type Carrier = GifCarrier | GreCarrier;

abstract class In6Tunnel<C extends Carrier> implements Encap6Handler {
  /** `net.inet6.ip6.gifhlim`, `net.inet6.ip6.grehlim` */
  hlim = TUNNEL_HLIM;
  protected readonly ip6: Ip6;
  private readonly protos: readonly number[];
  private opts: Ip6OutputOpts | null = null;

  constructor(ip6: Ip6, protos: readonly number[]) {
    this.ip6 = ip6;
    this.protos = protos;
    for (const proto of protos) encap6Attach(ip6, proto, this);
    ip6.net.ifaddrEvent.attach(this, In6Tunnel.onIfaddr);
  }

  /** The vnet's tunnels of its kind; null when there is no cloner any more. */
  protected abstract get vnet(): TunnelVnet<C> | null;

  abstract take6(ifp: Ifnet, m: PacketBuffer, off: number): boolean;

  /** Undoes the constructor; tunnels are left without a carrier. */
  destroy(): void {
    const { vnet } = this;
    if (vnet !== null) vnet.carrier6 = null;
    for (const proto of this.protos) encap6Detach(this.ip6, proto, this);
    this.ip6.net.kern.sysctl.detach(this);
    this.ip6.net.ifaddrEvent.detach(this);
  }

  private static onIfaddr<C extends Carrier>(this: void, tunnel: In6Tunnel<C>, { ifa }: IfaddrEvent): void {
    if (ifa instanceof In6Ifaddr) tunnel.vnet?.recheck6(ifa.addr);
  }

  isLocal(addr: number | Uint8Array): boolean {
    return typeof addr !== 'number' && this.ip6.in6Net.addrOfBytes(addr) !== null;
  }

  /** Puts an outer header before `m` and sends it. Owns `m`. */
  protected send(ends: TunnelEnds6 | null, m: PacketBuffer, proto: number, tos: number): Errno {
    if (ends === null) return refuse(m, EAFNOSUPPORT);
    if (!m.prepend(IP6_HDR_LEN)) return refuse(m, ENOBUFS);
    const v = m.view;
    ip6Emit(v, m.off, tos, 0, m.len - IP6_HDR_LEN, proto, this.hlim);
    ip6PutWords(v, m.off + IP6_SRC, ends.s0, ends.s1, ends.s2, ends.s3);
    ip6PutWords(v, m.off + IP6_DST, ends.d0, ends.d1, ends.d2, ends.d3);
    const zone = in6Zone(ends.d0) || in6Zone(ends.s0);
    const opts = (this.opts ??= new Ip6OutputOpts());
    opts.ifp = zone === 0 ? null : this.ip6.net.ifByIndex(zone);
    return this.ip6.output(m, IPV6_MINMTU, opts);
  }

  /** The tunnel, if it is up, that `m`, which came in on `ifp`, belongs to. */
  protected tunnelOf(ifp: Ifnet, m: PacketBuffer): TunnelSoftc<C> | null {
    const sc = this.vnet?.find6(m.view, m.off + IP6_DST, m.off + IP6_SRC, ifp.index, 0) ?? null;
    return sc !== null && sc.ifp.isUp ? sc : null;
  }

  /** Is the source of `m` reached through `ifp`? */
  protected cameFrom(ifp: Ifnet, m: PacketBuffer, fib: number): boolean {
    const v = m.view;
    const s = m.off + IP6_SRC;
    return this.ip6.routes.lookup6(fib, ip6W0Zoned(v, s, ifp.index), v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), 0)?.ifp === ifp;
  }
}

const GIF_SYSCTLS: SysctlGroup<In6Gif> = {
  prefix: 'net.inet6.ip6',
  oids: [sysctlInt<In6Gif, 'hlim'>('gifhlim', 'hlim', 'hops', 1, HLIM_MAX, 'Hop limit of the packets that carry tunnels')],
};

export class In6Gif extends In6Tunnel<GifCarrier> implements GifCarrier {
  constructor(ip6: Ip6) {
    super(ip6, [IPPROTO_IPV4, IPPROTO_IPV6, IPPROTO_ETHERIP]);
    const { vnet } = this;
    if (vnet !== null) vnet.carrier6 = this;
    ip6.net.kern.sysctl.attach(GIF_SYSCTLS, this);
  }

  output(sc: GifSoftc, m: PacketBuffer, proto: number, tos: number): Errno {
    return this.send(sc.ends6, m, proto, tos);
  }

  take6(ifp: Ifnet, m: PacketBuffer, off: number): boolean {
    const sc = this.tunnelOf(ifp, m);
    if (sc === null || ((sc.ifp.flags & IFF_LINK2) === 0 && !this.cameFrom(ifp, m, sc.ifp.tunnelFib))) return false;
    const tos = ip6Class(m.view, m.off);
    m.adj(off);
    sc.input(m, tos);
    return true;
  }

  protected get vnet(): TunnelVnet<GifCarrier> | null {
    return gifVnet(this.ip6.net);
  }
}

const GRE_SYSCTLS: SysctlGroup<In6Gre> = {
  prefix: 'net.inet6.ip6',
  oids: [sysctlInt<In6Gre, 'hlim'>('grehlim', 'hlim', 'hops', 1, HLIM_MAX, 'Hop limit of the packets that carry GRE')],
};

export class In6Gre extends In6Tunnel<GreCarrier> implements GreCarrier {
  constructor(ip6: Ip6) {
    super(ip6, [IPPROTO_GRE]);
    const { vnet } = this;
    if (vnet !== null) vnet.carrier6 = this;
    ip6.net.kern.sysctl.attach(GRE_SYSCTLS, this);
  }

  output(sc: GreSoftc, m: PacketBuffer, tos: number): Errno {
    return this.send(sc.ends6, m, IPPROTO_GRE, tos);
  }

  take6(ifp: Ifnet, m: PacketBuffer, off: number): boolean {
    const sc = this.tunnelOf(ifp, m);
    if (sc === null) return false;
    const tos = ip6Class(m.view, m.off);
    m.adj(off);
    sc.input(m, tos);
    return true;
  }

  /** UDP carries GRE in IPv4 only; the tunnel says so when it is asked. */
  listen(): Errno {
    return EAFNOSUPPORT;
  }

  unlisten(): void {
    // Nothing was opened.
  }

  protected get vnet(): TunnelVnet<GreCarrier> | null {
    return greVnet(this.ip6.net);
  }
}
