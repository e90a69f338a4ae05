/**
 * gre.ts — gre(4): a tunnel interface that carries IP packets behind a GRE header, in IP or in UDP.
 * Read first: net/tunnel-softc.ts; RFC 2784, RFC 2890 (key, sequence number), RFC 8086 (in UDP); gre(4); freebsd `sys/net/if_gre.c`.
 *
 * Theory of operation. The options say what the header of outgoing packets has: a checksum, a sequence number that counts up from 0,
 * and a key when it is not 0. Incoming packets may have any of them; a checksum that is there is verified, key and sequence number are
 * read over, as in FreeBSD. The vnet's GreCarrier (inet/in-gre.ts) puts the outer header on. In UDP the source port tells flows
 * apart, so that routers on the way spread them, unless `udpport` fixes it.
 * `obytes` counts the GRE header too; each piece of a super-segment is counted as the packet it is.
 *
 * Options outlive the tunnel: `deletetunnel` and a move to another vnet take the outer addresses alone.
 * Not here: outer IPv6; ECN, which the outer packet takes over and never gives back.
 *
 * @rfc 2784 yes
 * @rfc 2890 yes
 * @rfc 8086 partial "no fragmentation of its own, no congestion circuit breaker"
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, EEXIST, EINVAL, ENETDOWN, ENOBUFS } from '../base/errno.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ETHERTYPE_IP, ETHERTYPE_IPV6 } from '../wire/ether.js';
import { GRE_FLAGS_CP, GRE_FLAGS_KP, GRE_FLAGS_SP, greCheck, greEmit, greHdrLen, greIpVersion, grePayload } from '../wire/gre.js';
import { IP4_DST, IP4_HDR_LEN, IP4_ID, IP4_SRC, IP4_TOS, IPVERSION } from '../wire/ip4.js';
import { IP6_ADDR_LEN } from '../wire/addr6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, IPV6_VERSION } from '../wire/ip6.js';
import type { IfClonerSpec } from './if-clone.js';
import { ifDemux } from './if-demux.js';
import { IFT_TUNNEL, TRANSMIT_COUNTED } from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';
import { TunnelSoftc, TunnelVnet, nestingOid, refuse, tunnelCreate, tunnelDestroy } from './tunnel-softc.js';
import type { TunnelCarrier } from './tunnel-softc.js';

const GRE_MTU = 1_476;
const GRE_MTU_MIN = 576;

/** Options, FreeBSD's values. */
export const GRE_ENABLE_CSUM = 0x1;
export const GRE_ENABLE_SEQ = 0x2;
export const GRE_UDPENCAP = 0x4;
const GRE_OPTMASK = GRE_ENABLE_CSUM | GRE_ENABLE_SEQ | GRE_UDPENCAP;

/** Where source ports come from (RFC 8086 §3.3: 14 bits of entropy above the first of the dynamic range). */
const UDPPORT_MIN = 49_152;
const UDPPORT_MAX = 65_535;

/** Identification of an outer packet that has none to take over. */
export const GRE_ID_NEW = -1;

/** What carries a vnet's gres. */
export interface GreCarrier extends TunnelCarrier {
  /** Sends `m`, at its GRE header, from `sc.src` to `sc.dst`: in UDP from port `sport`, in IP when that is 0. Owns `m`. */
  output(sc: GreSoftc, m: PacketBuffer, tos: number, id: number, sport: number): Errno;
  /** Hears GRE in UDP at an address, for one more tunnel. EADDRINUSE: somebody else has the port. */
  listen(addr: number): Errno;
  /** For one less. */
  unlisten(addr: number): void;
}

/** The gres of a vnet. */
export class GreVnet extends TunnelVnet<GreCarrier> {}

const GRE_SYSCTLS: SysctlGroup<GreVnet> = { prefix: 'net.link.gre', oids: [nestingOid()] };

/** The gres of `net`, null where there is no gre cloner. */
export function greVnet(net: Net): GreVnet | null {
  const v = net.drivers.get('gre');
  return v instanceof GreVnet ? v : null;
}

export class GreSoftc extends TunnelSoftc<GreCarrier> {
  /** GRE_* */
  options = 0;
  /** 0: none is sent. */
  key = 0;
  /** Source port in UDP; 0: one for each flow. */
  udpport = 0;
  private seq = 0;

  constructor(net: Net, xname: string, unit: number) {
    super(net, greVnet(net), 'gre', unit, xname, IFT_TUNNEL, GRE_MTU, ifDemux);
  }

  setMtu(_ifp: Ifnet, mtu: number): Errno {
    return mtu < GRE_MTU_MIN ? EINVAL : 0;
  }

  override transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    const error = super.transmit(ifp, m);
    return error === 0 ? TRANSMIT_COUNTED : error;
  }

  override configure(src: number, dst: number): Errno {
    const was = this.configured && this.src === src && this.dst === dst;
    const error = super.configure(src, dst);
    if (error === 0 && !was) this.seq = 0;
    return error;
  }

  /** `m.off` is at the GRE header. The outer TOS stays outside. */
  input(m: PacketBuffer, _tos: number): void {
    const v = m.view;
    const version = greCheck(v, m.off, m.len) === 0 ? greIpVersion(v, m.off) : 0;
    const hlen = version === 0 ? 0 : grePayload(v, m.off, m.len) - m.off;
    if (version === 0 || hlen >= m.len || v.getUint8(m.off + hlen) >>> 4 !== version) {
      this.up.error(m);
      return;
    }
    m.adj(hlen);
    this.up.enqueue(m);
  }

  override configure6(src: Uint8Array, dst: Uint8Array): Errno {
    if (this.variant !== 0) return EAFNOSUPPORT;
    const was = this.ends6;
    const error = super.configure6(src, dst);
    if (error === 0 && this.ends6 !== was) this.seq = 0;
    return error;
  }

  /** GRESOPTS. EAFNOSUPPORT: UDP carries it in IPv4 only; EINVAL: unknown bits; EEXIST: another gre has the pair in that encapsulation; EADDRINUSE: its UDP port is taken. */
  setOptions(options: number): Errno {
    if ((options & ~GRE_OPTMASK) !== 0) return EINVAL;
    const variant = options & GRE_UDPENCAP;
    const moves = this.configured && variant !== this.variant;
    if (variant !== 0 && this.ends6 !== null) return EAFNOSUPPORT;
    if (moves && this.ends6 === null && (this.vnet?.find(this.src, this.dst, variant) ?? null) !== null) return EEXIST;
    if (moves) this.unlink();
    this.options = options;
    this.variant = variant;
    if ((options & GRE_ENABLE_SEQ) === 0) this.seq = 0;
    return moves ? this.link() : 0;
  }

  /** GRESPORT. EINVAL: neither 0 nor in the dynamic range. */
  setUdpport(port: number): Errno {
    if (port !== 0 && (port < UDPPORT_MIN || port > UDPPORT_MAX)) return EINVAL;
    this.udpport = port;
    return 0;
  }

  protected override open(): Errno {
    return this.variant === 0 ? 0 : (this.vnet?.carrier?.listen(this.src) ?? ENETDOWN);
  }

  protected override close(): void {
    if (this.variant !== 0) this.vnet?.carrier?.unlisten(this.src);
  }

  protected output(carrier: GreCarrier, m: PacketBuffer): Errno {
    const v = m.view;
    const version = m.len < IP4_HDR_LEN ? 0 : v.getUint8(m.off) >>> 4;
    if (version !== IPVERSION && (version !== IPV6_VERSION || m.len < IP6_HDR_LEN)) return refuse(m, ENETDOWN);
    const isIp4 = version === IPVERSION;
    const tos = isIp4 ? v.getUint8(m.off + IP4_TOS) : 0;
    const id = isIp4 ? v.getUint16(m.off + IP4_ID) : GRE_ID_NEW;
    const sport = this.variant === 0 ? 0 : this.udpport !== 0 ? this.udpport : flowPort(m, isIp4);
    const flags = this.headerFlags;
    if (!m.prepend(greHdrLen(flags))) return refuse(m, ENOBUFS);
    greEmit(v, m.off, m.len, flags, isIp4 ? ETHERTYPE_IP : ETHERTYPE_IPV6, this.key, this.seq);
    if ((flags & GRE_FLAGS_SP) !== 0) this.seq = (this.seq + 1) >>> 0;
    const { len } = m;
    const error = carrier.output(this, m, tos, id, sport);
    if (error !== 0) return error;
    this.ifp.data.opackets++;
    this.ifp.data.obytes += len;
    return 0;
  }

  private get headerFlags(): number {
    return ((this.options & GRE_ENABLE_CSUM) !== 0 ? GRE_FLAGS_CP : 0) | (this.key !== 0 ? GRE_FLAGS_KP : 0) | ((this.options & GRE_ENABLE_SEQ) !== 0 ? GRE_FLAGS_SP : 0);
  }
}

/** A source port made of both inner addresses: the same for all packets of a flow. */
function flowPort(m: PacketBuffer, isIp4: boolean): number {
  const v = m.view;
  const low = IP6_ADDR_LEN - 4;
  const flow = isIp4 ? v.getUint32(m.off + IP4_SRC) ^ v.getUint32(m.off + IP4_DST) : v.getUint32(m.off + IP6_SRC + low) ^ v.getUint32(m.off + IP6_DST + low);
  return UDPPORT_MIN | ((flow >>> 16) | (flow & 0xffff));
}

/** What ifconfig shows of a gre. */
export interface GreParams {
  readonly key: number;
  /** GRE_* */
  readonly options: number;
  readonly udpport: number;
}

/** The options of a gre that moves. */
class GreKept implements GreParams {
  readonly key: number;
  readonly options: number;
  readonly udpport: number;

  constructor(params: GreParams | null) {
    this.key = params?.key ?? 0;
    this.options = params?.options ?? 0;
    this.udpport = params?.udpport ?? 0;
  }
}

export const greCloner: IfClonerSpec = {
  name: 'gre',
  create: (net, _cloner, xname, unit, _params, like) => tunnelCreate(new GreSoftc(net, xname, unit), net, like),
  destroy: tunnelDestroy,
  saveParams: (ifp) => new GreKept(greParams(ifp)),
  applyParams(ifp, saved) {
    const sc = ifp.driver;
    if (!(sc instanceof GreSoftc) || !(saved instanceof GreKept)) return EINVAL;
    sc.key = saved.key;
    sc.udpport = saved.udpport;
    return sc.setOptions(saved.options);
  },
  attach(net) {
    const vnet = new GreVnet();
    net.drivers.set('gre', vnet);
    net.kern.sysctl.attach(GRE_SYSCTLS, vnet);
  },
  detach(net) {
    const vnet = greVnet(net);
    if (vnet !== null) net.kern.sysctl.detach(vnet);
    net.drivers.delete('gre');
  },
};

/** null: not a gre. */
export function greParams(ifp: Ifnet): GreParams | null {
  const sc = ifp.driver;
  return sc instanceof GreSoftc ? { key: sc.key, options: sc.options, udpport: sc.udpport } : null;
}

/** GRESKEY, 32 bits. EINVAL: not a gre. */
export function greSetKey(ifp: Ifnet, key: number): Errno {
  if (!(ifp.driver instanceof GreSoftc)) return EINVAL;
  ifp.driver.key = key >>> 0;
  return 0;
}

/** GRESOPTS; see GreSoftc.setOptions. EINVAL for what is no gre, too. */
export function greSetOptions(ifp: Ifnet, options: number): Errno {
  return ifp.driver instanceof GreSoftc ? ifp.driver.setOptions(options) : EINVAL;
}

/** GRESPORT; see GreSoftc.setUdpport. */
export function greSetUdpport(ifp: Ifnet, port: number): Errno {
  return ifp.driver instanceof GreSoftc ? ifp.driver.setUdpport(port) : EINVAL;
}
