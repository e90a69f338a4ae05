/**
 * tunnel-softc.ts — what the tunnels over IP have in common: outer addresses, when they run, how deep they nest, how they are cut.
 * Read first: RFC 2003; gif(4), gre(4); freebsd `sys/net/if_gif.c`, `sys/net/if_gre.c`, `if_tunnel_check_nesting` in `sys/net/if.c`.
 *
 * Theory of operation. A tunnel has a pair of outer addresses, set by `tunnelSet`, and runs while the source is an address of its
 * vnet, so that nobody sends in another's name. Output hands what it carries, with everything that cannot stay pending inside another
 * packet done, to `output` of the kind, which puts its header on and gives it to the vnet's TunnelCarrier, which knows IP
 * (inet/in-tunnel.ts). Input comes from there, is unpacked by the kind, and goes up through a queue (tunnel-input.ts).
 *
 * Guards. Sending through a tunnel may send through a tunnel again when the outer route says so: at most `max_nesting` of a kind
 * deep, and never through the same one twice. Sending is synchronous down to the first queue, so the nesting is the depth of
 * the calls.
 *
 * A tunnel that moves to another vnet arrives without its ends, which belong to the vnet they were configured in.
 *
 * Invariants: a tunnel is in its TunnelVnet exactly while it is `configured`; no two there have the same ends and variant.
 * Not here: the outer headers; carriers of each family make them.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, EIO, ENETDOWN, ENOBUFS } from '../base/errno.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlOid } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PacketQueue } from '../mbuf/packet-queue.js';
import { ip6Equals, ip6IsMulticast, ip6IsUnspecified, ip6W0Zoned, ip6Word } from '../wire/addr6.js';
import { HOPS_MAX, etherInsertTag } from './ether.js';
import type { CloneResult, IfClonerSpec } from './if-clone.js';
import { ifDetach } from './if-detach.js';
import { ifAttach, ifLinkStateChange, ifUp } from './if.js';
import {
  IFCAP_LINKSTATE, IFF_MONITOR, IFF_MULTICAST, IFF_POINTOPOINT, IFF_RUNNING, IFF_UP, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP,
} from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { IfVparams } from './if-vparams.js';
import type { Net } from './net.js';
import { finishChecksums } from './offload.js';
import { TunnelInput } from './tunnel-input.js';
import { TunnelOutput, tunnelEnter } from './tunnel-output.js';

const NESTING_MAX = 32;
const UP_AND_RUNNING = IFF_UP | IFF_RUNNING;

/** The network protocol that carries a kind of tunnel. Each kind asks more of its own. */
export interface TunnelCarrier {
  /** Is it an address of this vnet? IPv4: host order; IPv6: 16 bytes in zoned form. */
  isLocal(addr: number | Uint8Array): boolean;
}

/** Outer IPv6 addresses, in zoned form, with their words as packet paths compare them. */
export class TunnelEnds6 {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly s0: number;
  readonly s1: number;
  readonly s2: number;
  readonly s3: number;
  readonly d0: number;
  readonly d1: number;
  readonly d2: number;
  readonly d3: number;

  constructor(src: Uint8Array, dst: Uint8Array) {
    this.src = src;
    this.dst = dst;
    this.s0 = ip6Word(src, 0);
    this.s1 = ip6Word(src, 1);
    this.s2 = ip6Word(src, 2);
    this.s3 = ip6Word(src, 3);
    this.d0 = ip6Word(dst, 0);
    this.d1 = ip6Word(dst, 1);
    this.d2 = ip6Word(dst, 2);
    this.d3 = ip6Word(dst, 3);
  }
}

/** The tunnels of one kind in a vnet. */
export class TunnelVnet<C extends TunnelCarrier> {
  /** `net.link.KIND.max_nesting` */
  maxNesting = 1;
  /** Filled in by the carrier; null outside its life. */
  carrier: C | null = null;
  carrier6: C | null = null;
  /** Tunnels that are sending at this moment. */
  depth = 0;
  /** Configured tunnels by outer destination; null while there are none, because most vnets have none. */
  private tunnels: Map<number, readonly TunnelSoftc<C>[]> | null = null;
  /** The same with IPv6 outside, by the last word of the destination. */
  private tunnels6: Map<number, readonly TunnelSoftc<C>[]> | null = null;

  /** The tunnel with these ends, as seen from this one. */
  find(src: number, dst: number, variant: number): TunnelSoftc<C> | null {
    const list = this.tunnels?.get(dst);
    if (list === undefined) return null;
    for (const sc of list) if (sc.src === src && sc.variant === variant) return sc;
    return null;
  }

  /** The tunnel whose source has the words at `src` of `v` and whose destination those at `dst`, both plain, in `zone`. */
  find6(v: DataView, src: number, dst: number, zone: number, variant: number): TunnelSoftc<C> | null {
    const list = this.tunnels6?.get(v.getInt32(dst + 12));
    if (list === undefined) return null;
    const s0 = ip6W0Zoned(v, src, zone);
    const d0 = ip6W0Zoned(v, dst, zone);
    for (let i = 0; i < list.length; i++) {
      const sc = list[i]!;
      const e = sc.ends6;
      if (e === null || sc.variant !== variant || e.s0 !== s0 || e.d0 !== d0) continue;
      if (e.s3 === v.getInt32(src + 12) && e.s2 === v.getInt32(src + 8) && e.s1 === v.getInt32(src + 4) && e.d2 === v.getInt32(dst + 8) && e.d1 === v.getInt32(dst + 4)) return sc;
    }
    return null;
  }

  /** The tunnel with these ends. */
  findEnds6(e: TunnelEnds6, variant: number): TunnelSoftc<C> | null {
    return this.tunnels6?.get(e.d3)?.find((sc) => sc.variant === variant && sc.ends6 !== null && ip6Equals(sc.ends6.src, e.src) && ip6Equals(sc.ends6.dst, e.dst)) ?? null;
  }

  add(sc: TunnelSoftc<C>): void {
    if (sc.ends6 !== null) {
      this.tunnels6 ??= new Map();
      this.tunnels6.set(sc.ends6.d3, [...(this.tunnels6.get(sc.ends6.d3) ?? []), sc]);
      return;
    }
    this.tunnels ??= new Map();
    this.tunnels.set(sc.dst, [...(this.tunnels.get(sc.dst) ?? []), sc]);
  }

  remove(sc: TunnelSoftc<C>): void {
    if (sc.ends6 !== null) {
      const others = (this.tunnels6?.get(sc.ends6.d3) ?? []).filter((x) => x !== sc);
      if (others.length > 0) this.tunnels6?.set(sc.ends6.d3, others);
      else this.tunnels6?.delete(sc.ends6.d3);
      if (this.tunnels6?.size === 0) this.tunnels6 = null;
      return;
    }
    const left = (this.tunnels?.get(sc.dst) ?? []).filter((x) => x !== sc);
    if (left.length > 0) this.tunnels?.set(sc.dst, left);
    else this.tunnels?.delete(sc.dst);
    if (this.tunnels?.size === 0) this.tunnels = null;
  }

  /** The address came or went: tunnels run while their source is one. */
  recheck(addr: number): void {
    for (const list of this.tunnels?.values() ?? []) for (const sc of list) if (sc.src === addr) sc.checkSource();
  }

  /** The same for IPv6; zoned. */
  recheck6(addr: Uint8Array): void {
    for (const list of this.tunnels6?.values() ?? []) for (const sc of list) if (sc.ends6 !== null && ip6Equals(sc.ends6.src, addr)) sc.checkSource();
  }
}

/** `max_nesting`, for the group of each kind. */
export function nestingOid<V extends { maxNesting: number }>(): SysctlOid<V> {
  return sysctlInt<{ maxNesting: number }, 'maxNesting'>('max_nesting', 'maxNesting', '', 0, NESTING_MAX, 'Tunnels a packet may be put into on its way out');
}

export abstract class TunnelSoftc<C extends TunnelCarrier> implements IfDriver {
  readonly ifp: Ifnet;
  /** Outer addresses, host order; meaningful while `configured`. */
  src = 0;
  dst = 0;
  /** Outer IPv6 addresses; null for a tunnel in IPv4. */
  ends6: TunnelEnds6 | null = null;
  configured = false;
  /** Encapsulations that differ may have the same ends. */
  variant = 0;
  protected readonly vnet: TunnelVnet<C> | null;
  protected readonly up: TunnelInput;
  private sending = false;
  private readonly down = new TunnelOutput((m) => this.encapsulate(m));

  /** @param input see Ifnet.input */
  constructor(net: Net, vnet: TunnelVnet<C> | null, dname: string, unit: number, xname: string, type: number, mtu: number, input: Ifnet['input']) {
    this.vnet = vnet;
    this.ifp = new Ifnet(this, dname, unit, xname, type, IFF_POINTOPOINT | IFF_MULTICAST, mtu);
    this.ifp.capabilities = IFCAP_LINKSTATE;
    this.ifp.capenable = IFCAP_LINKSTATE;
    this.ifp.input = input;
    this.up = new TunnelInput(this.ifp, net);
  }

  /** Sends `m`, ready to be put inside: no tag beside it, no checksum pending, not too long, its metadata that of the outer packet. Owns `m`. */
  protected abstract output(carrier: C, m: PacketBuffer): Errno;

  /** A packet for this tunnel; `m.off` is behind the outer header, whose TOS this was. Owns `m`. */
  abstract input(m: PacketBuffer, tos: number): void;

  /** Bytes in front of the network header of what it carries. */
  protected get linkLen(): number {
    return 0;
  }

  /** Its ends are set: opens what it needs to hear its packets. An error leaves it without a tunnel. */
  protected open(): Errno {
    return 0;
  }

  /** Undoes `open`; its ends are still set. */
  protected close(): void {
    // Nothing was opened.
  }

  /** ENETDOWN: not up, no tunnel, or its source is not ours; EIO: too deep, or in a circle; ENOBUFS: no headroom; else what IP says. */
  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    const vnet = this.vnet;
    if (vnet === null || !this.configured || (ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING || (ifp.flags & IFF_MONITOR) !== 0) return refuse(m, ENETDOWN);
    if (this.sending || vnet.depth >= vnet.maxNesting || m.hops >= HOPS_MAX) return refuse(m, EIO);
    vnet.depth++;
    this.sending = true;
    try {
      return this.down.send(m, this.linkLen);
    } finally {
      this.sending = false;
      vnet.depth--;
    }
  }

  addrAdded(ifp: Ifnet): void {
    ifUp(ifp);
  }

  rcvq(): PacketQueue {
    return this.up.rcvq;
  }

  queued(): number {
    return this.up.length;
  }

  /** SIOCSIFPHYADDR. EADDRNOTAVAIL: an address is 0.0.0.0, or another tunnel has this pair; EAFNOSUPPORT: the vnet has no IP. */
  configure(src: number, dst: number): Errno {
    const vnet = this.vnet;
    if (vnet === null || vnet.carrier === null) return EAFNOSUPPORT;
    if (src === 0 || dst === 0) return EADDRNOTAVAIL;
    const other = vnet.find(src, dst, this.variant);
    if (other !== null) return other === this ? 0 : EADDRNOTAVAIL;
    this.unlink();
    this.ends6 = null;
    this.src = src;
    this.dst = dst;
    const error = this.link();
    if (error === 0) ifLinkStateChange(this.ifp, LINK_STATE_UP);
    return error;
  }

  /** SIOCSIFPHYADDR_IN6, with addresses in zoned form. EADDRNOTAVAIL: one is unspecified or a group, or another tunnel has this pair; EAFNOSUPPORT: no IPv6. */
  configure6(src: Uint8Array, dst: Uint8Array): Errno {
    const vnet = this.vnet;
    if (vnet === null || vnet.carrier6 === null) return EAFNOSUPPORT;
    if ([src, dst].some((a) => ip6IsUnspecified(a) || ip6IsMulticast(a))) return EADDRNOTAVAIL;
    const ends = new TunnelEnds6(src, dst);
    const other = vnet.findEnds6(ends, this.variant);
    if (other !== null) return other === this ? 0 : EADDRNOTAVAIL;
    this.unlink();
    this.src = 0;
    this.dst = 0;
    this.ends6 = ends;
    const error = this.link();
    if (error === 0) ifLinkStateChange(this.ifp, LINK_STATE_UP);
    return error;
  }

  /** SIOCDIFPHYADDR. */
  unconfigure(): void {
    if (!this.configured) return;
    this.unlink();
    this.forget();
  }

  /** Runs while the outer source is an address of this vnet. */
  checkSource(): void {
    const local = this.carrier?.isLocal(this.ends6 === null ? this.src : this.ends6.src) ?? false;
    this.ifp.flags = local ? this.ifp.flags | IFF_RUNNING : this.ifp.flags & ~IFF_RUNNING;
  }

  /** Leaves its vnet for good. */
  detach(): void {
    this.unconfigure();
    ifDetach(this.ifp);
    this.up.purge();
  }

  /** Takes its place among the vnet's tunnels; on an error it is without a tunnel. */
  protected link(): Errno {
    const error = this.open();
    if (error !== 0) {
      this.forget();
      return error;
    }
    this.configured = true;
    this.vnet?.add(this);
    this.checkSource();
    return 0;
  }

  /** Gives it up, and keeps the ends for another `link`. */
  protected unlink(): void {
    if (!this.configured) return;
    this.vnet?.remove(this);
    this.close();
    this.configured = false;
  }

  /** What carries it: IPv4 or IPv6. */
  protected get carrier(): C | null {
    const { vnet } = this;
    if (vnet === null) return null;
    return this.ends6 === null ? vnet.carrier : vnet.carrier6;
  }

  private forget(): void {
    this.src = 0;
    this.dst = 0;
    this.ends6 = null;
    this.ifp.flags &= ~IFF_RUNNING;
    ifLinkStateChange(this.ifp, LINK_STATE_DOWN);
  }

  private encapsulate(m: PacketBuffer): Errno {
    const { carrier } = this;
    if (carrier === null) return refuse(m, ENETDOWN);
    if (!etherInsertTag(m) || !finishChecksums(m, this.linkLen)) return refuse(m, ENOBUFS);
    tunnelEnter(m, this.ifp.tunnelFib);
    return this.output(carrier, m);
  }
}

/** Frees `m` and answers with `error`. */
export function refuse(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}

/** `create` of a tunnel's cloner, for a tunnel made in `net`. */
export function tunnelCreate(sc: { readonly ifp: Ifnet }, net: Net, like: IfVparams | null): CloneResult {
  ifAttach(sc.ifp, net, like);
  return { error: 0, ifp: sc.ifp };
}

/** `destroy` of a tunnel's cloner. */
export const tunnelDestroy: IfClonerSpec['destroy'] = (ifp) => {
  if (!(ifp.driver instanceof TunnelSoftc)) return EINVAL;
  ifp.driver.detach();
  return 0;
};

/** Outer addresses of a tunnel, host order. */
export interface TunnelPair {
  readonly src: number;
  readonly dst: number;
}

/** `tunnel SRC DST`. EINVAL: not a tunnel; others as TunnelSoftc.configure. */
export function tunnelSet(ifp: Ifnet, src: number, dst: number): Errno {
  return ifp.driver instanceof TunnelSoftc ? ifp.driver.configure(src, dst) : EINVAL;
}

/** `deletetunnel`. EINVAL: not a tunnel. */
export function tunnelDelete(ifp: Ifnet): Errno {
  if (!(ifp.driver instanceof TunnelSoftc)) return EINVAL;
  ifp.driver.unconfigure();
  return 0;
}

/** What `tunnel inet SRC --> DST` of ifconfig shows; null when there is none, or `ifp` is no tunnel. */
export function tunnelPair(ifp: Ifnet): TunnelPair | null {
  const sc = ifp.driver;
  return sc instanceof TunnelSoftc && sc.configured && sc.ends6 === null ? { src: sc.src, dst: sc.dst } : null;
}

/** `inet6 tunnel SRC DST`, addresses in zoned form. EINVAL: not a tunnel; others as TunnelSoftc.configure6. */
export function tunnelSet6(ifp: Ifnet, src: Uint8Array, dst: Uint8Array): Errno {
  return ifp.driver instanceof TunnelSoftc ? ifp.driver.configure6(src, dst) : EINVAL;
}

/** What `tunnel inet6 SRC --> DST` of ifconfig shows: addresses in zoned form; null when there is none, or `ifp` is no tunnel. */
export function tunnelPair6(ifp: Ifnet): { readonly src: Uint8Array; readonly dst: Uint8Array } | null {
  const sc = ifp.driver;
  return sc instanceof TunnelSoftc && sc.configured ? sc.ends6 : null;
}
