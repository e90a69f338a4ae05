/**
 * net-of.ts — a vnet's TCP shaped like `import net from 'node:net'`.
 * Read first: Node's net; vnet-socket.ts, vnet-server.ts; docs/sockets.md for http, http2, tls, undici and ws over it.
 *
 *     const net = netOf(vnet);
 *     net.createServer((socket) => socket.pipe(socket)).listen(7);
 *
 * One module per vnet: `netOf` answers with the same one every time, so that `instanceof net.Socket` means what it says.
 */
import type { EventEmitter } from 'node:events';
import nodeNet from 'node:net';
import type { StreamSocket, Vnet } from '@netloom/core';
import type { ConnectArgs, OnConnect } from './connect-options.js';
import { vnetLookup } from './lookup.js';
import type { LookupFunction } from './lookup.js';
import { serve } from './serve.js';
import { VnetDoor } from './vnet-door.js';
import { VnetServer } from './vnet-server.js';
import type { VnetServerOptions } from './vnet-server.js';
import { VnetSocket } from './vnet-socket.js';
import type { VnetSocketOptions } from './vnet-socket.js';

/** How programs connect: Node's signatures. */
export interface Connect {
  (options: ConnectArgs, callback?: OnConnect): VnetSocket;
  (port: number, host?: string, callback?: OnConnect): VnetSocket;
  (port: number, callback?: OnConnect): VnetSocket;
}

export interface VnetNet {
  readonly Socket: new (options?: VnetSocketOptions) => VnetSocket;
  readonly Stream: new (options?: VnetSocketOptions) => VnetSocket;
  readonly Server: new (options?: VnetServerOptions | ((socket: VnetSocket) => void), listener?: (socket: VnetSocket) => void) => VnetServer;
  readonly connect: Connect;
  readonly createConnection: Connect;
  createServer(listener?: (socket: VnetSocket) => void): VnetServer;
  createServer(options: VnetServerOptions, listener?: (socket: VnetSocket) => void): VnetServer;
  /**
   * The door of a server of Node's (`http.createServer(...)`, `https`, `http2`, anything that takes 'connection'): connections to it become
   * connections of `server`. From then on `server.listen`, `close` and `address` are the door's, too; closing closes idle connections.
   * `noDelay` is on unless turned off, as in http.Server: HTTP/2 and TLS cannot turn it on through the stream they wrap a foreign socket in.
   */
  serve(server: EventEmitter, options?: VnetServerOptions): VnetServer;
  readonly isIP: typeof nodeNet.isIP;
  readonly isIPv4: typeof nodeNet.isIPv4;
  readonly isIPv6: typeof nodeNet.isIPv6;
  readonly BlockList: typeof nodeNet.BlockList;
  readonly SocketAddress: typeof nodeNet.SocketAddress;
}

export interface NetOfOptions {
  /** Resolves names for sockets that are given none; without it the vnet's name servers are asked. */
  readonly lookup?: LookupFunction;
}

const modules = new WeakMap<Vnet, VnetNet>();

/** The module of `vnet`. `options` count the first time. */
export function netOf(vnet: Vnet, options: NetOfOptions = {}): VnetNet {
  const known = modules.get(vnet);
  if (known !== undefined) return known;
  const door = new VnetDoor(vnet);
  const made = make(door, options.lookup ?? vnetLookup(door));
  modules.set(vnet, made);
  return made;
}

function make(door: VnetDoor, lookup: LookupFunction): VnetNet {
  class Socket extends VnetSocket {
    constructor(options?: VnetSocketOptions, accepted: StreamSocket | null = null) {
      super(door, lookup, options, accepted);
    }
  }
  const accepted = (so: StreamSocket, o: VnetServerOptions): VnetSocket => new Socket({ ...o, pauseOnCreate: o.pauseOnConnect === true }, so);
  class Server extends VnetServer {
    constructor(options?: VnetServerOptions | ((socket: VnetSocket) => void), listener?: (socket: VnetSocket) => void) {
      super(door, lookup, accepted, typeof options === 'function' ? {} : options, typeof options === 'function' ? options : listener);
    }
  }
  const connect: Connect = (...args: unknown[]) => {
    const [first] = args;
    const given = typeof first === 'object' && first !== null ? socketOptions(first) : {};
    return Reflect.apply(VnetSocket.prototype.connect, new Socket(given), args) as VnetSocket;
  };
  return {
    Socket,
    Stream: Socket,
    Server,
    connect,
    createConnection: connect,
    createServer: (options?: VnetServerOptions | ((socket: VnetSocket) => void), listener?: (socket: VnetSocket) => void) => new Server(options, listener),
    serve: (server, options) => serve(new Server({ noDelay: true, ...options }), server),
    isIP: nodeNet.isIP,
    isIPv4: nodeNet.isIPv4,
    isIPv6: nodeNet.isIPv6,
    BlockList: nodeNet.BlockList,
    SocketAddress: nodeNet.SocketAddress,
  };
}

/** Of the options for a connection those of its Duplex; an HTTP request's own are left out. */
function socketOptions(options: ConnectArgs): VnetSocketOptions {
  const { allowHalfOpen, signal, highWaterMark } = options;
  return {
    ...(allowHalfOpen === undefined ? {} : { allowHalfOpen }), ...(signal === undefined ? {} : { signal }), ...(highWaterMark === undefined ? {} : { highWaterMark }),
  };
}
