/**
 * ascii.ts — text of one byte a character, for protocols that are lines of it.
 */

/** The low byte of every character. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
