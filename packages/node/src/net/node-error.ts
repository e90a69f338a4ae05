/**
 * node-error.ts — errors as Node's net, dgram and dns make them: `code`, `errno`, `syscall`, `address`, `port`.
 *
 * Programs compare `code`, some `errno`, which is the host's number negated: so it is translated from FreeBSD's, which the stack answers with.
 * Errors of Node's own argument checks have Node's codes (ERR_INVALID_ARG_TYPE …).
 */
import { constants } from 'node:os';
import { errnoName } from '@netloom/core';

/** libuv's numbers of getaddrinfo's errors. */
const UV_EAI_NONAME = -3008;
const UV_EAI_AGAIN = -3001;

/** What Node's errors of system calls have. */
export interface NodeNetError extends Error {
  code: string;
  errno: number;
  syscall: string;
  address?: string;
  port?: number;
  localAddress?: string;
  localPort?: number;
}

/** What the call was about. */
export interface ErrorEnds {
  readonly address?: string | undefined;
  readonly port?: number | undefined;
}

/** `connect ECONNREFUSED 192.0.2.1:80`. */
export function sysError(errno: number, syscall: string, ends: ErrorEnds = {}): NodeNetError {
  const code = errnoName(errno);
  const { address, port } = ends;
  const where = address === undefined ? '' : port !== undefined && port > 0 ? ` ${address}:${port}` : ` ${address}`;
  const numbers: Readonly<Record<string, number | undefined>> = constants.errno;
  return Object.assign(new Error(`${syscall} ${code}${where}`), {
    code, errno: -(numbers[code] ?? errno), syscall, ...(address === undefined ? {} : { address }), ...(port === undefined ? {} : { port }),
  });
}

/** An error of an argument or a state, with Node's code. */
export function nodeError(code: string, message: string, Type: ErrorConstructor | TypeErrorConstructor | RangeErrorConstructor = Error): NodeNetError {
  return Object.assign(new Type(message), { code }) as NodeNetError;
}

/** There is no such name. @param unserved the vnet has no name servers that could know it */
export function notFound(hostname: string, unserved: boolean): NodeNetError {
  return nameError('ENOTFOUND', UV_EAI_NONAME, hostname, unserved ? ' (the vnet has no name servers: see resolvconf(8), or give a `lookup`)' : '');
}

/** No name server could say. */
export const tryAgain = (hostname: string): NodeNetError => nameError('EAI_AGAIN', UV_EAI_AGAIN, hostname, '');

function nameError(code: string, errno: number, hostname: string, why: string): NodeNetError {
  return Object.assign(new Error(`getaddrinfo ${code} ${hostname}${why}`), { code, errno, syscall: 'getaddrinfo', hostname });
}

/** A port as Node takes one: a number or its digits. */
export function portOf(value: unknown, name: string, allowZero = true): number {
  const port = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof port === 'number' && Number.isInteger(port) && port >= (allowZero ? 0 : 1) && port < 65_536) return port;
  throw nodeError('ERR_SOCKET_BAD_PORT', `${name} should be >= ${allowZero ? 0 : 1} and < 65536. Received ${String(value)}.`, RangeError);
}
