/**
 * serve.ts — a server of Node's (http, https, http2, anything that takes 'connection') behind a listening socket of a vnet.
 * Read first: Node's "Event: 'connection'" of http.Server; vnet-server.ts.
 *
 * Theory of operation. A VnetServer, the door, listens; what it accepts is emitted on the server as a connection of its own. The server's `listen`,
 * `close`, `address` and `listening` become the door's, so that who is given the server (a framework) need not know of the door. The server's
 * own `close` runs when the door has closed: it emits 'close' and stops what http keeps running for a server that listens.
 */
import type { EventEmitter } from 'node:events';
import { tlsEnds } from './tls-ends.js';
import type { VnetServer } from './vnet-server.js';
import { VnetSocket } from './vnet-socket.js';

/** What a server may have of Node's. */
interface ServedServer extends EventEmitter {
  listen?: unknown;
  close?: unknown;
  address?: unknown;
  closeIdleConnections?(): void;
}

interface SecureSocket {
  readonly _handle?: { readonly _parentWrap?: { readonly stream?: unknown } };
}

/** Joins them; returns the door. */
export function serve(door: VnetServer, server: ServedServer): VnetServer {
  door.on('connection', (socket: VnetSocket) => server.emit('connection', socket));
  door.on('listening', () => server.emit('listening')); // http.Server watches over slow requests from then on
  // The stream that Node wraps the socket in is between them; by it each TLSSocket is told from the others.
  server.prependListener('secureConnection', (secure: SecureSocket) => {
    const raw = secure._handle?._parentWrap?.stream;
    if (raw instanceof VnetSocket) tlsEnds(secure, raw);
  });
  const finish: unknown = server.close;
  const close = door.close.bind(door);
  door.close = (callback) => {
    close(callback);
    server.closeIdleConnections?.();
    return door;
  };
  door.on('close', () => {
    if (typeof finish === 'function') finish.call(server);
  });
  Object.defineProperties(server, {
    listen: {
      configurable: true,
      writable: true,
      value: (...args: unknown[]) => {
        if (!door.listenerCount('error')) door.on('error', (error: unknown) => server.emit('error', error));
        Reflect.apply(door.listen, door, args);
        return server;
      },
    },
    close: {
      configurable: true,
      writable: true,
      value: (callback?: (error?: Error) => void) => {
        door.close(callback);
        return server;
      },
    },
    address: { configurable: true, writable: true, value: () => door.address() },
    listening: { configurable: true, get: () => door.listening },
  });
  return door;
}
