/**
 * sysctl.ts — tunables and readings by name: `net.inet.ip.forwarding`.
 * Read first: sysctl(9), sysctl(8).
 *
 * Theory of operation. A layer keeps its tunables as plain fields of an object of its own (the packet path reads a field,
 * never a tree) and declares once, in a constant table, how each field is called outside: a SysctlGroup. A vnet attaches
 * (group, object) pairs, and the tree is the list of them (attachments.ts): looking up a name compares a few dozen prefixes, which is
 * nothing beside the bytes a hash table would cost in every idle vnet. When two objects have the same name, the one attached first answers. Every integer has a unit, a range and a line of help; the default is what
 * a new object holds, so it is written once.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOENT, EPERM } from '../base/errno.js';
import { Attachments } from './attachments.js';

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
export interface SysctlSource<T> {
  /** What all of them begin with, without the last dot. */
  readonly prefix: string;
  find(object: T, name: string): SysctlNode | null;
  nodes(object: T): SysctlNode[];
}

type SysctlTable = SysctlGroup<object> | SysctlSource<object>;

export class SysctlTree {
  private readonly tables = new Attachments<SysctlTable>();

  attach<T extends object>(table: SysctlGroup<T> | SysctlSource<T>, object: T): void {
    this.tables.attach(table as SysctlTable, object);
  }

  /** Takes away every table of `object`. */
  detach(object: object): void {
    this.tables.detach(object);
  }

  /** Groups attached. */
  get count(): number {
    return this.tables.count;
  }

  /** The node called exactly `name`, or null. */
  find(name: string): SysctlNode | null {
    const { tables } = this;
    for (let i = 0; i < tables.count; i++) {
      const node = nodeOf(tables.table(i), tables.object(i), name);
      if (node !== null) return node;
    }
    return null;
  }

  /** Every node at or below `prefix` ('' is all), sorted by name, each name once; skipped ones only when `prefix` is their name. */
  list(prefix: string): SysctlNode[] {
    const { tables } = this;
    const nodes = new Map<string, SysctlNode>();
    for (let i = 0; i < tables.count; i++) {
      const table = tables.table(i);
      if (!touches(table.prefix, prefix)) continue;
      for (const node of nodesOf(table, tables.object(i))) if (isBelow(node.name, prefix) && (node.skip !== true || node.name === prefix) && !nodes.has(node.name)) nodes.set(node.name, node);
    }
    return [...nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Sets `name`; ENOENT when there is none, EPERM when read-only, EINVAL when of the wrong type or out of range. */
  set(name: string, value: SysctlValue): Errno {
    const node = this.find(name);
    return node === null ? ENOENT : node.set(value);
  }
}

function nodeOf(table: SysctlTable, object: object, name: string): SysctlNode | null {
  const { prefix } = table;
  if (name.length <= prefix.length || name[prefix.length] !== '.' || !name.startsWith(prefix)) return null;
  if (!('oids' in table)) return table.find(object, name);
  const leaf = name.slice(prefix.length + 1);
  const oid = table.oids.find((o) => o.leaf === leaf);
  return oid === undefined ? null : bindNode(prefix, oid, object);
}

function nodesOf(table: SysctlTable, object: object): SysctlNode[] {
  return 'oids' in table ? table.oids.map((oid) => bindNode(table.prefix, oid, object)) : table.nodes(object);
}

function isBelow(name: string, prefix: string): boolean {
  return prefix === '' || name === prefix || name.startsWith(`${prefix}.`);
}

/** May a group under `under` have names below `prefix`? */
function touches(under: string, prefix: string): boolean {
  return isBelow(under, prefix) || isBelow(prefix, under);
}
