/**
 * call-host.ts — what the calls of a script see of the run they are in.
 */
import type { Errno } from '../../base/errno.js';
import type { Vnet } from '../../vnet/vnet.js';
import type { CallArgs } from './call-args.js';
import type { CallResult, CallRun, ScriptProcess } from './process.js';
import type { ScriptConfig } from './script-config.js';
import type { ScriptFd, StreamFd } from './script-fd.js';

/** The run, as calls see it. */
export interface CallHost {
  readonly vnet: Vnet;
  readonly process: ScriptProcess;
  readonly config: ScriptConfig;
  readonly now: () => number;
  /** The script's next packets are about this descriptor's connection. */
  opened(fd: ScriptFd): void;
  listening(): void;
  /** connect() is about to be called, or a first datagram sent. */
  connecting(fd: ScriptFd): void;
  accepted(fd: StreamFd): void;
  /** A script wrote a string of its own: contents of that stream are not checked any more. */
  wroteText(): void;
  /** What was read is not what was sent: a text, or null. */
  checkRead(data: Uint8Array, place: number): string | null;
}

export type ScriptCall = (host: CallHost, args: CallArgs) => CallRun;

/** The descriptor that argument `i` names. */
export function fdArg(host: CallHost, args: CallArgs, i = 0): ScriptFd {
  const n = args.int(i);
  return host.process.fds.get(n) ?? args.fail(`the script has no descriptor ${n}`);
}

export const value = (n: number, problem: string | null = null): CallResult => ({ value: n, problem });

/** The result of a call that returns 0 or an errno. */
export const errno = (error: Errno): CallResult => value(error === 0 ? 0 : -error);
