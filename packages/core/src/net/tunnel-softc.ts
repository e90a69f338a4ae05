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
 * Not here: outer IPv6.
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, EIO, ENETDOWN, ENOBUFS } from '../base/errno.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlOid } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PacketQueue } from '../mbuf/packet-queue.js';
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
  /** Is it an address of this vnet? */
  isLocal(addr: number): boolean;
}

/** The tunnels of one kind in a vnet. */
export class TunnelVnet<C extends TunnelCarrier> {
  /** `net.link.KIND.max_nesting` */
  maxNesting = 1;
  /** Filled in by the carrier; null outside its life. */
  carrier: C | null = null;
  /** Tunnels that are sending at this moment. */
  depth = 0;
  /** Configured tunnels by outer destination; null while there are none, because most vnets have none. */
  private tunnels: Map<number, readonly TunnelSoftc<C>[]> | null = null;

  /** The tunnel with these ends, as seen from this one. */
  find(src: number, dst: number, variant: number): TunnelSoftc<C> | null {
    const list = this.tunnels?.get(dst);
    if (list === undefined) return null;
    for (const sc of list) if (sc.src === src && sc.variant === variant) return sc;
    return null;
  }

  add(sc: TunnelSoftc<C>): void {
    this.tunnels ??= new Map();
    this.tunnels.set(sc.dst, [...(this.tunnels.get(sc.dst) ?? []), sc]);
  }

  remove(sc: TunnelSoftc<C>): void {
    const left = (this.tunnels?.get(sc.dst) ?? []).filter((x) => x !== sc);
    if (left.length > 0) this.tunnels?.set(sc.dst, left);
    else this.tunnels?.delete(sc.dst);
    if (this.tunnels?.size === 0) this.tunnels = null;
  }

  /** The address came or went: tunnels run while their source is one. */
  recheck(addr: number): void {
    for (const list of this.tunnels?.values() ?? []) for (const sc of list) if (sc.src === addr) sc.checkSource();
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
    this.src = src;
    this.dst = dst;
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
    const local = this.vnet?.carrier?.isLocal(this.src) ?? false;
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

  private forget(): void {
    this.src = 0;
    this.dst = 0;
    this.ifp.flags &= ~IFF_RUNNING;
    ifLinkStateChange(this.ifp, LINK_STATE_DOWN);
  }

  private encapsulate(m: PacketBuffer): Errno {
    const carrier = this.vnet?.carrier ?? null;
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
  return sc instanceof TunnelSoftc && sc.configured ? { src: sc.src, dst: sc.dst } : null;
}
