/**
 * open-tap-queues.ts — opens a TAP of the host for a pool of workers.
 * Read first: tap/tap-device.ts.
 */
import { openTap } from '../tap/tap-device.js';
import type { TapOptions } from '../tap/tap-device.js';
import type { PortDevice } from './datapath-port.js';

/** @throws as `openTap`. */
export function openTapQueues(options: TapOptions): PortDevice {
  const { fd, name, mtu, vnetHdr } = openTap(options);
  return { name, mtu, vnetHdr, fds: [fd] };
}
