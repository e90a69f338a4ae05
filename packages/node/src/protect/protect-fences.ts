/**
 * protect-fences.ts — the fences of both sides of a protected machine, joined to what they ask about: the lock that the machine holds, the beats of its paths.
 * Read first: fence/fence.ts, fence/lock-fence.ts; live-lock.ts.
 */
import { fsyncSync } from 'node:fs';
import type { Vm } from '../vm/vm.js';
import type { VmStandby } from '../vm/vm-standby.js';
import { formatFence, makeFence, parseFence } from './fence/fence.js';
import type { Fence, Fenced, Side, Verdict } from './fence/fence.js';
import { PATIENCE_MS } from './fence/lock-fence.js';
import type { LiveFile, LiveNote } from './fence/lock-fence.js';
import type { LiveLock } from './live-lock.js';
import type { PrimaryLink } from './primary-link.js';
import type { ProtectWish } from './protect-request.js';
import { HOST_TIMERS } from './wire/timers.js';

/** Between two tries to have a lock. */
const AGAIN_MS = 20;

/** A fence of one side. */
export class ProtectFence {
  private readonly fence: Fence;
  private readonly kind: 'none' | 'lock' | 'command' | 'lease';
  private readonly lock: LiveLock | null;
  private readonly fenced: Omit<Fenced, 'liveFile' | 'timers'>;
  private asking: AbortController | null = null;
  private granted = false;

  constructor(text: string, fenced: Omit<Fenced, 'liveFile' | 'timers'>, lock: LiveLock | null) {
    const spec = parseFence(text);
    this.fenced = fenced;
    this.kind = spec.kind;
    this.lock = spec.kind === 'lock' ? lock : null;
    this.fence = makeFence(spec, { ...fenced, timers: HOST_TIMERS, liveFile: this.lock === null ? null : liveFile(this.lock) });
  }

  /** @param handed the other side has been told to run: then a yes needs a proof that it does not. */
  async goOnAlone(side: Side, why: string, handed: boolean): Promise<Verdict> {
    if (handed && this.kind !== 'lock') return { ok: false, reason: 'the backup was told to run the machine, and nobody can tell whether it does, or did' };
    this.withdraw();
    const asking = new AbortController();
    this.asking = asking;
    const verdict = await this.fence.goOnAlone(side, why, asking.signal);
    if (this.asking === asking) this.asking = null;
    this.granted ||= verdict.ok;
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

  /** The answer to what was asked is of no use any more: it is no then. */
  withdraw(): void {
    this.asking?.abort();
    this.asking = null;
  }

  /** A backup has taken the machine, and has nothing of before: its note of having gone on alone is of before. @throws Error, one line */
  begins(): void {
    this.note(false);
  }

  /** The other side is told to run: it may have the lock. */
  handOver(): void {
    this.lock?.unlock();
  }

  /** The other side has not run the machine, and will not: it runs here again, with the lock, as soon as that is free. false: somebody else has it. */
  async takeBack(): Promise<boolean> {
    const until = HOST_TIMERS.now() + PATIENCE_MS;
    for (;;) {
      try {
        // Whoever could not take it over may have noted that it would.
        this.note(true);
        return true;
      } catch {
        if (HOST_TIMERS.now() >= until) return false;
        await new Promise<void>((resolve) => HOST_TIMERS.after(AGAIN_MS, resolve));
      }
    }
  }

  /** The same at once. @throws Error, one line: somebody else has it */
  retake(): void {
    this.note(true);
  }

  /** A backup does not go on after all. */
  letGo(): void {
    this.withdraw();
    if (this.granted) this.lock?.unlock();
    this.granted = false;
  }

  private note(alone: boolean): void {
    if (this.lock !== null) liveFile(this.lock).write({ machine: this.fenced.machine, generation: this.fenced.generation(), alone });
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
