/**
 * host-device.ts — the words that name a device of the host: `tap0`, a TAP; `packet:eth0`, an interface that Linux has; with `,queues=2` behind it, several queues of it.
 * Read first: docs/linux.md.
 *
 * Not here: what is behind the words (open-host-port.ts).
 */
import { checkTapName } from '../tap/tap-device.js';

export interface HostDevice {
  /** The interface's. */
  readonly name: string;
  readonly isPacket: boolean;
  readonly queues: number;
}

const PACKET = 'packet:';
const QUEUES = /,queues=(\d+)$/;

/** Do these words name an interface that Linux has, rather than a TAP? */
export function isPacketDevice(text: string): boolean {
  return text.startsWith(PACKET);
}

/** @throws RangeError that says what is wrong with the words. */
export function parseHostDevice(text: string): HostDevice {
  const isPacket = isPacketDevice(text);
  const queues = QUEUES.exec(text);
  const name = text.replace(QUEUES, '').slice(isPacket ? PACKET.length : 0);
  if (name.includes(',')) throw new RangeError(`"${text}": behind a name there is ",queues=" and a number, or nothing`);
  if (isPacket && name === '') throw new RangeError(`"${text}" does not say which interface; write packet:eth0 for eth0`);
  checkTapName(name);
  return { name, isPacket, queues: queues === null ? 1 : Number(queues[1]) };
}
