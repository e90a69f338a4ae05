/**
 * sysctl.ts — sysctl(8): show and set tunables and readings by name.
 * Read first: sysctl(8).
 *
 *     sysctl [-bdeFhilNnoqTtWx] [-B bufsize] [-f file] name[=value] …
 *     sysctl [-bdeFhlNnoqTtWx] -a
 *
 * The tree is that of the vnet the tool runs in, with the names of the kernel and the prison (kernel-nodes.ts) joined to it. A name that is no
 * leaf stands for everything below it. Only leaves have a value, a type and a description. Groups are listed in FreeBSD's order (kern, net, hw,
 * security), names inside a group by name.
 * A jail without a network of its own may read its parent's names and set none of them.
 *
 * Not here: opaque values, tunables of a boot loader (`-T` lists none).
 */
import { EPERM } from '@netloom/core';
import type { SysctlNode } from '@netloom/core';
import { ToolExit, toolMain, usage, warn, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { ownsNetwork } from '../jail/jail-id.js';
import { HostError } from '../proc.js';
import type { Proc } from '../proc.js';
import { utf8Text } from '../utf8.js';
import { kernelNodes } from './kernel-nodes.js';

const USAGE = `usage: sysctl [-bdeFhilNnoqTtWx] [ -B <bufsize> ] [-f filename] name[=value] ...
       sysctl [-bdeFhlNnoqTtWx] [ -B <bufsize> ] -a
`;
const EX_NOINPUT = 66;
const GROUPS = ['kern', 'vm', 'vfs', 'net', 'debug', 'hw', 'machdep', 'user', 'security'];
const TYPE_NAMES = { int: 'integer', string: 'string' } as const;
/** Digits of `-x`, `0x` included: four bytes, or eight for what does not fit. */
const HEX_WIDTH = 10;
const HEX_WIDTH_LONG = 18;
const U32_MAX = 0xffff_ffff;

class Sysctl {
  private readonly p: Proc;
  private readonly flags: ReadonlySet<string>;
  private readonly nodes: readonly SysctlNode[];

  constructor(p: Proc, flags: ReadonlySet<string>) {
    this.p = p;
    this.flags = flags;
    const rank = (node: SysctlNode): number => GROUPS.indexOf(node.name.slice(0, node.name.indexOf('.')));
    const nodes = [...kernelNodes(p), ...p.vnet.kern.sysctl.list('')];
    this.nodes = nodes.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  }

  all(): void {
    for (const node of this.nodes) this.showLine(node);
  }

  /** One argument: `name`, `name=value`. Answers with the number of failures. @param where ' at line N' in a file. */
  argument(text: string, where: string): number {
    const at = text.search(/[=:]/);
    const name = (at < 0 ? text : text.slice(0, at)).trimEnd();
    if (at >= 0 && (this.has('T') || this.has('W'))) {
      warnx(this.p, "Can't set variables when using -T or -W");
      usage(this.p, 1, USAGE);
    }
    const leaf = this.nodes.find((node) => node.name === name) ?? this.p.vnet.kern.sysctl.find(name) ?? undefined;
    const below = leaf === undefined ? this.nodes.filter((node) => node.name.startsWith(`${name}.`)) : [];
    if (leaf === undefined && below.length === 0) return this.unknown(name, where);
    if (at < 0 || this.has('d')) {
      if (leaf !== undefined) this.showLine(leaf);
      else this.showNode(name, below);
      return 0;
    }
    if (leaf === undefined) return this.complain(`oid '${name}' isn't a leaf node${where}`);
    return this.set(leaf, unquote(text.slice(at + 1).trimStart()), text, where);
  }

  private unknown(name: string, where: string): number {
    if (this.has('i')) return 0;
    if (!this.has('q')) warnx(this.p, `unknown oid '${name}'${where}`);
    return 1;
  }

  private complain(text: string): number {
    warnx(this.p, text);
    return 1;
  }

  private set(node: SysctlNode, value: string, text: string, where: string): number {
    if (!node.writable) return this.complain(`oid '${node.name}' is read only${where}`);
    if (node.type === 'int' && value === '') return this.complain('empty numeric value');
    const numbers = node.type === 'int' ? value.split(/[ ,]/).filter((word) => word !== '') : [];
    const bad = numbers.find((word) => parseInteger(word) === null);
    if (bad !== undefined) return this.complain(`invalid ${TYPE_NAMES[node.type]} '${bad}'${where}`);
    const isShown = this.show(node);
    const error = this.p.kernel.call(this.p.now(), () => {
      if (!ownsNetwork(this.p.prison) && node.name !== 'kern.hostname') return EPERM;
      return node.set(node.type === 'string' ? value : numbers.length === 1 ? (parseInteger(numbers[0] ?? '') ?? 0) : NaN);
    });
    if (error !== 0) {
      if (isShown && !this.has('b')) this.p.out('\n');
      warn(this.p, `${text}${where}`, error);
      return 1;
    }
    if (!this.has('b')) this.p.out(' -> ');
    this.p.out(this.has('N') ? node.name : this.valueText(node));
    if (!this.has('b')) this.p.out('\n');
    return 0;
  }

  private showNode(name: string, below: readonly SysctlNode[]): void {
    if (this.has('d')) this.p.out(`${this.has('n') ? '' : `${name}${this.separator}`}${this.has('t') ? `node${this.separator}` : ''}\n`);
    for (const node of below) this.showLine(node);
  }

  private showLine(node: SysctlNode): void {
    if (this.show(node) && !this.has('b')) this.p.out('\n');
  }

  /** Prints without the newline; false when the options leave it out. */
  private show(node: SysctlNode): boolean {
    if (this.has('T') || (this.has('W') && !node.writable)) return false;
    const label = this.has('n') ? '' : `${node.name}${this.separator}`;
    if (this.has('N')) this.p.out(node.name);
    else if (this.has('t') || this.has('F') || this.has('d')) this.p.out(label + this.info(node));
    else if (this.has('b')) this.p.out(binary(node));
    else this.p.out(`${label}${this.has('l') ? `${binary(node).length}${this.separator}` : ''}${this.valueText(node)}`);
    return true;
  }

  private info(node: SysctlNode): string {
    const format = node.type === 'int' ? 'I' : 'A';
    const parts = [...(this.has('t') ? [TYPE_NAMES[node.type]] : []), ...(this.has('F') ? [format] : []), ...(this.has('d') ? [node.help] : [])];
    return parts.join(this.separator);
  }

  private valueText(node: SysctlNode): string {
    const value = node.get();
    if (typeof value === 'string') return value;
    if (this.has('x')) return hexText(value);
    return this.has('h') ? String(value).replace(/\B(?=([0-9]{3})+$)/g, ',') : String(value);
  }

  private get separator(): string {
    return this.has('e') ? '=' : ': ';
  }

  private has(flag: string): boolean {
    return this.flags.has(flag);
  }
}

/** printf's `%#0*x`. Negative numbers as FreeBSD stores them. */
function hexText(value: number): string {
  const long = value > U32_MAX;
  const digits = (value < 0 ? value + U32_MAX + 1 : value).toString(16);
  const width = long ? HEX_WIDTH_LONG : HEX_WIDTH;
  return value === 0 ? '0'.repeat(width) : `0x${digits.padStart(width - 2, '0')}`;
}

/** The bytes sysctl(3) gives: an int of four bytes (eight when it does not fit), a string with its zero. */
function binary(node: SysctlNode): Uint8Array {
  const value = node.get();
  if (typeof value === 'string') return Uint8Array.from([...value].map((c) => c.charCodeAt(0) & 0xff).concat(0));
  const bytes = new Uint8Array(value > U32_MAX ? 8 : 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, value >>> 0, true);
  if (bytes.length === 8) view.setUint32(4, Math.floor(value / (U32_MAX + 1)), true);
  return bytes;
}

/** strtol(3) with base 0 of the whole word; null when it is no number. */
function parseInteger(text: string): number | null {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.exec(text);
  if (match === null) return null;
  const digits = match[2] ?? '';
  const value = /^0[0-7]+$/.test(digits) ? parseInt(digits, 8) : Number(digits);
  return match[1] === '-' ? -value : value;
}

/** Takes a pair of quotes away. */
function unquote(text: string): string {
  const quote = text.charAt(0);
  if (quote !== '"' && quote !== "'") return text;
  return text.endsWith(quote) && text.length > 1 ? text.slice(1, -1) : text.slice(1);
}

/** A line of a file without its comment: `#` starts one, unless it is quoted or escaped. */
function stripComment(line: string): string {
  const match = /^(?:[^#'"\\]|\\[^]|'[^']*'|"[^"]*"|['"])*/.exec(line);
  return (match?.[0] ?? line).trim();
}

async function readFile(p: Proc, file: string): Promise<string> {
  try {
    if (p.host === null) throw new HostError('ENOENT', 'No such file or directory');
    return utf8Text(await p.host.readFile(file));
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    warnx(p, `${file}: ${error.message}`);
    throw new ToolExit(EX_NOINPUT);
  }
}

async function runSysctl(p: Proc): Promise<number> {
  const { options, rest, error } = getopt('AabB:def:FhilNnoqTtwWxX', p.argv.slice(1));
  if (error !== null) warnx(p, error);
  const given = new Map(options);
  const flags = new Set(given.keys());
  if (flags.has('A')) flags.add('a').add('o');
  if (flags.has('X')) flags.add('a').add('x');
  if (error !== null || (flags.has('N') && (flags.has('l') || flags.has('n')))) usage(p, 1, USAGE);
  const sysctl = new Sysctl(p, flags);
  if (flags.has('a') && rest.length === 0) {
    sysctl.all();
    return 0;
  }
  const file = given.get('f');
  if (rest.length === 0 && file === undefined) usage(p, 1, USAGE);
  let failures = 0;
  if (file !== undefined) {
    const lines = (await readFile(p, file)).split('\n');
    for (const [i, line] of lines.entries()) {
      const text = stripComment(line);
      if (text !== '') failures += sysctl.argument(text, ` at line ${i + 1}`);
    }
  }
  for (const argument of rest) failures += sysctl.argument(argument, '');
  return failures;
}

export const sysctl = toolMain(runSysctl);
