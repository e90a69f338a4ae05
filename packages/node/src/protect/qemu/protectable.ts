/**
 * protectable.ts — may a machine be protected? Said before it is started, in words that name what stands in the way.
 * Read first: docs/protect.md; checkpoint.ts.
 *
 * Here is what is known from the spec; of a machine of v86, v86/v86-protectable.ts has the rest. What only QEMU knows, a device of `--qemu-arg` that cannot be migrated, is asked of it when it is there (`blockedReasons` of vm-process.ts).
 */
import { EOPNOTSUPP } from '@netloom/core';
import { mustBeProtectable } from '../v86/v86-protectable.js';
import { VmRefusal } from '../../vm/vm-spec.js';
import type { VmSpec } from '../../vm/vm-spec.js';

const MIB = 1024 * 1024;

/** @throws VmRefusal */
export function checkProtectable(spec: VmSpec): void {
  const problem = problemOf(spec);
  if (problem !== null) throw new VmRefusal(EOPNOTSUPP, `a machine that can be protected ${problem}`);
  if (spec.v86 !== null) mustBeProtectable(spec);
}

function problemOf(spec: VmSpec): string | null {
  const { disks, nics, gdb, serial } = spec;
  if (spec.memoryBytes % MIB !== 0) return `has whole megabytes of memory, not ${spec.memoryBytes} bytes; say --memory ${Math.ceil(spec.memoryBytes / MIB)}M`;
  if (spec.v86 !== null) return null;
  if (nics.some(({ transport }) => transport === 'vhost-user')) return 'cannot have transport=vhost-user yet; leave it out, or say transport=stream';
  const qcow2 = disks.find(({ format }) => format === 'qcow2');
  if (qcow2 !== undefined) return `has raw disks, and ${qcow2.path} is qcow2; make a raw one (qemu-img convert -O raw ${qcow2.path} ${qcow2.path.replace(/\.qcow2$/, '')}.raw)`;
  const nvme = disks.find(({ device }) => device === 'nvme');
  if (nvme !== undefined) return `cannot have the disk ${nvme.path} at nvme, whose state QEMU cannot take; say device=virtio-blk or device=ahci-hd`;
  if (gdb !== null) return 'cannot have a debugger: it would stop and go on by itself; leave gdb out';
  const line = serial.find((at) => at !== null && at !== 'console');
  if (line !== undefined) return `cannot have a serial line at ${line}, which nobody else has; leave it out`;
  return null;
}
