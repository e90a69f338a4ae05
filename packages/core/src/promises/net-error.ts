/**
 * net-error.ts — an Errno as an exception, with Node's `code`.
 */
import type { Errno } from '../base/errno.js';
import { errnoName, strerror } from '../base/errno.js';

/** Thrown by the promises façade. Test `error.code`, not `instanceof`. */
export class NetError extends Error {
  override readonly name = 'NetError';
  /** 'ECONNREFUSED' … as Node spells it. */
  readonly code: string;
  readonly errno: Errno;
  readonly syscall: string;

  /** `where`: the address it was about. */
  constructor(errno: Errno, syscall: string, where = '') {
    super(`${syscall} ${errnoName(errno)}: ${strerror(errno)}${where === '' ? '' : ` (${where})`}`);
    this.errno = errno;
    this.code = errnoName(errno);
    this.syscall = syscall;
  }
}
