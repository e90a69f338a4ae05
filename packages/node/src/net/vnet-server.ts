/**
 * vnet-server.ts — a listening TCP socket of a vnet as Node's net.Server.
 * Read first: Node's net.Server; vnet-socket.ts.
 *
 * Without a host it listens on `::` for both families, as Node's does, and on `0.0.0.0` where there is no IPv6. A server that is not
 * Node's own (http.Server, https.Server, an HTTP/2 server) is served by `emit('connection', socket)`: see net-of.ts, `serve`.
 *
 * Connections above `maxConnections` are closed at once and told by 'drop'. 'close' comes when the last connection has ended, too.
 */
import { EventEmitter } from 'node:events';
import { EPROTONOSUPPORT, PF_INET6, SOCK_STREAM } from '@netloom/core';
import type { Errno, StreamSocket } from '@netloom/core';
import { NetError, domainOf, localEnd, remoteEnd, sockAddrParse } from '@netloom/core/promises';
import type { Endpoint } from '@netloom/core/promises';
import { listenOptions } from './connect-options.js';
import type { ListenArgs, ListenOptions } from './connect-options.js';
import { resolve } from './lookup.js';
import type { LookupFunction } from './lookup.js';
import { nodeError, sysError } from './node-error.js';
import type { NodeNetError } from './node-error.js';
import type { VnetDoor } from './vnet-door.js';
import type { VnetSocket } from './vnet-socket.js';

export interface VnetServerOptions {
  readonly allowHalfOpen?: boolean;
  readonly pauseOnConnect?: boolean;
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
  readonly highWaterMark?: number;
}

/** Makes the socket of an accepted connection. */
export type AcceptedSocket = (so: StreamSocket, options: VnetServerOptions) => VnetSocket;

/** What says that there is no IPv6 here. */
const NO_IPV6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT']);

type Done = (error?: Error) => void;

export class VnetServer extends EventEmitter {
  maxConnections: number | undefined = undefined;
  private readonly door: VnetDoor;
  private readonly make: AcceptedSocket;
  private readonly options: VnetServerOptions;
  private readonly lookup: LookupFunction;
  private so: StreamSocket | null = null;
  private bound: Endpoint | null = null;
  private starting = false;
  private connections = 0;
  private referenced = true;

  constructor(door: VnetDoor, lookup: LookupFunction, make: AcceptedSocket, options: VnetServerOptions = {}, listener?: (socket: VnetSocket) => void) {
    super();
    this.door = door;
    this.make = make;
    this.options = options;
    this.lookup = lookup;
    if (listener !== undefined) this.on('connection', listener);
  }

  get listening(): boolean {
    return this.so !== null;
  }

  /** The stack's own socket; null when it does not listen. */
  get streamSocket(): StreamSocket | null {
    return this.so;
  }

  listen(port?: number, host?: string, backlog?: number, callback?: () => void): this;
  listen(port?: number, host?: string, callback?: () => void): this;
  listen(port?: number, backlog?: number, callback?: () => void): this;
  listen(port?: number, callback?: () => void): this;
  listen(options: ListenArgs, callback?: () => void): this;
  listen(callback: () => void): this;
  listen(...args: unknown[]): this {
    const { options, callback } = listenOptions(args);
    if (this.so !== null || this.starting) throw nodeError('ERR_SERVER_ALREADY_LISTEN', 'Listen method has been called more than once without closing.');
    if (callback !== null) this.once('listening', callback as () => void);
    const { signal, host } = options;
    if (signal !== undefined) {
      if (signal.aborted) process.nextTick(() => this.close());
      else signal.addEventListener('abort', () => void this.close(), { once: true });
    }
    if (host === undefined || domainOf(host) === PF_INET6 || /^[0-9.]+$/.test(host)) {
      this.start(options, host);
      return this;
    }
    this.starting = true;
    resolve(host, 0, undefined, this.lookup, (error, addresses) => {
      if (!this.starting) return;
      this.starting = false;
      if (error === null) this.start(options, addresses[0]?.address);
      else this.emit('error', error);
    });
    return this;
  }

  /** 'close', and `callback`, come when the last connection has ended. */
  close(callback?: Done): this {
    if (callback !== undefined) {
      if (this.so === null && !this.starting) this.once('close', () => callback(nodeError('ERR_SERVER_NOT_RUNNING', 'Server is not running.')));
      else this.once('close', callback);
    }
    this.starting = false;
    this.stop();
    this.closeIfDone();
    return this;
  }

  address(): Endpoint | null {
    return this.bound;
  }

  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.connections);
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

  /** Attendant: connections wait, or the vnet has ended. */
  attend(): void {
    for (;;) {
      const { so } = this;
      if (so === null) return;
      if (so.closed) {
        const why = so.abortError;
        this.stop();
        this.emit('error', sysError(why, 'accept'));
        this.closeIfDone();
        return;
      }
      const accepted = this.door.call(() => so.accept());
      if (accepted === null) return;
      this.accept(accepted);
    }
  }

  private accept(so: StreamSocket): void {
    const { maxConnections } = this;
    if (maxConnections !== undefined && maxConnections > 0 && this.connections >= maxConnections) {
      this.drop(so);
      return;
    }
    const socket = this.make(so, this.options);
    socket.server = this;
    this.connections++;
    socket.once('close', () => {
      this.connections--;
      this.closeIfDone();
    });
    this.emit('connection', socket);
  }

  private drop(so: StreamSocket): void {
    const local = localEnd(this.door.vnet, so);
    const remote = remoteEnd(this.door.vnet, so);
    this.door.call(() => so.close());
    this.emit('drop', {
      localAddress: local.address, localPort: local.port, localFamily: local.family, remoteAddress: remote?.address, remotePort: remote?.port, remoteFamily: remote?.family,
    });
  }

  private start(options: ListenOptions, host: string | undefined): void {
    const failed = this.door.call(() => this.open(options, host));
    if (failed !== null) {
      process.nextTick(() => this.emit('error', failed));
      return;
    }
    this.keep();
    process.nextTick(() => {
      if (this.so !== null) this.emit('listening');
    });
  }

  private open(options: ListenOptions, host: string | undefined): NodeNetError | null {
    if (host !== undefined) return this.openAt(options, host, options.ipv6Only);
    const failed = this.openAt(options, '::', options.ipv6Only);
    return failed !== null && NO_IPV6.has(failed.code) ? this.openAt(options, '0.0.0.0', false) : failed;
  }

  private openAt(options: ListenOptions, address: string, ipv6Only: boolean): NodeNetError | null {
    const { vnet } = this.door;
    const domain = domainOf(address);
    const { error, so } = vnet.sockets.socket(domain, SOCK_STREAM);
    if (so === null) return sysError(error === 0 ? EPROTONOSUPPORT : error, 'listen', { address, port: options.port });
    const failed = listenAt(this.door, so, domain, address, options, ipv6Only);
    if (failed !== 0) {
      so.close();
      return sysError(failed, 'listen', { address, port: options.port });
    }
    so.onReadable = () => this.door.later(this);
    this.so = so;
    this.bound = localEnd(vnet, so);
    return null;
  }

  private stop(): void {
    const { so } = this;
    if (so === null) return;
    this.so = null;
    this.bound = null;
    so.onReadable = null;
    this.door.call(() => so.close());
    this.keep();
  }

  private closeIfDone(): void {
    if (this.so !== null || this.connections > 0) return;
    process.nextTick(() => {
      if (this.so === null && this.connections === 0) this.emit('close');
    });
  }

  private keep(): void {
    this.door.keep(this, this.referenced && this.so !== null);
  }
}


function listenAt(door: VnetDoor, so: StreamSocket, domain: number, address: string, options: ListenOptions, ipv6Only: boolean): Errno {
  so.setsockopt('SO_REUSEADDR', 1);
  if (options.reusePort) so.setsockopt('SO_REUSEPORT_LB', 1);
  if (domain === PF_INET6) so.setsockopt('IPV6_V6ONLY', ipv6Only ? 1 : 0);
  try {
    return so.bind(sockAddrParse(door.vnet, domain, address), options.port) || so.listen(options.backlog);
  } catch (failed) {
    if (failed instanceof NetError) return failed.errno;
    throw failed;
  }
}
