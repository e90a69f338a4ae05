/**
 * columns.ts — fixed-width fields as printf's %-*.*s and %*s make them, and numbers as humanize_number(3) shortens them.
 */

/** Left-aligned, cut at `width`. */
export const left = (text: string, width: number): string => text.slice(0, Math.max(width, 0)).padEnd(width);

/** Left-aligned, never cut. */
export const leftWide = (text: string, width: number): string => text.padEnd(width);

/** Right-aligned, cut at `width`. */
export const right = (text: string | number, width: number): string => String(text).slice(0, width).padStart(width);

/** Right-aligned, never cut. */
export const rightWide = (text: string | number, width: number): string => String(text).padStart(width);

const PREFIXES = { 1000: ['', 'k', 'M', 'G', 'T', 'P', 'E'], 1024: ['', 'K', 'M', 'G', 'T', 'P', 'E'] } as const;
/** Four characters hold three digits and a prefix, or two digits around a point and a prefix. */
const DIGITS_MAX = 1_000;

/** `n` in four characters: '999', '1.2k', '34M'. Packets are counted in thousands, bytes in 1024s. */
export function humanize(n: number, divisor: 1000 | 1024): string {
  const nearlyOne = divisor === 1000 ? 950 : 973;
  let quotient = n;
  let remainder = 0;
  let scale = 0;
  while ((quotient >= DIGITS_MAX || (quotient === DIGITS_MAX - 1 && remainder >= nearlyOne)) && scale < PREFIXES[divisor].length - 1) {
    remainder = quotient % divisor;
    quotient = Math.floor(quotient / divisor);
    scale++;
  }
  const prefix = PREFIXES[divisor][scale] ?? '';
  if (scale > 0 && (quotient < 9 || (quotient === 9 && remainder < nearlyOne))) {
    const tenths = Math.floor((remainder * 10 + divisor / 2) / divisor);
    return `${quotient + Math.floor(tenths / 10)}.${tenths % 10}${prefix}`;
  }
  return `${quotient + Math.floor((remainder + divisor / 2) / divisor)}${prefix}`;
}
