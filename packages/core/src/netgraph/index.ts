/**
 * index.ts — what tools and hosts may use of netgraph.
 */
export { Netgraph } from './netgraph.js';
export { NgBase } from './ng-base.js';
export * from './ng-generic.js';
export * from './ng-message.js';
export { Hook, NgNode } from './ng-node.js';
export type { NgGraph, NgType } from './ng-node.js';
export * from './ng-parse.js';
export { ngPathParse } from './ng-path.js';
export { NG_TYPES } from './ng-types.js';
export { NgDevice, ngDeviceOf } from './nodes/device.js';
export { eifaceIfp } from './nodes/eiface.js';
export { NgSocket } from './nodes/socket.js';
export type { NgReceivedMsg, NgSocketLimits } from './nodes/socket.js';
export { NG_PORT_HOOK, NgSocketPort, ngPortBufferBytes } from './nodes/socket-port.js';
export type { NgPortOpened, NgPortPlace } from './nodes/socket-port.js';
