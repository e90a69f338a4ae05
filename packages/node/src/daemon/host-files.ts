/**
 * host-files.ts — a tool's files at the host, with the host's failures in strerror(3)'s words.
 *
 * Read first: packages/userland/src/proc.ts (ProcHost).
 *
 * The daemon opens the files, not the client: both belong to the same user (the socket is 0600), so rights are the same, and
 * paths are resolved against the client's working folder.
 *
 * Not here: running host programs, which needs the client's terminal (tool-proc.ts, exec-stream.ts).
 */
import type { FileHandle } from 'node:fs/promises';
import { open, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { HostFile } from '@netloom/userland';
import { HostError } from '@netloom/userland';

/** strerror(3)'s text for what a file or a program can fail with. Node's own texts are libuv's, in other words. */
const TEXTS: Readonly<Record<string, string>> = Object.freeze({
  EACCES: 'Permission denied',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENFILE: 'Too many open files in system',
  ENOENT: 'No such file or directory',
  ENOEXEC: 'Exec format error',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENOTSUP: 'Operation not supported',
  ENXIO: 'Device not configured',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  ETXTBSY: 'Text file busy',
  E2BIG: 'Argument list too long',
});

export function hostError(code: string): HostError {
  return new HostError(code, TEXTS[code] ?? `Unknown error: ${code}`);
}

function toHostError(error: unknown): HostError {
  return hostError((error as NodeJS.ErrnoException).code ?? 'EIO');
}

/** Reads a whole file. */
export async function readHostFile(cwd: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(resolve(cwd, path));
  } catch (error) {
    throw toHostError(error);
  }
}

/** Creates or truncates a file. */
export async function openHostFile(cwd: string, path: string): Promise<BufferedFile> {
  try {
    return new BufferedFile(await open(resolve(cwd, path), 'w'));
  } catch (error) {
    throw toHostError(error);
  }
}

/** A file whose writes are collected and handed to the host one batch at a time, in order. */
export class BufferedFile implements HostFile {
  private readonly handle: FileHandle;
  private waiting: Uint8Array[] = [];
  private writing: Promise<void> = Promise.resolve();
  private failure: HostError | null = null;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  write(data: string | Uint8Array): void {
    this.waiting.push(typeof data === 'string' ? Buffer.from(data) : Uint8Array.from(data));
    if (this.waiting.length === 1) this.writing = this.writing.then(() => this.drain());
  }

  async flush(): Promise<void> {
    await this.writing;
    if (this.failure !== null) throw this.failure;
  }

  async close(): Promise<void> {
    await this.writing;
    await this.handle.close();
    if (this.failure !== null) throw this.failure;
  }

  private async drain(): Promise<void> {
    const batch = Buffer.concat(this.waiting);
    this.waiting = [];
    if (this.failure !== null) return;
    try {
      await this.handle.writeFile(batch);
    } catch (error) {
      this.failure = toHostError(error);
    }
  }
}
