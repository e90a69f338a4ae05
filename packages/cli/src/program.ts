/**
 * program.ts — the command tree of `netloom`: names, arguments, options, help with examples.
 *
 * Read first: docs/cli.md.
 *
 * The tree is built without running anything, so that completion and the documentation's test can walk it. Bodies are loaded when they are
 * called: `netloom ps` must not wait for the daemon's libraries.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { EVENT_SYSTEMS, socketPath } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { examples, jsonOption, positive, seconds, socketOption, workerCount } from './command-options.js';
import type { SocketOf, SocketOption } from './command-options.js';
import { completionScript, SHELLS } from './completion.js';
import type { Shell } from './completion.js';
import type { DownOptions, GraphOptions, PsOptions, UpOptions } from './lab-commands.js';
import type { EventsOptions } from './event-commands.js';
import type { AuditOptions } from './inspect-commands.js';
import type { TopOptions } from './top-command.js';
import type { CaptureOptions } from './run-commands.js';
import { addGatewayCommands } from './gateway-program.js';
import { addNetbufCommands } from './netbuf-program.js';
import { addProtectCommands } from './protect-program.js';
import { addVmCommands } from './vm-program.js';

export function createProgram(io: CliIo, version: string): Command {
  const socketOf = (options: SocketOption): string => socketPath({ ...io.env, ...(options.socket === undefined ? {} : { NETLOOM_SOCKET: options.socket }) });
  const program = new Command('netloom')
    .description('Network stacks of FreeBSD\'s kind as a program: labs of isolated stacks, without root.')
    .version(version)
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: (text) => io.err(text), outputError: (text, write) => write(text.replace(/^error: /, 'netloom: ')) })
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .enablePositionalOptions()
    .exitOverride();
  program.addHelpText('after', '\nExamples:\n  $ netloom quickstart\n  $ netloom up lab.yaml && netloom graph\n  $ netloom exec r1 ping -c 3 10.0.0.2\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 no daemon, 4 problems in the lab file; exec and capture end as the tool did.');
  addDaemonCommands(program, io, socketOf);
  addLabCommands(program, io, socketOf);
  addRunCommands(program, io, socketOf);
  addInspectCommands(program, io, socketOf);
  addEventCommands(program, io, socketOf);
  addVmCommands(program, io, socketOf);
  addProtectCommands(program, io, socketOf);
  addGatewayCommands(program, io, socketOf);
  addNetbufCommands(program, io);
  addToolCommands(program, io);
  addShellCommands(program, io, socketOf);
  settle(program, 'netloom');
  return program;
}

/** Subcommands print and fail like the program, and say where help is. */
function settle(command: Command, path: string): void {
  command.showHelpAfterError(`("${path} --help" tells more)`);
  for (const sub of command.commands) settle(sub.copyInheritedSettings(command), `${path} ${sub.name()}`);
}

function addDaemonCommands(program: Command, io: CliIo, socketOf: SocketOf): void {
  const quickstart = program.command('quickstart').summary('see it work: a lab, pings, a gigabyte').addOption(socketOption())
    .description('Start a daemon with the example lab, show it, ping across it, move 1 GB of UDP through it, and stay up for your commands.')
    .option('--once', 'end after the measurements, with exit code 0 if all was well');
  examples(quickstart, 'netloom quickstart', 'netloom quickstart --once')
    .action(async (options: SocketOption & { once?: boolean }) => (await import('./quickstart.js')).quickstart(options, socketOf(options), io));

  const daemon = program.command('daemon').summary('run a daemon in the foreground').addOption(socketOption()).description('Run a daemon until SIGINT, SIGTERM or SIGHUP. The socket has mode 0600. Ending it takes every vnet down.')
    .addOption(new Option('--log-level <level>', 'least level that is logged, to standard error').choices(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('warn')).option('--lab <file>', 'bring this lab up at once')
    .option('--devd <path>', 'the socket for clients of FreeBSD\'s devd (default: $NETLOOM_DEVD, else the daemon\'s socket with .devd.pipe for .sock)').option('--no-devd', 'no such socket')
    .option('--backup-listen <host:port>', 'where other daemons bring machines that this one is to back up (default: by its socket only)').option('--backup-key <file>', 'the key that they must have: hexadecimal digits, in a file that only you can read')
    .option('--workers <n>', 'datapath workers, threads that forward between taps; "auto": by the processors of this machine (default: $NETLOOM_WORKERS, else 0)', workerCount);
  examples(daemon, 'netloom daemon', 'netloom daemon --socket /run/user/1000/lab.sock --log-level info', 'netloom daemon --workers 2')
    .action(async (options: SocketOption & { logLevel: string; lab?: string; devd?: string | false; workers?: string; backupListen?: string; backupKey?: string }) => (await import('./daemon-command.js')).daemon(options, socketOf(options), io));

  const stop = program.command('stop').summary('end the daemon').addOption(socketOption()).description('End the daemon, and with it every lab and vnet.');
  examples(stop, 'netloom stop').action(async (options: SocketOption) => {
    const { stopDaemon } = await import('./background-daemon.js');
    io.out(`the daemon (process ${await stopDaemon(socketOf(options))}) has ended\n`);
  });
}

function addLabCommands(program: Command, io: CliIo, socketOf: SocketOf): void {
  const up = program.command('up').summary('bring a lab up').argument('<file>', 'lab file (YAML), "-" for standard input').addOption(socketOption()).addOption(jsonOption())
    .description('Build the lab of a file: all of it, or nothing. Starts a daemon in the background if none answers.').option('--dry-run', 'print the commands as a script, do nothing');
  examples(up, 'netloom up lab.yaml', 'netloom up lab.yaml --dry-run')
    .action(async (file: string, options: SocketOption & UpOptions) => (await import('./lab-commands.js')).up(file, options, socketOf(options), io));

  const down = program.command('down').summary('take a lab down').argument('[lab]', 'its name, or its file; may be left out when one is up').addOption(socketOption()).addOption(jsonOption())
    .description('Remove exactly what "up" made.').option('--all', 'all labs');
  examples(down, 'netloom down', 'netloom down quickstart', 'netloom down --all')
    .action(async (lab: string | undefined, options: SocketOption & DownOptions) => (await import('./lab-commands.js')).down(lab, options, socketOf(options), io));

  const ps = program.command('ps').summary('list labs, vnets, interfaces, addresses').addOption(socketOption()).addOption(jsonOption()).description('List what is there.').option('--procs', 'list running tools instead').option('--dying', 'list jails that were removed and are still held, and by what');
  examples(ps, 'netloom ps', "netloom ps --json | jq -r '.vnets[].name'", 'netloom ps --procs', 'netloom ps --dying')
    .action(async (options: SocketOption & PsOptions) => (await import('./lab-commands.js')).ps(options, socketOf(options), io));

  const graph = program.command('graph').summary('draw the topology').argument('[file]', 'lab file to draw; left out: what is running').addOption(socketOption())
    .description('Draw vnets, bridges, cables, VLANs and taps.').option('--text', 'box-drawing characters (the default)').option('--svg', 'an SVG picture').addOption(jsonOption()).option('-o, --output <file>', 'write to a file').option('--netgraph [vnet]', 'draw the netgraph of a vnet (left out: the host\'s)');
  examples(graph, 'netloom graph', 'netloom graph --svg -o lab.svg', 'netloom graph --netgraph r1', 'netloom graph lab.yaml')
    .action(async (file: string | undefined, options: SocketOption & GraphOptions) => (await import('./lab-commands.js')).graph(file, options, socketOf(options), io));
}

function addRunCommands(program: Command, io: CliIo, socketOf: SocketOf): void {
  const exec = program.command('exec').summary('run a command in a vnet').argument('<vnet>', 'its name ("host": outside all jails)').argument('<command...>', 'a tool, or a program of this machine whose tools then address that vnet').addOption(socketOption())
    .description('Run a tool inside a vnet, or a program of this machine for which the tools address that vnet.').passThroughOptions();
  examples(exec, 'netloom exec r1 ifconfig -a', 'netloom exec r1 ping -c 3 10.0.0.2', 'netloom exec r1 sh')
    .action(async (vnet: string, command: string[], options: SocketOption) => (await import('./run-commands.js')).exec(vnet, command, socketOf(options), io));

  const capture = program.command('capture').summary('record packets as pcapng').argument('<vnet>', 'its name ("host": outside all jails)').argument('<interface>', 'its name there').addOption(socketOption())
    .description('Record the packets of an interface as pcapng, until Ctrl-C.').option('-w, --write <file>', 'where to; "-" is standard output', '-').option('-f, --filter <expression>', 'what to record, in tcpdump\'s filter language')
    .option('-c, --count <n>', 'end after that many packets', positive).option('-s, --snaplen <bytes>', 'bytes kept of each packet', positive).option('--no-promisc', 'do not turn promiscuous mode on');
  examples(capture, 'netloom capture r1 eth0 -w r1.pcapng', "netloom capture r1 eth0 -f 'icmp or arp' | wireshark -k -i -")
    .action(async (vnet: string, ifname: string, options: SocketOption & CaptureOptions) => (await import('./run-commands.js')).capture(vnet, ifname, options, socketOf(options), io));

  const attach = program.command('attach').summary('bind a tap to a device of this machine').argument('<vnet:interface>', 'the tap').argument('<device>', 'the device, or packet: and an interface of Linux, either with ,queues=N behind it for datapath workers; a guest\'s port (stream:..., dgram:..., vde:..., vhost-user:...), or file:IN.pcapng[,record=OUT.pcapng][,speed=N]').addOption(socketOption()).description('Bind a tap of a vnet to a TAP device of this machine, so that its kernel is a neighbour of the vnet; to an interface that Linux has, so that whoever is on its wire is; to the port of a virtual machine, which may come and go; or to capture files, so that what one holds comes in and what the vnet sends is recorded.');
  examples(attach, 'netloom exec r1 ifconfig tap0 create', 'netloom attach r1:tap0 tap0', 'netloom attach r1:tap0 packet:eth0', 'netloom attach r1:tap0 tap0,queues=2', 'netloom attach r1:tap0 stream:unix:/run/vm0.sock,server', 'netloom attach r1:tap0 file:in.pcapng,record=out.pcapng').action(async (at: string, device: string, options: SocketOption) => (await import('./run-commands.js')).attach(at, device, socketOf(options), io));
  const detach = program.command('detach').summary('undo attach').argument('<vnet:interface>', 'the tap').addOption(socketOption()).description('Let go of the device that a tap is bound to.');
  examples(detach, 'netloom detach r1:tap0').action(async (at: string, options: SocketOption) => (await import('./run-commands.js')).detach(at, socketOf(options), io));
}

function addInspectCommands(program: Command, io: CliIo, socketOf: SocketOf): void {
  const audit = program.command('audit').summary('count what vnets hold, find what was left behind').argument('[vnet]', 'its name; left out: all').addOption(socketOption()).addOption(jsonOption())
    .description('Count what every vnet holds: packets, timers, sockets, routes, handlers and the rest. Exit code 1 if something is unaccounted for, or was left by a vnet that is gone.');
  examples(audit, 'netloom audit', 'netloom audit r1', "netloom audit --json | jq '.unaccounted, .leaks'")
    .action(async (vnet: string | undefined, options: SocketOption & AuditOptions) => (await import('./inspect-commands.js')).audit(vnet, options, socketOf(options), io));
  const top = program.command('top').summary('show what the datapath workers do').addOption(socketOption())
    .description('Show, every second, what the datapath workers do: their load, turns, batches and punts; and each port: who reads it, frames and bits per second, what was left to the stack and why. Until Ctrl-C.')
    .option('-d, --delay <seconds>', 'how often', seconds, '1').option('-n, --count <n>', 'end after so many samples', positive).option('--once', 'one sample').option('--json', 'print JSON, an object a line');
  examples(top, 'netloom top', 'netloom top --once', "netloom top --json -n 10 | jq -c '[.workers[].load]'")
    .action(async (options: SocketOption & TopOptions) => (await import('./top-command.js')).top(options, socketOf(options), io));
  const sysinit = program.command('sysinit').summary('show how stacks are built and taken down').addOption(socketOption()).addOption(jsonOption())
    .description('Print the constructors and destructors of a vnet in the order they run, and how long each step of the last teardown took.');
  examples(sysinit, 'netloom sysinit', "netloom sysinit --json | jq '.teardowns[-1]'")
    .action(async (options: SocketOption & { json?: boolean }) => (await import('./inspect-commands.js')).sysinit(options, socketOf(options), io));
}

function eventNumber(text: string): string {
  if (!/^(\d{1,15}|now)$/.test(text)) throw new InvalidArgumentError('The number of an event is needed, or "now".');
  return text;
}

function eventSystem(text: string): string {
  const system = text.toUpperCase();
  if (!(EVENT_SYSTEMS as readonly string[]).includes(system)) throw new InvalidArgumentError(`Allowed choices are ${EVENT_SYSTEMS.join(', ')}.`);
  return system;
}

function addEventCommands(program: Command, io: CliIo, socketOf: SocketOf): void {
  const events = program.command('events').summary('show what happened').addOption(socketOption())
    .description('Print what happened to interfaces, addresses, vnets and jails, oldest first; -f stays and prints what happens. In a jail: its own vnet\'s events.')
    .option('-f, --follow', 'stay, and print what happens until Ctrl-C').option('--vnet <vnet>', 'only events of this vnet ("host": outside all jails)')
    .addOption(new Option('--system <system>', 'only events of this system').choices(EVENT_SYSTEMS).argParser(eventSystem)).option('--steps', 'the steps of teardowns too; --system VNET has them without')
    .option('--since <seq>', 'only events behind the one with this number; "now": only what is still to come', eventNumber).option('--json', 'print JSON, an object a line');
  examples(events, 'netloom events', 'netloom events -f --since now', 'netloom events --vnet r1 --system IFNET', "netloom events -f --json | jq -r 'select(.type == \"DETACH\").subsystem'")
    .action(async (options: SocketOption & EventsOptions) => (await import('./event-commands.js')).events(options, socketOf(options), io));

  const moves = program.command('moves').summary('list which interface moved where').addOption(socketOption()).addOption(jsonOption())
    .description('List moves of interfaces between vnets, oldest first: loans to jails, what was taken back, what went home when its jail ended; and those that were refused, with the reason.');
  examples(moves, 'netloom moves', "netloom moves --json | jq -r '.[] | select(.error != null)'")
    .action(async (options: SocketOption & { json?: boolean }) => (await import('./event-commands.js')).moves(options, socketOf(options), io));
}

function addToolCommands(program: Command, io: CliIo): void {
  const tools = program.command('tools').summary('the tools under their own names').description('ifconfig, jail, route, ping and the others under their own names.');
  examples(tools, 'netloom tools list', 'netloom tools install ~/.local/netloom');
  const install = tools.command('install').argument('<folder>', 'where to').summary('write a launcher per tool').addOption(jsonOption()).description('Write a launcher for each tool, so that scripts find them on PATH.')
    .addOption(new Option('--runtime <runtime>', 'what starts them: perl starts in 2 ms, node in 60').choices(['auto', 'perl', 'node']).default('auto'));
  examples(install, 'netloom tools install ~/.local/netloom', 'PATH=~/.local/netloom:$PATH ifconfig -a')
    .action(async (folder: string, options: { runtime: 'auto' | 'perl' | 'node' }) => (await import('./run-commands.js')).toolsInstall(folder, options, io));
  examples(tools.command('list').summary('name the tools').addOption(jsonOption()).description('List the tools.'), 'netloom tools list').action(async (options: { json?: boolean }) => (await import('./run-commands.js')).toolsList(options, io));
}

function addShellCommands(program: Command, io: CliIo, socketOf: SocketOf): void {
  const completion = program.command('completion').summary('print a completion script').argument('<shell>', 'bash, zsh or fish').description('Print a completion script for your shell.');
  examples(completion, 'source <(netloom completion bash)', 'netloom completion fish > ~/.config/fish/completions/netloom.fish').action((shell: string) => {
    if (!(SHELLS as readonly string[]).includes(shell)) completion.error(`netloom: there is no completion for "${shell}" (there is: ${SHELLS.join(', ')})`);
    io.out(completionScript(program, shell as Shell));
  });
  program.command('names', { hidden: true }).argument('<kind>').argument('[vnet]').addOption(socketOption()).action(async (kind: string, vnet: string | undefined, options: SocketOption) => {
    const { printNames } = await import('./names.js');
    await printNames(kind, vnet, socketOf(options), io);
  });
}
