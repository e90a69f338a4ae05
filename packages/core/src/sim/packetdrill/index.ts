/**
 * packetdrill/index.ts — packet scripts in packetdrill's language, run against a stack in virtual time.
 */
export { parseScript } from './parser.js';
export { runScript } from './run-script.js';
export type { RunOptions, ScriptOutcome, ScriptStatus } from './run-script.js';
export { IP_VERSIONS } from './script-config.js';
export type { IpVersion } from './script-config.js';
