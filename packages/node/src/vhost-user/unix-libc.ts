/**
 * unix-libc.ts — the C library calls of a vhost-user port beside those of tap/libc.ts: sockets that carry descriptors, shared memory.
 * Read first: tap/libc.ts; unix(7), cmsg(3), recvmsg(2), mmap(2), memfd_create(2), fcntl(2) "File seals".
 *
 * Node's own sockets throw away descriptors that come with a message, so these sockets are ours from `socket` to `close`. They do not block, and Node's event
 * loop says when they are readable (`watch`): that wakes this thread in half the time of a thread that polls, takes a third of its processor time,
 * and no thread.
 */
import { bindMmap, loadC64, MAP_SHARED } from '../native/koffi.js';
import { loadLibc } from '../tap/libc.js';
import type { Libc } from '../tap/libc.js';

export interface UnixLibc extends Libc {
  listen(fd: number, backlog: number): number;
  accept(fd: number, flags: number): number;
  /** `address` points at a struct msghdr. Bytes, or -1. */
  recvmsg(fd: number, address: number, flags: number): number;
  sendmsg(fd: number, address: number, flags: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  memfd(name: string, flags: number): number;
  /** Memory of a file, shared with whoever else has it mapped: its address, or 0 on failure. */
  mapShared(fd: number, offset: number, length: number): number;
}

export const SOCK_STREAM = 1;
export const SOL_SOCKET = 1;
export const SCM_RIGHTS = 1;
export const MSG_CTRUNC = 0x8;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
export const MFD_CLOEXEC = 1;
export const MFD_ALLOW_SEALING = 2;

let loaded: UnixLibc | null = null;

/**
 * The C library of this process; the same object every time.
 * @throws Error when this is not Linux on a 64-bit little-endian machine, or koffi cannot be loaded.
 */
export function loadUnixLibc(): UnixLibc {
  loaded ??= bindUnixLibc();
  return loaded;
}

function bindUnixLibc(): UnixLibc {
  const what = 'vhost-user ports';
  const libc = loadLibc(what);
  const c = loadC64(what);
  const { bind } = c;
  const mmap = bindMmap(c);
  const accept4 = bind<(fd: number, address: number, length: number, flags: number) => number>('accept4', 'int', ['int', 'int64_t', 'int64_t', 'int']);
  return {
    ...libc,
    listen: bind('listen', 'int', ['int', 'int']),
    accept: (fd, flags) => accept4(fd, 0, 0, flags),
    recvmsg: bind('recvmsg', 'int', ['int', 'int64_t', 'int']),
    sendmsg: bind('sendmsg', 'int', ['int', 'int64_t', 'int']),
    fcntl: bind('fcntl', 'int', ['int', 'int', 'int']),
    memfd: bind('memfd_create', 'int', ['str', 'unsigned int']),
    mapShared: (fd, offset, length) => mmap(length, MAP_SHARED, fd, offset),
  };
}
