/**
 * utf8.ts — text to bytes and back, for the strings inside capture files.
 * Read first: RFC 3629 §3.
 *
 * ES2023 alone has no encoder (TextEncoder belongs to the host). What is not valid becomes U+FFFD, one for each byte or
 * lone surrogate, so that neither direction can fail.
 */

const REPLACEMENT = 0xfffd;

export function utf8Encode(text: string): Uint8Array {
  const out: number[] = [];
  for (const ch of text) {
    let c = ch.codePointAt(0)!;
    if (c >= 0xd800 && c <= 0xdfff) c = REPLACEMENT;
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >>> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >>> 12), 0x80 | ((c >>> 6) & 63), 0x80 | (c & 63));
    else out.push(0xf0 | (c >>> 18), 0x80 | ((c >>> 12) & 63), 0x80 | ((c >>> 6) & 63), 0x80 | (c & 63));
  }
  return Uint8Array.from(out);
}

/** The text of `bytes` from `off` on, `len` bytes. */
export function utf8Decode(bytes: Uint8Array, off = 0, len: number = bytes.length - off): string {
  let s = '';
  const end = off + len;
  for (let i = off; i < end; ) {
    const n = sequenceLength(bytes, i, end);
    s += n === 0 ? String.fromCodePoint(REPLACEMENT) : String.fromCodePoint(codePoint(bytes, i, n));
    i += Math.max(1, n);
  }
  return s;
}

/** Bytes of the valid sequence at `i`, or 0. Overlong forms, surrogates and numbers above U+10FFFF are not valid. */
function sequenceLength(bytes: Uint8Array, i: number, end: number): number {
  const b = bytes[i]!;
  if (b < 0x80) return 1;
  const n = b >= 0xc2 && b < 0xe0 ? 2 : b >= 0xe0 && b < 0xf0 ? 3 : b >= 0xf0 && b < 0xf5 ? 4 : 0;
  if (n === 0 || i + n > end) return 0;
  for (let k = 1; k < n; k++) if ((bytes[i + k]! & 0xc0) !== 0x80) return 0;
  const c = codePoint(bytes, i, n);
  if ((n === 3 && c < 0x800) || (n === 4 && (c < 0x10000 || c > 0x10ffff))) return 0;
  return c >= 0xd800 && c <= 0xdfff ? 0 : n;
}

function codePoint(bytes: Uint8Array, i: number, n: number): number {
  let c = n === 1 ? bytes[i]! : bytes[i]! & (0x7f >>> n);
  for (let k = 1; k < n; k++) c = (c << 6) | (bytes[i + k]! & 63);
  return c;
}
