/**
 * guest-shell.ts — runs commands in a guest, over a line to the agent in it.
 * Read first: guest-image.ts (AGENT).
 *
 * Theory of operation. A request is a line "ID COMMAND", the command in base64. The agent answers "begun ID" when it has read it, which is when the
 * next may be sent (a serial line's buffer is small), and later, in one piece, a line of base64 with all that the command wrote and "done ID CODE".
 * Commands run beside each other: an iperf3 that serves is one call, the one that asks another.
 */
import type { Duplex } from 'node:stream';

export interface GuestResult {
  readonly exitCode: number;
  /** What it wrote, standard error included. */
  readonly output: string;
}

interface Call {
  begun: () => void;
  done: (result: GuestResult) => void;
  failed: (error: Error) => void;
}

/** A serial line takes no longer request. */
const COMMAND_MAX = 2_900;

export class GuestShell {
  /** Settled when the agent is there, or the line is closed. */
  readonly ready: Promise<void>;
  private readonly line: Duplex;
  private readonly calls = new Map<number, Call>();
  private turn: Promise<void> = Promise.resolve();
  private next = 1;
  private rest = '';
  private last = '';
  private isReady: () => void = () => undefined;
  private isLost: (error: Error) => void = () => undefined;
  private closed = false;

  constructor(line: Duplex) {
    this.line = line;
    this.ready = new Promise((resolve, reject) => {
      this.isReady = resolve;
      this.isLost = reject;
    });
    this.ready.catch(() => undefined); // whoever waits for it is told
    line.setEncoding('latin1');
    line.on('data', (text: string) => this.heard(text));
    line.on('error', () => undefined); // "close" follows
    line.on('close', () => this.lost());
  }

  /** Runs `command` with busybox's sh. Rejects when the guest ends before the command does. */
  async run(command: string): Promise<GuestResult> {
    const bytes = Buffer.from(command);
    if (bytes.length > COMMAND_MAX) throw new Error(`a command has at most ${COMMAND_MAX} bytes: put a longer script into a file of the image`);
    await this.ready;
    const id = this.next++;
    return new Promise<GuestResult>((done, failed) => {
      this.turn = this.turn.then(() => new Promise<void>((begun) => {
        if (this.closed) {
          failed(new Error('the guest has ended'));
          begun();
          return;
        }
        this.calls.set(id, { begun, done, failed });
        this.line.write(`${id} ${bytes.toString('base64')}\n`);
      }));
    });
  }

  private heard(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.heardLine(line.trim());
  }

  private heardLine(line: string): void {
    const [, word, number = '', code = ''] = /^(ready|begun|done)(?: (\d+))?(?: (\d+))?$/.exec(line) ?? [];
    const call = this.calls.get(Number(number));
    if (word === 'ready') this.isReady();
    else if (word === 'begun') call?.begun();
    else if (word === 'done' && call !== undefined) {
      this.calls.delete(Number(number));
      call.done({ exitCode: Number(code), output: Buffer.from(this.last, 'base64').toString('utf8') });
    }
    this.last = line;
  }

  private lost(): void {
    this.closed = true;
    const error = new Error('the guest has ended');
    this.isLost(error);
    for (const call of this.calls.values()) {
      call.begun();
      call.failed(error);
    }
    this.calls.clear();
  }
}
