/**
 * stream-connection.ts — one connection with a guest: frames in and out of a connected socket, each behind its length.
 * Read first: frame-reader.ts; node:net, socket.write.
 *
 * Theory of operation. A chunk from the socket is one batch of the host loop. Frames to the guest are copied one behind the other into a buffer, which is
 * written with one call when the stack says `flush`, or it holds FLUSH_BYTES. Mostly the system takes it whole at once. When the socket is behind, the
 * buffer is Node's until it has been written, and the other one of two is filled; from then on the connection is full. What comes nevertheless (the rest of a
 * super-segment that is being cut) has room for another 64 KB and more.
 *
 * Invariants: at most one write is under way, and at most two buffers' bytes are held. Nothing is allocated for a frame.
 */
import type { Socket } from 'node:net';
import type { PacketBuffer } from '@netloom/core';
import { putBytes } from '@netloom/core';
import type { HostLoop } from '../loop.js';
import { FrameReader, STREAM_FRAME_MAX, STREAM_HEADER } from './frame-reader.js';

/** Written without waiting for `flush` from here on. */
const FLUSH_BYTES = 65_536;
/** Behind FLUSH_BYTES a packet of 64 KB has room, with all headers when it is cut. */
const BUFFER_BYTES = FLUSH_BYTES + 2 * STREAM_FRAME_MAX;

export interface ConnectionUser {
  frame(bytes: Uint8Array, off: number, len: number, now: number): void;
  /** It was full and is not any more. */
  room(): void;
  /** A length came that no frame has: nothing more is read. */
  malformed(length: number): void;
}

export class StreamConnection {
  private readonly socket: Socket;
  private readonly loop: HostLoop;
  private readonly user: ConnectionUser;
  private readonly reader = new FrameReader();
  private filling: Uint8Array = new Uint8Array(BUFFER_BYTES);
  private used = 0;
  private frames = 0;
  private spare: Uint8Array = new Uint8Array(BUFFER_BYTES);
  private writing = false;
  private writingFrames = 0;
  private failed = false;
  private chunk: Uint8Array = new Uint8Array(0);
  private badLength = 0;
  private now = 0;
  private readonly onData = (chunk: Uint8Array): void => this.received(chunk);
  private readonly onWritten = (error?: Error | null): void => {
    if (error === undefined || error === null) this.written();
    else this.failed = true;
  };
  private readonly work = (now: number): void => {
    this.now = now;
    this.badLength = this.reader.push(this.chunk, this);
  };

  /** Begins to read at once. */
  constructor(socket: Socket, loop: HostLoop, user: ConnectionUser) {
    this.socket = socket;
    this.loop = loop;
    this.user = user;
    socket.on('data', this.onData);
  }

  get isFull(): boolean {
    return this.writing;
  }

  /** Frames that were taken over and that the system has not. */
  get unsent(): number {
    return this.frames + this.writingFrames;
  }

  /** Takes `m` over; false: it is too long, or there is no room. */
  send(m: PacketBuffer): boolean {
    const size = STREAM_HEADER + m.len;
    if (this.failed || m.len > STREAM_FRAME_MAX || this.used + size > BUFFER_BYTES) return false;
    const { filling, used: at } = this;
    filling[at] = m.len >>> 24;
    filling[at + 1] = m.len >>> 16;
    filling[at + 2] = m.len >>> 8;
    filling[at + 3] = m.len;
    putBytes(filling, at + STREAM_HEADER, m.buf, m.off, m.len);
    this.used += size;
    this.frames++;
    m.free();
    if (this.used >= FLUSH_BYTES) this.flush();
    return true;
  }

  flush(): void {
    const { socket } = this;
    if (this.used === 0 || this.writing) return;
    if (socket.destroyed) this.failed = true; // its "close" follows
    if (this.failed) return;
    socket.write(this.filling.subarray(0, this.used), this.onWritten);
    if (socket.writableLength > 0) {
      this.writing = true;
      this.writingFrames = this.frames;
      [this.filling, this.spare] = [this.spare, this.filling];
    }
    this.used = 0;
    this.frames = 0;
  }

  /** FrameTaker, for the reader. */
  frame(bytes: Uint8Array, off: number, len: number): void {
    this.user.frame(bytes, off, len, this.now);
  }

  private received(chunk: Uint8Array): void {
    if (this.badLength !== 0) return;
    this.chunk = chunk;
    this.loop.batch(this.work);
    if (this.badLength !== 0) this.user.malformed(this.badLength);
  }

  /** A write is done; Node says so later for one that the system took at once. */
  private written(): void {
    if (!this.writing || this.socket.writableLength > 0) return;
    this.writing = false;
    this.writingFrames = 0;
    this.flush();
    if (!this.isFull) this.user.room();
  }
}
