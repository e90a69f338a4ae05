/**
 * record-stream.ts — RecordStream: records over a connection, both ways.
 * Read first: record.ts, record-payloads.ts.
 *
 * Theory of operation. What is sent in one turn leaves in one write. A sender that has much to say waits for `drained` between records: then at most
 * HIGH_WATER and one record wait here. What comes is checked and given to `onRecord` at once; BEATs, and that there was anything at all, to `watcher`;
 * END and REFUSED are told by `onClose`. `onRecord` may throw: a record that its receiver cannot take is a fault as a damaged one is. A fault is told to
 * the other side (REFUSED), and the connection ends.
 *
 * Invariants: `onClose` is called once, and not after `destroy`; nothing is received after it. A payload that was given to `send` is not changed until it
 * has left: until `drained`, or for as long as the stream is open. A payload that was received belongs to the receiver.
 * Not here: what the records mean; whether the other side is alive (two-paths.ts).
 */
import type { Duplex } from 'node:stream';
import { errnoText } from '../../daemon/errno-text.js';
import { readEnd, readRefused, reasonText } from './record-payloads.js';
import type { JsonPayloads } from './record-payloads.js';
import { RECORD, RecordError, RecordReader, RecordWriter, recordName } from './record.js';
import type { RecordType, WireRecord } from './record.js';
import { errorLine } from '../../error-line.js';

/** A sender waits while this many bytes do. */
export const HIGH_WATER = 1024 * 1024;
/** After the last record the other side gets this long to take what is under way. */
const LINGER_MS = 1_000;

/** How a stream has ended: in order, because either side refused to go on, or because it broke. */
export interface StreamEnd {
  readonly how: 'ended' | 'refused' | 'broken';
  /** One line. */
  readonly reason: string;
}

/** Hears of life, not of contents. */
export interface StreamWatcher {
  /** Bytes have come. */
  heard(): void;
  beat(payload: Buffer): void;
  closed(reason: string): void;
}

export class RecordStream {
  /** Takes what comes, in order. What it throws ends the stream. */
  onRecord: (record: WireRecord) => void = ({ type, number }) => {
    throw new RecordError(`record ${number} (${recordName(type)}) is not expected here`);
  };
  onClose: (end: StreamEnd) => void = () => undefined;
  watcher: StreamWatcher | null = null;
  bytesIn = 0;
  bytesOut = 0;
  private readonly duplex: Duplex;
  private readonly writer = new RecordWriter();
  private readonly reader = new RecordReader();
  private drainWaits: (() => void)[] = [];
  private corked = false;
  /** The last record has been sent, and this is how it ends. */
  private lastWord: StreamEnd | null = null;
  private closed = false;

  /** The connection is not read before the present turn has ended, so that its owner can set the handlers. */
  constructor(duplex: Duplex) {
    this.duplex = duplex;
    duplex.on('error', (error: NodeJS.ErrnoException) => this.close({ how: 'broken', reason: error.code === undefined ? error.message : errnoText(error.code) }));
    duplex.on('close', () => this.close({ how: 'broken', reason: 'the connection was closed' }));
    duplex.on('end', () => this.inputEnded());
    duplex.on('drain', () => this.releaseDrain());
    setImmediate(() => {
      if (this.closed) return;
      duplex.on('data', (chunk: Buffer) => this.received(chunk));
      duplex.resume();
    });
  }

  /** What is sent has a chance to arrive. */
  get open(): boolean {
    return !this.closed && this.lastWord === null;
  }

  /** Bytes that the connection has not taken. */
  get waiting(): number {
    return this.duplex.writableLength;
  }

  /** Sends bytes. Answers the sum that a COMMIT counts; on a stream that is not open nothing is sent, and it is 0. */
  send(type: RecordType, payload: Uint8Array, flags = 0): number {
    if (!this.open) return 0;
    const { header, crc } = this.writer.header(type, payload, flags);
    this.cork();
    this.duplex.write(header);
    if (payload.length > 0) this.duplex.write(payload);
    this.bytesOut += header.length + payload.length;
    if (this.duplex.writableLength >= HIGH_WATER) this.uncork();
    return crc;
  }

  /** Sends a record that is JSON. */
  say<T extends keyof JsonPayloads>(type: T, payload: JsonPayloads[T]): void {
    this.send(type, Buffer.from(JSON.stringify(payload)));
  }

  /** Resolves when there is room to send more, or nothing can be sent any more. */
  drained(): Promise<void> {
    if (this.open && this.duplex.writableLength >= HIGH_WATER) this.uncork();
    if (!this.open || this.duplex.writableLength < HIGH_WATER) return Promise.resolve();
    return new Promise((resolve) => this.drainWaits.push(resolve));
  }

  /** Reads no more, until `resume`; beats wait as all else, so not for long. */
  pause(): void {
    this.duplex.pause();
  }

  resume(): void {
    if (!this.closed) this.duplex.resume();
  }

  /** Says END, and closes when that has left. `onClose` follows. */
  end(reason: string): void {
    if (!this.open) return;
    this.say(RECORD.END, { reason: reasonText(reason) });
    this.finish({ how: 'ended', reason });
  }

  /** Says no, and closes when that has left. `onClose` follows. */
  refuse(reason: string): void {
    if (!this.open) return;
    this.say(RECORD.REFUSED, { reason: reasonText(reason) });
    this.finish({ how: 'refused', reason });
  }

  /** Closes at once. */
  destroy(): void {
    this.onClose = () => undefined;
    this.watcher = null;
    this.duplex.destroy();
    this.close({ how: 'broken', reason: 'the connection was closed' });
  }

  private received(chunk: Buffer): void {
    if (this.closed) return;
    this.bytesIn += chunk.length;
    this.watcher?.heard();
    try {
      for (const record of this.reader.push(chunk)) {
        this.deliver(record);
        if (this.closed) return;
      }
    } catch (error) {
      this.fault(errorLine(error));
    }
  }

  private deliver(record: WireRecord): void {
    switch (record.type) {
      case RECORD.BEAT:
        return this.watcher?.beat(record.payload);
      case RECORD.END:
        return this.close({ how: 'ended', reason: readEnd(record.payload).reason });
      case RECORD.REFUSED:
        return this.close({ how: 'refused', reason: `the other side refuses: ${readRefused(record.payload).reason}` });
      default:
        return this.onRecord(record);
    }
  }

  /** The other side says no more, and an END would have closed this before. */
  private inputEnded(): void {
    try {
      if (this.open) this.reader.end();
      this.close({ how: 'broken', reason: 'the connection was closed' });
    } catch (error) {
      this.close({ how: 'broken', reason: (error as Error).message });
    }
  }

  /** What came cannot be taken: the other side is told first. */
  private fault(reason: string): void {
    if (this.closed) return;
    this.refuse(reason);
    this.lastWord = null;
    this.tell({ how: 'broken', reason });
  }

  private finish(end: StreamEnd): void {
    this.lastWord = end;
    this.uncork();
    this.releaseDrain();
    const linger = setTimeout(() => this.duplex.destroy(), LINGER_MS);
    this.duplex.once('close', () => clearTimeout(linger));
    this.duplex.end(() => this.duplex.destroy());
  }

  private close(end: StreamEnd): void {
    if (this.closed) return;
    this.duplex.destroy();
    this.tell(this.lastWord ?? end);
  }

  private tell(end: StreamEnd): void {
    this.closed = true;
    this.releaseDrain();
    this.watcher?.closed(end.reason);
    this.onClose(end);
  }

  private cork(): void {
    if (this.corked) return;
    this.corked = true;
    this.duplex.cork();
    setImmediate(() => this.uncork());
  }

  private uncork(): void {
    if (this.corked) this.duplex.uncork();
    this.corked = false;
  }

  private releaseDrain(): void {
    const waits = this.drainWaits;
    this.drainWaits = [];
    for (const resolve of waits) resolve();
  }
}
