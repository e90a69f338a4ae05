/**
 * vde-wire.ts — a port of a VDE switch: what is plugged into it is our neighbour.
 * Read first: vde_switch(1); vde2's libvdeplug, which speaks the same protocol, version 3.
 *
 * Theory of operation. The switch listens on a stream socket, `ctl` in its folder. A request there names a datagram socket of ours; the answer names
 * the switch's. Frames then go between the two, and the port lasts as long as the stream. When the switch goes, it is asked for again and again
 * (backoff.ts).
 *
 * Invariants: at most one stream, one datagram socket and one timer; after `close` none, and no file.
 */
import { chmodSync, chownSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PacketBuffer } from '@netloom/core';
import type { Logger } from 'pino';
import { errnoText } from '../daemon/errno-text.js';
import type { HostLoop, LoopTimer } from '../loop.js';
import { Backoff } from './backoff.js';
import { formatGuestDevice } from './guest-device.js';
import type { VdeDevice } from './guest-device.js';
import type { GuestWire, WireState, WireUser } from './guest-wire.js';
import { pathProblem } from './listen-path.js';
import { UnixDgramPipe } from './unix-dgram-pipe.js';
import { SOCKADDR_UN_SIZE, UnixDgramSocket, sockaddrUn } from './unix-dgram-socket.js';

const SWITCH_MAGIC = 0xfeedface;
const VERSION = 3;
/** A port that the switch chooses. */
const REQ_NEW_PORT = 0;
const DESCRIPTION_SIZE = 128;
const REQUEST_SIZE = 12 + SOCKADDR_UN_SIZE + DESCRIPTION_SIZE;
const DESCRIPTION = 'netloom';

/** Sockets of this process, for their names. */
const made = { sockets: 0 };

export class VdeWire implements GuestWire {
  readonly device: string;
  connects = 0;
  lastError: string | null = null;
  private readonly path: string;
  private readonly loop: HostLoop;
  private readonly log: Logger;
  private readonly backoff = new Backoff();
  private user: WireUser | null = null;
  private control: Socket | null = null;
  private pipe: UnixDgramPipe | null = null;
  private timer: LoopTimer | null = null;
  private closing: Promise<void> | null = null;

  constructor(device: VdeDevice, loop: HostLoop, log: Logger) {
    this.device = formatGuestDevice(device);
    this.path = join(device.path, 'ctl');
    this.loop = loop;
    this.log = log;
  }

  get state(): WireState {
    if (this.closing !== null) return 'closed';
    return this.pipe === null ? 'connecting' : 'connected';
  }

  get isFull(): boolean {
    return this.pipe !== null && this.pipe.isFull;
  }

  /** Asks for no port yet: a switch that is not there now may come. */
  async open(): Promise<void> {
    const problem = pathProblem(this.path);
    if (problem !== null) throw new Error(problem);
    const socket = await this.dataSocket(); // fails here when this system has no such sockets
    socket.close();
  }

  start(user: WireUser): void {
    this.user = user;
    this.tryConnect();
  }

  send(m: PacketBuffer): boolean {
    return this.pipe !== null && this.pipe.send(m);
  }

  flush(): void {
    // Each datagram has gone by itself.
  }

  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    this.timer?.cancel();
    this.user = null;
    const { control } = this;
    this.unplug();
    if (control !== null && !control.closed) await new Promise<void>((resolve) => control.once('close', () => resolve()));
  }

  private dataSocket(): Promise<UnixDgramSocket> {
    return UnixDgramSocket.open(join(tmpdir(), `netloom-vde-${process.pid}-${made.sockets++}`));
  }

  private tryConnect(): void {
    const control = connect(this.path);
    this.control = control;
    control.on('error', (error: NodeJS.ErrnoException) => (this.lastError = errnoText(error.code ?? 'EIO')));
    control.once('close', () => this.ended(control));
    control.once('connect', () => {
      this.ask(control).catch((error: Error) => {
        this.lastError = error.message;
        control.destroy();
      });
    });
  }

  /** Asks for a port; what answers it is the name of the switch's socket. */
  private async ask(control: Socket): Promise<void> {
    const socket = await this.dataSocket();
    control.once('close', () => socket.close());
    if (control.destroyed) return socket.close();
    this.letSwitchSend(socket.path);
    let answer = Buffer.alloc(0);
    control.on('data', (part) => {
      answer = Buffer.concat([answer, part]).subarray(0, SOCKADDR_UN_SIZE);
      if (answer.length === SOCKADDR_UN_SIZE && this.pipe === null) this.plugged(socket, answer);
    });
    control.write(request(socket.path));
  }

  /** The switch may run as another user: it, and whoever else its folder lets in, may send to our socket. */
  private letSwitchSend(path: string): void {
    const { uid, gid } = statSync(this.path);
    if (uid === process.getuid?.() || uid === 0) return;
    chownSync(path, -1, gid);
    chmodSync(path, 0o770);
  }

  private plugged(socket: UnixDgramSocket, answer: Uint8Array): void {
    if (this.user === null) return;
    this.connects++;
    this.lastError = null;
    this.backoff.reset();
    this.log.info({ device: this.device }, 'plugged into the switch');
    this.pipe = new UnixDgramPipe(socket, Uint8Array.from(answer), this.loop, this.user, () => undefined);
  }

  private unplug(): void {
    const { pipe } = this;
    this.pipe = null;
    pipe?.close();
    this.control?.destroy();
  }

  private ended(control: Socket): void {
    if (this.control !== control) return;
    if (this.pipe !== null) this.log.info({ device: this.device }, 'the switch has gone');
    const full = this.isFull;
    this.unplug();
    this.control = null;
    if (this.closing !== null) return;
    if (full) this.user?.room();
    this.loop.enter();
    this.timer = this.loop.after(this.backoff.next(), () => this.tryConnect());
  }
}

/** struct request_v3, packed. */
function request(path: string): Uint8Array {
  const bytes = new Uint8Array(REQUEST_SIZE);
  const words = new Uint32Array([SWITCH_MAGIC, VERSION, REQ_NEW_PORT]);
  bytes.set(new Uint8Array(words.buffer));
  bytes.set(sockaddrUn(path), words.byteLength);
  bytes.set(Buffer.from(DESCRIPTION), words.byteLength + SOCKADDR_UN_SIZE);
  return bytes;
}
