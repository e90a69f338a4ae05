/**
 * qmp-client.ts — QEMU's monitor: commands with their answers, events, over a stream.
 * Read first: QEMU's docs/interop/qmp-spec.
 *
 * Answers come in the order of commands; an id tells them from events. A command that is not answered in time rejects, and so do all when the
 * stream closes: whoever asks never waits for ever. The same holds for who waits for an event (`waitFor`), of whom there may be any number beside `onEvent`.
 * A line longer than LINE_MAX closes the stream: nothing here asks for that much.
 */
import type { Duplex } from 'node:stream';

const LINE_MAX = 1024 * 1024;
const ANSWER_MS = 20_000;

/** QEMU refused, or is gone. */
export class QmpError extends Error {
  override readonly name = 'QmpError';
}

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Somebody waits for an event. */
interface Listener {
  readonly event: string;
  readonly accept: (data: QmpEvent['data']) => boolean;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (event: QmpEvent) => void;
  readonly reject: (error: QmpError) => void;
}

interface Waiting {
  readonly command: string;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: QmpError) => void;
}

export class QmpClient {
  /** Told of events. */
  onEvent: (event: QmpEvent) => void = () => undefined;
  /** Settled when QEMU has greeted, or is gone. */
  readonly greeted: Promise<void>;
  private readonly stream: Duplex;
  private readonly waiting = new Map<number, Waiting>();
  private readonly listeners = new Set<Listener>();
  private greeting = '';
  private nextId = 1;
  private rest = '';
  private closed = false;
  private settle: (error: QmpError | null) => void = () => undefined;

  constructor(stream: Duplex) {
    this.stream = stream;
    this.greeted = new Promise((resolve, reject) => {
      this.settle = (error) => (error === null ? resolve() : reject(error));
    });
    this.greeted.catch(() => undefined); // whoever waits is told
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => this.heard(text));
    stream.on('error', () => undefined); // "close" follows
    stream.on('close', () => this.lost());
    stream.on('end', () => this.lost());
  }

  /** What QEMU is, as it greeted: `7.2.22 (Debian ...)`; '' before. */
  get version(): string {
    return this.greeting;
  }

  /** The next event of that name that is accepted. Rejects when it does not come in time, or QEMU is gone; nobody need look at that. @throws QmpError */
  waitFor(event: string, accept: (data: QmpEvent['data']) => boolean, timeoutMs: number): Promise<QmpEvent> {
    const heard = new Promise<QmpEvent>((resolve, reject) => {
      if (this.closed) return reject(new QmpError(`${event}: QEMU is gone`));
      const timer = setTimeout(() => {
        this.listeners.delete(listener);
        reject(new QmpError(`${event}: nothing from QEMU in ${timeoutMs / 1000} s`));
      }, timeoutMs);
      const listener: Listener = { event, accept, timer, resolve, reject };
      this.listeners.add(listener);
    });
    heard.catch(() => undefined); // whoever waits is told
    return heard;
  }

  /** Runs a command; what it returns. @throws QmpError */
  async run(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.closed) throw new QmpError(`${command}: QEMU is gone`);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new QmpError(`${command}: no answer from QEMU in ${ANSWER_MS / 1000} s`));
      }, ANSWER_MS);
      this.waiting.set(id, { command, timer, resolve, reject });
      this.stream.write(`${JSON.stringify({ execute: command, id, ...(args === undefined ? {} : { arguments: args }) })}\n`);
    });
  }

  close(): void {
    this.stream.destroy();
    this.lost();
  }

  private heard(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    if (this.rest.length > LINE_MAX) return this.close();
    for (const line of lines) if (line.trim() !== '') this.heardLine(line);
  }

  private heardLine(line: string): void {
    let message: { QMP?: unknown; event?: unknown; data?: unknown; id?: unknown; return?: unknown; error?: { desc?: unknown } };
    try {
      message = JSON.parse(line) as typeof message;
    } catch {
      return this.close();
    }
    if (message.QMP !== undefined) return this.greet(message.QMP);
    if (typeof message.event === 'string') return this.heardEvent({ event: message.event, data: (message.data ?? {}) as Record<string, unknown> });
    const call = this.waiting.get(Number(message.id));
    if (call === undefined) return;
    this.waiting.delete(Number(message.id));
    clearTimeout(call.timer);
    if (message.error !== undefined) call.reject(new QmpError(`${call.command}: ${String(message.error.desc)}`));
    else call.resolve(message.return);
  }

  private greet(greeting: unknown): void {
    const { version: { qemu: { major, minor, micro } = {}, package: from = '' } = {} } = greeting as { version?: { qemu?: { major?: number; minor?: number; micro?: number }; package?: string } };
    this.greeting = `${major ?? 0}.${minor ?? 0}.${micro ?? 0}${from === '' ? '' : ` (${from})`}`;
    this.settle(null);
  }

  private heardEvent(event: QmpEvent): void {
    for (const listener of this.listeners) {
      if (listener.event !== event.event || !listener.accept(event.data)) continue;
      this.listeners.delete(listener);
      clearTimeout(listener.timer);
      listener.resolve(event);
    }
    this.onEvent(event);
  }

  private lost(): void {
    if (this.closed) return;
    this.closed = true;
    this.settle(new QmpError('QEMU is gone'));
    for (const call of this.waiting.values()) {
      clearTimeout(call.timer);
      call.reject(new QmpError(`${call.command}: QEMU is gone`));
    }
    this.waiting.clear();
    for (const listener of this.listeners) {
      clearTimeout(listener.timer);
      listener.reject(new QmpError(`${listener.event}: QEMU is gone`));
    }
    this.listeners.clear();
  }
}
