/**
 * socket-type.ts — protocol families and socket types, FreeBSD's values.
 * Read first: socket(2).
 */

export const PF_INET = 2;
export const PF_INET6 = 28;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
