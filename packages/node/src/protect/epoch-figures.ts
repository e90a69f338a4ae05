/**
 * epoch-figures.ts — class EpochFigures: what a machine's checkpoints cost, for people, metrics and benchmarks.
 *
 * The last RECENT_MAX epochs are kept, so that a picture of them can be drawn. Totals are counted from when the machine began to be protected.
 */
import type { Checkpoint } from './checkpoint.js';
import { PAGE_BYTES } from './checkpoint.js';

const RECENT_MAX = 256;

/** One checkpoint. Times in microseconds; null: not yet. */
export interface EpochFigure {
  readonly epoch: number;
  /** When it was taken, microseconds by performance.now(). */
  readonly takenUs: number;
  /** How long the machine stood still; of that the device state and the image, which are taken at the same time. */
  readonly pauseUs: number;
  readonly deviceUs: number;
  readonly imageUs: number;
  readonly pages: number;
  /** What went to the backup for it. */
  readonly bytes: number | null;
  /** From when it was due to be taken until the backup had it. */
  readonly commitUs: number | null;
}

export class EpochFigures {
  checkpoints = 0;
  commits = 0;
  pauseUsTotal = 0;
  commitUsTotal = 0;
  bytesTotal = 0;
  pageBytesTotal = 0;
  private recentFigures: EpochFigure[] = [];

  /** Oldest first. */
  get recent(): readonly EpochFigure[] {
    return this.recentFigures;
  }

  get last(): EpochFigure | null {
    return this.recentFigures.at(-1) ?? null;
  }

  /** When the newest safe checkpoint was taken; null: there is none. */
  get safeUs(): number | null {
    return this.recentFigures.findLast((figure) => figure.commitUs !== null)?.takenUs ?? null;
  }

  /** Checkpoints per second over the last ones. */
  get perSecond(): number {
    const figures = this.recentFigures;
    const [first, last] = [figures[0], figures.at(-1)];
    if (first === undefined || last === undefined || last.takenUs <= first.takenUs) return 0;
    return ((figures.length - 1) * 1e6) / (last.takenUs - first.takenUs);
  }

  took(epoch: number, { delta, pauseUs, deviceUs, imageUs }: Checkpoint): void {
    this.checkpoints++;
    this.pauseUsTotal += pauseUs;
    this.pageBytesTotal += delta.pages.length * PAGE_BYTES;
    this.recentFigures.push({ epoch, takenUs: performance.now() * 1000, pauseUs, deviceUs, imageUs, pages: delta.pages.length, bytes: null, commitUs: null });
    if (this.recentFigures.length > RECENT_MAX) this.recentFigures.shift();
  }

  sent(epoch: number, bytes: number): void {
    this.bytesTotal += bytes;
    this.change(epoch, (figure) => ({ ...figure, bytes }));
  }

  /** The backup has it, and all before. */
  acked(epoch: number): void {
    const now = performance.now() * 1000;
    this.change(epoch, (figure) => {
      const commitUs = now - figure.takenUs + figure.pauseUs;
      this.commits++;
      this.commitUsTotal += commitUs;
      return { ...figure, commitUs };
    });
  }

  private change(epoch: number, to: (figure: EpochFigure) => EpochFigure): void {
    const at = this.recentFigures.findLastIndex((figure) => figure.epoch === epoch);
    const figure = this.recentFigures[at];
    if (figure !== undefined) this.recentFigures[at] = to(figure);
  }
}
