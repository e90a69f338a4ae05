/**
 * image-libc.ts — the C library calls of an image in a file beside those of tap/libc.ts: its memory, its holes, its room.
 * Read first: tap/libc.ts; mmap(2), lseek(2) "SEEK_DATA", madvise(2), posix_fallocate(3).
 */
import { bindMmap, loadC64, MAP_SHARED } from '../../native/koffi.js';
import { loadLibc } from '../../tap/libc.js';
import type { Libc } from '../../tap/libc.js';

export interface ImageLibc extends Libc {
  /** Memory of a file, shared with whoever else has it mapped: its address, or 0 on failure. */
  mapShared(fd: number, length: number): number;
  /** Unmaps memory, or gives back what is behind it, by a thread of Node's: of an image that takes some ten milliseconds. Resolves when it is done. */
  unmapLater(address: number, length: number): Promise<void>;
  discardLater(address: number, length: number): Promise<void>;
  /** Where data begins, at `offset` or behind it; Infinity: there is none. A file system that knows no holes says `offset`. */
  seekData(fd: number, offset: number): number;
  /** Wishes for large pages behind the memory: fewer faults when it is written first. */
  adviseHuge(address: number, length: number): void;
  /** Gives a part of the file memory of its own. 0, or the errno. */
  allocate(fd: number, offset: number, length: number): number;
}

export const ENOSPC = 28;
const ENXIO = 6;
const SEEK_DATA = 3;
const MADV_DONTNEED = 4;
const MADV_HUGEPAGE = 14;

let loaded: ImageLibc | null = null;

/**
 * The C library of this process; the same object every time in one thread.
 * @throws Error when this is not Linux on a 64-bit little-endian machine, or koffi cannot be loaded.
 */
export function loadImageLibc(): ImageLibc {
  loaded ??= bindImageLibc();
  return loaded;
}

function bindImageLibc(): ImageLibc {
  const what = 'images of machines';
  const libc = loadLibc(what);
  const c = loadC64(what);
  const mmap = bindMmap(c);
  const lseek = c.bind<(fd: number, offset: number, whence: number) => number>('lseek', 'int64_t', ['int', 'int64_t', 'int']);
  const munmap = c.bind<{ async(address: number, length: number, done: () => void): void }>('munmap', 'int', ['int64_t', 'size_t']);
  const madvise = c.bind<((address: number, length: number, advice: number) => number) & { async(address: number, length: number, advice: number, done: () => void): void }>('madvise', 'int', ['int64_t', 'size_t', 'int']);
  return {
    ...libc,
    mapShared: (fd, length) => mmap(length, MAP_SHARED, fd, 0),
    unmapLater: (address, length) => new Promise((resolve) => munmap.async(address, length, resolve)),
    discardLater: (address, length) => new Promise((resolve) => madvise.async(address, length, MADV_DONTNEED, resolve)),
    seekData(fd, offset) {
      const at = Number(lseek(fd, offset, SEEK_DATA));
      if (at >= 0) return at;
      return libc.errno() === ENXIO ? Infinity : offset;
    },
    // A kernel without them refuses, and nothing is lost.
    adviseHuge: (address, length) => void madvise(address, length, MADV_HUGEPAGE),
    allocate: c.bind('posix_fallocate', 'int', ['int', 'int64_t', 'int64_t']),
  };
}
