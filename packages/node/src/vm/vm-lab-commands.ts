/**
 * vm-lab-commands.ts — `netloom vm run` and `vm stop` as a lab's plan has them.
 * Read first: lab/lab-vms.ts (what writes them).
 */
import { vmRequestOf } from '../lab/lab-vms.js';
import type { CommandResult } from '../lab/lab-run.js';
import { uefiFirmware } from './qemu-program.js';
import { vmSpecOf } from './vm-request.js';
import { refusalText } from './vm-routes.js';
import { VmRefusal } from './vm-spec.js';
import type { Vms } from './vms.js';

const done = (exitCode: number, stderr: string): CommandResult => ({ exitCode, stdout: '', stderr });

/** @param args what follows `netloom vm` */
export async function runVmCommand(vms: Vms, args: readonly string[]): Promise<CommandResult> {
  const [command = '', ...rest] = args;
  const name = rest[0] ?? '';
  if (command === 'stop') {
    const vm = vms.find(name);
    if (vm === null) return done(1, `no virtual machine is called "${name}"`);
    await vm.stop(vm.spec.stopMs);
    return done(0, '');
  }
  try {
    await vms.run(vmSpecOf(vmRequestOf(rest), uefiFirmware()));
    return done(0, '');
  } catch (error) {
    if (error instanceof VmRefusal) return done(1, refusalText(name, error));
    throw error;
  }
}
