/**
 * vm-launch.ts — class VmLaunch: makes what a machine needs, and starts its process, which does not run yet.
 * Read first: vm-parts.ts, vm-runner.ts, vm-process.ts.
 *
 * The same for a machine that is to run and for one that waits to take over; they differ in three things. The first is plugged into the stack and has its lock before it starts, the other when it takes over. The
 * first has its memory made here, the other brings it along. And the process of the other waits for a state. A machine of v86 has its memory and its disks in its process, so there is nothing beside it to be made.
 *
 * Whoever calls puts the parts away when anything here throws.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kernel, Prison } from '@netloom/core';
import { EBUSY, EIO, EOPNOTSUPP } from '@netloom/core';
import type { Logger } from 'pino';
import type { HostLoop } from '../loop.js';
import { DiskExports } from '../protect/disk/disk-exports.js';
import { LiveLock } from '../protect/live-lock.js';
import { checkProtectable } from '../protect/qemu/protectable.js';
import { RamFile } from '../protect/qemu/ram-file.js';
import type { NicBackends } from './nic-backends.js';
import type { CableMaker } from './vm-cable.js';
import { checkFiles } from './vm-files.js';
import type { VmParts } from './vm-parts.js';
import { VmProcess } from './vm-process.js';
import { runnerOf } from './vm-runner.js';
import { VmRefusal } from './vm-spec.js';
import type { VmSpec } from './vm-spec.js';

export interface VmsWorld {
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  readonly log: Logger;
  readonly backends: NicBackends;
  readonly cables: CableMaker;
  /** A folder for logs and sockets, made when the first machine is. */
  readonly folder: string;
}

/** A machine that is to be started. */
export interface VmPlan {
  readonly spec: VmSpec;
  readonly prison: Prison;
  /** Of its logs and sockets. */
  readonly folder: string;
  readonly parts: VmParts;
}

export class VmLaunch {
  private readonly world: VmsWorld;

  constructor(world: VmsWorld) {
    this.world = world;
  }

  /** Makes a machine that is to run. @throws VmRefusal */
  toRun(plan: VmPlan): Promise<VmProcess> {
    return this.start(plan, false);
  }

  /** Makes a machine that waits; its memory is among its parts already. @throws VmRefusal */
  toWait(plan: VmPlan): Promise<VmProcess> {
    return this.start(plan, true);
  }

  /** Takes the lock, which is open. @throws VmRefusal: another copy runs */
  takeLock({ spec: { name }, parts: { lock } }: VmPlan): void {
    if (lock === null || lock.lock()) return;
    const note = LiveLock.peek(lock.path);
    throw new VmRefusal(EBUSY, `another copy of it runs (${lock.path} is locked${note === '' ? '' : `: ${note}`}); end that, or give "${name}" another lock`);
  }

  /** Plugs all cables into the stack, but those that have inherited their places. @throws VmRefusal */
  async plug({ spec, prison, parts }: VmPlan): Promise<void> {
    for (const [i, nic] of spec.nics.entries()) {
      if ((parts.cables[i]?.link ?? null) !== null) continue;
      const backend = await this.world.backends.open(nic, { vmName: spec.name, prison });
      if (backend === null) continue;
      if (backend.dispose !== undefined) parts.disposals.push(backend.dispose);
      parts.cables[i]?.plug(backend.end);
    }
  }

  private openLock({ spec, parts }: VmPlan): void {
    try {
      parts.lock = LiveLock.open(spec.lock ?? join(this.world.folder, `${spec.name}.lock`));
    } catch (error) {
      throw new VmRefusal(EIO, (error as Error).message);
    }
  }

  private async start(plan: VmPlan, waits: boolean): Promise<VmProcess> {
    const { world } = this;
    const { parts, folder } = plan;
    const spec = await checkFiles(plan.spec);
    const runner = await runnerOf(spec);
    if (spec.protectable) {
      checkProtectable(spec);
      this.openLock(plan);
      if (!waits) this.takeLock(plan);
      if (spec.v86 === null) parts.ram ??= await RamFile.make(spec.name, spec.memoryBytes);
    }
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const [i, nic] of spec.nics.entries()) parts.cables.push(nic.backend === null ? null : await world.cables(join(folder, `net${i}`), nic.transport));
    if (!waits) await this.plug({ ...plan, spec });
    if (spec.protectable && spec.v86 === null && spec.disks.length > 0) parts.disks = await exportDisks(spec, folder);
    const logFailed = (error: unknown): void => world.log.warn({ vm: spec.name, err: error }, 'a log of a virtual machine cannot be written');
    const process = await VmProcess.start({ spec, argv: runner.argv(parts, waits), accel: runner.accel, folder, ramFolder: parts.ram?.folder ?? null, lockFd: parts.lock?.fd ?? null, logFailed });
    if (spec.protectable && spec.v86 === null) await this.checkDevices(process);
    return process;
  }

  /** A device whose state QEMU cannot take. */
  private async checkDevices(process: VmProcess): Promise<void> {
    const [reason] = await process.blockedReasons().catch((error: unknown) => [(error as Error).message]);
    if (reason === undefined) return;
    process.kill();
    await process.ended;
    throw new VmRefusal(EOPNOTSUPP, `QEMU cannot take the state of this machine, so that it cannot be protected: ${reason}`);
  }
}

/** QEMU does not open these itself: what it writes is held until its epoch is safe. */
async function exportDisks({ disks }: VmSpec, folder: string): Promise<DiskExports> {
  try {
    return await DiskExports.open(disks, folder);
  } catch (error) {
    throw new VmRefusal(EIO, (error as Error).message);
  }
}
