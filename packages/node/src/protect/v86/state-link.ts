/**
 * state-link.ts — the daemon's end of the socket that a machine of v86 sends its state over, or gets another's from.
 * Read first: guest-protection.ts (the other end), state-message.ts.
 *
 * The daemon listens, tells the machine's process where, takes one connection and listens no more. A message is waited for one at a time; one that nobody waits for, or that is none, ends the link.
 */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { StateReader, messageParts } from './state-message.js';
import type { StateMessage } from './state-message.js';

/** What is asked of a machine's process. */
export interface V86Process {
  /** Runs a command of its monitor; what it returns. Rejects with an Error of one line. */
  run(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
}

interface Waiter {
  readonly resolve: (message: StateMessage) => void;
  readonly reject: (error: Error) => void;
}

export class StateLink {
  /** Told once when the link is gone and nobody here has closed it. */
  onGone: (reason: string) => void = () => undefined;
  private readonly socket: Socket;
  private waiter: Waiter | null = null;
  private gone: string | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    const reader = new StateReader((message) => this.taken(message));
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.end((error as Error).message);
      }
    });
    socket.on('error', () => undefined); // "close" follows
    socket.on('close', () => this.end('the state socket of the machine is closed'));
  }

  /** @param path of a socket that is not there yet. Rejects with an Error of one line. */
  static async open(vm: V86Process, path: string): Promise<StateLink> {
    const server = createServer();
    try {
      await listening(server, path);
      const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
      await vm.run('netloom-state', { path });
      return new StateLink(await connected);
    } finally {
      server.close(); // its file goes with it
    }
  }

  /** Bytes that the process has not taken yet. */
  get backlog(): number {
    return this.socket.writableLength;
  }

  send(message: StateMessage): void {
    if (this.gone !== null) throw new Error(this.gone);
    for (const part of messageParts(message)) this.socket.write(part);
  }

  /** The next message. */
  async receive(): Promise<StateMessage> {
    const { gone } = this;
    return new Promise((resolve, reject) => {
      if (gone !== null) reject(new Error(gone));
      else this.waiter = { resolve, reject };
    });
  }

  close(): void {
    this.onGone = () => undefined;
    this.end('the state socket has been closed');
  }

  private taken(message: StateMessage): void {
    const { waiter } = this;
    if (waiter === null) throw new Error('the machine sent a state that nobody asked for');
    this.waiter = null;
    waiter.resolve(message);
  }

  private end(reason: string): void {
    if (this.gone !== null) return;
    this.gone = reason;
    this.socket.destroy();
    this.waiter?.reject(new Error(reason));
    this.waiter = null;
    this.onGone(reason);
  }
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`the state socket: ${error.message}`)));
    server.listen(path, resolve);
  });
}
