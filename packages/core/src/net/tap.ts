/**
 * tap.ts — tap(4) and vmnet(4): an Ethernet interface whose cable ends at a program outside the stack.
 * Read first: tuntap(4); freebsd `sys/net/if_tuntap.c`; host-port.ts.
 *
 * Theory of operation. Whoever is outside opens the device by attaching a FrameSink: then the link is up and frames flow. Frames
 * from outside come in through `kernel.input(ifp, m, now)`. Closing takes a tap down, drops what waits, and removes its addresses;
 * a vmnet, and a tap with LINK0, keep them. While nobody has it open, what is sent is dropped and counted.
 * What a sink may be left to do (its `offload`) are capabilities of the interface while it has the device open. One that is switched off is
 * done here: the far side gets checksums finished, frames of the link's size.
 * Units are unique in the Kernel, because the device is named after the unit the interface was created with: `/dev/tap3` is the same
 * tap in whatever vnet and under whatever name its interface is.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENXIO } from '../base/errno.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PacketQueue } from '../mbuf/packet-queue.js';
import { ETHERMTU, ETHER_HDR_LEN } from '../wire/ether.js';
import { etherIfattach, etherIfdetach } from './ether.js';
import { HostPort, hostIfStop, hostIfVmove } from './host-port.js';
import type { FrameSink, HostPortOwner } from './host-port.js';
import type { CloneResult, IfCloner, IfClonerSpec } from './if-clone.js';
import { IFM_1000_T, IFM_AUTO, IFM_ETHER, IFM_FDX } from './if-media.js';
import type { IfMedia } from './if-media.js';
import { ifLinkStateChange, ifUp } from './if.js';
import { ifNotMoved } from './if-move.js';
import type { IfMove, IfMoveResult } from './if-move.js';
import { ifInput } from './if-transmit.js';
import {
  IFCAP_LINKSTATE, IFCAP_LRO, IFCAP_RXCSUM, IFCAP_RXCSUM_IPV6, IFCAP_TSO4, IFCAP_TSO6, IFCAP_TXCSUM, IFCAP_TXCSUM_IPV6, IFCAP_VLAN_HWCSUM, IFCAP_VLAN_HWTSO,
  IFF_BROADCAST, IFF_LINK0, IFF_MULTICAST, IFF_RUNNING, IFF_SIMPLEX, IFT_ETHER, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP, TRANSMIT_COUNTED,
} from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { Net } from './net.js';

export type { FrameSink } from './host-port.js';

const TAP_CAPS = IFCAP_LINKSTATE | IFCAP_RXCSUM | IFCAP_RXCSUM_IPV6 | IFCAP_LRO;
/** What an opener that understands pending checksums, and one that understands super-segments, adds. */
const TAP_TXCSUM_CAPS = IFCAP_TXCSUM | IFCAP_TXCSUM_IPV6 | IFCAP_VLAN_HWCSUM;
const TAP_TSO_CAPS = IFCAP_TSO4 | IFCAP_TSO6 | IFCAP_VLAN_HWTSO;
/** They are used until the administrator says otherwise. */
const TAP_OFFLOAD_CAPS = TAP_TXCSUM_CAPS | TAP_TSO_CAPS;

const MEDIUM = IFM_ETHER | IFM_1000_T | IFM_FDX;
const MEDIA_OPEN: IfMedia = { current: MEDIUM, effective: MEDIUM, active: true, supported: [IFM_ETHER | IFM_AUTO] };
const MEDIA_CLOSED: IfMedia = { ...MEDIA_OPEN, active: false };

/** `net.link.tap.*`. */
class TapTunables {
  upOnOpen = 0;
  userOpen = 0;
  devfsCloning = 1;
}

const TAP_SYSCTLS: SysctlGroup<TapTunables> = {
  prefix: 'net.link.tap',
  oids: [
    sysctlInt('up_on_open', 'upOnOpen', 'bool', 0, 1, 'Bring the interface up when its device is opened'),
    sysctlInt('user_open', 'userOpen', 'bool', 0, 1, 'Let any user open devices'),
    sysctlInt('devfs_cloning', 'devfsCloning', 'bool', 0, 1, 'Make an interface when its device is opened'),
  ],
};

export class TapSoftc implements IfDriver, HostPortOwner {
  readonly ifp: Ifnet;
  /** The device, which the next instance takes over. */
  readonly port: HostPort;
  /** A vmnet keeps addresses and UP when its device is closed. */
  readonly isVmnet: boolean;

  /** @param port the device of the instance it replaces; absent: a new one. */
  constructor(net: Net, kind: string, xname: string, unit: number, port?: HostPort) {
    this.isVmnet = kind === 'vmnet';
    this.ifp = new Ifnet(this, kind, unit, xname, IFT_ETHER, IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST, ETHERMTU);
    this.ifp.capenable = IFCAP_LINKSTATE;
    this.port = port ?? new HostPort(net, this, ETHER_HDR_LEN);
    this.takeOffload();
  }

  get isOpen(): boolean {
    return this.port.isOpen;
  }

  /** Opens the device, or with null closes it. EBUSY: it is open already; ENXIO: the interface is gone. */
  attach(sink: FrameSink | null): Errno {
    return this.port.attach(sink);
  }

  /** The sink that has the device open was full and has room again. */
  resume(): void {
    this.port.resume();
  }

  /** HostPortOwner. */
  opened(): void {
    const { ifp } = this;
    this.takeOffload();
    ifp.capenable |= ifp.capabilities & TAP_OFFLOAD_CAPS;
    ifp.flags |= IFF_RUNNING;
    ifLinkStateChange(ifp, LINK_STATE_UP);
    const tun = ifp.net?.drivers.get('tap');
    if (tun instanceof TapTunables && tun.upOnOpen !== 0) ifUp(ifp);
  }

  /** HostPortOwner. */
  closed(): void {
    const { ifp } = this;
    this.takeOffload();
    if (!this.isVmnet && (ifp.flags & IFF_LINK0) === 0) hostIfStop(ifp);
    ifLinkStateChange(ifp, LINK_STATE_DOWN);
  }

  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    if (!this.port.isOpen) {
      ifp.data.oerrors++;
      m.free();
      return TRANSMIT_COUNTED;
    }
    return this.port.enqueue(m) ? 0 : TRANSMIT_COUNTED;
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

  media(): IfMedia {
    return this.port.isOpen ? MEDIA_OPEN : MEDIA_CLOSED;
  }

  /** The new instance has the device from now on. */
  vmove(move: IfMove): IfMoveResult {
    const made = new TapSoftc(move.to, this.ifp.dname, move.xname, this.ifp.dunit, this.port);
    if (this.port.isOpen) made.ifp.flags |= IFF_RUNNING;
    return hostIfVmove(move, this.port, made, () => etherIfattach(made.ifp, move.to, move.like.lladdr, move.like));
  }

  /** Leaves its vnet for good. */
  detach(shared: Net['shared']): void {
    shared.devices.delete(`${this.ifp.dname}${this.ifp.dunit}`);
    etherIfdetach(this.ifp);
    this.port.destroy();
  }

  /** The interface is able to do what its opener can. */
  private takeOffload(): void {
    const { ifp } = this;
    const { csum, gso } = this.port.offload;
    ifp.capabilities = TAP_CAPS | (csum ? TAP_TXCSUM_CAPS : 0) | (csum && gso ? TAP_TSO_CAPS : 0);
    ifp.capenable &= ifp.capabilities;
  }
}

/** A frame from outside, for a caller that is in the Kernel already; others use `kernel.input`. Owns `m`. */
export function tapInput(ifp: Ifnet, m: PacketBuffer): void {
  ifInput(ifp, m);
}

/** The tap or vmnet behind `ifp`, or null for another kind of interface. */
export function tapOf(ifp: Ifnet): TapSoftc | null {
  return ifp.driver instanceof TapSoftc ? ifp.driver : null;
}

/** The interface of device `path` (`/dev/tap3`, `tun0`, or the present name of a renamed one in `net`); null when there is none. */
export function deviceIfp(net: Net, path: string): Ifnet | null {
  const name = path.replace(/^\/dev\//, '');
  const named = net.ifunit(name);
  if (named !== null && net.shared.devices.get(`${named.dname}${named.dunit}`)?.ifp === named) return named;
  return net.shared.devices.get(name)?.ifp ?? null;
}

function cloner(kind: 'tap' | 'vmnet'): IfClonerSpec {
  return {
    name: kind,
    create(net: Net, _cloner: IfCloner, xname: string, unit: number): CloneResult {
      const sc = new TapSoftc(net, kind, xname, unit);
      net.shared.devices.set(xname, sc.port);
      etherIfattach(sc.ifp, net, net.shared.generateMac(0x02, 0x00));
      return { error: 0, ifp: sc.ifp };
    },
    destroy(ifp: Ifnet, c: IfCloner): Errno {
      const sc = tapOf(ifp);
      if (sc === null) return EINVAL;
      sc.detach(c.net.shared);
      return 0;
    },
    vmove: (_cloner, move) => tapOf(move.ifp)?.vmove(move) ?? ifNotMoved(ENXIO),
    unitTaken: (net, unit) => net.shared.devices.has(`${kind}${unit}`),
  };
}

export const tapCloner: IfClonerSpec = {
  ...cloner('tap'),
  attach(net) {
    const tun = new TapTunables();
    net.drivers.set('tap', tun);
    net.kern.sysctl.attach(TAP_SYSCTLS, tun);
  },
  detach(net) {
    const tun = net.drivers.get('tap');
    if (tun !== undefined) net.kern.sysctl.detach(tun);
    net.drivers.delete('tap');
  },
};

export const vmnetCloner: IfClonerSpec = cloner('vmnet');
