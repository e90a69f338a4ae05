/**
 * attach-tap.ts — joins a tap of a vnet to a TAP device of the host, in a program: what `netloom attach` asks of a daemon.
 * Read first: daemon/tap-link.ts; docs/linux.md for the device.
 *
 * The device's driver, which needs a native library, is loaded with the first call.
 */
import type { Ifnet, Kernel } from '@netloom/core';
import { strerror, tapOf } from '@netloom/core';
import { TapLink } from './daemon/tap-link.js';
import type { HostLoop } from './loop.js';
import { openHostPort } from './port/open-host-port.js';

/** A tap that is joined to a device. */
export interface AttachedTap {
  /** The device's name; of `tap%d` the one the kernel made. */
  readonly device: string;
  /** Lets the device go; one that was made by attaching is gone then. */
  close(): Promise<void>;
}

/**
 * Joins `ifp`, a tap, to the device `name`, which is made when there is none (that takes root); `packet:eth0` is an interface that Linux has. `onClose` is told, once, when either side has gone,
 * with why if the device failed. Rejects with what is wrong and what to do.
 */
export async function attachTap(kernel: Kernel, loop: HostLoop, ifp: Ifnet, name: string, onClose: (reason: Error | null) => void = () => undefined): Promise<AttachedTap> {
  if (tapOf(ifp) === null) throw new TypeError(`${ifp.xname} is not a tap; make one with ifCloneCreate(net, 'tap')`);
  const link = new TapLink(kernel, loop, ifp, await openHostPort(name), (_link, reason) => onClose(reason));
  const error = link.open();
  if (error === 0) return link;
  await link.discard();
  throw new Error(`cannot open ${ifp.xname}: ${strerror(error)}`);
}
