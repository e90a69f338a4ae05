/**
 * copy-frame.ts — copying a frame between two memories.
 */

/** Up to this length a loop beats `set(subarray)`, which makes a view. */
const LOOP_COPY_MAX = 64;

export function copyFrame(dst: Uint8Array, at: number, src: Uint8Array, off: number, len: number): void {
  if (len <= LOOP_COPY_MAX) for (let i = 0; i < len; i++) dst[at + i] = src[off + i]!;
  else dst.set(src.subarray(off, off + len), at);
}
