/**
 * vnet-socket.ts — a TCP socket of a vnet as Node's net.Socket: a Duplex with its properties, methods and events.
 * Read first: Node's net.Socket; packages/core/src/socket/stream-socket.ts; vnet-door.ts.
 *
 * Theory of operation. The socket's callbacks put it on the door's list; `attend`, outside the stack, looks at what there is: a connection made
 * or refused, bytes for a reader that wants some, room for a writer that waits. Backpressure is the stack's: nobody reads on
 * while the Duplex is full, so the window closes; a write is done when the socket's buffer has taken all of it.
 *
 * One copy each way. What is written is copied into the send buffer, and the callback comes then: lending the Buffer until it is acknowledged
 * would save the copy, but a Writable passes on the next chunk only after the callback, so every chunk would cost a round trip.
 * What is received is copied once, into a Buffer of its size, however many packets it came in.
 *
 * Not here: how a connection is made (vnet-connector.ts).
 * Differs from Node's: no `_handle`, no file descriptors, no `onread`.
 */
import { Duplex } from 'node:stream';
import type { DuplexOptions } from 'node:stream';
import { EAGAIN, ECANCELED, ENOTCONN, SHUT_WR } from '@netloom/core';
import type { Errno, StreamSocket } from '@netloom/core';
import { localEnd, remoteEnd } from '@netloom/core/promises';
import type { Endpoint } from '@netloom/core/promises';
import { connectOptions } from './connect-options.js';
import type { ConnectArgs, ConnectOptions, OnConnect } from './connect-options.js';
import { resolve } from './lookup.js';
import type { LookupFunction } from './lookup.js';
import { nodeError, sysError } from './node-error.js';
import { VnetConnector } from './vnet-connector.js';
import type { VnetDoor } from './vnet-door.js';

export interface VnetSocketOptions extends Omit<DuplexOptions, 'allowHalfOpen'> {
  readonly allowHalfOpen?: boolean;
  readonly pauseOnCreate?: boolean;
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
}

/** Bytes one 'data' event has at most. */
const CHUNK_MAX = 65_536;
/** Writes that wait together and are no longer than this become one. */
const GATHER_MAX = 65_536;

/** A write under way: what is left of it. */
interface Writing {
  readonly chunks: readonly Buffer[];
  at: number;
  off: number;
  readonly callback: (error?: Error | null) => void;
}

export class VnetSocket extends Duplex {
  connecting = false;
  /** Milliseconds, as given to `setTimeout`. */
  timeout: number | undefined = undefined;
  /** The server that accepted it. */
  server: unknown = null;
  autoSelectFamilyAttemptedAddresses: readonly string[] | undefined = undefined;
  private readonly door: VnetDoor;
  private readonly lookup: LookupFunction;
  private so: StreamSocket | null = null;
  private local: Endpoint | null = null;
  private remote: Endpoint | null = null;
  private wantsData = false;
  private writing: Writing | null = null;
  private bytesIn = 0;
  private bytesOut = 0;
  private idleTimer: NodeJS.Timeout | null = null;
  private referenced = true;
  private resets = false;
  private noDelay = false;
  private keepAlive = false;
  private keepIdleSeconds = 0;
  /** Of the connection being made; its socket becomes `so`. */
  private connector: VnetConnector | null = null;
  private target: ConnectOptions | null = null;

  /** `accepted`: a socket that is connected already. */
  constructor(door: VnetDoor, lookup: LookupFunction, options: VnetSocketOptions = {}, accepted: StreamSocket | null = null) {
    const { allowHalfOpen = false, pauseOnCreate = false, noDelay, keepAlive, keepAliveInitialDelay, ...duplex } = options;
    super({ ...duplex, allowHalfOpen, emitClose: false, autoDestroy: true, decodeStrings: true });
    this.door = door;
    this.lookup = lookup;
    this.on('end', this.onEnd);
    if (noDelay === true) this.setNoDelay(true);
    if (keepAlive === true) this.setKeepAlive(true, keepAliveInitialDelay);
    if (accepted === null) return;
    this.adopt(accepted);
    if (pauseOnCreate) this.pause();
    else this.read(0);
  }

  get pending(): boolean {
    return this.so === null || this.connecting;
  }

  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    return this.readable ? 'readOnly' : this.writable ? 'writeOnly' : 'closed';
  }

  get bytesRead(): number {
    return this.bytesIn;
  }

  /** Bytes given to `write`, sent or not. */
  get bytesWritten(): number {
    return this.bytesOut + this.writableLength;
  }

  get bufferSize(): number {
    return this.writableLength;
  }

  get remoteAddress(): string | undefined {
    return this.remote?.address;
  }

  get remoteFamily(): 'IPv4' | 'IPv6' | undefined {
    return this.remote?.family;
  }

  get remotePort(): number | undefined {
    return this.remote?.port;
  }

  get localAddress(): string | undefined {
    return this.local?.address;
  }

  get localFamily(): 'IPv4' | 'IPv6' | undefined {
    return this.local?.family;
  }

  get localPort(): number | undefined {
    return this.local?.port;
  }

  address(): Endpoint | Record<string, never> {
    return this.local ?? {};
  }

  /** The stack's own socket, for what Node has no name for; null before it connects and when it is closed. */
  get streamSocket(): StreamSocket | null {
    return this.so;
  }

  connect(options: ConnectArgs, callback?: OnConnect): this;
  connect(port: number, host?: string, callback?: OnConnect): this;
  connect(port: number, callback?: OnConnect): this;
  connect(...args: unknown[]): this {
    const { options, callback } = connectOptions(args);
    if (callback !== null) this.once('connect', callback as () => void);
    if (this.destroyed) this.again();
    this.connecting = true;
    this.target = options;
    if (options.noDelay === true) this.noDelay = true;
    if (options.keepAlive === true) this.setKeepAlive(true, options.keepAliveInitialDelay);
    if (options.timeout !== undefined) this.setTimeout(options.timeout);
    this.keep();
    resolve(options.host, options.family, options.hints, options.lookup ?? this.lookup, (error, addresses) => {
      if (!this.connecting || this.target !== options) return;
      for (const { address, family } of addresses) if (options.host !== address) this.emit('lookup', null, address, family, options.host);
      if (error !== null) {
        this.emit('lookup', error, undefined, undefined, options.host);
        this.destroy(error);
        return;
      }
      this.connector = new VnetConnector(this.door, options, addresses, (so) => this.prepare(so));
      this.autoSelectFamilyAttemptedAddresses = this.connector.attempted;
      this.follow(this.connector, this.connector.next());
    });
    return this;
  }

  setNoDelay(noDelay = true): this {
    this.noDelay = noDelay;
    this.option('TCP_NODELAY', noDelay ? 1 : 0);
    return this;
  }

  /** `initialDelay`: milliseconds until the first probe; 0 leaves it as it is. */
  setKeepAlive(enable = false, initialDelay = 0): this {
    this.keepAlive = enable;
    this.keepIdleSeconds = Math.floor(initialDelay / 1000);
    this.option('SO_KEEPALIVE', enable ? 1 : 0);
    if (enable && this.keepIdleSeconds > 0) this.option('TCP_KEEPIDLE', this.keepIdleSeconds);
    return this;
  }

  /** 'timeout' is emitted when nothing moved for `timeout` milliseconds; 0 turns it off. */
  setTimeout(timeout: number, callback?: () => void): this {
    if (!(timeout >= 0)) throw nodeError('ERR_OUT_OF_RANGE', `The value of "msecs" is out of range. It must be a non-negative finite number. Received ${timeout}`, RangeError);
    this.timeout = timeout;
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    this.idleTimer = null;
    if (timeout > 0) {
      if (!this.destroyed) this.idleTimer = setTimeout(() => this.emit('timeout'), timeout).unref();
      if (callback !== undefined) this.once('timeout', callback);
    } else if (callback !== undefined) this.removeListener('timeout', callback);
    return this;
  }

  ref(): this {
    this.referenced = true;
    this.keep();
    return this;
  }

  unref(): this {
    this.referenced = false;
    this.keep();
    return this;
  }

  /** Destroys when everything written has been taken by the stack. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** The peer gets a reset instead of an end. */
  resetAndDestroy(): this {
    this.resets = true;
    if (this.connecting) this.once('connect', () => this.destroy());
    else this.destroy(this.so === null ? nodeError('ERR_SOCKET_CLOSED', 'Socket is closed') : undefined);
    return this;
  }

  /** Attendant: the stack has something to tell. */
  attend(): void {
    const { connector } = this;
    if (connector !== null) this.follow(connector, connector.look());
    const { so } = this;
    if (so === null || this.destroyed) return;
    this.pushOut();
    this.pullIn();
    if (this.so !== null && so.closed) this.destroy(sysError(so.abortError, 'read'));
  }

  override _read(): void {
    this.wantsData = true;
    if (!this.connecting) this.pullIn();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.begin([chunk], callback);
  }

  override _writev(chunks: { chunk: Buffer; encoding: BufferEncoding }[], callback: (error?: Error | null) => void): void {
    const all = chunks.map(({ chunk }) => chunk);
    const bytes = all.reduce((n, c) => n + c.length, 0);
    this.begin(all.length > 1 && bytes <= GATHER_MAX ? [Buffer.concat(all, bytes)] : all, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.connecting) {
      this.once('connect', () => this._final(callback));
      return;
    }
    const { so } = this;
    const error = so === null ? ENOTCONN : this.door.call(() => so.shutdown(SHUT_WR));
    callback(error === 0 || error === ENOTCONN ? null : sysError(error, 'shutdown'));
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.connecting = false;
    this.wantsData = false;
    if (this.idleTimer !== null) clearTimeout(this.idleTimer);
    this.idleTimer = null;
    this.letGo();
    this.keep();
    const { writing } = this;
    this.writing = null;
    writing?.callback(error ?? sysError(ECANCELED, 'write'));
    callback(error);
    process.nextTick(() => this.emit('close', error !== null));
  }

  private readonly onEnd = (): void => {
    // The peer has ended, and so does this side: what is written from now on fails with EPIPE, as with Node's.
    if (!this.allowHalfOpen) this.write = writeAfterFin;
  };

  /** A destroyed socket is connected once more. */
  private again(): void {
    const revived = this as unknown as { _undestroy(): void };
    revived._undestroy();
    this.write = Duplex.prototype.write;
    this.local = null;
    this.remote = null;
    this.bytesIn = 0;
    this.bytesOut = 0;
    this.resets = false;
  }

  private adopt(so: StreamSocket): void {
    this.so = so;
    so.onReadable = this.told;
    so.onWritable = this.told;
    this.local = localEnd(this.door.vnet, so);
    this.remote = remoteEnd(this.door.vnet, so);
    this.idleTimer?.refresh();
    this.keep();
  }

  /** A socket that is about to connect gets what has been asked for before. */
  private prepare(so: StreamSocket): void {
    so.onReadable = this.told;
    so.onWritable = this.told;
    if (this.noDelay) so.setsockopt('TCP_NODELAY', 1);
    if (this.keepAlive) so.setsockopt('SO_KEEPALIVE', 1);
    if (this.keepIdleSeconds > 0) so.setsockopt('TCP_KEEPIDLE', this.keepIdleSeconds);
  }

  private readonly told = (): void => this.door.later(this);

  private letGo(): void {
    this.connector?.close();
    this.connector = null;
    const { so } = this;
    if (so === null) return;
    this.so = null;
    so.onReadable = null;
    so.onWritable = null;
    this.door.call(() => {
      if (this.resets) so.reset();
      so.close();
    });
  }

  /** Keeps the process alive, or does not. */
  private keep(): void {
    this.door.keep(this, this.referenced && (this.so !== null || this.connecting) && !this.destroyed);
  }

  private option(name: string, value: number): void {
    const so = this.so ?? this.connector?.so ?? null;
    if (so !== null) this.door.call(() => so.setsockopt(name, value));
  }

  /** `failed`: why there will be no connection. */
  private follow(connector: VnetConnector, failed: Error | null): void {
    if (failed !== null) {
      this.connector = null;
      process.nextTick(() => this.destroy(failed));
      return;
    }
    const { so } = connector;
    if (so === null || !connector.connected) return;
    this.connector = null;
    this.connecting = false;
    this.adopt(so);
    this.emit('connect');
    this.emit('ready');
    if (this.so !== so) return;
    this.pushOut();
    if (this.readable && !this.isPaused()) this.read(0);
  }

  private begin(chunks: readonly Buffer[], callback: (error?: Error | null) => void): void {
    if (this.so === null && !this.connecting) {
      callback(nodeError('ERR_SOCKET_CLOSED', 'Socket is closed'));
      return;
    }
    this.writing = { chunks, at: 0, off: 0, callback };
    this.idleTimer?.refresh();
    if (!this.connecting) this.pushOut();
  }

  /** Gives the stack what it has room for. */
  private pushOut(): void {
    const { so, writing } = this;
    if (so === null || writing === null) return;
    const error = this.door.call(() => sendAll(so, writing));
    if (error === EAGAIN) return;
    this.writing = null;
    this.idleTimer?.refresh();
    if (error === 0) this.bytesOut += writing.chunks.reduce((n, c) => n + c.length, 0);
    writing.callback(error === 0 ? null : sysError(error, 'write'));
  }

  /** Takes what there is while somebody wants it. */
  private pullIn(): void {
    while (this.wantsData) {
      const { so } = this;
      if (so === null) return;
      const chunk = Buffer.allocUnsafe(Math.min(Math.max(so.readable, 1), CHUNK_MAX));
      const n = this.door.call(() => so.recv(chunk));
      if (n === -EAGAIN) return;
      this.idleTimer?.refresh();
      if (n < 0) {
        this.destroy(sysError(-n, 'read'));
        return;
      }
      if (n === 0) {
        this.wantsData = false;
        this.push(null);
        this.read(0);
        return;
      }
      this.bytesIn += n;
      this.wantsData = this.push(n === chunk.length ? chunk : chunk.subarray(0, n)) && !this.destroyed;
    }
  }
}

/** EAGAIN: there is no more room. */
function sendAll(so: StreamSocket, w: Writing): Errno {
  for (; w.at < w.chunks.length; w.at++, w.off = 0) {
    const chunk = w.chunks[w.at]!;
    while (w.off < chunk.length) {
      const n = so.send(w.off === 0 ? chunk : chunk.subarray(w.off));
      if (n <= 0) return n === 0 ? EAGAIN : -n;
      w.off += n;
    }
  }
  return 0;
}

function writeAfterFin(this: VnetSocket, _chunk: unknown, encoding?: unknown, callback?: unknown): boolean {
  const done = typeof encoding === 'function' ? encoding : callback;
  const error = nodeError('EPIPE', 'This socket has been ended by the other party');
  if (typeof done === 'function') process.nextTick(done as (error: Error) => void, error);
  this.destroy(error);
  return false;
}
