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
import { open, readFile, readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { HostFile } from '@netloom/userland';
import { HostError } from '@netloom/userland';
import { errnoText } from './errno-text.js';

export function hostError(code: string): HostError {
  return new HostError(code, errnoText(code));
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

/** Names of what is in a folder. */
export async function listHostFolder(cwd: string, path: string): Promise<string[]> {
  try {
    return await readdir(resolve(cwd, path));
  } catch (error) {
    throw toHostError(error);
  }
}

/** Creates or truncates a file, or goes on at its end. */
export async function openHostFile(cwd: string, path: string, append = false): Promise<BufferedFile> {
  try {
    return new BufferedFile(await open(resolve(cwd, path), append ? 'a' : 'w'));
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
