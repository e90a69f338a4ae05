/**
 * devd-socket.ts — a Unix socket like devd(8)'s devd.pipe: every event of the host's own vnet, a line each, to every client.
 *
 * Read first: devd(8); docs/events.md, "devd's socket".
 *
 * Theory of operation. Clients connect and read; what they write is thrown away. As devd does it, a client gets what happens after it came,
 * and one that does not read is dropped when CLIENT_BUFFER_BYTES wait for it. At most CLIENTS_MAX are connected. devd polls for clients
 * that are gone; here a client that has shut its side keeps being served, since it may only be done with writing, but gives way when
 * all places are taken.
 *
 * Invariants: the socket has mode 0600 from its first moment and exists exactly while this does. No client is ever waited for.
 * Not here: devd.seqpacket.pipe. Node cannot make SOCK_SEQPACKET sockets.
 */
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { DevctlReader, Kernel } from '@netloom/core';
import { devctlLine } from '@netloom/core';
import type { Logger } from 'pino';
import { SocketClaimError, claimSocket, withPrivateUmask } from './socket-claim.js';

/** Clients at a time: devd's default. */
export const DEVD_CLIENTS_MAX = 10;
/** What waits for a client before it is dropped: devd's buffer. */
export const DEVD_CLIENT_BUFFER_BYTES = 256 * 1024;

export class DevdSocket {
  readonly path: string;
  private readonly server: Server;
  private readonly reader: DevctlReader;
  private readonly log: Logger;
  /** Oldest first. */
  private readonly clients = new Set<Socket>();
  private scheduled = false;

  private constructor(path: string, kernel: Kernel, log: Logger) {
    this.path = path;
    this.log = log;
    this.server = createServer({ allowHalfOpen: true }, (socket) => this.accept(socket));
    this.reader = kernel.vnet0.kern.devctl.open();
    this.reader.onReadable = () => this.schedule();
  }

  /** Listens at `path`. Rejects with SocketClaimError when it cannot be had. */
  static async listen(path: string, kernel: Kernel, log: Logger): Promise<DevdSocket> {
    await claimSocket(path, '--devd');
    const made = new DevdSocket(path, kernel, log);
    try {
      await withPrivateUmask(() => made.bind());
    } catch (error) {
      made.reader.close();
      throw new SocketClaimError(`cannot listen at "${path}" (${(error as NodeJS.ErrnoException).code}); choose another path with --devd`);
    }
    return made;
  }

  get clientCount(): number {
    return this.clients.size;
  }

  /** Ends every connection; the socket's file goes. */
  close(): Promise<void> {
    this.reader.close();
    this.reader.onReadable = null;
    for (const client of this.clients) client.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(this.path, () => {
        this.server.removeListener('error', reject);
        this.server.on('error', (error) => this.log.error({ err: error }, 'devd\'s socket failed'));
        resolve();
      });
    });
  }

  private accept(socket: Socket): void {
    if (this.clients.size >= DEVD_CLIENTS_MAX) {
      const gone = [...this.clients].find((client) => client.readableEnded);
      if (gone === undefined) {
        socket.destroy();
        return;
      }
      this.drop(gone);
    }
    this.clients.add(socket);
    socket.resume();
    socket.on('error', () => this.drop(socket));
    socket.once('close', () => this.clients.delete(socket));
  }

  private drop(client: Socket): void {
    this.clients.delete(client);
    client.destroy();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.tell();
    });
  }

  /** Hands what is new to every client. */
  private tell(): void {
    let text = '';
    for (let item = this.reader.read(); item !== null; item = this.reader.read()) {
      if (item.event === null) this.log.warn({ lost: item.lost }, 'more events than the host\'s queue holds: devd\'s clients miss some (hw.bus.devctl_queue)');
      else text += `${devctlLine(item.event)}\n`;
    }
    if (text === '') return;
    const bytes = Buffer.from(text);
    for (const client of this.clients) {
      if (client.writableLength + bytes.length <= DEVD_CLIENT_BUFFER_BYTES) {
        client.write(bytes);
        continue;
      }
      this.log.warn('a client of devd\'s socket does not read: dropped');
      this.drop(client);
    }
  }
}
