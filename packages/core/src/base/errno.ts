/**
 * errno.ts — the closed set of results a call can have, with FreeBSD's numbers and texts.
 * Read first: intro(2), sys/errno.h.
 *
 * Calls return an `Errno` (0 is success); nothing in core throws for a caller's mistake. `promises/` and the tools turn
 * the number into words through `strerror` and into Node's `code` through `errnoName`.
 * Not here: reasons for dropping a packet. Those are counters of the layer that drops.
 */

/** 0, or one of the constants below. */
export type Errno = number;

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const EBADF = 9;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const EFBIG = 27;
export const ENOSPC = 28;
export const EPIPE = 32;
export const ERANGE = 34;
export const EAGAIN = 35;
export const EINPROGRESS = 36;
export const EALREADY = 37;
export const ENOTSOCK = 38;
export const EDESTADDRREQ = 39;
export const EMSGSIZE = 40;
export const EPROTOTYPE = 41;
export const ENOPROTOOPT = 42;
export const EPROTONOSUPPORT = 43;
export const ESOCKTNOSUPPORT = 44;
export const EOPNOTSUPP = 45;
export const EPFNOSUPPORT = 46;
export const EAFNOSUPPORT = 47;
export const EADDRINUSE = 48;
export const EADDRNOTAVAIL = 49;
export const ENETDOWN = 50;
export const ENETUNREACH = 51;
export const ENETRESET = 52;
export const ECONNABORTED = 53;
export const ECONNRESET = 54;
export const ENOBUFS = 55;
export const EISCONN = 56;
export const ENOTCONN = 57;
export const ESHUTDOWN = 58;
export const ETIMEDOUT = 60;
export const ECONNREFUSED = 61;
export const ELOOP = 62;
export const ENAMETOOLONG = 63;
export const EHOSTDOWN = 64;
export const EHOSTUNREACH = 65;
export const ENOTEMPTY = 66;
export const ENOSYS = 78;
export const EOVERFLOW = 84;
export const ECANCELED = 85;
export const ENOMSG = 83;
export const ENOTSUP = EOPNOTSUPP;

/** [number, name, text] in FreeBSD's words; the tools print the text, Node programs test the name. */
const ERRNO_TABLE: readonly (readonly [number, string, string])[] = [
  [EPERM, 'EPERM', 'Operation not permitted'],
  [ENOENT, 'ENOENT', 'No such file or directory'],
  [ESRCH, 'ESRCH', 'No such process'],
  [EINTR, 'EINTR', 'Interrupted system call'],
  [EIO, 'EIO', 'Input/output error'],
  [ENXIO, 'ENXIO', 'Device not configured'],
  [E2BIG, 'E2BIG', 'Argument list too long'],
  [EBADF, 'EBADF', 'Bad file descriptor'],
  [ENOMEM, 'ENOMEM', 'Cannot allocate memory'],
  [EACCES, 'EACCES', 'Permission denied'],
  [EFAULT, 'EFAULT', 'Bad address'],
  [EBUSY, 'EBUSY', 'Device busy'],
  [EEXIST, 'EEXIST', 'File exists'],
  [ENODEV, 'ENODEV', 'Operation not supported by device'],
  [EINVAL, 'EINVAL', 'Invalid argument'],
  [ENFILE, 'ENFILE', 'Too many open files in system'],
  [EMFILE, 'EMFILE', 'Too many open files'],
  [ENOTTY, 'ENOTTY', 'Inappropriate ioctl for device'],
  [EFBIG, 'EFBIG', 'File too large'],
  [ENOSPC, 'ENOSPC', 'No space left on device'],
  [EPIPE, 'EPIPE', 'Broken pipe'],
  [ERANGE, 'ERANGE', 'Result too large'],
  [EAGAIN, 'EAGAIN', 'Resource temporarily unavailable'],
  [EINPROGRESS, 'EINPROGRESS', 'Operation now in progress'],
  [EALREADY, 'EALREADY', 'Operation already in progress'],
  [ENOTSOCK, 'ENOTSOCK', 'Socket operation on non-socket'],
  [EDESTADDRREQ, 'EDESTADDRREQ', 'Destination address required'],
  [EMSGSIZE, 'EMSGSIZE', 'Message too long'],
  [EPROTOTYPE, 'EPROTOTYPE', 'Protocol wrong type for socket'],
  [ENOPROTOOPT, 'ENOPROTOOPT', 'Protocol not available'],
  [EPROTONOSUPPORT, 'EPROTONOSUPPORT', 'Protocol not supported'],
  [ESOCKTNOSUPPORT, 'ESOCKTNOSUPPORT', 'Socket type not supported'],
  [EOPNOTSUPP, 'EOPNOTSUPP', 'Operation not supported'],
  [EPFNOSUPPORT, 'EPFNOSUPPORT', 'Protocol family not supported'],
  [EAFNOSUPPORT, 'EAFNOSUPPORT', 'Address family not supported by protocol family'],
  [EADDRINUSE, 'EADDRINUSE', 'Address already in use'],
  [EADDRNOTAVAIL, 'EADDRNOTAVAIL', "Can't assign requested address"],
  [ENETDOWN, 'ENETDOWN', 'Network is down'],
  [ENETUNREACH, 'ENETUNREACH', 'Network is unreachable'],
  [ENETRESET, 'ENETRESET', 'Network dropped connection on reset'],
  [ECONNABORTED, 'ECONNABORTED', 'Software caused connection abort'],
  [ECONNRESET, 'ECONNRESET', 'Connection reset by peer'],
  [ENOBUFS, 'ENOBUFS', 'No buffer space available'],
  [EISCONN, 'EISCONN', 'Socket is already connected'],
  [ENOTCONN, 'ENOTCONN', 'Socket is not connected'],
  [ESHUTDOWN, 'ESHUTDOWN', "Can't send after socket shutdown"],
  [ETIMEDOUT, 'ETIMEDOUT', 'Operation timed out'],
  [ECONNREFUSED, 'ECONNREFUSED', 'Connection refused'],
  [ELOOP, 'ELOOP', 'Too many levels of symbolic links'],
  [ENAMETOOLONG, 'ENAMETOOLONG', 'File name too long'],
  [EHOSTDOWN, 'EHOSTDOWN', 'Host is down'],
  [EHOSTUNREACH, 'EHOSTUNREACH', 'No route to host'],
  [ENOTEMPTY, 'ENOTEMPTY', 'Directory not empty'],
  [ENOSYS, 'ENOSYS', 'Function not implemented'],
  [EOVERFLOW, 'EOVERFLOW', 'Value too large to be stored in data type'],
  [ECANCELED, 'ECANCELED', 'Operation canceled'],
  [ENOMSG, 'ENOMSG', 'No message of desired type'],
];

/** The text strerror(3) gives on FreeBSD; `Unknown error: N` for a number outside the set. */
export function strerror(error: Errno): string {
  if (error === 0) return 'No error: 0';
  for (const row of ERRNO_TABLE) if (row[0] === error) return row[2];
  return `Unknown error: ${error}`;
}

/** The symbolic name (`'ENXIO'`), as Node's `error.code` spells it; `E<n>` for a number outside the set. */
export function errnoName(error: Errno): string {
  for (const row of ERRNO_TABLE) if (row[0] === error) return row[1];
  return `E${error}`;
}
