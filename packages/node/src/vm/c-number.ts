/**
 * c-number.ts — numbers as C's library reads them: strtol(3) with base 0, sscanf(3)'s %d, expand_number(3).
 */

/** strtol(text, &end, 0): white space, a sign, 0x for sixteen, 0 for eight. `end` is where the number stops, 0 when there is none. */
export function strtol0(text: string): { readonly value: number; readonly end: number } {
  const match = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text);
  const digits = match?.[2];
  if (match === null || digits === undefined) return { value: 0, end: 0 };
  const size = digits.length > 1 && digits.startsWith('0') && !/^0x/i.test(digits) ? parseInt(digits, 8) : Number(digits);
  return { value: match[1] === '-' ? -size : size, end: match[0].length };
}

/** A whole number from `min` to `max`, and nothing behind it; null when it is none. */
export function wholeNumber(text: string, min: number, max: number): number | null {
  const { value, end } = strtol0(text);
  return end === 0 || end !== text.length || value < min || value > max ? null : value;
}

/** atoi(3) */
export function atoi(text: string): number {
  const match = /^[ \t\n\v\f\r]*([+-]?[0-9]+)/.exec(text);
  return match === null ? 0 : Number(match[1]);
}

const UNITS = 'bkmgtpe';

/** expand_number(3): a number and a unit of 1024's powers, `b` behind it ignored; null: EINVAL or ERANGE. */
export function expandNumber(text: string): number | null {
  const { value, end } = strtol0(text);
  const unit = text.charAt(end).toLowerCase();
  const shift = unit === '' ? 0 : UNITS.indexOf(unit);
  if (shift < 0 || value < 0) return null;
  const rest = text.slice(end + 1);
  if (rest !== '' && !(shift > 0 && rest.toLowerCase() === 'b')) return null;
  const number = value * 1024 ** shift;
  return number < 2 ** 64 ? number : null;
}

const MB = 1024 * 1024;

/** vm_parse_memsize: bytes; a bare number below a megabyte means megabytes. null: no size. */
export function memorySize(text: string): number | null {
  const bare = wholeNumber(text, 0, Number.MAX_SAFE_INTEGER);
  if (bare !== null) return bare < MB ? bare * MB : bare;
  return expandNumber(text);
}
