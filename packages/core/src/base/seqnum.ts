/**
 * seqnum.ts — arithmetic modulo 2^32 (RFC 9293 §3.4). The only place that knows about the wrap.
 *
 * Values are unsigned 32-bit numbers. `a < b` means b is ahead of a by less than 2^31.
 */

export const seqAdd = (a: number, n: number): number => (a + n) >>> 0;
/** Signed distance from `b` to `a`. */
export const seqDiff = (a: number, b: number): number => (a - b) | 0;
export const seqLt = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const seqLeq = (a: number, b: number): boolean => ((a - b) | 0) <= 0;
export const seqGt = (a: number, b: number): boolean => ((a - b) | 0) > 0;
export const seqGeq = (a: number, b: number): boolean => ((a - b) | 0) >= 0;
export const seqMax = (a: number, b: number): number => (((a - b) | 0) >= 0 ? a : b);
export const seqMin = (a: number, b: number): number => (((a - b) | 0) <= 0 ? a : b);
