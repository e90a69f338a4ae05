/**
 * promises/index.ts — the façade that shows calls as Promises; the only folder of core where Promise is legal.
 */
export { Dgram, dgram } from './dgram.js';
export type { Datagram, DgramOptions } from './dgram.js';
export { NetError } from './net-error.js';
export { Stream, connect } from './stream.js';
export type { ConnectOptions } from './stream.js';
export { Listener, listen } from './listener.js';
export type { ListenOptions } from './listener.js';
export { domainOf, localEnd, remoteEnd, sockAddrFormat6, sockAddrParse } from './address.js';
export type { Endpoint, NamedSocket } from './address.js';
export type { AbortSignalLike, ByobReader, ByteReadable, ByteReader, ByteWritable, ByteWriter, PipeOptions } from './web-streams.js';
