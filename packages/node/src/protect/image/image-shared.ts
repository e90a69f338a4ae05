/**
 * image-shared.ts — what a RamImage and its threads have in common: memory by address, and messages.
 * Read first: ram-image.ts.
 */

/** Changes with anything here: sources and the built program are of one make, or the thread says so. */
export const IMAGE_LAYOUT = 1;

export interface ImageWorkerData {
  readonly layout: number;
  /** The file, for its holes. */
  readonly fd: number;
  readonly bytes: number;
  /** Addresses, `bytes` from each: the file's own memory, the image as it is remembered, and room for differences. */
  readonly live: number;
  readonly known: number;
  readonly xor: number;
  /** Uint32: numbers of the pages whose differences are in `xor`, at the same place. */
  readonly pages: SharedArrayBuffer;
  /** A byte for every piece: what is known of it (image-comparer.ts). */
  readonly pieces: SharedArrayBuffer;
  /** One Int32: stripes that have been taken. */
  readonly taken: SharedArrayBuffer;
}

/** To a thread, which answers each with an ImageFound. */
export type ImageJob =
  | { readonly kind: 'scan'; readonly from: number; readonly pagesMax: number }
  /** Together with the other thread, from the other end. */
  | { readonly kind: 'compare'; readonly backwards: boolean };

/** From a thread. The first one, when it runs, is about nothing. */
export interface ImageFound {
  /** Pages: they are at the beginning of `pages` and `xor`, or at the end when it went backwards. */
  readonly found: number;
  /** Of a scan: the page to go on from; null: the end was reached. */
  readonly next: number | null;
}
