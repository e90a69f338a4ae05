/**
 * frame-pair.ts — two descriptors joined like the ends of a cable, for tests of TapPort without root: a Unix datagram pair keeps frame
 * boundaries, answers EAGAIN when its (short) queue is full, and polls like a TAP.
 */
import { createRequire } from 'node:module';
import type { TapDevice } from '../../src/tap/tap-device.js';

const AF_UNIX = 1;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;

interface Koffi {
  load(path: null): { func(name: string, result: string, parameters: string[]): (...args: unknown[]) => number };
}

/** Both ends, as devices. @throws Error when the system has no such pair. */
export function openFramePair(vnetHdr = false): [TapDevice, TapDevice] {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  const socketpair = koffi.load(null).func('socketpair', 'int', ['int', 'int', 'int', 'void *']);
  const fds = new Int32Array(2);
  if (socketpair(AF_UNIX, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0, fds) < 0) throw new Error('socketpair failed');
  const device = (fd: number, name: string): TapDevice => ({ fd, name, mtu: 1500, vnetHdr });
  return [device(fds[0]!, 'pair-a'), device(fds[1]!, 'pair-b')];
}
