/**
 * gateway-backend.ts — a card on the host gateway: a network of its own, with nobody on it but the machine and its way out through the host's sockets.
 * Read first: docs/gateway.md; bhyve(8), "slirp"; nic-backends.ts.
 *
 * The network is slirp's: 10.0.2.0/24, the host is 10.0.2.2, the machine gets 10.0.2.15 by DHCP. It is a jail with a vnet, `MACHINE-netSLOT` below the machine's, with a
 * tap, a gateway and a DHCP server, all of them where anybody can look at them; the jail goes with the machine. Name servers are the host's.
 *
 * `slirp` is as restricted as bhyve's: only what `hostfwd=` leads in, unless `open` is given. `gateway` lets the machine out, unless `restrict` is given.
 */
import { getServers } from 'node:dns';
import { isIPv4 } from 'node:net';
import { EINVAL, EIO, strerror } from '@netloom/core';
import type { Ifnet, Kernel } from '@netloom/core';
import { ForwardRuleError, parseForwardRules } from '../gateway/forward-rule.js';
import type { Gateways } from '../gateway/gateways.js';
import type { CommandResult } from '../lab/lab-run.js';
import { TapEnd } from '../port/port-end.js';
import type { BackendOpener } from './nic-backends.js';
import { VmRefusal } from './vm-spec.js';

const TAP = 'tap0';
const HOST = '10.0.2.2';
const GUEST = '10.0.2.15';

/** Runs a tool in a vnet (`host`: outside all jails). */
export type ToolRun = (vnet: string, argv: readonly string[]) => Promise<CommandResult>;

export interface GatewayPlace {
  readonly kernel: Kernel;
  readonly gateways: Gateways;
  readonly run: ToolRun;
  readonly vnetNameOf: (ifp: Ifnet) => string;
}

export function gatewayBackend({ kernel, gateways, run, vnetNameOf }: GatewayPlace): BackendOpener<'gateway'> {
  return async ({ hostfwd, restrict }, nic, { vmName, prison }) => {
    for (const rule of hostfwd.split(';')) checkRule(rule);
    const own = `${vmName.replaceAll('.', '_')}-net${nic.slot}`;
    const { prison0 } = kernel.prisons;
    const name = prison === prison0 ? own : `${prison.nameFrom(prison0)}.${own}`;
    const must = async (vnet: string, ...argv: string[]): Promise<void> => {
      const { exitCode, stderr, stdout } = await run(vnet, argv);
      if (exitCode !== 0) throw new VmRefusal(EIO, (stderr || stdout).trim().split('\n')[0] ?? argv.join(' '));
    };
    await must('host', 'jail', '-c', `name=${name}`, 'vnet', 'persist');
    const dispose = async (): Promise<void> => void (await run('host', ['jail', '-r', name]));
    try {
      await must(name, 'ifconfig', TAP, 'create');
      await gateways.up(name, { interface: TAP, address: `${HOST}/24`, restrict, hostLoopback: !restrict });
      for (const rule of hostfwd.split(';')) if (rule !== '') await addRule(gateways, name, rule);
      await must(name, 'ifconfig', TAP, 'up');
      await must(name, 'dhcpd', '-q', '-O', dhcpStatements(), TAP);
      const ifp = kernel.prisons.find(prison0, name)?.vnet.net.ifunit(TAP) ?? null;
      if (ifp === null) throw new VmRefusal(EIO, `the network of ${vmName} is gone`);
      return { end: new TapEnd(kernel, ifp, vnetNameOf), dispose };
    } catch (error) {
      await dispose();
      throw error instanceof VmRefusal ? error : new VmRefusal(EIO, (error as Error).message);
    }
  };
}

/** bhyve's words, and its errno. */
function checkRule(rule: string): void {
  try {
    parseForwardRules(rule);
  } catch (error) {
    if (!(error instanceof ForwardRuleError)) throw error;
    throw new VmRefusal(EINVAL, `Unable to parse hostfwd rule '${rule}': ${strerror(EINVAL)}`);
  }
}

async function addRule(gateways: Gateways, vnet: string, rule: string): Promise<void> {
  try {
    await gateways.forward(vnet, rule, false);
  } catch (error) {
    throw new VmRefusal(EIO, `Unable to add hostfwd rule '${rule}': ${(error as Error).message}`);
  }
}

/** Whom the host asks for names; those on its loopback are asked by way of the gateway's address. */
function dhcpStatements(): string {
  const servers = getServers().filter((server) => isIPv4(server)).map((server) => (server.startsWith('127.') ? HOST : server));
  const dns = [...new Set(servers.length === 0 ? [HOST] : servers)].join(', ');
  return `authoritative; subnet 10.0.2.0 netmask 255.255.255.0 { range ${GUEST}; option routers ${HOST}; option domain-name-servers ${dns}; }`;
}
