/**
 * vm-cable.ts — a cable between a network card of a machine and the stack: QEMU's `-netdev stream` to a Unix socket that we listen at.
 * Read first: port/port-end.ts, port/guest-link.ts, port/stream-wire.ts.
 *
 * A cable is opened before its machine is started, so that QEMU finds it, and closed when the machine has ended, or when its start has failed half-way.
 */
import { strerror } from '@netloom/core';
import type { Kernel } from '@netloom/core';
import type { Logger } from 'pino';
import type { HostLoop } from '../loop.js';
import { GuestLink } from '../port/guest-link.js';
import type { GuestPortStatus } from '../port/guest-link.js';
import type { PortEnd } from '../port/port-end.js';
import { StreamWire } from '../port/stream-wire.js';
import { VmRefusal } from './vm-spec.js';

export interface VmCable {
  /** `-netdev` without its id. */
  readonly netdev: string;
  readonly status: () => GuestPortStatus;
  /** Lets go of the stack's end and of everything on this host. May be called again. */
  close(): Promise<void>;
}

/** Opens a cable that ends at `end`; `path` is free for its socket. @throws VmRefusal when somebody else has that end; Error when the socket cannot be had */
export type CableMaker = (end: PortEnd, path: string) => Promise<VmCable>;

export function streamCables(kernel: Kernel, loop: HostLoop, log: Logger): CableMaker {
  return async (end, path) => {
    const wire = new StreamWire({ kind: 'stream', address: { path }, server: true }, loop, log);
    const link = new GuestLink(wire, { kernel, loop, end, onClose: (reason) => reason !== null && log.warn({ port: end.label, err: reason }, 'a cable of a virtual machine is gone') });
    try {
      await wire.open();
    } catch (error) {
      kernel.call(loop.enter(), () => end.close());
      throw error;
    }
    const error = link.open();
    if (error !== 0) {
      await link.discard();
      throw new VmRefusal(error, `cannot open ${end.label}: ${strerror(error)}`);
    }
    return { netdev: `stream,server=off,addr.type=unix,addr.path=${path.replaceAll(',', ',,')}`, status: () => link.status, close: () => link.close() };
  };
}
