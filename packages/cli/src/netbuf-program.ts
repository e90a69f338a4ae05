/**
 * netbuf-program.ts — the commands of `netloom netbuf` in the command tree.
 * Read first: program.ts; docs/netbuf.md.
 */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { CliIo } from './cli-io.js';
import { examples, jsonOption, positive } from './command-options.js';
import type { NetbufInstallOptions, NetbufUninstallOptions, StateOption } from './netbuf-commands.js';

const VIF = 'the machine\'s interface on this machine (vif1.0, tap0, vnet3), or the ifb that holds what it sends';

const stateOption = (): Option => new Option('--state <folder>', 'where it is kept what is installed (default: /run/netloom/netbuf)');

export function addNetbufCommands(program: Command, io: CliIo): void {
  const netbuf = program.command('netbuf').summary('hold what a machine sends, by Linux\'s kernel').description('Network buffers of this machine\'s kernel: what a virtual machine sends is held until a checkpoint of it is safe. Needs Linux and CAP_NET_ADMIN, and no daemon.');
  examples(netbuf, 'sudo netloom netbuf install vif1.0', 'sudo netloom netbuf buffer vif1.0', 'sudo netloom netbuf release vif1.0', 'sudo netloom netbuf ls', 'sudo netloom netbuf uninstall vif1.0');

  const install = netbuf.command('install').summary('lead what a machine sends through a plug').argument('<vif>', 'the machine\'s interface on this machine').addOption(stateOption()).addOption(jsonOption())
    .description('Take a free ifb, bring it up, plug it, and redirect to it all that the interface receives. When a step fails, those before it are undone. It is plugged from then on: nothing leaves before "release" or "release-all".')
    .option('--ifb <ifb>', 'this ifb (default: the first free one)').option('--limit <bytes>', 'how many bytes it may hold (default: 4194304)', positive);
  examples(install, 'sudo netloom netbuf install vif1.0', 'sudo netloom netbuf install tap0 --ifb ifb3 --limit 10000000')
    .action(async (vif: string, options: NetbufInstallOptions) => (await import('./netbuf-commands.js')).netbufInstall(vif, options, io));

  const uninstall = netbuf.command('uninstall').summary('undo install').argument('<vif|ifb>', VIF).addOption(stateOption()).addOption(jsonOption())
    .description('Take the redirect away, then the plug, and give the ifb back. What is held is dropped, because nobody has said that it may leave. No error when nothing is installed, or the interface has gone.').option('--release', 'let go what is held first');
  examples(uninstall, 'sudo netloom netbuf uninstall vif1.0', 'sudo netloom netbuf uninstall ifb0', 'sudo netloom netbuf uninstall vif1.0 --release')
    .action(async (name: string, options: NetbufUninstallOptions) => (await import('./netbuf-commands.js')).netbufUninstall(name, options, io));

  for (const [action, summary, description] of [
    ['buffer', 'end an epoch', 'End the epoch: what was sent so far waits for "release", what comes belongs to the next. One closed epoch at a time: a second "buffer" forgets the first one.'],
    ['release', 'let the closed epoch go', 'Let go what was sent before the last "buffer".'],
    ['release-all', 'let everything through', 'Let go what is held, and all that comes, until the next "buffer".'],
  ] as const) {
    const command = netbuf.command(action).summary(summary).argument('<vif>', VIF).addOption(stateOption()).description(description);
    examples(command, `sudo netloom netbuf ${action} vif1.0`).action(async (name: string, options: StateOption) => (await import('./netbuf-commands.js')).netbufControl(name, action, options, io));
  }

  const ls = netbuf.command('ls').summary('list network buffers').addOption(stateOption()).addOption(jsonOption()).description('List network buffers, what they hold, and whether all of each is there.');
  examples(ls, 'sudo netloom netbuf ls', "sudo netloom netbuf ls --json | jq -r '.[] | select(.missing != null).vif'").action(async (options: StateOption & { json?: boolean }) => (await import('./netbuf-commands.js')).netbufList(options, io));
}
