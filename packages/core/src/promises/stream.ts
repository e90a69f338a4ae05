/**
 * stream.ts — a TCP connection as two WHATWG streams, over socket/stream-socket.ts.
 * Read first: socket/stream-socket.ts; Streams Standard §4.2.3 (byte sources), §5.2.3 (sinks).
 *
 * Theory of operation. Nothing is buffered here. `pull` takes from the receive buffer what its reader asks for and otherwise waits for the
 * socket's `onReadable`, so who does not read closes the window. `write` gives the send buffer what fits and waits for
 * `onWritable` with the rest. A socket's callbacks come in the middle of the stack's work; here they only resolve promises, whose
 * continuations run after it.
 *
 * Closing `writable` is the half-close (FIN); the end of `readable` is the peer's. After both the socket is closed and `closed`
 * resolves. An error ends both streams and rejects `closed`; what had arrived before it is read first.
 *
 * Invariant: the socket is closed exactly once, by `over`.
 * Not here: names (addresses only), timers (a connection attempt ends when TCP gives up, or by `signal`).
 */
import type { Errno } from '../base/errno.js';
import { EAGAIN, EBADF, ECONNABORTED, EINPROGRESS, ENOTCONN, EPROTONOSUPPORT } from '../base/errno.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import { PF_INET6, SHUT_RD, SHUT_WR, SOCK_STREAM } from '../socket/socket-type.js';
import type { Vnet } from '../vnet/vnet.js';
import { domainOf, localEnd, remoteEnd, sockAddrParse } from './address.js';
import type { Endpoint } from './address.js';
import { NetError } from './net-error.js';
import { makeReadable, makeWritable } from './web-streams.js';
import type { AbortSignalLike, ByteController, ByteReadable, ByteSinkController, ByteWritable } from './web-streams.js';

export interface ConnectOptions {
  readonly address: string;
  readonly port: number;
  readonly localAddress?: string;
  readonly localPort?: number;
  /** Small writes are sent at once (TCP_NODELAY). Default false. */
  readonly noDelay?: boolean;
  /** An idle connection is asked now and then whether it lives (SO_KEEPALIVE). Default false. */
  readonly keepAlive?: boolean;
  /** Gives up while the connection is being made: rejects with the signal's reason. */
  readonly signal?: AbortSignalLike;
}

/** Bytes one chunk of `readable` has at most. */
const CHUNK_MAX = 65_536;

export class Stream {
  /** The socket below, for options, `info()` and the congestion control. */
  readonly socket: StreamSocket;
  readonly readable: ByteReadable;
  readonly writable: ByteWritable;
  /** Both directions have ended and the socket is closed; rejects with what broke the connection. */
  readonly closed: Promise<void>;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  private readonly vnet: Vnet;
  private settle: { readonly resolve: () => void; readonly reject: (reason: unknown) => void } | null = null;
  private source: ByteController | null = null;
  private sink: ByteSinkController | null = null;
  /** Who waits for data, and who for room. */
  private reader: (() => void) | null = null;
  private writer: (() => void) | null = null;
  private readOver = false;
  private writeOver = false;
  private aborting = false;
  private isOver = false;
  /** What broke the connection. */
  private broken: NetError | null = null;

  /** `socket` is connected, and belongs to the stream from now on. */
  constructor(vnet: Vnet, socket: StreamSocket) {
    this.vnet = vnet;
    this.socket = socket;
    this.local = localEnd(vnet, socket);
    this.remote = remoteEnd(vnet, socket) ?? { ...this.local, port: 0 };
    this.closed = new Promise<void>((resolve, reject) => (this.settle = { resolve, reject }));
    this.closed.catch(() => undefined); // whoever does not ask is not ended by the answer
    this.readable = makeReadable({
      start: (controller) => void (this.source = controller),
      pull: (controller) => this.pull(controller),
      cancel: () => this.cancelled(),
    });
    this.writable = makeWritable({
      start: (controller) => this.started(controller),
      write: (chunk) => this.write(chunk),
      close: () => this.finish(),
      abort: () => this.over(new NetError(ECONNABORTED, 'write'), true),
    });
    socket.onReadable = () => this.onReadable();
    socket.onWritable = () => wake(this.writer);
  }

  /**
   * close(2): what the socket has taken is still sent, then a FIN; what the peer sends is not read any more. Writes that `writable` still holds
   * fail: close `writable` first, or wait for them.
   */
  close(): Promise<void> {
    this.over(null, false);
    return this.closed;
  }

  /** Breaks the connection: the peer gets a reset, both streams and `closed` fail with ECONNABORTED. */
  abort(): void {
    this.over(new NetError(ECONNABORTED, 'abort'), true);
  }

  private outside<T>(fn: () => T): T {
    return this.vnet.kern.engine.outside(fn);
  }

  private onReadable(): void {
    if (this.reader !== null) wake(this.reader);
    else this.look();
    wake(this.writer); // an error ends its waiting, too
  }

  /** Nobody reads: what broke the connection is noticed once nothing is left to be read. */
  private look(): void {
    if (this.readOver || this.isOver || this.socket.readable > 0) return;
    const error = this.socket.closed ? this.socket.abortError : (this.socket.getsockopt('SO_ERROR') ?? 0);
    if (error !== 0) this.over(new NetError(error, 'read'), false);
  }

  private async pull(controller: ByteController): Promise<void> {
    while (!this.readOver && !this.isOver) {
      const view = controller.byobRequest?.view ?? null;
      const into = view === null ? new Uint8Array(Math.min(Math.max(this.socket.readable, 1), CHUNK_MAX)) : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      const n = this.outside(() => this.socket.recv(into));
      if (n > 0) {
        if (view === null) controller.enqueue(n === into.length ? into : into.subarray(0, n));
        else controller.byobRequest?.respond(n);
        return;
      }
      if (n === 0) {
        controller.close();
        controller.byobRequest?.respond(0);
        this.readEnded();
        return;
      }
      if (n !== -EAGAIN) return this.over(new NetError(-n, 'read'), false);
      await new Promise<void>((resolve) => (this.reader = resolve));
      this.reader = null;
    }
  }

  private cancelled(): void {
    if (this.isOver || this.readOver) return;
    this.outside(() => this.socket.shutdown(SHUT_RD));
    wake(this.reader);
    this.readEnded();
  }

  private started(controller: ByteSinkController): void {
    this.sink = controller;
    // A write that waits for room is to end first; the stream calls `abort` then.
    controller.signal?.addEventListener('abort', () => {
      this.aborting = true;
      wake(this.writer);
    });
  }

  private async write(chunk: unknown): Promise<void> {
    if (!(chunk instanceof Uint8Array)) throw new TypeError(`writable takes Uint8Arrays, not ${typeof chunk === 'object' ? 'other objects' : `a ${typeof chunk}`}`);
    for (let off = 0; off < chunk.length; ) {
      if (this.isOver || this.aborting) throw this.broken ?? new NetError(this.aborting ? ECONNABORTED : EBADF, 'write');
      const rest = off === 0 ? chunk : chunk.subarray(off);
      const n = this.outside(() => this.socket.send(rest));
      if (n > 0) off += n;
      else if (n < 0 && n !== -EAGAIN) {
        const error = new NetError(-n, 'write');
        this.over(error, false);
        throw error;
      } else {
        await new Promise<void>((resolve) => (this.writer = resolve));
        this.writer = null;
      }
    }
  }

  private finish(): void {
    if (this.isOver || this.writeOver) return;
    const error = this.outside(() => this.socket.shutdown(SHUT_WR));
    if (error !== 0 && error !== ENOTCONN) throw new NetError(error, 'shutdown');
    this.writeOver = true;
    if (this.readOver) this.over(null, false);
  }

  private readEnded(): void {
    this.readOver = true;
    if (this.writeOver) this.over(null, false);
  }

  /** The end. `error`: what broke the connection. */
  private over(error: NetError | null, reset: boolean): void {
    if (this.isOver) return;
    this.isOver = true;
    this.broken = error;
    const { socket } = this;
    socket.onReadable = null;
    socket.onWritable = null;
    this.outside(() => {
      if (reset) socket.reset();
      socket.close();
    });
    if (!this.readOver) {
      if (error === null) this.source?.close();
      else this.source?.error(error);
    }
    if (!this.writeOver) this.sink?.error(error ?? new NetError(EBADF, 'write'));
    wake(this.reader);
    wake(this.writer);
    if (error === null) this.settle?.resolve();
    else this.settle?.reject(error);
  }
}

function wake(waiter: (() => void) | null): void {
  waiter?.();
}

/** A stream socket in the domain of `address`; throws NetError. */
export function streamSocket(vnet: Vnet, domain: number): StreamSocket {
  const { error, so } = vnet.sockets.socket(domain, SOCK_STREAM);
  if (so === null) throw new NetError(error === 0 ? EPROTONOSUPPORT : error, 'socket');
  return so;
}

/** Connects to a peer; rejects with NetError (`code` ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH …). */
export async function connect(vnet: Vnet, options: ConnectOptions): Promise<Stream> {
  const domain = domainOf(options.address);
  const so = streamSocket(vnet, domain);
  const where = `${domain === PF_INET6 ? `[${options.address}]` : options.address}:${options.port}`;
  try {
    const error = vnet.kern.engine.outside(() => begin(vnet, so, domain, options));
    if (error !== 0 && error !== EINPROGRESS) throw new NetError(error, 'connect', where);
    if (!so.isConnected) await established(so, where, options.signal);
    return new Stream(vnet, so);
  } catch (failed) {
    so.onReadable = null;
    so.onWritable = null;
    vnet.kern.engine.outside(() => so.close());
    throw failed;
  }
}

/** Options, bind(2), connect(2). */
function begin(vnet: Vnet, so: StreamSocket, domain: number, options: ConnectOptions): Errno {
  const { localAddress, localPort } = options;
  if (options.noDelay === true) so.setsockopt('TCP_NODELAY', 1);
  if (options.keepAlive === true) so.setsockopt('SO_KEEPALIVE', 1);
  if (localAddress !== undefined || localPort !== undefined) {
    const error = so.bind(localAddress === undefined ? 0 : sockAddrParse(vnet, domain, localAddress), localPort ?? 0);
    if (error !== 0) throw new NetError(error, 'bind', `${localAddress ?? ''}:${localPort ?? 0}`);
  }
  return so.connect(sockAddrParse(vnet, domain, options.address), options.port);
}

function established(so: StreamSocket, where: string, signal: AbortSignalLike | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal?.reason instanceof Error ? signal.reason : new NetError(ECONNABORTED, 'connect', where));
    const look = (): void => {
      const error = so.closed ? so.abortError : (so.getsockopt('SO_ERROR') ?? 0);
      if (error === 0 && !so.isConnected) return;
      signal?.removeEventListener('abort', aborted);
      if (error === 0) resolve();
      else reject(new NetError(error, 'connect', where));
    };
    so.onReadable = look;
    so.onWritable = look;
    if (signal?.aborted === true) aborted();
    else signal?.addEventListener('abort', aborted);
  });
}
