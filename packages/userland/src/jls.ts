/**
 * jls.ts — jls(8): list jails.
 * Read first: jls(8), jail(8) "Jail Parameters".
 *
 *     jls [-adhNnqsv] [-j jail] [parameter …]
 *     jls --json [-j jail] [parameter …]
 *
 * Without parameters: four columns, of which the address one is empty for jails with a network of their own. With parameters their values, one
 * jail a line; `-n` writes `name=value`, `-h` a header, `-q` quotes where needed, `-s` what jail(8) would need to make the jail again.
 * `--json` is ours: an array of objects, all parameters or the ones named.
 */
import type { Prison } from '@netloom/core';
import { errx, toolMain, warnx } from './err.js';
import { getopt } from './getopt.js';
import { jailGetid } from './jail/jail-id.js';
import { JAIL_PARAMS, findJailParam, isAddrList, jailAddrs, negatedName } from './jail/param-table.js';
import type { JailParam } from './jail/param-table.js';
import type { Proc } from './proc.js';

const USAGE = 'usage: jls [-dhNnqv] [-j jail] [param ...]';

interface JlsOptions {
  dying: boolean;
  header: boolean;
  /** `name=value`. */
  nameValue: boolean;
  quoted: boolean;
  /** Leave out what cannot be set. */
  skip: boolean;
  verbose: boolean;
  jailName: boolean;
  json: boolean;
  jail: string | null;
}

/** A parameter to print; `negated`: asked for as `nofoo`. */
interface Column {
  readonly name: string;
  readonly param: JailParam;
  readonly negated: boolean;
}

type Apply = (o: JlsOptions, value: string) => void;

const OPTIONS: Readonly<Record<string, Apply>> = {
  a: (o) => void (o.dying = true),
  d: (o) => void (o.dying = true),
  j: (o, value) => void (o.jail = value),
  h: (o) => void Object.assign(o, { header: true, skip: false, verbose: false }),
  N: (o) => void (o.jailName = true),
  n: (o) => void Object.assign(o, { nameValue: true, verbose: false }),
  q: (o) => void (o.quoted = true),
  s: (o) => void Object.assign(o, { header: false, verbose: false, nameValue: true, quoted: true, skip: true }),
  v: (o) => void Object.assign(o, { header: false, nameValue: false, skip: false, verbose: true }),
};

function columns(p: Proc, names: readonly string[]): Column[] {
  const wanted = names.flatMap((name) => (name === 'all' ? JAIL_PARAMS.map((param) => param.name) : [name]));
  return [...new Set(wanted)].map((name) => {
    const found = findJailParam(name);
    if (found === null) return errx(p, 1, `unknown parameter: ${name}`);
    return { name, param: found.param, negated: found.negated };
  });
}

function valueOf(column: Column, prison: Prison, viewer: Prison): string {
  const value = column.param.get(prison, viewer);
  return column.negated ? String(value !== 'true') : value;
}

/** A value on its line. */
function print(value: string, o: JlsOptions, isList: boolean): string {
  if (value === '') return isList && !o.quoted ? (o.nameValue ? '' : '-') : '""';
  const quote = value.includes("'") ? '"' : value.includes('"') ? "'" : /[ \t]/.test(value) ? '"' : '';
  return o.quoted ? quote + value + quote : value;
}

/** Parameters of `ip4` and the like count only where they are the jail's own. */
function hasParent(column: Column, prison: Prison, viewer: Prison): boolean {
  const dot = column.name.indexOf('.');
  const parent = dot < 0 ? null : findJailParam(column.name.slice(0, dot));
  return parent === null || parent.param.type !== 'jailsys' || parent.param.get(prison, viewer) === 'new';
}

function line(cols: readonly Column[], prison: Prison, viewer: Prison, o: JlsOptions): string {
  const words: string[] = [];
  for (const column of cols) {
    if (o.skip && (column.param.access === 'rd' || !hasParent(column, prison, viewer))) continue;
    const value = valueOf(column, prison, viewer);
    if (o.nameValue && column.param.type === 'bool') words.push(value === 'true' ? column.name : otherName(column));
    else words.push(`${o.nameValue ? `${column.name}=` : ''}${print(value, o, isAddrList(column.param))}`);
  }
  return `${words.join(' ')}\n`;
}

function otherName(column: Column): string {
  return column.negated ? column.param.name : negatedName(column.name);
}

/** printf's `%-N.Ns`. */
const cell = (text: string, width: number): string => text.slice(0, width).padEnd(width);

function defaultLine(prison: Prison, viewer: Prison, byName: boolean): string {
  const first = byName ? ` ${prison.nameFrom(viewer).padEnd(15)} ` : `${String(prison.jid).padStart(6)}  `;
  const addr = jailAddrs(prison, 'ip4')[0] ?? '';
  return `${first}${cell(addr, 15)} ${cell(prison.hostname, 29)} ${prison.path.slice(0, 74)}\n`;
}

function verboseLines(prison: Prison, viewer: Prison): string {
  const addrs = [...jailAddrs(prison, 'ip4'), ...jailAddrs(prison, 'ip6')];
  return `${String(prison.jid).padStart(6)}  ${cell(prison.hostname, 29)} ${prison.path.slice(0, 74)}\n`
    + `        ${cell(prison.nameFrom(viewer), 29)} ${prison.dying ? 'DYING' : 'ACTIVE'}\n`
    + `        ${findJailParam('cpuset.id')?.param.get(prison, viewer) ?? '1'}\n${addrs.map((a) => `        ${a}\n`).join('')}`;
}

/** Jails to list, by number. */
function jails(p: Proc, o: JlsOptions): Prison[] {
  if (o.jail === null) return p.prison.descendants().filter((prison) => o.dying || !prison.dying).sort((a, b) => a.jid - b.jid);
  const dying = o.dying ? p.kernel.prisons.find(p.prison, o.jail) : null;
  if (dying !== null) return [dying];
  const id = jailGetid(p, p.prison, o.jail);
  if (id.jid < 0) errx(p, 1, id.message);
  return id.prison === null ? errx(p, 1, `jail ${o.jail} not found`) : [id.prison];
}

function header(o: JlsOptions, cols: readonly Column[]): string {
  if (cols.length > 0) return o.header ? `${cols.map((c) => c.name).join(' ')}\n` : '';
  if (o.verbose) return '   JID  Hostname                      Path\n        Name                          State\n        CPUSetID\n        IP Address(es)\n';
  if (o.jailName) return ` ${'JID'.padEnd(15)} ${'IP Address'.padEnd(15)} ${'Hostname'.padEnd(29)} Path\n`;
  return '   JID  IP Address      Hostname                      Path\n';
}

function json(cols: readonly Column[], prisons: readonly Prison[], viewer: Prison): string {
  const typed = (column: Column, value: string): string | number | boolean | string[] => {
    if (column.param.type === 'int') return Number(value);
    if (column.param.type === 'bool') return value === 'true';
    return isAddrList(column.param) ? value.split(',').filter((a) => a !== '') : value;
  };
  const objects = prisons.map((prison) => Object.fromEntries(cols.map((c) => [c.name, typed(c, valueOf(c, prison, viewer))])));
  return `${JSON.stringify(objects, null, 2)}\n`;
}

function parse(p: Proc): { readonly o: JlsOptions; readonly names: readonly string[] } {
  const o: JlsOptions = { dying: false, header: false, nameValue: false, quoted: false, skip: false, verbose: false, jailName: false, json: false, jail: null };
  const words = p.argv.slice(1).filter((w) => w !== '--json');
  o.json = words.length < p.argv.length - 1;
  const { options, rest, error } = getopt('adj:hNnqsv', words);
  if (error !== null) {
    warnx(p, error);
    errx(p, 1, USAGE);
  }
  for (const [letter, value] of options) OPTIONS[letter]?.(o, value);
  if (rest.length > 0) o.verbose = false;
  return { o, names: rest };
}

function runJls(p: Proc): number {
  const { o, names } = parse(p);
  const all = names.length === 0 && (o.header || o.nameValue || o.json);
  const cols = columns(p, all ? ['all'] : names);
  const viewer = p.prison;
  if (o.json) {
    p.out(json(cols, jails(p, o), viewer));
    return 0;
  }
  p.out(header(o, cols));
  for (const prison of jails(p, o)) {
    if (cols.length > 0) p.out(line(cols, prison, viewer, o));
    else p.out(o.verbose ? verboseLines(prison, viewer) : defaultLine(prison, viewer, o.jailName));
  }
  return 0;
}

export const jls = toolMain(runJls);
