/**
 * netbuf-error.ts — why a network buffer cannot be had, controlled or removed, apart from what the kernel itself refuses (netlink/netlink-error.ts).
 */

/** The message names the interface, and the remedy where there is one. */
export class NetbufError extends Error {
  override readonly name = 'NetbufError';
}
