/**
 * columns.ts — fixed-width fields as printf's %-*.*s and %*s make them.
 */

/** Left-aligned, cut at `width`. */
export const left = (text: string, width: number): string => text.slice(0, width).padEnd(width);

/** Left-aligned, never cut. */
export const leftWide = (text: string, width: number): string => text.padEnd(width);

/** Right-aligned, cut at `width`. */
export const right = (text: string | number, width: number): string => String(text).slice(0, width).padStart(width);

/** Right-aligned, never cut. */
export const rightWide = (text: string | number, width: number): string => String(text).padStart(width);

/** A count as `netstat -h` shortens it: 1.2K, 34M. */
export function human(n: number): string {
  const units = ['', 'K', 'M', 'G', 'T', 'P'];
  let at = 0;
  let v = n;
  while (v >= 1_000 && at < units.length - 1) {
    v /= 1_000;
    at++;
  }
  return at === 0 ? String(n) : `${v < 10 ? v.toFixed(1) : Math.round(v)}${units[at] ?? ''}`;
}
