/**
 * lexer.ts — the words of a packet script.
 * Read first: docs/packetdrill.md, "The language".
 *
 * One regular expression finds the next token; the longest that fits wins where the order below does not decide (`0...0.1` is a number, an
 * ellipsis and a number). `--define=NAME=VALUE` replaces the word NAME from there on, as packetdrill does.
 * Comments are `//`, `/* *\/` and `#`.
 */
import { ScriptError } from './script.js';

export type TokenKind = 'option' | 'word' | 'int' | 'float' | 'hex' | 'string' | 'command' | 'code' | 'ellipsis' | 'punct' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** Without quotes and delimiters; of an option, its name. */
  readonly text: string;
  /** Of a number, its value. */
  readonly value: number;
  /** Of an option, what is behind `=`. */
  readonly arg: string;
  readonly line: number;
  /** Where it starts and ends in the script. */
  readonly at: number;
  readonly end: number;
}

type Patterns = readonly (readonly [TokenKind | 'skip', RegExp])[];

/** New ones for each script: a sticky expression remembers where it is. */
const makePatterns = (): Patterns => [
  ['skip', /[ \t\r\n]+|\/\/[^\n]*|#[^\n]*|\/\*[^]*?\*\//y],
  ['code', /%\{[^]*?\}%/y],
  ['command', /`(?:\\[^]|[^`\\])*`/y],
  ['string', /"(?:\\[^]|[^"\\])*"/y],
  ['option', /--[a-zA-Z][a-zA-Z0-9_]*(?:=(?:[A-Za-z_][A-Za-z0-9_]*=)?(?:"[^"\n]*"|`[^`]*`|[^\s"`]+))?/y],
  ['ellipsis', /\.\.\./y],
  ['hex', /0x[0-9a-fA-F]+(?![a-zA-Z0-9_])/y],
  ['float', /-?[0-9]*\.[0-9]+/y],
  ['int', /-?[0-9]+(?![a-zA-Z0-9_])/y],
  ['word', /[a-zA-Z0-9_]+/y],
  ['punct', /[^\s]/y],
];

/** The text between the quotes, `\n` and the like resolved. */
function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(x[0-9a-fA-F]{2}|[^])/g, (_all, c: string) => {
    if (c.length === 3) return String.fromCharCode(Number.parseInt(c.slice(1), 16));
    return { n: '\n', r: '\r', t: '\t', 0: '\0' }[c] ?? c;
  });
}

/** The words of a script; the last one is of kind 'end'. */
export function lexScript(source: string): Token[] {
  const tokens: Token[] = [];
  const defines = new Map<string, string>();
  const patterns = makePatterns();
  let at = 0;
  let line = 1;
  while (at < source.length) {
    const [kind, text] = next(patterns, source, at, line);
    const end = at + text.length;
    if (kind !== 'skip') {
      const token = make(kind, text, line, at);
      if (token.kind === 'option' && token.text === 'define') define(defines, token);
      const value = token.kind === 'word' ? defines.get(token.text) : undefined;
      tokens.push(value === undefined ? token : make(next(patterns, value, 0, line)[0] as TokenKind, value, line, at));
    }
    for (const c of text) if (c === '\n') line++;
    at = end;
  }
  tokens.push({ kind: 'end', text: 'the end of the script', value: 0, arg: '', line, at, end: at });
  return tokens;
}

function next(patterns: Patterns, source: string, at: number, line: number): readonly [TokenKind | 'skip', string] {
  if (source.startsWith('%{', at) && source.indexOf('}%', at) < 0) throw new ScriptError(line, '"%{" without "}%"');
  if (source.startsWith('/*', at) && source.indexOf('*/', at) < 0) throw new ScriptError(line, '"/*" without "*/"');
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const text = pattern.exec(source)?.[0];
    if (text === undefined) continue;
    if (kind === 'punct' && (text === '`' || text === '"')) throw new ScriptError(line, `a ${text} that is not closed`);
    return [kind, text];
  }
  throw new ScriptError(line, `what is "${source.slice(at, at + 10)}"?`);
}

function make(kind: TokenKind | 'skip', text: string, line: number, at: number): Token {
  const base = { line, at, end: at + text.length, value: 0, arg: '' };
  switch (kind) {
    case 'int':
    case 'float':
    case 'hex':
      return { ...base, kind, text, value: Number(text) };
    case 'string':
      return { ...base, kind, text: unquote(text) };
    case 'command':
      return { ...base, kind, text: text.slice(1, -1) };
    case 'code':
      return { ...base, kind, text: text.slice(2, -2).trim() };
    case 'option': {
      const [, name = '', arg = ''] = /^--([a-zA-Z0-9_]+)(?:=([^]*))?$/.exec(text) ?? [];
      return { ...base, kind, text: name, arg };
    }
    case 'skip':
      return { ...base, kind: 'punct', text };
    default:
      return { ...base, kind, text };
  }
}

/** `--define=NAME=VALUE`; VALUE may be quoted, which makes it a string or a command. */
function define(defines: Map<string, string>, token: Token): void {
  const eq = token.arg.indexOf('=');
  if (eq < 1) throw new ScriptError(token.line, `--define=${token.arg}: write --define=NAME=VALUE`);
  defines.set(token.arg.slice(0, eq), token.arg.slice(eq + 1));
}
