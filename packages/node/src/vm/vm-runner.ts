/**
 * vm-runner.ts — what runs a machine, QEMU by KVM or by emulation or v86, and its command line once all it is plugged into is known.
 * Read first: qemu-command.ts, v86-command.ts.
 */
import { ENOENT, EOPNOTSUPP } from '@netloom/core';
import { kvmWorks } from './kvm-probe.js';
import { qemuArgs } from './qemu-command.js';
import { QEMU, qemuProgram } from './qemu-program.js';
import { v86Argv } from './v86-command.js';
import type { VmParts } from './vm-parts.js';
import { CONSOLE_FD, MONITOR_FD } from './vm-process.js';
import type { RunsBy } from './vm-process.js';
import { VmRefusal } from './vm-spec.js';
import type { VmSpec } from './vm-spec.js';

export interface Runner {
  readonly accel: RunsBy;
  /** @param waits for a state that is brought, rather than to be started */
  argv(parts: VmParts, waits: boolean): string[];
}

const FDS = { monitorFd: MONITOR_FD, consoleFd: CONSOLE_FD } as const;

/** @throws VmRefusal: there is nothing here that runs it */
export async function runnerOf(spec: VmSpec): Promise<Runner> {
  if (spec.v86 !== null) return { accel: 'v86', argv: ({ cables: [cable] }) => v86Argv(spec, cable?.path ?? null, FDS) };
  const qemu = qemuProgram();
  if (qemu === null) throw new VmRefusal(ENOENT, `${QEMU} is not installed (on Debian: qemu-system-x86; or let NETLOOM_QEMU name it to the daemon)`);
  const accel = await accelOf(spec, qemu);
  return {
    accel,
    argv: ({ cables, ram, disks }, waits) => [qemu, ...qemuArgs(spec, {
      accel, ...FDS, cables: cables.map((cable) => cable?.qemu ?? null), ramPath: ram?.path ?? null, diskExports: disks?.all ?? null, waits,
    })],
  };
}

async function accelOf(spec: VmSpec, qemu: string): Promise<'kvm' | 'tcg'> {
  if (spec.accel === 'tcg') return 'tcg';
  if (await kvmWorks(qemu)) return 'kvm';
  if (spec.accel === 'kvm') throw new VmRefusal(EOPNOTSUPP, 'KVM does not run a machine here (is /dev/kvm there, and yours?); leave the accelerator out, or say tcg');
  return 'tcg';
}
