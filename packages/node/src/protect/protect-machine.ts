/**
 * protect-machine.ts — puts together what protects a machine of ours: its state, its output, its disks, its backup, its fence.
 * Read first: protected-machine.ts.
 */
import type { Kernel } from '@netloom/core';
import type { HostLoop } from '../loop.js';
import { version } from '../daemon/version.js';
import { inTime } from '../in-time.js';
import type { VmEnd } from '../vm/vm-process.js';
import type { Vm } from '../vm/vm.js';
import { BackupSession } from './backup-session.js';
import type { SessionUser } from './backup-session.js';
import { checkpointerOf } from './checkpointer-of.js';
import { Inheritance } from './inheritance.js';
import { HeldDisks } from './held-disks.js';
import { HeldOutput } from './held-output.js';
import { newGeneration, primaryFence, toldFence } from './protect-fences.js';
import type { ProtectWish } from './protect-request.js';
import { ProtectedMachine } from './protected-machine.js';
import { tellMachine } from './told-machine.js';
import { dial } from './wire/dial.js';
import { PROTOCOL } from './wire/record-payloads.js';

/** How long the other side may take to be reached. */
const DIAL_MS = 5_000;
/** A process whose monitor is gone has ended by then. */
const ENDS_MS = 3_000;
/** Until a machine whose daemon ends is told to be on its own. */
const LEAVE_MS = 3_000;

export interface ProtectPlace {
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  /** Our own socket. */
  readonly socketPath: string;
  readonly tell: (type: string, data: Readonly<Record<string, string>>) => void;
  readonly onEnd: (protection: Protection) => void;
}

/** A machine of ours and what protects it. */
export interface Protection {
  readonly vm: Vm;
  readonly wish: ProtectWish;
  readonly generation: number;
  readonly protectedMachine: ProtectedMachine;
  readonly output: HeldOutput;
  readonly disks: HeldDisks;
  readonly inheritance: Inheritance;
  /** Finds the backup. Rejects with one line, and nothing is left. */
  start(): Promise<void>;
  /** The daemon ends, and the machine with it: the backup is told to forget it, if that can be. */
  leave(): Promise<void>;
}

/** Rejects with one line, and nothing is left. */
export async function protectMachine(place: ProtectPlace, vm: Vm, wish: ProtectWish): Promise<Protection> {
  const { kernel, loop } = place;
  const isLocal = wish.backup.kind === 'local';
  const generation = newGeneration(vm.parts.lock);
  const fence = primaryFence(vm, wish, generation, () => machine.connection?.paths.lastHeardAt ?? 0);
  const checkpointer = await checkpointerOf(vm);
  const links = vm.links.flatMap((link) => link ?? []);
  const output = new HeldOutput(kernel, loop, vm.prison.vnet.kern, wish.unplugged ? [] : links, () => machine.hurry(false));
  const disks = new HeldDisks(vm.parts.disks?.all.map(({ disk }) => disk) ?? [], !isLocal, () => machine.hurry(true));
  const inheritance = new Inheritance();
  const end = (died: boolean): void => {
    for (const link of links) link.onOutput = null;
    if (!died || !isLocal) inheritance.leaveToNobody();
    if (!died) vm.parts.heir = null;
    place.onEnd(protection);
  };
  const join = (user: SessionUser, welcomed: (life: string) => void, givenUp: AbortSignal): Promise<BackupSession> => BackupSession.join({
    dial: (kind) => dial(kind === 'stream' ? wish.backup : wish.via, kind, { ownSocket: place.socketPath, keyFile: wish.keyFile, timeoutMs: DIAL_MS }),
    hello: {
      protocol: PROTOCOL, version, machine: vm.name, generation, engine: vm.spec.v86 === null ? 'qemu' : 'v86', imageBytes: checkpointer.imageBytes, firstEpoch: output.open, fence: toldFence(wish, vm),
      beatMs: wish.beatMs, timeoutMs: wish.timeoutMs, spec: tellMachine(vm.spec, wish.fence.kind === 'lock' ? (vm.parts.lock?.path ?? null) : null, disks.sizes, isLocal ? wish.request : null),
    },
    leaseMs: wish.fence.kind === 'lease' ? wish.fence.ms : null,
    pack: !isLocal,
    user, welcomed, givenUp,
  });
  const machine = new ProtectedMachine({
    name: vm.name, checkpointer, output, disks, fence, interval: wish.interval, join, copiesDisks: !isLocal, tell: place.tell, onEnd: end,
    kill: () => vm.process?.kill(),
    endsSoon: async () => vm.process === null || (await inTime(vm.process.ended, ENDS_MS, null)) !== null,
  });
  for (const [nic, link] of vm.links.entries()) {
    if (link !== null) link.onOutput = (bytes) => machine.inbound(nic, bytes);
  }
  // One whose backup is elsewhere has no heir, but its last output waits for what the backup says, and its lock as long.
  vm.parts.heir = () => inheritance.heir();
  void vm.process?.ended.then((how) => machine.happens({ is: isFailure(how) ? 'guestDied' : 'guestOver' }, `the machine has ended: ${how.how}${how.message === '' ? '' : `: ${how.message}`}`));
  const protection: Protection = {
    vm, wish, generation, protectedMachine: machine, output, disks, inheritance,
    start: () => machine.start(),
    leave: async () => {
      machine.happens({ is: 'unprotect' });
      for (let waits = 0; machine.phase === 'deciding' && waits < 3; waits++) await machine.changed(LEAVE_MS);
      if (machine.phase === 'ended') await machine.over;
    },
  };
  return protection;
}

/** It did not end by its own wish, or anybody's here. */
function isFailure({ how }: VmEnd): boolean {
  return how === 'killed' || how === 'failed';
}
