/**
 * parser.ts — tokens to the tree of a filter expression.
 * Read first: pcap-filter(7).
 *
 * Theory of operation. Recursive descent. Three things are not obvious from the manual page:
 * - An identifier may follow `and` and `or` without its qualifiers: it takes those of the term before it (`host a or b`). A term
 *   without an identifier (`tcp`, `len > 5`) has none to give, and a parenthesis gives those of the term before it.
 * - A parenthesis may open an arithmetic expression, a filter or a list of identifiers. What stands behind `and` and `or` is
 *   told by the first word inside; at other places arithmetic is tried first and must be followed by a relation.
 * - `%` and `^` have no precedence: the operator after them, or they after another, bind first.
 *
 * Not here: what names and numbers mean (`generate.ts`). Every expression that has the form of one passes.
 */
import { FilterError, syntaxError, tooLong } from './filter-error.js';
import type { AddressKind, Arithmetic, ArithmeticOperator, ByteOperator, ChainLink, Direction, Filter, Identifier, ProtocolName, Qualifiers, Relation } from './syntax.js';
import type { Token, TokenKind } from './tokens.js';

/** Parentheses, negations and signs that may stand inside each other, and operators in one arithmetic row. */
const DEPTH_MAX = 500;

const PRECEDENCE: Readonly<Partial<Record<TokenKind, number>>> = { '|': 1, '&': 2, '<<': 3, '>>': 3, '+': 4, '-': 4, '*': 5, '/': 5 };
const SIGN_PRECEDENCE = 6;
const UNRANKED: ReadonlySet<TokenKind> = new Set<TokenKind>(['%', '^']);
const BYTE_OPERATORS: ReadonlySet<TokenKind> = new Set<TokenKind>(['=', '<', '>', '&', '|']);
const IDENTIFIERS: ReadonlySet<TokenKind> = new Set<TokenKind>(['name', 'ip4', 'ip6', 'mac', 'arcnet']);
/** What may follow a protocol that qualifies an identifier. */
const QUALIFIERS: ReadonlySet<TokenKind> = new Set<TokenKind>([
  'src', 'dst', 'wlan-address', 'host', 'net', 'port', 'portrange', 'gateway', 'proto', 'protochain',
]);

/** A filter, and the qualifiers an identifier after it takes; null when it has none to give. */
interface Term {
  readonly filter: Filter;
  readonly qualifiers: Qualifiers | null;
}

/** The tree of `tokens`, null for the empty expression. Throws FilterError. */
export function parse(tokens: readonly Token[]): Filter | null {
  if (tokens[0]?.kind === 'end') return null;
  return new Parser(tokens).whole();
}

class Parser {
  private readonly tokens: readonly Token[];
  private at = 0;
  private depth = 0;

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  whole(): Filter {
    const { filter } = this.expression(null);
    if (this.kind() !== 'end') throw this.wrong();
    return filter;
  }

  /** The error at the present token: its own, when it cannot be a token, else of syntax. */
  private wrong(): FilterError {
    const impossible = [this.tokens[this.at - 1], this.tokens[this.at]].find((found) => found?.kind === 'impossible');
    return impossible === undefined ? syntaxError() : new FilterError(impossible.text);
  }

  private kind(ahead = 0): TokenKind {
    return this.tokens[this.at + ahead]?.kind ?? 'end';
  }

  private next(): Token {
    const found = this.tokens[this.at];
    if (found === undefined) throw this.wrong();
    this.at++;
    return found;
  }

  private accept(kind: TokenKind): boolean {
    if (this.kind() !== kind) return false;
    this.at++;
    return true;
  }

  private expect(kind: TokenKind): Token {
    if (this.kind() !== kind) throw this.wrong();
    return this.next();
  }

  /** Runs `rule` one level down. */
  private nested<T>(rule: () => T): T {
    if (++this.depth > DEPTH_MAX) throw tooLong();
    const result = rule();
    this.depth--;
    return result;
  }

  private operator(): 'and' | 'or' | null {
    const kind = this.kind();
    if (kind !== 'and' && kind !== 'or') return null;
    this.at++;
    return kind;
  }

  /** Terms with operators between them. `inherited`: the qualifiers of the term before the parenthesis. */
  private expression(inherited: Qualifiers | null): Term {
    const first = this.term(inherited);
    const rest: ChainLink[] = [];
    let last = first;
    for (let operator = this.operator(); operator !== null; operator = this.operator()) {
      last = this.identifierFollows() ? this.identifier(last.qualifiers) : this.term(last.qualifiers);
      rest.push({ operator, operand: last.filter });
    }
    const filter: Filter = rest.length === 0 ? first.filter : { kind: 'chain', first: first.filter, rest };
    return { filter, qualifiers: last.qualifiers };
  }

  /** Is what stands here, behind any `(` and `!`, an identifier rather than a term? A number is one unless it is calculated with. */
  private identifierFollows(): boolean {
    let ahead = 0;
    let parens = 0;
    for (let kind = this.kind(); kind === '(' || kind === '!'; kind = this.kind(ahead)) {
      parens = kind === '(' ? parens + 1 : 0;
      ahead++;
    }
    if (this.kind(ahead) !== 'number') return IDENTIFIERS.has(this.kind(ahead));
    for (ahead++; parens > 0 && this.kind(ahead) === ')'; parens--) ahead++;
    return !isOperator(this.kind(ahead)) && relationOf(this.kind(ahead)) === null;
  }

  private term(inherited: Qualifiers | null): Term {
    return this.nested(() => {
      if (this.accept('!')) {
        const { filter, qualifiers } = this.term(inherited);
        return { filter: { kind: 'not', operand: filter }, qualifiers };
      }
      const relation = this.relationTerm();
      if (relation !== null) return { filter: relation, qualifiers: null };
      if (this.accept('(')) {
        const { filter } = this.expression(inherited);
        this.expect(')');
        return { filter, qualifiers: inherited };
      }
      return this.primitive();
    });
  }

  /** A comparison of two arithmetic expressions, or null with nothing consumed. */
  private relationTerm(): Filter | null {
    const kind = this.kind();
    const arithmetic = kind === 'number' || kind === '-' || kind === 'len' || kind === '(' || (kind === 'protocol' && this.kind(1) === '[');
    if (!arithmetic) return null;
    const start = this.at;
    const left = this.arithmetic(0);
    const relation = left === null ? null : relationOf(this.kind());
    if (left === null || relation === null) {
      if (kind !== '(') throw this.wrong();
      this.at = start;
      return null;
    }
    this.at++;
    const right = this.arithmetic(0);
    if (right === null) throw this.wrong();
    return { kind: 'relation', relation, left, right };
  }

  private primitive(): Term {
    let protocol: ProtocolName | null = null;
    if (this.kind() === 'protocol') protocol = this.next().protocol;
    const kind = this.kind();
    if (QUALIFIERS.has(kind)) return this.identifier(this.qualifiers(protocol));
    if (kind === 'broadcast' || kind === 'multicast') {
      this.at++;
      return alone({ kind, protocol });
    }
    if (kind === 'wlan-only') throw new FilterError(this.next().text);
    return alone(protocol === null ? this.other() : { kind: 'protocol', protocol });
  }

  /** Primitives that are a word of their own. */
  private other(): Filter {
    const first = this.next();
    switch (first.kind) {
      case 'less':
      case 'greater':
        return { kind: first.kind, length: this.expect('number').value };
      case 'byte': {
        const index = this.expect('number').value;
        const operator = this.next().kind;
        if (!isByteOperator(operator)) throw this.wrong();
        return { kind: 'byte', index, operator, value: this.expect('number').value };
      }
      case 'vlan':
      case 'mpls':
      case 'pppoes':
        return { kind: first.kind, number: this.kind() === 'number' || this.kind() === '(' ? this.parenthesizedNumber() : null };
      case 'pppoed':
        return { kind: 'pppoed' };
      case 'inbound':
        return { kind: 'metadata', what: 'inbound/outbound' };
      case 'ifindex':
        this.expect('number');
        return { kind: 'metadata', what: 'ifindex' };
      case 'refused':
        throw new FilterError(first.text);
      default:
        throw this.wrong();
    }
  }

  private qualifiers(protocol: ProtocolName | null): Qualifiers {
    const direction = this.direction();
    const kind = this.kind();
    const undirected = kind === 'proto' || kind === 'protochain' || kind === 'gateway';
    let address: AddressKind = 'any';
    if (kind === 'host' || kind === 'net' || kind === 'port' || kind === 'portrange' || (undirected && direction === null)) {
      this.at++;
      address = kind;
    }
    return { protocol, direction: direction ?? 'either', kind: address };
  }

  /** `src`, `dst`, `src or dst`, `src and dst` (either way round) or an 802.11 address; null when none is written. */
  private direction(): Direction | null {
    const first = this.kind();
    if (first === 'wlan-address') return this.next().wlanAddress;
    if (first !== 'src' && first !== 'dst') return null;
    this.at++;
    const operator = this.operator();
    if (operator === null) return first;
    this.expect(first === 'src' ? 'dst' : 'src');
    return operator === 'or' ? 'either' : 'both';
  }

  /** One identifier, its negation, or a list of them in parentheses, all with the same qualifiers. */
  private identifier(qualifiers: Qualifiers | null): Term {
    return this.nested(() => {
      if (this.accept('!')) return { filter: { kind: 'not', operand: this.identifier(qualifiers).filter }, qualifiers };
      if (this.kind() === '(' && !this.numberInParens()) {
        this.at++;
        const list = this.identifierList(qualifiers);
        this.expect(')');
        return { filter: list, qualifiers };
      }
      return { filter: { kind: 'match', qualifiers, id: this.oneIdentifier() }, qualifiers };
    });
  }

  /** The inside of a parenthesis of identifiers. The first of them stands in no parenthesis of its own. */
  private identifierList(qualifiers: Qualifiers | null): Filter {
    if (this.kind() === '(' && !this.numberInParens()) throw this.wrong();
    const first = this.identifier(qualifiers).filter;
    const rest: ChainLink[] = [];
    for (let operator = this.operator(); operator !== null; operator = this.operator()) {
      rest.push({ operator, operand: this.identifier(qualifiers).filter });
    }
    return rest.length === 0 ? first : { kind: 'chain', first, rest };
  }

  private numberInParens(): boolean {
    let ahead = 0;
    while (this.kind(ahead) === '(') ahead++;
    if (this.kind(ahead) !== 'number') return false;
    for (let open = ahead; open > 0; open--) {
      if (this.kind(++ahead) !== ')') return false;
    }
    return true;
  }

  private parenthesizedNumber(): number {
    let open = 0;
    while (this.accept('(')) open++;
    const { value } = this.expect('number');
    for (; open > 0; open--) this.expect(')');
    return value;
  }

  private oneIdentifier(): Identifier {
    if (this.kind() === 'number' || this.kind() === '(') return { kind: 'number', value: this.parenthesizedNumber() };
    const { kind, text } = this.next();
    switch (kind) {
      case 'name':
      case 'mac':
        return { kind, text };
      case 'arcnet':
        return { kind };
      case 'ip4':
        if (this.accept('/')) return { kind: 'ip4-length', text, length: this.expect('number').value };
        if (this.accept('mask')) return { kind: 'ip4-mask', text, mask: this.expect('ip4').text };
        return { kind, text };
      case 'ip6':
        return { kind, text, length: this.accept('/') ? this.expect('number').value : 128 };
      default:
        throw this.wrong();
    }
  }

  /** Operators that bind tighter than `floor`. Null when what stands here is not arithmetic. */
  private arithmetic(floor: number): Arithmetic | null {
    return this.nested(() => {
      let left = this.operand();
      for (let operators = 0; left !== null; operators++) {
        if (operators > DEPTH_MAX) throw tooLong();
        const operator = this.kind();
        const precedence = UNRANKED.has(operator) ? SIGN_PRECEDENCE + 1 : (PRECEDENCE[operator] ?? 0);
        if (!isOperator(operator) || precedence <= floor) return left;
        this.at++;
        const right = this.arithmetic(UNRANKED.has(operator) ? 0 : precedence);
        left = right === null ? null : { kind: 'binary', operator, left, right };
      }
      return left;
    });
  }

  private operand(): Arithmetic | null {
    const first = this.tokens[this.at++];
    switch (first?.kind) {
      case 'number':
        return { kind: 'number', value: first.value };
      case 'len':
        return { kind: 'length' };
      case '-': {
        const operand = this.arithmetic(SIGN_PRECEDENCE);
        return operand === null ? null : { kind: 'negate', operand };
      }
      case '(': {
        const inside = this.arithmetic(0);
        return inside !== null && this.accept(')') ? inside : null;
      }
      case 'protocol':
        return first.protocol === null ? null : this.load(first.protocol);
      default:
        return null;
    }
  }

  /** `[INDEX]` or `[INDEX:SIZE]` after a protocol. */
  private load(protocol: ProtocolName): Arithmetic | null {
    if (!this.accept('[')) return null;
    const index = this.arithmetic(0);
    if (index === null) return null;
    let size = 1;
    if (this.accept(':')) {
      if (this.kind() !== 'number') return null;
      size = this.next().value;
    }
    return this.accept(']') ? { kind: 'load', protocol, index, size } : null;
  }
}

function alone(filter: Filter): Term {
  return { filter, qualifiers: null };
}

function isOperator(kind: TokenKind): kind is ArithmeticOperator {
  return kind in PRECEDENCE || UNRANKED.has(kind);
}

function isByteOperator(kind: TokenKind): kind is ByteOperator {
  return BYTE_OPERATORS.has(kind);
}

function relationOf(kind: TokenKind): Relation | null {
  return kind === '=' || kind === '!=' || kind === '>' || kind === '>=' || kind === '<' || kind === '<=' ? kind : null;
}
