/**
 * stdin-reader.ts — standard input beside other things a tool waits for.
 * Read first: proc.ts.
 *
 * Theory of operation. `start` begins to read; each block is kept until `take` is called, and only then is the next one asked for, so a tool
 * that is slow slows its caller down and nothing piles up. The tool is woken (`Proc.wake`) when a block is there and at the end. The reading
 * itself is a task of its own that ends with the process; its failure counts as the end of the input.
 */
import type { Proc } from './proc.js';

export class StdinReader {
  /** No more will come, and nothing is left to take. */
  get ended(): boolean {
    return this.atEnd && this.block === null;
  }

  private readonly p: Proc;
  private block: Uint8Array | null = null;
  private atEnd = false;
  private taken: (() => void) | null = null;

  constructor(p: Proc) {
    this.p = p;
  }

  start(): void {
    this.read().then(
      () => this.finish(),
      () => this.finish(),
    );
  }

  /** The block that is there, or null. */
  take(): Uint8Array | null {
    const block = this.block;
    this.block = null;
    this.taken?.();
    this.taken = null;
    return block;
  }

  private async read(): Promise<void> {
    for await (const block of this.p.stdin) {
      if (block.length === 0) continue;
      const taken = new Promise<void>((resolve) => {
        this.taken = resolve;
      });
      this.block = block;
      this.p.wake();
      await taken;
    }
  }

  private finish(): void {
    this.atEnd = true;
    this.p.wake();
  }
}
