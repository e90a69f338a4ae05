/**
 * backup-door.ts — BackupDoor: where connections come in from daemons whose machines this one keeps, by its own socket or by TCP.
 * Read first: daemon/upgrades.ts; backup-listener.ts; dial.ts is the other side.
 *
 * By the socket, a connection is an HTTP request that is upgraded to netloom-protect: POST /v1/protect/backup is the stream of a machine, POST
 * /v1/protect/beat its second path. Whoever may use the socket may do all else there, so no key is asked for. Both ways lead to `onBackupConnection`.
 */
import type { UpgradeProtocol } from '../../daemon/upgrades.js';
import { SocketClaimError } from '../../daemon/socket-claim.js';
import { parseHostPort } from './backup-address.js';
import { BackupListener } from './backup-listener.js';
import type { PathKind, TakeConnection } from './backup-listener.js';
import { KeyFileError } from './pre-shared-key.js';
import { RecordStream } from './record-stream.js';

export const PROTECT_UPGRADE = 'netloom-protect';
export const PROTECT_URLS: Readonly<Record<PathKind, string>> = { stream: '/v1/protect/backup', beat: '/v1/protect/beat' };

export class BackupDoor {
  /** Takes what comes in. */
  onBackupConnection: TakeConnection = (_kind, stream) => new RecordStream(stream).refuse('this daemon keeps no backups');
  /** Told of those that have not the key. */
  onRefused: (from: string, why: string) => void = () => undefined;
  private listener: BackupListener | null = null;

  /** The door in the daemon's own socket. */
  get upgrade(): UpgradeProtocol {
    return {
      name: PROTECT_UPGRADE,
      where: `POST ${PROTECT_URLS.stream} or ${PROTECT_URLS.beat}`,
      serve: ({ method, url }) => {
        const kind = url === PROTECT_URLS.stream ? 'stream' : url === PROTECT_URLS.beat ? 'beat' : null;
        if (method !== 'POST' || kind === null) return null;
        return (socket, head) => {
          if (head.length > 0) socket.unshift(head);
          this.onBackupConnection(kind, socket, 'the socket');
        };
      },
    };
  }

  /** Opens the door by TCP as well: HOST:PORT, where port 0 is any, and the file of the key. Answers the port. @throws SocketClaimError */
  async listen(address: string, keyFile: string | undefined): Promise<number> {
    const { host, port } = parseHostPort(address, 0, (why) => new SocketClaimError(`cannot listen for backups at "${address}": ${why} (--backup-listen HOST:PORT or [IPV6]:PORT)`));
    if (keyFile === undefined) throw new SocketClaimError(`listening for backups at ${address} needs a key, or anybody could bring machines: --backup-key FILE`);
    try {
      this.listener = await BackupListener.listen(host, port, keyFile, (kind, stream, from) => this.onBackupConnection(kind, stream, from), (from, why) => this.onRefused(from, why));
    } catch (error) {
      throw error instanceof KeyFileError ? new SocketClaimError(error.message) : error;
    }
    return this.listener.port;
  }

  /** Closes the door by TCP, and the connections that came by it. */
  async close(): Promise<void> {
    await this.listener?.close();
    this.listener = null;
  }
}
