/**
 * pcapng-file.ts — recording frames to a capture file, or to whatever else takes a stream of bytes.
 * Read first: packages/core/src/wire/pcapng.ts for the format; Node's stream documentation for back-pressure.
 *
 * Theory of operation. A recorder writes whole blocks to a Writable, one after the other and never back, so that a pipe to Wireshark is as good
 * as a file. Frames come from a packet path that cannot wait: while more than `limit` bytes are queued in the stream, a frame is dropped and counted, and the
 * next one that is written says how many are missing before it (pcapng's drop count). Who can wait asks `ready`.
 *
 * Invariants: a recorder holds at most `limit` bytes plus one block. After `close` resolves everything is with the system (a file) or with
 * the reader (a pipe).
 * Not here: reading (capture-replay.ts), stdout (`-` is the caller's affair), capture filters (core/src/net/bpf.ts), rotating files.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { pcapngInterface, pcapngPacket, pcapngSection, pcapngStats } from '@netloom/core/wire';
import type { PcapngInterfaceOptions } from '@netloom/core/wire';

/** Bytes that may wait in a recorder's stream. */
export const RECORD_LIMIT = 4 * 1024 * 1024;

export interface RecorderOptions {
  /** What wrote the file, for its header. */
  readonly application?: string;
  /** Bytes that may wait in the stream before frames are dropped. Default RECORD_LIMIT. */
  readonly limit?: number;
  /** Does `close` end the stream? Default true; false for stdout. */
  readonly endSink?: boolean;
}

/** Counts of one recorded interface. */
export interface RecordCounts {
  readonly written: number;
  readonly dropped: number;
}

interface RecordedInterface {
  readonly snaplen: number;
  written: number;
  dropped: number;
  /** Dropped since the last frame that was written. */
  missing: number;
  lastUs: number;
}

export class PcapngRecorder {
  /** Why the stream takes no more (the disk is full, the reader went away); null while it does. */
  failure: Error | null = null;
  private readonly sink: Writable;
  private readonly limit: number;
  private readonly endSink: boolean;
  private readonly interfaces: RecordedInterface[] = [];
  private failed: ((error: Error) => void) | null = null;
  private closing: Promise<void> | null = null;

  constructor(sink: Writable, options: RecorderOptions = {}) {
    this.sink = sink;
    this.limit = options.limit ?? RECORD_LIMIT;
    this.endSink = options.endSink ?? true;
    sink.on('error', this.fail);
    sink.on('close', this.closedEarly);
    sink.write(pcapngSection(options.application === undefined ? {} : { application: options.application }));
  }

  /** Announces an interface; the number under which its frames are recorded. */
  addInterface(options: PcapngInterfaceOptions): number {
    this.interfaces.push({ snaplen: options.snaplen ?? 0, written: 0, dropped: 0, missing: 0, lastUs: 0 });
    if (this.open) this.sink.write(pcapngInterface(options));
    return this.interfaces.length - 1;
  }

  /**
   * Records a copy of `bytes[off, off+len)`, a frame of `wireLen` bytes, seen at `timeUs` (microseconds since 1970).
   * False, and counted as dropped: too much is waiting, or the stream has failed or is closed.
   * @throws RangeError for an interface that was not added.
   */
  packet(interfaceId: number, timeUs: number, bytes: Uint8Array, off = 0, len: number = bytes.length - off, direction: '' | 'in' | 'out' = '', wireLen: number = len): boolean {
    const ifc = this.interfaces[interfaceId];
    if (ifc === undefined) throw new RangeError(`capture interface ${interfaceId} was not added`);
    if (timeUs > ifc.lastUs) ifc.lastUs = timeUs;
    if (!this.open || this.sink.writableLength > this.limit) {
      ifc.dropped++;
      ifc.missing++;
      return false;
    }
    const kept = ifc.snaplen > 0 && len > ifc.snaplen ? ifc.snaplen : len;
    const block = pcapngPacket({
      interfaceId, timeUs, wireLen, bytes: bytes.subarray(off, off + kept),
      ...(direction === '' ? {} : { direction }), ...(ifc.missing === 0 ? {} : { dropCount: ifc.missing }),
    });
    ifc.missing = 0;
    ifc.written++;
    this.sink.write(block);
    return true;
  }

  counts(interfaceId: number): RecordCounts {
    const { written, dropped } = this.interfaces[interfaceId]!;
    return { written, dropped };
  }

  /** Resolves when the stream wants more: at once while it does, also when it has failed. For who can wait. */
  async ready(): Promise<void> {
    while (this.open && this.sink.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        const events = ['drain', 'error', 'close'] as const;
        const done = (): void => {
          for (const event of events) this.sink.off(event, done);
          resolve();
        };
        for (const event of events) this.sink.on(event, done);
      });
    }
  }

  /** Called once when the stream fails. */
  onFailure(callback: (error: Error) => void): void {
    this.failed = callback;
    if (this.failure !== null) queueMicrotask(() => callback(this.failure!));
  }

  /** Writes the interfaces' statistics and everything that waits. @throws the stream's error when it failed. */
  close(): Promise<void> {
    this.closing ??= this.finish();
    return this.closing;
  }

  private get open(): boolean {
    return this.failure === null && this.closing === null;
  }

  private readonly fail = (error: Error): void => {
    if (this.failure !== null) return;
    this.failure = error;
    this.failed?.(error);
  };

  /** A stream that is destroyed under us without an error takes no more either. */
  private readonly closedEarly = (): void => {
    if (this.closing === null) this.fail(new Error('the capture stream was closed'));
  };

  private async finish(): Promise<void> {
    const { sink } = this;
    if (this.failure === null) {
      this.interfaces.forEach((ifc, interfaceId) => {
        sink.write(pcapngStats({ interfaceId, timeUs: ifc.lastUs, received: ifc.written + ifc.dropped, dropped: ifc.dropped }));
      });
      await (this.endSink ? endStream(sink) : flushStream(sink)).catch(this.fail);
    }
    sink.off('close', this.closedEarly);
    // The error listener stays on a stream of ours: an error after the end is nobody's, and must not end the process.
    if (!this.endSink) sink.off('error', this.fail);
    if (this.failure !== null) throw this.failure;
  }
}

/** Ends a stream and waits until it has let go of its file or pipe. */
function endStream(sink: Writable): Promise<void> {
  sink.end();
  return finished(sink, { readable: false });
}

/** Waits until a stream that stays open has passed on everything. */
function flushStream(sink: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.write(new Uint8Array(0), (error) => (error ? reject(error) : resolve()));
  });
}

/** Records to a new file; one that exists is overwritten. @throws the system's error when it cannot be opened. */
export async function recordToFile(path: string, options: RecorderOptions = {}): Promise<PcapngRecorder> {
  const sink = createWriteStream(path);
  await once(sink, 'open');
  return new PcapngRecorder(sink, options);
}
