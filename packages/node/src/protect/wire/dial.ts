/**
 * dial.ts — dial: a connection to the daemon that keeps a machine, wherever that is.
 * Read first: backup-address.ts, backup-door.ts.
 *
 * It answers when the other side is known to be a Netloom daemon that takes such connections: over a Unix socket it has answered the upgrade, over TCP it has shown
 * that it has the key. Every failure is one line that names the address and the remedy.
 */
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { errnoText } from '../../daemon/errno-text.js';
import { formatBackupAddress } from './backup-address.js';
import type { BackupAddress } from './backup-address.js';
import { PROTECT_UPGRADE, PROTECT_URLS } from './backup-door.js';
import { KEEP_ALIVE_MS, KIND_BYTES } from './backup-listener.js';
import type { PathKind } from './backup-listener.js';
import { PSK_IDENTITY, PSK_TLS, readKeyFile } from './pre-shared-key.js';

/** The backup cannot be reached: one line. */
export class BackupUnreachable extends Error {
  override readonly name = 'BackupUnreachable';
}

export interface DialOptions {
  /** The socket of this daemon, which `local` leads to. */
  readonly ownSocket: string;
  /** For addresses of TCP; null: there is none. */
  readonly keyFile: string | null;
  readonly timeoutMs: number;
}

type Dialled = (found: Duplex | BackupUnreachable) => void;

/** @throws BackupUnreachable, KeyFileError */
export async function dial(address: BackupAddress, kind: PathKind, options: DialOptions): Promise<Duplex> {
  const where = formatBackupAddress(address);
  const { keyFile, ownSocket, timeoutMs } = options;
  if (address.kind !== 'tcp') return within(timeoutMs, where, (done) => upgrade(address.kind === 'local' ? ownSocket : address.path, where, kind, done));
  if (keyFile === null) throw new BackupUnreachable(`a backup at ${where} needs the key that the daemon there has (--backup-key FILE)`);
  const psk = readKeyFile(keyFile);
  return within(timeoutMs, where, (done) => secure(address, where, psk, kind, done));
}

/** Begins, and waits for the outcome or the time. `begin` answers how to leave off. */
function within(timeoutMs: number, where: string, begin: (done: Dialled) => () => void): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const done: Dialled = (found) => {
      clearTimeout(timer);
      if (found instanceof BackupUnreachable) reject(found);
      else resolve(found);
    };
    const leaveOff = begin(done);
    const timer = setTimeout(() => {
      done(new BackupUnreachable(`${where} does not answer within ${timeoutMs} ms: the daemon there hangs, what listens is no Netloom daemon, or the way to it is cut`));
      leaveOff();
    }, timeoutMs);
  });
}

/** Over a Unix socket. */
function upgrade(socketPath: string, where: string, kind: PathKind, done: Dialled): () => void {
  const call = request({ socketPath, method: 'POST', path: PROTECT_URLS[kind], headers: { connection: 'Upgrade', upgrade: PROTECT_UPGRADE }, agent: false });
  const failed = (why: string): void => done(new BackupUnreachable(why));
  call.on('upgrade', (_response, socket, head) => {
    if (head.length > 0) socket.unshift(head);
    done(socket);
  });
  call.on('response', (response) => {
    response.resume();
    failed(`the daemon at ${where} takes no machines (it answers ${response.statusCode}): both sides must run the same version of netloom`);
  });
  call.on('error', (error: NodeJS.ErrnoException) => failed(unixFailure(where, socketPath, error)));
  call.end();
  return () => call.destroy();
}

function unixFailure(where: string, socketPath: string, { code = 'EIO' }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return `no daemon listens at ${where} (${errnoText(code)}): start it with "netloom daemon --socket ${socketPath}", or forward its socket there`;
    case 'EACCES':
    case 'EPERM':
      return `the socket at ${where} is not for this user (${errnoText(code)}): run both daemons as one user`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `the connection to ${where} was closed before an answer: the daemon there is ending, or a forwarded socket leads nowhere`;
    default:
      return code.startsWith('HPE_') ? `what listens at ${where} is no Netloom daemon: its answer is not HTTP` : `cannot reach the daemon at ${where}: ${errnoText(code)}`;
  }
}

/** Over TCP. */
function secure({ host, port }: { readonly host: string; readonly port: number }, where: string, psk: Buffer, kind: PathKind, done: Dialled): () => void {
  // The key is all of the other side's identity: there is no certificate whose names could be looked at.
  const socket = connect({ host, port, ...PSK_TLS, checkServerIdentity: () => undefined, pskCallback: () => ({ psk, identity: PSK_IDENTITY }) });
  const failed = (error: NodeJS.ErrnoException): void => done(new BackupUnreachable(tcpFailure(where, error)));
  socket.once('error', failed);
  socket.once('secureConnect', () => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.write(Uint8Array.of(KIND_BYTES[kind]));
    done(socket);
  });
  return () => {
    socket.on('error', () => undefined);
    socket.destroy();
  };
}

function tcpFailure(where: string, { code = 'EIO', message }: NodeJS.ErrnoException): string {
  if (/ALERT_(BAD_RECORD_MAC|DECRYPT_ERROR|UNKNOWN_PSK_IDENTITY|DECRYPTION_FAILED)|DECRYPTION_FAILED/.test(code)) return `the daemon at ${where} has another key: the files of --backup-key must be the same on both hosts`;
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO') return `what listens at ${where} is no Netloom daemon that waits for backups (${message.split('\n')[0]?.split(':').at(5) ?? code})`;
  switch (code) {
    case 'ECONNREFUSED':
      return `nobody listens at ${where}: start the daemon there with --backup-listen ${where} --backup-key FILE`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ETIMEDOUT':
      return `there is no way to ${where} (${errnoText(code)}): see the routes and the packet filters of both hosts`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host of ${where} is not known by name (${code}): write its address, or see the resolver`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `what listens at ${where} closes the connection before it has shown that it has the key: it is no Netloom daemon, or has too many connections`;
    default:
      return `cannot reach ${where}: ${errnoText(code)}`;
  }
}
