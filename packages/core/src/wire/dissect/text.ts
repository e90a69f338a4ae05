/**
 * text.ts — how the dissector writes numbers, sets of bits and strange characters.
 */

/** `n` in hexadecimal, at least `digits` wide. */
export function hex(n: number, digits = 1): string {
  return n.toString(16).padStart(digits, '0');
}

/** Names of the bits set in `value`, joined; `none` when no bit has a name. A name matches when all its bits are set. */
export function bitNames(table: readonly (readonly [number, string])[], value: number, none: string, sep = ', '): string {
  let s = '';
  for (const [bits, name] of table) {
    if ((value & bits) >>> 0 === bits) s += s === '' ? name : sep + name;
  }
  return s === '' ? none : s;
}

/** A byte inside text: itself when printable, `^X` for control characters, `M-` before the upper half. */
export function visibleChar(c: number): string {
  const low = c & 0x7f;
  const meta = c === low ? '' : 'M-';
  if (low < 0x20 || low === 0x7f) return `${meta}^${String.fromCharCode(low ^ 0x40)}`;
  return meta + String.fromCharCode(low);
}
