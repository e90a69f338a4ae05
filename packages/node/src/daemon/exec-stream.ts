/**
 * exec-stream.ts — one tool call over an upgraded connection: frames in, frames out.
 *
 * Read first: exec-protocol.ts.
 *
 * Theory of operation. Output frames of one turn are corked into one write. `buffered` is what the socket has not taken; the process's
 * `flush` waits for it to drain, so a client that stops reading stops the tool. Input is pulled: a `wantStdin` per block.
 * The client closing the connection ends the process; the process ending sends `exit` and closes the connection.
 *
 * Invariants: bytes before the first `start` are bounded by one frame and START_TIMEOUT_MS. A client that breaks the protocol is
 * told so and cut off; nothing it sends can throw out of here.
 */
import type { Duplex } from 'node:stream';
import type { ProcSignal } from '@netloom/userland';
import { signalNumber } from '@netloom/userland';
import type { Frame, Spawned } from './exec-protocol.js';
import {
  FRAME_MAX, FRAME_RAW, FRAME_SIGNAL, FRAME_SPAWNED, FRAME_START, FRAME_STDERR, FRAME_STDIN, FRAME_STDIN_EOF, FRAME_STDOUT, FRAME_WANT_STDIN, FRAME_WINDOW,
  FrameParser, ProtocolError, decodeSpawned, decodeStart, encodeExit, encodeFrame, encodeKill, encodeSpawn,
} from './exec-protocol.js';
import type { ExecService } from './exec-service.js';
import type { ProcIo, ToolProc } from './tool-proc.js';
import { OUTPUT_HIGH_WATER } from './tool-proc.js';

/** A connection must name its tool within this. */
const START_TIMEOUT_MS = 5_000;

class StreamIo implements ProcIo {
  tty = false;
  stdinTty = false;
  columns = 80;
  private readonly socket: Duplex;
  private readonly children = new Map<number, (spawned: Spawned) => void>();
  private drainWaits: (() => void)[] = [];
  private inputWait: ((block: Uint8Array | null) => void) | null = null;
  private inputEnded = false;
  private corked = false;
  private closed = false;

  constructor(socket: Duplex) {
    this.socket = socket;
    socket.on('drain', () => this.releaseDrain());
  }

  /** A socket that has been destroyed takes nothing and says so later: until then the process waits, or it would never let anybody say it. */
  get buffered(): number {
    return this.socket.destroyed && !this.closed ? OUTPUT_HIGH_WATER : this.socket.writableLength;
  }

  write(fd: 1 | 2, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += FRAME_MAX) this.send(encodeFrame(fd === 1 ? FRAME_STDOUT : FRAME_STDERR, bytes.subarray(at, at + FRAME_MAX)));
  }

  drained(): Promise<void> {
    if (this.closed || this.buffered < OUTPUT_HIGH_WATER) return Promise.resolve();
    return new Promise((resolve) => this.drainWaits.push(resolve));
  }

  read(): Promise<Uint8Array | null> {
    if (this.inputEnded || this.closed) return Promise.resolve(null);
    this.send(encodeFrame(FRAME_WANT_STDIN));
    return new Promise((resolve) => {
      this.inputWait = resolve;
    });
  }

  readonly spawn = (id: number, argv: readonly string[], env: Readonly<Record<string, string>>): Promise<Spawned> => {
    const frame = encodeSpawn(id, argv, env);
    if (frame.length > FRAME_MAX) return Promise.resolve({ id, exitCode: 0, error: 'E2BIG' });
    return new Promise((resolve) => {
      this.children.set(id, resolve);
      this.send(frame);
    });
  };

  rawInput(on: boolean | 'all'): boolean {
    if (this.stdinTty) this.send(encodeFrame(FRAME_RAW, Uint8Array.of(on === 'all' ? 2 : Number(on))));
    return this.stdinTty;
  }

  killChild(id: number, signal: ProcSignal): void {
    if (this.children.has(id)) this.send(encodeKill(id, signal));
  }

  /** A block of input, null for its end. */
  input(block: Uint8Array | null): void {
    const wait = this.inputWait;
    if (wait === null) throw new ProtocolError('standard input that was not asked for');
    this.inputWait = null;
    if (block === null) this.inputEnded = true;
    wait(block);
  }

  spawned(spawned: Spawned): void {
    const resolve = this.children.get(spawned.id);
    if (resolve === undefined) throw new ProtocolError(`there is no child ${spawned.id}`);
    this.children.delete(spawned.id);
    resolve(spawned);
  }

  /** Sends the exit code and closes; children of the client's that are left are heard of until it has closed as well. */
  exit(code: number, signal: string): void {
    this.send(encodeExit(code, signal));
    this.uncork();
    this.socket.end();
  }

  /** The client is gone: nobody waits any more. */
  close(): void {
    this.closed = true;
    this.releaseDrain();
    this.inputWait?.(null);
    this.inputWait = null;
    for (const [id, resolve] of this.children) resolve({ id, exitCode: 128 + signalNumber.HUP, error: '' });
    this.children.clear();
  }

  private send(frame: Buffer): void {
    if (this.closed || this.socket.writableEnded) return;
    if (!this.corked) {
      this.corked = true;
      this.socket.cork();
      setImmediate(() => this.uncork());
    }
    this.socket.write(frame);
    if (this.socket.writableLength >= OUTPUT_HIGH_WATER) this.uncork();
  }

  private uncork(): void {
    if (this.corked) this.socket.uncork();
    this.corked = false;
  }

  private releaseDrain(): void {
    const waits = this.drainWaits;
    this.drainWaits = [];
    for (const resolve of waits) resolve();
  }
}

/** Serves one upgraded connection. `head` is what arrived together with the request. */
export function serveExecStream(service: ExecService, socket: Duplex, head: Buffer): void {
  const io = new StreamIo(socket);
  const parser = new FrameParser();
  let proc: ToolProc | null = null;
  let started = false;
  const timer = setTimeout(() => broken(new ProtocolError(`no start frame within ${START_TIMEOUT_MS} ms`)), START_TIMEOUT_MS);

  /** The process, while this connection has to do with it. */
  const caller = (): ToolProc | null => (proc === null || proc.detached ? null : proc);
  const deliver = (frame: Frame): void => {
    const mine = caller();
    if (mine !== null && mine.exitCode === null) dispatch(frame, io, mine);
  };
  const begin = (frame: Frame): void => {
    if (frame.type !== FRAME_START) throw new ProtocolError(`frame type ${frame.type} before the start frame`);
    clearTimeout(timer);
    const call = decodeStart(frame.payload);
    started = true;
    io.tty = call.tty;
    io.stdinTty = call.stdinTty;
    io.columns = call.columns;
    proc = service.start(call, io, (code, signal) => io.exit(code, signal ?? ''));
  };
  const broken = (error: unknown): void => {
    clearTimeout(timer);
    if (socket.writableEnded) return;
    io.write(2, Buffer.from(`netloom: ${error instanceof ProtocolError ? `protocol error: ${error.message}` : String(error)}\n`));
    const mine = caller();
    if (mine === null) io.exit(1, '');
    else mine.end(1, null);
  };
  const onData = (chunk: Buffer): void => {
    try {
      for (const frame of parser.push(chunk)) {
        if (!started) begin(frame);
        else if (frame.type === FRAME_SPAWNED) io.spawned(decodeSpawned(frame.payload));
        else deliver(frame);
      }
    } catch (error) {
      broken(error);
    }
  };

  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    clearTimeout(timer);
    io.close();
    caller()?.signal('KILL');
  });
  // The client half-closing counts as closing: it has nothing to wait for without its answer.
  socket.on('end', () => caller()?.signal('HUP'));
  socket.on('data', onData);
  if (head.length > 0) onData(head);
  socket.resume();
}

function dispatch(frame: Frame, io: StreamIo, proc: ToolProc): void {
  switch (frame.type) {
    case FRAME_STDIN:
      return io.input(Uint8Array.from(frame.payload));
    case FRAME_STDIN_EOF:
      return io.input(null);
    case FRAME_SIGNAL:
      return proc.signal(signalNamed(frame.payload.toString('latin1')));
    case FRAME_WINDOW:
      if (frame.payload.length !== 4) throw new ProtocolError('a window frame has 4 bytes');
      io.columns = frame.payload.readUInt16BE(0);
      return proc.signal('WINCH');
    default:
      throw new ProtocolError(`unknown frame type ${frame.type}`);
  }
}

function signalNamed(name: string): ProcSignal {
  if (!Object.hasOwn(signalNumber, name)) throw new ProtocolError(`unknown signal "${name}"`);
  return name as ProcSignal;
}
