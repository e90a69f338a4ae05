/**
 * sysctl.ts — tunables and readings by name: `net.inet.ip.forwarding`.
 * Read first: sysctl(9), sysctl(8).
 *
 * Theory of operation. A layer keeps its tunables as plain fields of an object of its own (the packet path reads a field,
 * never a tree) and declares once, in a constant table, how each field is called outside: a SysctlGroup. A vnet attaches
 * (group, object) pairs, and the tree is the list of them: looking up a name compares a few dozen prefixes, which is nothing beside
 * the bytes a hash table would cost in every idle vnet. When two objects have the same name, the one attached first answers. Every integer has a unit, a range and a line of help; the default is what
 * a new object holds, so it is written once.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOENT, EPERM } from '../base/errno.js';

export type SysctlValue = number | string;

/** One name: how to read it, and how to write it if it may be written. */
export interface SysctlOid<T> {
  /** Last part of the name. */
  readonly leaf: string;
  readonly type: 'int' | 'string';
  readonly help: string;
  /** 'us', 'bytes', 'packets', 'bool', … ; '' for a plain number. */
  readonly unit: string;
  /** Range of an integer; of a text, of its length. */
  readonly min: number;
  readonly max: number;
  /** Only for those who ask for it by its whole name (CTLFLAG_SKIP). */
  readonly skip?: boolean;
  get(object: T): SysctlValue;
  /** Absent: read-only. Returns an Errno for a value the owner refuses. */
  readonly set?: (object: T, value: SysctlValue) => Errno;
}

export interface SysctlGroup<T> {
  /** Everything before the leaf, without the last dot: 'net.inet.ip'. */
  readonly prefix: string;
  readonly oids: readonly SysctlOid<T>[];
}

/** Longest text a tunable takes unless it says otherwise. */
const TEXT_MAX = 255;

type NumericKey<T> = { [K in keyof T]: T[K] extends number ? K : never }[keyof T] & string;
type StringKey<T> = { [K in keyof T]: T[K] extends string ? K : never }[keyof T] & string;

/** A read-write integer kept in the numeric field `key`. */
export function sysctlInt<T extends { [P in K]: number }, K extends NumericKey<T>>(
  leaf: string, key: K, unit: string, min: number, max: number, help: string,
): SysctlOid<T> {
  return {
    leaf, type: 'int', help, unit, min, max,
    get: (o) => o[key],
    set: (o, v) => {
      Object.assign(o, { [key]: v });
      return 0;
    },
  };
}

/** A read-only integer or text. */
export function sysctlRead<T>(leaf: string, type: 'int' | 'string', unit: string, help: string, get: (o: T) => SysctlValue): SysctlOid<T> {
  return { leaf, type, help, unit, min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, get };
}

/** A read-write text of at most `max` characters, kept in field `key`. */
export function sysctlString<T extends { [P in K]: string }, K extends StringKey<T>>(leaf: string, key: K, help: string, max = TEXT_MAX): SysctlOid<T> {
  return {
    leaf, type: 'string', help, unit: '', min: 0, max,
    get: (o) => o[key],
    set: (o, v) => {
      Object.assign(o, { [key]: v });
      return 0;
    },
  };
}

/** A name bound to the object of one vnet. */
export interface SysctlNode {
  readonly name: string;
  readonly type: 'int' | 'string';
  readonly help: string;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly writable: boolean;
  readonly skip?: boolean | undefined;
  get(): SysctlValue;
  set(value: SysctlValue): Errno;
}

/** `oid` of `object`, by its whole name. */
export function bindNode<T>(prefix: string, oid: SysctlOid<T>, object: T): SysctlNode {
  const { leaf, type, help, unit, min, max, set, skip } = oid;
  return {
    name: `${prefix}.${leaf}`, type, help, unit, min, max, writable: set !== undefined, skip,
    get: () => oid.get(object),
    set: (value) => {
      if (set === undefined) return EPERM;
      const inRange = type === 'int'
        ? typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
        : typeof value === 'string' && value.length >= min && value.length <= max;
      return inRange ? set(object, value) : EINVAL;
    },
  };
}

/** Names that are made when somebody asks for them: those of things that come and go. */
export interface SysctlSource {
  /** What all of them begin with, without the last dot. */
  readonly prefix: string;
  find(name: string): SysctlNode | null;
  nodes(): SysctlNode[];
}

/** A source, and the one attached after it. */
class BoundSource implements Attached {
  readonly object: SysctlSource;
  next: Attached | null = null;

  constructor(source: SysctlSource) {
    this.object = source;
  }

  get prefix(): string {
    return this.object.prefix;
  }

  find(name: string): SysctlNode | null {
    return this.object.find(name);
  }

  nodes(): SysctlNode[] {
    return this.object.nodes();
  }
}

/** A group bound to its object, and the one attached after it. A vnet has dozens, so it is three fields and no more. */
class BoundGroup<T extends object> implements Attached {
  readonly group: SysctlGroup<T>;
  readonly object: T;
  next: Attached | null = null;

  constructor(group: SysctlGroup<T>, object: T) {
    this.group = group;
    this.object = object;
  }

  get prefix(): string {
    return this.group.prefix;
  }

  find(name: string): SysctlNode | null {
    const { prefix } = this.group;
    if (name.length <= prefix.length || name[prefix.length] !== '.' || !name.startsWith(prefix)) return null;
    const leaf = name.slice(prefix.length + 1);
    const oid = this.group.oids.find((o) => o.leaf === leaf);
    return oid === undefined ? null : bindNode(prefix, oid, this.object);
  }

  nodes(): SysctlNode[] {
    return this.group.oids.map((oid) => bindNode(this.group.prefix, oid, this.object));
  }
}

/** What the tree needs of a group, whatever its object. */
interface Attached {
  readonly object: object;
  readonly prefix: string;
  next: Attached | null;
  find(name: string): SysctlNode | null;
  nodes(): SysctlNode[];
}

export class SysctlTree {
  /** In order of attachment. */
  private first: Attached | null = null;
  private last: Attached | null = null;

  attach<T extends object>(group: SysctlGroup<T>, object: T): void {
    this.append(new BoundGroup(group, object));
  }

  attachSource(source: SysctlSource): void {
    this.append(new BoundSource(source));
  }

  private append(bound: Attached): void {
    if (this.last === null) this.first = bound;
    else this.last.next = bound;
    this.last = bound;
  }

  /** Takes away every group bound to `object`. */
  detach(object: object): void {
    let kept: Attached | null = null;
    for (let a = this.first; a !== null; a = a.next) {
      if (a.object !== object) kept = a;
      else if (kept === null) this.first = a.next;
      else kept.next = a.next;
    }
    this.last = kept;
  }

  /** Groups attached. */
  get count(): number {
    let n = 0;
    for (let a = this.first; a !== null; a = a.next) n++;
    return n;
  }

  /** The node called exactly `name`, or null. */
  find(name: string): SysctlNode | null {
    for (let a = this.first; a !== null; a = a.next) {
      const node = a.find(name);
      if (node !== null) return node;
    }
    return null;
  }

  /** Every node at or below `prefix` ('' is all), sorted by name, each name once; skipped ones only when `prefix` is their name. */
  list(prefix: string): SysctlNode[] {
    const nodes = new Map<string, SysctlNode>();
    for (let a = this.first; a !== null; a = a.next) {
      if (!touches(a.prefix, prefix)) continue;
      for (const node of a.nodes()) if (isBelow(node.name, prefix) && (node.skip !== true || node.name === prefix) && !nodes.has(node.name)) nodes.set(node.name, node);
    }
    return [...nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Sets `name`; ENOENT when there is none, EPERM when read-only, EINVAL when of the wrong type or out of range. */
  set(name: string, value: SysctlValue): Errno {
    const node = this.find(name);
    return node === null ? ENOENT : node.set(value);
  }
}

function isBelow(name: string, prefix: string): boolean {
  return prefix === '' || name === prefix || name.startsWith(`${prefix}.`);
}

/** May a group under `under` have names below `prefix`? */
function touches(under: string, prefix: string): boolean {
  return isBelow(under, prefix) || isBelow(prefix, under);
}
