/**
 * conf-parser.ts — jail.conf(5) as a tree of statements.
 * Read first: jail.conf(5).
 *
 *     conf  ::= { jail | param ';' | ';' }
 *     jail  ::= NAME '{' conf '}'
 *     param ::= name [ ( '=' | '+=' | nothing ) string { ',' string } ]
 *
 * A name that is a variable defines it. Nothing is resolved here (conf.ts).
 */
import { ConfError, lexConf } from './conf-lexer.js';
import type { Piece, Token } from './conf-lexer.js';

export interface ConfParam {
  readonly kind: 'param';
  readonly name: string;
  /** A definition of a variable. */
  readonly isVariable: boolean;
  /** How the values were joined to the name; 'none': there are none. */
  readonly join: 'none' | '=' | '+=' | 'space';
  readonly values: readonly (readonly Piece[])[];
  /** Where it ends. */
  readonly line: number;
}

export interface ConfJail {
  readonly kind: 'jail';
  readonly name: string;
  readonly body: readonly ConfStatement[];
}

export type ConfStatement = ConfParam | ConfJail;

class Parser {
  private readonly tokens: readonly Token[];
  private at = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  conf(closing: '}' | 'end'): ConfStatement[] {
    const statements: ConfStatement[] = [];
    while (this.peek().kind !== closing) {
      if (this.accept(';')) continue;
      statements.push(this.statement());
    }
    return statements;
  }

  private statement(): ConfStatement {
    const name = this.peek();
    if (name.kind !== 'word' || name.pieces.length !== 1) return this.fail();
    this.at++;
    const piece = name.pieces[0];
    if (piece === undefined) return this.fail();
    if ('text' in piece && this.accept('{')) {
      const body = this.conf('}');
      this.at++;
      return { kind: 'jail', name: piece.text, body };
    }
    const join = this.accept('=') ? '=' : this.accept('+=') ? '+=' : this.peek().kind === 'word' ? 'space' : 'none';
    const values = join === 'none' ? [] : this.values();
    const { line } = this.peek();
    if (!this.accept(';')) return this.fail();
    const isVariable = 'variable' in piece;
    return { kind: 'param', name: isVariable ? piece.variable : piece.text, isVariable, join, values, line };
  }

  private values(): (readonly Piece[])[] {
    const values: (readonly Piece[])[] = [];
    do {
      const word = this.peek();
      if (word.kind !== 'word') this.fail();
      else values.push(word.pieces);
      this.at++;
    } while (this.accept(','));
    return values;
  }

  private peek(): Token {
    return this.tokens[this.at] ?? { kind: 'end', line: 0, text: '' };
  }

  private accept(kind: Token['kind']): boolean {
    if (this.peek().kind !== kind) return false;
    this.at++;
    return true;
  }

  private fail(): never {
    const token = this.peek();
    throw new ConfError(token.kind === 'end' ? 'unexpected EOF' : `line ${token.line}: ${token.text}: syntax error`);
  }
}

/** Throws ConfError. */
export function parseConf(source: string): ConfStatement[] {
  return new Parser(lexConf(source)).conf('end');
}
