/**
 * byte-ranges.ts — class ByteRanges: a set of byte offsets, kept as ranges that neither touch nor overlap.
 *
 * Ranges are half open, [start, end), in ascending order. Adding one swallows those that it touches, so a disk that is zeroed from one end to the other is one range.
 */

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export class ByteRanges {
  private ranges: ByteRange[] = [];

  get count(): number {
    return this.ranges.length;
  }

  add(start: number, end: number): void {
    if (start >= end) return;
    const { ranges } = this;
    const from = this.firstEndingAt(start);
    let to = from;
    while (to < ranges.length && ranges[to]!.start <= end) to++;
    const merged = from === to ? { start, end } : { start: Math.min(start, ranges[from]!.start), end: Math.max(end, ranges[to - 1]!.end) };
    ranges.splice(from, to - from, merged);
  }

  /** The parts of [start, end) that are in the set, ascending. */
  within(start: number, end: number): ByteRange[] {
    const { ranges } = this;
    const found: ByteRange[] = [];
    for (let i = this.firstEndingAt(start); i < ranges.length && ranges[i]!.start < end; i++) {
      const part = { start: Math.max(start, ranges[i]!.start), end: Math.min(end, ranges[i]!.end) };
      if (part.start < part.end) found.push(part);
    }
    return found;
  }

  all(): readonly ByteRange[] {
    return this.ranges;
  }

  /** The first range that ends at `offset` or behind it. */
  private firstEndingAt(offset: number): number {
    let low = 0;
    let high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ranges[middle]!.end < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
