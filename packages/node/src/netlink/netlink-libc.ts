/**
 * netlink-libc.ts — the C library calls of a netlink socket beside those of tap/libc.ts, and the numbers of <linux/netlink.h>.
 * Read first: tap/libc.ts; netlink(7), flock(2).
 */
import { loadC64 } from '../native/koffi.js';
import { loadLibc } from '../tap/libc.js';
import type { Libc } from '../tap/libc.js';

export interface NetlinkLibc extends Libc {
  setsockopt(fd: number, level: number, name: number, value: Uint8Array | Uint32Array | BigInt64Array, length: number): number;
  /** Bytes of the datagram, with MSG_TRUNC also of what did not fit, or -1. */
  recv(fd: number, buffer: Uint8Array, length: number, flags: number): number;
  flock(fd: number, operation: number): number;
}

export const AF_NETLINK = 16;
export const SOCK_RAW = 3;
export const NETLINK_ROUTE = 0;
export const SOL_SOCKET = 1;
export const SO_RCVBUF = 8;
export const SO_RCVTIMEO = 20;
export const SOL_NETLINK = 270;
export const NETLINK_CAP_ACK = 10;
export const NETLINK_EXT_ACK = 11;
export const MSG_TRUNC = 0x20;
/** struct sockaddr_nl: the family, padding, the port, groups. */
export const SOCKADDR_NL_SIZE = 12;

let loaded: NetlinkLibc | null = null;

/**
 * The C library of this process; the same object every time in one thread.
 * @throws Error when this is not Linux on a little-endian machine, or koffi cannot be loaded.
 */
export function loadNetlinkLibc(): NetlinkLibc {
  loaded ??= bindNetlinkLibc();
  return loaded;
}

function bindNetlinkLibc(): NetlinkLibc {
  const what = 'netlink sockets';
  const libc = loadLibc(what);
  const { bind } = loadC64(what);
  return {
    ...libc,
    setsockopt: bind('setsockopt', 'int', ['int', 'int', 'int', 'void *', 'uint32_t']),
    recv: bind('recv', 'long', ['int', 'void *', 'size_t', 'int']),
    flock: bind('flock', 'int', ['int', 'int']),
  };
}
