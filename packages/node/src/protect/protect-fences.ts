/**
 * protect-fences.ts — the fences of both sides of a protected machine, joined to what they ask about: the lock that the machine holds, the beats of its paths.
 * Read first: fence/fence.ts, fence/lock-fence.ts; live-lock.ts.
 */
import { fsyncSync } from 'node:fs';
import type { Vm } from '../vm/vm.js';
import type { VmStandby } from '../vm/vm-standby.js';
import { formatFence, makeFence, parseFence } from './fence/fence.js';
import type { Fence, Fenced, Side, Verdict } from './fence/fence.js';
import type { LiveFile, LiveNote } from './fence/lock-fence.js';
import type { LiveLock } from './live-lock.js';
import type { PrimaryLink } from './primary-link.js';
import type { ProtectWish } from './protect-request.js';
import { HOST_TIMERS } from './wire/timers.js';

/** A fence of one side. */
export class ProtectFence {
  private readonly fence: Fence;
  private readonly kind: 'none' | 'lock' | 'command' | 'lease';
  private readonly lock: LiveLock | null;
  private asking: AbortController | null = null;
  private granted = false;

  constructor(text: string, fenced: Omit<Fenced, 'liveFile' | 'timers'>, lock: LiveLock | null) {
    const spec = parseFence(text);
    this.kind = spec.kind;
    this.lock = spec.kind === 'lock' ? lock : null;
    this.fence = makeFence(spec, { ...fenced, timers: HOST_TIMERS, liveFile: this.lock === null ? null : liveFile(this.lock) });
  }

  /** @param handed the other side has been told to run: then a yes needs a proof that it does not. */
  async goOnAlone(side: Side, why: string, handed: boolean): Promise<Verdict> {
    if (handed && this.kind !== 'lock') return { ok: false, reason: 'the backup was told to run the machine, and nobody can tell whether it does, or did' };
    this.asking = new AbortController();
    const verdict = await this.fence.goOnAlone(side, why, this.asking.signal);
    this.asking = null;
    this.granted = verdict.ok;
    return verdict;
  }

  /** May a fence that said no say yes later, without anybody's help? */
  get mayChange(): boolean {
    return this.kind === 'lock' || this.kind === 'command';
  }

  /** The backup has the lock and is about to run: whoever takes it later, and is of before, must not. Called before the machine runs. */
  takenOver(machine: string, generation: number): void {
    if (this.lock !== null) liveFile(this.lock).write({ machine, generation: generation + 1, alone: false });
  }

  /** The other side is told to run: it may have the lock. */
  handOver(): void {
    this.lock?.unlock();
  }

  /** A backup does not go on after all. */
  letGo(): void {
    this.asking?.abort();
    if (this.granted) this.lock?.unlock();
    this.granted = false;
  }
}

/** The lock that is noted for this protection. @throws Error, one line: the machine holds another lock than the fence is about */
export function primaryFence(vm: Vm, wish: ProtectWish, generation: number, lastHeardAt: () => number): ProtectFence {
  const { lock } = vm.parts;
  if (wish.fence.kind === 'lock' && wish.fence.path !== null && wish.fence.path !== lock?.path) {
    throw new Error(`"${vm.name}" holds the lock ${lock?.path ?? 'of nothing'}, not ${wish.fence.path}: run it with --lock ${wish.fence.path}`);
  }
  const fence = new ProtectFence(wish.fenceText, { machine: vm.name, generation: () => generation, peer: wish.backupText, lastHeardAt, hush: () => undefined }, lock);
  if (wish.fence.kind === 'lock' && lock !== null) liveFile(lock).write({ machine: vm.name, generation, alone: false });
  return fence;
}

export function keptFence(link: PrimaryLink, standby: VmStandby): ProtectFence {
  const { hello } = link;
  return new ProtectFence(hello.fence, { machine: hello.machine, generation: () => hello.generation, peer: 'the primary', lastHeardAt: () => link.twoPaths?.lastHeardAt ?? 0, hush: () => link.hush() }, standby.lock);
}

/** A number for a new protection: larger than those before, also of other hosts if their clocks are about right, so that what is left of an older one is known as such. */
export function newGeneration(lock: LiveLock | null): number {
  const noted = lock === null ? null : noteOf(lock.read());
  return Math.max(Date.now(), (noted?.generation ?? 0) + 1);
}

/** What the fence is called at the backup: which file, where it is a lock. */
export function toldFence(wish: ProtectWish, vm: Vm): string {
  return wish.fence.kind === 'lock' ? formatFence({ kind: 'lock', path: vm.parts.lock?.path ?? null }) : wish.fenceText;
}

function liveFile(lock: LiveLock): LiveFile {
  return {
    path: lock.path,
    take: () => lock.lock(),
    release: () => lock.unlock(),
    note: () => noteOf(lock.read()),
    write: (note) => {
      // A machine that was handed over has let it go.
      if (!lock.lock()) throw new Error('somebody else has taken it');
      lock.write(JSON.stringify(note));
      fsyncSync(lock.fd);
    },
  };
}

function noteOf(text: string): LiveNote | null {
  try {
    const { machine, generation, alone } = JSON.parse(text) as Partial<LiveNote>;
    return typeof machine === 'string' && typeof generation === 'number' && typeof alone === 'boolean' ? { machine, generation, alone } : null;
  } catch {
    return null;
  }
}
