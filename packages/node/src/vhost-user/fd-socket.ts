/**
 * fd-socket.ts — FdSocket: a connected Unix stream socket that carries descriptors beside bytes, and the two ways to get one: listen and connect.
 * Read first: unix-libc.ts; unix(7) "SCM_RIGHTS".
 *
 * Invariants: nothing here waits. Descriptors that were received belong to whoever takes them from `fds`; `close` closes those that nobody took. All are
 * closed on exec.
 */
import { withPrivateUmask } from '../daemon/socket-claim.js';
import { freeListenPath } from '../port/listen-path.js';
import { SOCKADDR_UN_SIZE, sockaddrUn } from '../port/unix-dgram-socket.js';
import { AF_UNIX, EAGAIN, EINTR, SOCK_CLOEXEC, SOCK_NONBLOCK } from '../tap/libc.js';
import { MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_DONTWAIT, MSG_NOSIGNAL, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET } from './unix-libc.js';
import type { UnixLibc } from './unix-libc.js';

/** Descriptors that come with one message at most. */
const FDS_MAX = 16;
const CMSG_HEADER = 16;
/** Words of a struct msghdr, of eight bytes each. */
const MSG_IOV = 2;
const MSG_IOVLEN = 3;
const MSG_CONTROL = 4;
const MSG_CONTROLLEN = 5;
const MSG_FLAGS = 6;
const MSGHDR_WORDS = 7;

/** What `receive` answers when there are no bytes. */
export const SOCKET_EMPTY = -1;
export const SOCKET_CLOSED = 0;

export class FdSocket {
  readonly fd: number;
  /** Descriptors that have come and that nobody has taken. */
  readonly fds: number[] = [];
  private readonly libc: UnixLibc;
  private readonly iov = new BigUint64Array(2);
  private readonly control = new Uint8Array(CMSG_HEADER + 4 * FDS_MAX);
  private readonly controlView = new DataView(this.control.buffer);
  private readonly msg = new BigUint64Array(MSGHDR_WORDS);
  private readonly msgAddress: number;
  private open = true;

  constructor(libc: UnixLibc, fd: number) {
    this.libc = libc;
    this.fd = fd;
    this.msgAddress = libc.address(this.msg);
    this.msg[MSG_IOV] = BigInt(libc.address(this.iov));
    this.msg[MSG_IOVLEN] = 1n;
    this.msg[MSG_CONTROL] = BigInt(libc.address(this.control));
  }

  /** Reads up to `length` bytes to `off` of `into`: how many, SOCKET_EMPTY (none now), or SOCKET_CLOSED (none any more). */
  receive(into: Uint8Array, off: number, length: number): number {
    this.aim(into, off, length);
    this.msg[MSG_CONTROLLEN] = BigInt(this.control.length);
    const n = this.libc.recvmsg(this.fd, this.msgAddress, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0) {
      const errno = this.libc.errno();
      return errno === EAGAIN || errno === EINTR ? SOCKET_EMPTY : SOCKET_CLOSED;
    }
    this.keepFds();
    // A message whose descriptors did not all fit means something else without them.
    return (Number(this.msg[MSG_FLAGS]!) & MSG_CTRUNC) !== 0 ? SOCKET_CLOSED : n;
  }

  /** Sends all of `bytes`, and copies of `fds` with them. False: the other side does not read, or is gone. */
  send(bytes: Uint8Array, fds: readonly number[] = []): boolean {
    this.aim(bytes, 0, bytes.length);
    if (fds.length > 0) this.putFds(fds);
    this.msg[MSG_CONTROLLEN] = BigInt(fds.length === 0 ? 0 : CMSG_HEADER + 4 * fds.length + (4 * fds.length) % 8);
    return this.libc.sendmsg(this.fd, this.msgAddress, MSG_DONTWAIT | MSG_NOSIGNAL) === bytes.length;
  }

  /** Takes the oldest descriptor that has come; -1: there is none. */
  takeFd(): number {
    return this.fds.shift() ?? -1;
  }

  dropFds(): void {
    for (const fd of this.fds.splice(0)) this.libc.close(fd);
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.dropFds();
    this.libc.close(this.fd);
  }

  private aim(memory: Uint8Array, off: number, length: number): void {
    this.iov[0] = BigInt(this.libc.address(memory) + off);
    this.iov[1] = BigInt(length);
  }

  private keepFds(): void {
    const end = Math.min(Number(this.msg[MSG_CONTROLLEN]!), this.control.length);
    const v = this.controlView;
    for (let at = 0; at + CMSG_HEADER <= end;) {
      const length = Number(v.getBigUint64(at, true));
      if (length < CMSG_HEADER || at + length > end) break;
      if (v.getInt32(at + 8, true) === SOL_SOCKET && v.getInt32(at + 12, true) === SCM_RIGHTS) {
        for (let i = at + CMSG_HEADER; i + 4 <= at + length; i += 4) this.fds.push(v.getInt32(i, true));
      }
      at += Math.ceil(length / 8) * 8;
    }
  }

  private putFds(fds: readonly number[]): void {
    const v = this.controlView;
    v.setBigUint64(0, BigInt(CMSG_HEADER + 4 * fds.length), true);
    v.setInt32(8, SOL_SOCKET, true);
    v.setInt32(12, SCM_RIGHTS, true);
    fds.forEach((fd, i) => v.setInt32(CMSG_HEADER + 4 * i, fd, true));
  }
}

/** A socket at `path` that listens and does not block. `remedy` is what to do when somebody does so already. @throws Error that says what is wrong and what to do. */
export async function listenUnix(libc: UnixLibc, path: string, remedy: string): Promise<number> {
  await freeListenPath(path, remedy);
  const fd = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error(`cannot make a socket for "${path}": ${libc.strerror(libc.errno())}`);
  const error = await withPrivateUmask(async () => (libc.bind(fd, sockaddrUn(path), SOCKADDR_UN_SIZE) < 0 || libc.listen(fd, 1) < 0 ? libc.errno() : 0));
  if (error === 0) return fd;
  libc.close(fd);
  throw new Error(`cannot listen at "${path}": ${libc.strerror(error)}`);
}

/** A connection to whoever listens at `path`; a negative errno: nobody does. */
export function connectUnix(libc: UnixLibc, path: string): number {
  const fd = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -libc.errno();
  if (libc.connect(fd, sockaddrUn(path), SOCKADDR_UN_SIZE) === 0) return fd;
  const errno = libc.errno();
  libc.close(fd);
  return -errno;
}
