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
import { ETHERMTU } from '../wire/ether.js';
import { HostPort, hostIfStop } from './host-port.js';
import type { FrameSink } from './host-port.js';
import type { CloneResult, IfCloner, IfClonerSpec } from './if-clone.js';
import { ifDemux } from './if-demux.js';
import { ifAttach, ifDetach, ifLinkStateChange, ifUp } from './if.js';
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

export class TunSoftc implements IfDriver {
  readonly ifp: Ifnet;
  private readonly port: HostPort;

  constructor(net: Net, xname: string, unit: number) {
    this.ifp = new Ifnet(this, 'tun', unit, xname, IFT_PPP, IFF_POINTOPOINT | IFF_MULTICAST, ETHERMTU);
    this.ifp.capabilities = IFCAP_LINKSTATE;
    this.ifp.capenable = IFCAP_LINKSTATE;
    this.ifp.input = ifDemux;
    this.port = new HostPort(net, this.ifp, 0);
  }

  get isOpen(): boolean {
    return this.port.isOpen;
  }

  /** Opens the device, or with null closes it: it goes down and loses its addresses. EBUSY: open already; ENXIO: the interface is gone. */
  attach(sink: FrameSink | null): Errno {
    if (sink === null) return this.close();
    if (this.ifp.net === null) return ENXIO;
    const error = this.port.open(sink);
    if (error === 0) ifLinkStateChange(this.ifp, LINK_STATE_UP);
    return error;
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

  addrAdded(ifp: Ifnet): void {
    ifp.flags |= IFF_RUNNING;
    ifUp(ifp);
  }

  qflush(): void {
    this.port.purge();
  }

  queued(): number {
    return this.port.queued;
  }

  reassign(_ifp: Ifnet, to: Net): void {
    this.port.moved(to);
  }

  /** Leaves its vnet for good. */
  detach(shared: Net['shared']): void {
    shared.devices.delete(`tun${this.ifp.dunit}`);
    ifDetach(this.ifp);
    this.port.destroy();
  }

  private close(): Errno {
    if (!this.port.isOpen) return 0;
    const ifp = this.ifp;
    this.port.close();
    hostIfStop(ifp);
    ifLinkStateChange(ifp, LINK_STATE_DOWN);
    return 0;
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
    const { ifp } = new TunSoftc(net, xname, unit);
    net.shared.devices.set(xname, ifp);
    ifAttach(ifp, net);
    return { error: 0, ifp };
  },
  destroy(ifp: Ifnet, cloner: IfCloner): Errno {
    const sc = tunOf(ifp);
    if (sc === null) return EINVAL;
    sc.detach(cloner.net.shared);
    return 0;
  },
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
