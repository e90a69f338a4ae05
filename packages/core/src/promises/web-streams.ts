/**
 * web-streams.ts — the WHATWG streams that the runtime has, as far as this folder uses them.
 * Read first: Streams Standard §4 (readable), §5 (writable).
 *
 * The core knows no DOM and no Node, so it declares the shapes itself, wide enough that what is returned fits where the runtime's own types are
 * asked for. The classes come from the runtime: Node, Deno, Bun, browsers and workers have them.
 */

/** What `pull` fills: the buffer of a BYOB reader, or nothing (then the source enqueues one of its own). */
export interface ByteController {
  readonly byobRequest?: { readonly view: ArrayBufferView | null; respond(bytesWritten: number): void } | null;
  enqueue(chunk: Uint8Array): void;
  close(): void;
  error(reason: unknown): void;
}

export interface ByteSource {
  type?: 'bytes';
  start?(controller: ByteController): void;
  pull(controller: ByteController): Promise<void>;
  cancel(reason: unknown): void;
}

export interface ByteSinkController {
  readonly signal?: AbortSignalLike;
  error(reason: unknown): void;
}

export interface ByteSink {
  start(controller: ByteSinkController): void;
  write(chunk: unknown): Promise<void>;
  close(): void;
  abort(reason: unknown): void;
}

export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface ByteReader {
  readonly closed: Promise<undefined>;
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  releaseLock(): void;
  cancel(reason?: unknown): Promise<void>;
}

export interface ByteWriter {
  readonly closed: Promise<undefined>;
  readonly ready: Promise<undefined>;
  readonly desiredSize: number | null;
  write(chunk: Uint8Array): Promise<void>;
  close(): Promise<void>;
  abort(reason?: unknown): Promise<void>;
  releaseLock(): void;
}

/** ReadableStream<Uint8Array>. */
export interface ByteReadable extends AsyncIterable<Uint8Array> {
  readonly locked: boolean;
  getReader(): ByteReader;
  getReader(options: { mode: 'byob' }): ByobReader;
  cancel(reason?: unknown): Promise<void>;
  pipeTo(destination: ByteWritable, options?: PipeOptions): Promise<void>;
  pipeThrough<T>(transform: { readonly writable: ByteWritable; readonly readable: T }, options?: PipeOptions): T;
  tee(): [ByteReadable, ByteReadable];
  values(options?: { preventCancel?: boolean }): AsyncIterableIterator<Uint8Array>;
}

export interface ByobReader {
  readonly closed: Promise<undefined>;
  read<T extends ArrayBufferView>(view: T): Promise<{ readonly done: boolean; readonly value?: T | undefined }>;
  releaseLock(): void;
  cancel(reason?: unknown): Promise<void>;
}

/** WritableStream<Uint8Array>. */
export interface ByteWritable {
  readonly locked: boolean;
  getWriter(): ByteWriter;
  close(): Promise<void>;
  abort(reason?: unknown): Promise<void>;
}

export interface PipeOptions {
  readonly preventClose?: boolean;
  readonly preventAbort?: boolean;
  readonly preventCancel?: boolean;
}

declare const ReadableStream: (new (source: ByteSource, strategy: { highWaterMark: number }) => ByteReadable) | undefined;
declare const WritableStream: (new (sink: ByteSink, strategy: { highWaterMark: number }) => ByteWritable) | undefined;

/**
 * A byte stream over `source`, or one of chunks where the runtime has no byte streams. It asks for nothing that its reader has not asked for: what
 * waits, waits in the socket's buffer.
 */
export function makeReadable(source: ByteSource): ByteReadable {
  if (typeof ReadableStream === 'undefined') throw missing('ReadableStream');
  try {
    return new ReadableStream({ ...source, type: 'bytes' }, { highWaterMark: 0 });
  } catch {
    return new ReadableStream(source, { highWaterMark: 0 });
  }
}

/** A stream of writes, each passed on when the one before it has been taken. */
export function makeWritable(sink: ByteSink): ByteWritable {
  if (typeof WritableStream === 'undefined') throw missing('WritableStream');
  return new WritableStream(sink, { highWaterMark: 1 });
}

function missing(name: string): TypeError {
  return new TypeError(`this runtime has no ${name}; connect() and listen() need WHATWG streams (in their place: vnet.sockets.socket, which needs nothing)`);
}
