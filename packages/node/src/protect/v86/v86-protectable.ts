/**
 * v86-protectable.ts — which machines of v86 can be protected.
 * Read first: guest-checkpoints.ts; v86's src/buffer.js, `SyncBuffer`.
 *
 * v86 reads a whole disk into its memory when it is made, and writes nothing back: what a guest writes is in the process, and in each state, whole. So a disk fails over with its
 * machine and needs nothing of its own, but all of it is copied and compared at each checkpoint while the guest stands still. That is refused from DISKS_MAX on.
 */
import { statSync } from 'node:fs';
import { EINVAL } from '@netloom/core';
import { VmRefusal } from '../../vm/vm-spec.js';
import type { VmSpec } from '../../vm/vm-spec.js';

/** Disks and CDs of a machine together. */
export const DISKS_MAX = 64 * 1024 * 1024;
const MB = 1024 * 1024;

/** @throws VmRefusal when such a machine cannot be protected */
export function mustBeProtectable(spec: Pick<VmSpec, 'disks'>): void {
  let bytes = 0;
  for (const { path } of spec.disks) bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes <= DISKS_MAX) return;
  throw new VmRefusal(EINVAL, `the disks of a protected machine of v86 have ${DISKS_MAX / MB} MB at most, for each checkpoint holds all of them; these have ${Math.ceil(bytes / MB)} MB: use QEMU, or smaller ones`);
}
