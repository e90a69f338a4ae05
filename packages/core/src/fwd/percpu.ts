/**
 * percpu.ts — values that every processor keeps for itself and that somebody else adds up: counters without an atomic instruction.
 * Read first: percpu(9) of NetBSD.
 *
 * Theory of operation. Each processor has a block of `width` values on cache lines of its own; 0 is the control thread, the others are the slots of datapath workers (quiescence.ts). A processor
 * writes its own block with plain stores, the sum is taken by plain loads, so it is a moment old and each value in it is one that was there. Values are doubles: exact up to 2^53, and
 * written whole, as every 64-bit engine writes eight aligned bytes.
 *
 * A block stays when its worker is gone, so that sums never go back; the next worker with the slot goes on from there.
 * Invariant: a block has one writer, its processor, which is the only one with a Percpu of that number.
 */
import { sharedCounts } from './shared-words.js';

/** Values of a line: 128 bytes. */
const LINE = 16;

/** Values for the processors 0..processors-1, in shared memory where there is any. */
export function percpuValues(processors: number, width: number): Float64Array {
  return sharedCounts(processors * strideOf(width));
}

/** What a processor does with its own block. */
export class Percpu {
  readonly values: Float64Array;
  /** Where the block begins: `values[at + i]` is value `i`, for packet paths. */
  readonly at: number;

  constructor(values: Float64Array, width: number, processor: number) {
    this.values = values;
    this.at = processor * strideOf(width);
  }

  add(i: number, n: number): void {
    this.values[this.at + i]! += n;
  }

  get(i: number): number {
    return this.values[this.at + i]!;
  }
}

/** Value `i` of all processors together. */
export function percpuSum(values: Float64Array, width: number, i: number): number {
  let sum = 0;
  for (let at = i; at < values.length; at += strideOf(width)) sum += values[at]!;
  return sum;
}

/** Value `i` of each processor. */
export function percpuEach(values: Float64Array, width: number, i: number): number[] {
  const each: number[] = [];
  for (let at = i; at < values.length; at += strideOf(width)) each.push(values[at]!);
  return each;
}

function strideOf(width: number): number {
  return Math.ceil(width / LINE) * LINE;
}
