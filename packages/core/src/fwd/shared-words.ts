/**
 * shared-words.ts — memory that processors share: words in a SharedArrayBuffer, or in an ArrayBuffer where there is none.
 *
 * A browser page that is not cross-origin isolated has no SharedArrayBuffer, and then no datapath workers either: the same code runs on one thread.
 */

/** Is there memory that threads can share? */
const hasSharedMemory = (): boolean => typeof SharedArrayBuffer !== 'undefined';

/** `n` zero words. */
export function sharedWords(n: number): Int32Array {
  return new Int32Array(hasSharedMemory() ? new SharedArrayBuffer(n * 4) : new ArrayBuffer(n * 4));
}

/** `n` zero words of a table that other processors read (`shared`), or nobody else does. */
export function tableWords(n: number, shared: boolean): Int32Array {
  return shared ? sharedWords(n) : new Int32Array(n);
}

/** The same with words of 16 bits. */
export function tableHalfWords(n: number, shared: boolean): Int16Array {
  return new Int16Array(shared && hasSharedMemory() ? new SharedArrayBuffer(n * 2) : new ArrayBuffer(n * 2));
}

/** `n` zero numbers; an aligned one is stored and read whole by every machine, so a reader sees an old or a new count. */
export function sharedCounts(n: number): Float64Array {
  return new Float64Array(hasSharedMemory() ? new SharedArrayBuffer(n * 8) : new ArrayBuffer(n * 8));
}
