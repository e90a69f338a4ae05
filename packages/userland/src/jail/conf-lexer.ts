/**
 * conf-lexer.ts — jail.conf(5) cut into tokens.
 * Read first: jail.conf(5) "Syntax".
 *
 * A word is made of pieces that stand next to each other without space: plain characters, quoted strings and variables. In single quotes
 * nothing but backslash escapes is special; in double quotes and outside of quotes `$name` and `${name}` are variables. Comments are
 * `#` and `//` to the end of the line, and C comments.
 */

/** A part of a string: text, or the value of a variable. */
export type Piece = { readonly text: string } | { readonly variable: string };

export type Token =
  | { readonly kind: 'word'; readonly pieces: readonly Piece[]; readonly line: number; readonly text: string }
  | { readonly kind: ',' | ';' | '=' | '{' | '}' | '+='; readonly line: number; readonly text: string }
  | { readonly kind: 'end'; readonly line: number; readonly text: '' };

/** A complaint without the name of the file: `line 3: unterminated string`. */
export class ConfError extends Error {
  override readonly name = 'ConfError';
}

const SPACE = /[ \t\r\n]+|#.*|\/\/.*|\/\*(?:[^*]|\*+[^*/])*\*+\//y;
const ATOM = /[A-Za-z0-9_!%&()\-.:<>?@[\]^`|~]+|[$*+/]/y;
const ESCAPE = /\\(?:[0-7]{1,3}|x[0-9A-Fa-f]{1,2}|[^])/y;
const VARIABLE = /\$(?:([A-Za-z_][A-Za-z_0-9]*)|\{((?:[^\n{}\\]|\\[^])*)\})/y;
const SINGLE = /'((?:[^'\\]|\\[^])*)'/y;
const PUNCTUATION = /\+=|[,;={}]/y;

const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\n': '' };

function unescape(body: string): string {
  if (/^[0-7]/.test(body)) return String.fromCharCode(parseInt(body, 8) & 0xff);
  if (/^x[0-9A-Fa-f]/.test(body)) return String.fromCharCode(parseInt(body.slice(1), 16));
  return ESCAPES[body] ?? (body === 'x' ? '\0' : body);
}

/** Text with its backslash escapes resolved. */
function resolveEscapes(text: string): string {
  return text.replace(/\\([0-7]{1,3}|x[0-9A-Fa-f]{1,2}|[^])/g, (_, body: string) => unescape(body));
}

/** One pass over a file. */
class Lexer {
  readonly tokens: Token[] = [];
  private readonly source: string;
  private at = 0;
  private line = 1;
  private pieces: Piece[] = [];
  private wordStart = 0;

  constructor(source: string) {
    this.source = source;
  }

  run(): Token[] {
    while (this.at < this.source.length) this.next();
    this.endWord(this.at);
    this.tokens.push({ kind: 'end', line: this.line, text: '' });
    return this.tokens;
  }

  private next(): void {
    const start = this.at;
    if (this.match(SPACE) !== null) return this.endWord(start);
    const punctuation = this.source.startsWith('+=', this.at) || /[,;={}]/.test(this.source.charAt(this.at)) ? this.match(PUNCTUATION) : null;
    if (punctuation !== null) {
      this.endWord(start);
      this.tokens.push({ kind: punctuation[0] as ',' | ';' | '=' | '{' | '}' | '+=', line: this.line, text: punctuation[0] });
      return;
    }
    if (this.pieces.length === 0) this.wordStart = this.at;
    if (!this.piece()) throw new ConfError(this.complaint());
  }

  /** Takes one piece of a word. */
  private piece(): boolean {
    const variable = this.match(VARIABLE);
    if (variable !== null) return this.add({ variable: variable[1] ?? resolveEscapes(variable[2] ?? '') });
    const escaped = this.match(ESCAPE);
    if (escaped !== null) return this.add({ text: resolveEscapes(escaped[0]) });
    if (this.source.startsWith('${', this.at) || this.source.startsWith('/*', this.at)) return false;
    const atom = this.match(ATOM);
    if (atom !== null) return this.add({ text: atom[0] });
    const single = this.match(SINGLE);
    if (single !== null) return this.add({ text: resolveEscapes(single[1] ?? '') });
    return this.source.charAt(this.at) === '"' && this.doubleQuoted();
  }

  private doubleQuoted(): boolean {
    const { line } = this;
    this.at++;
    this.add({ text: '' });
    while (this.at < this.source.length) {
      if (this.source.charAt(this.at) === '"') {
        this.at++;
        return true;
      }
      const variable = this.match(VARIABLE);
      if (variable !== null) {
        this.add({ variable: variable[1] ?? resolveEscapes(variable[2] ?? '') });
        continue;
      }
      if (this.source.startsWith('${', this.at)) throw new ConfError(`line ${this.line}: unterminated variable`);
      const text = this.match(/(?:[^"\\$]|\\[^])+|\$/y);
      if (text === null) return false;
      this.add({ text: resolveEscapes(text[0]) });
    }
    throw new ConfError(`line ${line}: unterminated string`);
  }

  private add(piece: Piece): true {
    this.pieces.push(piece);
    return true;
  }

  /** A word, if one is under way, ended before `end`. */
  private endWord(end: number): void {
    if (this.pieces.length === 0) return;
    const text = this.source.slice(this.wordStart, end);
    this.tokens.push({ kind: 'word', pieces: joinText(this.pieces), line: this.line, text });
    this.pieces = [];
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = this.at;
    const found = sticky.exec(this.source);
    if (found === null || found[0] === '') return null;
    this.at += found[0].length;
    this.line += found[0].split('\n').length - 1;
    return found;
  }

  private complaint(): string {
    const rest = this.source.slice(this.at);
    if (rest.startsWith('/*')) return `line ${this.line}: unterminated comment`;
    if (rest.startsWith("'") || rest.startsWith('"')) return `line ${this.line}: unterminated string`;
    if (rest.startsWith('${')) return `line ${this.line}: unterminated variable`;
    return `line ${this.line}: ${rest.charAt(0)}: syntax error`;
  }
}

function joinText(pieces: readonly Piece[]): Piece[] {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if ('text' in piece && last !== undefined && 'text' in last) joined[joined.length - 1] = { text: last.text + piece.text };
    else joined.push(piece);
  }
  return joined;
}

/** Throws ConfError. */
export function lexConf(source: string): Token[] {
  return new Lexer(source).run();
}
