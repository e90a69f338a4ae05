/**
 * code-check.ts — what stands between `%{` and `}%`: the part of Python that scripts use to check a connection's TCP_INFO.
 * Read first: docs/packetdrill.md, "Checks".
 *
 *     statement  := assert expr [, message]  |  name (= | += | -=) expr  |  print(...)
 *     expr       := comparisons (chained as in Python), and, or, not, | ^ & << >> + - * / // %, numbers, names, parentheses
 *
 * Statements end at a line's end or `;`, `#` starts a comment. A name is a variable that the script has set, or what the caller knows (tcpi_*,
 * TCP_*). Anything else is a ScriptError: a check that is not understood is not a check that passed. A failed assertion is the text that `run` returns.
 */
import { ScriptError } from './script.js';

/** What a name means; null when it is unknown. */
export type NameLookup = (name: string) => number | null;

type Binary = (a: number, b: number) => number;

const flagOf = (x: boolean): number => (x ? 1 : 0);

const COMPARE: Readonly<Record<string, Binary>> = {
  '==': (a, b) => flagOf(a === b),
  '!=': (a, b) => flagOf(a !== b),
  '<': (a, b) => flagOf(a < b),
  '>': (a, b) => flagOf(a > b),
  '<=': (a, b) => flagOf(a <= b),
  '>=': (a, b) => flagOf(a >= b),
};

/** From what binds least to what binds most. */
const LEVELS: readonly Readonly<Record<string, Binary>>[] = [
  { '|': (a, b) => a | b },
  { '^': (a, b) => a ^ b },
  { '&': (a, b) => a & b },
  { '<<': (a, b) => a << b, '>>': (a, b) => a >> b },
  { '+': (a, b) => a + b, '-': (a, b) => a - b },
  { '*': (a, b) => a * b, '//': (a, b) => Math.floor(a / b), '/': (a, b) => a / b, '%': (a, b) => a - b * Math.floor(a / b) },
];

const TOKEN = /\s*(0x[0-9a-fA-F]+|\d+(?:\.\d+)?|[A-Za-z_]\w*|'[^']*'|"[^"]*"|==|!=|<=|>=|<<|>>|\/\/|\+=|-=|[^\s])/g;

/** The statements of a block with the lines they are on. */
function statements(text: string, line: number): { line: number; text: string }[] {
  const found: { line: number; text: string }[] = [];
  text.replace(/\\\r?\n/g, ' \u0000').split('\n').forEach((row) => {
    const plain = row.replaceAll('\u0000', '').replace(/#.*$/, '');
    for (const part of plain.split(';')) if (part.trim() !== '') found.push({ line, text: part.trim() });
    line += 1 + row.split('\u0000').length - 1;
  });
  return found;
}

export class CodeChecks {
  private readonly vars = new Map<string, number>();

  /** Runs a block; null when its assertions hold, else what does not. */
  run(text: string, line: number, lookup: NameLookup): string | null {
    for (const statement of statements(text, line)) {
      const failed = new CodeStatement(statement.text, statement.line, this.vars, lookup).run();
      if (failed !== null) return failed;
    }
    return null;
  }
}

class CodeStatement {
  private readonly text: string;
  private readonly line: number;
  private readonly vars: Map<string, number>;
  private readonly lookup: NameLookup;
  private readonly tokens: string[] = [];
  private readonly used = new Map<string, number>();
  private i = 0;

  constructor(text: string, line: number, vars: Map<string, number>, lookup: NameLookup) {
    this.text = text;
    this.line = line;
    this.vars = vars;
    this.lookup = lookup;
    for (const [, token] of text.matchAll(TOKEN)) this.tokens.push(token!);
  }

  run(): string | null {
    const [first = '', second = ''] = this.tokens;
    if (first === 'print' && second === '(' && this.tokens.at(-1) === ')') return null;
    if (first === 'assert') {
      this.i = 1;
      const value = this.expr();
      if (this.i < this.tokens.length && this.tokens[this.i] !== ',') this.unknown();
      return value !== 0 ? null : `${this.text.replace(/\s*,[^,]*$/, '')} does not hold${this.values()}`;
    }
    if (/^[A-Za-z_]\w*$/.test(first) && (second === '=' || second === '+=' || second === '-=')) {
      this.i = 2;
      const value = this.expr();
      if (this.i < this.tokens.length) this.unknown();
      const was = second === '=' ? 0 : this.name(first);
      this.vars.set(first, second === '-=' ? was - value : was + value);
      return null;
    }
    return this.unknown();
  }

  private unknown(): never {
    throw new ScriptError(this.line, `this code is not supported, only assert, print() and assignments are: ${this.text}`);
  }

  /** `; tcpi_state is 4` */
  private values(): string {
    const parts = [...this.used].map(([name, value]) => `${name} is ${value}`);
    return parts.length === 0 ? '' : `: ${parts.join(', ')}`;
  }

  private accept(token: string): boolean {
    if (this.tokens[this.i] !== token) return false;
    this.i++;
    return true;
  }

  private expr(): number {
    let left = this.and();
    while (this.accept('or')) {
      const right = this.and();
      left = left !== 0 ? left : right;
    }
    return left;
  }

  private and(): number {
    let left = this.not();
    while (this.accept('and')) {
      const right = this.not();
      left = left === 0 ? left : right;
    }
    return left;
  }

  private not(): number {
    return this.accept('not') ? flagOf(this.not() === 0) : this.comparison();
  }

  /** `10 <= a <= 20`: all of them hold. */
  private comparison(): number {
    let left = this.binary(0);
    let result: number | null = null;
    for (let op = COMPARE[this.tokens[this.i] ?? '']; op !== undefined; op = COMPARE[this.tokens[this.i] ?? '']) {
      this.i++;
      const right = this.binary(0);
      result = result === 0 ? 0 : op(left, right);
      left = right;
    }
    return result ?? left;
  }

  private binary(level: number): number {
    const ops = LEVELS[level];
    if (ops === undefined) return this.unary();
    let left = this.binary(level + 1);
    for (let op = ops[this.tokens[this.i] ?? '']; op !== undefined; op = ops[this.tokens[this.i] ?? '']) {
      this.i++;
      left = op(left, this.binary(level + 1));
    }
    return left;
  }

  private unary(): number {
    if (this.accept('-')) return -this.unary();
    if (this.accept('(')) {
      const value = this.expr();
      if (!this.accept(')')) this.unknown();
      return value;
    }
    const token = this.tokens[this.i++] ?? this.unknown();
    if (/^\d/.test(token)) return Number(token);
    if (!/^[A-Za-z_]/.test(token)) return this.unknown();
    const value = this.name(token);
    this.used.set(token, value);
    return value;
  }

  private name(name: string): number {
    if (name === 'True') return 1;
    if (name === 'False') return 0;
    const value = this.vars.get(name) ?? this.lookup(name);
    if (value === null) throw new ScriptError(this.line, `nothing is called ${name} here`);
    return value;
  }
}
