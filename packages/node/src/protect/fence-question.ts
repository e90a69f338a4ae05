/**
 * fence-question.ts — class FenceQuestion: what a primary asks its fence: one question at a time, again after a no that may change, and none any more when it is withdrawn.
 * Read first: protect-fences.ts; docs/protect-states.md ("What whoever runs them must keep to", 6).
 */
import type { Verdict } from './fence/fence.js';
import type { ProtectFence } from './protect-fences.js';

/** Until a fence that said no is asked again. */
const AGAIN_MS = 2_000;

export class FenceQuestion {
  private readonly fence: ProtectFence;
  private readonly answered: (verdict: Verdict) => void;
  /** It is time to ask once more; whoever is told does, or does not. */
  private readonly again: () => void;
  private number = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(fence: ProtectFence, answered: (verdict: Verdict) => void, again: () => void) {
    this.fence = fence;
    this.answered = answered;
    this.again = again;
  }

  async ask(why: string, handed: boolean): Promise<void> {
    const number = ++this.number;
    const verdict = await this.fence.goOnAlone('primary', why, handed);
    if (number !== this.number) return;
    // What could not be proven now may be later: the other side has died since. The answer may lead to a withdrawal.
    if (!verdict.ok && this.fence.mayChange) this.timer = setTimeout(() => this.again(), AGAIN_MS);
    this.answered(verdict);
  }

  /** Nobody waits for the answer any more. */
  withdraw(): void {
    this.number++;
    this.fence.withdraw();
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }
}
