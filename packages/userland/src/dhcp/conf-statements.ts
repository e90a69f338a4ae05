/**
 * conf-statements.ts — the syntax that dhcpd.conf(5) and dhclient.conf(5) share: statements, and blocks of them.
 * Read first: dhcpd.conf(5).
 *
 *     # a comment
 *     subnet 10.0.1.0 netmask 255.255.255.0 {
 *       option domain-name "lab";
 *       range 10.0.1.100 10.0.1.200;
 *     }
 *
 * A statement is words, up to a semicolon or a block in braces. A word in quotes is a text; a comma is a word.
 * Not here: what statements mean (dhcpd-conf.ts, dhclient-conf.ts).
 */

/** What is wrong with a file, with the line; without the tool's name. */
export class ConfError extends Error {
  override readonly name = 'ConfError';
  /** Without the line. */
  readonly problem: string;

  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
    this.problem = problem;
  }
}

export interface ConfWord {
  readonly text: string;
  readonly quoted: boolean;
}

export interface ConfStatement {
  readonly words: readonly ConfWord[];
  /** Null: it ended with a semicolon. */
  readonly block: readonly ConfStatement[] | null;
  readonly line: number;
}

interface Token extends ConfWord {
  readonly line: number;
}

/** More than these blocks inside each other is a file that nobody wrote. */
const DEPTH_MAX = 16;

function tokens(text: string): Token[] {
  const out: Token[] = [];
  let line = 1;
  for (const match of text.matchAll(/\n|[^\S\n]+|#[^\n]*|[{};,]|"((?:[^"\\\n]|\\[^\n])*)"|[^\s{};,"#]+|./gu)) {
    const [whole, quoted] = match;
    if (whole === '\n') line++;
    else if (whole === '"') throw new ConfError(line, 'a text without a closing quote');
    else if (quoted !== undefined) out.push({ text: quoted.replace(/\\(.)/g, '$1'), quoted: true, line });
    else if (whole.trim() !== '' && !whole.startsWith('#')) out.push({ text: whole, quoted: false, line });
  }
  return out;
}

/** @throws ConfError */
export function parseConf(text: string): ConfStatement[] {
  const list = tokens(text);
  const last = list.at(-1)?.line ?? 1;
  let at = 0;
  const is = (t: Token | undefined, mark: string): boolean => t !== undefined && !t.quoted && t.text === mark;
  const block = (depth: number): ConfStatement[] => {
    const out: ConfStatement[] = [];
    for (;;) {
      const first = list[at];
      if (first === undefined) {
        if (depth > 0) throw new ConfError(last, 'a block without a closing brace');
        return out;
      }
      if (is(first, '}')) {
        if (depth === 0) throw new ConfError(first.line, 'a closing brace without a block');
        at++;
        return out;
      }
      if (is(first, ';')) {
        at++;
        continue;
      }
      out.push(statement(depth));
    }
  };
  const statement = (depth: number): ConfStatement => {
    const words: ConfWord[] = [];
    const { line } = list[at] ?? { line: last };
    for (;;) {
      const t = list[at];
      if (t === undefined || is(t, '}')) throw new ConfError(t?.line ?? last, `"${words.map((w) => w.text).join(' ')}": a semicolon is missing`);
      at++;
      if (is(t, ';')) return { words, block: null, line };
      if (is(t, '{')) {
        if (depth >= DEPTH_MAX) throw new ConfError(t.line, 'too many blocks inside each other');
        return { words, block: block(depth + 1), line };
      }
      words.push({ text: t.text, quoted: t.quoted });
    }
  };
  return block(0);
}

/** The words of a list, without the commas between them. */
export function listWords(s: ConfStatement, words: readonly ConfWord[]): ConfWord[] {
  const out: ConfWord[] = [];
  words.forEach((w, i) => {
    const comma = !w.quoted && w.text === ',';
    if (comma && (i === 0 || i === words.length - 1)) throw new ConfError(s.line, 'a comma with nothing beside it');
    if (!comma) out.push(w);
  });
  return out;
}

/** A whole number from `min` to `max`. @throws ConfError */
export function confNumber(s: ConfStatement, what: string, text: string | undefined, min: number, max: number): number {
  const n = /^[0-9]{1,10}$/.test(text ?? '') ? Number(text) : -1;
  if (n < min || n > max) throw new ConfError(s.line, `${what} ${text ?? '(nothing)'}: a number from ${min} to ${max} is needed`);
  return n;
}
