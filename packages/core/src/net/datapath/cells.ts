/**
 * cells.ts — whose counters are which: cells of the processors' arrays (fwd/fwd-counters.ts), and what of them has been taken over already.
 *
 * A processor only ever adds. `since` answers what all of them have added to a number since it was asked the last time. A cell that is given to somebody else goes on from where it is.
 */
import { FWD_CELLS, FWD_CELL_SHIFT } from '../../fwd/fwd-counters.js';

export class Cells {
  /** Of every processor there is or was. */
  readonly arrays: Float64Array[] = [];
  private readonly taken: Float64Array = new Float64Array(FWD_CELLS << FWD_CELL_SHIFT);
  private readonly freeCells: number[] = [];
  private next = 1;

  /** A cell that counts from now on; 0 when there is none. */
  take(): number {
    const cell = this.freeCells.pop() ?? (this.next < FWD_CELLS ? this.next++ : 0);
    for (let n = 0; cell !== 0 && n < 1 << FWD_CELL_SHIFT; n++) this.since(cell, n);
    return cell;
  }

  free(cell: number): void {
    this.freeCells.push(cell);
  }

  /** The sum of number `n` of a cell over all processors. */
  sum(cell: number, n: number): number {
    const at = (cell << FWD_CELL_SHIFT) + n;
    let sum = 0;
    for (const counters of this.arrays) sum += counters[at]!;
    return sum;
  }

  /** What it has grown by since it was asked the last time. */
  since(cell: number, n: number): number {
    const at = (cell << FWD_CELL_SHIFT) + n;
    const sum = this.sum(cell, n);
    const grown = sum - this.taken[at]!;
    this.taken[at] = sum;
    return grown;
  }
}
