/**
 * socket-holder.ts — which process has a socket open: what a kernel's table of open files says.
 * Read first: sockstat(1).
 *
 * Whoever opens a socket for a process says so in `so.holder`, and who accepts a connection does. Nothing in the stack looks at it. A socket without one
 * is nobody's, as a kernel's own sockets are.
 */
/** A prison, as far as it matters who is inside whom. */
export interface HolderPrison {
  readonly parent: HolderPrison | null;
}

export interface SocketHolder {
  readonly pid: number;
  /** Name of the program. */
  readonly command: string;
  readonly prison: HolderPrison;
  /** Descriptor. */
  readonly fd: number;
}
