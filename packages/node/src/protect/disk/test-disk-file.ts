/**
 * test-disk-file.ts — a DiskFile in memory for tests: it fails when it is told to, is held up, and gives way to others before it does anything.
 */
import { DiskError, asDiskError } from './image-file.js';
import type { DiskFile } from './image-file.js';

export class MemoryFile implements DiskFile {
  readonly path = 'memory';
  readonly readOnly: boolean = false;
  readonly data: Buffer;
  /** An error number's name: writes fail. */
  failing: string | null = null;
  /** Nothing is written before this is settled. */
  gate: Promise<void> = Promise.resolve();
  /** Nothing is read before this is settled, but what is read is what was there at the call. */
  readGate: Promise<void> = Promise.resolve();
  writes = 0;
  syncs = 0;
  closed = false;

  constructor(bytes: number) {
    this.data = Buffer.alloc(bytes);
  }

  get bytes(): number {
    return this.data.length;
  }

  async read(into: Uint8Array, offset: number): Promise<void> {
    const gate = this.readGate;
    const found = Buffer.from(this.data.subarray(offset, offset + into.length));
    await gate;
    await turns(2);
    into.set(found);
  }

  async write(pieces: readonly Uint8Array[], offset: number): Promise<void> {
    this.writes++;
    await this.gate;
    let at = offset;
    for (const piece of pieces) {
      await turns(1);
      this.check();
      this.data.set(piece, at);
      at += piece.length;
    }
  }

  async zero(offset: number, length: number): Promise<void> {
    await this.write([new Uint8Array(length)], offset);
  }

  async datasync(): Promise<void> {
    await this.gate;
    this.check();
    this.syncs++;
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  private check(): void {
    if (this.closed) throw new DiskError('EIO', 'the file is closed');
    if (this.failing !== null) throw asDiskError(Object.assign(new Error('failing'), { code: this.failing }), 'cannot write the disk "memory"');
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}
