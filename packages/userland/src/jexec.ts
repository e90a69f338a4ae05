/**
 * jexec.ts — jexec(8): run a command in a jail.
 * Read first: jexec(8).
 *
 *     jexec [-l] [-u user | -U user] jail [command …]
 *
 * One of our tools runs in the jail's vnet; anything else is a program of the host, which the tools it starts find in the jail again by
 * NETLOOM_JAIL. Without a command that is the user's shell.
 * Programs keep the user that called: `-u` and `-U` accept that user and root, and refuse others. `-l` has no effect on the environment of host
 * programs.
 */
import { attachJail } from './jail/jail-id.js';
import { HostError } from './proc.js';
import type { Proc } from './proc.js';
import { errx, toolMain, usage, warnx } from './err.js';
import { getopt } from './getopt.js';

const USAGE = 'usage: jexec [-l] [-u username | -U username] jail [command ...]\n';
const SHELL = '/bin/sh';

async function runJexec(p: Proc): Promise<number> {
  const { options, rest, error } = getopt('lnu:U:', p.argv.slice(1));
  if (error !== null) warnx(p, error);
  const given = new Map(options);
  if (error !== null || rest.length === 0 || (given.has('u') && given.has('U'))) usage(p, 1, USAGE);
  const user = given.get('u') ?? given.get('U') ?? 'root';
  const [jail = '', ...command] = rest;
  if (user !== 'root' && user !== p.env['USER']) errx(p, 1, `${user}: no such user`);
  const prison = attachJail(p, jail);
  const shell = p.env['SHELL'] ?? SHELL;
  const argv = command.length > 0 ? command : [shell, '-i'];
  try {
    return await p.run(argv, { prison });
  } catch (failure) {
    if (!(failure instanceof HostError)) throw failure;
    return errx(p, 1, `${command.length > 0 ? 'execvp' : 'execlp'}: ${argv[0]}: ${failure.message}`);
  }
}

export const jexec = toolMain(runJexec);
