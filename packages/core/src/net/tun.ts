/**
 * tun.ts — tun(4): a point-to-point IP interface whose far end is a program outside the stack.
 * Read first: tuntap(4); freebsd `sys/net/if_tuntap.c`; host-port.ts.
 *
 * Theory of operation. As tap.ts, with IP packets in place of frames: `m.off` is at the IP header both ways. The interface runs
 * from its first address on. While nobody has the device open, sending is refused (EHOSTDOWN).
 */
import type { Errno } from '../base/errno.js';
import { EHOSTDOWN, EINVAL, ENOBUFS, ENXIO } from '../base/errno.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PacketQueue } from '../mbuf/packet-queue.js';
import { ETHERMTU } from '../wire/ether.js';
import { HostPort, hostIfStop, hostIfVmove } from './host-port.js';
import type { FrameSink, HostPortOwner } from './host-port.js';
import type { CloneResult, IfCloner, IfClonerSpec } from './if-clone.js';
import { ifDemux } from './if-demux.js';
import { ifAttach, ifLinkStateChange, ifUp } from './if.js';
import { ifDetach } from './if-detach.js';
import { ifNotMoved } from './if-move.js';
import type { IfMove, IfMoveResult } from './if-move.js';
import { ifInput } from './if-transmit.js';
import { IFCAP_LINKSTATE, IFF_MULTICAST, IFF_POINTOPOINT, IFF_RUNNING, IFT_PPP, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP } from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { Net } from './net.js';

/** `net.link.tun.*`. */
class TunTunables {
  devfsCloning = 1;
}

const TUN_SYSCTLS: SysctlGroup<TunTunables> = {
  prefix: 'net.link.tun',
  oids: [sysctlInt('devfs_cloning', 'devfsCloning', 'bool', 0, 1, 'Make an interface when its device is opened')],
};

export class TunSoftc implements IfDriver, HostPortOwner {
  readonly ifp: Ifnet;
  /** The device, which the next instance takes over. */
  readonly port: HostPort;

  /** @param port the device of the instance it replaces; absent: a new one. */
  constructor(net: Net, xname: string, unit: number, port?: HostPort) {
    this.ifp = new Ifnet(this, 'tun', unit, xname, IFT_PPP, IFF_POINTOPOINT | IFF_MULTICAST, ETHERMTU);
    this.ifp.capabilities = IFCAP_LINKSTATE;
    this.ifp.capenable = IFCAP_LINKSTATE;
    this.ifp.input = ifDemux;
    this.port = port ?? new HostPort(net, this, 0);
  }

  get isOpen(): boolean {
    return this.port.isOpen;
  }

  /** Opens the device, or with null closes it: it goes down and loses its addresses. EBUSY: open already; ENXIO: the interface is gone. */
  attach(sink: FrameSink | null): Errno {
    return this.port.attach(sink);
  }

  /** The sink that has the device open was full and has room again. */
  resume(): void {
    this.port.resume();
  }

  /** HostPortOwner. */
  opened(): void {
    ifLinkStateChange(this.ifp, LINK_STATE_UP);
  }

  /** HostPortOwner. */
  closed(): void {
    hostIfStop(this.ifp);
    ifLinkStateChange(this.ifp, LINK_STATE_DOWN);
  }

  /** EHOSTDOWN: not up, or nobody has the device open; ENOBUFS: whoever has it does not keep up. */
  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    if (!this.port.isOpen || !ifp.isUp) {
      m.free();
      return EHOSTDOWN;
    }
    m.flags &= ~M_VLANTAG;
    return this.port.enqueue(m) ? 0 : ENOBUFS;
  }

  setCaps(): Errno {
    return 0;
  }

  statusText(): string {
    return this.port.statusText();
  }

  addrAdded(ifp: Ifnet): void {
    ifp.flags |= IFF_RUNNING;
    ifUp(ifp);
  }

  qflush(): void {
    this.port.purge();
  }

  sndq(): PacketQueue {
    return this.port.sndq;
  }

  queued(): number {
    return this.port.waiting;
  }

  /** The new instance has the device from now on. */
  vmove(move: IfMove): IfMoveResult {
    const made = new TunSoftc(move.to, move.xname, this.ifp.dunit, this.port);
    return hostIfVmove(move, this.port, made, () => ifAttach(made.ifp, move.to, move.like));
  }

  /** Leaves its vnet for good. */
  detach(shared: Net['shared']): void {
    shared.devices.delete(`tun${this.ifp.dunit}`);
    ifDetach(this.ifp);
    this.port.destroy();
  }
}

/** An IP packet from outside, for a caller that is in the Kernel already; others use `kernel.input`. Owns `m`. */
export function tunInput(ifp: Ifnet, m: PacketBuffer): void {
  ifInput(ifp, m);
}

/** The tun behind `ifp`, or null for another kind of interface. */
export function tunOf(ifp: Ifnet): TunSoftc | null {
  return ifp.driver instanceof TunSoftc ? ifp.driver : null;
}

export const tunCloner: IfClonerSpec = {
  name: 'tun',
  create(net: Net, _cloner: IfCloner, xname: string, unit: number): CloneResult {
    const sc = new TunSoftc(net, xname, unit);
    net.shared.devices.set(xname, sc.port);
    ifAttach(sc.ifp, net);
    return { error: 0, ifp: sc.ifp };
  },
  destroy(ifp: Ifnet, cloner: IfCloner): Errno {
    const sc = tunOf(ifp);
    if (sc === null) return EINVAL;
    sc.detach(cloner.net.shared);
    return 0;
  },
  vmove: (_cloner, move) => tunOf(move.ifp)?.vmove(move) ?? ifNotMoved(ENXIO),
  unitTaken: (net, unit) => net.shared.devices.has(`tun${unit}`),
  attach(net) {
    const tun = new TunTunables();
    net.drivers.set('tun', tun);
    net.kern.sysctl.attach(TUN_SYSCTLS, tun);
  },
  detach(net) {
    const tun = net.drivers.get('tun');
    if (tun !== undefined) net.kern.sysctl.detach(tun);
    net.drivers.delete('tun');
  },
};
