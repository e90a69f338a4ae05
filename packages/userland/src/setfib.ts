/**
 * setfib.ts — setfib(1): run a command with another routing table as its default.
 * Read first: setfib(1).
 *
 *     setfib [-[F]]value command
 */
import { HostError } from './proc.js';
import type { Proc } from './proc.js';
import { errx, toolMain, usage, warnx } from './err.js';
import { getopt } from './getopt.js';

const USAGE = 'usage: setfib [-[F]]value command\n';
/** env(1) and the shells: not found, found and not executable. */
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_EXECUTABLE = 126;

async function runSetfib(p: Proc): Promise<number> {
  const [first = '', ...others] = p.argv.slice(1);
  const number = /^-?([0-9].*)$/.exec(first)?.[1];
  const { options, rest, error } = getopt('F:', number === undefined ? p.argv.slice(1) : [`-F${number}`, ...others]);
  if (error !== null) warnx(p, error);
  if (error !== null || rest.length === 0) usage(p, 1, USAGE);
  const { fibs } = p.vnet.routes;
  let fib = 0;
  for (const [, value] of options) {
    fib = /^\s*\+?[0-9]+$/.test(value) ? Number(value) : -1;
    if (fib < 0 || fib >= fibs) errx(p, 1, `${value}: invalid FIB (max ${fibs - 1})`);
  }
  try {
    return await p.run(rest, { fib });
  } catch (failure) {
    if (!(failure instanceof HostError)) throw failure;
    return errx(p, failure.code === 'ENOENT' ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, `${rest[0]}: ${failure.message}`);
  }
}

export const setfib = toolMain(runSetfib);
