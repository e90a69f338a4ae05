/**
 * descriptors.ts — which process has which socket open, and under what number: what a kernel's table of open files says.
 * Read first: socket(2), accept(2), sockstat(1); proc.ts.
 *
 * Theory of operation. A tool that opens a socket tells it here (`openedBy`), and so does one that accepts a connection. The socket gets the lowest
 * number that the process does not use, from 3 on, and gives it back by being closed. All is kept with the sockets and the processes, weakly: there
 * is nothing to undo when one of them goes away.
 * Invariant: the open sockets of a process have different numbers.
 * Not here: descriptors of anything else. A socket that a program of the library made is nobody's, as a kernel's own sockets are.
 */
import type { Proc } from './proc.js';

/** What of a socket matters here. */
export interface Descriptive {
  readonly closed: boolean;
}

/** Who has a socket open. */
export interface Descriptor {
  readonly proc: Pick<Proc, 'pid' | 'argv' | 'prison'>;
  readonly fd: number;
}

/** Behind standard input, output and error. */
const FD_FIRST = 3;

const holders = new WeakMap<Descriptive, Descriptor>();
const tables = new WeakMap<object, Map<number, Descriptive>>();

/** `so` is a socket of `p` from now on. */
export function openedBy<S extends Descriptive>(p: Descriptor['proc'], so: S): S {
  let table = tables.get(p);
  if (table === undefined) tables.set(p, (table = new Map()));
  let fd = FD_FIRST;
  while (table.get(fd)?.closed === false) fd++;
  table.set(fd, so);
  holders.set(so, { proc: p, fd });
  return so;
}

/** Who has `so` open; null: no process has. */
export function holderOf(so: Descriptive): Descriptor | null {
  return (so.closed ? undefined : holders.get(so)) ?? null;
}
