/**
 * vm-cable.ts — a cable between a network card of a machine and the stack: QEMU's `-netdev stream` or `vhost-user`, to a Unix socket that we listen at.
 * Read first: port/port-end.ts, port/guest-link.ts, port/guest-wire.ts.
 *
 * A cable is made before its machine is started, so that QEMU finds it, and closed when the machine has ended, or when its start has failed half-way. Its other end is plugged in once: before the
 * machine starts, or when it takes over from another, whose cable had that place in the stack until then, and leaves it (`inherit`) if both are here.
 */
import { EIO, strerror } from '@netloom/core';
import type { Kernel } from '@netloom/core';
import type { Logger } from 'pino';
import type { HostLoop } from '../loop.js';
import { GuestLink } from '../port/guest-link.js';
import type { GuestPortStatus } from '../port/guest-link.js';
import type { GuestWire } from '../port/guest-wire.js';
import type { PortEnd } from '../port/port-end.js';
import { StreamWire } from '../port/stream-wire.js';
import type { QemuCable } from './qemu-command.js';
import { VmRefusal } from './vm-spec.js';
import type { NicTransport } from './vm-spec.js';

/** Makes a cable; `path` is free for its socket. @throws VmRefusal when the socket cannot be had */
export type CableMaker = (path: string, transport: NicTransport) => Promise<VmCable>;

interface CablePlace {
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  readonly log: Logger;
}

export class VmCable {
  /** Of its socket. */
  readonly path: string;
  readonly qemu: QemuCable;
  private readonly wire: GuestWire;
  private readonly place: CablePlace;
  private plugged: GuestLink | null = null;

  constructor(path: string, transport: NicTransport, wire: GuestWire, place: CablePlace) {
    this.path = path;
    this.qemu = qemuCable(path, transport);
    this.wire = wire;
    this.place = place;
  }

  /** What joins it to the stack; null: it has not been plugged in. */
  get link(): GuestLink | null {
    return this.plugged;
  }

  get status(): GuestPortStatus | null {
    return this.plugged?.status ?? null;
  }

  /** Plugs it in at `end`. @throws VmRefusal when somebody else has that */
  plug(end: PortEnd): void {
    const { kernel, loop, log } = this.place;
    const link = new GuestLink(this.wire, { kernel, loop, end, onClose: (reason) => reason !== null && log.warn({ port: end.label, err: reason }, 'a cable of a virtual machine is gone') });
    const error = link.open();
    if (error !== 0) throw new VmRefusal(error, `cannot open ${end.label}: ${strerror(error)}`);
    this.plugged = link;
  }

  /** Takes the place of another machine's cable in the stack, which does not notice: addresses, flows and gateways stay. */
  async inherit(from: VmCable): Promise<void> {
    const link = from.plugged;
    if (link === null) return;
    from.plugged = null;
    this.plugged = link;
    await link.rewire(this.wire);
  }

  /** Lets go of the stack's end and of everything on this host. May be called again. */
  async close(): Promise<void> {
    await (this.plugged === null ? this.wire.close() : this.plugged.close());
  }
}

export function guestCables(kernel: Kernel, loop: HostLoop, log: Logger): CableMaker {
  return async (path, transport) => {
    try {
      const wire = await makeWire(path, transport, loop, log);
      await wire.open();
      return new VmCable(path, transport, wire, { kernel, loop, log });
    } catch (error) {
      throw new VmRefusal(EIO, (error as Error).message);
    }
  };
}

/** vhost-user is loaded when somebody wants it: it needs a native library. */
async function makeWire(path: string, transport: NicTransport, loop: HostLoop, log: Logger): Promise<GuestWire> {
  if (transport === 'stream') return new StreamWire({ kind: 'stream', address: { path }, server: true }, loop, log);
  const { VhostUserWire } = await import('../vhost-user/vhost-user-wire.js');
  return new VhostUserWire({ kind: 'vhost-user', path, client: false, unsealed: false }, loop, log);
}

function qemuCable(path: string, transport: NicTransport): QemuCable {
  const quoted = path.replaceAll(',', ',,');
  return transport === 'stream' ? { netdev: `stream,server=off,addr.type=unix,addr.path=${quoted}`, chardev: null } : { netdev: 'vhost-user', chardev: `path=${quoted}` };
}
