/**
 * nbd-server.ts — class NbdServer: a disk at a Unix socket, for QEMU.
 * Read first: nbd-connection.ts; qemu(1), "-drive", and QEMU's docs/interop/nbd.
 *
 *     -drive if=none,id=disk0,format=raw,cache=none,file.driver=nbd,file.server.type=unix,file.server.path=PATH,file.export=disk0/WHO
 *
 * Theory of operation. Any number of clients have the disk at a time: a machine, and one that waits to be it and writes nothing until it is. When the first has failed, bytes
 * of it may still be on their way, in the socket: so `cut` comes before `EpochDisk.discardAfter`, and from then on nothing of it begins. WHO tells them apart.
 *
 * Invariant: the socket is created so that only its owner can connect. After `close` there is no connection, no request under way, and no socket.
 */
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { errnoText } from '../../daemon/errno-text.js';
import { withPrivateUmask } from '../../daemon/socket-claim.js';
import { freeListenPath, pathProblem } from '../../port/listen-path.js';
import type { EpochDisk } from './epoch-disk.js';
import { NbdConnection } from './nbd-connection.js';

export class NbdServer {
  readonly path: string;
  /** The disk's name on the wire. */
  readonly name: string;
  private readonly server: Server;
  private readonly connections = new Set<NbdConnection>();

  private constructor(path: string, name: string, disk: EpochDisk) {
    this.path = path;
    this.name = name;
    this.server = createServer((socket) => {
      const connection = new NbdConnection(socket, name, disk);
      this.connections.add(connection);
      void connection.ended.then(() => this.connections.delete(connection));
    });
  }

  /** @throws Error, one line, when nobody can listen at `path`. */
  static async listen(path: string, name: string, disk: EpochDisk): Promise<NbdServer> {
    const problem = pathProblem(path);
    if (problem !== null) throw new Error(problem);
    await freeListenPath(path, 'end it');
    const made = new NbdServer(path, name, disk);
    await withPrivateUmask(() => made.begin());
    return made;
  }

  /** Who has the disk: WHO of each client, '' for one that does not say. */
  get clients(): string[] {
    return [...this.connections].flatMap(({ who }) => (who === null ? [] : [who]));
  }

  /** Ends the connections of `who`, or all. No request of theirs begins any more. */
  cut(who?: string): void {
    for (const connection of this.connections) if (who === undefined || connection.who === who) connection.cut();
  }

  /** May be called again. */
  async close(): Promise<void> {
    const closed = this.server.listening ? new Promise<void>((resolve) => this.server.close(() => resolve())) : null;
    this.cut();
    await Promise.all([...this.connections].map(({ ended }) => ended));
    await closed;
  }

  private begin(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', (error: NodeJS.ErrnoException) => reject(new Error(`cannot listen at "${this.path}": ${errnoText(error.code ?? 'EIO')}`, { cause: error })));
      this.server.listen(this.path, () => resolve());
    });
  }
}
