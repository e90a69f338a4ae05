/**
 * ng-scanner.ts — NgScanner: the tokens of netgraph's ASCII form.
 * Read first: netgraph(4) "Binary to ASCII conversion"; ng-parse.ts, which gives them a meaning.
 *
 * A token is one of `{ } [ ] =`, a quoted string, or a word: a run without white space and without those characters. White space between
 * tokens means nothing.
 *
 * Invariant: the first error stays in `error`, and after it every call answers with something harmless, so that a parser looks once, at its end.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL } from '../base/errno.js';

const SPACE = /\s/;
const SPECIAL = new Set(['{', '}', '[', ']', '=', '"']);

export class NgScanner {
  readonly text: string;
  pos: number;
  error: Errno = 0;

  constructor(text: string, pos = 0) {
    this.text = text;
    this.pos = pos;
  }

  fail(error: Errno): void {
    if (this.error === 0) this.error = error;
    this.pos = this.text.length;
  }

  /** The token's text without taking it: '' at the end. */
  peek(): string {
    while (this.pos < this.text.length && SPACE.test(this.text[this.pos]!)) this.pos++;
    const c = this.text[this.pos];
    if (c === undefined) return '';
    if (c === '"') return this.text.slice(this.pos, this.quotedEnd());
    if (SPECIAL.has(c)) return c;
    let end = this.pos;
    while (end < this.text.length && !SPACE.test(this.text[end]!) && !SPECIAL.has(this.text[end]!)) end++;
    return this.text.slice(this.pos, end);
  }

  take(): string {
    const token = this.peek();
    this.pos += token.length;
    return token;
  }

  /** Takes a token that must be `token`. */
  expect(token: string): void {
    if (this.take() !== token) this.fail(EINVAL);
  }

  /** Takes a word; anything else is an error and gives ''. */
  word(): string {
    const token = this.take();
    if (token !== '' && !SPECIAL.has(token[0]!)) return token;
    this.fail(EINVAL);
    return '';
  }

  /** Is a quoted string next? */
  get atString(): boolean {
    return this.peek().startsWith('"');
  }

  /** Takes a value without understanding it: a scalar, or everything up to the bracket that matches. */
  skipValue(): void {
    let depth = 0;
    do {
      const token = this.take();
      if (token === '' || token === '=' && depth === 0) {
        this.fail(EINVAL);
        return;
      }
      if (token === '{' || token === '[') depth++;
      else if (token === '}' || token === ']') depth--;
      if (depth < 0) this.fail(EINVAL);
    } while (depth > 0);
  }

  /** Takes a quoted string and gives its bytes, escapes resolved. */
  quoted(): Uint8Array {
    const token = this.take();
    if (!token.startsWith('"')) this.fail(EINVAL);
    return this.error === 0 ? unescapeBytes(token.slice(1, -1)) : new Uint8Array(0);
  }

  /** Where the quoted string at `pos` ends; one without an end is an error. */
  private quotedEnd(): number {
    for (let i = this.pos + 1; i < this.text.length; i++) {
      if (this.text[i] === '\\') i++;
      else if (this.text[i] === '"') return i + 1;
    }
    this.fail(EINVAL);
    return this.text.length;
  }
}

const ESCAPES: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, v: 11, f: 12, '"': 34 };

/** The bytes of a string's inside. As in the original, `\x` and `\0` go on for as many digits as follow, and the low eight bits count. */
function unescapeBytes(inside: string): Uint8Array {
  const bytes: number[] = [];
  for (let i = 0; i < inside.length; i++) {
    const c = inside[i]!;
    if (c !== '\\') {
      for (const b of utf8Of(inside.codePointAt(i)!)) bytes.push(b);
      if (inside.codePointAt(i)! > 0xffff) i++;
      continue;
    }
    const escaped = inside[++i] ?? '';
    const digits = escaped === 'x' ? /^[0-9a-fA-F]*/.exec(inside.slice(i + 1))![0] : /^[0-7]*/.exec(inside.slice(i))![0];
    if (escaped === 'x') i += digits.length;
    else if (digits !== '') i += digits.length - 1;
    if (escaped === 'x' || digits !== '') bytes.push(digitsByte(digits, escaped === 'x' ? 16 : 8));
    else bytes.push(ESCAPES[escaped] ?? escaped.charCodeAt(0) & 255);
  }
  return Uint8Array.from(bytes);
}

function digitsByte(digits: string, base: number): number {
  let value = 0;
  for (const d of digits) value = (value * base + parseInt(d, base)) & 255;
  return value;
}

function utf8Of(code: number): number[] {
  if (code < 0x80) return [code];
  if (code < 0x800) return [0xc0 | (code >> 6), 0x80 | (code & 63)];
  if (code < 0x10000) return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
  return [0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
}

/** Bytes as a quoted string. */
export function quoteBytes(bytes: Uint8Array): string {
  let out = '"';
  for (const b of bytes) {
    if (b === 34 || b === 92) out += `\\${String.fromCharCode(b)}`;
    else if (b === 9) out += '\\t';
    else if (b === 10) out += '\\n';
    else if (b === 13) out += '\\r';
    else if (b === 11) out += '\\v';
    else if (b === 12) out += '\\f';
    else if (b < 32 || b > 126) out += `\\x${b.toString(16).padStart(2, '0')}`;
    else out += String.fromCharCode(b);
  }
  return `${out}"`;
}
