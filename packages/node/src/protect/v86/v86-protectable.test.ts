/**
 * v86-protectable.test.ts — a machine of v86 whose disks are too large for its checkpoints is refused, with their size.
 */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { VmDisk } from '../../vm/vm-spec.js';
import { DISKS_MAX, mustBeProtectable } from './v86-protectable.js';

test('disks count together, a file that is not there counts nothing', () => {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-v86-'));
  try {
    const disk = (name: string, bytes: number): VmDisk => {
      const path = join(folder, name);
      writeFileSync(path, '');
      truncateSync(path, bytes);
      return { path, format: 'raw', readOnly: false, device: 'virtio-blk' } as VmDisk;
    };
    const half = disk('a', DISKS_MAX / 2);
    mustBeProtectable({ disks: [half, { ...half, path: join(folder, 'none') }, disk('b', DISKS_MAX / 2)] });
    expect(() => mustBeProtectable({ disks: [half, disk('c', DISKS_MAX / 2 + 1)] })).toThrow(
      'the disks of a protected machine of v86 have 64 MB at most, for each checkpoint holds all of them; these have 65 MB: use QEMU, or smaller ones',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
