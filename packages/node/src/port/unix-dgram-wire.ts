/**
 * unix-dgram-wire.ts — a guest behind datagrams of a Unix socket: QEMU's `-netdev dgram` with two paths.
 * Read first: unix-dgram-pipe.ts; qemu(1), "-netdev dgram".
 */
import type { PacketBuffer } from '@netloom/core';
import type { HostLoop } from '../loop.js';
import { formatGuestDevice } from './guest-device.js';
import type { UnixDgramDevice } from './guest-device.js';
import type { GuestWire, WireState, WireUser } from './guest-wire.js';
import { pathProblem } from './listen-path.js';
import { UnixDgramPipe } from './unix-dgram-pipe.js';
import { UnixDgramSocket, sockaddrUn } from './unix-dgram-socket.js';

export class UnixDgramWire implements GuestWire {
  readonly device: string;
  connects = 0;
  private readonly names: UnixDgramDevice;
  private readonly loop: HostLoop;
  private socket: UnixDgramSocket | null = null;
  private pipe: UnixDgramPipe | null = null;
  private closed = false;

  constructor(device: UnixDgramDevice, loop: HostLoop) {
    this.device = formatGuestDevice(device);
    this.names = device;
    this.loop = loop;
  }

  get state(): WireState {
    if (this.closed) return 'closed';
    return this.pipe !== null && this.pipe.isThere ? 'connected' : 'open';
  }

  get lastError(): string | null {
    return this.pipe === null || this.pipe.isThere ? null : `nobody has "${this.names.remote}"`;
  }

  get isFull(): boolean {
    return this.pipe !== null && this.pipe.isFull;
  }

  async open(): Promise<void> {
    const problem = pathProblem(this.names.remote);
    if (problem !== null) throw new Error(problem);
    this.socket = await UnixDgramSocket.open(this.names.local);
  }

  start(user: WireUser): void {
    if (this.socket !== null) this.pipe = new UnixDgramPipe(this.socket, sockaddrUn(this.names.remote), this.loop, user, () => void (this.connects ||= 1));
  }

  send(m: PacketBuffer): boolean {
    return this.pipe !== null && this.pipe.send(m);
  }

  flush(): void {
    // Each datagram has gone by itself.
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.pipe === null) this.socket?.close();
    else this.pipe.close();
  }
}
