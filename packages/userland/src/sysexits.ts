/**
 * sysexits.ts — exit codes of the tools that use sysexits(3).
 */

/** The words it was called with make no sense. */
export const EX_USAGE = 64;
/** A file it was to read is not there. */
export const EX_NOINPUT = 66;
/** Something else failed, as the operating system says it. */
export const EX_OSERR = 71;
