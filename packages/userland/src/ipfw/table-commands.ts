/**
 * table-commands.ts — ipfw table: sets of addresses and the like that rules look into.
 * Read first: ipfw(8) "LOOKUP TABLES"; table-key.ts, table-value.ts.
 *
 * A command may be shortened as far as it stays clear. A table that is not there is made by the first `add`, with a warning.
 * Tables have no sets here, as with FreeBSD's net.inet.ip.fw.tables_sets=0.
 */
import type { Errno, IpfwTable, IpfwTableKey, IpfwTableValue, TableChange } from '@netloom/core';
import {
  EACCES, EEXIST, EFBIG, EINVAL, ENOENT, ESRCH, IPFW_TABLE_ADDR, IPFW_TABLE_FLOW, IPFW_VTYPE_LEGACY, NO_VALUE, strerror,
} from '@netloom/core';
import { strtol } from '../c-number.js';
import { EX_DATAERR, EX_OSERR, EX_UNAVAILABLE, EX_USAGE } from '../sysexits.js';
import type { IpfwTool } from './ipfw-tool.js';
import { guessType, keyOf, keyText } from './table-key.js';
import { valueOf, valueText } from './table-value.js';
import { FLOW_FIELDS, TABLE_TYPES, TABLE_VALUES, flagsOf, flagsText, isObjectName, wordOf, wordValue } from './words.js';

const COMMANDS = ['add', 'delete', 'create', 'destroy', 'flush', 'modify', 'swap', 'info', 'detail', 'list', 'lookup', 'atomic', 'lock', 'unlock'] as const;
type Command = (typeof COMMANDS)[number];
const CREATE_OPTIONS = ['type', 'valtype', 'algo', 'limit', 'locked', 'missing', 'or-flush'] as const;
/** Commands that are for all tables too. */
const FOR_ALL: readonly Command[] = ['list', 'info', 'detail', 'flush', 'destroy'];
/** Bytes of FreeBSD's reply: its head, and an entry. */
const REPLY_HEAD = 296;
const REPLY_ENTRY = 120;

/** The word of `words` that `word` is or begins. */
function relaxed<T extends string>(t: IpfwTool, words: readonly T[], word: string, what: string): T {
  const found = words.filter((w) => w.startsWith(word));
  const [only] = found;
  if (only === undefined || word === '') return t.errx(EX_USAGE, `invalid ${what} ${word}`);
  return found.length === 1 ? only : t.errx(EX_USAGE, `ambiguous ${what} ${word}`);
}

/** @param words behind `table` */
export function ipfwTable(t: IpfwTool, words: readonly string[]): void {
  const [name = '', ...rest] = words;
  t.need(words[0], 'table needs name');
  if (!isObjectName(name)) return t.errx(EX_USAGE, `table name ${name} is invalid`);
  let command = relaxed(t, COMMANDS, t.need(rest.shift(), 'table needs command'), 'table command');
  const atomic = command === 'atomic';
  if (atomic) {
    const word = t.need(rest.shift(), 'atomic needs command');
    command = relaxed(t, COMMANDS, word, 'table command');
    if (command !== 'add') return t.errx(EX_USAGE, `atomic is not compatible with ${word}`);
  }
  if (name === 'all') {
    if (!FOR_ALL.includes(command)) return t.errx(EX_USAGE, 'table name required');
    return forAll(t, command);
  }
  switch (command) {
    case 'add':
      return change(t, name, rest, true, atomic);
    case 'delete':
      return change(t, name, rest, false, atomic);
    case 'create':
      return create(t, name, rest);
    case 'modify':
      return modify(t, name, rest);
    case 'swap':
      return swap(t, name, t.need(rest[0], 'second table name required'));
    case 'lookup':
      return lookup(t, name, rest);
    case 'lock':
    case 'unlock':
      return lock(t, name, command === 'lock');
    case 'destroy':
      return gone(t, t.opts.testOnly ? 0 : t.fw.tables.destroy(name), `failed to destroy table ${name}`);
    case 'flush':
      return gone(t, t.opts.testOnly ? 0 : t.fw.tables.flush(name), `failed to flush table ${name} info`);
    case 'list':
      return list(t, theTable(t, name), false);
    default:
      return info(t, theTable(t, name));
  }
}

/** That a table is not there is no error, but worth a word. */
function gone(t: IpfwTool, error: Errno, text: string): void {
  if (error !== 0 && error !== ESRCH) t.err(EX_OSERR, text, error);
  if (error === ESRCH && !t.opts.quiet) t.warn(text, error);
}

function theTable(t: IpfwTool, name: string): IpfwTable {
  return t.fw.tables.get(name) ?? t.err(EX_OSERR, 'failed to request table info', ESRCH);
}

/** By the length of the name, then by the name, so that numbers are in order. */
function sorted(tables: readonly IpfwTable[]): IpfwTable[] {
  return [...tables].sort((a, b) => a.name.length - b.name.length || (a.name < b.name ? -1 : 1));
}

function forAll(t: IpfwTool, command: Command): void {
  const { tables } = t.fw;
  for (const table of sorted(tables.list())) {
    if (command === 'list') list(t, table, true);
    else if (command === 'flush') tables.flush(table.name);
    else if (command !== 'destroy') info(t, table);
    else {
      const error = tables.destroy(table.name);
      if (error !== 0 && !t.opts.quiet) t.warn(`failed to destroy table(${table.name}) in set 0`, error);
    }
  }
}

function list(t: IpfwTool, table: IpfwTable, head: boolean): void {
  if (head) t.out(`--- table(${table.name}), set(0) ---\n`);
  for (const { key, value } of table.list()) t.out(entryText(t, table, key, value));
}

function entryText(t: IpfwTool, table: Pick<IpfwTable, 'type' | 'tflags' | 'vmask'>, key: IpfwTableKey, value: IpfwTableValue): string {
  return `${keyText(table, key)} ${valueText(t, value, table.vmask)}\n`;
}

function info(t: IpfwTool, table: IpfwTable): void {
  const { type, tflags, vmask, count, limit } = table;
  const fields = type === IPFW_TABLE_FLOW ? `:${flagsText(FLOW_FIELDS, { set: tflags, clear: 0 })}` : '';
  const valtype = vmask === IPFW_VTYPE_LEGACY ? 'legacy' : flagsText(TABLE_VALUES, { set: vmask, clear: 0 });
  t.out(`--- table(${table.name}), set(0) ---\n kindex: ${table.kidx}, type: ${wordOf(TABLE_TYPES, type) ?? 'unknown'}${fields}${table.locked ? ', locked' : ''}\n`);
  t.out(` references: ${table.refs}, valtype: ${valtype}\n algorithm: ${table.algo}\n items: ${count}, size: ${REPLY_HEAD + REPLY_ENTRY * count}\n`);
  if (limit > 0) t.out(` limit: ${limit}\n`);
}

interface Wanted {
  type: number;
  tflags: number;
  vmask: number;
  algo: string;
  limit: number;
  locked: boolean;
  missing: boolean;
  orFlush: boolean;
}

function create(t: IpfwTool, name: string, words: readonly string[]): void {
  const w = wanted(t, words);
  if (t.opts.testOnly) return undefined;
  const { tables } = t.fw;
  const error = tables.create({ name, type: w.type, tflags: w.tflags, vmask: w.vmask, algo: w.algo }, w.limit, w.locked);
  if (error === 0) return undefined;
  const there = tables.get(name);
  if (error !== EEXIST || !w.missing || there === null) return t.err(EX_OSERR, 'Table creation failed', error);
  const same = w.limit === there.limit && w.type === there.type && (w.tflags === there.tflags || w.tflags === 0) && w.vmask === there.vmask && w.locked === there.locked
    && (w.algo === '' || w.algo === there.algo);
  if (!same) return t.errx(EX_DATAERR, 'The existing table is not compatible with one you are creating.');
  if (w.orFlush && tables.flush(name) !== 0) return t.err(EX_OSERR, 'Table flush on creation failed', EACCES);
  return undefined;
}

function wanted(t: IpfwTool, words: readonly string[]): Wanted {
  const w: Wanted = { type: IPFW_TABLE_ADDR, tflags: 0, vmask: IPFW_VTYPE_LEGACY, algo: '', limit: 0, locked: false, missing: false, orFlush: false };
  const av = [...words];
  for (let word = av.shift(); word !== undefined; word = av.shift()) {
    switch (relaxed(t, CREATE_OPTIONS, word, 'option')) {
      case 'type':
        typeOf(t, w, t.need(av.shift(), 'table type required'));
        break;
      case 'valtype': {
        const flags = flagsOf(TABLE_VALUES, t.need(av.shift(), 'table value type required'));
        if (typeof flags === 'string') return t.errx(EX_USAGE, `Unknown value type: ${flags}. Supported: ${TABLE_VALUES.map(([name]) => name).join(', ')}`);
        w.vmask = flags.set;
        break;
      }
      case 'algo':
        w.algo = t.need(av.shift(), 'table algorithm name required');
        break;
      case 'limit':
        w.limit = limitOf(t, av.shift());
        break;
      case 'locked':
        w.locked = true;
        break;
      case 'or-flush':
        w.orFlush = true;
        w.missing = true;
        break;
      default:
        w.missing = true;
    }
  }
  return w;
}

function limitOf(t: IpfwTool, word: string | undefined): number {
  const { value, rest } = strtol(t.need(word, 'limit value required'));
  return rest === '' && value >= 0 ? value : t.errx(EX_USAGE, `invalid limit ${word ?? ''}`);
}

/** `addr`, `flow:src-ip,dst-port` */
function typeOf(t: IpfwTool, w: Wanted, word: string): void {
  const [name = '', fields] = word.split(':', 2);
  w.type = wordValue(TABLE_TYPES, name) ?? t.errx(EX_USAGE, `Unknown tabletype: ${name}. Supported: ${TABLE_TYPES.map(([type]) => type).join(', ')}`);
  if (fields === undefined) return;
  if (w.type !== IPFW_TABLE_FLOW) t.errx(EX_USAGE, `Unsupported suboptions: ${fields}`);
  const flags = flagsOf(FLOW_FIELDS, fields);
  w.tflags = typeof flags === 'string' ? t.errx(EX_USAGE, `unable to parse flow option ${flags}`) : flags.set;
}

function modify(t: IpfwTool, name: string, words: readonly string[]): void {
  const av = [...words];
  let limit: number | null = null;
  for (let word = av.shift(); word !== undefined; word = av.shift()) {
    if (relaxed(t, CREATE_OPTIONS, word, 'option') !== 'limit') t.errx(EX_USAGE, 'cmd is not supported for modification');
    limit = limitOf(t, av.shift());
  }
  if (t.opts.testOnly) return;
  const table = t.fw.tables.get(name) ?? t.err(EX_OSERR, 'Table modification failed', ESRCH);
  if (limit !== null) table.limit = limit;
}

function lock(t: IpfwTool, name: string, locked: boolean): void {
  if (t.opts.testOnly) return;
  const table = t.fw.tables.get(name) ?? t.err(EX_OSERR, `Table ${locked ? 'lock' : 'unlock'} failed`, ESRCH);
  table.locked = locked;
}

function swap(t: IpfwTool, name: string, other: string): void {
  if (!isObjectName(other) || other === 'all') return t.errx(EX_USAGE, `table name ${other} is invalid`);
  const error = t.opts.testOnly ? 0 : t.fw.tables.swap(name, other);
  if (error === 0) return undefined;
  if (error === EINVAL) return t.errx(EX_USAGE, 'Unable to swap table: check types');
  return error === EFBIG ? t.errx(EX_USAGE, 'Unable to swap table: check limits') : t.err(EX_OSERR, 'Unable to swap table', error);
}

function lookup(t: IpfwTool, name: string, [word]: readonly string[]): void {
  if (word === undefined) return t.errx(EX_USAGE, 'address required');
  const { tables } = t.fw;
  const table = tables.get(name);
  if (table === null) return t.errx(EX_DATAERR, `Table ${name} does not exist`);
  const entry = tables.lookup(name, keyOf(t, word, table.type, table.tflags));
  if (entry === null) return t.errx(EX_UNAVAILABLE, `Entry ${word} not found`);
  t.out(entryText(t, table, entry.key, entry.value));
}

/** What of a table a change must know. */
type Shape = Pick<IpfwTable, 'type' | 'tflags' | 'vmask'>;

/** add and delete: `KEY [VALUE] ...` and `KEY ...` */
function change(t: IpfwTool, name: string, words: readonly string[], add: boolean, atomic: boolean): void {
  if (words.length === 0) return t.errx(EX_USAGE, 'address required');
  const { quiet, testOnly } = t.opts;
  const av = [...words];
  const changes: TableChange[] = [];
  let shape: Shape | null = null;
  for (let word = av.shift(); word !== undefined; word = av.shift()) {
    shape ??= shapeOf(t, name, word, add);
    const key = keyOf(t, word, shape.type, shape.tflags);
    const text = add ? av.shift() : undefined;
    changes.push({ key, value: text === undefined ? NO_VALUE : valueOf(t, text, shape.vmask), result: null });
  }
  const { tables } = t.fw;
  const error = testOnly ? 0 : add ? tables.add(name, changes, quiet, atomic) : tables.remove(name, changes);
  if (quiet && (error === 0 || (error === EEXIST && add) || (error === ENOENT && !add))) return undefined;
  for (const { key, value, result } of changes) {
    const reverted = error !== 0 && atomic && (result === 'added' || result === 'updated');
    if (shape !== null) t.out(`${result ?? 'ignored'}${reverted ? '(reverted)' : ''}: ${entryText(t, shape, key, value)}`);
  }
  return error === 0 ? undefined : t.errx(EX_OSERR, `${add ? 'Adding' : 'Deleting'} record failed: ${errorText(error)}`);
}

/** The table's, or what the first key is like, of a table that is made now. */
function shapeOf(t: IpfwTool, name: string, word: string, add: boolean): Shape {
  const { tables } = t.fw;
  const there = tables.get(name);
  if (there !== null) return there;
  if (!add && !t.opts.testOnly) return t.errx(EX_DATAERR, `Table ${name} does not exist`);
  const type = guessType(word) ?? t.errx(EX_USAGE, `Table ${name} does not exist, cannot guess key '${word}' type`);
  if (!t.opts.quiet) t.warnx(`DEPRECATED: inserting data into non-existent table ${name}. (auto-created)`);
  const shape = { type, tflags: 0, vmask: IPFW_VTYPE_LEGACY };
  if (!t.opts.testOnly) tables.create({ name, ...shape, algo: '' });
  return shape;
}

function errorText(error: Errno): string {
  switch (error) {
    case EEXIST:
      return 'record already exists';
    case EFBIG:
      return 'limit hit';
    case ESRCH:
      return 'table not found';
    case ENOENT:
      return 'record not found';
    case EACCES:
      return 'table is locked';
    default:
      return strerror(error);
  }
}
