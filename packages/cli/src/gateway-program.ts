/**
 * gateway-program.ts — the commands of `netloom gateway` in the command tree.
 * Read first: program.ts; docs/gateway.md.
 */
import type { Command } from 'commander';
import type { CliIo } from './cli-io.js';
import { examples, jsonOption, socketOption } from './command-options.js';
import type { SocketOf, SocketOption } from './command-options.js';
import type { ForwardOptions, GatewayUpOptions } from './gateway-commands.js';

const RULE = 'tcp|udp:[ADDRESS]:PORT-ADDRESS:PORT';

function more(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

export function addGatewayCommands(program: Command, io: CliIo, socketOf: SocketOf): void {
  const gateway = program.command('gateway').summary('ways out through this machine\'s sockets').description('Gateways of vnets to the networks of this machine, through its own sockets: no root is needed.');
  examples(gateway, 'netloom gateway up r1', 'netloom gateway forward r1 tcp:127.0.0.1:8022-10.0.2.15:22', 'netloom gateway ls', 'netloom gateway down r1');
  const vnet = 'its name ("host": outside all jails)';

  const up = gateway.command('up').summary('open a vnet\'s gateway').argument('<vnet>', vnet).addOption(socketOption()).addOption(jsonOption())
    .description('Give a vnet a way out: TCP, UDP and echo requests to where it has no other route leave through sockets of this machine. The gateway\'s own addresses stand for this machine.')
    .option('--interface <if>', 'the interface that has its addresses (default: one of its own, 10.0.2.2/32 and fd00::2/128)').option('--address <address/len>', 'its IPv4 address').option('--address6 <address/len>', 'its IPv6 address')
    .option('--no-host-loopback', 'its addresses do not lead to the loopback of this machine').option('--restrict', 'nothing beyond this machine is reached').option('--no-route', 'it is not the default route')
    .option('--forward <rule>', `a port of this machine that leads to a guest: ${RULE} (may be given again)`, more).option('--reverse <rule>', 'a port on the guests\' side that leads to a service of this machine (may be given again)', more);
  examples(up, 'netloom gateway up r1', 'netloom gateway up r1 --interface lan --address 10.0.2.2/24 --forward tcp:127.0.0.1:8022-10.0.2.15:22', 'netloom gateway up r1 --restrict --reverse tcp:10.0.2.2:5432-127.0.0.1:5432')
    .action(async (name: string, options: SocketOption & GatewayUpOptions) => (await import('./gateway-commands.js')).gatewayUp(name, options, socketOf(options), io));

  const down = gateway.command('down').summary('close a vnet\'s gateway').argument('<vnet>', vnet).addOption(socketOption()).description('Close a gateway: connections through it are reset, its forwards end, its interface, routes and addresses go.');
  examples(down, 'netloom gateway down r1').action(async (name: string, options: SocketOption) => (await import('./gateway-commands.js')).gatewayDown(name, socketOf(options), io));

  const ls = gateway.command('ls').summary('list gateways').addOption(socketOption()).addOption(jsonOption()).description('List gateways, their addresses, forwards, and how many flows go through each.');
  examples(ls, 'netloom gateway ls', "netloom gateway ls --json | jq -r '.[].forwards[].rule'").action(async (options: SocketOption & { json?: boolean }) => (await import('./gateway-commands.js')).gatewayList(options, socketOf(options), io));

  const flows = gateway.command('flows').summary('list what goes through a gateway').argument('<vnet>', vnet).addOption(socketOption()).addOption(jsonOption()).description('List the connections and flows that go through a gateway, who they are between, and how long nothing has moved.');
  examples(flows, 'netloom gateway flows r1').action(async (name: string, options: SocketOption & { json?: boolean }) => (await import('./gateway-commands.js')).gatewayFlows(name, options, socketOf(options), io));

  const forward = gateway.command('forward').summary('lead a port somewhere').argument('<vnet>', vnet).argument('<rule...>', `${RULE}; the right end is where it leads`).addOption(socketOption())
    .description('Lead a port of this machine to a guest, or with --reverse a port on the guests\' side to a service of this machine. "hostfwd=" may be in front of a rule, ";" between several.').option('--reverse', 'the left end is on the guests\' side, the right one is of this machine');
  examples(forward, 'netloom gateway forward r1 tcp:127.0.0.1:8022-10.0.2.15:22', 'netloom gateway forward r1 udp::5353-10.0.2.15:53', 'netloom gateway forward r1 --reverse tcp:10.0.2.2:5432-127.0.0.1:5432')
    .action(async (name: string, rules: string[], options: SocketOption & ForwardOptions) => (await import('./gateway-commands.js')).gatewayForward(name, rules, options, socketOf(options), io));

  const unforward = gateway.command('unforward').summary('undo forward').argument('<vnet>', vnet).argument('<rule...>', 'as it was given').addOption(socketOption()).description('Take a forward away; connections that came by it stay.').option('--reverse', 'it is one in reverse');
  examples(unforward, 'netloom gateway unforward r1 tcp:127.0.0.1:8022-10.0.2.15:22')
    .action(async (name: string, rules: string[], options: SocketOption & ForwardOptions) => (await import('./gateway-commands.js')).gatewayUnforward(name, rules, options, socketOf(options), io));
}
