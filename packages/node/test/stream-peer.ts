/**
 * stream-peer.ts — the guest's side of a stream port, without a guest: frames behind their lengths, written and read as the test likes.
 * Read first: qemu(1), "-netdev stream".
 */
import { connect, createServer } from 'node:net';
import type { ListenOptions, Server, Socket, TcpNetConnectOpts } from 'node:net';

export type StreamTarget = { readonly path: string } | { readonly host: string; readonly port: number };

/** A frame from `src` to `dst` (last octets of their addresses), `length` bytes long, numbered. */
export function numberedFrame(dst: number, src: number, number: number, length = 64): Buffer {
  const frame = Buffer.alloc(length);
  frame.set([0x52, 0x54, 0, 0, 0, dst, 0x52, 0x54, 0, 0, 0, src, 0x88, 0xb5]);
  frame.writeUInt32BE(number, 14);
  return frame;
}

/** The number of a numbered frame. */
export function numberOf(frame: Buffer): number {
  return frame.readUInt32BE(14);
}

/** Frames as they are on the stream. */
export function framed(...frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(frames.flatMap((frame) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(frame.length);
    return [length, frame];
  }));
}

export class StreamPeer {
  readonly socket: Socket;
  /** Frames that have come whole. */
  readonly got: Buffer[] = [];
  /** Set when the other side has closed. */
  closed = false;
  private rest = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.heard(chunk));
    socket.on('error', () => undefined);
    socket.once('close', () => (this.closed = true));
  }

  static async connect(target: StreamTarget): Promise<StreamPeer> {
    const socket = connect(target as TcpNetConnectOpts);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new StreamPeer(socket);
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(framed(...frames));
  }

  /** Bytes as they are; resolves when the system has them. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => void this.socket.write(bytes, () => resolve()));
  }

  /** Ends at once, as a process does that is killed. */
  async kill(): Promise<void> {
    if (this.socket.closed) return;
    const done = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.socket.destroy();
    await done;
  }

  private heard(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    while (this.rest.length >= 4 && this.rest.length >= 4 + this.rest.readUInt32BE(0)) {
      const end = 4 + this.rest.readUInt32BE(0);
      this.got.push(this.rest.subarray(4, end));
      this.rest = this.rest.subarray(end);
    }
  }
}

/** A guest's program that listens, for one connection after the other. */
export class StreamListener {
  readonly peers: StreamPeer[] = [];
  private readonly server: Server;

  private constructor() {
    this.server = createServer((socket) => this.peers.push(new StreamPeer(socket)));
  }

  static async listen(target: ListenOptions): Promise<StreamListener> {
    const listener = new StreamListener();
    await new Promise<void>((resolve) => listener.server.listen(target, resolve));
    return listener;
  }

  get port(): number {
    const address = this.server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  async close(): Promise<void> {
    await Promise.all(this.peers.map((peer) => peer.kill()));
    if (this.server.listening) await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
