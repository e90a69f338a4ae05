/**
 * unix-dgram-socket.ts — a datagram socket with a path, which Node has none of: bound, read and written through the C library.
 * Read first: unix(7); tap/libc.ts.
 *
 * Theory of operation. The descriptor does not block. Node's event loop watches it; whoever is called reads until there is nothing more. Datagrams are sent to a
 * path, which is looked up each time, so that a peer that was killed and started again is found.
 *
 * Invariant: the path is ours from `open` to `close`; its file goes with it.
 */
import { lstatSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { withPrivateUmask } from '../daemon/socket-claim.js';
import { AF_UNIX, EAGAIN, EADDRINUSE, ECONNREFUSED, ENOBUFS, ENOENT, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, loadLibc } from '../tap/libc.js';
import type { Libc } from '../tap/libc.js';
import { STREAM_FRAME_MAX } from './frame-reader.js';
import { pathProblem } from './listen-path.js';

/** struct sockaddr_un. */
export const SOCKADDR_UN_SIZE = 110;
const SUN_PATH = 2;

/** What became of a datagram. */
export type Sent = 'sent' | 'full' | 'nobody' | 'refused';

export function sockaddrUn(path: string): Uint8Array {
  const name = new Uint8Array(SOCKADDR_UN_SIZE);
  new Uint16Array(name.buffer, 0, 1)[0] = AF_UNIX;
  name.set(Buffer.from(path), SUN_PATH);
  return name;
}

export class UnixDgramSocket {
  readonly path: string;
  /** Where `receive` puts a datagram. */
  readonly bytes = new Uint8Array(STREAM_FRAME_MAX);
  private readonly libc: Libc;
  private readonly fd: number;
  private readonly bytesAddress: number;
  private unwatch: (() => void) | null = null;
  private closed = false;

  private constructor(path: string, libc: Libc, fd: number) {
    this.path = path;
    this.libc = libc;
    this.fd = fd;
    this.bytesAddress = libc.address(this.bytes);
  }

  /** @throws Error, with one line that names the path and the remedy. */
  static async open(path: string): Promise<UnixDgramSocket> {
    const problem = pathProblem(path);
    if (problem !== null) throw new Error(problem);
    if (lstatSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true) throw new Error(`there is no folder "${dirname(path)}" for the socket "${path}"; make it, or choose another`);
    const libc = loadLibc('Datagrams on Unix sockets');
    const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw new Error(`cannot make a socket for "${path}": ${libc.strerror(libc.errno())}`);
    try {
      freePath(libc, path);
      const error = await withPrivateUmask(async () => (libc.bind(fd, sockaddrUn(path), SOCKADDR_UN_SIZE) < 0 ? libc.errno() : 0));
      if (error === EADDRINUSE) throw new Error(`"${path}" was taken a moment ago; choose another path`);
      if (error !== 0) throw new Error(`cannot make the socket "${path}": ${libc.strerror(error)}`);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
    return new UnixDgramSocket(path, libc, fd);
  }

  /** Calls `readable` from the event loop while there is something to read. */
  watch(readable: () => void): void {
    this.unwatch = this.libc.watch(this.fd, readable);
  }

  /** The length of the next datagram, now in `bytes`; -1: there is none. */
  receive(): number {
    return this.closed ? -1 : this.libc.read(this.fd, this.bytesAddress, STREAM_FRAME_MAX);
  }

  send(to: Uint8Array, frame: Uint8Array, off: number, len: number): Sent {
    if (this.closed) return 'refused';
    if (this.libc.sendto(this.fd, this.libc.address(frame) + off, len, 0, to, SOCKADDR_UN_SIZE) >= 0) return 'sent';
    const errno = this.libc.errno();
    if (errno === EAGAIN || errno === ENOBUFS) return 'full';
    return errno === ENOENT || errno === ECONNREFUSED ? 'nobody' : 'refused';
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.unwatch?.();
    this.libc.close(this.fd);
    rmSync(this.path, { force: true });
  }
}

/** Takes away the file of a socket that nobody has bound any more. @throws Error when somebody has, or it is none. */
function freePath(libc: Libc, path: string): void {
  const present = lstatSync(path, { throwIfNoEntry: false });
  if (present === undefined) return;
  if (!present.isSocket()) throw new Error(`"${path}" exists and is not a socket; choose another path, or move it away`);
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const error = fd < 0 || libc.connect(fd, sockaddrUn(path), SOCKADDR_UN_SIZE) === 0 ? 0 : libc.errno();
  if (fd >= 0) libc.close(fd);
  if (error !== ECONNREFUSED && error !== ENOENT) throw new Error(`somebody has "${path}" already; choose another path`);
  rmSync(path, { force: true });
}
