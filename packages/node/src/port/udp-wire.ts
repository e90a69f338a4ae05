/**
 * udp-wire.ts — a guest behind UDP: QEMU's `-netdev dgram` with inet addresses, a frame to a datagram.
 * Read first: guest-wire.ts; qemu(1), "-netdev dgram"; node:dgram.
 *
 * Theory of operation. Our socket is connected to the guest's, so that nobody else's datagrams come in and a guest that is not there is noticed (the system
 * says ECONNREFUSED). Datagrams that the system hands over in one go are one batch of the host loop. A frame that the system takes at once is given
 * back to the pool at once; one that has to wait is kept, and the wire is full until all that waits is gone.
 *
 * Invariants: no more than a super-segment's frames wait beyond what made the wire full. Node makes an object for each datagram: where every frame
 * counts, use a stream.
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { PacketQueue } from '@netloom/core';
import type { PacketBuffer } from '@netloom/core';
import { errnoText } from '../daemon/errno-text.js';
import type { HostLoop } from '../loop.js';
import { formatGuestDevice, formatHostPort } from './guest-device.js';
import type { HostPortName, UdpDevice } from './guest-device.js';
import type { GuestWire, WireState, WireUser } from './guest-wire.js';

/** The longest datagram that UDP carries over IPv4. */
const DATAGRAM_MAX = 65_507;
/** Datagrams that make a batch at the latest. */
const BATCH_MAX = 64;
/** Frames that may wait for the system. */
const WAITING_MAX = 256;
/** What the system may hold of ours, each way; it gives what it allows. */
const SYSTEM_BYTES = 1 << 20;

export class UdpWire implements GuestWire {
  readonly device: string;
  connects = 0;
  lastError: string | null = null;
  private readonly names: UdpDevice;
  private readonly loop: HostLoop;
  private readonly waiting = new PacketQueue(WAITING_MAX);
  private socket: Socket | null = null;
  private user: WireUser | null = null;
  private arrived: Uint8Array[] = [];
  private immediate: NodeJS.Immediate | null = null;
  private heard = false;
  private closing: Promise<void> | null = null;
  private readonly deliver = (): void => this.batch();
  private readonly work = (now: number): void => {
    for (const datagram of this.arrived) this.user?.frame(datagram, 0, datagram.length, now);
  };
  private readonly onSent = (error: Error | null): void => this.sent(error);

  constructor(device: UdpDevice, loop: HostLoop) {
    this.device = formatGuestDevice(device);
    this.names = device;
    this.loop = loop;
  }

  get state(): WireState {
    if (this.closing !== null) return 'closed';
    return this.heard ? 'connected' : 'open';
  }

  get isFull(): boolean {
    return this.waiting.length > 0;
  }

  async open(): Promise<void> {
    const local = await resolveName(this.names.local);
    const remote = await resolveName(this.names.remote, local.family);
    const socket = createSocket({ type: local.family === 6 ? 'udp6' : 'udp4', recvBufferSize: SYSTEM_BYTES, sendBufferSize: SYSTEM_BYTES });
    try {
      await done(socket, (then) => socket.bind({ address: local.address, port: this.names.local.port, exclusive: true }, then));
      await done(socket, (then) => socket.connect(this.names.remote.port, remote.address, then));
    } catch (error) {
      socket.close();
      throw new Error(this.openText(error as NodeJS.ErrnoException), { cause: error });
    }
    socket.on('message', (datagram) => this.received(datagram));
    socket.on('error', (error: NodeJS.ErrnoException) => this.refused(error));
    this.socket = socket;
  }

  start(user: WireUser): void {
    this.user = user;
  }

  send(m: PacketBuffer): boolean {
    const { socket, waiting } = this;
    if (socket === null || this.closing !== null || m.len > DATAGRAM_MAX || waiting.length >= WAITING_MAX) return false;
    socket.send(m.buf, m.off, m.len, this.onSent);
    if (socket.getSendQueueCount() > 0) waiting.enqueue(m);
    else m.free();
    return true;
  }

  flush(): void {
    // Each datagram has gone by itself.
  }

  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    const { socket } = this;
    this.user = null;
    if (this.immediate !== null) clearImmediate(this.immediate);
    this.arrived = [];
    if (socket !== null) await new Promise<void>((resolve) => socket.close(() => resolve()));
    this.waiting.purge();
  }

  private received(datagram: Uint8Array): void {
    this.arrived.push(datagram);
    if (!this.heard) {
      this.heard = true;
      this.connects++;
    }
    if (this.arrived.length >= BATCH_MAX) this.batch();
    else this.immediate ??= setImmediate(this.deliver);
  }

  private batch(): void {
    if (this.immediate !== null) clearImmediate(this.immediate);
    this.immediate = null;
    if (this.closing !== null) return;
    this.loop.batch(this.work);
    this.arrived.length = 0;
  }

  /** The system has answered for an earlier datagram: mostly that nobody was there. */
  private refused(error: NodeJS.ErrnoException): void {
    this.heard = false;
    this.lastError = error.code ?? error.message;
  }

  private sent(error: Error | null): void {
    if (error !== null && this.closing === null) {
      this.user?.lost(1);
      this.refused(error);
    }
    if (this.waiting.length === 0 || (this.socket?.getSendQueueCount() ?? 0) > 0 || this.closing !== null) return;
    this.waiting.purge();
    this.user?.room();
  }

  private openText(error: NodeJS.ErrnoException): string {
    const where = formatHostPort(this.names.local);
    if (error.code === 'EADDRINUSE') return `somebody has UDP ${where} already; choose another port`;
    if (error.code === 'EADDRNOTAVAIL') return `"${where}" is no address of this machine; choose one that is`;
    return `cannot use UDP ${where} towards ${formatHostPort(this.names.remote)}: ${errnoText(error.code ?? 'EIO')}`;
  }
}

async function resolveName({ host }: HostPortName, family: 0 | 4 | 6 = 0): Promise<{ readonly address: string; readonly family: 4 | 6 }> {
  const found = await lookup(host, { family }).catch(() => null);
  if (found === null || (family !== 0 && found.family !== family)) throw new Error(`there is no ${family === 0 ? '' : `IPv${family} `}address for "${host}"; write one that the system knows`);
  return { address: found.address, family: found.family === 6 ? 6 : 4 };
}

/** Waits for what `begin` begins, or for the socket's error. */
function done(socket: Socket, begin: (then: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    begin(() => {
      socket.off('error', reject);
      resolve();
    });
  });
}
