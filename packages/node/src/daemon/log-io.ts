/**
 * log-io.ts — the connection of a process that nobody called: it reads nothing, and what it prints is lines of the log.
 *
 * Read first: tool-proc.ts.
 */
import type { ProcIo } from './tool-proc.js';

/** A line longer than this is cut in two. */
const LINE_MAX = 1_024;

export class LogIo implements ProcIo {
  readonly tty = false;
  readonly spawn = null;
  readonly buffered = 0;
  columns = 80;
  private readonly said: (line: string) => void;
  private rest = '';

  constructor(said: (line: string) => void) {
    this.said = said;
  }

  write(_fd: 1 | 2, bytes: Uint8Array): void {
    const lines = (this.rest + Buffer.from(bytes).toString('utf8')).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') this.said(line);
    if (this.rest.length <= LINE_MAX) return;
    this.said(this.rest);
    this.rest = '';
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  read(): Promise<Uint8Array | null> {
    return Promise.resolve(null);
  }

  killChild(): void {
    // There are no children: `spawn` is null.
  }
}
