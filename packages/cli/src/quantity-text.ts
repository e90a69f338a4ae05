/**
 * quantity-text.ts — times and bytes as people read them, in two or three digits.
 */
export interface QuantityStyle {
  /** Between the number and its unit. */
  readonly space: string;
  /** Behind k, M, G. */
  readonly byte: string;
}

/** For columns: 52ms, 366k. */
export const NARROW: QuantityStyle = { space: '', byte: '' };
/** For sentences: 52 ms, 366 kB. */
export const WIDE: QuantityStyle = { space: ' ', byte: 'B' };

/** Microseconds; `-` for what there is not. */
export function timeText(us: number | null, { space }: QuantityStyle): string {
  if (us === null) return '-';
  if (us < 999.5) return `${Math.round(us)}${space}us`;
  if (us < 999_500) return `${digits(us / 1e3)}${space}ms`;
  return `${digits(us / 1e6)}${space}s`;
}

/** Bytes, by thousands; `-` for what there is not. */
export function bytesText(n: number | null, { space, byte }: QuantityStyle): string {
  if (n === null) return '-';
  for (const [unit, size] of [['G', 1e9], ['M', 1e6], ['k', 1e3]] as const) {
    if (n >= size * 0.9995) return `${digits(n / size)}${space}${unit}${byte}`;
  }
  return `${Math.round(n)}${byte === '' ? '' : `${space}${byte}`}`;
}

function digits(n: number): string {
  return n < 9.95 ? n.toFixed(1) : String(Math.round(n));
}
