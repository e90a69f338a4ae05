/**
 * vm-cable.ts — a cable between a network card of a machine and the stack: QEMU's `-netdev stream` or `vhost-user`, to a Unix socket that we listen at.
 * Read first: port/port-end.ts, port/guest-link.ts, port/guest-wire.ts.
 *
 * A cable is opened before its machine is started, so that QEMU finds it, and closed when the machine has ended, or when its start has failed half-way.
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

export interface VmCable {
  /** Of its socket. */
  readonly path: string;
  readonly qemu: QemuCable;
  readonly status: () => GuestPortStatus;
  /** Lets go of the stack's end and of everything on this host. May be called again. */
  close(): Promise<void>;
}

/** Opens a cable that ends at `end`; `path` is free for its socket. @throws VmRefusal when somebody else has that end, or the socket cannot be had */
export type CableMaker = (end: PortEnd, path: string, transport: NicTransport) => Promise<VmCable>;

export function guestCables(kernel: Kernel, loop: HostLoop, log: Logger): CableMaker {
  return async (end, path, transport) => {
    let wire: GuestWire;
    try {
      wire = await makeWire(path, transport, loop, log);
      await wire.open();
    } catch (error) {
      kernel.call(loop.enter(), () => end.close());
      throw new VmRefusal(EIO, (error as Error).message);
    }
    const link = new GuestLink(wire, { kernel, loop, end, onClose: (reason) => reason !== null && log.warn({ port: end.label, err: reason }, 'a cable of a virtual machine is gone') });
    const error = link.open();
    if (error !== 0) {
      await link.discard();
      throw new VmRefusal(error, `cannot open ${end.label}: ${strerror(error)}`);
    }
    return { path, qemu: qemuCable(path, transport), status: () => link.status, close: () => link.close() };
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
