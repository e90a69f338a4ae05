/**
 * socket-bytes.ts — class SocketBytes: so and so many bytes of a socket, each time in memory of their own.
 *
 * They are copied out of what the socket reads into, once: whoever keeps them keeps nothing else. What nobody has asked for yet is at most AHEAD_BYTES and a read of the socket.
 */
import type { Socket } from 'node:net';

const AHEAD_BYTES = 262_144;

interface Wanted {
  readonly into: Buffer;
  readonly done: (bytes: Buffer | null) => void;
  filled: number;
}

export class SocketBytes {
  private readonly socket: Socket;
  private ahead: Buffer[] = [];
  private aheadBytes = 0;
  private wanted: Wanted | null = null;
  private ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.heard(bytes));
    socket.on('end', () => this.end());
    socket.on('close', () => this.end());
  }

  /** The next `length` bytes; null when there are no so many any more. One call at a time. */
  take(length: number): Promise<Buffer | null> {
    const wanted: Omit<Wanted, 'done'> = { into: Buffer.allocUnsafe(length), filled: 0 };
    while (this.ahead.length > 0 && wanted.filled < length) this.fill(wanted, this.ahead.shift()!);
    if (this.aheadBytes < AHEAD_BYTES && this.socket.isPaused()) this.socket.resume();
    if (wanted.filled === length) return Promise.resolve(wanted.into);
    if (this.ended) return Promise.resolve(null);
    return new Promise((done) => (this.wanted = { ...wanted, done }));
  }

  /** Nobody sends any more. */
  end(): void {
    this.ended = true;
    this.wanted?.done(null);
    this.wanted = null;
  }

  /** What is there is forgotten, too. */
  drop(): void {
    this.ahead = [];
    this.aheadBytes = 0;
    this.end();
  }

  private heard(bytes: Buffer): void {
    if (this.ended) return;
    this.aheadBytes += bytes.length;
    const { wanted } = this;
    if (wanted === null) this.ahead.push(bytes);
    else {
      this.fill(wanted, bytes);
      if (wanted.filled === wanted.into.length) {
        this.wanted = null;
        wanted.done(wanted.into);
      }
    }
    if (this.aheadBytes >= AHEAD_BYTES) this.socket.pause();
  }

  /** Takes of the first bytes what is wanted; the rest is the first again. */
  private fill(wanted: Omit<Wanted, 'done'>, bytes: Buffer): void {
    const length = Math.min(bytes.length, wanted.into.length - wanted.filled);
    bytes.copy(wanted.into, wanted.filled, 0, length);
    wanted.filled += length;
    this.aheadBytes -= length;
    if (length < bytes.length) this.ahead.unshift(bytes.subarray(length));
  }
}
