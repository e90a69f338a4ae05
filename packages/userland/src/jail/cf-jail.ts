/**
 * cf-jail.ts — CfJail `j`: a jail as the configuration file or the command line describes it.
 * Read first: jail(8) "Parameters"; jail.conf(5).
 *
 * Theory of operation. Parameters are added in the order they take effect: a later one replaces an earlier one, or adds to it (`+=`, and every
 * repetition on the command line). `foo` and `nofoo` are one parameter. `jid` and `name` cannot be given twice. What goes wrong is told at
 * once and marks the jail as failed; it is then left alone, and so is whatever depends on it.
 *
 * Invariant: after `resolve`, no value has a variable in it and no parameter is a variable.
 */
import type { Proc } from '../proc.js';
import { warnx } from '../err.js';
import type { Piece } from './conf-lexer.js';
import { negatedName } from './param-table.js';

/** What `add` is given. */
export interface CfParamSpec {
  readonly name: string;
  readonly isVariable: boolean;
  /** Adds to the values there are. */
  readonly append: boolean;
  readonly values: readonly (readonly Piece[])[];
}

export interface CfParam {
  name: string;
  isVariable: boolean;
  values: (readonly Piece[])[];
}

const IMMUTABLE = new Set(['jid', 'name']);

export class CfJail {
  /** Name in the configuration; null for the jail of a command line. */
  readonly name: string | null;
  readonly params: CfParam[] = [];
  /** An operation failed, or will not be tried. */
  failed = false;
  /** It is a running jail that is dying already: nothing of it is left to stop. */
  isDying = false;
  private readonly p: Proc;

  constructor(p: Proc, name: string | null) {
    this.p = p;
    this.name = name;
  }

  /** A line on standard output, with the jail's name in front. */
  note(text: string): void {
    this.p.out(this.name === null ? text : `${this.name}: ${text}`);
  }

  warnx(text: string): void {
    warnx(this.p, this.name === null ? text : `${this.name}: ${text}`);
  }

  /** Tells why and marks the jail as failed. */
  fail(text: string): void {
    this.warnx(text);
    this.failed = true;
  }

  add(spec: CfParamSpec): void {
    const have = this.params.find((q) => sameOption(q.name, spec.name));
    if (have === undefined) {
      this.params.push({ name: spec.name, isVariable: spec.isVariable, values: [...spec.values] });
      return;
    }
    if (have.isVariable !== spec.isVariable) return this.fail(`variable "$${spec.name}" cannot have the same name as a parameter.`);
    if (IMMUTABLE.has(have.name)) return this.fail(`cannot redefine parameter "${have.name}".`);
    have.name = spec.name;
    if (!spec.append || spec.values.length === 0) have.values = [];
    have.values.push(...spec.values);
  }

  /** `name=value` or `name` of a command line. */
  addWord(word: string): void {
    const equals = word.indexOf('=');
    if (equals < 0) this.addText(word, null);
    else this.addText(word.slice(0, equals), word.slice(equals + 1));
  }

  addText(name: string, value: string | null): void {
    this.add({ name, isVariable: false, append: true, values: value === null ? [] : [[{ text: value }]] });
  }

  /** The parameter called `name`, or `noname`. */
  find(name: string): CfParam | undefined {
    return this.params.find((q) => !q.isVariable && sameOption(q.name, name));
  }

  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  /** All values. */
  list(name: string): string[] {
    return (this.find(name)?.values ?? []).map(textOf);
  }

  /** The last value, or null. */
  string(name: string): string | null {
    return this.list(name).at(-1) ?? null;
  }

  int(name: string): number | null {
    const value = this.string(name);
    return value === null ? null : parseLeadingInt(value);
  }

  /** False when it is not there. */
  bool(name: string): boolean {
    const param = this.find(name);
    if (param === undefined) return false;
    const value = this.string(name);
    const isSet = value === null || value.toLowerCase() === 'true' || parseLeadingInt(value) !== 0;
    return isSet !== isNegated(param.name);
  }

  /** Puts the values of variables in their places, and forgets the variables. */
  resolve(): void {
    const busy = new Set<CfParam>();
    for (const param of this.params) this.resolveParam(param, busy);
    const kept = this.params.filter((q) => !q.isVariable);
    this.params.splice(0, this.params.length, ...kept);
  }

  private resolveParam(param: CfParam, busy: Set<CfParam>): boolean {
    if (param.values.every((value) => value.every((piece) => 'text' in piece))) return true;
    busy.add(param);
    const resolved: (readonly Piece[])[] = [];
    for (const value of param.values) {
      const texts = this.resolveValue(param, value, busy);
      if (texts === null) {
        this.failed = true;
        break;
      }
      resolved.push(...texts.map((text) => [{ text }]));
    }
    busy.delete(param);
    param.values = this.failed ? [] : resolved;
    return !this.failed;
  }

  /** Several texts when the value is nothing but a variable with several values. */
  private resolveValue(param: CfParam, value: readonly Piece[], busy: Set<CfParam>): string[] | null {
    let text = '';
    for (const piece of value) {
      if ('text' in piece) {
        text += piece.text;
        continue;
      }
      const values = this.valuesOf(param, piece.variable, busy);
      if (values === null) return null;
      if (values.length > 1 && value.length === 1) return values;
      if (values.length > 1) return this.bad(`${param.name}: array cannot be substituted inline`);
      text += values[0] ?? '';
    }
    return [text];
  }

  private valuesOf(param: CfParam, variable: string, busy: Set<CfParam>): string[] | null {
    const source = this.params.find((q) => q.name === variable);
    if (source === undefined || source.values.length === 0) return this.failed ? null : this.bad(`${param.name}: variable "${variable}" not found`);
    if (busy.has(source)) return this.bad(`${variable}: variable loop`);
    return this.resolveParam(source, busy) ? source.values.map(textOf) : null;
  }

  private bad(text: string): null {
    this.fail(text);
    return null;
  }
}

function textOf(value: readonly Piece[]): string {
  return value.map((piece) => ('text' in piece ? piece.text : '')).join('');
}

/** strtol(3): the number at the start, 0 when there is none. */
export function parseLeadingInt(text: string): number {
  return Number(/^\s*([+-]?[0-9]+)/.exec(text)?.[1] ?? 0);
}

function isNegated(name: string): boolean {
  return name.slice(name.lastIndexOf('.') + 1).startsWith('no');
}

/** Is it the same parameter, written with or without `no`? */
export function sameOption(a: string, b: string): boolean {
  return a === b || a === negatedName(b) || b === negatedName(a);
}

/** Does a wildcard of jail names match? A `*` that is not last stands for one component, a last one for one or more. */
export function wildMatch(name: string, pattern: string): boolean {
  const names = name.split('.');
  const parts = pattern.split('.');
  const common = Math.min(names.length, parts.length) - 1;
  for (let i = 0; i < common; i++) if (parts[i] !== '*' && parts[i] !== names[i]) return false;
  const rest = parts.slice(common).join('.');
  return rest === '*' || rest === names.slice(common).join('.');
}

/** Has a name a component that is `*`? */
export function isWild(name: string): boolean {
  return name.split('.').includes('*');
}
