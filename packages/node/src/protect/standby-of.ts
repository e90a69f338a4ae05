/**
 * standby-of.ts — the machine that waits, as a backup has it: QEMU or v86, and its disks, which are copies, or the files of the machine itself when that is on this host.
 * Read first: kept-machine.ts (KeptStandby); vm/vm-standby.ts; disk/disk-copy.ts; held-disks.ts (`settle`).
 */
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { VmStandby } from '../vm/vm-standby.js';
import type { VmSpec } from '../vm/vm-spec.js';
import type { Vms } from '../vm/vms.js';
import type { ImageDelta } from './checkpoint.js';
import { DiskCopy } from './disk/disk-copy.js';
import { decodeDiskWrites } from './disk/disk-codec.js';
import type { InboundFrame } from './inbound-log.js';
import type { KeptStandby } from './kept-machine.js';
import type { Protection } from './protect-machine.js';
import type { PrimaryLink } from './primary-link.js';
import { keptFence } from './protect-fences.js';
import type { ProtectFence } from './protect-fences.js';

/** @param diskFolder where copies of disks are. @param primary the machine's protection when it runs here, too. Rejects with one line */
export async function standbyOf(vms: Vms, diskFolder: string, link: PrimaryLink, primary: Protection | null): Promise<KeptStandby> {
  const { spec, diskBytes } = link.told;
  if (primary !== null) return new Kept(link, await vms.standby(spec), [], primary);
  const folder = join(diskFolder, spec.name);
  const copies: DiskCopy[] = [];
  try {
    if (diskBytes.length > 0) await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const [i, bytes] of diskBytes.entries()) copies.push(await copyAt(join(folder, `disk${i}.img`), bytes, `the backup of ${spec.name}`));
    const disks = spec.disks.map((disk, i) => ({ ...disk, path: copies[i]?.path ?? disk.path }));
    return new Kept(link, await vms.standby({ ...spec, disks } satisfies VmSpec), copies, null);
  } catch (error) {
    for (const copy of copies) await copy.end();
    throw error;
  }
}

/** A machine that took over here, and has ended or gone elsewhere since, has left its disk: that is kept aside, once. */
async function copyAt(path: string, bytes: number, owner: string): Promise<DiskCopy> {
  if (existsSync(path) && !DiskCopy.isCopy(path)) await rename(path, `${path}.before`);
  return DiskCopy.create(path, bytes, owner);
}

class Kept implements KeptStandby {
  readonly fence: ProtectFence;
  private readonly link: PrimaryLink;
  private readonly standby: VmStandby;
  private readonly copies: readonly DiskCopy[];
  private readonly primary: Protection | null;

  constructor(link: PrimaryLink, standby: VmStandby, copies: readonly DiskCopy[], primary: Protection | null) {
    this.standby = standby;
    this.copies = copies;
    this.primary = primary;
    this.link = link;
    this.fence = keptFence(link, standby);
  }

  set onFailed(told: (reason: string) => void) {
    this.standby.onFailed = told;
  }

  apply(delta: ImageDelta): void {
    this.standby.apply(delta);
  }

  async applyDisks(records: readonly Uint8Array[]): Promise<void> {
    for (const record of records) {
      const [disk = 0] = record;
      const copy = this.copies[disk];
      if (copy === undefined) throw new Error(`the primary tells of disk ${disk}, and the machine has ${this.copies.length}`);
      await copy.apply(await decodeDiskWrites(record.subarray(1), copy.bytes));
    }
  }

  async settleDisks(epoch: number): Promise<void> {
    if (this.primary === null) {
      // The machine that waits has the files open as well.
      for (const copy of this.copies) await (await copy.takeOver()).close();
      return;
    }
    const { vm, disks } = this.primary;
    // What its process has written last may still be in the sockets.
    vm.parts.disks?.cut();
    await disks.settle(epoch);
    this.primary.inheritance.leaveTo(this.standby.parts);
    // Of a machine that was handed over: it stands still, and its name is needed.
    vm.process?.kill();
  }

  async takeOver(device: Uint8Array, connect: () => void): Promise<void> {
    const { machine, generation } = this.link.hello;
    await this.standby.takeOver(device, () => {
      this.fence.takenOver(machine, generation);
      connect();
    });
  }

  replay(frames: readonly InboundFrame[]): void {
    for (const { nic, bytes } of frames) this.standby.replay([bytes], nic);
  }

  async end(): Promise<void> {
    await this.standby.end();
    for (const copy of this.copies) await copy.end();
  }
}
