/**
 * vm-program.ts — the commands of `netloom vm` in the command tree.
 * Read first: program.ts.
 */
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { CliIo } from './cli-io.js';
import { examples, jsonOption, positive, socketOption } from './command-options.js';
import type { SocketOf, SocketOption } from './command-options.js';
import type { VmRunOptions, VmStopOptions } from './vm-commands.js';
import type { ConsoleOptions } from './vm-console-command.js';

const NIC = 'a network card, in bhyve\'s words: tap0; netgraph,path=vmbridge:,peerhook=link0; mac= and mtu= if wanted (may be given again)';
const DISK = 'a disk: FILE[,ro][,device=ahci-hd][,format=qcow2] (may be given again)';

function more(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function seconds(text: string): string {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('A number of seconds is needed.');
  return text;
}

export function addVmCommands(program: Command, io: CliIo, socketOf: SocketOf): void {
  const vm = program.command('vm').summary('virtual machines').description('Run virtual machines (QEMU) whose network cards are plugged into vnets.');
  examples(vm, 'netloom vm run alice --kernel bzImage --initrd root.cpio --nic tap0', 'netloom vm ls', 'netloom vm console alice', 'netloom vm stop alice');
  addRun(vm, io, socketOf);

  const ls = vm.command('ls').summary('list virtual machines').addOption(socketOption()).addOption(jsonOption()).description('List virtual machines, their state, and where their cables end.');
  examples(ls, 'netloom vm ls', "netloom vm ls --json | jq -r '.[].name'")
    .action(async (options: SocketOption & { json?: boolean }) => (await import('./vm-commands.js')).vmList(options, socketOf(options), io));

  const stop = vm.command('stop').summary('stop virtual machines').argument('<vm...>', 'their names').addOption(socketOption()).addOption(jsonOption())
    .description('Ask the guest to power down, as its power button does, and end it if it has not within ten seconds.').option('--kill', 'end it at once').option('--seconds <n>', 'how long the guest may take', seconds);
  examples(stop, 'netloom vm stop alice', 'netloom vm stop --kill alice bob')
    .action(async (names: string[], options: SocketOption & VmStopOptions) => (await import('./vm-commands.js')).vmStop(names, options, socketOf(options), io));

  const console = vm.command('console').summary('be at a machine\'s serial console').argument('<vm>', 'its name').addOption(socketOption())
    .description('Be at the serial console of a machine: what it said last, and from then on both ways, until Ctrl-].').option('--no-history', 'not what it said before')
    .option('-c, --command <line>', 'type this line instead, and print what the machine says').option('--until <regex>', 'print what it says until it says this; exit code 1 if it does not').option('--timeout <n>', 'for so many seconds at most (default: 60)', positive);
  examples(console, 'netloom vm console alice', "netloom vm console alice -c 'ip addr add 10.0.0.2/24 dev eth0; echo done $?' --until '^done 0'")
    .action(async (name: string, options: SocketOption & ConsoleOptions) => (await import('./vm-console-command.js')).showConsole(name, options, socketOf(options), io));
}

function addRun(vm: Command, io: CliIo, socketOf: SocketOf): void {
  const run = vm.command('run').summary('run a virtual machine').argument('<vm>', 'its name').addOption(socketOption()).addOption(jsonOption())
    .description('Run a virtual machine in the background: by KVM where it works, else by emulation. It boots its first disk, or the kernel that is given.')
    .option('--vnet <vnet>', 'the vnet that its cards are plugged into (default: the stack outside all jails)')
    .option('--nic <card>', NIC, more).addOption(new Option('--nic-model <model>', 'what its cards are').choices(['virtio-net', 'e1000']).default('virtio-net'))
    .addOption(new Option('--nic-transport <how>', 'how frames cross: as a stream, or read from the guest\'s own memory (faster)').choices(['stream', 'vhost-user']).default('stream'))
    .option('--memory <size>', 'memory', '256M').option('--cpus <n>', 'processors', positive, '1').option('--disk <file>', DISK, more)
    .option('--kernel <file>', 'boot this kernel directly').option('--initrd <file>', 'its initial RAM disk').option('--append <line>', 'its command line').option('--firmware <file>', 'a UEFI firmware, "uefi" for the installed one; without it, a BIOS')
    .addOption(new Option('--machine <kind>', 'what QEMU builds').choices(['pc', 'q35']).default('pc')).addOption(new Option('--accel <how>', 'how it is run').choices(['auto', 'kvm', 'tcg']).default('auto'))
    .option('--v86', 'run it by v86, an emulator of WebAssembly, in QEMU\'s place; --firmware is its BIOS then')
    .option('--protectable', 'its state can be taken while it runs: for "netloom protect"').option('--lock <file>', 'locked by whoever runs a protectable machine (default: beside the daemon\'s socket)')
    .option('--qemu-arg <word>', 'a word for QEMU as it is (may be given again)', more).option('--console', 'be at its console at once');
  examples(run, 'netloom vm run alice --kernel bzImage --initrd root.cpio --append console=ttyS0 --nic tap0 --console', 'netloom vm run bob --vnet r1 --memory 1G --cpus 2 --disk bob.qcow2 --nic netgraph,path=vmbridge:,peerhook=link0')
    .action(async (name: string, options: SocketOption & VmRunOptions) => (await import('./vm-commands.js')).vmRun(name, options, socketOf(options), io));
}
