/**
 * sysctl.ts — tunables and readings by name: `net.inet.ip.forwarding`.
 * Read first: sysctl(9), sysctl(8).
 *
 * Theory of operation. A layer keeps its tunables as plain fields of an object of its own (the packet path reads a field,
 * never a tree) and declares once, in a constant table, how each field is called outside: a SysctlGroup. A vnet attaches
 * (group, object) pairs; the tree is that list. Every integer has a unit, a range and a line of help; the default is what
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
  readonly min: number;
  readonly max: number;
  get(object: T): SysctlValue;
  /** Absent: read-only. Returns an Errno for a value the owner refuses. */
  readonly set?: (object: T, value: SysctlValue) => Errno;
}

export interface SysctlGroup<T> {
  /** Everything before the leaf, without the last dot: 'net.inet.ip'. */
  readonly prefix: string;
  readonly oids: readonly SysctlOid<T>[];
}

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

/** A read-write text kept in field `key`. */
export function sysctlString<T extends { [P in K]: string }, K extends StringKey<T>>(leaf: string, key: K, help: string): SysctlOid<T> {
  return {
    leaf, type: 'string', help, unit: '', min: 0, max: 0,
    get: (o) => o[key],
    set: (o, v) => {
      Object.assign(o, { [key]: String(v) });
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
  get(): SysctlValue;
  set(value: SysctlValue): Errno;
}

interface Attached {
  readonly prefix: string;
  readonly object: object;
  readonly length: number;
  node(i: number): SysctlNode;
}

function bindNode<T>(prefix: string, oid: SysctlOid<T>, object: T): SysctlNode {
  const { leaf, type, help, unit, min, max, set } = oid;
  return {
    name: `${prefix}.${leaf}`, type, help, unit, min, max, writable: set !== undefined,
    get: () => oid.get(object),
    set: (value) => {
      if (set === undefined) return EPERM;
      if (type === 'int' && (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)) return EINVAL;
      return set(object, value);
    },
  };
}

export class SysctlTree {
  private groups: Attached[] = [];

  attach<T extends object>(group: SysctlGroup<T>, object: T): void {
    this.groups.push({
      prefix: group.prefix, object, length: group.oids.length,
      node: (i) => {
        const oid = group.oids[i];
        if (oid === undefined) throw new RangeError(`no sysctl ${i} under ${group.prefix}`);
        return bindNode(group.prefix, oid, object);
      },
    });
  }

  detach(object: object): void {
    this.groups = this.groups.filter((g) => g.object !== object);
  }

  get count(): number {
    return this.groups.length;
  }

  /** The node called exactly `name`, or null. */
  find(name: string): SysctlNode | null {
    for (const g of this.groups) {
      if (!name.startsWith(g.prefix)) continue;
      for (let i = 0; i < g.length; i++) {
        const node = g.node(i);
        if (node.name === name) return node;
      }
    }
    return null;
  }

  /** Every node at or below `prefix` ('' is all), sorted by name. */
  list(prefix: string): SysctlNode[] {
    const nodes: SysctlNode[] = [];
    for (const g of this.groups) for (let i = 0; i < g.length; i++) nodes.push(g.node(i));
    return nodes
      .filter((n) => prefix === '' || n.name === prefix || n.name.startsWith(`${prefix}.`))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Sets `name`; ENOENT when there is none, EPERM when read-only, EINVAL when out of range. */
  set(name: string, value: SysctlValue): Errno {
    const node = this.find(name);
    return node === null ? ENOENT : node.set(value);
  }
}
