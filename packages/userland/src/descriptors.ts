/**
 * descriptors.ts — numbers a tool's sockets, and puts its name on them.
 * Read first: socket(2), accept(2), sockstat(1); packages/core/src/socket/socket-holder.ts.
 *
 * A socket gets the lowest number that no open socket of the process has, from 3 on: behind standard input, output and error.
 * Not here: descriptors of anything else.
 */
import type { SocketHolder } from '@netloom/core';
import { progname } from './err.js';
import type { Proc } from './proc.js';

const FD_FIRST = 3;

/** `so` is a socket of `p` from now on. */
export function openedBy<S extends { holder: SocketHolder | null }>(p: Proc, so: S): S {
  const taken = (p.vnet.sockets?.list() ?? []).map((other) => (other.holder?.pid === p.pid ? other.holder.fd : 0));
  let fd = FD_FIRST;
  while (taken.includes(fd)) fd++;
  so.holder = { pid: p.pid, command: progname(p), prison: p.prison, fd };
  return so;
}
