/**
 * token-reader.ts — goes through the words of a packet script, and says where it did not find what it wanted.
 */
import { lexScript } from './lexer.js';
import type { Token } from './lexer.js';
import { ScriptError } from './script.js';

export class TokenReader {
  readonly source: string;
  private readonly tokens: readonly Token[];
  private i = 0;

  constructor(source: string) {
    this.source = source;
    this.tokens = lexScript(source);
  }

  get token(): Token {
    return this.ahead(0);
  }

  /** The token `n` further on. */
  ahead(n: number): Token {
    return this.tokens[Math.min(this.i + n, this.tokens.length - 1)]!;
  }

  /** The end of the token before this one. */
  get lastEnd(): number {
    return this.i === 0 ? 0 : this.tokens[this.i - 1]!.end;
  }

  take(): Token {
    const { token } = this;
    if (token.kind !== 'end') this.i++;
    return token;
  }

  /** Whether this is the word or sign `text`. */
  is(text: string): boolean {
    const { kind } = this.token;
    return (kind === 'punct' || kind === 'word') && this.token.text === text;
  }

  /** Takes the word or sign `text` when it is there. */
  accept(text: string): boolean {
    if (!this.is(text)) return false;
    this.i++;
    return true;
  }

  expect(text: string): void {
    if (!this.accept(text)) this.fail(`expected "${text}", not "${this.token.text}"`);
  }

  word(what: string): string {
    return this.token.kind === 'word' ? this.take().text : this.fail(`expected ${what}, not "${this.token.text}"`);
  }

  /** A whole number of `min` to `max`. */
  int(what: string, min: number, max: number): number {
    const { kind, value } = this.token;
    if (kind !== 'int' && kind !== 'hex') return this.fail(`expected ${what}, not "${this.token.text}"`);
    if (value < min || value > max) return this.fail(`${what} ${this.token.text} is out of range, ${min} to ${max}`);
    this.i++;
    return value;
  }

  fail(message: string, line = this.token.line): never {
    throw new ScriptError(line, message);
  }
}
