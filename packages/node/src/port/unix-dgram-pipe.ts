/**
 * unix-dgram-pipe.ts — frames over datagrams of a Unix socket, both ways: what a plain port and a port of a VDE switch have in common.
 * Read first: unix-dgram-socket.ts, guest-wire.ts.
 *
 * Theory of operation. Up to BATCH_MAX datagrams are one batch of the host loop. A receiver whose queue is full says so, and nobody says when it has room: the
 * frame waits, the pipe is full, and it is tried again every RETRY_US.
 *
 * Invariant: what waits is in order, and at most WAITING_MAX frames, a super-segment's. `close` frees it.
 */
import { PacketQueue } from '@netloom/core';
import type { PacketBuffer } from '@netloom/core';
import type { HostLoop, LoopTimer } from '../loop.js';
import type { WireUser } from './guest-wire.js';
import type { UnixDgramSocket } from './unix-dgram-socket.js';

const BATCH_MAX = 64;
const RETRY_US = 1_000;
const WAITING_MAX = 256;

export class UnixDgramPipe {
  /** Is the guest there, as far as the last datagram says? */
  isThere = false;
  private readonly socket: UnixDgramSocket;
  private readonly loop: HostLoop;
  private readonly user: WireUser;
  private readonly waiting = new PacketQueue(WAITING_MAX);
  private to: Uint8Array;
  private timer: LoopTimer | null = null;
  private closed = false;
  private readonly heard: () => void;
  private readonly work = (now: number): void => this.batch(now);

  /** Begins to read at once. @param heard told of each batch that comes. */
  constructor(socket: UnixDgramSocket, to: Uint8Array, loop: HostLoop, user: WireUser, heard: () => void) {
    this.socket = socket;
    this.to = to;
    this.loop = loop;
    this.user = user;
    this.heard = heard;
    socket.watch(() => this.loop.batch(this.work));
  }

  get isFull(): boolean {
    return this.waiting.length > 0;
  }

  /** Takes `m` over, or answers false. */
  send(m: PacketBuffer): boolean {
    if (this.closed || this.waiting.length >= WAITING_MAX) return false;
    if (this.waiting.length > 0) return this.waiting.enqueue(m);
    const sent = this.socket.send(this.to, m.buf, m.off, m.len);
    if (sent === 'full') {
      this.waiting.enqueue(m);
      this.later();
      return true;
    }
    this.isThere = sent === 'sent' || (sent === 'refused' && this.isThere);
    if (sent !== 'sent') return false;
    m.free();
    return true;
  }

  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.waiting.purge();
    this.socket.close();
  }

  private batch(now: number): void {
    const { socket } = this;
    for (let n = 0; n < BATCH_MAX && !this.closed; n++) {
      const length = socket.receive();
      if (length < 0) return;
      if (!this.isThere || n === 0) {
        this.isThere = true;
        this.heard();
      }
      this.user.frame(socket.bytes, 0, length, now);
    }
  }

  private later(): void {
    this.timer = this.loop.after(RETRY_US, () => this.retry());
  }

  private retry(): void {
    for (let m = this.waiting.peek(); m !== null; m = this.waiting.peek()) {
      const sent = this.socket.send(this.to, m.buf, m.off, m.len);
      if (sent === 'full') return this.later();
      this.waiting.dequeue();
      m.free();
      if (sent !== 'sent') this.user.lost(1);
    }
    this.user.room();
  }
}
