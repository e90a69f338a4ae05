/**
 * host-errno.ts — an error of one of the host's sockets, as the stack's number.
 */
import * as core from '@netloom/core';
import { EHOSTUNREACH } from '@netloom/core';
import type { Errno } from '@netloom/core';

/** What the host's names mean to a guest. That the host has no descriptor or no memory left is no refusal of the other side. */
const BY_CODE: Readonly<Record<string, Errno>> = {
  ECONNREFUSED: core.ECONNREFUSED,
  ECONNRESET: core.ECONNRESET,
  EPIPE: core.ECONNRESET,
  ECONNABORTED: core.ECONNRESET,
  ENETUNREACH: core.ENETUNREACH,
  ENETDOWN: core.ENETUNREACH,
  EHOSTUNREACH: core.EHOSTUNREACH,
  EHOSTDOWN: core.EHOSTUNREACH,
  ETIMEDOUT: core.ETIMEDOUT,
  EACCES: core.EACCES,
  EPERM: core.EACCES,
  EADDRNOTAVAIL: core.ENETUNREACH,
  EAFNOSUPPORT: core.ENETUNREACH,
};

/** Is the error about the way to the other side, and not about a datagram or this process? */
export const isOfTheWay = (error: NodeJS.ErrnoException): boolean => (error.code ?? '') in BY_CODE;

export function hostErrno(error: NodeJS.ErrnoException): Errno {
  return BY_CODE[error.code ?? ''] ?? EHOSTUNREACH;
}
