/**
 * socket-base.ts — SocketBase: what every kind of socket is: its ends, its pending error, who has it open, and how it ends.
 * Read first: socket(2), getsockname(2), close(2); socket.ts and stream-socket.ts for the kinds.
 *
 * Theory of operation. A socket lives until `close`, or until `abort`, when its vnet ends; either gives back what it holds (`giveBack`, which is the kind's). An
 * error that came by itself waits until a verb takes it.
 * Invariant: after `close` nothing is called back and every verb answers EBADF; after `abort` ECONNABORTED, until it is closed.
 */
import type { Errno } from '../base/errno.js';
import { EBADF, ECONNABORTED } from '../base/errno.js';
import type { In6Pcb } from '../transport/in6-pcb.js';
import type { InPcb } from '../transport/inpcb.js';
import { in6LocalName, in6PeerName } from './socket-in6.js';
import type { SockName6 } from './socket-in6.js';
import type { SocketHolder } from './socket-holder.js';
import type { AnySocket, SocketLayer } from './socket-layer.js';

/** An IPv4 end: host-order address and port. */
export interface SockName {
  addr: number;
  port: number;
}

export abstract class SocketBase {
  readonly layer: SocketLayer;
  /** PF_INET or PF_INET6. */
  readonly domain: number;
  readonly type: number;
  readonly protocol: number;
  abstract readonly inp: InPcb;
  /** `inp` of a PF_INET6 socket; null for PF_INET. */
  abstract readonly in6p: In6Pcb | null;
  /** What has arrived; `hiwat` is SO_RCVBUF. */
  abstract readonly rcv: { hiwat: number };
  /** SO_SNDBUF, bytes. */
  abstract sndHiwat: number;
  /** Readable, in error, or ended. */
  onReadable: (() => void) | null = null;
  closed = false;
  /** The process that has it open; null: none. */
  holder: SocketHolder | null = null;
  /** Its place among the open sockets. */
  chainNext: AnySocket | null = null;
  chainPrev: AnySocket | null = null;
  protected pendingError: Errno = 0;
  /** What verbs answer when it is closed: EBADF or ECONNABORTED. */
  protected ended: Errno = 0;

  constructor(layer: SocketLayer, domain: number, type: number, protocol: number) {
    this.layer = layer;
    this.domain = domain;
    this.type = type;
    this.protocol = protocol;
  }

  /** Gives back what the socket holds, and leaves the layer. `reset`: without ceremony. */
  protected abstract giveBack(reset: boolean): void;

  /** getsockname(2). */
  name(): SockName {
    return { addr: this.inp.laddr, port: this.inp.lport };
  }

  /** getpeername(2); null when not connected. */
  peer(): SockName | null {
    return this.inp.connected ? { addr: this.inp.faddr, port: this.inp.fport } : null;
  }

  /** getsockname(2) of a PF_INET6 socket; null for PF_INET. */
  name6(): SockName6 | null {
    return this.in6p === null ? null : in6LocalName(this.in6p);
  }

  /** getpeername(2) of a PF_INET6 socket; null when not connected. */
  peer6(): SockName6 | null {
    return this.in6p === null || !this.in6p.connected ? null : in6PeerName(this.in6p);
  }

  /** close(2): gives everything back. 0 the first time, also after an abort; EBADF from then on. */
  close(): Errno {
    if (this.ended === EBADF) return EBADF;
    this.ended = EBADF;
    this.release(false);
    return 0;
  }

  /** The vnet ends: everything is given back, and whoever waits is woken and sees ECONNABORTED. */
  abort(): void {
    if (this.closed) return;
    const waiter = this.onReadable;
    this.ended = ECONNABORTED;
    this.release(true);
    waiter?.();
  }

  /** Why the socket ended: ECONNABORTED after `abort`, 0 while it lives and after `close`. */
  get abortError(): Errno {
    return this.ended === EBADF ? 0 : this.ended;
  }

  private release(reset: boolean): void {
    if (this.closed) return;
    this.closed = true;
    this.onReadable = null;
    this.pendingError = 0;
    const { softnet } = this.layer.kern.engine;
    softnet.acquire('soclose');
    this.giveBack(reset);
    softnet.release('soclose');
  }

  protected takeError(): Errno {
    const error = this.pendingError;
    this.pendingError = 0;
    return error;
  }
}
