/**
 * gif.ts — gif(4): a tunnel interface that carries IP packets, or as a bridge member Ethernet frames, in IP packets.
 * Read first: RFC 2003 (IP in IP), RFC 3378 (EtherIP); gif(4); freebsd `sys/net/if_gif.c`.
 *
 * Theory of operation. A gif has a pair of outer addresses, set by `gifSetTunnel`, and runs while the source is an address of its vnet.
 * Output puts what it carries behind an outer header and gives it to the vnet's GifTransport (inet/in-gif.ts), which knows IP. Input
 * comes from there, waits on the interface's bounded queue and goes up from the netisr, so that tunnels in tunnels, however
 * deep somebody nests them in one packet, need no stack. What a packet carries is told by its first four bits: 3 for EtherIP, 4 for IPv4.
 * Inside the outer packet a checksum cannot stay pending, because the packet may be cut; super-segments are cut before.
 *
 * Guards. Sending through a gif may send through a gif again when the outer route says so: at most `net.link.gif.max_nesting` deep, and
 * never through the same one twice. Sending is synchronous down to the first queue, so the nesting is the depth of the calls. Every
 * crossing counts as a hop.
 *
 * A gif that moves to another vnet arrives without its tunnel, which belongs to the vnet it was configured in.
 *
 * Invariants: a softc is in its vnet's `tunnels` exactly while it has outer addresses; no two there have the same pair.
 * Not here: IPv6, inside or outside; the `ignore_source` and `send_rev_ethip_ver` options.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, EIO, ENETDOWN, ENOBUFS } from '../base/errno.js';
import type { CalloutOwner } from '../kern/callout.js';
import type { NetisrSource } from '../kern/netisr.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { M_BCAST, M_MCAST, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PacketQueue } from '../mbuf/packet-queue.js';
import { cksumUpdate16 } from '../wire/checksum.js';
import {
  ETHER_HDR_LEN, ETHER_TCI, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN, etherIsBroadcast, etherIsMulticast, etherIsTagType, etherTagPop,
} from '../wire/ether.js';
import { ETHERIP_HDR_LEN, ETHERIP_VERSION, etheripCheck, etheripEmit } from '../wire/etherip.js';
import { IP4_SUM, IP4_TOS, IPTOS_ECN_CE, IPTOS_ECN_ECT1, IPTOS_ECN_MASK, IPTOS_ECN_NOTECT, IPVERSION } from '../wire/ip4.js';
import { IPPROTO_ETHERIP, IPPROTO_IPV4 } from '../wire/ipproto.js';
import { HOPS_MAX, etherInsertTag } from './ether.js';
import type { CloneParams, CloneResult, IfCloner, IfClonerSpec } from './if-clone.js';
import { ifDemux } from './if-demux.js';
import { ifAttach, ifLinkStateChange, ifUp } from './if.js';
import { ifDetach } from './if-detach.js';
import { ifInput } from './if-transmit.js';
import {
  IFCAP_LINKSTATE, IFF_LINK1, IFF_MONITOR, IFF_MULTICAST, IFF_POINTOPOINT, IFF_RUNNING, IFF_UP, IFT_GIF, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP,
} from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { IfVparams } from './if-vparams.js';
import type { Net } from './net.js';
import { finishChecksums, segment } from './offload.js';

const GIF_MTU_MIN = 1_280;
const GIF_MTU_MAX = 8_192;
/** Packets that may wait to come in. */
export const GIF_QUEUE_MAX = 1_024;
const NESTING_MAX = 32;
const UP_AND_RUNNING = IFF_UP | IFF_RUNNING;

/** The network protocol that carries a vnet's tunnels. Filled in by inet/in-gif.ts. */
export interface GifTransport {
  /** Puts an outer header with this protocol and TOS before `m` and sends it from `sc.src` to `sc.dst`. Owns `m`. */
  output(sc: GifSoftc, m: PacketBuffer, proto: number, tos: number): Errno;
  /** Is it an address of this vnet? */
  isLocal(addr: number): boolean;
}

/** The tunnels of a vnet. */
export class GifVnet {
  /** `net.link.gif.max_nesting` */
  maxNesting = 1;
  transport: GifTransport | null = null;
  /** Configured tunnels by outer destination. */
  readonly tunnels = new Map<number, GifSoftc[]>();
  /** gifs that are sending at this moment. */
  depth = 0;

  /** The tunnel with these outer addresses, as seen from this end. */
  find(src: number, dst: number): GifSoftc | null {
    const list = this.tunnels.get(dst);
    if (list === undefined) return null;
    for (const sc of list) if (sc.src === src) return sc;
    return null;
  }

  add(sc: GifSoftc): void {
    const list = this.tunnels.get(sc.dst);
    if (list === undefined) this.tunnels.set(sc.dst, [sc]);
    else list.push(sc);
  }

  remove(sc: GifSoftc): void {
    const left = (this.tunnels.get(sc.dst) ?? []).filter((x) => x !== sc);
    if (left.length === 0) this.tunnels.delete(sc.dst);
    else this.tunnels.set(sc.dst, left);
  }

  /** Addresses came or went: tunnels run while their source is one. */
  recheck(addr: number): void {
    for (const list of this.tunnels.values()) for (const sc of list) if (sc.src === addr) sc.checkSource();
  }
}

const GIF_SYSCTLS: SysctlGroup<GifVnet> = {
  prefix: 'net.link.gif',
  oids: [sysctlInt('max_nesting', 'maxNesting', '', 0, NESTING_MAX, 'Tunnels a packet may be put into on its way out')],
};

/** The tunnels of `net`, null where there is no gif cloner. */
export function gifVnet(net: Net): GifVnet | null {
  const v = net.drivers.get('gif');
  return v instanceof GifVnet ? v : null;
}

export class GifSoftc implements IfDriver, NetisrSource {
  readonly ifp: Ifnet;
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  /** Outer addresses, host order; meaningful while `configured`. */
  src = 0;
  dst = 0;
  configured = false;
  private readonly vnet: GifVnet | null;
  private sending = false;
  private readonly queue = new PacketQueue(GIF_QUEUE_MAX);
  private pieceError: Errno = 0;
  private readonly emit = (piece: PacketBuffer): void => {
    const error = this.encapsulate(piece);
    if (error !== 0) this.pieceError = error;
  };

  constructor(net: Net, xname: string, unit: number) {
    this.vnet = gifVnet(net);
    this.netisrOwner = net.kern;
    this.ifp = new Ifnet(this, 'gif', unit, xname, IFT_GIF, IFF_POINTOPOINT | IFF_MULTICAST, GIF_MTU_MIN);
    this.ifp.capabilities = IFCAP_LINKSTATE;
    this.ifp.capenable = IFCAP_LINKSTATE;
    this.ifp.input = gifDemux;
  }

  /** ENETDOWN: not up, no tunnel, or its source is not ours; EIO: too deep, or in a circle; ENOBUFS: no headroom; else what IP says. */
  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    const vnet = this.vnet;
    if (vnet === null || !this.configured || (ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING || (ifp.flags & IFF_MONITOR) !== 0) return refuse(m, ENETDOWN);
    if (this.sending || vnet.depth >= vnet.maxNesting || m.hops >= HOPS_MAX) return refuse(m, EIO);
    vnet.depth++;
    this.sending = true;
    try {
      return this.send(m);
    } finally {
      this.sending = false;
      vnet.depth--;
    }
  }

  setMtu(_ifp: Ifnet, mtu: number): Errno {
    return mtu < GIF_MTU_MIN || mtu > GIF_MTU_MAX ? EINVAL : 0;
  }

  addrAdded(ifp: Ifnet): void {
    ifUp(ifp);
  }

  queued(): number {
    return this.queue.length;
  }

  /** SIOCSIFPHYADDR. EADDRNOTAVAIL: an address is 0.0.0.0, or another gif has this pair; EAFNOSUPPORT: the vnet has no IP. */
  configure(src: number, dst: number): Errno {
    const vnet = this.vnet;
    if (vnet === null || vnet.transport === null) return EAFNOSUPPORT;
    if (src === 0 || dst === 0) return EADDRNOTAVAIL;
    const other = vnet.find(src, dst);
    if (other !== null) return other === this ? 0 : EADDRNOTAVAIL;
    if (this.configured) vnet.remove(this);
    this.src = src;
    this.dst = dst;
    this.configured = true;
    vnet.add(this);
    this.checkSource();
    ifLinkStateChange(this.ifp, LINK_STATE_UP);
    return 0;
  }

  /** SIOCDIFPHYADDR. */
  unconfigure(): void {
    if (!this.configured) return;
    this.vnet?.remove(this);
    this.configured = false;
    this.src = 0;
    this.dst = 0;
    this.ifp.flags &= ~IFF_RUNNING;
    ifLinkStateChange(this.ifp, LINK_STATE_DOWN);
  }

  /** Runs while the outer source is an address of this vnet, so that nobody sends in another's name. */
  checkSource(): void {
    const local = this.vnet?.transport?.isLocal(this.src) ?? false;
    this.ifp.flags = local ? this.ifp.flags | IFF_RUNNING : this.ifp.flags & ~IFF_RUNNING;
  }

  /** A packet for this tunnel; `m.off` is behind the outer header, whose TOS this was. Owns `m`. */
  input(m: PacketBuffer, tos: number): void {
    const { ifp } = this;
    const net = ifp.net;
    if (net === null || m.len === 0 || m.hops >= HOPS_MAX || !this.ecnEgress(m, tos)) {
      ifp.data.ierrors++;
      m.free();
      return;
    }
    m.hops++;
    m.flags = 0;
    m.csumFlags = 0;
    m.gsoSize = 0;
    m.gsoType = 0;
    m.pcp = -1;
    m.fib = ifp.fib;
    if (!this.queue.enqueue(m)) ifp.data.iqdrops++;
    else if (!this.netisrQueued) net.kern.engine.schedule(this);
  }

  netisrRun(max: number): number {
    let n = 0;
    for (; n < max; n++) {
      const m = this.queue.dequeue();
      if (m === null) break;
      ifInput(this.ifp, m);
    }
    return n;
  }

  /** Leaves its vnet for good. */
  detach(): void {
    this.unconfigure();
    ifDetach(this.ifp);
    this.queue.purge();
  }

  /** Cuts what is too long to be left whole; the rest as `encapsulate`. */
  private send(m: PacketBuffer): Errno {
    if (m.gsoSize === 0) return this.encapsulate(m);
    this.pieceError = 0;
    const pieces = segment(m.pool, m, this.emit, this.linkLen);
    return pieces === 0 ? ENOBUFS : this.pieceError;
  }

  private encapsulate(m: PacketBuffer): Errno {
    const transport = this.vnet?.transport ?? null;
    if (transport === null) return refuse(m, ENETDOWN);
    if (!etherInsertTag(m) || !finishChecksums(m, this.linkLen)) return refuse(m, ENOBUFS);
    m.hops++;
    m.flags = 0;
    m.csumFlags = 0;
    m.pcp = -1;
    m.rcvif = 0;
    m.fib = this.ifp.tunnelFib;
    m.flowid = 0;
    if (this.ifp.bridge !== null) {
      if (!m.prepend(ETHERIP_HDR_LEN)) return refuse(m, ENOBUFS);
      etheripEmit(m.view, m.off);
      return transport.output(this, m, IPPROTO_ETHERIP, 0);
    }
    if (m.len === 0 || m.buf[m.off]! >> 4 !== IPVERSION) return refuse(m, EAFNOSUPPORT);
    return transport.output(this, m, IPPROTO_IPV4, ecnIngress(m.view.getUint8(m.off + IP4_TOS), (this.ifp.flags & IFF_LINK1) !== 0));
  }

  private get linkLen(): number {
    return this.ifp.bridge === null ? 0 : ETHER_HDR_LEN;
  }

  /** RFC 3168 §9.1.1, with LINK1: congestion met in the tunnel is told to the inside. False: it cannot be, so the packet is lost. */
  private ecnEgress(m: PacketBuffer, tos: number): boolean {
    if ((this.ifp.flags & IFF_LINK1) === 0 || (tos & IPTOS_ECN_MASK) !== IPTOS_ECN_CE || m.buf[m.off]! >> 4 !== IPVERSION) return true;
    const v = m.view;
    const inner = v.getUint8(m.off + IP4_TOS);
    if ((inner & IPTOS_ECN_MASK) === IPTOS_ECN_NOTECT) return false;
    const was = v.getUint16(m.off);
    v.setUint8(m.off + IP4_TOS, inner | IPTOS_ECN_CE);
    v.setUint16(m.off + IP4_SUM, cksumUpdate16(v.getUint16(m.off + IP4_SUM), was, v.getUint16(m.off)));
    return true;
  }
}

function refuse(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}

/** The outer TOS: the inner one; with full ECN functionality a mark inside is not repeated outside. */
function ecnIngress(inner: number, full: boolean): number {
  return full && (inner & IPTOS_ECN_MASK) === IPTOS_ECN_CE ? inner & ~IPTOS_ECN_ECT1 : inner;
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
  create(net: Net, _cloner: IfCloner, xname: string, unit: number, _params: CloneParams | null, like: IfVparams | null): CloneResult {
    const { ifp } = new GifSoftc(net, xname, unit);
    ifAttach(ifp, net, like);
    return { error: 0, ifp };
  },
  destroy(ifp: Ifnet): Errno {
    const sc = ifp.driver;
    if (!(sc instanceof GifSoftc)) return EINVAL;
    sc.detach();
    return 0;
  },
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

/** Outer addresses of a tunnel, host order. */
export interface GifTunnel {
  readonly src: number;
  readonly dst: number;
}

/** `tunnel SRC DST`. EINVAL: not a gif; others as GifSoftc.configure. */
export function gifSetTunnel(ifp: Ifnet, src: number, dst: number): Errno {
  return ifp.driver instanceof GifSoftc ? ifp.driver.configure(src, dst) : EINVAL;
}

/** `deletetunnel`. EINVAL: not a gif. */
export function gifDeleteTunnel(ifp: Ifnet): Errno {
  if (!(ifp.driver instanceof GifSoftc)) return EINVAL;
  ifp.driver.unconfigure();
  return 0;
}

/** What `tunnel inet SRC --> DST` of ifconfig shows; null when there is none, or `ifp` is no gif. */
export function gifTunnel(ifp: Ifnet): GifTunnel | null {
  const sc = ifp.driver;
  return sc instanceof GifSoftc && sc.configured ? { src: sc.src, dst: sc.dst } : null;
}
