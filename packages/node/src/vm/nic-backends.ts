/**
 * nic-backends.ts — opens the backend of a network card: the stack's end of its cable, in the vnet that the machine belongs to.
 * Read first: port/port-end.ts; net-backend.ts (the words).
 *
 * A tap is the interface that /dev/tapN is: in the machine's vnet under its present name, made when there is none (unless net.link.tap.devfs_cloning
 * is off), and for a machine of the host wherever the device's interface has gone. It is brought up, as bhyve does, and it stays when the machine has ended.
 *
 * Netgraph and the gateway are given by whoever has them.
 */
import type { Errno, Ifnet, Kernel, Prison } from '@netloom/core';
import { deviceIfp, EBUSY, ENOENT, EOPNOTSUPP, ifCloneCreate, ifUp, tapOf } from '@netloom/core';
import type { HostLoop } from '../loop.js';
import { TapEnd } from '../port/port-end.js';
import type { PortEnd } from '../port/port-end.js';
import type { NicBackend, VmNic } from './vm-spec.js';
import { VmRefusal } from './vm-spec.js';

type Of<K extends NicBackend['kind']> = Extract<NicBackend, { kind: K }>;

/** Whose card it is. */
export interface NicOwner {
  readonly vmName: string;
  readonly prison: Prison;
}

/** The stack's end of a cable, and what is put away when the machine has ended. */
export interface OpenedBackend {
  readonly end: PortEnd;
  readonly dispose?: () => Promise<void>;
}

/** Opens a kind of backend. Called inside the host loop. @throws VmRefusal */
export type BackendOpener<K extends NicBackend['kind']> = (backend: Of<K>, nic: VmNic, owner: NicOwner) => OpenedBackend | Promise<OpenedBackend>;

export interface BackendOpeners {
  readonly netgraph?: BackendOpener<'netgraph'>;
  readonly gateway?: BackendOpener<'gateway'>;
}

export class NicBackends {
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly vnetNameOf: (ifp: Ifnet) => string;
  private readonly openers: BackendOpeners;

  constructor(kernel: Kernel, loop: HostLoop, vnetNameOf: (ifp: Ifnet) => string, openers: BackendOpeners = {}) {
    this.kernel = kernel;
    this.loop = loop;
    this.vnetNameOf = vnetNameOf;
    this.openers = openers;
  }

  /** @throws VmRefusal, in the backend's words */
  async open(nic: VmNic, owner: NicOwner): Promise<OpenedBackend | null> {
    const { backend } = nic;
    if (backend === null) return null;
    return this.kernel.call(this.loop.enter(), () => {
      switch (backend.kind) {
        case 'tap':
        case 'vmnet':
          return { end: this.tap(backend, owner.prison) };
        case 'netgraph':
          if (this.openers.netgraph === undefined) throw new VmRefusal(EOPNOTSUPP, "can't get Netgraph sockets");
          return this.openers.netgraph(backend, nic, owner);
        case 'gateway':
          if (this.openers.gateway === undefined) throw new VmRefusal(EOPNOTSUPP, 'there is no host gateway here; use a tap');
          return this.openers.gateway(backend, nic, owner);
      }
    });
  }

  private tap({ device }: Of<'tap' | 'vmnet'>, prison: Prison): PortEnd {
    const path = `/dev/${device}`;
    const found = this.find(device, prison);
    const tap = typeof found === 'number' ? null : tapOf(found);
    if (typeof found === 'number' || tap === null) throw openFailed(path, typeof found === 'number' ? found : ENOENT);
    if (tap.isOpen) throw openFailed(path, EBUSY);
    ifUp(found);
    return new TapEnd(this.kernel, found, this.vnetNameOf);
  }

  private find(device: string, prison: Prison): Ifnet | Errno {
    const { net } = prison.vnet;
    const named = net.ifunit(device) ?? (prison.parent === null ? deviceIfp(net, device) : null);
    if (named !== null) return named;
    if (!/^(tap|vmnet)\d+$/.test(device) || net.kern.sysctl.find('net.link.tap.devfs_cloning')?.get() === 0) return ENOENT;
    const { error, ifp } = ifCloneCreate(net, device);
    return ifp ?? error;
  }
}

function openFailed(path: string, error: Errno): VmRefusal {
  return new VmRefusal(error, `open of tap device ${path} failed`);
}
