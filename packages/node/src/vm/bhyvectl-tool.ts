/**
 * bhyvectl-tool.ts — bhyvectl(8): destroys, resets and powers off machines. What it shows of a machine's inside on FreeBSD is not here.
 * Read first: bhyvectl(8); vms.ts.
 *
 * A machine that bhyve ran keeps its name until `--destroy`, as /dev/vmm/NAME does.
 */
import { ENOENT, strerror } from '@netloom/core';
import { getoptLong } from '@netloom/userland';
import type { Proc, Tool } from '@netloom/userland';
import { isSeenBy } from './vm-visibility.js';
import { VM_TOOLS } from './vm-tools.js';
import type { Vms } from './vms.js';

const LONGS = [
  { name: 'vm', argument: 'required' }, { name: 'cpu', argument: 'required' }, { name: 'destroy', argument: 'none' }, { name: 'force-reset', argument: 'none' }, { name: 'force-poweroff', argument: 'none' },
] as const;

const USAGE = `Usage: bhyvectl --vm=<vmname>
       [--cpu=<vcpu_number>]
       [--destroy]
       [--force-reset]
       [--force-poweroff]
`;

export function bhyvectlTool(vms: Vms): Tool {
  return { summary: VM_TOOLS.bhyvectl, main: (p) => main(p, vms) };
}

async function main(p: Proc, vms: Vms): Promise<number> {
  const { options, error } = getoptLong('', LONGS, p.argv.slice(1));
  const given = new Map(options);
  const name = given.get('vm');
  if (error !== null || name === undefined) {
    p.err(`${error === null ? '' : `bhyvectl: ${error}\n`}${USAGE}`);
    return 1;
  }
  const vm = vms.find(name);
  if (vm === null || !isSeenBy(p.prison, vm)) {
    p.err(`vm_open: ${name} could not be opened: ${strerror(ENOENT)}\n`);
    return 1;
  }
  if (given.has('force-reset')) await vm.process?.reset();
  if (given.has('force-poweroff')) await vm.stop(0);
  if (given.has('destroy')) await vms.destroy(name);
  return 0;
}
