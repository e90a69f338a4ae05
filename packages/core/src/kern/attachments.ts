/**
 * attachments.ts — class Attachments: constant tables, each with the object of one vnet that it speaks of.
 *
 * Tunables, counters and what the audit counts are declared once, in tables, and attached to their objects when the parts of a vnet are made.
 * A vnet has more than a hundred of such pairs all its life and is asked for them when somebody looks; so a pair is two words of one array.
 */

export class Attachments<T extends object> {
  /** Table, its object, table, its object, … in order of attachment. */
  private readonly pairs: object[] = [];

  get count(): number {
    return this.pairs.length / 2;
  }

  table(i: number): T {
    return this.pairs[2 * i] as T;
  }

  object(i: number): object {
    return this.pairs[2 * i + 1]!;
  }

  attach(table: T, object: object): void {
    this.pairs.push(table, object);
  }

  /** Takes away every table of `object`. */
  detach(object: object): void {
    const { pairs } = this;
    const first = pairs.indexOf(object);
    if (first < 0) return;
    let kept = first - 1;
    for (let i = first + 1; i < pairs.length; i += 2) {
      if (pairs[i + 1] === object) continue;
      pairs[kept++] = pairs[i]!;
      pairs[kept++] = pairs[i + 1]!;
    }
    pairs.length = kept;
  }

  clear(): void {
    this.pairs.length = 0;
  }
}
