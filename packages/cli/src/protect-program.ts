/**
 * protect-program.ts — the commands of `netloom protect` in the command tree.
 * Read first: program.ts.
 *
 * `netloom protect VM` is `netloom protect start VM`, so that a machine may be called as any of the others is.
 */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { CliIo } from './cli-io.js';
import { examples, jsonOption, positive, seconds, socketOption } from './command-options.js';
import type { SocketOf, SocketOption } from './command-options.js';
import type { FailoverOptions, ProtectStartOptions } from './protect-commands.js';
import type { ProtectWatchOptions } from './protect-watch.js';

const WHERE = 'where its checkpoints go: "local" (a process beside it), unix:PATH (the socket of another daemon here), or HOST:PORT (a daemon elsewhere)';
const FENCE = 'what says that the other side is dead: none, lock, lock:PATH, command:PROGRAM, lease:MS (default: lock for "local", else none: a person says it)';

function interval(text: string): string {
  if (text !== 'on-demand' && !/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('A number of milliseconds is needed, or "on-demand".');
  return text;
}

export function addProtectCommands(program: Command, io: CliIo, socketOf: SocketOf): void {
  const protect = program.command('protect').summary('keep machines running when they, or what runs them, fail').usage('VM --backup WHERE [options], or netloom protect COMMAND')
    .description('Protect virtual machines by checkpoints. What a protected machine sends waits until the state it came from is safe at a backup, which runs on from there when the machine fails. "netloom protect VM" is "netloom protect start VM".');
  examples(protect, 'netloom protect web --backup local', 'netloom protect web --backup 192.0.2.7:7700 --key web.key --interval 25', 'netloom protect ls', 'netloom protect switch web', 'netloom protect end web');
  addStart(protect, io, socketOf);
  addLooks(protect, io, socketOf);
  const machine = 'its name';

  const handOver = protect.command('switch').summary('have the backup run a machine now').argument('<machine>', machine).addOption(socketOption())
    .description('Hand a machine over, as planned: it is stopped, the last checkpoint goes to the backup, and it runs on there. Nothing is lost.');
  examples(handOver, 'netloom protect switch web').action(async (name: string, options: SocketOption) => (await import('./protect-commands.js')).protectSwitch(name, socketOf(options), io));

  const failover = protect.command('failover').summary('say that the other copy is dead').argument('<machine>', machine).addOption(socketOption())
    .description('Say, in place of a fence, that the other copy of a machine is dead: what is kept here runs on from the last safe checkpoint, what waits here goes on without its backup. If the other copy runs all the same there are two of it.').option('--force', 'yes, it is dead');
  examples(failover, 'netloom protect failover web --force').action(async (name: string, options: SocketOption & FailoverOptions) => (await import('./protect-commands.js')).protectFailover(name, options, socketOf(options), io));

  const end = protect.command('end').summary('protect machines no more').argument('<machine...>', 'their names').addOption(socketOption()).addOption(jsonOption())
    .description('End protection: the machine goes on without a backup, and what waits is let go when the backup has forgotten it. A machine that is kept here for another daemon is forgotten.');
  examples(end, 'netloom protect end web', 'netloom protect end web db').action(async (names: string[], options: SocketOption & { json?: boolean }) => (await import('./protect-commands.js')).protectEnd(names, options, socketOf(options), io));
}

function addStart(protect: Command, io: CliIo, socketOf: SocketOf): void {
  const start = protect.command('start', { isDefault: true }).summary('protect a machine (the word "start" may be left out)').argument('<vm>', 'its name').addOption(socketOption()).addOption(jsonOption())
    .description('Protect a virtual machine that runs and was started with --protectable, and wait until it is: until its first checkpoint is safe at the backup.')
    .requiredOption('--backup <where>', WHERE).option('--interval <ms>', 'milliseconds between checkpoints, or "on-demand": when it has something to say (default: 50)', interval).option('--fence <fence>', FENCE)
    .option('--via <where>', 'another way to the same backup, which tells a dead backup from a broken cable (default: the same way)').option('--key <file>', 'the key that the backup\'s daemon has; needed for HOST:PORT')
    .option('--timeout <ms>', 'how long the other side may be silent (default: 1000)', positive).option('--no-wait', 'do not wait');
  examples(start, 'netloom protect web --backup local', 'netloom protect web --backup unix:/run/netloom/b.sock --interval on-demand --fence lock:/run/netloom/web.lock', 'netloom protect start ls --backup local   # a machine called "ls"')
    .action(async (name: string, options: SocketOption & ProtectStartOptions) => (await import('./protect-commands.js')).protectStart(name, options, socketOf(options), io));
}

function addLooks(protect: Command, io: CliIo, socketOf: SocketOf): void {
  const ls = protect.command('ls').summary('list protected machines').addOption(socketOption()).addOption(jsonOption()).description('List machines that are protected, and those that are kept here for others; below, why those that are not well are not.');
  examples(ls, 'netloom protect ls', "netloom protect ls --json | jq -r '.[] | select(.phase != \"holding\").machine'")
    .action(async (options: SocketOption & { json?: boolean }) => (await import('./protect-commands.js')).protectList(options, socketOf(options), io));

  const show = protect.command('show').summary('show one with its last epochs').argument('<machine>', 'its name').addOption(socketOption()).addOption(jsonOption())
    .description('Show all there is to know of a protected machine: its backup, its last epochs as a plot, the output that waits by epoch.');
  examples(show, 'netloom protect show web', "netloom protect show web --json | jq '.[0].recent[-1]'")
    .action(async (name: string, options: SocketOption & { json?: boolean }) => (await import('./protect-commands.js')).protectShow(name, options, socketOf(options), io));

  const watch = protect.command('watch').summary('the same, again and again').argument('[machine]', 'its name; left out: the list').addOption(socketOption()).description('Show the list, or one machine, every second, until Ctrl-C.')
    .option('-d, --delay <seconds>', 'how often', seconds, '1').option('-n, --count <n>', 'end after so many', positive);
  examples(watch, 'netloom protect watch', 'netloom protect watch web -d 0.2')
    .action(async (name: string | undefined, options: SocketOption & ProtectWatchOptions) => (await import('./protect-watch.js')).protectWatch(name, options, socketOf(options), io));
}
