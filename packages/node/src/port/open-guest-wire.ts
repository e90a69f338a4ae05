/**
 * open-guest-wire.ts — the wire that a guest's device words name, opened.
 * Read first: guest-device.ts (the words), guest-wire.ts.
 */
import type { Logger } from 'pino';
import type { HostLoop } from '../loop.js';
import { parseGuestDevice, relativeGuestPath } from './guest-device.js';
import type { GuestDevice } from './guest-device.js';
import type { GuestWire } from './guest-wire.js';
import { StreamWire } from './stream-wire.js';
import { UdpWire } from './udp-wire.js';
import { UnixDgramWire } from './unix-dgram-wire.js';
import { VdeWire } from './vde-wire.js';

async function makeWire(device: GuestDevice, loop: HostLoop, log: Logger): Promise<GuestWire> {
  switch (device.kind) {
    case 'stream':
      return new StreamWire(device, loop, log);
    case 'udp':
      return new UdpWire(device, loop);
    case 'unix-dgram':
      return new UnixDgramWire(device, loop);
    case 'vde':
      return new VdeWire(device, loop, log);
    case 'vhost-user': {
      const { VhostUserWire } = await import('../vhost-user/vhost-user-wire.js');
      return new VhostUserWire(device, loop, log);
    }
  }
}

/** Opens what `words` name. @throws Error, with one line for people, when they are wrong or it cannot be had. */
export async function openGuestWire(words: string, loop: HostLoop, log: Logger): Promise<GuestWire> {
  const device = parseGuestDevice(words);
  if (typeof device === 'string') throw new Error(device);
  const relative = relativeGuestPath(device);
  if (relative !== null) throw new Error(`"${relative}" is not an absolute path, and the daemon is not in your folder`);
  const wire = await makeWire(device, loop, log);
  try {
    await wire.open();
  } catch (error) {
    await wire.close();
    throw error;
  }
  return wire;
}
