/**
 * socket-type.ts — protocol families and socket types, FreeBSD's values.
 * Read first: socket(2).
 */

export const PF_INET = 2;
export const PF_INET6 = 28;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;

/** Flags of send and recv. */
export const MSG_OOB = 0x1;
export const MSG_PEEK = 0x2;
export const MSG_WAITALL = 0x40;
export const MSG_DONTWAIT = 0x80;

/** `how` of shutdown. */
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;
