/**
 * iperf-units.ts — amounts as iperf3 reads and prints them.
 * Read first: iperf3(1).
 *
 * `K M G T` are powers of 1024 for amounts of data and of 1000 for rates. What is printed takes four places and a unit: `3.72 GBytes`, ` 128
 * KBytes`, `1.05 Mbits`.
 */

const SUFFIXES = 'KMGT';
const SIZE_STEP = 1024;
const RATE_STEP = 1000;

function amount(text: string, step: number): number | null {
  const match = /^\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)([kmgt]?)$/i.exec(text);
  if (match === null) return null;
  let n = Number(match[1]);
  for (let k = match[2] === '' ? -1 : SUFFIXES.indexOf((match[2] ?? '').toUpperCase()); k >= 0; k--) n *= step;
  return n;
}

/** `128K` as 131072; null for what is no number. */
export function parseSize(text: string): number | null {
  const n = amount(text, SIZE_STEP);
  return n === null ? null : Math.trunc(n);
}

/** `10M` as 10,000,000; null for what is no number. */
export function parseRate(text: string): number | null {
  const n = amount(text, RATE_STEP);
  return n === null ? null : Math.trunc(n);
}

/** The four places of an amount. */
function places(n: number): string {
  const digits = n < 9.995 ? 2 : n < 99.95 ? 1 : 0;
  return n.toFixed(digits).padStart(4);
}

function scaled(n: number, step: number, power: number, label: string): string {
  let value = n;
  let k = power;
  if (k < 0) {
    for (k = 0; value >= step && k < SUFFIXES.length; k++) value /= step;
  } else {
    for (let i = 0; i < k; i++) value /= step;
  }
  return `${places(value)} ${k === 0 ? '' : SUFFIXES.charAt(k - 1)}${label}`;
}

/** Bytes with the unit that suits them, as in the column Transfer, without the plural: ` 128 KByte`. */
export function sizeText(bytes: number): string {
  return scaled(bytes, SIZE_STEP, -1, 'Byte');
}

/**
 * Bytes per second in the unit of `-f`: `k m g t` bits, `K M G T` bytes, `a` bits in the unit that suits.
 * Without the plural: `1.05 Mbit`.
 */
export function rateText(bytesPerSec: number, format: string): string {
  const power = SUFFIXES.indexOf(format.toUpperCase()) + 1 || -1;
  return format === format.toUpperCase() ? scaled(bytesPerSec, SIZE_STEP, power, 'Byte') : scaled(bytesPerSec * 8, RATE_STEP, power, 'bit');
}

/** printf(3)'s `%.2g`. */
export function percentText(n: number): string {
  if (n === 0) return '0';
  const [mantissa = '', exponent = ''] = n.toExponential(1).split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 2) return String(Number(n.toPrecision(2)));
  const sign = power < 0 ? '-' : '+';
  return `${mantissa.replace(/\.0$/, '')}e${sign}${String(Math.abs(power)).padStart(2, '0')}`;
}
