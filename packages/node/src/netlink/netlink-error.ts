/**
 * netlink-error.ts — why the kernel did not do what it was asked by netlink, in words a user can act on.
 * Read first: netlink(7); Linux net/sched/sch_api.c and cls_api.c, for which errno means what.
 *
 * The message is: what was asked, of which interface; the kernel's own words, which it has since 4.12; the errno; what to load or to do.
 */
import { getSystemErrorMap } from 'node:util';
import { EACCES, ENODEV, EPERM } from '../tap/libc.js';

export const EEXIST = 17;
export const EOPNOTSUPP = 95;

/** A request in words: "cannot DOING DEVICE". */
export interface Asked {
  /** "add the qdisc plug to" */
  readonly doing: string;
  readonly device: string;
  /** What to do when the kernel answers this; null when nothing is known. */
  readonly advice?: (errno: number, said: string) => string | null;
}

/** `code` is the errno's name, `said` the kernel's own words or ''. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  readonly code: string;
  readonly errno: number;
  readonly device: string;
  readonly said: string;

  constructor(message: string, errno: number, device: string, said = '', options?: ErrorOptions) {
    super(message, options);
    this.code = errnoName(errno);
    this.errno = errno;
    this.device = device;
    this.said = said;
  }
}

function errnoName(errno: number): string {
  const name = getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
  // Linux has one number for both; its own name for it is this one.
  return name === 'ENOTSUP' ? 'EOPNOTSUPP' : name;
}

function generalAdvice(errno: number, device: string): string | null {
  if (errno === EPERM || errno === EACCES) return 'That needs CAP_NET_ADMIN: run it as root, with sudo for instance.';
  if (errno === ENODEV) return `There is no interface ${device} here any more; "ip link" lists what there is.`;
  return null;
}

export function netlinkError(asked: Asked, errno: number, said: string): NetlinkError {
  const why = said === '' ? (getSystemErrorMap().get(-errno)?.[1] ?? 'unknown error') : said.replace(/\.$/, '');
  const advice = asked.advice?.(errno, said) ?? generalAdvice(errno, asked.device);
  return new NetlinkError(`cannot ${asked.doing} ${asked.device}: ${why} (${errnoName(errno)})${advice === null ? '' : `. ${advice}`}`, errno, asked.device, said);
}

/** Did the kernel answer one of `errnos`? */
export function isErrno(error: unknown, ...errnos: readonly number[]): error is NetlinkError {
  return error instanceof NetlinkError && errnos.includes(error.errno);
}
