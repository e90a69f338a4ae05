/**
 * time.ts — time as the stack sees it: an argument, in microseconds.
 *
 * Nobody reads a clock here or anywhere in core. The host loop stamps every input with `now`, microseconds since the
 * Kernel was made; a double holds 285 years of them exactly.
 */

/** Microseconds since the Kernel was made. */
export type Micros = number;

export const US_PER_MS = 1_000;
export const US_PER_SEC = 1_000_000;

/** "Never": no deadline is pending. */
export const NEVER: Micros = Number.POSITIVE_INFINITY;
