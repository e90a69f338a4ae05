/**
 * counters.ts — groups of counters with the texts `netstat -s` prints for them.
 *
 * A protocol keeps its counters as numeric fields of one object and increments the fields; the group says in which order
 * and in which words they are shown. `snapshot` copies a group whole, so that a test can compare the whole struct.
 */
import { Attachments } from './attachments.js';

/** A text with `{}` where the number goes and `{s}`, `{es}` or `{ies}` for the plural, as netstat(1) prints it. */
export interface CounterRow<T> {
  readonly key: keyof T & string;
  readonly text: string;
  /** Indentation below the group's name, 1 by default. */
  readonly depth?: number;
}

export interface CounterGroup<T> {
  /** 'ip', 'udp', 'arp' … as in `netstat -s -p`. */
  readonly name: string;
  readonly rows: readonly CounterRow<T>[];
}

/** Who counts. Its counters may be made with the first count, so they are asked for when somebody wants to see them. */
export interface CounterOwner<T> {
  readonly stats: T;
}

/** Counters by key, as the tree sees every owner's. */
type Counters = Record<string, number>;

/** A group as its owner counts. */
export interface BoundCounters {
  readonly name: string;
  lines(): { readonly key: string; readonly value: number; readonly text: string; readonly depth: number }[];
  /** Sets every counter of the object to zero, also those that are not shown (`netstat -z`). */
  zero(): void;
}

function bindCounters({ name, rows }: CounterGroup<Counters>, owner: CounterOwner<Counters>): BoundCounters {
  return {
    name,
    lines: () => counterLines(rows, owner.stats),
    zero: () => {
      const { stats } = owner;
      for (const key of Object.keys(stats)) stats[key] = 0;
    },
  };
}

/** The rows of counters that are in no group, as a group's `lines`. */
export function counterLines<T extends { [K in keyof T]: number }>(rows: readonly CounterRow<T>[], object: T): ReturnType<BoundCounters['lines']> {
  return rows.map((r) => ({ key: r.key, value: object[r.key], text: counterText(r.text, object[r.key]), depth: r.depth ?? 1 }));
}

/** Fills in number and plural. */
export function counterText(text: string, n: number): string {
  return text
    .replace('{}', String(n))
    .replace('{s}', n === 1 ? '' : 's')
    .replace('{es}', n === 1 ? '' : 'es')
    .replace('{ies}', n === 1 ? 'y' : 'ies');
}

/** Every numeric field of a counter object, as a plain object. */
export function snapshot<T extends object>(object: T): { [K in keyof T]: T[K] } {
  return { ...object };
}

export class CounterTree {
  private readonly groups = new Attachments<CounterGroup<Counters>>();

  attach<T extends { [K in keyof T]: number }>(group: CounterGroup<T>, owner: CounterOwner<T>): void {
    this.groups.attach(group as object as CounterGroup<Counters>, owner);
  }

  detach(owner: object): void {
    this.groups.detach(owner);
  }

  /** Groups attached. */
  get count(): number {
    return this.groups.count;
  }

  list(): BoundCounters[] {
    const { groups } = this;
    return Array.from({ length: groups.count }, (_, i) => bindCounters(groups.table(i), groups.object(i) as CounterOwner<Counters>));
  }

  find(name: string): BoundCounters | null {
    return this.list().find((g) => g.name === name) ?? null;
  }
}
