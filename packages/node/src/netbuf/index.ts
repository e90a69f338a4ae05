/**
 * index.ts — @netloom/node/netbuf: a machine's output held by Linux's kernel, and the rtnetlink that it is done with.
 *
 * A door of its own, because it needs nothing of the daemon and starts in a few milliseconds.
 */
export * from '../netlink/index.js';
export { NetbufError } from './netbuf-error.js';
export { NETBUF_STATE, NetbufRecords } from './netbuf-record.js';
export type { NetbufRecord } from './netbuf-record.js';
export type { Progress } from './netbuf-steps.js';
export { NETBUF_LIMIT_BYTES, Netbufs } from './netbufs.js';
export type { HeldOutput, InstallOptions, NetbufsOptions, NetbufView, PlugAction, UninstallOptions } from './netbufs.js';
export { NetworkBuffer } from './network-buffer.js';
export type { PoolLock } from './pool-lock.js';
