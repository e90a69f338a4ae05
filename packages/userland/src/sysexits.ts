/**
 * sysexits.ts — exit codes of the tools that use sysexits(3).
 */

/** The words it was called with make no sense. */
export const EX_USAGE = 64;
/** What it was told is not right. */
export const EX_DATAERR = 65;
/** A file it was to read is not there. */
export const EX_NOINPUT = 66;
/** Nobody knows a host of that name. */
export const EX_NOHOST = 68;
/** What is needed is not there. */
export const EX_UNAVAILABLE = 69;
/** Something else failed, as the operating system says it. */
export const EX_OSERR = 71;
