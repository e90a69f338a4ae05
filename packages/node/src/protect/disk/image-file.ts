/**
 * image-file.ts — class ImageFile: a raw image on this host, read and written at places; and DiskFile, what of it an EpochDisk needs.
 *
 * Its size is that of the moment it is opened. Every failure is a DiskError of one line that names the file.
 *
 * Zeros are written only where there are none: Node cannot make holes, so a part that is a hole stays one, and one that has data keeps its place on the host's disk.
 */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { errnoText } from '../../daemon/errno-text.js';

/** What the guest is told of a failure. */
export type DiskErrno = 'EIO' | 'EINVAL' | 'EPERM';

/** A disk cannot do what it was asked; the message is one line. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly errno: DiskErrno;

  constructor(errno: DiskErrno, message: string, cause?: unknown) {
    super(message, { cause });
    this.errno = errno;
  }
}

/** Bytes that outlive a process. Everything rejects with a DiskError. */
export interface DiskFile {
  readonly path: string;
  readonly bytes: number;
  readonly readOnly: boolean;
  read(into: Uint8Array, offset: number): Promise<void>;
  /** Writes `pieces` one behind the other. */
  write(pieces: readonly Uint8Array[], offset: number): Promise<void>;
  zero(offset: number, length: number): Promise<void>;
  /** Resolves when everything written is durable. */
  datasync(): Promise<void>;
  close(): Promise<void>;
}

const ZERO_PIECE_BYTES = 1_048_576;
const ZEROS = Buffer.alloc(ZERO_PIECE_BYTES);

/** Is there nothing but zeros in at most ZERO_PIECE_BYTES? */
export function isZero(bytes: Uint8Array): boolean {
  return ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}

export class ImageFile implements DiskFile {
  readonly path: string;
  readonly bytes: number;
  readonly readOnly: boolean;
  private readonly handle: FileHandle;
  private closing: Promise<void> | null = null;

  private constructor(path: string, bytes: number, readOnly: boolean, handle: FileHandle) {
    this.path = path;
    this.bytes = bytes;
    this.readOnly = readOnly;
    this.handle = handle;
  }

  /** @throws DiskError */
  static async open(path: string, readOnly: boolean): Promise<ImageFile> {
    let handle: FileHandle | null = null;
    try {
      handle = await open(path, readOnly ? 'r' : 'r+');
      const { size } = await regular(path, handle);
      return new ImageFile(path, size, readOnly, handle);
    } catch (error) {
      await handle?.close();
      throw asDiskError(error, `cannot open the disk "${path}"`);
    }
  }

  async read(into: Uint8Array, offset: number): Promise<void> {
    for (let at = 0; at < into.length;) {
      const { bytesRead } = await this.tried('read', this.handle.read(into, at, into.length - at, offset + at));
      if (bytesRead === 0) throw new DiskError('EIO', `cannot read the disk "${this.path}": somebody has made it shorter than it was`);
      at += bytesRead;
    }
  }

  async write(pieces: readonly Uint8Array[], offset: number): Promise<void> {
    let left = pieces.filter((piece) => piece.length > 0);
    for (let at = offset; left.length > 0;) {
      const { bytesWritten } = await this.tried('write', this.handle.writev(left, at));
      at += bytesWritten;
      left = behind(left, bytesWritten);
    }
  }

  async zero(offset: number, length: number): Promise<void> {
    const piece = Buffer.allocUnsafe(Math.min(length, ZERO_PIECE_BYTES));
    for (let at = 0; at < length; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, length - at));
      await this.read(part, offset + at);
      if (!isZero(part)) await this.write([ZEROS.subarray(0, part.length)], offset + at);
    }
  }

  async datasync(): Promise<void> {
    await this.tried('write', this.handle.datasync());
  }

  /** May be called again. */
  async close(): Promise<void> {
    this.closing ??= this.tried('close', this.handle.close());
    await this.closing;
  }

  private async tried<T>(what: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw asDiskError(error, `cannot ${what} the disk "${this.path}"`);
    }
  }
}

async function regular(path: string, handle: FileHandle): Promise<{ readonly size: number }> {
  const found = await handle.stat();
  if (found.isFile()) return found;
  throw new DiskError('EIO', `"${path}" is no regular file: a protected machine's disk is a raw image in a file; copy the device into one ("dd if=${path} of=disk.raw bs=1M")`);
}

/** What is left of `pieces` when `bytes` of them are done. */
function behind(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes;
  let i = 0;
  while (i < pieces.length && left >= pieces[i]!.length) left -= pieces[i++]!.length;
  return pieces.slice(i).map((piece, n) => (n === 0 ? piece.subarray(left) : piece));
}

/** The failure of a call on a file as a DiskError that begins with `what`. */
export function asDiskError(error: unknown, what: string): DiskError {
  if (error instanceof DiskError) return error;
  const { code = 'EIO' } = error as NodeJS.ErrnoException;
  return new DiskError('EIO', `${what}: ${errnoText(code)} (${code})`, error);
}
