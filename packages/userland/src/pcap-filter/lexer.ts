/**
 * lexer.ts — filter text to tokens.
 * Read first: pcap-filter(7).
 *
 * Theory of operation. At each place every form is tried and the longest match is the token; of equally long ones the earlier form
 * wins. That rule decides much of the language: `80-90` and `len-1` are names, `aabbccddeeff` is a MAC address,
 * `10.0.0.1` an IPv4 address but `10.0.0.1.5` a name.
 * A number that is too large, an octal number with an 8 in it and a malformed address become tokens that no grammar rule accepts and
 * that have their own message; a character that belongs to nothing is a token without one.
 */
import { ip6Parse } from '@netloom/core/wire';
import { tooLong } from './filter-error.js';
import type { Token, TokenKind } from './tokens.js';
import { KEYWORDS, token } from './tokens.js';

/** Tokens an expression may have. */
const TOKENS_MAX = 4096;

const NUMBER = '(?:0[xX][0-9A-Fa-f]+|[0-9]+)';
const OCTET = '[0-9A-Fa-f]{1,2}';
const sixOctets = (separator: string): string => `${OCTET}(?:${separator}${OCTET}){5}`;

/** The forms that a regular expression decides, earlier first. */
const FORMS: readonly (readonly [kind: TokenKind, pattern: string])[] = [
  ['arcnet', `\\$${OCTET}`],
  ['mac', sixOctets(':')],
  ['mac', sixOctets('-')],
  ['mac', sixOctets('\\.')],
  ['mac', '[0-9A-Fa-f]{4}(?:\\.[0-9A-Fa-f]{4}){2}'],
  ['mac', '[0-9A-Fa-f]{12}'],
  ['number', NUMBER],
  ['ip4', `${NUMBER}(?:\\.${NUMBER}){1,3}`],
];
const NAME = '[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?';
const ESCAPED = '\\\\[^ !()\\n\\t]+';
const BOGUS_MAC = `${OCTET}:+(?:${OCTET}:+)+`;
const IP6_RUN = '[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?:\\.[0-9A-Fa-fxX]+)*';
const IP6_GROUPS = /^(?:(?:[0-9A-Fa-f]{1,4}:)*[0-9A-Fa-f]{1,4})?$/;
const IP6_DOTTED_TAIL = /(?:[0-9]+|0[xX][0-9A-Fa-f]+)(?:\.(?:[0-9]+|0[xX][0-9A-Fa-f]+)){3}$/;
const SYMBOLS: readonly (readonly [text: string, kind: TokenKind])[] = [
  ['&&', 'and'], ['||', 'or'], ['>=', '>='], ['<=', '<='], ['!=', '!='], ['==', '='], ['<<', '<<'], ['>>', '>>'],
  ['+', '+'], ['-', '-'], ['*', '*'], ['/', '/'], ['%', '%'], [':', ':'], ['[', '['], [']', ']'], ['!', '!'],
  ['<', '<'], ['>', '>'], ['(', '('], [')', ')'], ['&', '&'], ['|', '|'], ['^', '^'], ['=', '='],
];

/** The whole text as tokens, `end` last. Throws FilterError. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at += matchAt(text, at, '[ \\r\\n\\t]*').length;
    if (at >= text.length) return [...tokens, token('end', '')];
    if (tokens.length >= TOKENS_MAX) throw tooLong();
    const [length, next] = longest(text, at);
    tokens.push(next);
    at += length;
  }
}

/** What the sticky regular expression `pattern` matches at `at`, '' for nothing. */
function matchAt(text: string, at: number, pattern: string): string {
  const sticky = new RegExp(pattern, 'y');
  sticky.lastIndex = at;
  return sticky.exec(text)?.[0] ?? '';
}

/** The token at `at` and its length. */
function longest(text: string, at: number): readonly [number, Token] {
  const symbol = SYMBOLS.find(([written]) => text.startsWith(written, at));
  let kind: TokenKind = symbol?.[1] ?? 'bad';
  let best = symbol?.[0] ?? text.charAt(at);
  let found = symbol !== undefined;
  const offer = (offered: TokenKind, match: string): void => {
    if (match === '' || (found && match.length <= best.length)) return;
    [kind, best, found] = [offered, match, true];
  };
  for (const [form, pattern] of FORMS) offer(form, matchAt(text, at, pattern));
  offer('ip6', ip6At(text, at));
  offer('impossible', matchAt(text, at, BOGUS_MAC));
  const name = matchAt(text, at, NAME);
  const keyword = KEYWORDS.get(name);
  if (keyword !== undefined && (!found || name.length > best.length)) return [name.length, keyword];
  offer('name', name);
  const escaped = matchAt(text, at, ESCAPED);
  if (escaped !== '' && (!found || escaped.length > best.length)) return [escaped.length, token('name', escaped.slice(1))];
  return [best.length, finish(kind, best)];
}

function finish(kind: TokenKind, text: string): Token {
  if (kind === 'impossible') return token('impossible', `bogus ethernet address ${text}`);
  if (kind === 'ip6' && ip6Parse(text) === null) return token('impossible', `bogus IPv6 address ${text}`);
  return kind === 'number' ? numberToken(text) : token(kind, text);
}

/** Decimal, 0x… hexadecimal, or octal after a leading 0; 32 bits. */
function numberToken(text: string): Token {
  const octal = text.length > 1 && /^0[0-9]/.test(text);
  if (octal && /[89]/.test(text)) return token('impossible', `number ${text} contains non-octal digit`);
  const value = octal ? parseInt(text, 8) : Number(text);
  return value > 0xffffffff ? token('impossible', `number ${text} overflows 32 bits`) : token('number', text, value);
}

/** The longest text at `at` that has the form of an IPv6 address: eight groups, or at most seven around one `::`. */
function ip6At(text: string, at: number): string {
  const run = matchAt(text, at, IP6_RUN);
  for (let end = Math.min(run.length, 64); end >= 2; end--) {
    const candidate = run.slice(0, end);
    if (hasIp6Form(candidate)) return candidate;
  }
  return '';
}

function hasIp6Form(text: string): boolean {
  const groups = text.replace(IP6_DOTTED_TAIL, '0:0');
  const halves = groups.split('::');
  if (halves.length > 2 || !halves.every((half) => IP6_GROUPS.test(half))) return false;
  const count = halves.reduce((sum, half) => sum + (half === '' ? 0 : half.split(':').length), 0);
  return halves.length === 2 ? count <= 7 : count === 8;
}
