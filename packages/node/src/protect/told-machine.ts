/**
 * told-machine.ts — what a primary tells of its machine in HELLO: what it is made of, its disks, and whether it is to be protected again here.
 * Read first: wire/record-payloads.ts (HelloPayload.spec); vm/vm-spec.ts.
 *
 * Whoever may say HELLO may have any machine run here, with any words for QEMU: it is as much trusted as whoever may run `netloom vm run`. So what is checked is only that it is one, so that a mistake has a
 * clear answer.
 */
import { isVmName, VM_DEFAULTS } from '../vm/vm-spec.js';
import type { VmSpec } from '../vm/vm-spec.js';
import type { ProtectRequest } from './protect-request.js';
import type { HelloPayload, JsonObject } from './wire/record-payloads.js';

export interface ToldMachine {
  readonly spec: VmSpec;
  readonly diskBytes: readonly number[];
  /** How it is protected when it has been taken over; null: it is not. */
  readonly again: ProtectRequest | null;
}

/** As HELLO says it. @param lock the file that it holds; null: the other side has one of its own. */
export function tellMachine(spec: VmSpec, lock: string | null, diskBytes: readonly number[], again: ProtectRequest | null): JsonObject {
  return { vm: { ...spec, lock }, disks: diskBytes, again };
}

/** @throws Error, one line */
export function readToldMachine({ machine, imageBytes, beatMs, timeoutMs, spec }: HelloPayload): ToldMachine {
  if (beatMs < 1 || timeoutMs < beatMs) throw new Error(`the primary wants a beat each ${beatMs} ms, and to be lost after ${timeoutMs}`);
  const { vm, disks, again } = spec as { readonly vm?: VmSpec; readonly disks?: readonly number[]; readonly again?: ProtectRequest | null };
  if (typeof vm !== 'object' || !Array.isArray(disks)) throw new Error('the primary does not tell what the machine is made of');
  for (const [key, example] of Object.entries(VM_DEFAULTS)) {
    const told: unknown = Reflect.get(vm, key);
    if (Array.isArray(example) ? !Array.isArray(told) : typeof example !== 'object' && typeof told !== typeof example) throw new Error(`the primary tells "${key}" of the machine as ${JSON.stringify(told) ?? 'nothing'}: both sides must run the same version of netloom`);
  }
  if (vm.name !== machine || !isVmName(machine)) throw new Error(`"${machine}" is not a name for a virtual machine`);
  if (vm.v86 === null && vm.memoryBytes !== imageBytes) throw new Error(`the primary tells of ${imageBytes} bytes of memory, and of a machine of ${vm.memoryBytes}`);
  if ((vm.v86 === null && disks.length !== vm.disks.length) || disks.some((bytes) => !Number.isSafeInteger(bytes) || bytes < 0)) throw new Error(`the primary tells the sizes of ${disks.length} disks, and of a machine with ${vm.disks.length}`);
  return { spec: { ...VM_DEFAULTS, ...vm, protectable: true }, diskBytes: disks, again: again ?? null };
}
