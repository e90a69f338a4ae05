/**
 * hexdump.ts — bytes as tcpdump's -x, -X and -A show them.
 *
 * Lines of 16 bytes, each behind `\n\t` and its offset; groups of two bytes; with -X the printable characters beside them.
 */

import { hex } from './text.js';

const PER_LINE = 16;
/** Columns of eight groups of ` hhhh`. */
const HEX_COLUMNS = 40;

/** The two-byte groups of one line, each behind a blank. */
function groups(bytes: Uint8Array, at: number, end: number): string {
  let s = '';
  for (let i = at; i < end; i += 2) {
    s += ` ${hex(bytes[i]!, 2)}`;
    if (i + 1 < end) s += hex(bytes[i + 1]!, 2);
  }
  return s;
}

/** -x: `ident` begins each line. */
export function hexPrint(bytes: Uint8Array, at: number, len: number, ident = '\n\t'): string {
  let s = '';
  for (let i = 0; i < len; i += PER_LINE) {
    s += `${ident}0x${hex(i, 4)}: ${groups(bytes, at + i, at + Math.min(len, i + PER_LINE))}`;
  }
  return s;
}

/** -X: hexadecimal and characters. */
export function hexAsciiPrint(bytes: Uint8Array, at: number, len: number, ident = '\n\t'): string {
  let s = '';
  for (let i = 0; i < len; i += PER_LINE) {
    const from = at + i;
    const to = at + Math.min(len, i + PER_LINE);
    let text = '';
    for (let j = from; j < to; j++) text += isGraph(bytes[j]!) ? String.fromCharCode(bytes[j]!) : '.';
    s += `${ident}0x${hex(i, 4)}: ${groups(bytes, from, to).padEnd(HEX_COLUMNS)}  ${text}`;
  }
  return s;
}

/** -A: characters alone. A carriage return before a line feed is left out, others show as a dot. */
export function asciiPrint(bytes: Uint8Array, at: number, len: number): string {
  let s = '\n';
  for (let i = 0; i < len; i++) {
    const c = bytes[at + i]!;
    if (c === 0x0d) {
      if (len - i > 2 && bytes[at + i + 1] !== 0x0a) s += '.';
    } else {
      s += isGraph(c) || c === 0x09 || c === 0x20 || c === 0x0a ? String.fromCharCode(c) : '.';
    }
  }
  return s;
}

function isGraph(c: number): boolean {
  return c > 0x20 && c < 0x7f;
}
