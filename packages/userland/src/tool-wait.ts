/**
 * tool-wait.ts — a tool that waits for its sockets, for the clock, and for the signal that ends it.
 * Read first: proc.ts.
 *
 * Sockets it is given to keep (`keep`) are closed when the process ends, however it ends.
 *
 * Theory of operation. Sockets' callbacks wake the tool (`wake`); `until` looks whether what it waits for is there, and sleeps again when it is not. A signal of those the tool wants to end by
 * itself makes every `until` throw ToolInterrupted, from then on until `resume`, so that it leaves from wherever it waits.
 */
import type { Proc, ProcSignal } from './proc.js';

export class ToolInterrupted extends Error {
  override readonly name = 'ToolInterrupted';
  readonly signal: ProcSignal;

  constructor(signal: ProcSignal) {
    super(`interrupted by SIG${signal}`);
    this.signal = signal;
  }
}

/** A socket, as far as its end goes. */
interface Closable {
  readonly closed: boolean;
  close(): unknown;
}

export class ToolWait {
  readonly p: Proc;
  /** For callbacks: what the tool waits for may be there. */
  readonly wake: () => void;
  private signal: ProcSignal | null = null;
  private readonly kept = new Set<Closable>();

  /** @param signals those that end the tool in its own way. */
  constructor(p: Proc, signals: readonly ProcSignal[]) {
    this.p = p;
    this.wake = () => p.wake();
    p.onSignal((signal) => {
      if (!signals.includes(signal)) return false;
      this.signal = signal;
      return true;
    });
    p.atExit(() => {
      for (const so of this.kept) so.close();
    });
  }

  /** Closes `so` with the process, unless it has been closed by then. */
  keep<T extends Closable>(so: T): T {
    for (const old of this.kept) if (old.closed) this.kept.delete(old);
    this.kept.add(so);
    return so;
  }

  /** The signal has been heard: waiting is possible again. */
  resume(): void {
    this.signal = null;
  }

  /** True when `ready` answers true, false when the time is past `deadlineUs`. `ready` is asked at least once. @throws ToolInterrupted */
  async until(ready: () => boolean, deadlineUs = Infinity): Promise<boolean> {
    for (;;) {
      if (this.signal !== null) throw new ToolInterrupted(this.signal);
      if (ready()) return true;
      const left = deadlineUs - this.p.now();
      if (left <= 0) return false;
      await this.p.sleepUs(left);
    }
  }

  /** Sleeps until then, whatever wakes the tool. @throws ToolInterrupted */
  async sleepUntil(deadlineUs: number): Promise<void> {
    await this.until(() => false, deadlineUs);
  }
}
