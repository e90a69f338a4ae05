/**
 * open-host-port.ts — opens a device of the host that host-device.ts names: for this thread, or for a pool of workers.
 * Read first: host-device.ts; tap/tap-device.ts, packet/packet-socket.ts.
 *
 * The driver, which needs a native library, is loaded with the first call.
 */
import type { FramePort, PortDevice } from './frame-port.js';
import { parseHostDevice } from './host-device.js';

/** For this thread. Rejects as `openTap` and `openPacket` throw. */
export async function openHostPort(device: string): Promise<FramePort> {
  const { name, isPacket, queues } = parseHostDevice(device);
  if (queues !== 1) throw new RangeError(`"${device}": several queues are for datapath workers, and this daemon has none; start one with --workers`);
  if (isPacket) return (await import('../packet/packet-port.js')).openPacketPort(name);
  return (await import('../tap/tap-port.js')).openTapPort({ name, vnetHdr: true, up: isRoot() });
}

/** For a pool. Rejects as `openTap`, `openTapQueues` and `openPacket` throw. */
export async function openHostQueues(device: string): Promise<PortDevice> {
  const { name, isPacket, queues } = parseHostDevice(device);
  if (isPacket) return (await import('../packet/packet-socket.js')).openPacket(name, queues);
  const { openTap, openTapQueues } = await import('../tap/tap-device.js');
  const options = { name, vnetHdr: true, up: isRoot() };
  if (queues !== 1) return openTapQueues(options, queues);
  const { fd, ...tap } = openTap(options);
  return { ...tap, fds: [fd] };
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
