/**
 * c-number.ts — numbers as strtol(3) reads them: as far as there are digits, and what is behind.
 * Read first: strtol(3).
 *
 * Tools that came from C take `0x10`, and `12abc` as 12, and their answers to wrong words depend on where the number ended.
 */

export interface CNumber {
  readonly value: number;
  /** What follows the number; all of the text when it does not begin with one. */
  readonly rest: string;
}

/** @param base 0: by the text, as in C. */
export function strtol(text: string, base: 0 | 10 | 16 = 10): CNumber {
  const hex = base !== 10 && /^\s*[-+]?0[xX][0-9a-fA-F]/.test(text);
  const octal = !hex && base === 0 && /^\s*[-+]?0/.test(text);
  const pattern = hex ? /^\s*([-+]?)0[xX]([0-9a-fA-F]+)/ : base === 16 ? /^\s*([-+]?)([0-9a-fA-F]+)/ : octal ? /^\s*([-+]?)([0-7]+)/ : /^\s*([-+]?)([0-9]+)/;
  const match = pattern.exec(text);
  if (match === null) return { value: 0, rest: text };
  const value = Number.parseInt(match[2] ?? '', hex || base === 16 ? 16 : octal ? 8 : 10);
  return { value: match[1] === '-' && value !== 0 ? -value : value, rest: text.slice(match[0].length) };
}

/** atoi(3) */
export const atoi = (text: string): number => strtol(text).value;

export const isDigit = (text: string | undefined): boolean => text !== undefined && /^[0-9]/.test(text);
