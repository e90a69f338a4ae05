/**
 * symbols.ts — the names that scripts use for numbers, with FreeBSD's values, and the errors by name.
 * Read first: sys/socket.h, sys/poll.h, netinet/tcp_fsm.h.
 *
 * Options of sockets are not here: they are names for our sockets as well.
 */
import { errnoName } from '../../base/errno.js';
import type { Errno } from '../../base/errno.js';

export const MSG_OOB = 0x1;
export const MSG_PEEK = 0x2;
export const MSG_WAITALL = 0x40;
export const MSG_DONTWAIT = 0x80;
export const MSG_NOSIGNAL = 0x20000;

export const SOCK_NONBLOCK = 0x20000000;
export const SOCK_CLOEXEC = 0x10000000;
export const O_NONBLOCK = 0x4;
export const O_RDWR = 0x2;

export const F_GETFL = 3;
export const F_SETFL = 4;

export const POLLIN = 0x1;
export const POLLPRI = 0x2;
export const POLLOUT = 0x4;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;
export const POLLRDNORM = 0x40;
export const POLLRDHUP = 0x4000;

const SYMBOLS: ReadonlyMap<string, number> = new Map<string, number>([
  ['AF_UNSPEC', 0],
  ['AF_INET', 2],
  ['AF_INET6', 28],
  ['PF_INET', 2],
  ['PF_INET6', 28],
  ['SOCK_STREAM', 1],
  ['SOCK_DGRAM', 2],
  ['SOCK_NONBLOCK', SOCK_NONBLOCK],
  ['SOCK_CLOEXEC', SOCK_CLOEXEC],
  ['IPPROTO_IP', 0],
  ['IPPROTO_TCP', 6],
  ['IPPROTO_UDP', 17],
  ['IPPROTO_IPV6', 41],
  ['MSG_OOB', MSG_OOB],
  ['MSG_PEEK', MSG_PEEK],
  ['MSG_WAITALL', MSG_WAITALL],
  ['MSG_DONTWAIT', MSG_DONTWAIT],
  ['MSG_NOSIGNAL', MSG_NOSIGNAL],
  ['SHUT_RD', 0],
  ['SHUT_WR', 1],
  ['SHUT_RDWR', 2],
  ['O_RDWR', O_RDWR],
  ['O_NONBLOCK', O_NONBLOCK],
  ['F_GETFL', F_GETFL],
  ['F_SETFL', F_SETFL],
  ['POLLIN', POLLIN],
  ['POLLPRI', POLLPRI],
  ['POLLOUT', POLLOUT],
  ['POLLWRNORM', POLLOUT],
  ['POLLERR', POLLERR],
  ['POLLHUP', POLLHUP],
  ['POLLNVAL', POLLNVAL],
  ['POLLRDNORM', POLLRDNORM],
  ['POLLRDHUP', POLLRDHUP],
  ['IPTOS_LOWDELAY', 0x10],
  ['IPTOS_THROUGHPUT', 0x08],
  ['IPTOS_RELIABILITY', 0x04],
  ['IPTOS_DSCP_CS1', 0x20],
]);

/** States of a connection, under FreeBSD's names and under those that other systems' scripts use. */
const STATES: ReadonlyMap<string, number> = new Map([
  ['CLOSE', 0],
  ['CLOSED', 0],
  ['LISTEN', 1],
  ['SYN_SENT', 2],
  ['SYN_RECV', 3],
  ['SYN_RECEIVED', 3],
  ['ESTABLISHED', 4],
  ['CLOSE_WAIT', 5],
  ['FIN_WAIT1', 6],
  ['FIN_WAIT_1', 6],
  ['CLOSING', 7],
  ['LAST_ACK', 8],
  ['FIN_WAIT2', 9],
  ['FIN_WAIT_2', 9],
  ['TIME_WAIT', 10],
]);

/** Bits of tcpi_options. */
const TCP_INFO_OPTIONS: ReadonlyMap<string, number> = new Map([
  ['TCPI_OPT_TIMESTAMPS', 0x01],
  ['TCPI_OPT_SACK', 0x02],
  ['TCPI_OPT_WSCALE', 0x04],
  ['TCPI_OPT_ECN', 0x08],
  ['TCPI_OPT_TOE', 0x10],
  ['TCPI_OPT_TFO', 0x20],
]);

const ERRNO_ALIASES: ReadonlyMap<string, string> = new Map([
  ['EWOULDBLOCK', 'EAGAIN'],
  ['ENOTSUP', 'EOPNOTSUPP'],
]);

/** Largest number the table of errors has. */
const ERRNO_MAX = 97;

/** The number of a name in an argument; null when there is none. */
export function symbolValue(name: string): number | null {
  return SYMBOLS.get(name) ?? errnoValue(name);
}

/** The number of a name in a check of TCP_INFO. */
export function infoSymbol(name: string): number | null {
  const state = /^TCP[SI]?_(.+)$/.exec(name);
  return (state === null ? undefined : STATES.get(state[1]!)) ?? TCP_INFO_OPTIONS.get(name) ?? null;
}

/** ECONNRESET, to its number. */
export function errnoValue(name: string): Errno | null {
  const wanted = ERRNO_ALIASES.get(name) ?? name;
  for (let error = 1; error <= ERRNO_MAX; error++) if (errnoName(error) === wanted) return error;
  return null;
}
