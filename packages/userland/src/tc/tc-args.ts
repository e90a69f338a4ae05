/**
 * tc-args.ts — the words of a command line as iproute2's tools read them, and how they complain.
 * Read first: ip(8), tc(8); iproute2's `lib/utils.c`.
 *
 * A keyword may be shortened where these tools say so (`matches`). A command line that ends too early, or has a wrong value, ends the tool with 255.
 */
import { strtol } from '../c-number.js';
import { ToolExit } from '../err.js';
import type { Proc } from '../proc.js';

/** The command line is wrong: exit(-1). */
export const EXIT_USAGE = 255;
/** What was asked makes no sense here. */
export const EXIT_WRONG = 1;

/** Is `word` `keyword`, or its beginning? */
export function matches(word: string, keyword: string): boolean {
  return word !== '' && keyword.startsWith(word);
}

export class TcArgs {
  readonly p: Proc;
  private readonly words: readonly string[];
  private at = 0;

  constructor(p: Proc, words: readonly string[]) {
    this.p = p;
    this.words = words;
  }

  get left(): number {
    return this.words.length - this.at;
  }

  /** The word that is next; '' at the end. */
  get word(): string {
    return this.words[this.at] ?? '';
  }

  skip(): void {
    this.at++;
  }

  /** Takes the next word, which may be missing. */
  take(): string | null {
    return this.left > 0 ? this.words[this.at++]! : null;
  }

  /** Goes to the next word, which must be there, and answers with it. */
  next(): string {
    this.at++;
    if (this.left <= 0) {
      this.p.err('Command line is not complete. Try option "help"\n');
      throw new ToolExit(EXIT_USAGE);
    }
    return this.word;
  }

  /** The value behind the keyword that is next; both are taken. */
  value(): string {
    const word = this.next();
    this.at++;
    return word;
  }

  wrong(message: string, word: string): never {
    this.p.err(`Error: argument "${word}" is wrong: ${message}\n`);
    throw new ToolExit(EXIT_USAGE);
  }

  duplicate(key: string, word: string): never {
    this.p.err(`Error: duplicate "${key}": "${word}" is the second value.\n`);
    throw new ToolExit(EXIT_USAGE);
  }
}

/** All of a text as a number of 32 bits: decimal, 0x…, 0…, or of base 16. Null: no such number. */
export function parseU32(text: string, base: 0 | 10 | 16 = 0): number | null {
  const { value, rest } = strtol(text, base);
  return text !== '' && rest === '' && value >= 0 && value <= 0xffff_ffff ? value : null;
}

const SIZES: Readonly<Record<string, number>> = {
  '': 1, b: 1, k: 1_024, kb: 1_024, m: 1_048_576, mb: 1_048_576, g: 1_073_741_824, gb: 1_073_741_824, kbit: 128, mbit: 131_072, gbit: 134_217_728,
};

/** A size with a unit: `4mb`, `1.5kb`; parts of bytes do not count. Null: none, or above 32 bits. */
export function parseSize(text: string): number | null {
  const found = /^((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)([a-z]*)$/i.exec(text);
  const unit = found === null ? undefined : SIZES[(found[2] ?? '').toLowerCase()];
  if (found === null || unit === undefined) return null;
  const size = Math.trunc(Number(found[1]) * unit);
  return size <= 0xffff_ffff ? size : null;
}

/** A size as tc shows it: in Mb or Kb when it is nearly a whole number of them. */
export function sizeText(size: number): string {
  const mb = Math.round(size / 1_048_576);
  const kb = Math.round(size / 1_024);
  if (size >= 1_048_576 && Math.abs(mb * 1_048_576 - size) < 1_024) return `${mb}Mb`;
  if (size >= 1_024 && Math.abs(kb * 1_024 - size) < 16) return `${kb}Kb`;
  return `${size}b`;
}
