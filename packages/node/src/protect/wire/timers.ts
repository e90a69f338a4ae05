/**
 * timers.ts — Timers: a clock that never goes back, and alarms, for what decides by time whether a machine may run. Tests bring their own.
 */
import { performance } from 'node:perf_hooks';

export interface Alarm {
  /** Again: nothing. */
  cancel(): void;
}

export interface Timers {
  /** Milliseconds since some moment. */
  now(): number;
  /** Calls `fire` once, not before `ms` from now. */
  after(ms: number, fire: () => void): Alarm;
}

/** Those of the host. An alarm of theirs keeps the process alive. */
export const HOST_TIMERS: Timers = {
  now: () => performance.now(),
  after: (ms, fire) => {
    const timeout = setTimeout(fire, Math.ceil(ms));
    return { cancel: () => clearTimeout(timeout) };
  },
};
