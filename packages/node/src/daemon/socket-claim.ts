/**
 * socket-claim.ts — where the daemon's socket is, and whether it may be taken.
 *
 * Read first: unix(7), "Pathname sockets".
 *
 * Theory of operation. A daemon that was killed leaves its socket's file behind. Before listening, the path is tried: somebody who answers is a
 * living daemon and keeps it; a refused connection means nobody listens, and the file is taken away. What is not a socket is never
 * touched. The default folder is made for the user alone, because whoever owns the socket can have programs run by its clients.
 *
 * Invariant: the socket is created under umask 0177, so there is no moment at which others could connect.
 */
import { lstatSync, mkdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, resolve } from 'node:path';

/** sun_path without its NUL. */
const PATH_MAX = process.platform === 'linux' ? 107 : 103;
/** A daemon that does not accept within this is not answering. */
const PROBE_MS = 2_000;

/** The socket cannot be used; the message names the path and the remedy. */
export class SocketClaimError extends Error {
  override readonly name = 'SocketClaimError';
}

/** NETLOOM_SOCKET, else `${XDG_RUNTIME_DIR:-/tmp/netloom-$UID}/netloom.sock`. The launchers know the same rule. */
export function socketPath(env: Readonly<Record<string, string | undefined>>): string {
  const named = env.NETLOOM_SOCKET;
  if (named !== undefined && named !== '') return resolve(named);
  return `${defaultFolder(env)}/netloom.sock`;
}

function defaultFolder(env: Readonly<Record<string, string | undefined>>): string {
  const run = env.XDG_RUNTIME_DIR;
  return run !== undefined && run !== '' ? run : `/tmp/netloom-${uid()}`;
}

function uid(): number {
  return process.getuid?.() ?? 0;
}

/**
 * Makes sure that `path` can be listened on, removing a dead daemon's socket. `option` is what chooses another path. Throws
 * SocketClaimError.
 */
export async function claimSocket(path: string, option: '--socket' | '--devd' = '--socket'): Promise<void> {
  if (Buffer.byteLength(path) > PATH_MAX) {
    throw new SocketClaimError(`the socket's path "${path}" is longer than ${PATH_MAX} bytes, which the system does not allow; choose a shorter one with ${option}`);
  }
  prepareFolder(dirname(path), option);
  const present = lstatSync(path, { throwIfNoEntry: false });
  if (present === undefined) return;
  if (!present.isSocket()) throw new SocketClaimError(`"${path}" exists and is not a socket; choose another with ${option}, or move it away`);
  const answer = await probe(path);
  if (answer === 'alive' && option !== '--socket') throw new SocketClaimError(`somebody is listening at "${path}" already; choose another path with ${option}`);
  if (answer === 'alive') throw new SocketClaimError(`a daemon is already running at "${path}"; use it, stop it ("netloom stop"), or choose another socket with --socket`);
  if (answer !== 'ECONNREFUSED' && answer !== 'ENOENT') throw new SocketClaimError(`cannot tell whether a daemon is running at "${path}" (${answer}); choose another path with ${option}`);
  rmSync(path, { force: true });
}

/** 'alive' when somebody accepts connections there, else the errno name of the failure. */
export function probe(path: string): Promise<string> {
  return new Promise((done) => {
    const socket = connect(path);
    const finish = (answer: string): void => {
      clearTimeout(timer);
      socket.destroy();
      done(answer);
    };
    const timer = setTimeout(() => finish('ETIMEDOUT'), PROBE_MS);
    socket.once('connect', () => finish('alive'));
    socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code ?? 'EIO'));
  });
}

/** The socket's folder. The per-user one in /tmp is made here, and refused when it is somebody else's or open to others. */
function prepareFolder(folder: string, option: string): void {
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true });
  } catch (error) {
    throw new SocketClaimError(`cannot make the socket's folder "${folder}" (${(error as NodeJS.ErrnoException).code}); choose another path with ${option}`);
  }
  if (folder !== `/tmp/netloom-${uid()}`) return;
  const { uid: owner, mode } = lstatSync(folder);
  if (owner !== uid() || (mode & 0o022) !== 0) {
    throw new SocketClaimError(`"${folder}" belongs to user ${owner} with mode ${(mode & 0o777).toString(8)}: others could replace the socket; choose another with ${option}`);
  }
}

/** Runs `listen` under a umask that gives the socket mode 0600. */
export async function withPrivateUmask<T>(listen: () => Promise<T>): Promise<T> {
  const previous = process.umask(0o177);
  try {
    return await listen();
  } finally {
    process.umask(previous);
  }
}
