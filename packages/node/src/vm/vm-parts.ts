/**
 * vm-parts.ts — class VmParts: what is made for a machine beside its process, and put away when that is gone.
 * Read first: vm-launch.ts, which makes them.
 *
 * Invariant: `close` is called once the process is gone, or when there is none; the cables go first, and the lock last, because whoever sees it free may run the machine.
 */
import type { DiskExports } from '../protect/disk/disk-exports.js';
import type { LiveLock } from '../protect/live-lock.js';
import type { RamFile } from '../protect/qemu/ram-file.js';
import type { VmCable } from './vm-cable.js';

export class VmParts {
  /** Of each card; null: it has none. */
  readonly cables: (VmCable | null)[] = [];
  /** Puts away what was made for the cables' ends. */
  readonly disposals: (() => Promise<void>)[] = [];
  /** Of a machine that can be protected. */
  ram: RamFile | null = null;
  lock: LiveLock | null = null;
  disks: DiskExports | null = null;

  /** Asked when the process is gone: whose the places in the stack are now; null: nobody's. */
  heir: (() => Promise<VmParts | null>) | null = null;

  async close(): Promise<void> {
    const heir = (await this.heir?.()) ?? null;
    for (const [i, cable] of this.cables.entries()) {
      if (heir !== null && cable !== null) await heir.cables[i]?.inherit(cable);
      await cable?.close();
    }
    if (heir !== null) heir.disposals.push(...this.disposals.splice(0));
    for (const dispose of this.disposals) await dispose();
    await this.disks?.close();
    this.ram?.remove();
    this.lock?.close();
  }
}
