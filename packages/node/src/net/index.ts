/**
 * net/index.ts — the sockets of a vnet in the shapes of Node's modules: `@netloom/node/net`.
 */
export { netOf } from './net-of.js';
export type { Connect, NetOfOptions, VnetNet } from './net-of.js';
export { dgramOf } from './dgram-of.js';
export type { DgramOfOptions, VnetDgram } from './dgram-of.js';
export { VnetSocket } from './vnet-socket.js';
export type { VnetSocketOptions } from './vnet-socket.js';
export { VnetServer } from './vnet-server.js';
export type { VnetServerOptions } from './vnet-server.js';
export { VnetDgramSocket } from './vnet-dgram-socket.js';
export type { DgramSocketOptions, RemoteInfo } from './vnet-dgram-socket.js';
export type { ConnectArgs, ListenArgs } from './connect-options.js';
export type { LookupFunction } from './lookup.js';
