/**
 * tap-error.ts — why a TAP could not be opened or went away, in words a user can act on.
 * Read first: tun_chr_open, tun_set_iff and tun_chr_poll of Linux's drivers/net/tun.c, for which errno means what.
 */
import { getSystemErrorName } from 'node:util';
import { E2BIG, EACCES, EBADFD, EBUSY, EINVAL, ENODEV, ENOENT, ENXIO, EPERM } from './libc.js';
import type { Libc } from './libc.js';

/** `code` is the errno's name ('EPERM'), `errno` its number, `syscall` what failed, `dev` the interface. */
export class TapError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly dev: string;

  constructor(message: string, errno: number, syscall: string, dev: string) {
    super(message);
    this.name = 'TapError';
    this.code = errnoName(errno);
    this.errno = errno;
    this.syscall = syscall;
    this.dev = dev;
  }
}

function errnoName(errno: number): string {
  if (errno === EBADFD) return 'EBADFD';
  return errno > 0 ? getSystemErrorName(-errno) : 'UNKNOWN';
}

/** The two commands that make a TAP for an unprivileged user, and the third that some systems need. */
export function permissionAdvice(dev: string): string {
  return (
    'Create it once for your user, then no root is needed:\n' +
    `  sudo ip tuntap add dev ${dev} mode tap user $USER\n` +
    `  sudo ip link set ${dev} up\n` +
    'You must also be able to read and write /dev/net/tun (sudo chmod 0666 /dev/net/tun where it is closed).'
  );
}

/** An interface that several queues are asked of has one. */
export function singleQueueError(dev: string): TapError {
  const why = `cannot open TAP '${dev}' with several queues: an interface of that name exists and was made without them, or is no TAP (EINVAL). Make it again:`;
  return new TapError(`${why}\n  sudo ip tuntap del dev ${dev} mode tap\n  sudo ip tuntap add dev ${dev} mode tap multi_queue user $USER`, EINVAL, 'TUNSETIFF', dev);
}

/** A device that was open is gone, as `errno` says. */
export function goneError(libc: Libc, errno: number, dev: string): TapError {
  return new TapError(`device '${dev}' went away: ${libc.strerror(errno)} (${errnoName(errno)})`, errno, 'poll', dev);
}

/** What `openTap` throws when `syscall` failed with `errno` for the interface `dev`. */
export function openError(libc: Libc, errno: number, syscall: string, dev: string): TapError {
  const what = `cannot open TAP '${dev}'`;
  const named = dev.includes('%d') ? dev.replace('%d', '0') : dev;
  if (errno === EPERM || errno === EACCES) {
    const why = syscall === 'open' ? 'you may not open /dev/net/tun' : 'it is not yours, or does not exist and you may not create it';
    return new TapError(`${what}: ${why} (${errnoName(errno)}). ${permissionAdvice(named)}`, errno, syscall, dev);
  }
  if (errno === EBUSY) return new TapError(`${what}: another program is attached to it (EBUSY)`, errno, syscall, dev);
  if (syscall === 'open' && (errno === ENOENT || errno === ENODEV || errno === ENXIO)) {
    return new TapError(`${what}: there is no /dev/net/tun (${errnoName(errno)}). Load the kernel's driver: sudo modprobe tun`, errno, syscall, dev);
  }
  if (syscall === 'TUNSETIFF' && errno === EINVAL) {
    return new TapError(`${what}: an interface of that name exists and is not a TAP, or has several queues (EINVAL)`, errno, syscall, dev);
  }
  if (syscall === 'TUNSETIFF' && errno === E2BIG) return new TapError(`${what}: all queues that it may have are taken (E2BIG)`, errno, syscall, dev);
  return new TapError(`${what}: ${syscall}: ${libc.strerror(errno)} (${errnoName(errno)})`, errno, syscall, dev);
}
