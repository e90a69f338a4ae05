/**
 * ng-types.ts — the kinds of nodes there are, in the order in which they are listed.
 */
import type { NgType } from './ng-node.js';
import { bpfType } from './nodes/bpf.js';
import { bridgeType } from './nodes/bridge.js';
import { carType } from './nodes/car.js';
import { eifaceType } from './nodes/eiface.js';
import { etherType } from './nodes/ether.js';
import { hubType } from './nodes/hub.js';
import { pipeType } from './nodes/pipe.js';
import { sampleType } from './nodes/sample.js';
import { socketType } from './nodes/socket.js';
import { teeType } from './nodes/tee.js';

export const NG_TYPES: readonly NgType[] = Object.freeze([
  bpfType, bridgeType, carType, eifaceType, etherType, hubType, pipeType, sampleType, socketType, teeType,
]);
