/**
 * stream-wire.ts — a guest behind a stream: QEMU's `-netdev stream`, over a Unix socket or TCP, whichever side listens.
 * Read first: guest-wire.ts, stream-connection.ts; qemu(1), "-netdev stream".
 *
 * Theory of operation. One guest at a time is connected. When we listen, one that comes while another is there waits WAIT_US, because a guest that was killed and
 * started again may be seen before the end of the one before it; then it is refused. When we connect, a try that fails, or a guest that goes, is followed by
 * another try, after a time that doubles (backoff.ts). A connection begins with a length, so whatever the one before it was cut in is forgotten; what
 * it had not sent is lost and counted. A length that no frame has means that the stream is out of step: the connection is closed, and nothing else.
 * While no guest is there, frames to it are refused, and whoever has them counts them.
 *
 * Invariants: at most one connection, one that waits, one try and one timer. After `close` none, and the socket's file is gone.
 */
import { createServer, connect } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { PacketBuffer } from '@netloom/core';
import type { Logger } from 'pino';
import { errnoText } from '../daemon/errno-text.js';
import { withPrivateUmask } from '../daemon/socket-claim.js';
import type { HostLoop, LoopTimer } from '../loop.js';
import { Backoff } from './backoff.js';
import { STREAM_FRAME_MAX } from './frame-reader.js';
import { formatGuestDevice, formatHostPort } from './guest-device.js';
import type { StreamAddress, StreamDevice } from './guest-device.js';
import type { GuestWire, WireState, WireUser } from './guest-wire.js';
import { freeListenPath, pathProblem } from './listen-path.js';
import { StreamConnection } from './stream-connection.js';

/** How long a guest may wait for the end of another. */
const WAIT_US = 1_000_000;
/** A try that has neither succeeded nor failed. */
const CONNECT_US = 5_000_000;
/** A connection that lasted so long was a good one: the next failure begins with a short wait. */
const GOOD_US = 1_000_000;
/** A peer that is silent is asked whether it is there, on TCP. */
const KEEPALIVE_MS = 10_000;

export class StreamWire implements GuestWire {
  readonly device: string;
  connects = 0;
  lastError: string | null = null;
  private readonly address: StreamAddress;
  private readonly loop: HostLoop;
  private readonly log: Logger;
  private readonly backoff = new Backoff();
  private readonly server: Server | null;
  private user: WireUser | null = null;
  private socket: Socket | null = null;
  private connection: StreamConnection | null = null;
  private since = 0;
  private waiting: Socket | null = null;
  private timer: LoopTimer | null = null;
  private closing: Promise<void> | null = null;

  constructor(device: StreamDevice, loop: HostLoop, log: Logger) {
    this.device = formatGuestDevice(device);
    this.address = device.address;
    this.loop = loop;
    this.log = log;
    this.server = device.server ? createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS }, (socket) => this.accepted(socket)) : null;
  }

  get state(): WireState {
    if (this.closing !== null) return 'closed';
    if (this.connection !== null) return 'connected';
    return this.server === null ? 'connecting' : 'listening';
  }

  get isFull(): boolean {
    return this.connection !== null && this.connection.isFull;
  }

  async open(): Promise<void> {
    const problem = 'path' in this.address ? pathProblem(this.address.path) : null;
    if (problem !== null) throw new Error(problem);
    if (this.server !== null) await this.listen(this.server);
  }

  start(user: WireUser): void {
    this.user = user;
    if (this.server === null) this.tryConnect();
    else this.adoptWaiting();
  }

  send(m: PacketBuffer): boolean {
    return this.connection !== null && this.connection.send(m);
  }

  flush(): void {
    this.connection?.flush();
  }

  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    this.timer?.cancel();
    this.user = null;
    const { server, socket, waiting } = this;
    waiting?.destroy();
    socket?.destroy();
    if (server?.listening === true) await new Promise<void>((resolve) => server.close(() => resolve()));
    if (socket !== null && !socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
  }

  private async listen(server: Server): Promise<void> {
    const { address } = this;
    if ('path' in address) await freeListenPath(address.path);
    const listening = (): Promise<void> => new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen('path' in address ? address : { ...address, exclusive: true }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    try {
      await ('path' in address ? withPrivateUmask(listening) : listening());
    } catch (error) {
      throw new Error(this.listenText(error as NodeJS.ErrnoException), { cause: error });
    }
    server.on('error', (error) => this.user?.failed(error));
  }

  private listenText(error: NodeJS.ErrnoException): string {
    const where = 'path' in this.address ? this.address.path : formatHostPort(this.address);
    if (error.code === 'EADDRINUSE') return `somebody has ${where} already; leave ",server" out to connect to it, or choose another`;
    if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') return `"${where}" is no address of this machine, so that we cannot listen there; choose one that is, or leave ",server" out`;
    return `cannot listen at ${where}: ${errnoText(error.code ?? 'EIO')}`;
  }

  private accepted(socket: Socket): void {
    socket.on('error', () => undefined); // "close" follows
    if (this.waiting !== null || this.closing !== null) {
      socket.destroy();
      return;
    }
    this.waiting = socket;
    socket.once('close', () => this.gaveUp(socket));
    if (this.socket === null) this.adoptWaiting();
    else this.later(WAIT_US, () => this.refuse(socket));
  }

  private refuse(socket: Socket): void {
    this.log.warn({ device: this.device }, 'a second guest was refused: one is plugged in');
    socket.destroy();
  }

  private gaveUp(socket: Socket): void {
    if (this.waiting !== socket) return;
    this.waiting = null;
    this.timer?.cancel();
  }

  private adoptWaiting(): void {
    const socket = this.waiting;
    if (socket === null || this.user === null || socket.destroyed) return;
    this.waiting = null;
    this.timer?.cancel();
    this.begin(socket);
    socket.resume();
  }

  private tryConnect(): void {
    if (this.closing !== null) return;
    const socket = 'path' in this.address ? connect(this.address) : connect({ ...this.address, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS });
    this.socket = socket;
    this.later(CONNECT_US, () => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    socket.once('connect', () => {
      this.timer?.cancel();
      if (this.closing === null) this.begin(socket);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.connection === null) this.lastError = error.code ?? error.message;
    });
    socket.once('close', () => {
      if (this.connection === null) this.ended(socket);
    });
  }

  /** A guest is there. */
  private begin(socket: Socket): void {
    this.socket = socket;
    this.connects++;
    this.lastError = null;
    this.since = this.loop.enter();
    this.log.info({ device: this.device }, 'a guest has plugged in');
    const connection = new StreamConnection(socket, this.loop, {
      frame: (bytes, off, len, now) => this.user?.frame(bytes, off, len, now),
      room: () => this.user?.room(),
      malformed: (length) => this.malformed(socket, length),
    });
    this.connection = connection;
    socket.once('end', () => socket.destroy());
    socket.once('close', () => {
      this.connection = null;
      this.unplugged(connection);
      this.ended(socket);
    });
  }

  private malformed(socket: Socket, length: number): void {
    this.lastError = `a frame of ${length} bytes was announced; ${STREAM_FRAME_MAX} is the most there is`;
    this.log.warn({ device: this.device, length, limit: STREAM_FRAME_MAX }, 'a guest announced a frame longer than any; its connection is closed');
    socket.destroy();
  }

  private unplugged(connection: StreamConnection): void {
    const full = connection.isFull;
    if (this.loop.enter() - this.since >= GOOD_US) this.backoff.reset();
    if (this.user === null) return;
    this.log.info({ device: this.device }, 'a guest has gone');
    if (connection.unsent > 0) this.user.lost(connection.unsent);
    if (full) this.user.room();
  }

  /** The socket that was, or was to become, the connection is no more. */
  private ended(socket: Socket): void {
    if (this.socket !== socket) return;
    this.socket = null;
    this.timer?.cancel();
    if (this.closing !== null) return;
    if (this.server !== null) this.adoptWaiting();
    else this.later(this.backoff.next(), () => this.tryConnect());
  }

  private later(us: number, fire: () => void): void {
    this.timer?.cancel();
    this.loop.enter();
    this.timer = this.loop.after(us, fire);
  }
}
