/**
 * sim/index.ts — the seeded simulator and the packet scripts: the test kit.
 */
export { SimNet } from './sim-net.js';
export type { SimLogLine } from './sim-net.js';
export { SimLinkEnd, SimLinkStats, simLinkDefaults } from './sim-link.js';
export type { SimLinkOptions } from './sim-link.js';
export { Pair } from './tcp-pair.js';
export type { Fate, PairOptions, SegmentOnWire } from './tcp-pair.js';
export { checkTcpCb } from '../tcp/tcpcb.js';
export { Wire } from './wire-script.js';
export * from './craft.js';
export { IP_VERSIONS, parseScript, runScript } from './packetdrill/index.js';
export type { IpVersion, RunOptions, ScriptOutcome, ScriptStatus } from './packetdrill/index.js';
