/**
 * protected-parts.ts — ProtectedParts: what a protected machine is protected with, and who is told of it.
 * Read first: protected-machine.ts, which uses them; protect-machine.ts, which makes them.
 */
import type { BackupSession, SessionUser } from './backup-session.js';
import type { Checkpointer } from './checkpoint.js';
import type { Interval } from './epoch-pace.js';
import type { HeldDisks } from './held-disks.js';
import type { HeldOutput } from './held-output.js';
import type { ProtectFence } from './protect-fences.js';

/** What is needed to protect a machine. */
export interface ProtectedParts {
  readonly name: string;
  readonly checkpointer: Checkpointer;
  readonly output: HeldOutput;
  readonly disks: HeldDisks;
  /** Has the backup disks of its own? */
  readonly copiesDisks: boolean;
  readonly fence: ProtectFence;
  readonly interval: Interval;
  /** Connects to the backup, and is taken by it. Rejects with one line; what `user` is told comes afterwards, but for `lives`. */
  readonly join: (user: SessionUser, welcomed: (life: string) => void, givenUp: AbortSignal) => Promise<BackupSession>;
  /** Does it end just now? Its monitor is gone before its process. */
  readonly endsSoon: () => Promise<boolean>;
  /** Ends the machine at once. */
  readonly kill: () => void;
  /** Something worth telling: a phase, or what went wrong. */
  readonly tell: (type: string, data: Readonly<Record<string, string>>) => void;
  /** It is over; nothing is left. `died`: the machine has failed, and the backup may go on with it. */
  readonly onEnd: (died: boolean) => void;
}
