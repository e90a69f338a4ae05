/**
 * event-stream.ts — events on their way to one HTTP client, a JSON object a line.
 *
 * Read first: packages/core/src/kern/devctl.ts.
 *
 * Theory of operation. The stream keeps no events: it reads the kernel's queue when its client has room. A client that is slow finds less
 * and less in the queue, and at last a GAP; the memory it costs is one buffer. The kernel may say that there is something new in the
 * middle of anything, so reading happens afterwards, on the host's next round.
 *
 * Invariant: the reader is closed with the stream, however that ends.
 */
import { Readable } from 'node:stream';
import type { DevctlItem, DevctlReader } from '@netloom/core';

/** Bytes waiting for a client. */
const BUFFER_BYTES = 64 * 1024;

export class EventStream extends Readable {
  private readonly reader: DevctlReader;
  private readonly recordOf: (item: DevctlItem) => object | null;
  /** The stream ends behind this event; Infinity: when the vnet or the client does. */
  private readonly until: number;
  private wanted = false;
  private scheduled = false;

  constructor(reader: DevctlReader, recordOf: (item: DevctlItem) => object | null, until: number) {
    super({ highWaterMark: BUFFER_BYTES });
    this.reader = reader;
    this.recordOf = recordOf;
    this.until = until;
    reader.onReadable = () => this.schedule();
  }

  override _read(): void {
    this.wanted = true;
    this.pump();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.reader.close();
    this.reader.onReadable = null;
    done(error);
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.pump();
    });
  }

  private pump(): void {
    while (this.wanted && !this.destroyed) {
      const item = this.reader.next > this.until ? null : this.reader.read();
      if (item === null) {
        if (!this.reader.ended && this.reader.next <= this.until) return;
        this.wanted = false;
        this.push(null);
        return;
      }
      const record = this.recordOf(item);
      if (record !== null) this.wanted = this.push(`${JSON.stringify(record)}\n`);
    }
  }
}
