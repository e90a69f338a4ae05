/**
 * lock-fence.ts — LockFence: the machine runs where its file is locked; both sides see the file, on one host or in a file system they share.
 * Read first: fence.ts; flock(2).
 *
 * Theory of operation. The running machine and its daemon hold the lock, so it is free only when both are gone. That alone would not do: a primary that went
 * on without its backup and died later leaves a free lock, and a backup whose checkpoint is from before. So a note in the file says of which life of the machine it
 * is and whether it has gone on alone, and the primary writes that, on the disk, before it does. The backup takes the lock first and reads the note
 * then: nobody can write it any more.
 *
 * A killed machine lets go some milliseconds after its daemon, so the backup tries for PATIENCE_MS. A note that is missing or of another machine is a no: the two sides
 * do not see one file.
 *
 * Invariant: the lock is held after a backup was told `ok`, and not after a no.
 */
import type { Alarm } from '../wire/timers.js';
import type { Fence, Fenced, Side, Verdict } from './fence.js';

export const PATIENCE_MS = 2_000;
const AGAIN_MS = 10;

export interface LiveNote {
  readonly machine: string;
  readonly generation: number;
  /** It has gone on without its backup in this generation. */
  readonly alone: boolean;
}

/** The file. Each throws an Error of one line when the file system does not let it. */
export interface LiveFile {
  readonly path: string;
  /** Takes the lock, unless somebody has it. */
  take(): boolean;
  /** Lets go of what `take` took. */
  release(): void;
  /** What it says; null: nothing that can be read. */
  note(): LiveNote | null;
  /** Says it, on the disk when this returns. */
  write(note: LiveNote): void;
}

export class LockFence implements Fence {
  private readonly fenced: Fenced;
  private readonly file: LiveFile;
  private readonly patienceMs: number;

  constructor(fenced: Fenced, file: LiveFile, patienceMs = PATIENCE_MS) {
    this.fenced = fenced;
    this.file = file;
    this.patienceMs = patienceMs;
  }

  async goOnAlone(side: Side, _why: string, givenUp?: AbortSignal): Promise<Verdict> {
    const { file } = this;
    try {
      if (side === 'primary') return this.primary();
      if (!(await this.taken(givenUp))) return { ok: false, reason: givenUp?.aborted === true ? 'it was given up' : `the machine or its daemon still runs there: it holds the lock on "${file.path}"` };
    } catch (error) {
      return { ok: false, reason: `the lock on "${file.path}" cannot be used: ${(error as Error).message}` };
    }
    return this.judge();
  }

  /** It holds the lock, unless it has handed the machine over; then it must have it back, and nobody may have run the machine meanwhile. */
  private primary(): Verdict {
    const { file, fenced } = this;
    if (!file.take()) return { ok: false, reason: `the backup has taken the lock on "${file.path}"` };
    const note = file.note();
    if (note !== null && note.machine === fenced.machine && note.generation > fenced.generation()) {
      file.release();
      return { ok: false, reason: `the machine has lived on elsewhere: "${file.path}" is of generation ${note.generation}, and the machine here of ${fenced.generation()}` };
    }
    file.write({ machine: fenced.machine, generation: fenced.generation(), alone: true });
    return { ok: true };
  }

  /** Tries until it has the lock, or has waited enough. */
  private async taken(givenUp?: AbortSignal): Promise<boolean> {
    const { timers } = this.fenced;
    const until = timers.now() + this.patienceMs;
    for (;;) {
      if (givenUp?.aborted === true) return false;
      if (this.file.take()) return true;
      if (timers.now() >= until) return false;
      await new Promise<void>((resolve) => {
        const over = (): void => {
          alarm.cancel();
          resolve();
        };
        const alarm: Alarm = timers.after(AGAIN_MS, () => {
          givenUp?.removeEventListener('abort', over);
          resolve();
        });
        givenUp?.addEventListener('abort', over, { once: true });
      });
    }
  }

  /** The lock is ours: does the note let us? */
  private judge(): Verdict {
    const reason = this.objection();
    if (reason === null) return { ok: true };
    this.file.release();
    return { ok: false, reason };
  }

  private objection(): string | null {
    const { machine, generation, peer } = this.fenced;
    const force = `netloom protect failover ${machine} --force`;
    let note: LiveNote | null;
    try {
      note = this.file.note();
    } catch (error) {
      return `the note in "${this.file.path}" cannot be read: ${(error as Error).message}`;
    }
    if (note?.machine !== machine) return `"${this.file.path}" says nothing of "${machine}", so it is not the file that ${peer} locks; if you know that the machine does not run there: ${force}`;
    if (note.generation > generation()) return `the machine has lived on elsewhere: "${this.file.path}" is of generation ${note.generation}, and the checkpoint here of ${generation()}`;
    if (note.alone && note.generation === generation()) return `the machine had gone on at ${peer} without its backup, so the checkpoint here is from before; to lose what it did since: ${force}`;
    return null;
  }
}
