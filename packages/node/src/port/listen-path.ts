/**
 * listen-path.ts — a Unix socket's path, made free for us to listen at.
 * Read first: unix(7), "Pathname sockets".
 *
 * A program that was killed leaves its socket's file behind. The path is tried: a refused connection means that nobody listens, and the file is taken away.
 * What is not a socket is never touched.
 */
import { lstatSync, rmSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { probe } from '../daemon/socket-claim.js';

/** sun_path without its NUL. */
const PATH_MAX = process.platform === 'linux' ? 107 : 103;

/** What is wrong with a socket's path as such, or null. */
export function pathProblem(path: string): string | null {
  if (!isAbsolute(path)) return `"${path}" is not an absolute path, and the daemon is not in your folder`;
  if (Buffer.byteLength(path) > PATH_MAX) return `the socket's path "${path}" is longer than ${PATH_MAX} bytes, which the system does not allow; choose a shorter one`;
  return null;
}

/**
 * @param remedy what to do when somebody listens there already.
 * @throws Error, with one line that names the path and the remedy, when it cannot be listened at.
 */
export async function freeListenPath(path: string, remedy = 'leave ",server" out to connect to it'): Promise<void> {
  if (lstatSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true) throw new Error(`there is no folder "${dirname(path)}" for the socket "${path}"; make it, or choose another`);
  const present = lstatSync(path, { throwIfNoEntry: false });
  if (present === undefined) return;
  if (!present.isSocket()) throw new Error(`"${path}" exists and is not a socket; choose another path, or move it away`);
  const answer = await probe(path);
  if (answer === 'alive') throw new Error(`somebody is listening at "${path}" already; ${remedy}, or choose another path`);
  if (answer !== 'ECONNREFUSED' && answer !== 'ENOENT') throw new Error(`cannot tell whether somebody is listening at "${path}" (${answer}); choose another path`);
  rmSync(path, { force: true });
}
