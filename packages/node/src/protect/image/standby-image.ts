/**
 * standby-image.ts — StandbyImage: the memory of a machine that waits to be another one, as a file that its program maps, and the differences that are put into it.
 * Read first: ../checkpoint.ts; ram-image.ts.
 *
 * Theory of operation. The file is made here, zeros with memory of their own from the beginning: a page that had none when a difference comes could find no room, and the half of a difference
 * is worth nothing. Differences are put in by words through a mapping.
 *
 * Invariants: a delta is looked at before anything of it is put in, so it is put in whole or not at all. The mapping is touched by this object and nobody else.
 */
import { closeSync, openSync, rmSync, statfsSync, ftruncateSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageDelta } from '../checkpoint.js';
import { ENOSPC, loadImageLibc } from './image-libc.js';
import type { ImageLibc } from './image-libc.js';
import { IMAGE_BYTES_MAX } from './ram-image.js';

const PAGE_WORDS = PAGE_BYTES / 4;
/** Memory that is asked for at once: some milliseconds. */
const ALLOCATED_BYTES = 16 * 2 ** 20;

export class StandbyImage {
  readonly path: string;
  readonly imageBytes: number;
  private readonly libc: ImageLibc;
  private readonly address: number;
  private words: Int32Array | null;

  /** Makes the file, of `bytes` zeros. @throws Error, one line: there is no room, or a file; then nothing is left of it. */
  static async make(path: string, bytes: number, libc: ImageLibc = loadImageLibc()): Promise<StandbyImage> {
    if (!Number.isInteger(bytes) || bytes <= 0 || bytes % PAGE_BYTES !== 0) throw new RangeError(`the standby image ${path}: ${bytes} bytes are not a multiple of ${PAGE_BYTES}`);
    checkRoom(path, bytes);
    if (bytes > IMAGE_BYTES_MAX) throw new RangeError(`the standby image ${path}: ${bytes} bytes; ${IMAGE_BYTES_MAX} at most can be protected: give the machine less memory`);
    const fd = createImage(path);
    try {
      ftruncateSync(fd, bytes);
      for (let at = 0; at < bytes; at += ALLOCATED_BYTES) {
        const errno = libc.allocate(fd, at, Math.min(ALLOCATED_BYTES, bytes - at));
        if (errno === ENOSPC) throw noRoom(path, bytes, at + freeBytes(path));
        if (errno !== 0) throw new Error(`the standby image ${path} gets no memory: ${libc.strerror(errno)}`);
        await turn();
      }
      const address = libc.mapShared(fd, bytes);
      if (address === 0) throw new Error(`the standby image ${path} cannot be mapped: ${libc.strerror(libc.errno())}`);
      return new StandbyImage(path, bytes, libc, address);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  private constructor(path: string, bytes: number, libc: ImageLibc, address: number) {
    this.path = path;
    this.imageBytes = bytes;
    this.libc = libc;
    this.address = address;
    this.words = new Int32Array(libc.viewMemory(address, bytes));
  }

  /** Puts differences in. @throws Error, one line: they are not of this image, and nothing has been put in. */
  apply(delta: ImageDelta): void {
    const { words } = this;
    if (words === null) throw new Error(`the standby image ${this.path} has been let go`);
    this.check(delta);
    const { pages } = delta;
    const xor = wordsOf(delta.xor);
    for (let n = 0; n < pages.length; n++) xorPage(words, pages[n]! * PAGE_WORDS, xor, n * PAGE_WORDS);
  }

  /** Lets go of the file, which stays: a machine runs on it. */
  release(): void {
    if (this.words === null) return;
    this.words = null;
    void this.libc.unmapLater(this.address, this.imageBytes);
  }

  /** The file is gone, unless it has been released. May be called again. */
  end(): void {
    if (this.words === null) return;
    this.release();
    rmSync(this.path, { force: true });
  }

  private check({ imageBytes, pages, xor }: ImageDelta): void {
    if (imageBytes !== this.imageBytes) throw new Error(`the standby image ${this.path} has ${this.imageBytes} bytes, and the difference is of one with ${imageBytes}`);
    if (xor.length !== pages.length * PAGE_BYTES) throw new Error(`the standby image ${this.path}: a difference of ${pages.length} pages has ${xor.length} bytes`);
    const pageCount = imageBytes / PAGE_BYTES;
    for (const page of pages) {
      if (page >= pageCount) throw new Error(`the standby image ${this.path} has ${pageCount} pages, and the difference has page ${page}`);
    }
  }
}

function xorPage(image: Int32Array, at: number, xor: Int32Array, from: number): void {
  for (let i = 0; i < PAGE_WORDS; i++) image[at + i]! ^= xor[from + i]!;
}

/** A copy when it does not lie as words do. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const { buffer, byteOffset } = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return new Int32Array(buffer, byteOffset, bytes.length / 4);
}

function createImage(path: string): number {
  try {
    return openSync(path, 'wx+', 0o600);
  } catch (error) {
    throw new Error(`the standby image ${path} cannot be made: ${(error as Error).message}`, { cause: error });
  }
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize;
}

function checkRoom(path: string, bytes: number): void {
  let free: number;
  try {
    free = freeBytes(path);
  } catch (error) {
    throw new Error(`the standby image ${path} cannot be made: ${(error as Error).message}`, { cause: error });
  }
  if (free < bytes) throw noRoom(path, bytes, free);
}

function noRoom(path: string, bytes: number, free: number): Error {
  const dir = dirname(path);
  return new Error(`the standby image ${path} needs ${bytes} bytes, and ${dir} has ${free} free: make it larger (mount -o remount,size=SIZE; in a container --shm-size), or give the machine less memory`);
}
