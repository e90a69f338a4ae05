/**
 * fence.ts — Fence: what a side asks before it goes on alone, because the machine must not run on both.
 * Read first: docs/protect.md; lock-fence.ts, command-fence.ts, lease-fence.ts are the kinds.
 *
 * When two daemons lose each other, neither can tell a dead one from a cut wire. A fence is what makes the difference:
 *
 *     none                 nobody knows, so the backup waits for a person; the primary goes on
 *     lock, lock:PATH      a lock on a file that both see, which the running machine holds
 *     command:PATH ARGS    a program that makes sure that the other side is dead
 *     lease:MS             the primary stops by itself when it is not heard for that long, so the backup waits that long
 *
 * Invariant: of two sides that ask about one life of a machine, at most one is told `ok` and runs it. `none` keeps it because its backup never is.
 */
import { isAbsolute } from 'node:path';
import type { Timers } from '../wire/timers.js';
import { CommandFence } from './command-fence.js';
import { LeaseFence } from './lease-fence.js';
import { LockFence } from './lock-fence.js';
import type { LiveFile } from './lock-fence.js';

export type Side = 'primary' | 'backup';

export type Verdict =
  | { readonly ok: true }
  /** One line. */
  | { readonly ok: false; readonly reason: string };

export interface Fence {
  /** May `side` run the machine without the other? `why` is what happened. `givenUp`: the answer is of no use any more, so do not wait; it is no then. Never rejects. */
  goOnAlone(side: Side, why: string, givenUp?: AbortSignal): Promise<Verdict>;
}

export type FenceSpec =
  | { readonly kind: 'none' }
  /** `path` null: the daemon's own choice. */
  | { readonly kind: 'lock'; readonly path: string | null }
  | { readonly kind: 'command'; readonly argv: readonly string[] }
  | { readonly kind: 'lease'; readonly ms: number };

/** A fence that cannot be read: the value at fault, and what is right. */
export class FenceError extends Error {
  override readonly name = 'FenceError';
}

export const FENCE_FORM = 'none, lock, lock:/PATH, command:/PROGRAM ARGS or lease:MS';
const LEASE_MS_MIN = 100;
const LEASE_MS_MAX = 3_600_000;

/** @throws FenceError */
export function parseFence(text: string): FenceSpec {
  const bad = (why: string): FenceError => new FenceError(`"${text}" is no fence: ${why} (${FENCE_FORM})`);
  const [, kind = '', rest] = /^([a-z]*)(?::(.*))?$/s.exec(text) ?? [];
  switch (kind) {
    case 'none':
      if (rest !== undefined) throw bad('nothing follows "none"');
      return { kind };
    case 'lock':
      if (rest !== undefined && !isAbsolute(rest)) throw bad(`"${rest}" is no path from the root`);
      return { kind, path: rest ?? null };
    case 'command': {
      const argv = (rest ?? '').split(/\s+/).filter((word) => word !== '');
      if (argv[0] === undefined || !isAbsolute(argv[0])) throw bad(`"${argv[0] ?? ''}" is no path from the root, and the daemon's folder is not yours`);
      return { kind, argv };
    }
    case 'lease': {
      const ms = /^\d{1,9}$/.test(rest ?? '') ? Number(rest) : NaN;
      if (!(ms >= LEASE_MS_MIN && ms <= LEASE_MS_MAX)) throw bad(`a whole number of milliseconds from ${LEASE_MS_MIN} to ${LEASE_MS_MAX} is needed behind "lease:"`);
      return { kind, ms };
    }
    default:
      throw bad('there is no such kind');
  }
}

/** The fence as text; `parseFence` reads it. */
export function formatFence(spec: FenceSpec): string {
  switch (spec.kind) {
    case 'none':
      return 'none';
    case 'lock':
      return spec.path === null ? 'lock' : `lock:${spec.path}`;
    case 'command':
      return `command:${spec.argv.join(' ')}`;
    case 'lease':
      return `lease:${spec.ms}`;
  }
}

/** What the fences ask of the protection they belong to. */
export interface Fenced {
  readonly machine: string;
  /** Of the checkpoints that a backup would go on from, or of the machine that runs. */
  readonly generation: () => number;
  /** The other daemon, for people and for a command. */
  readonly peer: string;
  readonly timers: Timers;
  /** When the other side was heard last, by `timers`; for a lease. */
  readonly lastHeardAt: () => number;
  /** Echoes no beat any more; called before a backup with a lease is told `ok`, because an echo is a lease. */
  readonly hush: () => void;
  /** The file that the running machine holds; null when the fence is not `lock`. */
  readonly liveFile: LiveFile | null;
}

export function makeFence(spec: FenceSpec, fenced: Fenced): Fence {
  switch (spec.kind) {
    case 'none':
      return new NoFence(fenced.machine);
    case 'lock':
      if (fenced.liveFile === null) throw new FenceError(`the fence "${formatFence(spec)}" of "${fenced.machine}" has no file`);
      return new LockFence(fenced, fenced.liveFile);
    case 'command':
      return new CommandFence(fenced, spec.argv);
    case 'lease':
      return new LeaseFence(fenced, spec.ms);
  }
}

/** Nobody can tell, so only one side ever may. */
class NoFence implements Fence {
  private readonly machine: string;

  constructor(machine: string) {
    this.machine = machine;
  }

  goOnAlone(side: Side): Promise<Verdict> {
    if (side === 'primary') return Promise.resolve({ ok: true });
    return Promise.resolve({ ok: false, reason: `nobody can tell whether the machine still runs there; if you know it does not: netloom protect failover ${this.machine} --force` });
  }
}
