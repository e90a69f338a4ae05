/**
 * ipfw-tables.ts — IpfwTables: the tables of a filter, by name.
 * Read first: ipfw-table.ts; ipfw(8) "LOOKUP TABLES".
 *
 * Tables are global to the filter, as with FreeBSD's `tables_sets=0`. A rule that names a table which does not exist makes it, of the kind that the rule needs; a
 * table that a rule looks into cannot be destroyed. At most `tablesMax` may exist.
 */
import type { Errno } from '../../base/errno.js';
import { EACCES, EBUSY, EEXIST, EFBIG, EINVAL, ENOENT, ENOSPC, ESRCH } from '../../base/errno.js';
import { LazyMap } from '../../base/lazy-map.js';
import {
  LOOKUP_DSCP, LOOKUP_DST_MAC, LOOKUP_DST_PORT, LOOKUP_MARK, LOOKUP_SRC_MAC, LOOKUP_SRC_PORT, O_IP_FLOW_LOOKUP, O_LOOKUP, O_MAC_DST_LOOKUP, O_MAC_SRC_LOOKUP, O_RECV, O_VIA, O_XMIT,
  insnUsesTable,
} from './ipfw-insn.js';
import type { IpfwInsn } from './ipfw-insn.js';
import { IPFW_TABLE_ADDR, IPFW_TABLE_FLOW, IPFW_TABLE_INTERFACE, IPFW_TABLE_MAC, IPFW_TABLE_NUMBER, IpfwTable } from './ipfw-table.js';
import type { IpfwTableEntry, IpfwTableInfo, IpfwTableKey, TableResult } from './ipfw-table.js';
import { IPFW_VTYPE_LEGACY } from './ipfw-table-value.js';
import type { IpfwTableValue } from './ipfw-table-value.js';

/** The way of keeping entries that each kind of table has; there is one of each. */
export const TABLE_ALGOS: ReadonlyMap<number, string> = new Map([
  [IPFW_TABLE_ADDR, 'addr:radix'], [IPFW_TABLE_INTERFACE, 'iface:array'], [IPFW_TABLE_NUMBER, 'number:array'], [IPFW_TABLE_FLOW, 'flow:hash'], [IPFW_TABLE_MAC, 'mac:radix'],
]);

/** Tables unless an administrator says otherwise. */
const TABLES_MAX = 128;
/** Entries of all tables of a vnet together. */
const ENTRIES_MAX = 1_048_576;

/** One key of a request, and what became of it. */
export interface TableChange {
  readonly key: IpfwTableKey;
  readonly value: IpfwTableValue;
  /** What the entry says in the end, or would. */
  result: TableResult | null;
}

export class IpfwTables {
  tablesMax = TABLES_MAX;
  entriesMax = ENTRIES_MAX;
  private readonly byName = new LazyMap<string, IpfwTable>();
  private nextIdx = 1;

  get count(): number {
    return this.byName.size;
  }

  /** Entries of all tables. */
  get entries(): number {
    let n = 0;
    for (const table of this.byName.values()) n += table.count;
    return n;
  }

  /** In order of creation. */
  list(): IpfwTable[] {
    return [...this.byName.values()];
  }

  get(name: string): IpfwTable | null {
    return this.byName.get(name) ?? null;
  }

  /** EEXIST; ENOSPC: too many; EINVAL: no such kind. */
  create(info: IpfwTableInfo, limit = 0, locked = false): Errno {
    if (this.byName.has(info.name)) return EEXIST;
    const algo = TABLE_ALGOS.get(info.type);
    if (algo === undefined || (info.algo !== '' && info.algo !== algo)) return EINVAL;
    if (this.byName.size >= this.tablesMax) return ENOSPC;
    const table = new IpfwTable({ ...info, algo }, this.nextIdx++, limit);
    table.locked = locked;
    this.byName.set(info.name, table);
    return 0;
  }

  /** ESRCH; EBUSY: rules look into it. */
  destroy(name: string): Errno {
    const table = this.byName.get(name);
    if (table === undefined) return ESRCH;
    if (table.refs > 0) return EBUSY;
    this.byName.delete(name);
    return 0;
  }

  /** ESRCH; EACCES: it is locked. */
  flush(name: string): Errno {
    const table = this.byName.get(name);
    if (table === undefined) return ESRCH;
    if (table.locked) return EACCES;
    table.flush();
    return 0;
  }

  /** Exchanges the contents of two. ESRCH; EINVAL: they are of different kinds; EFBIG: one is too small; EACCES. */
  swap(one: string, two: string): Errno {
    const [a, b] = [this.byName.get(one), this.byName.get(two)];
    if (a === undefined || b === undefined) return ESRCH;
    if (a.locked || b.locked) return EACCES;
    if (a.type !== b.type || a.tflags !== b.tflags || a.vmask !== b.vmask) return EINVAL;
    if ((a.limit !== 0 && b.count > a.limit) || (b.limit !== 0 && a.count > b.limit)) return EFBIG;
    a.swap(b);
    return 0;
  }

  /**
   * Adds keys, all or with `atomic` none; `update`: an entry that is there gets the new value. The results are written into `changes`. EEXIST, EFBIG (`limit`), ESRCH, EACCES:
   * the first that went wrong ends it, but for keys that were there.
   */
  add(name: string, changes: readonly TableChange[], update: boolean, atomic: boolean): Errno {
    const table = this.byName.get(name);
    if (table === undefined) return ESRCH;
    if (table.locked) return EACCES;
    const before = atomic ? changes.map(({ key }) => table.get(key)?.value ?? null) : [];
    let error: Errno = 0;
    for (const change of changes) {
      change.result = this.entries >= this.entriesMax && table.get(change.key) === null ? 'limit' : table.add(change.key, change.value, update);
      if (change.result === 'exists') error = EEXIST;
      if (change.result === 'limit') error = EFBIG;
      if (error !== 0) break;
    }
    if (error !== 0 && atomic) revert(table, changes, before);
    return error;
  }

  /** Removes keys. ENOENT: one was not there; ESRCH, EACCES. */
  remove(name: string, changes: readonly TableChange[]): Errno {
    const table = this.byName.get(name);
    if (table === undefined) return ESRCH;
    if (table.locked) return EACCES;
    for (const change of changes) {
      change.result = table.remove(change.key);
      if (change.result === 'notfound') return ENOENT;
    }
    return 0;
  }

  /** The entry that a packet with this key would find. */
  lookup(name: string, key: IpfwTableKey): IpfwTableEntry | null {
    const table = this.byName.get(name);
    if (table === undefined) return null;
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = key.words;
    const [d0 = 0, d1 = 0, d2 = 0, d3 = 0] = key.dst;
    switch (table.type) {
      case IPFW_TABLE_ADDR:
        return key.family === 6 ? table.find6(w0, w1, w2, w3) : table.find4(w0);
      case IPFW_TABLE_MAC:
        return table.findMac(w0, w1 >>> 16);
      case IPFW_TABLE_INTERFACE:
        return table.findName(key.name);
      case IPFW_TABLE_NUMBER:
        return table.findNumber(key.number);
      default:
        return table.findFlow({ is6: key.family === 6, src: w0, dst: d0, s0: w0, s1: w1, s2: w2, s3: w3, d0, d1, d2, d3, proto: key.proto, sport: key.sport, dport: key.dport });
    }
  }

  /**
   * The instructions of a new rule find their tables, and keep them. EINVAL: one is of another kind than the instruction needs; ENOSPC. On an error nothing has
   * been bound, but tables may have been made.
   */
  bind(insns: readonly IpfwInsn[]): Errno {
    const users = insns.filter((insn) => insnUsesTable(insn));
    for (const insn of users) {
      const type = typeFor(insn);
      const there = this.byName.get(insn.name);
      if (there === undefined) {
        const error = this.create({ name: insn.name, type, tflags: 0, vmask: IPFW_VTYPE_LEGACY, algo: '' });
        if (error !== 0) return error;
      } else if (there.type !== type && insn.op !== O_LOOKUP) return EINVAL;
    }
    for (const insn of users) {
      insn.table = this.byName.get(insn.name) ?? null;
      if (insn.table !== null) insn.table.refs++;
    }
    return 0;
  }

  unbind(insns: readonly IpfwInsn[]): void {
    for (const insn of insns) {
      if (insn.table === null) continue;
      insn.table.refs--;
      insn.table = null;
    }
  }

  clear(): void {
    this.byName.clear();
  }
}

/** Undoes what was done before an atomic request failed. */
function revert(table: IpfwTable, changes: readonly TableChange[], before: readonly (IpfwTableValue | null)[]): void {
  changes.forEach(({ key, result }, i) => {
    const was = before[i] ?? null;
    if (result === 'added') table.remove(key);
    else if (result === 'updated' && was !== null) table.add(key, was, true);
  });
}

/** What kind of table an instruction looks into. */
function typeFor({ op, arg1 }: IpfwInsn): number {
  switch (op) {
    case O_RECV:
    case O_XMIT:
    case O_VIA:
      return IPFW_TABLE_INTERFACE;
    case O_IP_FLOW_LOOKUP:
      return IPFW_TABLE_FLOW;
    case O_MAC_SRC_LOOKUP:
    case O_MAC_DST_LOOKUP:
      return IPFW_TABLE_MAC;
    case O_LOOKUP:
      if (arg1 === LOOKUP_DST_MAC || arg1 === LOOKUP_SRC_MAC) return IPFW_TABLE_MAC;
      return arg1 === LOOKUP_DST_PORT || arg1 === LOOKUP_SRC_PORT || arg1 === LOOKUP_DSCP || arg1 === LOOKUP_MARK ? IPFW_TABLE_NUMBER : IPFW_TABLE_ADDR;
    default:
      return IPFW_TABLE_ADDR;
  }
}
