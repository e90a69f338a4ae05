/**
 * checkpointer-of.ts — who takes the state of a machine: QEMU's checkpointer, or v86's.
 * Read first: checkpoint.ts; qemu/qemu-checkpointer.ts; v86/v86-checkpointer.ts.
 */
import type { VmProcess } from '../vm/vm-process.js';
import type { Vm } from '../vm/vm.js';
import type { Checkpointer } from './checkpoint.js';
import { QemuCheckpointer } from './qemu/qemu-checkpointer.js';
import type { V86Process } from './v86/state-link.js';
import { V86Checkpointer } from './v86/v86-checkpointer.js';

/** Of a machine that runs and can be protected. Rejects with one line. */
export async function checkpointerOf(vm: Vm): Promise<Checkpointer> {
  if (vm.process === null) throw new Error(`"${vm.name}" does not run`);
  return vm.spec.v86 === null ? QemuCheckpointer.open(vm) : V86Checkpointer.start(v86Process(vm.process), vm.folder);
}

/** A process of v86 as those ask it who take its state or bring it one. */
export function v86Process(process: VmProcess): V86Process {
  return { run: (command, args) => process.qmp.run(command, args), ended: process.ended, kill: () => process.kill() };
}
