/**
 * names.ts — `netloom names KIND [VNET]`, for completion: names of what is running, one a line; silent when there is no daemon. In a jail, as everywhere: its own.
 */
import { DaemonClient, DaemonUnreachable } from '@netloom/node/client';
import type { LabState, ProtectionView, Topology, VmView } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { isSeenFrom, jailAround, topologySeenFrom } from './inside-jail.js';
import { labsSeenFrom } from './lab-commands.js';

export async function printNames(kind: string, vnet: string | undefined, socket: string, io: CliIo): Promise<void> {
  const jail = jailAround(io);
  const client = new DaemonClient(socket);
  try {
    const names = kind === 'labs' ? labsSeenFrom(jail, await client.get<LabState[]>('/v1/labs')).map((lab) => lab.name)
      : kind === 'vms' ? (await client.get<VmView[]>('/v1/vms')).filter((vm) => isSeenFrom(jail, vm.vnet)).map((vm) => vm.name)
      : kind === 'machines' ? (await client.get<ProtectionView[]>('/v1/protections')).filter(({ vnet }) => isSeenFrom(jail, vnet)).map(({ machine }) => machine).filter((name, i, all) => all.indexOf(name) === i)
      : namesIn(topologySeenFrom(jail, await client.get<Topology>('/v1/topology')), kind, vnet);
    io.out(names.map((name) => `${name}\n`).join(''));
  } catch (error) {
    if (!(error instanceof DaemonUnreachable)) throw error;
  }
}

function namesIn({ vnets }: Topology, kind: string, vnet: string | undefined): string[] {
  if (kind === 'vnets') return vnets.map((v) => v.name);
  return vnets.filter((v) => v.name === vnet).flatMap((v) => v.interfaces.map((i) => i.name));
}
