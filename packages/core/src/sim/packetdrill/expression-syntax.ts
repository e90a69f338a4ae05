/**
 * expression-syntax.ts — arguments and results of calls: `...`, numbers, names, strings, `A | B`, `[list]`, `{structure}`, `htons(80)`.
 *
 * A structure is read without knowing which it is: `{fd = 3, events = POLLIN}` is a record, `{..., 100}` a list. What a call
 * makes of it is the call's business.
 */
import type { Expr } from './script.js';
import type { TokenReader } from './token-reader.js';

/** `a, b, c` up to `close`, which is taken. */
export function parseExprList(r: TokenReader, close: string): Expr[] {
  const items: Expr[] = [];
  if (r.accept(close)) return items;
  do items.push(parseExpr(r));
  while (r.accept(','));
  r.expect(close);
  return items;
}

export function parseExpr(r: TokenReader): Expr {
  let left = parseOperand(r);
  while (r.accept('|')) left = { kind: 'or', left, right: parseOperand(r) };
  return left;
}

function parseOperand(r: TokenReader): Expr {
  const { kind, value, text } = r.token;
  switch (kind) {
    case 'ellipsis':
      r.take();
      return { kind: 'ellipsis' };
    case 'int':
    case 'hex':
    case 'float':
      r.take();
      return { kind: 'int', value };
    case 'string':
      return parseStrings(r);
    case 'word':
      r.take();
      return r.accept('(') ? { kind: 'call', name: text, args: parseExprList(r, ')') } : { kind: 'word', name: text };
    default:
      if (r.accept('[')) return { kind: 'list', items: parseExprList(r, ']') };
      if (r.accept('{')) return parseStructure(r);
      return r.fail(`expected a value, not "${text}"`);
  }
}

/** Strings behind each other are one; `"abc"...` is the string. */
function parseStrings(r: TokenReader): Expr {
  let text = '';
  while (r.token.kind === 'string') text += r.take().text;
  if (r.token.kind === 'ellipsis') r.take();
  return { kind: 'string', text };
}

function isField(r: TokenReader): boolean {
  if (r.token.kind !== 'word') return false;
  const { kind, text } = r.ahead(1);
  return kind === 'punct' && (text === '=' || text === '(');
}

function parseStructure(r: TokenReader): Expr {
  if (!isField(r)) return { kind: 'list', items: parseExprList(r, '}') };
  const fields = new Map<string, Expr>();
  do {
    const name = r.word('a field');
    if (r.accept('(')) parseExprList(r, ')'); // msg_iov(1): how many are behind it is plain
    r.expect('=');
    fields.set(name, parseExpr(r));
  } while (r.accept(','));
  r.expect('}');
  return { kind: 'record', fields };
}
