/**
 * process.ts — the program under test as a script describes it: its descriptors, and the call that it is in.
 *
 * Theory of operation. A call is a generator: it yields where it would block, with the time at which it wants to be looked at again
 * (NEVER: when something happens to a socket), and returns its result. `start` runs it up to the first yield; a socket that becomes
 * readable or writable runs it on, on the packet path, so that it ends at the time at which its event happened. One call is
 * under way at a time, as in a program with one thread.
 */
import type { Micros } from '../../base/time.js';
import { NEVER } from '../../base/time.js';
import type { CallArgs } from './call-args.js';
import type { ScriptFd } from './script-fd.js';

/** What a call came to: its return value, negative for an errno, and what is wrong with what it filled in (null: nothing). */
export interface CallResult {
  readonly value: number;
  readonly problem: string | null;
}

export type CallRun = Generator<Micros, CallResult, void>;

/** A call under way, or done at `doneUs`. */
export interface StartedCall {
  readonly args: CallArgs;
  readonly run: CallRun;
  result: CallResult | null;
  doneUs: Micros;
  wakeUs: Micros;
}

export class ScriptProcess {
  readonly fds = new Map<number, ScriptFd>();
  private readonly now: () => Micros;
  private current: StartedCall | null = null;
  private running = false;

  constructor(now: () => Micros) {
    this.now = now;
  }

  get blocked(): boolean {
    return this.current !== null;
  }

  /** When a call that sleeps wants to go on. */
  get wakeUs(): Micros {
    return this.current?.wakeUs ?? NEVER;
  }

  start(args: CallArgs, run: CallRun): StartedCall {
    const started: StartedCall = { args, run, result: null, doneUs: 0, wakeUs: NEVER };
    this.current = started;
    this.resume();
    return started;
  }

  /** Something happened to a socket, or the time has come. */
  resume(): void {
    const call = this.current;
    if (call === null || this.running) return;
    this.running = true;
    const step = call.run.next();
    this.running = false;
    if (step.done !== true) {
      call.wakeUs = step.value;
      return;
    }
    call.result = step.value;
    call.doneUs = this.now();
    this.current = null;
  }

  /** Watches a socket for the call under way. */
  watch(fd: ScriptFd): void {
    fd.so.onReadable = () => this.resume();
    if (fd.kind === 'stream') fd.so.onWritable = () => this.resume();
  }

  /** Ends what is still open. */
  closeAll(): void {
    this.current = null;
    for (const fd of this.fds.values()) fd.so.close();
    this.fds.clear();
  }
}
