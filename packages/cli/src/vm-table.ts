/**
 * vm-table.ts — virtual machines as `netloom vm ls` and `netloom ps` show them.
 */
import type { VmView } from '@netloom/node/client';
import { table } from './cli-io.js';

export function vmTable(vms: readonly VmView[]): string {
  return table(['VM', 'VNET', 'STATE', 'PID', 'CPUS', 'MEMORY', 'ACCEL', 'NETWORK'], vms.map((vm) => [
    vm.name, vm.vnet, vm.end === null ? vm.state : `${vm.state}: ${vm.end.how}`, vm.pid === 0 ? '-' : String(vm.pid), String(vm.cpus), `${Math.round(vm.memoryBytes / 1024 / 1024)}M`, vm.accel ?? '-',
    vm.nics.map((nic) => nic.at ?? '-').join(', ') || '-',
  ]));
}
