/**
 * vm-log.ts — a file that keeps the end of what is written to it: when it is full it becomes FILE.1, and another begins.
 *
 * Nobody waits for the disk: writes are gathered while one is under way, at most PENDING_MAX, and what is more is left out and counted. What cannot be
 * written at all is told once.
 */
import { appendFile, rename, rm } from 'node:fs/promises';

/** Bytes of a file before it is set aside. */
const FILE_MAX = 4 * 1024 * 1024;
const PENDING_MAX = 1024 * 1024;

export class VmLog {
  readonly path: string;
  /** Bytes that were left out. */
  dropped = 0;
  private readonly failed: (error: unknown) => void;
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private fileBytes = 0;
  private work: Promise<void> | null = null;
  private broken = false;

  /** A new file; one of the same name is removed with the first write. `failed` is told once. */
  constructor(path: string, failed: (error: unknown) => void) {
    this.path = path;
    this.failed = failed;
    this.work = Promise.all([rm(path, { force: true }), rm(`${path}.1`, { force: true })]).then(() => this.write(), (error: unknown) => this.fail(error));
  }

  append(bytes: Uint8Array): void {
    if (this.broken || this.pendingBytes + bytes.length > PENDING_MAX) {
      this.dropped += bytes.length;
      return;
    }
    this.pending.push(Uint8Array.from(bytes));
    this.pendingBytes += bytes.length;
    this.work ??= this.write();
  }

  /** Resolves when all is written that could be. */
  async close(): Promise<void> {
    while (this.work !== null) await this.work;
    this.broken = true;
  }

  private async write(): Promise<void> {
    try {
      while (this.pending.length > 0) {
        const bytes = Buffer.concat(this.pending);
        this.pending = [];
        this.pendingBytes = 0;
        if (this.fileBytes > 0 && this.fileBytes + bytes.length > FILE_MAX) {
          await rename(this.path, `${this.path}.1`);
          this.fileBytes = 0;
        }
        await appendFile(this.path, bytes, { mode: 0o600 });
        this.fileBytes += bytes.length;
      }
    } catch (error) {
      this.fail(error);
    }
    this.work = null;
  }

  private fail(error: unknown): void {
    this.broken = true;
    this.work = null;
    this.failed(error);
  }
}
