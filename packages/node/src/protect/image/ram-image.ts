/**
 * ram-image.ts — RamImage: the image of a machine whose memory is a file that is mapped here too, and what is different in it since it was looked at last.
 * Read first: ../checkpoint.ts; image-comparer.ts.
 *
 *     file ── mapped ──▶ live ─┐
 *                              ├─ threads: what differs ──▶ xor, pages ──▶ ImageDelta
 *     remembered ──▶ known ────┘
 *
 * Theory of operation. The image is compared in place with the remembered one while the machine stands still, which takes as long as to copy it and needs no second look later. Two threads
 * begin at the two ends and take stripes until there are none, so that one that has no processor for a while holds nothing up. One writes its differences from the beginning of the room for them and
 * the other from its end; the second part is moved behind the first. This thread waits for messages only. A scan, of a machine that runs, is done by one thread and leaves a processor
 * to the machine.
 *
 * All memory is mapped here and given to the threads by address. `known` and `xor` are as long as the image and have memory only where they have been written.
 *
 * Invariants: one call at a time. `known` is the sum of the differences that were answered since `begin`; after a call that has rejected it may not be, and nothing but `end` is left to do when a thread is gone.
 * The file is unmapped when the threads are gone. It is not cut short while it is mapped: whoever touches memory that a file has no more is killed by the kernel, so it must be a file that only
 * the machine's keeper may open.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { threadProgram } from '../../native/thread-program.js';
import { RingMemory } from '../../tap/ring-memory.js';
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageDelta, ImageScan } from '../checkpoint.js';
import { PIECE_BYTES, PIECE_DATA } from './image-comparer.js';
import { loadImageLibc } from './image-libc.js';
import type { ImageLibc } from './image-libc.js';
import { IMAGE_LAYOUT } from './image-shared.js';
import { ImageThread } from './image-thread.js';

/** Node has no longer arrays. */
export const IMAGE_BYTES_MAX = 2 ** 32;
const THREADS_MAX = 2;
/** Room for differences that is kept from one call to the next. */
const KEPT_BYTES = 32 * 2 ** 20;

export interface RamImageOptions {
  /** Threads that compare: 1 or 2. Default 2, on one processor 1. */
  readonly workers?: number;
  /** For tests: what the threads run. */
  readonly program?: URL;
}

export class RamImage {
  readonly imageBytes: number;
  private readonly path: string;
  private readonly fd: number;
  private readonly libc: ImageLibc;
  private readonly live: number;
  private readonly known: RingMemory;
  private readonly xor: RingMemory;
  private readonly pages: Uint32Array;
  private readonly pieces: Uint8Array;
  private readonly taken = new Int32Array(new SharedArrayBuffer(4));
  private readonly threads: readonly ImageThread[];
  private isBusy = false;
  private filledBytes = 0;
  private ending: Promise<void> | null = null;

  /** Looks at `bytes` of the file at `path`. @throws Error, one line. */
  static async open(path: string, bytes: number, options: RamImageOptions = {}): Promise<RamImage> {
    checkBytes(path, bytes);
    const workers = options.workers ?? Math.min(THREADS_MAX, availableParallelism());
    if (workers !== 1 && workers !== THREADS_MAX) throw new RangeError(`${workers} threads for the image ${path}: 1 or ${THREADS_MAX} are allowed`);
    const program = options.program ?? threadProgram(import.meta.url, 'image-worker.js');
    const image = new RamImage(path, bytes, workers, program);
    try {
      await Promise.all(image.threads.map((thread) => thread.started));
    } catch (error) {
      await image.end();
      throw image.failure(error);
    }
    return image;
  }

  private constructor(path: string, bytes: number, workers: number, program: URL) {
    const libc = loadImageLibc();
    this.libc = libc;
    this.path = path;
    this.imageBytes = bytes;
    this.fd = openImage(path);
    let live = 0;
    try {
      this.checkLength();
      live = libc.mapShared(this.fd, bytes);
      if (live === 0) throw this.failure(libc.strerror(libc.errno()));
      this.known = this.reserve(bytes);
      this.xor = this.reserve(bytes);
    } catch (error) {
      if (live !== 0) libc.unmapPages(live, bytes);
      closeSync(this.fd);
      throw error;
    }
    this.live = live;
    const pages = new SharedArrayBuffer((bytes / PAGE_BYTES) * 4);
    this.pages = new Uint32Array(pages);
    this.pieces = new Uint8Array(new SharedArrayBuffer(Math.ceil(bytes / PIECE_BYTES)));
    libc.adviseHuge(this.known.address, bytes);
    const data = {
      layout: IMAGE_LAYOUT, fd: this.fd, bytes, live, known: this.known.address, xor: this.xor.address, pages,
      pieces: this.pieces.buffer as SharedArrayBuffer, taken: this.taken.buffer as SharedArrayBuffer,
    };
    this.threads = Array.from({ length: workers }, () => new ImageThread(program, data));
  }

  /** Forgets the image: what is answered next is the difference to zeros. */
  begin(): Promise<void> {
    return this.only(() => {
      this.known.discard();
      for (const [i, piece] of this.pieces.entries()) this.pieces[i] = Math.min(piece, PIECE_DATA);
      return Promise.resolve();
    });
  }

  /** As of Checkpointer. */
  scan(from: number, pagesMax: number): Promise<ImageScan> {
    const pageCount = this.imageBytes / PAGE_BYTES;
    if (!Number.isInteger(from) || from < 0 || from >= pageCount) return Promise.reject(new RangeError(`scan from page ${from}: the image ${this.path} has ${pageCount} pages`));
    if (!Number.isInteger(pagesMax) || pagesMax < 1) return Promise.reject(new RangeError(`scan for ${pagesMax} pages: at least 1 is needed`));
    return this.only(async () => {
      const { found, next } = await this.threads[0]!.run({ kind: 'scan', from, pagesMax });
      return { delta: this.delta(found, 0), next };
    });
  }

  /** What is different in all of it. The machine stands still. */
  compare(): Promise<ImageDelta> {
    return this.only(async () => {
      this.taken[0] = 0;
      const answers = await Promise.allSettled(this.threads.map((thread, i) => thread.run({ kind: 'compare', backwards: i === 1 })));
      const [low, high] = answers.map((answer) => {
        if (answer.status === 'rejected') throw answer.reason;
        return answer.value.found;
      });
      return this.delta(low!, high);
    });
  }

  /** Ends the threads and forgets the image; a call that is not finished rejects. The file stays. May be called again. */
  end(): Promise<void> {
    this.ending ??= this.endNow();
    return this.ending;
  }

  private async endNow(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.end('it has been let go')));
    await this.libc.unmapLater(this.live, this.imageBytes);
    closeSync(this.fd);
    for (const { address } of [this.known, this.xor]) await this.libc.discardLater(address, this.imageBytes);
  }

  private async only<T>(work: () => Promise<T>): Promise<T> {
    if (this.ending !== null) throw this.failure('it has been let go');
    if (this.isBusy) throw this.failure('a call is not finished; wait for it');
    this.isBusy = true;
    try {
      this.checkLength();
      // Not before: it was the caller's until now.
      if (this.filledBytes > KEPT_BYTES) this.xor.discard();
      this.filledBytes = 0;
      return await work();
    } catch (error) {
      throw this.failure(error);
    } finally {
      this.isBusy = false;
    }
  }

  /** Of so many pages at the beginning of the room, and so many at its end. */
  private delta(low: number, high = 0): ImageDelta {
    const { pages, xor } = this;
    const found = low + high;
    if (high > 0) {
      pages.copyWithin(low, pages.length - high);
      xor.bytes.copyWithin(low * PAGE_BYTES, this.imageBytes - high * PAGE_BYTES);
    }
    this.filledBytes = (found + high) * PAGE_BYTES;
    return { imageBytes: this.imageBytes, pages: pages.slice(0, found), xor: xor.bytes.subarray(0, found * PAGE_BYTES) };
  }

  private reserve(bytes: number): RingMemory {
    const memory = RingMemory.map(this.libc, bytes);
    if (memory === null) throw this.failure(`no memory for ${bytes} bytes to remember it by: ${this.libc.strerror(this.libc.errno())}`);
    return memory;
  }

  private checkLength(): void {
    const { size } = fstatSync(this.fd);
    if (size < this.imageBytes) throw this.failure(`the file has ${size} bytes, and the machine's memory is said to be ${this.imageBytes}`);
  }

  /** One line that names the image. */
  private failure(why: unknown): Error {
    const text = why instanceof Error ? why.message : String(why);
    const begins = `the image ${this.path}: `;
    return why instanceof Error && text.startsWith(begins) ? why : new Error(`${begins}${text.split('\n', 1)[0]!}`, why instanceof Error ? { cause: why } : undefined);
  }
}

function checkBytes(path: string, bytes: number): void {
  if (!Number.isInteger(bytes) || bytes <= 0 || bytes % PAGE_BYTES !== 0) throw new RangeError(`the image ${path}: ${bytes} bytes are not a multiple of ${PAGE_BYTES}`);
  if (bytes > IMAGE_BYTES_MAX) throw new RangeError(`the image ${path}: ${bytes} bytes; ${IMAGE_BYTES_MAX} at most can be protected: give the machine less memory`);
}

function openImage(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    throw new Error(`the image ${path} cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}
