/**
 * kernel-identity.ts — what the tools say the kernel is: `kern.ostype`, `kern.osrelease`, `kern.osreldate`.
 *
 * The dialect is FreeBSD 14's, the kernel is not: the type is our own name, the release is the version of the package. The date number
 * is the FreeBSD release whose behaviour the tools follow, for scripts that compare it.
 */
export const OSTYPE = 'Netloom';
export const OSRELEASE = '0.1.0';
export const OSRELDATE = 1_400_000;
