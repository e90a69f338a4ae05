/**
 * vm-console.ts — a machine's serial console: what it says goes to its log and to whoever looks on, what they type goes to it.
 *
 * The last HISTORY_MAX bytes are kept, so that somebody who comes later sees what led to where it is. A viewer that does not read is let go when
 * VIEWER_MAX bytes wait for it; the machine never waits for a viewer. What is typed faster than the machine takes it waits, up to INPUT_MAX bytes, and
 * is left out beyond: a serial line has no flow control.
 */
import type { Duplex } from 'node:stream';
import type { VmLog } from './vm-log.js';

const HISTORY_MAX = 64 * 1024;
const VIEWER_MAX = 4 * 1024 * 1024;
const INPUT_MAX = 1024 * 1024;

/** Somebody who looks on. */
export interface ConsoleViewer {
  /** The machine said this. */
  said(bytes: Uint8Array): void;
  /** Nothing more will come. */
  ended(): void;
}

export class VmConsole {
  /** Bytes that were typed and found no room. */
  inputDropped = 0;
  private readonly line: Duplex;
  private readonly viewers = new Set<ConsoleViewer>();
  private history: Buffer = Buffer.alloc(0);
  private over = false;

  constructor(line: Duplex, log: VmLog) {
    this.line = line;
    line.on('data', (bytes: Buffer) => {
      log.append(bytes);
      this.said(bytes);
    });
    line.on('error', () => undefined); // "close" follows
    line.on('close', () => this.end());
  }

  /** What it said last. */
  get tail(): Uint8Array {
    return this.history;
  }

  /** Adds a viewer; the function takes it away again. It is told of the end at once when that has come. */
  watch(viewer: ConsoleViewer): () => void {
    if (this.over) {
      viewer.ended();
      return () => undefined;
    }
    this.viewers.add(viewer);
    return () => void this.viewers.delete(viewer);
  }

  type(bytes: Uint8Array): void {
    if (this.over || this.line.writableLength + bytes.length > INPUT_MAX) {
      this.inputDropped += bytes.length;
      return;
    }
    this.line.write(Uint8Array.from(bytes));
  }

  /** Joins a stream: first the history, if it is wanted, then both ways until either ends. */
  join(stream: Duplex, withHistory: boolean): void {
    if (withHistory && this.history.length > 0) stream.write(this.history);
    const leave = this.watch({
      said: (bytes) => {
        if (stream.writableLength > VIEWER_MAX) stream.destroy();
        else stream.write(bytes);
      },
      ended: () => stream.end(),
    });
    stream.on('data', (bytes: Buffer) => this.type(bytes));
    stream.on('error', () => undefined); // "close" follows
    stream.on('close', leave);
  }

  /** The machine is gone. */
  end(): void {
    if (this.over) return;
    this.over = true;
    this.line.destroy();
    for (const viewer of this.viewers) viewer.ended();
    this.viewers.clear();
  }

  private said(bytes: Buffer): void {
    const all = Buffer.concat([this.history, bytes]);
    this.history = all.length > HISTORY_MAX ? Buffer.from(all.subarray(all.length - HISTORY_MAX)) : all;
    for (const viewer of [...this.viewers]) viewer.said(bytes);
  }
}
