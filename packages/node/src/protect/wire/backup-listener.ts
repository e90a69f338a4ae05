/**
 * backup-listener.ts — BackupListener: where other daemons come by TCP with what this one is to keep.
 * Read first: pre-shared-key.ts; backup-door.ts.
 *
 * A connection proves that it has the key, then its first byte says what it is: the stream of a machine, or its second path. Whoever cannot do both
 * within ARRIVE_MS is cut off. What comes behind that byte is left in the socket for who takes the connection.
 *
 * Invariant: `onConnection` is never called for a connection without the key.
 */
import { createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';
import type { Duplex } from 'node:stream';
import { errnoText } from '../../daemon/errno-text.js';
import { SocketClaimError } from '../../daemon/socket-claim.js';
import { formatHostPort } from './backup-address.js';
import { PSK_IDENTITY, PSK_TLS, readKeyFile } from './pre-shared-key.js';

/** What a connection is for: the records of a machine, or the beats beside them. */
export type PathKind = 'stream' | 'beat';

export const KIND_BYTES: Readonly<Record<PathKind, number>> = { stream: 0x53, beat: 0x42 };
/** A peer that is gone without a word is noticed by the host after a while, even if nobody listens for beats. */
export const KEEP_ALIVE_MS = 10_000;

const ARRIVE_MS = 5_000;
const CONNECTIONS_MAX = 256;

/** Takes a connection; `from` is where it comes from, for people. */
export type TakeConnection = (kind: PathKind, stream: Duplex, from: string) => void;

export class BackupListener {
  readonly port: number;
  private readonly server: Server;
  private readonly open: ReadonlySet<TLSSocket>;

  private constructor(server: Server, open: ReadonlySet<TLSSocket>, port: number) {
    this.server = server;
    this.open = open;
    this.port = port;
  }

  /** Listens; port 0 is any. `onRefused` is told of those that have not the key. @throws KeyFileError, SocketClaimError */
  static async listen(host: string, port: number, keyFile: string, onConnection: TakeConnection, onRefused: (from: string, why: string) => void): Promise<BackupListener> {
    const psk = readKeyFile(keyFile);
    const open = new Set<TLSSocket>();
    const server = createServer({ ...PSK_TLS, handshakeTimeout: ARRIVE_MS, pskCallback: (_socket, identity) => (identity === PSK_IDENTITY ? psk : null) });
    server.maxConnections = CONNECTIONS_MAX;
    server.on('tlsClientError', (error, socket) => onRefused(whence(socket), error.message.trim()));
    server.on('secureConnection', (socket) => {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      socket.setNoDelay(true);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      arrive(socket, (kind) => onConnection(kind, socket, whence(socket)));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => reject(new SocketClaimError(`cannot listen for backups at ${formatHostPort(host, port)}: ${errnoText(error.code ?? 'EIO')}; choose another place with --backup-listen`)));
      server.listen({ host, port }, resolve);
    });
    server.on('error', () => undefined); // one connection that could not be accepted
    const at = server.address();
    return new BackupListener(server, open, typeof at === 'object' && at !== null ? at.port : port);
  }

  /** Ends it and all that came by it. */
  close(): Promise<void> {
    for (const socket of this.open) socket.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

/** Waits for the byte that says what the connection is. */
function arrive(socket: TLSSocket, taken: (kind: PathKind) => void): void {
  const broken = (): void => void socket.destroy();
  const timer = setTimeout(broken, ARRIVE_MS);
  socket.on('error', broken);
  socket.once('close', () => clearTimeout(timer));
  socket.once('readable', () => {
    clearTimeout(timer);
    const first = (socket.read(1) as Buffer | null)?.[0];
    const kind = first === KIND_BYTES.stream ? 'stream' : first === KIND_BYTES.beat ? 'beat' : null;
    if (kind === null) broken();
    else taken(kind);
  });
}

function whence({ remoteAddress, remotePort = 0 }: TLSSocket): string {
  return remoteAddress === undefined ? 'somebody who has gone' : formatHostPort(remoteAddress, remotePort);
}
