/**
 * backup-search.ts — class BackupSearch: looks for a backup as long as a protected machine has none, and seldom when it is in vain.
 * Read first: protected-machine.ts.
 *
 * The first look is at once. After one in vain it waits, twice as long each time; and as long after one that was not, until `kept`: a backup that takes a machine and then cannot keep it starts another machine for each look.
 */

/** Between two looks. */
const WAIT_MIN_MS = 250;
const WAIT_MAX_MS = 15_000;

export interface SearchParts {
  /** Is there none, and is one wanted? */
  readonly isWanted: () => boolean;
  readonly isOver: () => boolean;
  /** Looks. Never rejects; `isWanted` says whether it was in vain. */
  readonly look: () => Promise<void>;
}

export class BackupSearch {
  private readonly parts: SearchParts;
  private waitMs = 0;
  private waken: (() => void) | null = null;

  constructor(parts: SearchParts) {
    this.parts = parts;
  }

  /** Resolves when it is over. */
  async run(): Promise<void> {
    const { isWanted, isOver, look } = this.parts;
    while (!isOver()) {
      if (!isWanted()) {
        await this.rest(WAIT_MAX_MS);
        continue;
      }
      if (this.waitMs > 0) await this.rest(this.waitMs);
      if (!isWanted()) continue;
      this.waitMs = Math.min(Math.max(2 * this.waitMs, WAIT_MIN_MS), WAIT_MAX_MS);
      await look();
    }
  }

  /** Whether one is wanted may have changed. */
  wake(): void {
    this.waken?.();
  }

  /** The backup has kept the machine: if it is lost, the next look is at once. */
  kept(): void {
    this.waitMs = 0;
  }

  private async rest(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.waken = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.waken = null;
  }
}
