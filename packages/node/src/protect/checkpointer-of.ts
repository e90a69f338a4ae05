/**
 * checkpointer-of.ts — who takes the state of a machine: QEMU's checkpointer, or v86's.
 * Read first: checkpoint.ts; qemu/qemu-checkpointer.ts; v86/v86-checkpointer.ts.
 */
import type { Vm } from '../vm/vm.js';
import type { Checkpointer } from './checkpoint.js';
import { QemuCheckpointer } from './qemu/qemu-checkpointer.js';
import { V86Checkpointer } from './v86/v86-checkpointer.js';

/** Of a machine that runs and can be protected. Rejects with one line. */
export async function checkpointerOf(vm: Vm): Promise<Checkpointer> {
  if (vm.process === null) throw new Error(`"${vm.name}" does not run`);
  return vm.spec.v86 === null ? QemuCheckpointer.open(vm) : V86Checkpointer.start(vm.process.qmp, vm.folder);
}
