/**
 * attachments.ts — which taps and netgraph devices of vnets are bound to which devices of the host, to guests, or to capture files.
 *
 * Theory of operation. `netloom attach` and the lab file's `host:` bind a tap, wherever it is at that moment; it stays bound when it moves to
 * another vnet or is renamed, and is let go when either side goes away. The device's driver is loaded with the first binding,
 * so a daemon without taps needs no native library. `packet:eth0` is an interface that Linux has. `file:...` in the device's place names capture files: what one holds comes in, what
 * the vnet sends is recorded in another (file-link.ts). `stream:...`, `dgram:...` and `vde:...` name the port of a guest (port/guest-link.ts), which stays
 * bound while guests come and go. A netgraph's device `ngdN` takes such a port too: then a program that speaks QEMU's framing reads and writes packets of a hook.
 *
 * A jail that is removed takes its taps with it: their links are closed then, and hold the jail until their devices are really free.
 *
 * Invariant: a device is bound once, a tap to one device, a recording is written by one link.
 */
import type { Errno, Ifnet, Kernel, Prison } from '@netloom/core';
import { NgDevice, ngDeviceOf, strerror, tapOf } from '@netloom/core';
import type { Logger } from 'pino';
import { HOST_VNET } from '../lab/lab-model.js';
import type { HostLoop } from '../loop.js';
import { DeviceEnd } from '../port/device-end.js';
import { isGuestDevice } from '../port/guest-device.js';
import { GuestLink } from '../port/guest-link.js';
import type { GuestPortStatus } from '../port/guest-link.js';
import { openGuestWire } from '../port/open-guest-wire.js';
import { TapEnd } from '../port/port-end.js';
import type { DaemonDatapath } from './daemon-datapath.js';
import { isFileDevice, parseFileDevice } from './file-device.js';
import type { FileProgress } from './file-link.js';
import { openFileLink } from './file-link.js';
import { TapLink } from './tap-link.js';
import { errorLine } from '../error-line.js';

export interface Attachment {
  readonly vnet: string;
  readonly interface: string;
  readonly device: string;
  /** How far a link to capture files is. */
  readonly files?: FileProgress;
  /** How a guest's port is. */
  readonly port?: GuestPortStatus;
}

/** What is bound: the interface of a tap, or a netgraph's device. */
type Bound = Ifnet | NgDevice;

/** What it is bound to: a device, a guest, or files. */
interface Link {
  readonly device: string;
  /** What is bound; an interface wherever it is now. */
  readonly ifp: Bound;
  /** Opens it with this link as its sink. */
  open(): Errno;
  /** What else there is to say of it. */
  state?(): Pick<Attachment, 'files' | 'port'>;
  /** Lets both sides go. */
  close(): Promise<void>;
  /** Lets the device alone go: the tap could not be opened. */
  discard(): Promise<void>;
}

export class Attachments {
  private readonly kernel: Kernel;
  private readonly loop: HostLoop;
  private readonly log: Logger;
  private readonly datapath: DaemonDatapath;
  private readonly links = new Set<Link>();

  constructor(kernel: Kernel, loop: HostLoop, log: Logger, datapath: DaemonDatapath) {
    this.kernel = kernel;
    this.loop = loop;
    this.log = log;
    this.datapath = datapath;
    kernel.jailStopEvent.register((prison) => this.jailStops(prison));
  }

  list(): Attachment[] {
    return [...this.links].map((link) => ({ vnet: this.vnetNameOf(link.ifp), interface: link.ifp.xname, device: link.device, ...link.state?.() }));
  }

  /** Binds a tap to a device. Resolves with null, or with what is wrong and what to do. */
  async attach(vnet: string, ifname: string, device: string): Promise<string | null> {
    const found = this.find(vnet, ifname);
    if (typeof found === 'string') return found;
    if (found instanceof NgDevice) return this.attachNg(vnet, found, device);
    const tap = tapOf(found);
    if (tap === null) return `${vnet}:${ifname} is not a tap; make one with "ifconfig tap create"`;
    if (tap.isOpen) return `${vnet}:${ifname} is open already; "netloom ps --json" shows who has it`;
    let link: Link;
    try {
      link = await this.openLink(found, device);
    } catch (error) {
      return errorLine(error);
    }
    return this.opened(link, `${vnet}:${ifname}`);
  }

  private async attachNg(vnet: string, ng: NgDevice, device: string): Promise<string | null> {
    const name = `${vnet}:${ng.xname}`;
    if (!isGuestDevice(device)) return `${name} is a device of a netgraph, for programs; bind it to "stream:unix:/PATH,server" or the like`;
    if (ng.isOpen) return `${name} is open already; "netloom ps --json" shows who has it`;
    try {
      return await this.opened(await this.guestLink(ng, new DeviceEnd(vnet, ng), device), name);
    } catch (error) {
      return errorLine(error);
    }
  }

  private async opened(link: Link, name: string): Promise<string | null> {
    const error = link.open();
    if (error !== 0) {
      await link.discard();
      return `cannot open ${name}: ${strerror(error)}`;
    }
    this.links.add(link);
    return null;
  }

  /** Lets a tap's device go. Resolves with null, or with what is wrong. */
  async detach(vnet: string, ifname: string): Promise<string | null> {
    const found = this.find(vnet, ifname);
    if (typeof found === 'string') return found;
    const link = [...this.links].find((l) => l.ifp === found);
    if (link === undefined) return `${vnet}:${ifname} is not bound to a device ("netloom ps --json" lists what is)`;
    await link.close();
    return null;
  }

  async close(): Promise<void> {
    await Promise.all([...this.links].map((link) => link.close()));
  }

  private jailStops(prison: Prison): void {
    if (!prison.ownsVnet) return;
    for (const link of [...this.links].filter((l) => l.ifp.net === prison.vnet.net)) {
      const letGo = prison.hold(`device ${link.device}`);
      const closed = (): void => {
        this.loop.enter();
        letGo();
      };
      link.close().then(closed, (error: unknown) => {
        this.log.warn({ device: link.device, err: error }, 'a device could not be closed');
        closed();
      });
    }
  }

  private openLink(ifp: Ifnet, device: string): Promise<Link> {
    if (isFileDevice(device)) return this.openFiles(ifp, device);
    if (!isGuestDevice(device)) return this.openDevice(ifp, device);
    return this.guestLink(ifp, new TapEnd(this.kernel, ifp, (at) => this.vnetNameOf(at)), device);
  }

  private async openDevice(ifp: Ifnet, name: string): Promise<Link> {
    const port = await this.datapath.open(name);
    return new TapLink(this.kernel, this.loop, ifp, port, (closed, reason) => this.closed(closed, reason));
  }

  private async guestLink(at: Bound, end: TapEnd | DeviceEnd, device: string): Promise<Link> {
    const { kernel, loop } = this;
    const wire = await openGuestWire(device, loop, this.log);
    const link = new GuestLink(wire, { kernel, loop, end, onClose: (reason) => this.closed(bound, reason) });
    const bound: Link = {
      device: wire.device,
      get ifp() {
        return end instanceof TapEnd ? end.ifp : at;
      },
      open: () => link.open(),
      state: () => ({ port: link.status }),
      close: () => link.close(),
      discard: () => link.discard(),
    };
    return bound;
  }

  private async openFiles(ifp: Ifnet, device: string): Promise<Link> {
    const taken = recordedBy(device);
    const other = [...this.links].find((link) => taken !== null && recordedBy(link.device) === taken);
    if (other !== undefined) throw new Error(`"${taken}" is being recorded from ${this.vnetNameOf(other.ifp)}:${other.ifp.xname}; record to another file`);
    return openFileLink(device, { kernel: this.kernel, loop: this.loop, ifp, onClose: (closed, reason) => this.closed(closed, reason) });
  }

  private closed(link: Link, reason: Error | null): void {
    this.links.delete(link);
    if (reason !== null) this.log.warn({ device: link.device, err: reason }, 'a device went away');
  }

  private find(vnet: string, ifname: string): Bound | string {
    const root = this.kernel.prisons.prison0;
    const prison = vnet === HOST_VNET ? root : this.kernel.prisons.find(root, vnet);
    if (prison === null) return `there is no vnet "${vnet}" ("netloom ps" lists them)`;
    if (prison.dying) return `jail "${vnet}" is dying ("netloom ps --dying" says what holds it)`;
    const ng = ngDeviceOf(this.kernel.shared, ifname);
    if (ng !== null && ng.net === prison.vnet.net) return ng;
    return prison.vnet.net.ifunit(ifname) ?? `vnet "${vnet}" has no interface "${ifname}" (it has: ${prison.vnet.net.ifnets.map((i) => i.xname).join(', ')})`;
  }

  private vnetNameOf(ifp: Bound): string {
    const root = this.kernel.prisons.prison0;
    const owner = root.descendants().find((prison) => prison.ownsVnet && prison.vnet.net === ifp.net);
    return owner === undefined ? HOST_VNET : owner.nameFrom(root);
  }
}

/** The file that a device of files is recorded in, or null. */
function recordedBy(device: string): string | null {
  const parsed = isFileDevice(device) ? parseFileDevice(device) : null;
  return parsed === null || typeof parsed === 'string' ? null : parsed.record;
}
