/**
 * call-table.ts — the calls that a script can make, by name.
 *
 * A call that is not here is outside the subset: a ScriptError, not a failure.
 */
import type { CallArgs } from './call-args.js';
import type { CallHost, ScriptCall } from './call-host.js';
import { CONTROL_CALLS } from './control-calls.js';
import { IO_CALLS } from './io-calls.js';
import { OPTION_CALLS } from './option-calls.js';
import { POLL_CALLS } from './poll-calls.js';
import type { CallRun } from './process.js';

const CALLS: ReadonlyMap<string, ScriptCall> = new Map([...CONTROL_CALLS, ...IO_CALLS, ...OPTION_CALLS, ...POLL_CALLS]);

/** The run of a call; a ScriptError for one that is not supported. */
export function runCall(host: CallHost, args: CallArgs): CallRun {
  const { name } = args.call;
  const call = CALLS.get(name);
  return call === undefined ? args.fail(`not supported; ${[...CALLS.keys()].sort().join(', ')} are`) : call(host, args);
}
