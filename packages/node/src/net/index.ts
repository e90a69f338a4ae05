/**
 * net/index.ts — the sockets of a vnet in the shapes of Node's modules: `@netloom/node/net`.
 */
export { dgramOf } from './dgram-of.js';
export type { DgramOfOptions, VnetDgram } from './dgram-of.js';
export { VnetDgramSocket } from './vnet-dgram-socket.js';
export type { DgramSocketOptions, RemoteInfo } from './vnet-dgram-socket.js';
export type { LookupAddress, LookupFunction, LookupOptions } from './lookup.js';
