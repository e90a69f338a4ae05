/**
 * exec-buffer.ts — a tool call without a stream: all input given beforehand, all output collected (the plain JSON form of /v1/exec, the lab).
 *
 * Theory of operation. The output is kept up to COLLECT_MAX bytes; what goes beyond counts as a reader that does not read, so
 * the process is ended by its own limit (tool-proc.ts) instead of filling the memory.
 *
 * Not here: host programs; there is no client's terminal to run them in.
 */
import type { ProcSignal } from '@netloom/userland';
import type { ExecStart } from './exec-protocol.js';
import type { ExecService } from './exec-service.js';
import type { ProcIo, ToolProc } from './tool-proc.js';

/** Output kept per call, bytes. */
const COLLECT_MAX = 16 * 1024 * 1024;

/** A finished call. Output is decoded as UTF-8. */
export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  readonly signal: ProcSignal | null;
}

class BufferIo implements ProcIo {
  readonly tty = false;
  readonly spawn = null;
  columns = 80;
  readonly chunks: [Uint8Array[], Uint8Array[]] = [[], []];
  private input: Uint8Array | null;
  private collected = 0;

  constructor(input: string) {
    this.input = input === '' ? null : Buffer.from(input);
  }

  get buffered(): number {
    return this.collected > COLLECT_MAX ? Infinity : 0;
  }

  write(fd: 1 | 2, bytes: Uint8Array): void {
    if (fd === 2 || this.collected <= COLLECT_MAX) this.chunks[fd - 1]?.push(bytes);
    this.collected += bytes.length;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  read(): Promise<Uint8Array | null> {
    const block = this.input;
    this.input = null;
    return Promise.resolve(block);
  }

  killChild(): void {
    // There are no children: `spawn` is null.
  }
}

/** A call that is running; `cancel` ends it. */
export interface BufferedCall {
  readonly result: Promise<ExecResult>;
  cancel(): void;
}

/** Runs a tool to its end, feeding it `input`. */
export function execBuffered(service: ExecService, call: ExecStart, input = ''): BufferedCall {
  const io = new BufferIo(input);
  let proc: ToolProc | null = null;
  const result = new Promise<ExecResult>((resolve) => {
    proc = service.start(call, io, (exitCode, signal) => {
      const [stdout, stderr] = io.chunks.map((c) => Buffer.concat(c).toString('utf8'));
      resolve({ stdout: stdout ?? '', stderr: stderr ?? '', exitCode, signal });
    });
  });
  return { result, cancel: () => (proc?.detached === false ? proc.signal('KILL') : undefined) };
}
