/**
 * disk-copy.ts — class DiskCopy: the backup's copy of a machine's disk, a sparse file that takes what was committed, until it takes over.
 * Read first: epoch-disk.ts, baseline.ts (in which order parts and epochs come).
 *
 * Theory of operation. A copy begins as zeros: parts of the first copy and writes of epochs fill it. Beside the file PATH there is PATH.copy with the owner's name in it, as long as it is a copy: so
 * a file that is in the way is known to be a copy of before, which is begun anew, or it is refused. When it takes over, PATH.copy goes: from then on it is a machine's disk, and never
 * taken for a copy again. The machine that waits is joined to `disk` all the time, because QEMU opens its disks when it starts.
 *
 * Invariants: what is applied is applied in order. When something was applied in part, the copy is of no moment any more: all that follows rejects with that failure, `takeOver` too.
 */
import { existsSync } from 'node:fs';
import { open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { EpochDisk } from './epoch-disk.js';
import type { DiskBytes, DiskWrites } from './held-epoch.js';
import { asDiskError, DiskError, ImageFile } from './image-file.js';
import type { DiskFile } from './image-file.js';

export class DiskCopy {
  /** What a machine that waits is joined to: reads are of the copy as it is just then, writes are refused until it takes over. */
  readonly disk: EpochDisk;
  private readonly file: DiskFile;
  private turn: Promise<void> = Promise.resolve();
  private state: 'copy' | 'taken over' | 'ended' = 'copy';

  /** A copy in a file that is all zeros; see `create`. */
  constructor(file: DiskFile, heldBytesMax?: number) {
    this.file = file;
    this.disk = new EpochDisk(file, heldBytesMax, new DiskError('EIO', `the disk "${file.path}" is a copy which has not taken over`));
  }

  /** Makes the file at `path`, or begins anew when it is an earlier copy of the same owner. @throws DiskError */
  static async create(path: string, bytes: number, owner: string, heldBytesMax?: number): Promise<DiskCopy> {
    try {
      await claim(path, owner);
      await truncate(path, 0);
      await truncate(path, bytes);
    } catch (error) {
      throw asDiskError(error, `cannot make the copy of a disk "${path}"`);
    }
    return new DiskCopy(await ImageFile.open(path, false), heldBytesMax);
  }

  /** Is what is at `path` a copy, or was it until its daemon ended? */
  static isCopy(path: string): boolean {
    return existsSync(markOf(path));
  }

  get path(): string {
    return this.file.path;
  }

  get bytes(): number {
    return this.file.bytes;
  }

  /** Applies the writes of a committed epoch, or a part of them; with `durable` it resolves when they are. Rejects with a DiskError, with EINVAL before anything is applied. */
  apply(writes: DiskWrites, durable = writes.flushed): Promise<void> {
    const parts = [...writes.zeros, ...writes.data.map(({ offset, bytes }) => ({ offset, length: bytes.length }))];
    const wrong = parts.find(({ offset, length }) => offset < 0 || offset + length > this.bytes);
    if (wrong !== undefined) return Promise.reject(new DiskError('EINVAL', `${wrong.length} bytes at ${wrong.offset} are not on the disk "${this.path}", which has ${this.bytes}`));
    return this.next(async () => {
      for (const { offset, length } of writes.zeros) await this.file.zero(offset, length);
      for (const { offset, bytes } of writes.data) await this.file.write([bytes], offset);
      if (durable) await this.file.datasync();
    });
  }

  /** Applies a part of the first copy. */
  applyBaseline(chunks: readonly DiskBytes[]): Promise<void> {
    return this.apply({ zeros: [], data: chunks, flushed: false });
  }

  /** It is the machine's disk from now on: what was applied is durable, writes pass, and the file is the EpochDisk's to close. */
  async takeOver(): Promise<EpochDisk> {
    await this.next(async () => {
      await this.file.datasync();
      await rm(markOf(this.path), { force: true });
    });
    this.state = 'taken over';
    this.disk.accept();
    return this.disk;
  }

  /** It is gone, unless it has taken over. May be called again. */
  async end(): Promise<void> {
    await this.turn.catch(() => undefined); // whoever applied was told
    if (this.state !== 'copy') return;
    this.state = 'ended';
    await this.disk.close();
    await rm(this.path, { force: true });
    await rm(markOf(this.path), { force: true });
  }

  private next(work: () => Promise<void>): Promise<void> {
    const done = this.turn.then(async () => {
      if (this.state !== 'copy') throw new DiskError('EIO', `the disk "${this.path}" is no copy any more: it has ${this.state}`);
      await work();
    });
    this.turn = done;
    done.catch(() => undefined); // whoever asked is told
    return done;
  }
}

function markOf(path: string): string {
  return `${path}.copy`;
}

/** Makes sure that the file at `path` is there and `owner`'s copy. */
async function claim(path: string, owner: string): Promise<void> {
  const mark = markOf(path);
  const of = await readFile(mark, 'utf8').catch(absent);
  const isThere = await stat(path).catch(absent) !== null;
  if (of !== null ? of !== `${owner}\n` : isThere) {
    throw new DiskError('EIO', `"${of === null ? path : mark}" exists and is ${of === null ? 'no copy of a disk' : `not for "${owner}"`}; move it away, or choose another place for the copy`);
  }
  await writeFile(mark, `${owner}\n`);
  if (!isThere) await (await open(path, 'wx', 0o600)).close();
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
